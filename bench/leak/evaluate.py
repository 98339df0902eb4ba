"""evaluate.py -- what the runs of the leak corpus say: pure functions from recorded runs to figures.

A run is a dict: program, seed, twin ("clean" or "leak"), kind ("pool" or "small"), target (frames of the guilty
site as MODULE+0xOFFSET, innermost first), is_held_out, scale, leak_after (scaled seconds), truth and dumps. A dump
is what facts_of() keeps of one, and knows how much had leaked when it was taken. Nothing here reads a file or a
clock.

A dump counts as one of a leak once EVIDENCE objects have leaked. For a site of small objects, which Weir samples,
that many samples are expected only when their bytes are EVIDENCE times the interval: such dumps are judged apart.
"""

import datetime
import math
from collections import defaultdict

EVIDENCE = 30
OLD_SECONDS = 600.0
LEVELS = {"LOW": 0, "MEDIUM": 1, "HIGH": 2}
GENERATIONS = 16
INJECTOR = "injector.so"

# ---- from a dump to what is kept of it ----


def frame_text(frame):
    return f"{(frame.get('module') or '?').rsplit('/', 1)[-1]}+{frame.get('offset', 0)}"


def frame_parts(text):
    module, _, offset = text.rpartition("+")
    return module, int(offset, 0)


def is_guilty(frames, target):
    """Whether a site of a dump is the target: its frames begin with the target's. The injector's own are left
    out; a dump gives the call itself where the target has the address behind it."""
    if not target:
        return False
    own = [f for f in map(frame_parts, frames) if f[0] != INJECTOR]
    wanted = [frame_parts(f) for f in target]
    if len(own) < len(wanted):
        # Stacks that a dump cuts off: all that it has must agree.
        if len(own) < 6:
            return False
        wanted = wanted[: len(own)]
    return all(m == wm and o in (wo, wo - 1) for (m, o), (wm, wo) in zip(own, wanted))


def seconds_of(text):
    """RFC 3339 as seconds since 1970."""
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def generations_of(objects, age_p50, uptime):
    """Into how many of GENERATIONS stretches of the uptime the births of what is live fall, going by the median
    age alone: half of the uptime is births all along, near none or near all of it is one generation."""
    if not objects or age_p50 is None or uptime <= 0:
        return 0
    share = min(1.0, age_p50 / uptime)
    return min(objects, max(1.0, GENERATIONS * 2 * min(share, 1 - share)))


def facts_of(dump, target):
    """What the evaluation needs of a dump in JSON."""
    risk = dump.get("risk", {})
    uptime = dump["uptime_seconds"]
    generations = defaultdict(set)
    taken = seconds_of(dump["taken_at"])
    for buffer in dump.get("buffers", ()):
        if buffer.get("in_use") and buffer.get("site"):
            age = min(buffer["age_seconds"], uptime)
            generations[str(buffer["site"])].add(int((uptime - age) / max(uptime, 1e-9) * GENERATIONS))
    sites = []
    for site in dump.get("sites", ()):
        frames = [frame_text(f) for f in site.get("frames", ())]
        guilty = is_guilty(frames, target)
        sites.append(
            {
                "id": str(site["id"]),
                "score": site["risk"],
                "level": site["level"],
                "reason": site.get("reason", ""),
                "why": site.get("why", ""),
                "confidence": site.get("confidence"),
                "objects": site.get("live_objects", 0),
                "bytes": site.get("live_bytes", 0),
                "growth": site.get("growth_bytes_per_hour", 0),
                "life_p50": site.get("lifetime_p50_seconds"),
                "life_p99": site.get("lifetime_p99_seconds"),
                "age_p50": site.get("age_p50_seconds"),
                "births": site.get("allocated_objects"),
                "deaths": site.get("freed_objects"),
                "generations": max(
                    len(generations.get(str(site["id"]), ())),
                    generations_of(site.get("live_objects", 0), site.get("age_p50_seconds"), uptime),
                ),
                "guilty": guilty,
                "frames": frames if guilty else frames[:10],
            }
        )
    fallback = dump.get("fallback", {})
    return {
        "uptime": uptime,
        "taken": taken,
        "score": risk.get("score", 0),
        "level": risk.get("level", "LOW"),
        "reason": risk.get("reason", ""),
        "confidence": risk.get("confidence", 0),
        "time_to_limit": risk.get("time_to_limit_seconds"),
        "live_bytes": dump.get("metrics", {}).get("total_used_bytes", 0) + fallback.get("allocated", 0),
        "rss": dump.get("process", {}).get("rss_bytes", 0),
        "sites": sites,
    }


# ---- scores: the model's and the baselines' ----


def older_bytes(site):
    """Bytes older than OLD_SECONDS, taking ages to be exponential with the median that the dump gives."""
    median = site["age_p50"]
    if median is None or median <= 0:
        return 0.0
    return site["bytes"] * 2.0 ** (-OLD_SECONDS / median)


