#!/usr/bin/env python3
"""busy.py -- a site that allocates 2,000 buffers a second and leaks one in 25 is found, beside others as busy.

Runs tests/leak/busy under the preloaded object, clean and leaking, hours in seconds by WEIR_TIME_SCALE. That needs
the call sites of most buffers: of 10,000 a second in all. Where only a hundred stacks a second are taken, a few
tens of the leaked buffers are seen and nothing is said.
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
SCALE = 600
SECONDS = 10
LIMIT = 100


def start(folder, name, *leak):
    environment = {
        "PATH": "/usr/bin:/bin",
        "LD_PRELOAD": OBJECT,
        "WEIR_TIME_SCALE": str(SCALE),
        "WEIR_MEMORY_LIMIT": "256M",
        "WEIR_DUMP": f"{folder}/{name}.%n",
        "WEIR_DUMP_FORMAT": "json",
        "WEIR_LOG": "error",
    }
    command = [str(BUILD / "tests/leak/busy"), str(SECONDS), *leak]
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    return subprocess.Popen(command, env=environment, text=True, **streams)


def dumps_of(folder, name, process):
    """(where the leaking function is, [(leaked, dump)])"""
    text, _ = process.communicate(timeout=LIMIT)
    if process.returncode != 0:
        raise RuntimeError(f"status {process.returncode}: {text[-500:]}")
    return said.dumps_of(text, folder, name)


def describe(dumps):
    lines = []
    for leaked, dump in dumps:
        first = {k: v for k, v in dump["sites"][0].items() if k != "frames"}
        lines.append(f"{leaked} leaked: {dump['risk']['level']} {first} {dump['tracking']['stacks_captured']}")
    return "\n".join(lines)


def main():
    with tempfile.TemporaryDirectory(prefix="weir-busy.") as folder:
        started = {"leaking": start(folder, "leaking", "25"), "clean": start(folder, "clean")}
        try:
            bounds, dumps = dumps_of(folder, "leaking", started["leaking"])
            leaked, last = dumps[-1]
            first = last["sites"][0]
            check("a busy site that leaks one in 25 is at HIGH, and first", leaked == SECONDS * 2000 // 25 and
                  last["risk"]["level"] == first["level"] == "HIGH" and said.is_there(first, "busy", bounds),
                  describe(dumps))
            # Each site has births enough for what it loses to be told from what it keeps for a while.
            taken = last["tracking"]["stacks_captured"]
            check("thousands of its buffers a second have their call site", taken >= SECONDS * 1000, taken)
            check("what is estimated to live there is what was lost, to a third",
                  abs(first["live_objects"] - leaked) < leaked / 3, describe(dumps[-1:]))
            _, dumps = dumps_of(folder, "clean", started["clean"])
            levels = {s["level"] for _, d in dumps for s in (d["risk"], *d["sites"])}
            check("its twin that loses nothing stays LOW", levels == {"LOW"}, describe(dumps))
        finally:
            for process in started.values():
                if process.poll() is None:
                    process.kill()
                    process.wait()
    return finish()


sys.exit(main())
