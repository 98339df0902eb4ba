#!/usr/bin/env python3
"""evaluate.py -- the figures of the leak corpus are right where the answer is known.

Dumps and runs are made up here, by hand; what bench/leak/evaluate.py says of them is compared with what can be
counted on paper.
"""
import importlib.util
import math
import os
import pathlib
import sys

sys.dont_write_bytecode = True
from tap import check, finish  # noqa: E402

TOP = pathlib.Path(os.environ.get("abs_top_srcdir", pathlib.Path(__file__).resolve().parents[2]))
spec = importlib.util.spec_from_file_location("evaluated", TOP / "bench/leak/evaluate.py")
evaluate = importlib.util.module_from_spec(spec)
spec.loader.exec_module(evaluate)


def equal(fact, found, expected):
    if isinstance(expected, float) and isinstance(found, (int, float)):
        check(fact, math.isclose(found, expected, abs_tol=1e-9), f"{found}, not {expected}")
    else:
        check(fact, found == expected, f"{found}, not {expected}")


# ---- statistics ----

equal("AUC is 1 where each positive is above each negative", evaluate.auc([3, 4], [1, 2]), 1.0)
equal("AUC is 0 where each is below", evaluate.auc([1, 2], [3, 4]), 0.0)
equal("AUC counts ties half", evaluate.auc([1], [1, 1]), 0.5)
# 2 > 1, 2 < 3, 4 > 1, 4 > 3: three of four pairs.
equal("AUC is the share of pairs in the right order", evaluate.auc([2, 4], [1, 3]), 0.75)
equal("AUC of nothing is not known", evaluate.auc([], [1]), None)
check("no event in a day is at most 3.0 a day at 95%", abs(evaluate.poisson_upper(0) - 2.9957) < 1e-3)
check("one event is at most 4.74", abs(evaluate.poisson_upper(1) - 4.7439) < 1e-3)
low, high = evaluate.share_bounds(9, 10)
check("Wilson's interval of 9 in 10", abs(low - 0.5958) < 1e-3 and abs(high - 0.9821) < 1e-3, (low, high))
equal("a median of two in the middle is between them", evaluate.median([1, 2, 4, 8]), 3.0)

# ---- frames ----

target = ["lib.so+0x101", "prog+0x201", "prog+0x301"]
own = ["lib.so+0x100", "prog+0x200", "prog+0x300"]
for fact, frames, wanted, expected in (
    ("a site is guilty whose calls are just before the target's addresses", [*own, "libc.so.6+0x5"], target, True),
    ("the injector's own frame is left out", ["injector.so+0x9", *own], target, True),
    ("another caller is innocent", [own[0], "prog+0x210", own[2]], target, False),
    ("a stack that is cut off short of the target is innocent", own[:1], target, False),
    ("without a target nobody is guilty", own, [], False),
):
    equal(fact, evaluate.is_guilty(frames, wanted), expected)


# ---- dumps ----


def dump_of(uptime, score, level, sites, buffers=(), used=0):
    return {
        "uptime_seconds": uptime, "taken_at": "2026-01-01T00:00:10.500Z", "risk": {"score": score, "level": level},
        "metrics": {"total_used_bytes": used}, "fallback": {"allocated": 7}, "buffers": list(buffers),
        "sites": [
            {"id": i, "risk": risk, "level": lv, "reason": "X", "live_objects": 100, "live_bytes": size,
             "age_p50_seconds": age, "frames": [{"pc": "0x1", "module": m, "offset": o} for m, o in frames]}
            for i, risk, lv, size, age, frames in sites
        ],
    }  # fmt: skip


GUILTY = [("/usr/lib/lib.so", "0x100"), ("/bin/prog", "0x200"), ("/bin/prog", "0x300")]
INNOCENT = [("/usr/lib/lib.so", "0x900"), ("/bin/prog", "0x200")]
buffers = [{"in_use": True, "site": "a", "age_seconds": age} for age in (10, 20, 500, 990)]
guilty = ("a", 0.5, "MEDIUM", 4096, 1600, GUILTY)
facts = evaluate.facts_of(dump_of(1600, 0.5, "MEDIUM", [guilty], buffers, used=100), target)
equal("a dump's guilty site is found by its frames", facts["sites"][0]["guilty"], True)
equal("live bytes are the pool's and the fallback's", facts["live_bytes"], 107)
# Births at 1590, 1580, 1100 and 610 s: in sixteenths of 1600 s numbers 15, 15, 11 and 6.
equal("GenCount counts the stretches of uptime that live buffers are from", facts["sites"][0]["generations"], 3)
equal("times are compared with the injector's", round(facts["taken"] % 60, 3), 10.5)
equal("a median age of half of the uptime is births all along", evaluate.generations_of(100, 800, 1600), 16.0)
equal("a median age of all of it is one generation", evaluate.generations_of(100, 1600, 1600), 1.0)
older = evaluate.older_bytes({"bytes": 64, "age_p50": 600.0})
equal("bytes older than 10 minutes, at a median age of 10 minutes, are half", older, 32.0)


