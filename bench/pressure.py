#!/usr/bin/env python3
"""pressure.py -- which allocators get a program through a memory limit that its live bytes respect.

Each run is a fresh process in a memory cgroup of its own with a hard limit (and no swap), which is removed
afterwards. The program (bench/pressure.c) keeps SHARE of the limit alive at most; what kills it is what its
allocator keeps. For each shape and allocator: survived or killed, how often the limit was met (the kernel then
reclaims what it can: memory.failcnt, or "max" of memory.events), the peak of use, the seconds, and the page
faults for each 100 pages written.
Needs to be able to make cgroups (status 77 where it is not): root, on the host or in a container that owns its
tree. Status 1: one whose name begins with weir did not survive.

  bench/pressure.py --limit 96 --share 60 weir=build/libweir-preload.so
  bench/pressure.py --shapes kinds,late --only jemalloc,weir weir=build/libweir-preload.so
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import run

SHAPES = ("sizes", "turns", "kinds", "frames", "handed", "late", "outside", "full")
MIB = 1 << 20
LIMIT_SECONDS = 90
NO_CGROUP = 77
HERE = Path(__file__).resolve().parent


class Cgroup:
    """A memory cgroup with a limit; v2 where the memory controller is there, else v1."""

    def __init__(self, limit_bytes, high_bytes=None):
        v1, v2 = Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")
        name = f"weir-pressure-{os.getpid()}"
        controllers = v2 / "cgroup.controllers"
        self.is_v2 = controllers.exists() and "memory" in controllers.read_text().split()
        self.path = (v2 if self.is_v2 else v1) / name
        if self.is_v2 and "memory" not in (v2 / "cgroup.subtree_control").read_text().split():
            (v2 / "cgroup.subtree_control").write_text("+memory")
        self.path.mkdir()
        try:
            if self.is_v2:
                self.write("memory.max", limit_bytes)
                if (self.path / "memory.swap.max").exists():
                    self.write("memory.swap.max", 0)
                if high_bytes:
                    self.write("memory.high", high_bytes)
            else:
                self.write("memory.limit_in_bytes", limit_bytes)
                self.write("memory.swappiness", 0)
        except OSError:
            self.remove()
            raise

    def write(self, name, value):
        (self.path / name).write_text(str(value))

    def read(self, name):
        return (self.path / name).read_text()

    def limit_met(self):
        if self.is_v2:
            return int(dict(line.split() for line in self.read("memory.events").splitlines())["max"])
        return int(self.read("memory.failcnt"))

    def peak_bytes(self):
        name = "memory.peak" if self.is_v2 else "memory.max_usage_in_bytes"
        return int(self.read(name)) if (self.path / name).exists() else 0

    def remove(self):
        # The last process may still be on its way out.
        for _ in range(100):
            try:
                self.path.rmdir()
                return
            except OSError:
                time.sleep(0.02)
        self.path.rmdir()


def run_once(program, shape, allocator, limit_mib, live_mib, high_mib):
    cgroup = Cgroup(limit_mib * MIB, high_mib * MIB if high_mib else None)
    # The shell enters the cgroup; the environment with the allocator is set for the program alone.
    environment = {k: v for k, v in os.environ.items() if k != "LD_PRELOAD"}
    settings = [f"{k}={v}" for k, v in allocator.environment().items() if environment.get(k) != v]
    command = ["/bin/sh", "-c", 'echo $$ >"$0/cgroup.procs" && exec env "$@"', str(cgroup.path), *settings]
    try:
        began = time.monotonic()
        done = subprocess.run(
            [*command, program, shape, str(live_mib)], env=environment, capture_output=True, text=True,
            timeout=LIMIT_SECONDS, check=False,
        )
        figures = dict(item.split("=") for item in done.stdout.split())
        said = done.stderr.strip()[-200:]
        result = {"status": done.returncode, "said": said, "fault_percent": figures.get("fault_percent", "")}
    except subprocess.TimeoutExpired:
        result = {"status": "too slow", "said": "", "fault_percent": ""}
    result |= {
        "seconds": round(time.monotonic() - began, 2),
        "limit_met": cgroup.limit_met(),
        "peak_mib": round(cgroup.peak_bytes() / MIB, 1),
    }
    cgroup.remove()
    result["fate"] = {0: "survived", -9: "killed"}.get(result["status"], f"status {result['status']}")
    return result


def built(given):
    if given:
        return given
    program = HERE / "pressure"
    if not program.exists() or program.stat().st_mtime < (HERE / "pressure.c").stat().st_mtime:
        compiler = os.environ.get("CC", "cc")
        subprocess.run([compiler, "-O2", "-std=gnu11", "-pthread", "-o", program, HERE / "pressure.c"], check=True)
    return str(program)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("allocators", nargs="*", metavar="NAME=PATH[,VARIABLE=VALUE]...")
    parser.add_argument("--program", help="bench/pressure as make built it (compiled here otherwise)")
    parser.add_argument("--shapes", default=",".join(SHAPES), help=f"comma-separated, of: {', '.join(SHAPES)}")
    parser.add_argument("--only", help="of the allocators, only these")
    parser.add_argument("--limit", type=int, default=96, metavar="MIB", help="of the cgroup (96)")
    parser.add_argument("--high", type=int, metavar="MIB", help="memory.high, with v2")
    parser.add_argument("--share", type=int, default=60, metavar="PERCENT", help="of the limit are live at most (60)")
    parser.add_argument("--runs", type=int, default=1, metavar="N", help="repetitions (1)")
    parser.add_argument("--json", metavar="FILE", help="also write all figures there")
    arguments = parser.parse_args()
    program = built(arguments.program)
    candidates = run.allocators(arguments.allocators, arguments.only and arguments.only.split(","))
    live_mib = arguments.limit * arguments.share // 100
    results = []
    try:
        Cgroup(arguments.limit * MIB).remove()
    except OSError as why:
        print(f"no cgroup can be made: {why}", file=sys.stderr)
        return NO_CGROUP
    print(f"limit {arguments.limit} MiB, live at most {live_mib} MiB; survived of {arguments.runs}, "
          "limit met, peak MiB, seconds, faults in 100 pages (of the last run)")
    for shape in arguments.shapes.split(","):
        for allocator in candidates:
            runs = [
                run_once(program, shape, allocator, arguments.limit, live_mib, arguments.high)
                for _ in range(arguments.runs)
            ]
            survived = sum(r["fate"] == "survived" for r in runs)
            last = runs[-1]
            print(f"{shape:9}{allocator.name:12}{survived:3}/{len(runs)}  {last['fate']:10}"
                  f"{last['limit_met']:7} {last['peak_mib']:7.1f} {last['seconds']:7.2f} "
                  f"{last['fault_percent']:>7} {last['said']}", flush=True)
            results += [r | {"shape": shape, "allocator": allocator.name} for r in runs]
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(results, indent=1) + "\n")
    killed = [r for r in results if r["allocator"].startswith("weir") and r["fate"] != "survived"]
    return 1 if killed else 0


if __name__ == "__main__":
    sys.exit(main())
