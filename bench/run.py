#!/usr/bin/env python3
"""run.py -- runs the cells of the allocator benchmark over several allocators, side by side, and compare.

An allocator is NAME=PATH[,VARIABLE=VALUE]...: the object to preload (empty: libc's own) and settings for its
environment. Those given are added to Debian's peers; a NAME that starts with "weir" is compared with the best
of the others and is not itself a peer. Every run is a fresh process; a repetition goes once over all
allocators before the next begins, so that what else the machine does falls on all of them.
Nothing is refused: what is missing, fails or was not preloaded is named, and the rest runs.

Cells of the kind "memory" mostly wait: they run once, a few at a time, and not while others are timed. So does
--settle, which asks each cell what is resident ten seconds after it has freed all. There Weir also appears with
a thread of its own (WEIR_BACKGROUND=always), since without one it cannot act in a sleeping program of one thread.

  bench/run.py --cells workset-1,workset-4 weir=.libs/libweir-preload.so
  bench/run.py --only jemalloc,weir,idle weir=A.so idle=A.so,WEIR_MAX_IDLE=1s
"""

import argparse
import concurrent.futures
import json
import math
import os
import platform
import re
import shlex
import statistics
import subprocess
import sys
import time
from pathlib import Path

import squeeze

HERE = Path(__file__).resolve().parent
PEERS = {
    "glibc": "",
    "jemalloc": "libjemalloc.so.2",
    "mimalloc": "libmimalloc.so.2",
    "tcmalloc": "libtcmalloc_minimal.so.4",
    "tbb": "libtbbmalloc_proxy.so.2",
}
WEIR_BUILDS = (".libs", "build/.libs", "_build/.libs", "preload/.libs", "build/preload/.libs")
TIMEOUT_SECONDS = 120
SETTLE_SECONDS = 10
# At most so many processes wait at once, and so many GiB one of them may take.
SETTLE_AT_ONCE, SETTLE_GIB = 20, 0.8
MEMORY_GIB = 2
WITH_THREAD = "+thread"
# Cells that need a setting, and cells whose repetitions are long: at most so many.
CELL_SETTINGS = {"stream-32M": {"WEIR_MAX_BUFFER_SIZE": "64M"}}
CELL_RUNS = {"burst": 2, "burst-4": 2}
# How many processes of a memory cell run at once, and how long one takes, for the estimate.
MEMORY_CELLS = {"stream-1M": (3, 30), "stream-32M": (2, 30), "burst-10s": (4, 12), "burst-4-10s": (4, 12),
                "idle-4": (4, 13), "idle-1000": (2, 13)}

# What Weir is held against.
SLOW_AT = 1.05
FAT_AT, FAT_SLACK_KIB = 1.25, 4 << 10


class Allocator:
    def __init__(self, name, spec):
        path, *settings = spec.split(",")
        self.name = name
        self.path = path
        self.settings = dict(setting.split("=", 1) for setting in settings)
        self.is_peer = not name.startswith("weir")

    def environment(self):
        environment = {k: v for k, v in os.environ.items() if k != "LD_PRELOAD"}
        if self.path:
            environment["LD_PRELOAD"] = self.path
        return environment | self.settings

    def served(self, origin):
        """Whether malloc came from this object, going by what the program says."""
        if not self.path:
            return Path(origin).name.startswith("libc.")
        return os.path.realpath(origin) == os.path.realpath(self.path)


def library_path(soname):
    """Where Debian has it on this architecture, or None."""
    for folder in (f"/usr/lib/{platform.machine()}-linux-gnu", "/usr/lib64", "/usr/lib"):
        if os.path.exists(f"{folder}/{soname}"):
            return f"{folder}/{soname}"
    return None


def allocators(given, only):
    found = {}
    for name, soname in PEERS.items():
        path = library_path(soname) if soname else ""
        if path is None:
            print(f"not installed: {name} ({soname})", file=sys.stderr)
        else:
            found[name] = Allocator(name, path)
    for top in (Path.cwd(), HERE.parent):
        for folder in WEIR_BUILDS:
            built = top / folder / "libweir-preload.so"
            if built.exists() and "weir" not in found:
                found["weir"] = Allocator("weir", str(built))
    for text in given:
        name, _, spec = text.partition("=")
        path, *settings = spec.split(",")
        path = os.path.abspath(path) if os.path.exists(path) else path
        found[name] = Allocator(name, ",".join([path, *settings]))
    for name in only or []:
        if name not in found:
            print(f"no such allocator: {name}", file=sys.stderr)
    return [a for name, a in found.items() if not only or name in only]