def site_scores(dump, first):
    """Of every listed site: {method: score}."""
    before = {s["id"]: s["bytes"] for s in first["sites"]}
    for site in dump["sites"]:
        yield site, {
            "weir": site["score"],
            "live-bytes diff": site["bytes"] - before.get(site["id"], 0),
            "older than 10 min": older_bytes(site),
            "GenCount": site["generations"] + min(site["bytes"], 1e15) * 1e-16,
        }


def process_scores(dump, first):
    return {
        "weir": dump["score"],
        "live-bytes diff": dump["live_bytes"] - first["live_bytes"],
        "older than 10 min": sum(map(older_bytes, dump["sites"])),
        "GenCount": max((s["generations"] for s in dump["sites"]), default=0),
    }


METHODS = ("weir", "live-bytes diff", "older than 10 min", "GenCount")

# ---- statistics ----


def auc(positives, negatives):
    """The chance that a positive scores above a negative, ties half; None where there are none of one."""
    if not positives or not negatives:
        return None
    ranked = sorted([(s, 1) for s in positives] + [(s, 0) for s in negatives])
    rank_sum, begin = 0.0, 0
    while begin < len(ranked):
        end = begin
        while end < len(ranked) and ranked[end][0] == ranked[begin][0]:
            end += 1
        rank_sum += sum(is_positive for _, is_positive in ranked[begin:end]) * (begin + 1 + end) / 2
        begin = end
    n = len(positives)
    return (rank_sum - n * (n + 1) / 2) / (n * len(negatives))


def poisson_upper(count, confidence=0.95):
    """The largest mean under which `count` or fewer events still have the chance 1 - confidence."""

    def at_most(mean):
        term = total = math.exp(-mean)
        for k in range(1, count + 1):
            term *= mean / k
            total += term
        return total

    low, high = 0.0, 10.0 + 3.0 * count
    for _ in range(100):
        middle = (low + high) / 2
        if at_most(middle) > 1 - confidence:
            low = middle
        else:
            high = middle
    return high


def share_bounds(hits, count, z=1.96):
    """Wilson's interval of a share."""
    if count == 0:
        return (0.0, 1.0)
    p = hits / count
    middle = (p + z * z / (2 * count)) / (1 + z * z / count)
    half = z * math.sqrt(p * (1 - p) / count + z * z / (4 * count * count)) / (1 + z * z / count)
    return (max(0.0, middle - half), min(1.0, middle + half))


