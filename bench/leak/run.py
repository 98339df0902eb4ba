#!/usr/bin/env python3
"""run.py -- the leak corpus: real programs, clean and leaking under the same load, and what Weir says of them.

For each program and seed: a clean run, and twins in which the injector leaves out a share of the frees of one
call site, chosen by the seed among those that a survey found to come and go: one of pool buffers, one of
small objects where there are such. Dumps are asked for all along. Time runs --scale times faster by
settings alone. Everything is kept in --out, and --evaluate FILE prints the figures again without a run.

  bench/leak/run.py --programs redis,nginx --seeds 1,2,3 --held-out 3 --minutes 2 --jobs 6 --out leak.json
  bench/leak/run.py --evaluate leak.json
  bench/leak/run.py --overhead --programs redis,nginx --minutes 0.5
"""

import argparse
import concurrent.futures
import gzip
import json
import math
import os
import platform
import random
import re
import sys
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import evaluate  # noqa: E402
import report  # noqa: E402
from process import Run  # noqa: E402
from programs import PROGRAMS, site_choice  # noqa: E402

SURVEY_SECONDS = 16
SURVEY_START = 0.3  # share of it that is left out
LEAKED_BYTES_MAX = 96 << 20  # a run is not to fill the machine
said = threading.Lock()


def say(text):
    with said:
        print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        model = re.search(r"model name\s*: (.*)", file.read())
    with open("/proc/meminfo", encoding="utf-8") as file:
        memory_kib = int(re.search(r"MemTotal:\s*(\d+)", file.read()).group(1))
    return (
        f"{model.group(1) if model else platform.machine()}, {len(os.sched_getaffinity(0))} CPUs, "
        f"{memory_kib / 2**20:.1f} GiB, Linux {platform.release()}, {' '.join(platform.libc_ver())}"
    )


def tools_of(options):
    build = Path(options.build).resolve()
    tools = {
        "weir": options.weir or build / "libweir-preload.so",
        "injector": build / "bench/leak/injector.so",
        "shapes": build / "bench/leak/shapes",
    }
    for name, path in tools.items():
        if not os.path.exists(path):
            sys.exit(f"{name} is not at {path}: make -C {build} libweir-preload.so bench-leak")
    return {name: str(path) for name, path in tools.items()}


def environment_of(options, tools, **leak):
    settings = dict(s.split("=", 1) for s in options.set)
    return {
        "LD_PRELOAD": f"{tools['injector']}:{tools['weir']}",
        "WEIR_TIME_SCALE": str(options.scale),
        "WEIR_SAMPLE_INTERVAL": str(options.sample_interval),
        "WEIR_MEMORY_LIMIT": options.memory_limit,
        **settings,
        **{f"LEAK_{k.upper()}": str(v) for k, v in leak.items()},
    }


# ---- the survey ----


def known_part(frames):
    """Up to the first frame in no module: generated code stands elsewhere in the next run."""
    known = []
    for frame in frames.split(","):
        if frame.startswith("?"):
            break
        known.append(frame)
    return ",".join(known) if len(known) >= 3 else None


def is_large(site):
    return site["bytes"] >= 4096 * site["births"]


def parse_survey(lines):
    sites = {}
    for line in lines:
        words = line.split()
        if len(words) != 6 or words[0] == "#":
            continue
        frames = known_part(words[5])
        if frames is None:
            continue
        key = frames, int(words[2]) >= 4096 * int(words[0])
        site = sites.setdefault(key, {"births": 0, "deaths": 0, "bytes": 0, "frames": frames})
        for i, key in enumerate(("births", "deaths", "bytes")):
            site[key] += int(words[i])
        site["life_ms"] = float(words[4])
    return list(sites.values())


def steady(start, middle, end):
    """What a site does after the start, or nothing where that ends: what a program does at its start, as node compiles,
    is not what it does under load."""
    births = [middle.get("births", 0) - start.get("births", 0), end["births"] - middle.get("births", 0)]
    goes_on = births[1] >= births[0] / 4
    counts = {key: end[key] - start.get(key, 0) if goes_on else 0 for key in ("births", "deaths", "bytes")}
    return end | counts | {"seconds": SURVEY_SECONDS * (1 - SURVEY_START)}


def survey(name, options, tools):
    """What sites a program has, those of buffers and those of small objects apart."""
    environment = environment_of(options, tools, mode="survey", sizes="1-1048576")
    with Run(tools, environment, options.scale, options.keep) as run:
        program = PROGRAMS[name]()
        pid = program.start(run, SURVEY_SECONDS + 5, 1)
        program.load(run, SURVEY_SECONDS, 1)
        looks = []
        for share in (SURVEY_START, (1 - SURVEY_START) / 2, (1 - SURVEY_START) / 2):
            time.sleep(SURVEY_SECONDS * share)
            looks.append({(s["frames"], is_large(s)): s for s in parse_survey(run.survey(pid))})
        if not looks[-1]:
            raise RuntimeError(f"no survey: {run.last_words()}")
        return [steady(*(look.get(site, {}) for look in looks)) for site in looks[-1]]


