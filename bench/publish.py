#!/usr/bin/env python3
"""publish.py -- the whole benchmark, and everything that shows it: one command.

Runs what run.py and, with --programs, programs.py run; keeps the figures in bench/results/, draws the charts
in bench/charts/, writes bench/CELLS.md, and renews what stands between the marks in bench/RESULTS.md. What is written
by hand there stays. With --from-results nothing is measured: the same figures give the same files. With --check
nothing is written either: its status says whether the pages are what the figures give.

  ./dev bench publish                 # about twenty minutes on a quiet machine
  ./dev bench publish --programs      # and real programs, half an hour more
"""

import argparse
import json
import math
import re
import statistics
import sys
from pathlib import Path

import charts
import programs
import run
import squeeze

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"
CELLS_FILE, PROGRAMS_FILE = RESULTS / "cells.json", RESULTS / "programs.json"
FAMILIES = (
    ("one size, untouched", ("fixed-", "fifo-", "lifo-")),
    ("aligned", ("aligned-",)),
    ("calloc", ("calloc-",)),
    ("large frames", ("frames-",)),
    ("working sets", ("workset-",)),
    ("between threads", ("pair", "freeonly", "fanout")),
    ("realloc growth", ("grow", "cluster-16M")),
    ("bursts", ("burst",)),
    ("threads come and go", ("threads-churn",)),
    ("small requests", ("small-",)),
)
STREAMS = {"stream-1M": "720p, four streams", "stream-32M": "2160p, two streams"}


def geometric_mean(values):
    return math.exp(statistics.fmean(math.log(v) for v in values))


def mean_row(label, cells, names, key):
    """Means over the cells that this allocator finished."""
    fields, means = [], {}
    for name in names:
        values = [c[name][key] for c in cells if c.get(name, {}).get(key)]
        if values:
            means[name] = geometric_mean(values)
    for name in names:
        text = f"{means[name]:.2f}" if name in means else ""
        fields.append(f"**{text}**" if means and means.get(name) == min(means.values()) else text)
    return [label, *fields]


def family_table(result, names):
    rows = [["", *names]]
    cells = result["cells"]
    for label, starts in FAMILIES:
        found = [c for n, c in cells.items() if n.startswith(starts)]
        if found:
            rows.append(mean_row(f"{label} ({len(found)})", found, names, "to_best_peer"))
    rows.append(mean_row(f"all ({len(cells)})", list(cells.values()), names, "to_best_peer"))
    found = [c for n, c in cells.items() if n.startswith("workset-")]
    rows.append(mean_row("peak RSS / live, working sets", found, names, "rss_over_live"))
    return run.table(rows, True)


def stream_table(result):
    rows = [["", "refaults, %", "peak RSS / live", "MiB after 1 s", "after 10 s", "of that live", "p99.9, us"]]
    for cell, about in STREAMS.items():
        for name, f in result["memory"].get(cell, {}).items():
            if "refault_percent" in f and not name.endswith(run.WITH_THREAD):
                rows.append([f"{about}: {name}", f"{f['refault_percent']:.1f}", f"{f['rss_over_live']:.2f}",
                             f"{f['after_1s_mib']:,.0f}", f"{f['after_10s_mib']:,.0f}", f"{f['live_mib']:,.0f}",
                             f"{f['p999'] / 1000:,.0f}"])
    if len(rows) == 1:
        return ""
    pressed = result["memory"].get(squeeze.NAME, {})
    told = ", ".join(f"{n} {f['pressed_1s_mib']:,.0f}" for n, f in pressed.items() if "pressed_1s_mib" in f)
    if told:
        told = ("\n\nThe first of them in a cgroup whose limit comes down to 104% of what it uses when the last burst is "
                f"over: MiB resident one second after: {told}.")
    return run.table(rows, True) + told


def rest_table(result, names):
    """What stays where nothing is in use any more, in MiB."""
    memory = result["memory"]
    columns = [n for n in dict.fromkeys(a for c in memory.values() for a in c)]
    rows = [["", *columns]]
    for label, cell, key in (
        ("4 idle threads", "idle-4", "idle_mib"),
        ("1,000 idle threads", "idle-1000", "idle_mib"),
        ("10 s after 512 MiB, one thread", "burst-10s", "left_mib"),
        ("10 s after 512 MiB, four threads", "burst-4-10s", "left_mib"),
    ):
        if cell in memory:
            rows.append([label, *(f"{memory[cell][a][key]:,.0f}" if key in memory[cell].get(a, {}) else ""
                                  for a in columns)])
    return run.table(rows, True) if len(rows) > 1 else ""


def conditions(result):
    facts = result["machine"]
    spreads = [f["spread"] for c in result["cells"].values() for f in c.values() if "spread" in f]
    return "\n".join((
        f"- {facts['processor']}, {facts['cpus']} CPUs, {facts['memory_gib']} GiB, Linux {facts['kernel']}, "
        f"{facts['libc']}, transparent huge pages {facts['transparent_huge_pages']}",
        f"- {result['taken_at'][:10]}, {result['minutes']:.0f} minutes; load {result['load_before']:.1f} before, "
        f"{result['load_after']:.1f} after; {result['runs']} interleaved runs, medians, compared by {result['by']}",
        f"- noise: the range of a cell's runs over their median is {statistics.median(spreads):.0%} in the middle, "
        f"{sorted(spreads)[len(spreads) * 9 // 10]:.0%} in one of ten, {max(spreads):.0%} at worst",
        f"- command: `{result['command']}`",
    ))


