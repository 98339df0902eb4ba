#!/usr/bin/env python3
"""redis.py -- redis, clean and with frees left out at one of its call sites, under one load: HIGH where it leaks.

A survey finds a site of redis whose buffers come and go; then two servers run side by side with the same requests,
hours in seconds, one of them with 7% of that site's frees left out by bench/leak's injector. It proves
the injector as well: what it says has leaked is what the server still holds.
"""
import argparse
import concurrent.futures
import os
import pathlib
import shutil
import sys

TOP = pathlib.Path(os.environ["abs_top_srcdir"])
BUILD = pathlib.Path(os.environ["abs_top_builddir"])
sys.dont_write_bytecode = True
sys.path.insert(0, str(TOP / "bench/leak"))
import evaluate  # noqa: E402
import programs  # noqa: E402
import run  # noqa: E402
from tap import check, finish  # noqa: E402

SEED = 3  # a load that is even all along
SHARE = 0.07


def is_fit(site):
    """Buffers that live for seconds at most, as time is scaled."""
    return run.is_large(site) and site["deaths"] > 0.8 * site["births"] and site["life_ms"] < 20


def main():
    if shutil.which("redis-server", path=programs.PATH) is None:
        if os.environ.get("CI") != "true":
            print("1..0 # SKIP redis-server is not installed")
            return 0
        check("redis-server is installed", False)
        return finish()
    options = argparse.Namespace(
        build=BUILD, weir=os.environ["TEST_OBJECT"], scale=2400, sample_interval=4096, set=[], keep=False,
        minutes=0.26, warm_up=0.1, held_out=[], dumps=8, memory_limit="32M",
    )  # fmt: skip
    tools = run.tools_of(options)
    run.SURVEY_SECONDS = 2
    # Values that are sent back at once, one buffer each: Weir's budget of stacks, which is not scaled,
    # suffices for all.
    programs.Redis.rate = 95
    programs.Redis.values = ["--keys", 100, "--least", 5000, "--most", 15000, "--echo", 1]
    sites = [s for s in run.survey("redis", options, tools) if is_fit(s)]
    sites = sorted(sites, key=lambda s: s["births"])[-1:]
    check("the survey finds a site whose buffers come and go", sites and sites[0]["births"] >= 20, sites)
    jobs = [("redis", SEED, twin, "pool") for twin in ("clean", "leak")]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        clean, leak = pool.map(lambda job: run.run_job(job, options, tools, sites, share=SHARE), jobs)
    for record in (clean, leak):
        last = record["dumps"][-1] if record["dumps"] else {}
        what = "clean" if record is clean else "leaking"
        check(f"the {what} redis leaves all dumps", len(record["dumps"]) == options.dumps, record.get("error"))
        if not last:
            return finish()
    last = leak["dumps"][-1]
    why = "\n".join(evaluate.faults([clean, leak])) + f"\n{last['sites'][:3]}"
    other = clean["dumps"][-1]
    check("frees were left out in one and in one only", last["leaked"] >= 30 and other["leaked"] == 0, last["leaked"])
    held = last["live_bytes"] - other["live_bytes"]
    check("what was left out is held", held > 0.5 * last["leaked_bytes"], f"{held} of {last['leaked_bytes']}")
    is_followed = all(len(d["sites"]) >= 5 for d in clean["dumps"])
    check("the clean redis is followed, and never reaches HIGH", is_followed and sum(evaluate.alarms(clean)) == 0, why)
    check("the leaking one reaches HIGH", any(d["level"] == "HIGH" for d in leak["dumps"]), why)
    check("and its guilty site ranks first", evaluate.rank(last) == 1, why)
    return finish()


sys.exit(main())
