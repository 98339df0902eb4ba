"""tap.py -- TAP for the tests of leak risk that are written in Python."""

checks = failures = 0


def check(fact, holds, why=""):
    """Says whether the fact holds, and why not."""
    global checks, failures
    checks += 1
    failures += not holds
    print(f"{'ok' if holds else 'not ok'} {checks} - {fact}", flush=True)
    if not holds and why != "":
        print("\n".join(f"# {line}" for line in str(why).splitlines()), flush=True)


def finish():
    """The plan; the exit status."""
    print(f"1..{checks}")
    return int(failures != 0)