def overview(result, candidates):
    names = charts.order_of(result["allocators"]) or list(result["allocators"])
    parts = [
        conditions(result),
        "Time over the best peer's, geometric means over the cells of a kind; bold: the least.",
        family_table(result, names),
    ]
    if table := stream_table(result):
        parts += ["Steady streams in real time, with bursts; RSS in MiB after the last one.", table]
    if table := rest_table(result, names):
        parts += ["MiB resident where nothing is in use any more (`+thread`: with `WEIR_BACKGROUND=always`).", table]
    for a in candidates:
        if not a.is_peer:
            parts.append("\n".join(f"- {line}" for line in run.shortfalls(result["cells"], candidates, a.name)))
    return "\n\n".join(parts)


def value_table(cells, names, key, form):
    rows = [["cell", *names]]
    for cell, figures in cells.items():
        values = {n: figures[n][key] for n in names if key in figures.get(n, {})}
        if any(values.values()):
            rows.append([cell, *(form(values[n]) if n in values else "" for n in names)])
    return run.table(rows, True)


def short_number(value):
    return f"{value:,.1f}" if value < 100 else f"{value:,.0f}"


CELL_TABLES = (
    ("ns", "Nanoseconds an operation", short_number),
    ("spread", "Range of the runs over their median", "{:.0%}".format),
    ("cpu_ns", "Processor nanoseconds an operation, of all threads", short_number),
    ("rss_over_live", "Peak RSS over live bytes", "{:.2f}".format),
    ("minflt", "Page faults in a thousand operations", short_number),
    ("p999", "p99.9 of one malloc or free, ns, the clock's 40 included", "{:,.0f}".format),
    ("max", "The longest malloc or free, us (the median of the runs' longest)", lambda v: f"{v / 1000:,.0f}"),
)


def cells_page(result, of_programs):
    names = charts.order_of(result["allocators"]) or list(result["allocators"])
    parts = [
        "# Every cell of the benchmark",
        "Written by `./dev bench publish`; [RESULTS.md](RESULTS.md) says what it means, `build/bench/cells --list` what "
        "each cell does.",
        conditions(result),
    ]
    for key, heading, form in CELL_TABLES:
        parts += [f"## {heading}", value_table(result["cells"], names, key, form)]
    if after := result.get("after_mib"):
        columns = list(dict.fromkeys(a for c in after.values() for a in c))
        rows = [["cell", *columns]]
        rows += [[n, *(f"{c[a]:.1f}" if a in c else "" for a in columns)] for n, c in after.items()]
        parts += ["## MiB resident ten seconds after all was freed, threads idle", run.table(rows, True)]
    for cell, figures in result["memory"].items():
        parts += [f"## {cell}", run.memory_table(figures, True)]
    if of_programs:
        parts += programs.details(of_programs)
    failed = [f"- {c}, {a}: {f['failed']}" for c, v in (result["cells"] | result["memory"]).items()
              for a, f in v.items() if "failed" in f]
    if failed:
        parts += ["## Failed", "\n".join(failed)]
    return "\n\n".join(parts) + "\n"


def renewed(page, name, text):
    """The page with this between the marks of that name."""
    begin, end = f"<!-- {name}: written by ./dev bench publish -->", f"<!-- end of {name} -->"
    pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    if not pattern.search(page):
        sys.exit(f"RESULTS.md has no mark {begin}")
    return pattern.sub(lambda _: f"{begin}\n\n{text}\n\n{end}", page)


def pages():
    """The pages that the figures kept give: {path: text}."""
    results = (HERE / "RESULTS.md").read_text(encoding="utf-8")
    found, of_programs = {}, None
    if PROGRAMS_FILE.exists():
        of_programs = json.loads(PROGRAMS_FILE.read_text(encoding="utf-8"))
        results = renewed(results, "programs", programs.page(of_programs, programs.TABLES[:2]))
    if CELLS_FILE.exists():
        result, candidates = run.loaded(CELLS_FILE)
        found[HERE / "CELLS.md"] = cells_page(result, of_programs)
        results = renewed(results, "overview", overview(result, candidates))
    return found | {HERE / "RESULTS.md": results}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    run.add_arguments(parser)
    parser.add_argument("--programs", action="store_true", help="also measure real programs")
    parser.add_argument("--only-programs", action="store_true", help="measure nothing but real programs")
    parser.add_argument("--from-results", action="store_true", help="measure nothing, write everything anew")
    parser.add_argument("--check", action="store_true", help="measure and write nothing: are the pages up to date?")
    arguments = parser.parse_args()

    if arguments.check:
        stale = [path.name for path, text in pages().items() if path.read_text(encoding="utf-8") != text]
        sys.exit(f"not what the figures give: {', '.join(stale)}" if stale else 0)
    RESULTS.mkdir(exist_ok=True)
    if not arguments.from_results:
        if not arguments.only_programs:
            run.write_json(run.run_all(arguments, "./dev bench publish")[0], CELLS_FILE)
        if arguments.programs or arguments.only_programs:
            run.write_json(programs.run_all(arguments, "./dev bench publish --programs"), PROGRAMS_FILE)
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
    if CELLS_FILE.exists():
        print("drawn:", *charts.draw(run.loaded(CELLS_FILE)[0], HERE / "charts"))


if __name__ == "__main__":
    main()