def median(values):
    ordered = sorted(values)
    if not ordered:
        return None
    return (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2


# ---- runs ----


def is_evident(run, dump):
    """Enough has leaked by now that a verdict may be asked for."""
    if dump["leaked"] < EVIDENCE:
        return False
    return run["kind"] == "pool" or dump["leaked_bytes"] >= EVIDENCE * run["sample_interval"]


def twin_of(run, runs):
    for other in runs:
        if other["twin"] == "clean" and (other["program"], other["seed"]) == (run["program"], run["seed"]):
            return other
    return None


def dump_near(run, uptime):
    """The run's dump at that time of its life: the last one not much later."""
    before = [d for d in run["dumps"] if d["uptime"] <= uptime * 1.02 + 1]
    return before[-1] if before else None


def first_of(run):
    """The dump that differences are taken from: the first after the load began."""
    return run["dumps"][0]


def verdicts(leaking, runs, moment):
    """Process and site scores of leaking runs and of their twins at the same moment: (positives, negatives) of
    the process, and the same of sites, by method."""
    process = defaultdict(lambda: ([], []))
    sites = defaultdict(lambda: ([], []))
    for run in leaking:
        dump = moment(run)
        if dump is None:
            continue
        for method, score in process_scores(dump, first_of(run)).items():
            process[method][0].append(score)
        guilty = defaultdict(float)
        for site, scores in site_scores(dump, first_of(run)):
            for method, score in scores.items():
                if site["guilty"]:
                    guilty[method] = max(guilty[method], score)
                else:
                    sites[method][1].append(score)
        for method in METHODS:
            sites[method][0].append(guilty[method])
        twin = twin_of(run, runs)
        other = dump_near(twin, dump["uptime"]) if twin else None
        if other is None:
            continue
        for method, score in process_scores(other, first_of(twin)).items():
            process[method][1].append(score)
        for _, scores in site_scores(other, first_of(twin)):
            for method, score in scores.items():
                sites[method][1].append(score)
    return process, sites


def first_evident(run):
    return next((d for d in run["dumps"] if is_evident(run, d)), None)


def last_evident(run):
    return run["dumps"][-1] if run["dumps"] and is_evident(run, run["dumps"][-1]) else None


def guilty_level(dump):
    return max((LEVELS[s["level"]] for s in dump["sites"] if s["guilty"]), default=0)


def delay(run, level, of_site):
    """Scaled seconds and leaked objects from the first leak to the first dump at that level; None: never."""
    for dump in run["dumps"]:
        reached = guilty_level(dump) if of_site else LEVELS[dump["level"]]
        if dump["leaked"] > 0 and reached >= level:
            return max(0.0, dump["uptime"] - run["leak_after"]), dump["leaked"]
    return None


def rank(dump):
    """Of the guilty site among those of the dump, from 1; None: it is not there."""
    return next((i + 1 for i, s in enumerate(dump["sites"]) if s["guilty"]), None)


def alarms(run):
    """How often a run that is clean came to HIGH: (of the process, of sites). A site counts once."""
    process, was_high, sites = 0, False, set()
    for dump in run["dumps"]:
        is_high = dump["level"] == "HIGH"
        process += is_high and not was_high
        was_high = is_high
        sites.update(s["id"] for s in dump["sites"] if s["level"] == "HIGH")
    return process, len(sites)


def days(runs):
    return sum(r["dumps"][-1]["uptime"] for r in runs if r["dumps"]) / 86400


def evaluate(runs):
    """All figures of some runs, as plain values."""
    good = [r for r in runs if not r.get("error") and r["dumps"]]
    clean = [r for r in good if r["twin"] == "clean"]
    leaking = [r for r in good if r["twin"] == "leak"]
    result = {"runs": len(runs), "failed": len(runs) - len(good), "clean": len(clean), "leaking": len(leaking)}
    result["evident"] = sum(last_evident(r) is not None for r in leaking)
    for name, moment in (("first", first_evident), ("last", last_evident)):
        process, sites = verdicts(leaking, good, moment)
        result[f"process_auc_{name}"] = {m: auc(*process[m]) for m in METHODS}
        result[f"site_auc_{name}"] = {m: auc(*sites[m]) for m in METHODS}
    ranks = [rank(last_evident(r)) for r in leaking if last_evident(r)]
    result["ranked"] = len(ranks)
    result["top1"] = sum(r == 1 for r in ranks)
    result["top3"] = sum(r is not None and r <= 3 for r in ranks)
    for level in ("MEDIUM", "HIGH"):
        for what in ("site", "process"):
            evident = [r for r in leaking if last_evident(r)]
            delays = [d for d in (delay(r, LEVELS[level], what == "site") for r in evident) if d]
            result[f"{what}_{level}"] = {
                "reached": len(delays),
                "of": len(evident),
                "seconds": median([d[0] for d in delays]),
                "objects": median([d[1] for d in delays]),
            }
    process = sum(alarms(r)[0] for r in clean)
    sites = sum(alarms(r)[1] for r in clean)
    result["clean_days"] = days(clean)
    result["false_high_process"], result["false_high_sites"] = process, sites
    if clean and result["clean_days"] > 0:
        result["false_high_per_day_upper"] = poisson_upper(process) / result["clean_days"]
        result["false_high_sites_per_day_upper"] = poisson_upper(sites) / result["clean_days"]
    result["false_medium_runs"] = sum(any(d["level"] != "LOW" for d in r["dumps"]) for r in clean)
    return result


def faults(runs):
    """What went wrong, a line each, for whoever wants to mend the model."""
    for run in runs:
        kind = f" {run['kind']}" if run["twin"] == "leak" else ""
        name = f"{run['program']} seed {run['seed']} {run['twin']}{kind}"
        if run.get("error") or not run["dumps"]:
            yield f"{name}: failed: {run.get('error') or 'no dump'}"
            continue
        for site, dump in first_high_innocents(run):
            yield (
                f"{name}: innocent HIGH {site['score']:.2f} {site['reason']} after {dump['uptime'] / 3600:.1f} h, "
                f"{site['objects']:.0f} objects, {site['bytes'] / 1024:.0f} KiB, life p50 {site['life_p50']} "
                f"p99 {site['life_p99']}, age p50 {site['age_p50']}: {site['why']}: {' '.join(site['frames'][:5])}"
            )
        if run["twin"] == "clean":
            worst = max(run["dumps"], key=lambda d: (LEVELS[d["level"]], d["score"]))
            if worst["level"] != "LOW":
                verdict = f"{worst['level']} {worst['score']:.2f} {worst['reason']}"
                yield f"{name}: process {verdict} at {worst['uptime'] / 3600:.1f} h"
        elif last := last_evident(run):
            place = rank(last)
            guilty = [s for s in last["sites"] if s["guilty"]]
            if place != 1 or guilty_level(last) < 2 or LEVELS[last["level"]] < 2:
                yield (
                    f"{name}: guilty ranks {place}, {guilty[0]['level'] if guilty else 'not listed'} "
                    f"{guilty[0]['score'] if guilty else 0:.2f} {guilty[0]['reason'] if guilty else ''}; process "
                    f"{last['level']} {last['score']:.2f}; {last['leaked']} leaked, {last['leaked_bytes'] >> 10} KiB, "
                    f"share {run['share']:.4f}, {last['uptime'] / 3600:.1f} h: {guilty[0]['why'] if guilty else ''}"
                )
        else:
            leaked = run["dumps"][-1]["leaked"]
            yield f"{name}: only {leaked} objects leaked, {run['dumps'][-1]['leaked_bytes']} bytes: not judged"


def first_high_innocents(run):
    seen = set()
    for dump in run["dumps"]:
        for site in dump["sites"]:
            if site["level"] == "HIGH" and not site["guilty"] and site["id"] not in seen:
                seen.add(site["id"])
                yield site, dump