def program(given, wants_tail):
    """The cells program: the one given, the one that make built here, or one compiled now."""
    if given:
        return given
    name = "cells-tail" if wants_tail else "cells"
    built = Path.cwd() / "bench" / name
    if not built.exists():
        built = HERE / name
    sources = sorted(HERE.glob("*.c"))
    newest = max(f.stat().st_mtime for f in [*sources, HERE / "bench.h"])
    if not built.exists() or built.stat().st_mtime < newest:
        command = [os.environ.get("CC", "cc"), "-O2", "-std=gnu11", "-pthread", "-o", built, *sources]
        subprocess.run(command + (["-DBENCH_TAIL"] if wants_tail else []), check=True)
    return str(built)


def parsed(line):
    """key=value as a dict of numbers and words."""
    result = {}
    for key, value in re.findall(r"(\w+)=(\S+)", line):
        try:
            result[key] = float(value)
        except ValueError:
            result[key] = value
    return result


def run_once(command, allocator, settings=None):
    """One line of key=value as a dict of numbers and words; {"failed": why} where there is none."""
    environment = allocator.environment() | (settings or {})
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired:
        return {"failed": f"took longer than {TIMEOUT_SECONDS} s"}
    result = parsed(done.stdout)
    if done.returncode != 0 or "ns" not in result:
        return {"failed": f"status {done.returncode}: {done.stderr.strip()[-200:]}"}
    # A path of this machine: looked at, not kept.
    source = result.pop("from", "")
    if not allocator.served(source):
        result["unserved"] = source or "?"
    return result


def summary(runs):
    """Medians of each number; spread is the range of ns over its median."""
    good = [r for r in runs if "failed" not in r]
    if not good:
        return {"failed": runs[0]["failed"]}
    numbers = {k for r in good for k, v in r.items() if isinstance(v, float)}
    result = {k: statistics.median(r[k] for r in good if k in r) for k in sorted(numbers)}
    times = [r["ns"] for r in good]
    result["min_ns"] = min(times)
    result["spread"] = (max(times) - min(times)) / statistics.median(times)
    result["runs"] = len(good)
    if len(good) < len(runs):
        result["some_failed"] = next(r["failed"] for r in runs if "failed" in r)
    return result


def compare(cell, candidates, by):
    """Adds to each summary of one cell the time that is compared, and its ratio to the best peer's."""
    for figures in cell.values():
        if "ns" in figures:
            figures["compared_ns"] = figures.get(by, figures["ns"])
    peers = [cell[a.name]["compared_ns"] for a in candidates if a.is_peer and "ns" in cell[a.name]]
    for figures in cell.values():
        if "ns" in figures and peers:
            figures["to_best_peer"] = figures["compared_ns"] / min(peers)


def geometric_means(cells, candidates):
    """Of the ratio to the best peer, for each allocator, over the cells that it finished."""
    means = {}
    for a in candidates:
        ratios = [c[a.name]["to_best_peer"] for c in cells.values() if "to_best_peer" in c[a.name]]
        if ratios:
            means[a.name] = math.exp(statistics.fmean(math.log(r) for r in ratios))
    return means


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        model = re.search(r"model name\s*: (.*)", file.read())
    with open("/proc/meminfo", encoding="utf-8") as file:
        memory_kib = int(re.search(r"MemTotal:\s*(\d+)", file.read()).group(1))
    try:
        with open("/sys/kernel/mm/transparent_hugepage/enabled", encoding="utf-8") as file:
            huge_pages = re.search(r"\[(\w+)\]", file.read()).group(1)
    except OSError:
        huge_pages = "absent"
    return {
        "processor": model.group(1) if model else platform.machine(),
        "cpus": len(os.sched_getaffinity(0)),
        "memory_gib": round(memory_kib / 2**20, 1),
        "kernel": platform.release(),
        "libc": " ".join(platform.libc_ver()),
        "transparent_huge_pages": huge_pages,
    }


def listed(command):
    """The program's cells: {name: kind}."""
    lines = subprocess.run([command, "--list"], capture_output=True, text=True, check=True).stdout.splitlines()
    return {line.split()[0]: line.split()[1] for line in lines}


