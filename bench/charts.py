"""charts.py -- the benchmark's charts, drawn by gnuplot, in colours for light and for dark pages.

Called by publish.py with what run.py measured. speed: each cell's time over that of the best peer. memory: peak
RSS over live bytes. burst: RSS over time after the last burst of the cell stream-1M.
Nothing is measured here.
"""

import subprocess
import tempfile
from pathlib import Path

THEMES = {
    "light": {"page": "#ffffff", "text": "#1f2328", "faint": "#59636e", "grid": "#e4e8ec", "band": "#f4f6f8",
              "live": "#d5dbe1", "weir": "#0550ae", "glibc": "#8c959f", "jemalloc": "#bf3989", "mimalloc": "#1a7f37",
              "tcmalloc": "#d4820b", "tbb": "#8250df"},
    "dark": {"page": "#0d1117", "text": "#e6edf3", "faint": "#9198a1", "grid": "#262c34", "band": "#151b23",
             "live": "#30363d", "weir": "#58a6ff", "glibc": "#7d8590", "jemalloc": "#f778ba", "mimalloc": "#3fb950",
             "tcmalloc": "#e3a008", "tbb": "#bc8cff"},
}
# gnuplot's point types: a shape for each, so that colour alone does not have to tell them apart.
SHAPES = {"weir": 7, "glibc": 2, "jemalloc": 9, "mimalloc": 5, "tcmalloc": 13, "tbb": 11}
FULL_NAMES = {"weir": "Weir", "tbb": "tbbmalloc"}
ORDER = ("glibc", "jemalloc", "mimalloc", "tcmalloc", "tbb", "weir")
FONT = "Helvetica"
ROW = 17


def order_of(names):
    return [n for n in ORDER if n in names]


def shown(name):
    full = FULL_NAMES.get(name, name)
    return f"{{/:Bold {full}}}" if name == "weir" else full


def text(string):
    """As gnuplot's enhanced mode prints it."""
    return '"' + string.replace("_", "\\\\_") + '"'


def head(theme, width, height, title, subtitle):
    return f"""
set terminal svg size {width},{height} dynamic enhanced font '{FONT},12' background rgb '{theme["page"]}'
set label 1 "{{/:Bold=17 {title}}}" at screen 0,1 offset character 2,-1.3 textcolor rgb '{theme["text"]}'
set label 2 {text(subtitle)} at screen 0,1 offset character 2,-2.9 textcolor rgb '{theme["faint"]}'
set border 0
set tics scale 0 textcolor rgb '{theme["faint"]}'
unset key
"""


def block(name, rows):
    return f"${name} << END\n" + "\n".join(" ".join(str(f) for f in row) for row in rows) + "\nEND\n"


def dots(theme, rows, names, axis):
    """A row for each cell, a dot for each allocator. rows: [(label, {allocator: value})], groups apart by None."""
    script, tics, bands, at, count = "", [], "", 0, 0
    for row in rows:
        if row is not None:
            tics.append(f"{text(row[0])} {-at}")
            count += 1
            if count % 2 == 0:
                bands += (f"set object rectangle from graph 0, first {-at - 0.5} to graph 1, first {-at + 0.5} "
                          f"behind fillcolor rgb '{theme['band']}' fillstyle solid noborder\n")
        at += 1 if row is not None else 0.6
    for name in names:
        points, at = [], 0
        for row in rows:
            if row is not None and name in row[1]:
                value = row[1][name]
                points.append((min(value, axis["high"]), -at, value))
            at += 1 if row is not None else 0.6
        script += block(name, points or [("NaN", "NaN", "NaN")])
    script += bands
    script += f"""
set yrange [{-at + 0.4}:0.7]
set ytics ({", ".join(tics)}) textcolor rgb '{theme["text"]}'
set xrange [{axis["low"]}:{axis["high"] * axis["room"]}]
set grid xtics linetype 1 linewidth 1 linecolor rgb '{theme["grid"]}'
set lmargin 17
set rmargin 3
set tmargin 6.4
set bmargin 2.2
set arrow 1 from first {axis["line"]}, graph 0 to first {axis["line"]}, graph 1 nohead linewidth 1.5 linecolor rgb '{theme["faint"]}' back
{axis["set"]}
"""
    for number, name in enumerate(names):
        script += (f"set label {10 + number} \"{shown(name)}\" at screen {0.03 + number * 0.13:.3f}, "
                   f"screen {1 - 76 / axis['height']:.4f} offset 0.6,-0.3 point pointtype {SHAPES[name]} pointsize {1.2 if name == 'weir' else 0.75} "
                   f"linecolor rgb '{theme[name]}' textcolor rgb '{theme['text']}'\n")
    plots = []
    for name in names:
        size = 1.05 if name == "weir" else 0.62
        width = 1.4 if name == "glibc" else 1
        plots.append(f"${name} using 1:2 with points pointtype {SHAPES[name]} pointsize {size} linewidth {width} "
                     f"linecolor rgb '{theme[name]}' notitle")
    return script + "plot " + ", \\\n  ".join(plots) + "\n"


def family(cell):
    return cell.split("-")[0].rstrip("s0123456789")


