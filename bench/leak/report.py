"""report.py -- the figures of the leak corpus as tables of text or Markdown."""

from collections import Counter

import evaluate


def table(rows, is_markdown):
    """The first row is the heading, the first column is left-aligned."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        fields = [row[0].ljust(widths[0]), *(f.rjust(w) for f, w in zip(row[1:], widths[1:]))]
        lines.append("| " + " | ".join(fields) + " |" if is_markdown else "  " + "  ".join(fields).rstrip())
    if is_markdown:
        lines.insert(1, "|" + "|".join(["---"] + ["---:"] * (len(widths) - 1)) + "|")
    return "\n".join(lines)


def number(value, form="{:.3f}"):
    return "-" if value is None else form.format(value)


def duration(seconds):
    if seconds is None:
        return "-"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def auc_table(figures, is_markdown):
    rows = [["AUC", *evaluate.METHODS]]
    for key, what in (
        ("process_auc_first", "process, once 30 have leaked"),
        ("process_auc_last", "process, at the end"),
        ("site_auc_first", "site, once 30 have leaked"),
        ("site_auc_last", "site, at the end"),
    ):
        rows.append([what, *(number(figures[key][m]) for m in evaluate.METHODS)])
    return table(rows, is_markdown)


def delay_table(figures, is_markdown):
    rows = [["from the first leak", "reached", "median time", "median leaked"]]
    for what in ("site", "process"):
        for level in ("MEDIUM", "HIGH"):
            d = figures[f"{what}_{level}"]
            reached = f"{d['reached']} of {d['of']}"
            rows.append([f"{what} to {level}", reached, duration(d["seconds"]), number(d["objects"], "{:.0f}")])
    return table(rows, is_markdown)


def facts(figures):
    f = figures
    lines = [
        f"{f['clean']} clean runs and {f['leaking']} leaking ones, of which {f['evident']} leaked enough to be judged; "
        f"{f['failed']} runs failed",
    ]
    if f["ranked"]:
        low, high = evaluate.share_bounds(f["top1"], f["ranked"])
        lines.append(
            f"the guilty site ranks first in {f['top1']} of {f['ranked']} ({f['top1'] / f['ranked']:.0%}; 95%: "
            f"{low:.0%} to {high:.0%}), among the first three in {f['top3']} ({f['top3'] / f['ranked']:.0%})"
        )
    if f["clean"]:
        process = number(f.get("false_high_per_day_upper"), "{:.2f}")
        sites = number(f.get("false_high_sites_per_day_upper"), "{:.2f}")
        lines.append(
            f"false HIGH in {f['clean_days']:.1f} clean process-days: {f['false_high_process']} of the process (95%: at "
            f"most {process} a day), {f['false_high_sites']} of a site (at most {sites} a day); MEDIUM at some time in "
            f"{f['false_medium_runs']} of {f['clean']} clean runs"
        )
    return lines


def program_table(runs, is_markdown):
    rows = [["program", "runs", "process AUC", "site AUC", "first", "HIGH", "after leaked", "clean HIGH", "days"]]
    for name in dict.fromkeys(r["program"] for r in runs):
        f = evaluate.evaluate([r for r in runs if r["program"] == name])
        rows.append(
            [
                name,
                f"{f['clean']}+{f['leaking']}",
                number(f["process_auc_last"]["weir"], "{:.2f}"),
                number(f["site_auc_last"]["weir"], "{:.2f}"),
                f"{f['top1']}/{f['ranked']}",
                f"{f['site_HIGH']['reached']}/{f['site_HIGH']['of']}",
                number(f["site_HIGH"]["objects"], "{:.0f}"),
                f"{f['false_high_process']}+{f['false_high_sites']}",
                f"{f['clean_days']:.1f}",
            ]
        )
    return table(rows, is_markdown)


def part(title, runs, is_markdown):
    if not runs:
        return []
    figures = evaluate.evaluate(runs)
    lines = [f"### {title}" if is_markdown else title, ""]
    lines += [f"- {line}" for line in facts(figures)]
    lines += ["", auc_table(figures, is_markdown), "", delay_table(figures, is_markdown), ""]
    return lines


def section(result, is_markdown):
    runs = result["runs"]
    lines = ["## Leak risk on real programs", ""] if is_markdown else []
    lines += [
        f"- {result['machine']}",
        f"- command: `{result['command']}`",
        f"- runs of {result['minutes']:g} minutes, {result['scale']:g} times faster: "
        f"{result['minutes'] * result['scale'] / 60:.1f} h each; seeds held out: "
        + (", ".join(sorted({str(r["seed"]) for r in runs if r["is_held_out"]})) or "none"),
    ]
    failed = Counter(r["program"] for r in runs if r.get("error"))
    if failed:
        lines.append(f"- failed: {', '.join(f'{n} ({c})' for n, c in failed.items())}")
    lines.append("")
    held_out = [r for r in runs if r["is_held_out"]]
    lines += part("Seeds held out", held_out, is_markdown)
    for kind, title in (("pool", "Leaks of pool buffers"), ("small", "Leaks of small objects")):
        lines += part(title, [r for r in runs if r["twin"] == "clean" or r["kind"] == kind], is_markdown)
    if len(held_out) < len(runs):
        lines += part("All", runs, is_markdown)
    lines += [program_table(runs, is_markdown)]
    return "\n".join(lines)


def overhead_table(rows, machine, command):
    """Medians of processor time and peak RSS, tracking off and on."""
    lines = [["", "cpu s off", "cpu s on", "on/off", "peak MiB off", "peak MiB on"]]
    for name, used in rows:
        cpu = {k: evaluate.median([u["cpu_seconds"] for u in v if u]) for k, v in used.items()}
        rss = {k: evaluate.median([u["peak_rss_kib"] / 1024 for u in v if u]) for k, v in used.items()}
        ratio = cpu["on"] / cpu["off"] if cpu["on"] is not None and cpu["off"] else None
        lines.append(
            [name, number(cpu["off"], "{:.2f}"), number(cpu["on"], "{:.2f}"), number(ratio, "{:.3f}")]
            + [number(rss["off"], "{:.1f}"), number(rss["on"], "{:.1f}")]
        )
    return f"{machine}\n{command}\n\n{table(lines, True)}"