class Plan:
    """What is to be run, in order, and about how long it takes."""

    def __init__(self, arguments, candidates, names, kinds):
        self.arguments = arguments
        self.candidates = candidates
        self.speed = [n for n in names if kinds.get(n) != "memory"]
        self.memory = [n for n in names if kinds.get(n) == "memory"]

    def seconds(self):
        limit = self.arguments.limit_ms / 1000
        each = len(self.candidates)
        speed = sum(min(self.arguments.runs, CELL_RUNS.get(n, 99)) * (5 if n in CELL_RUNS else 0.8 * limit + 0.1)
                    for n in self.speed) * each
        tail = self.arguments.tail_runs * len(self.speed) * (limit / 2 + 0.1) * each
        others = 0
        if self.arguments.settle:
            width = at_once(SETTLE_AT_ONCE, SETTLE_GIB)
            others += len(self.speed) * (each + 1) * (SETTLE_SECONDS + 1) / width
        for name in self.memory:
            most, takes = MEMORY_CELLS[name]
            others += math.ceil((each + 1) / at_once(most, MEMORY_GIB)) * takes * (2 if name == squeeze.CELL else 1)
        return speed + tail + others


def at_once(most, gib_each):
    """How many of them this machine's memory has room for, with half of it left to others."""
    return max(1, min(most, int(machine()["memory_gib"] / 2 / gib_each)))


def progress(text):
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def tell_unserved(result, allocator, told):
    if "unserved" in result and allocator.name not in told:
        told.add(allocator.name)
        print(f"\n{allocator.name}: malloc came from {result['unserved']}", file=sys.stderr)


def interleaved(plan, command, name, repetitions, told):
    """The runs of one cell, for each allocator."""
    runs = {a.name: [] for a in plan.candidates}
    ops = [plan.arguments.ops] if plan.arguments.ops else []
    for repetition in range(repetitions):
        for a in plan.candidates:
            progress(f"{name} {repetition + 1}/{repetitions} {a.name}")
            result = run_once([*command, name, *ops], a, CELL_SETTINGS.get(name))
            runs[a.name].append(result)
            tell_unserved(result, a, told)
    return runs


def with_threads(candidates):
    """The candidates, and after each of Weir's the same with a thread that looks after its memory."""
    found = []
    for a in candidates:
        found.append(a)
        if not a.is_peer:
            more = Allocator(a.name + WITH_THREAD, a.path)
            more.settings = a.settings | {"WEIR_BACKGROUND": "always"}
            found.append(more)
    return found


def side_by_side(jobs, width):
    """Runs (key, command, allocator, settings), some at once; {key: result}."""
    with concurrent.futures.ThreadPoolExecutor(width) as pool:
        waiting = {pool.submit(run_once, *job): key for key, *job in jobs}
        results = {}
        for done in concurrent.futures.as_completed(waiting):
            results[waiting[done]] = done.result()
            progress(f"{waiting[done]}: {len(results)} of {len(jobs)}")
        return results


def settled(plan, command):
    """What each cell leaves resident ten seconds after it has freed all: {cell: {allocator: MiB}}."""
    jobs = [((name, a.name), [command, "--limit-ms", "200", "--settle", str(SETTLE_SECONDS), name], a,
             CELL_SETTINGS.get(name)) for name in plan.speed for a in with_threads(plan.candidates)]
    found = {name: {} for name in plan.speed}
    for (name, allocator), result in side_by_side(jobs, at_once(SETTLE_AT_ONCE, SETTLE_GIB)).items():
        if "after_mib" in result:
            found[name][allocator] = result["after_mib"]
    return found


def add_tail(cell, runs):
    """p99.9 and the longest call, which cells-tail alone can tell."""
    for name, results in runs.items():
        good = [r for r in results if "p999" in r]
        if good and "ns" in cell[name]:
            cell[name]["p999"] = statistics.median(r["p999"] for r in good)
            cell[name]["max"] = statistics.median(r["max"] for r in good)


def pressed(plan, command):
    with concurrent.futures.ThreadPoolExecutor(at_once(MEMORY_CELLS[squeeze.CELL][0], MEMORY_GIB)) as pool:
        found = [(a.name, pool.submit(squeeze.pressed, command, a, parsed)) for a in plan.candidates]
        progress(squeeze.NAME)
        return {name: waiting.result() for name, waiting in found}