# ---- a run ----


def plan(job, options, sites, share):
    """The site, the sizes and the share of a leaking run; of its clean twin with the share 0."""
    name, seed, twin, kind = job
    seconds = options.minutes * 60 * (1 - options.warm_up)
    # So many that a tenth of them suffices to be judged.
    site = site_choice(sites, seed, kind == "pool", 0 if share else 15 * evaluate.EVIDENCE / seconds)
    if site is None:
        return None
    rate = site["births"] / site["seconds"]
    mean = site["bytes"] / site["births"]
    wanted = math.exp(random.Random(seed * 31 + len(name)).uniform(math.log(60), math.log(600)))
    if kind == "small":
        wanted = max(wanted, 2 * evaluate.EVIDENCE * options.sample_interval / mean)
    wanted = min(wanted, LEAKED_BYTES_MAX / mean)
    share = share or min(0.1, max(0.001, wanted / (rate * seconds)))
    sizes = "4096-1048576" if kind == "pool" else "1-4095"
    return {"site": site, "share": share if twin == "leak" else 0, "sizes": sizes}


def leaked_at(truth, moment):
    leaked = (0, 0)
    for line in truth:
        if line[0] > moment + 0.002:
            break
        leaked = (int(line[1]), int(line[2]))
    return leaked


def run_job(job, options, tools, sites, share=None):
    """One run as it is recorded; None where the program has no site of that kind. share: of the frees that are
    left out; by the seed where none is given."""
    name, seed, twin, kind = job
    seconds = options.minutes * 60
    record = {
        "program": name, "seed": seed, "twin": twin, "kind": kind, "scale": options.scale,
        "is_held_out": seed in options.held_out, "sample_interval": options.sample_interval, "dumps": [],
    }  # fmt: skip
    planned = plan(job, options, sites, share)
    if planned is None:
        if twin == "leak":
            return None
        planned = {"site": {"frames": ""}, "share": 0, "sizes": "1-1"}
    frames = planned["site"]["frames"]
    target = frames.split(",") if frames else []
    warm_up = seconds * options.warm_up
    record |= {"target": target, "share": planned["share"], "leak_after": warm_up * options.scale}
    record["survey"] = {k: v for k, v in planned["site"].items() if k != "frames"}
    leak = {"site": frames, "sizes": planned["sizes"], "share": planned["share"], "after": warm_up, "seed": seed}
    environment = environment_of(options, tools, mode="inject", **leak)
    with Run(tools, environment, options.scale, options.keep) as run:
        try:
            program = PROGRAMS[name]()
            pid = program.start(run, seconds, seed)
            program.load(run, seconds, seed)
            dumps = take_dumps(run, pid, seconds, options, program.dump_thread)
            record["usage"] = run.usage(pid)
            record["truth"] = run.truth(pid)
            for dump in dumps:
                kept = evaluate.facts_of(dump, target if twin == "leak" else [])
                kept["leaked"], kept["leaked_bytes"] = leaked_at(record["truth"], kept["taken"])
                record["dumps"].append(kept)
            record["tracking"] = dumps[-1].get("tracking") if dumps else None
            if not dumps:
                record["error"] = f"no dump: {run.last_words()}"
        except (OSError, RuntimeError, TimeoutError) as error:
            record["error"] = f"{error}: {run.last_words()}"
    return record


def take_dumps(run, pid, seconds, options, thread_name):
    started, dumps = time.monotonic(), []
    for k in range(1, options.dumps + 1):
        wait = started + seconds * k / options.dumps - time.monotonic()
        if wait > 0:
            time.sleep(wait)
        dump = run.dump(pid, thread_name)
        if dump is not None:
            dumps.append(dump)
        elif run.target.poll() is not None:
            break
    return dumps


def in_parallel(jobs, count, function):
    """Results in the order of the jobs; what fails is said and left out."""
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        futures = {pool.submit(function, job): job for job in jobs}
        done = {}
        for future in concurrent.futures.as_completed(futures):
            job = futures[future]
            try:
                done[job] = future.result()
            except (OSError, RuntimeError, TimeoutError) as error:
                say(f"{job}: {error}")
                done[job] = None
            record = done[job]
            if isinstance(record, dict):
                last = record["dumps"][-1] if record["dumps"] else {}
                say(
                    f"{len(done)}/{len(jobs)} {' '.join(map(str, job))}: "
                    + (record.get("error") or f"{last['level']} {last['score']:.2f}, {last['leaked']} leaked")
                )
    return [done[job] for job in jobs if done[job] is not None]


