#!/usr/bin/env python3
"""shapes.py -- heaps that look like leaks never reach HIGH, and each with a leak in it does, where the leak is.

Runs bench/leak/shapes under the preloaded object, clean and leaking, all at once, hours in seconds by
WEIR_TIME_SCALE. It asks itself for dumps at times, or numbers of leaked buffers, that it says on stdout; the
dumps are real ones. What is checked depends on counts, not on how fast the machine is.
"""
import os
import pathlib
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
import said  # noqa: E402
from tap import check, finish  # noqa: E402

BUILD = pathlib.Path(os.environ["abs_top_builddir"])
OBJECT = os.environ["TEST_OBJECT"]
SCALE = 1200
SECONDS = 5.2 * 3600
LIMIT = 120  # of wall time, for all of them
# Every so many requests one is leaked, and every so many leaks there is a dump.
LEAK_EVERY, DUMP_LEAKS = 14, 5
LEAKED_MOST = 60
FAULTS = (OSError, ValueError, KeyError, IndexError, RuntimeError, subprocess.TimeoutExpired)

SHAPES = {
    "cache": "a program that fills a cache",
    "startup": "a program that keeps start-up data",
    "triple": "a program whose load triples",
    "queue": "a program whose queue backs up",
}

def start(folder, shape, leaks):
    more = ["--leak", LEAK_EVERY, "--dump-leaks", DUMP_LEAKS] if leaks else ["--dump-seconds", 900]
    name = f"{shape}-leaks" if leaks else shape
    environment = {
        "PATH": "/usr/bin:/bin",
        "LD_PRELOAD": OBJECT,
        "WEIR_TIME_SCALE": str(SCALE),
        "WEIR_MEMORY_LIMIT": "128M",  # what leaks within hours of so few requests is to matter
        "WEIR_DUMP": f"{folder}/{name}.%n",
        "WEIR_DUMP_FORMAT": "json",
        "WEIR_LOG": "error",
    }
    command = [BUILD / "bench/leak/shapes", shape, "--seconds", SECONDS, *more]
    with open(f"{folder}/{name}.err", "wb") as errors:
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": errors}
        return name, subprocess.Popen(list(map(str, command)), env=environment, text=True, **streams)


def result_of(folder, name, process):
    """(where the request site is, [(leaked, dump)]), or an exception with what it said."""
    text, _ = process.communicate(timeout=LIMIT)
    if process.returncode != 0:
        raise RuntimeError(f"status {process.returncode}: {open(f'{folder}/{name}.err').read()[-500:]}")
    return said.dumps_of(text, folder, name)


def describe(leaked, dump):
    lines = [f"{dump['uptime_seconds'] / 3600:.1f} h, {leaked} leaked: {dump['risk']}"]
    for site in dump["sites"][:3]:
        known = {k: v for k, v in site.items() if k != "frames"}
        frames = [str(f.get("offset")) for f in site["frames"][:3]]
        lines.append(f"  {' '.join(f'{k}={v}' for k, v in known.items())} at {' '.join(frames)}")
    return "\n".join(lines)


def check_clean(shape, bounds, dumps):
    what = SHAPES[shape]
    last = dumps[-1][1]
    seen = [s for s in last["sites"] if said.is_there(s, "shapes", bounds)]
    check(
        f"{what}: its requests are followed",
        len(dumps) >= 10 and last["tracking"]["is_active"] and seen and seen[0]["allocated_objects"] >= 500,
        describe(*dumps[-1]),
    )
    high = [d for d in dumps if "HIGH" in (d[1]["risk"]["level"], *(s["level"] for s in d[1]["sites"]))]
    check(f"{what} never reaches HIGH", not high, "\n".join(describe(*d) for d in high[:2]))


def check_leaking(shape, bounds, dumps):
    what = f"{SHAPES[shape]} and leaks"
    leaked, last = dumps[-1]
    first = last["sites"][0] if last["sites"] else None
    check(f"{what} reaches HIGH", last["risk"]["level"] == "HIGH", describe(leaked, last))
    is_first = first and said.is_there(first, "shapes", bounds)
    check(f"{what} names the guilty site first", is_first, describe(leaked, last))
    early = next(((n, d) for n, d in dumps if is_guilty_high(d, bounds)), None)
    check(
        f"{what} has its guilty site at HIGH within {LEAKED_MOST} leaked buffers",
        early is not None and early[0] <= LEAKED_MOST,
        describe(*early) if early else "\n".join(describe(*d) for d in dumps[::5]),
    )


def is_guilty_high(dump, bounds):
    return any(s["level"] == "HIGH" and said.is_there(s, "shapes", bounds) for s in dump["sites"])


def main():
    with tempfile.TemporaryDirectory(prefix="weir-shapes.") as folder:
        started = [(shape, leaks, *start(folder, shape, leaks)) for shape in SHAPES for leaks in (False, True)]
        try:
            for shape, leaks, name, process in started:
                try:
                    bounds, dumps = result_of(folder, name, process)
                    (check_leaking if leaks else check_clean)(shape, bounds, dumps)
                except FAULTS as error:
                    check(f"{name}: it runs and leaves dumps", False, repr(error))
        finally:
            for _, _, _, process in started:
                if process.poll() is None:
                    process.kill()
                    process.wait()
    return finish()


sys.exit(main())