def measure(plan):
    arguments, told = plan.arguments, set()
    timed = [program(arguments.program, arguments.tail), "--limit-ms", str(arguments.limit_ms)]
    cells, memory = {}, {}
    for name in plan.speed:
        repetitions = min(arguments.runs, CELL_RUNS.get(name, arguments.runs))
        cells[name] = {a: summary(r) for a, r in interleaved(plan, timed, name, repetitions, told).items()}
    if arguments.tail_runs:
        tail = [program(arguments.program and arguments.program + "-tail", True), "--limit-ms",
                str(arguments.limit_ms // 2)]
        for name in plan.speed:
            if name not in CELL_RUNS:
                add_tail(cells[name], interleaved(plan, tail, name, arguments.tail_runs, told))
    for name in plan.memory:
        jobs = [(a.name, [timed[0], name], a, CELL_SETTINGS.get(name)) for a in with_threads(plan.candidates)]
        found = side_by_side(jobs, at_once(MEMORY_CELLS[name][0], MEMORY_GIB))
        memory[name] = {a.name: found[a.name] for a in with_threads(plan.candidates)}
    if squeeze.CELL in plan.memory:
        memory[squeeze.NAME] = pressed(plan, timed[0])
    after = settled(plan, timed[0]) if arguments.settle else {}
    progress("")
    return {"cells": cells, "memory": memory, "after_mib": after}


COLUMNS = (
    # Key, heading, format.
    ("ns", "ns", "{:,.1f}"),
    ("to_best_peer", "of best", "{:.2f}"),
    ("spread", "spread", "{:.0%}"),
    ("cpu_ns", "cpu ns", "{:,.1f}"),
    ("rss_over_live", "rss/live", "{:.2f}"),
    ("minflt", "flt/1000", "{:,.1f}"),
    ("first_ns", "first ns", "{:,.0f}"),
    ("left_mib", "left MiB", "{:,.0f}"),
    ("p999", "p99.9 ns", "{:,.0f}"),
    ("max", "max ns", "{:,.0f}"),
)


def table(rows, is_markdown):
    """Rows of text; the first is the heading, the first column is left-aligned."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        fields = [row[0].ljust(widths[0]), *(f.rjust(w) for f, w in zip(row[1:], widths[1:]))]
        lines.append("| " + " | ".join(fields) + " |" if is_markdown else "  " + "  ".join(fields).rstrip())
    if is_markdown:
        lines.insert(1, "|" + "|".join(["---"] + ["---:"] * (len(widths) - 1)) + "|")
    return "\n".join(lines)


def cell_table(cell, is_markdown):
    columns = [c for c in COLUMNS if any(f.get(c[0]) for f in cell.values())]
    rows = [["", *(heading for _, heading, _ in columns)]]
    for name, figures in cell.items():
        if "failed" in figures:
            rows.append([name, "failed"] + [""] * (len(columns) - 1))
        else:
            rows.append([name, *(form.format(figures[k]) if k in figures else "" for k, _, form in columns)])
    return table(rows, is_markdown)


MEMORY_COLUMNS = (
    ("refault_percent", "refaults, %", "{:.2f}"),
    ("rss_over_live", "peak RSS/live", "{:.2f}"),
    ("after_1s_mib", "MiB after 1 s", "{:,.0f}"),
    ("after_10s_mib", "after 10 s", "{:,.0f}"),
    ("live_mib", "of that live", "{:,.0f}"),
    ("pressed_1s_mib", "MiB 1 s after the limit", "{:,.0f}"),
    ("left_mib", "MiB after 10 s", "{:,.0f}"),
    ("idle_mib", "MiB idle", "{:,.1f}"),
    ("idle_10s_mib", "after 10 s", "{:,.1f}"),
    ("p999", "p99.9 ns", "{:,.0f}"),
    ("max", "max ns", "{:,.0f}"),
)


def memory_table(cell, is_markdown):
    columns = [c for c in MEMORY_COLUMNS if any(c[0] in f for f in cell.values())]
    rows = [["", *(heading for _, heading, _ in columns)]]
    for name, figures in cell.items():
        fields = [form.format(figures[k]) if k in figures else "" for k, _, form in columns]
        rows.append([name, *(["failed"] + fields[1:] if "failed" in figures else fields)])
    return table(rows, is_markdown)


def overview(cells, candidates):
    """One line a cell, one column an allocator: ns, and RSS over live where it is measured."""
    rows = [["cell", *(a.name for a in candidates)]]
    for name, cell in cells.items():
        best = min((f["compared_ns"] for f in cell.values() if "ns" in f), default=0)
        rows.append([name, *(overview_field(cell[a.name], best) for a in candidates)])
    means = geometric_means(cells, candidates)
    rows.append(
        ["geometric mean of time / best peer's"]
        + [f"{means[a.name]:.2f}" if a.name in means else "" for a in candidates]
    )
    return table(rows, True)


def overview_field(figures, best):
    if "failed" in figures:
        return "failed"
    ns = figures["compared_ns"]
    text = f"{ns:,.1f}" if ns < 100 else f"{ns:,.0f}"
    if ns == best:
        text = f"**{text}**"
    if "rss_over_live" in figures:
        text += f" ({figures['rss_over_live']:.2f}x)"
    return text


def shortfalls(cells, candidates, name):
    """Where the allocator `name`, which is not a peer, is behind, as lines of text."""
    slow, fat, beaten = [], [], []
    for cell_name, cell in cells.items():
        own = cell[name]
        if "ns" not in own:
            slow.append(f"{cell_name} (failed)")
            continue
        if own.get("to_best_peer", 0) > SLOW_AT:
            slow.append(f"{cell_name} {own['to_best_peer']:.2f}")
        allowed_kib = FAT_AT * own.get("peak_live_kib", math.inf) + FAT_SLACK_KIB
        if cell_name.startswith("workset") and own["peak_rss_kib"] > allowed_kib:
            fat.append(f"{cell_name} {own['rss_over_live']:.2f}x")
        for a in candidates:
            peer = cell[a.name]
            if a.is_peer and "rss_over_live" in own and "rss_over_live" in peer:
                if peer["compared_ns"] < own["compared_ns"] and peer["rss_over_live"] < own["rss_over_live"]:
                    beaten.append(f"{cell_name} by {a.name}")
    means = geometric_means(cells, candidates)
    peers = [means[a.name] for a in candidates if a.is_peer and a.name in means]
    lines = [
        f"slower than {SLOW_AT} times the best peer: {', '.join(slow) or 'nowhere'}",
        f"peak RSS above {FAT_AT} times live and {FAT_SLACK_KIB >> 10} MiB: {', '.join(fat) or 'in no working set'}",
        f"a peer both faster and leaner: {', '.join(beaten) or 'nowhere'}",
    ]
    if name in means and peers:
        lines.append(f"geometric mean, over that of the best single peer: {means[name] / min(peers):.2f}")
    return lines


def report(result, candidates, is_markdown):
    facts, cells = result["machine"], result["cells"]
    spreads = [f["spread"] for c in cells.values() for f in c.values() if "spread" in f]
    lines = [
        f"{facts['processor']}, {facts['cpus']} CPUs, {facts['memory_gib']} GiB, Linux {facts['kernel']}, "
        f"{facts['libc']}, transparent huge pages {facts['transparent_huge_pages']}",
        f"{result['runs']} interleaved runs, medians; load {result['load_before']:.1f} before, "
        f"{result['load_after']:.1f} after",
        f"noise: the range of ns over its median is {statistics.median(spreads):.0%} in the middle cell, "
        f"{max(spreads):.0%} in the worst" if spreads else "nothing ran",
        f"compared by {result['by']}",
        f"command: {result['command']}",
    ]
    print("\n".join(f"- {line}" if is_markdown else line for line in lines))
    if is_markdown:
        print(f"\n{result['by']} an operation (peak RSS over live bytes); bold: the fastest.\n")
        print(overview(cells, candidates))
    for name, cell in cells.items():
        print(f"\n### {name}\n" if is_markdown else f"\n{name}")
        print(cell_table(cell, is_markdown))
        for allocator, figures in cell.items():
            why = figures.get("failed") or figures.get("some_failed")
            if why:
                print(f"\n{allocator} failed: {why}")
    if not is_markdown:
        print("\ngeometric mean of time / best peer's, over the cells finished")
        print(table([[n, f"{m:.2f}"] for n, m in geometric_means(cells, candidates).items()] or [["none"]], False))
    for name, cell in result.get("memory", {}).items():
        print(f"\n### {name}\n" if is_markdown else f"\n{name}")
        print(memory_table(cell, is_markdown))
    if result.get("after_mib"):
        print(f"\n{'### ' if is_markdown else ''}MiB resident ten seconds after all was freed\n")
        print(table([["cell", *(names := list(dict.fromkeys(a for c in result["after_mib"].values() for a in c)))]]
                    + [[n, *(f"{c[a]:.1f}" if a in c else "" for a in names)] for n, c in result["after_mib"].items()],
                    is_markdown))
    for a in candidates:
        if not a.is_peer:
            print(f"\n**{a.name}**\n" if is_markdown else f"\n{a.name}")
            print("\n".join(f"- {line}" for line in shortfalls(cells, candidates, a.name)))


def add_arguments(parser):
    parser.add_argument("allocators", nargs="*", metavar="NAME=PATH[,VAR=VALUE]")
    parser.add_argument("--cells", help="comma-separated; default: all")
    parser.add_argument("--only", help="of the allocators, only these")
    parser.add_argument("--runs", type=int, default=5, metavar="N", help="repetitions (5)")
    parser.add_argument("--limit-ms", type=int, default=600, metavar="MS", help="a cell's longest time (600)")
    parser.add_argument("--tail-runs", type=int, default=2, metavar="N",
                        help="repetitions with a clock around each call, for p99.9 and the longest (2)")
    parser.add_argument("--no-settle", dest="settle", action="store_false",
                        help="leave out what is resident ten seconds after")
    parser.add_argument("--ops", help="operations a worker, instead of each cell's own and the time limit")
    parser.add_argument("--tail", action="store_true", help="time each call, and nothing else")
    parser.add_argument(
        "--by",
        choices=("ns", "cpu_ns", "min_ns"),
        default="ns",
        help="compare elapsed time, processor time (for a machine that others use too), or the best run's",
    )
    parser.add_argument("--program", metavar="PATH", help="the cells program; default: built as needed")


def run_all(arguments, command):
    """Measures what was asked for: (the result, the allocators)."""
    candidates = allocators(arguments.allocators, arguments.only and arguments.only.split(","))
    kinds = listed(program(arguments.program, arguments.tail))
    names = arguments.cells.split(",") if arguments.cells else list(kinds)
    if unknown := [n for n in names if n not in kinds]:
        sys.exit(f"run.py: no such cell: {', '.join(unknown)}; {arguments.program or 'cells'} --list has them")
    plan = Plan(arguments, candidates, names, kinds)
    print(f"{len(names)} cells, {len(candidates)} allocators: about {plan.seconds() / 60:.0f} minutes", file=sys.stderr)
    began = time.monotonic()
    result = {
        "command": command,
        "taken_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "machine": machine(),
        "runs": arguments.runs,
        "tail_runs": arguments.tail_runs,
        "by": arguments.by,
        "load_before": os.getloadavg()[0],
        "allocators": {a.name: {"path": shown_path(a.path), "settings": a.settings} for a in candidates},
        **measure(plan),
        "load_after": os.getloadavg()[0],
        "minutes": (time.monotonic() - began) / 60,
    }
    for cell in result["cells"].values():
        compare(cell, candidates, arguments.by)
    return result, candidates


def shown_path(path):
    """Debian's whole; of what was built here the name alone."""
    return path if path.startswith("/usr/lib") else os.path.basename(path)


def loaded(path):
    """What --json wrote: (the result, the allocators)."""
    result = json.loads(Path(path).read_text(encoding="utf-8"))
    return result, [Allocator(name, a["path"]) for name, a in result["allocators"].items()]


def write_json(result, path):
    Path(path).write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser)
    parser.add_argument("--load", metavar="FILE", help="measure nothing, report what --json wrote")
    parser.add_argument("--json", metavar="FILE", help="also write all figures there")
    parser.add_argument("--markdown", action="store_true", help="print as markdown, with an overview")
    arguments = parser.parse_args()

    if arguments.load:
        result, candidates = loaded(arguments.load)
    else:
        result, candidates = run_all(arguments, shlex.join(["bench/run.py", *sys.argv[1:]]))
    report(result, candidates, arguments.markdown)
    if arguments.json:
        write_json(result, arguments.json)


if __name__ == "__main__":
    main()