def run_corpus(options, names):
    tools = tools_of(options)
    say(f"survey of {len(names)} programs")
    surveys = {}

    def survey_of(name):
        surveys[name] = survey(name, options, tools)

    in_parallel(names, options.jobs, survey_of)
    jobs = []
    for seed in options.seeds:
        for name in names:
            if name in surveys:
                jobs.append((name, seed, "clean", "pool"))
                jobs += [(name, seed, "leak", kind) for kind in options.kinds]
    say(f"{len(jobs)} runs of {options.minutes} minutes, {options.jobs} at a time")
    began = time.monotonic()
    runs = in_parallel(jobs, options.jobs, lambda job: run_job(job, options, tools, surveys[job[0]]))
    return {
        "schema": "weir-leak-corpus", "machine": machine(), "command": " ".join(sys.argv),
        "minutes": options.minutes, "scale": options.scale, "wall_seconds": round(time.monotonic() - began),
        "left_out": [n for n in names if n not in surveys], "runs": runs,
    }  # fmt: skip


# ---- overhead ----


def run_overhead(options, names):
    """Processor time and peak RSS under the same load at the true speed of time, tracking off and on by turns."""
    tools = tools_of(options)
    rows = []
    for name in names:
        used = {"off": [], "on": []}
        for repetition in range(options.runs):
            for track in ("off", "on"):
                environment = {"LD_PRELOAD": tools["weir"], "WEIR_TRACK": track}
                with Run(tools, environment, 1, options.keep) as run:
                    program = PROGRAMS[name]()
                    seconds = options.minutes * 60
                    pid = program.start(run, seconds, repetition + 1)
                    program.load(run, seconds, repetition + 1)
                    time.sleep(seconds)
                    used[track].append(run.usage(pid))
        rows.append((name, used))
        say(f"{name}: {used}")
    print(report.overhead_table(rows, machine(), " ".join(sys.argv)))


# ---- the command ----


def numbers(text):
    return [int(word) for word in text.split(",") if word]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", help=f"of {','.join(PROGRAMS)}; default: all that are installed")
    parser.add_argument("--seeds", type=numbers, default=[1, 2, 3])
    parser.add_argument("--held-out", type=numbers, default=[], help="of the seeds, those that nothing is tuned on")
    parser.add_argument("--kinds", type=lambda t: t.split(","), default=["pool", "small"], help="of leaks: pool,small")
    parser.add_argument("--minutes", type=float, default=2.5, help="of each run (2.5)")
    parser.add_argument("--jobs", type=int, default=4, help="runs at a time (4)")
    parser.add_argument("--dumps", type=int, default=30, help="of each run (30)")
    parser.add_argument("--scale", type=float, default=240, help="WEIR_TIME_SCALE (240)")
    parser.add_argument("--warm-up", type=float, default=0.15, help="share of a run before anything leaks (0.15)")
    parser.add_argument("--sample-interval", type=int, default=1024, help="WEIR_SAMPLE_INTERVAL in bytes (1024)")
    # A rehearsal of a day in minutes has the traffic, and so the leak, of minutes: its limit is smaller as well.
    parser.add_argument("--memory-limit", default="256M", help="WEIR_MEMORY_LIMIT (256M)")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of Weir")
    parser.add_argument("--build", default=HERE.parent.parent / "build", help="where make has built (build)")
    parser.add_argument("--weir", help="the object to preload; default: that of the build")
    parser.add_argument("--out", default="leak.json.gz", help="where everything is kept; .gz: compressed")
    parser.add_argument("--evaluate", action="append", metavar="FILE", help="no run: print what files say")
    parser.add_argument("--markdown", action="store_true", help="print the section for bench/leak/RESULTS.md")
    parser.add_argument("--faults", action="store_true", help="also what went wrong, run by run")
    parser.add_argument("--overhead", action="store_true", help="measure tracking on against off instead")
    parser.add_argument("--runs", type=int, default=3, help="with --overhead: of each (3)")
    parser.add_argument("--keep", action="store_true", help="leave the runs' folders")
    options = parser.parse_args()
    if options.evaluate:
        result = None
        for name in options.evaluate:
            with (gzip.open if name.endswith(".gz") else open)(name, "rt", encoding="utf-8") as file:
                one = json.load(file)
            result = one if result is None else result | {"runs": result["runs"] + one["runs"]}
    else:
        names = options.programs.split(",") if options.programs else list(PROGRAMS)
        for name in [n for n in names if n not in PROGRAMS]:
            sys.exit(f"no such program: {name}; there are {', '.join(PROGRAMS)}")
        for name in [n for n in names if not PROGRAMS[n]().is_there()]:
            say(f"not installed, left out: {name}")
            names.remove(name)
        if options.overhead:
            run_overhead(options, names)
            return
        result = run_corpus(options, names)
        with (gzip.open if options.out.endswith(".gz") else open)(options.out, "wt", encoding="utf-8") as file:
            json.dump(result, file, separators=(",", ":"))
        say(f"kept in {options.out}")
    print(report.section(result, options.markdown))
    if options.faults:
        print("\n".join(evaluate.faults(result["runs"])))


if __name__ == "__main__":
    main()