# ---- runs ----


def run_of(program, seed, twin, points, kind="pool", **more):
    """points: (uptime, leaked, process score, level, guilty score, innocent score, order)."""
    dumps = []
    for uptime, leaked, score, level, guilty, innocent in points:
        sites = [("i", innocent, evaluate_level(innocent), 1000, 5, INNOCENT)]
        if twin == "leak":
            sites.append(("g", guilty, evaluate_level(guilty), 1000 + leaked * 10, 5, GUILTY))
        sites.sort(key=lambda s: -s[1])
        kept = evaluate.facts_of(dump_of(uptime, score, level, sites, used=leaked * 10), target)
        dumps.append(kept | {"leaked": leaked, "leaked_bytes": leaked * 10})
    base = {"is_held_out": False, "sample_interval": 4, "leak_after": 3600, "share": 0.01, "scale": 1}
    base |= {"program": program, "seed": seed, "twin": twin, "kind": kind, "target": target}
    return base | {"dumps": dumps} | more


def evaluate_level(score):
    return "HIGH" if score >= 0.65 else "MEDIUM" if score >= 0.35 else "LOW"


points = [(3600, 0, 0, "LOW", 0, 0), (7200, 20, 0.2, "LOW", 0.4, 0)]
points += [(10800, 35, 0.4, "MEDIUM", 0.5, 0.1), (14400, 50, 0.8, "HIGH", 0.9, 0.1)]
leak = run_of("p", 1, "leak", points)
points = [(3600, 0, 0, "LOW", 0, 0), (7200, 0, 0.1, "LOW", 0, 0.2)]
points += [(10800, 0, 0.1, "LOW", 0, 0.2), (14400, 0, 0.2, "LOW", 0, 0.2)]
clean = run_of("p", 1, "clean", points)
figures = evaluate.evaluate([leak, clean])
equal("a leak counts from 30 leaked objects on", evaluate.first_evident(leak)["leaked"], 35)
equal("process AUC of one pair that is right", figures["process_auc_first"]["weir"], 1.0)
equal("site AUC of a guilty site above all others", figures["site_auc_last"]["weir"], 1.0)
equal("the guilty site ranks first", (figures["ranked"], figures["top1"], figures["top3"]), (1, 1, 1))
delay = figures["site_MEDIUM"]
equal("the site's delay to MEDIUM is to its first dump at it", (delay["seconds"], delay["objects"]), (3600.0, 20.0))
delay = figures["process_HIGH"]
equal("the process's delay to HIGH likewise", (delay["seconds"], delay["objects"]), (10800.0, 50.0))
equal("four hours of a clean run are a sixth of a day", figures["clean_days"], 14400 / 86400)
equal("no false HIGH", (figures["false_high_process"], figures["false_high_sites"]), (0, 0))
check("bounds what its rate may be", abs(figures["false_high_per_day_upper"] - 2.9957 * 6) < 1e-2)
equal("the live-bytes diff sees the pair as well", figures["process_auc_last"]["live-bytes diff"], 1.0)

missed = run_of("q", 1, "leak", [(3600, 0, 0, "LOW", 0, 0.5), (7200, 60, 0.1, "LOW", 0.2, 0.5)])
other = run_of("q", 1, "clean", [(3600, 0, 0.3, "LOW", 0, 0.7), (7200, 0, 0.9, "HIGH", 0, 0.7)])
figures = evaluate.evaluate([leak, clean, missed, other])
alarms = figures["false_high_process"], figures["false_high_sites"]
equal("a clean process that comes to HIGH is a false alarm, and its site is one", alarms, (1, 1))
# Positives 0.8, 0.1; negatives 0.2, 0.9: one of four pairs in the right order.
equal("process AUC over two pairs", figures["process_auc_last"]["weir"], 0.25)
equal("a guilty site behind an innocent one ranks second", (figures["top1"], figures["top3"]), (1, 2))
delay = figures["site_HIGH"]
equal("what never came to HIGH is not in the delay but in the count", (delay["reached"], delay["of"]), (1, 2))
lines = list(evaluate.faults([missed, other]))
check("what went wrong is named", any("q seed 1 clean: innocent HIGH" in line for line in lines), lines)
check("and who missed it", any("guilty ranks 2, LOW" in line for line in lines), lines)

points = [(3600, 40, 0, "LOW", 0, 0), (7200, 100, 0.9, "HIGH", 0.9, 0)]
small = run_of("s", 1, "leak", points, kind="small", sample_interval=20)
leaked = evaluate.first_evident(small)["leaked"]
equal("small objects are judged once 30 samples of them may be expected", leaked, 100)
broken = run_of("b", 1, "clean", []) | {"error": "died"}
figures = evaluate.evaluate([broken])
equal("a run that failed is counted, not judged", (figures["failed"], figures["clean"]), (1, 0))

sys.exit(finish())