def in_families(rows):
    """Families of cells together, with a None between; single ones at the end."""
    families = {}
    for row in rows:
        families.setdefault(family(row[0]), []).append(row)
    groups = [g for g in families.values() if len(g) > 1]
    groups.append([row for g in families.values() if len(g) == 1 for row in g])
    spaced = []
    for group in groups:
        if spaced and group:
            spaced.append(None)
        spaced += group
    return spaced


def figure_rows(result, key):
    rows = []
    for cell, figures in result["cells"].items():
        values = {a: f[key] for a, f in figures.items() if a in ORDER and key in f}
        if values:
            rows.append((cell, values))
    return in_families(rows)


def height_of(rows):
    return int(150 + ROW * sum(1 if r is not None else 0.6 for r in rows))


def speed(theme, result):
    rows = figure_rows(result, "to_best_peer")
    names = order_of(result["allocators"])
    return head(theme, 860, height_of(rows), "Time of an operation, over the best peer's",
                "Left is faster; 1 is the fastest of the others in that cell. Logarithmic."
                ) + dots(
        theme, rows, names, {"low": 0.25, "high": 100, "room": 1.15, "line": 1, "height": height_of(rows), "set":
                             "set logscale x\nset xtics (\"0.5\" 0.5, \"1\" 1, \"2\" 2, \"5\" 5, \"10\" 10, "
                             "\"20\" 20, \"50\" 50, \"≥ 100\" 100)"})


def memory(theme, result):
    rows = figure_rows(result, "rss_over_live")
    names = order_of(result["allocators"])
    return head(theme, 860, height_of(rows), "Peak resident memory, over the bytes in use",
                "Left is leaner; 1 would be no memory but what the program asked for. The line is at 1.25.") + dots(
        theme, rows, names, {"low": 0.9, "high": 4, "room": 1.02, "line": 1.25, "height": height_of(rows), "set":
                             "set logscale x\nset xtics (\"1\" 1, \"1.25\" 1.25, \"1.5\" 1.5, \"2\" 2, \"2.5\" 2.5, "
                             "\"3\" 3, \"≥ 4\" 4)"})


def series_of(figures):
    return [tuple(float(f) for f in point.split(":")) for point in figures.get("series", "").split(",") if point]


def burst(theme, result):
    cell = result.get("memory", {}).get("stream-1M", {})
    found = {a: series_of(f) for a, f in cell.items() if a in ORDER and "series" in f}
    names = order_of(found)
    low, high = -6.5, 10
    script = ""
    for name in names:
        script += block(name, [(at / 1000, rss, live) for at, rss, live in found[name] if low <= at / 1000 <= high])
    top = max((rss for points in found.values() for at, rss, _ in points if low <= at / 1000 <= high), default=1)
    script += head(theme, 860, 430, "Resident memory of a stream, before and after its last burst",
                   "MiB; four streams of 720p at 25 frames a second, a burst of 48 frames each 4 s until 0.")
    script += f"""
set xrange [{low}:{high + 2.2}]
set yrange [0:{top * 1.04}]
set xtics ("−6 s" -6, "−4" -4, "−2" -2, "0" 0, "2" 2, "4" 4, "6" 6, "8" 8, "10 s" 10)
set grid ytics linetype 1 linewidth 1 linecolor rgb '{theme["grid"]}'
set lmargin 7
set rmargin 2
set tmargin 4.4
set bmargin 2.2
"""
    # Names stand where the lines end, kept apart from each other.
    ends = sorted((found[n][-1][1], n) for n in names)
    if names:
        ends.insert(0, (0.0, "live"))
    gap, below = top * 0.052, -top
    for number, (at, name) in enumerate(ends, 10):
        if name == "live":
            at = found[names[0]][-1][2] / 2
        below = max(at, below + gap)
        colour = theme["faint"] if name == "live" else theme[name]
        words = "in use" if name == "live" else shown(name)
        script += (f"set label {number} \"{words}\" at first {high + 0.2}, first {below} left "
                   f"textcolor rgb '{colour}'\n")
    plots = []
    if names:
        plots.append(f"${names[-1]} using 1:3 with filledcurves y1=0 fillcolor rgb '{theme['live']}' notitle")
    for name in names:
        width = 3 if name == "weir" else 1.6
        plots.append(f"${name} using 1:2 with lines linewidth {width} linecolor rgb '{theme[name]}' notitle")
    return script + "plot " + ", \\\n  ".join(plots) + "\n" if plots else ""


def draw(result, folder):
    """Writes NAME-light.svg and NAME-dark.svg for each chart that there are figures for; their names."""
    folder.mkdir(exist_ok=True)
    drawn = []
    for chart in (speed, memory, burst):
        for name, theme in THEMES.items():
            script = chart(theme, result)
            if not script:
                continue
            path = folder / f"{chart.__name__}-{name}.svg"
            with tempfile.NamedTemporaryFile("w", suffix=".gnuplot", encoding="utf-8") as file:
                file.write(f"set encoding utf8\nset output '{path}'\n" + script)
                file.flush()
                subprocess.run(["gnuplot", file.name], check=True)
            drawn.append(path.name)
    return drawn
