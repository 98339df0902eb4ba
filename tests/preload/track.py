#!/usr/bin/python3
"""track.py -- call sites and leak risk of programs whose sites are known.

Each program runs under Weir with every allocation sampled (WEIR_SAMPLE_INTERVAL=1) and
leaves a dump at exit, which is judged.
"""
import concurrent.futures
import glob
import json
import os
import shutil
import subprocess
import sys
import tempfile

OBJECT = os.environ["TEST_OBJECT"]
PROGRAMS = os.path.join(os.environ["TEST_BUILD_DIR"], "tests", "preload")
TRACKED = os.path.join(PROGRAMS, "tracked")
SITES_MAX = 4096
results = []


def report(holds, name, why=""):
    results.append(holds)
    print(f"{'ok' if holds else 'not ok'} {len(results)} - {name}")
    if not holds:
        for line in str(why).splitlines()[:40]:
            print(f"# {line}")
    sys.stdout.flush()


class Run:
    """One program under Weir, and the dumps that it left: .dump is its own, .others its children's."""

    def __init__(self, *command, **settings):
        self.scratch = tempfile.mkdtemp()
        environment = dict(
            os.environ,
            LD_PRELOAD=OBJECT,
            WEIR_DUMP=os.path.join(self.scratch, "%p.%n"),
            WEIR_DUMP_FORMAT="json,text",
            WEIR_DUMP_AT_EXIT="on",
            WEIR_SAMPLE_INTERVAL="1",
            WEIR_MONITOR_INTERVAL="100ms",
        )
        environment.update({f"WEIR_{name.upper()}": value for name, value in settings.items()})
        done = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            self.out, self.err = done.communicate(timeout=120)
        except subprocess.TimeoutExpired:
            done.kill()
            self.out, self.err = done.communicate()
            self.err += "\nkilled after 120 s"
        self.status = done.returncode
        self.dump, self.text, self.others = None, "", []
        for path in sorted(glob.glob(os.path.join(self.scratch, "*.json"))):
            with open(path, encoding="utf-8") as file:
                dump = json.load(file)
            if dump["pid"] == done.pid:
                self.dump = dump
                with open(path[: -len("json")] + "txt", encoding="utf-8") as file:
                    self.text = file.read()
            else:
                self.others.append(dump)
        shutil.rmtree(self.scratch)

    def went_on(self):
        return self.status == 0 and self.out == "went on\n" and self.dump is not None

    def why(self):
        return f"exit status {self.status}\n{self.out}{self.err}\n{json.dumps((self.dump or {}).get('tracking'))}"


def is_bounded(dump):
    """No table is fuller than it says that it can be."""
    tracking = dump["tracking"]
    return (
        tracking["sites_used"] <= tracking["sites_max"] == SITES_MAX
        and tracking["samples_live"] <= tracking["samples_max"]
        and tracking["table_bytes_used"] <= tracking["table_bytes"] < 24 << 20
        and len(dump["sites"]) <= 32
    )


def named(dump, word):
    """The sites with a frame in a module of that name."""
    return [s for s in dump["sites"] if any(word in f.get("module", "") for f in s["frames"])]


def function_at(frame):
    """By addr2line, which knows nothing of Weir."""
    line = subprocess.run(
        ["addr2line", "-f", "-e", frame["module"], frame["offset"]], capture_output=True, text=True, check=True
    )
    return line.stdout.splitlines()[0]


def many_sites():
    for mode in ("stacks", "generated"):
        run = Run(TRACKED, mode, "10000")
        report(run.went_on() and is_bounded(run.dump), f"10,000 sites ({mode}): every table keeps its bound", run.why())
        if not run.went_on():
            continue
        tracking = run.dump["tracking"]
        overflow = [s for s in run.dump["sites"] if s["is_overflow"]]
        counted = sum(s["live_objects"] for s in overflow)
        report(
            tracking["sites_used"] >= SITES_MAX - 8
            and tracking["sites_left_out"] >= 10000 - SITES_MAX
            and counted >= 10000 - SITES_MAX - 8
            and counted <= tracking["sites_left_out"],
            f"10,000 sites ({mode}): what found no row is counted at its module",
            f"{counted} in {len(overflow)} rows; {tracking}",
        )
        report(
            any(a["code"] == "TRACKING_LIMITED" for a in run.dump["recommendations"]),
            f"10,000 sites ({mode}): the dump says that tracking is limited",
            run.dump["recommendations"],
        )


def neighbours():
    plugin = os.path.join(PROGRAMS, "tracked_plugin.so")
    run = Run(TRACKED, "threads", "400")
    report(run.went_on() and is_bounded(run.dump), "threads that come and go are tracked", run.why())
    run = Run(TRACKED, "fork")
    report(run.went_on() and is_bounded(run.dump), "forks while threads allocate: no child hangs", run.why())
    report(
        len(run.others) == 1
        and is_bounded(run.others[0])
        and run.others[0]["tracking"]["stacks_captured"] > run.others[0]["tracking"]["samples_live"] > 0,
        "a child goes on with its parent's tables",
        [o["tracking"] for o in run.others],
    )
    for background in ("never", "auto"):
        run = Run(TRACKED, "walk", background=background)
        report(
            run.went_on() and run.dump["tracking"]["ticks"] >= 3,
            f"nobody waits for a callback of dl_iterate_phdr that waits for who allocates and forks ({background})",
            run.why(),
        )
    run = Run(TRACKED, "handler")
    report(run.went_on() and is_bounded(run.dump), "handlers that allocate and jump out are survived", run.why())
    report(
        run.went_on() and run.dump["tracking"]["stacks_dropped"] == 0,
        "and the thread is tracked as before",
        run.why(),
    )
    run = Run(os.path.join(PROGRAMS, "tracked_cxx"))
    report(run.went_on() and is_bounded(run.dump), "C++ exceptions pass through frames that allocate", run.why())
    run = Run(TRACKED, "plugins", "300", plugin)
    report(run.went_on() and is_bounded(run.dump), "a plugin that is loaded 300 times takes no more than its rows", run.why())
    sites = named(run.dump, "tracked_plugin.so") if run.went_on() else []
    held = max(sites, key=lambda s: s["live_bytes"], default=None)
    report(
        held is not None and held["live_objects"] == 300 and function_at(held["frames"][0]) == "take",
        "what it took is one site, 300 objects, in its function",
        json.dumps(sites, indent=1),
    )
    mappings = [m for m in (run.dump or {"mappings": ()})["mappings"] if "tracked_plugin.so" in m["path"]]
    report(
        len(mappings) == 1 and mappings[0].get("is_gone") is True and len(mappings[0]["build_id"]) == 40,
        "and its mapping stays with its build-id, as one that is gone",
        mappings,
    )
    run = Run(TRACKED, "tableless", os.path.join(PROGRAMS, "tableless.so"))
    sites = named(run.dump, "tableless.so") if run.went_on() else []
    report(
        len(sites) == 1
        and sites[0]["live_objects"] == 100
        and function_at(sites[0]["frames"][0]) == "through"
        # It keeps no frame pointers. Where its callers do, they are found, but for the one that it would have saved.
        and {function_at(f) for f in sites[0]["frames"][1:] if "libc" not in f["module"]} <= {"main", "_start"},
        "a module without unwind tables: its frame is the right one, and nothing is made up behind it",
        run.why() + json.dumps(sites, indent=1),
    )


def grown():
    run = Run(TRACKED, "grow")
    sites = {function_at(s["frames"][0]): s for s in run.dump["sites"]} if run.went_on() else {}
    taken, by = sites.get("take_to_grow"), sites.get("grow_what_was_taken")
    report(
        taken is not None and by is not None and taken["live_objects"] == 39 and by["live_objects"] == 50,
        "what realloc gave its size stands at the site of the realloc, moved or not",
        run.why() + json.dumps(run.dump and run.dump["sites"], indent=1),
    )
    sizes = (36000, 65536, 600000, 40, 5000000, 33000)
    report(
        by is not None and by["live_bytes"] == sum(sizes[i % 6] for i in range(10, 60)),
        "with the bytes that it has now",
        json.dumps(by, indent=1),
    )
    report(
        by is not None
        and (taken["allocated_objects"], taken["freed_objects"]) == (100, 61)
        and (by["allocated_objects"], by["freed_objects"]) == (60, 10)
        and taken["live_bytes"] == 39 * 33768,
        "and what was allocated less what is gone is what is live, at both",
        json.dumps([taken, by], indent=1),
    )


def guilty():
    # 1000 times as fast: eight seconds are more than two hours.
    run = Run(TRACKED, "leak", "8", time_scale="1000", monitor_interval="10s", memory_limit="256M")
    report(run.went_on(), "a program that leaks ends as it would", run.why())
    if not run.went_on():
        return
    first = run.dump["sites"][0]
    report(
        function_at(first["frames"][0]) == "take_and_lose_some",
        "the guilty site is the first, though another holds more",
        json.dumps(run.dump["sites"][:3], indent=1),
    )
    kept = [s for s in run.dump["sites"] if function_at(s["frames"][0]) == "take_for_good"]
    report(
        len(kept) == 1 and kept[0]["live_bytes"] == 500 * 32768 > first["live_bytes"] and kept[0]["level"] != "HIGH",
        "start-up data is no leak",
        json.dumps(kept, indent=1),
    )
    risk = run.dump["risk"]
    report(
        risk["level"] == "HIGH" and risk["site"] == first["id"] == hex(int(first["id"], 16)),
        "the process is at HIGH risk for that site",
        json.dumps(risk, indent=1) + json.dumps(first, indent=1),
    )
    advice = [a for a in run.dump["recommendations"] if a["code"] == "LEAK_LIKELY"]
    report(len(advice) == 1 and first["id"] in advice[0]["text"], "and the dump says what to do", run.dump["recommendations"])
    line = run.text.splitlines()[2]
    frame = f"{os.path.basename(first['frames'][0]['module'])}+{first['frames'][0]['offset']}"
    report(
        line.startswith("  leak risk   HIGH") and frame in line,
        "the third line of the text form says it all",
        run.text[:600],
    )
    again = Run(TRACKED, "leak", "2")
    report(
        again.went_on() and first["id"] in [s["id"] for s in again.dump["sites"]],
        "a site has the same id in another run",
        again.why(),
    )


class Swap:
    """A file of 64 MiB that the kernel swaps to, where it lets us; .why says why not."""

    def __enter__(self):
        self.why, self.folder = "", tempfile.mkdtemp()
        path = self.path = os.path.join(self.folder, "swap")
        with open(path, "wb") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(b"\0" * (64 << 20))
        for command in (["mkswap", path], ["swapon", path]):
            try:
                done = subprocess.run(command, capture_output=True, text=True, check=False)
            except OSError as error:
                self.why = str(error)
                return self
            if done.returncode != 0:
                self.why = f"{command[0]}: {done.stderr.strip() or 'refused'}".splitlines()[0]
                return self
        return self

    def __exit__(self, *_):
        if not self.why:
            subprocess.run(["swapoff", self.path], check=False)
        shutil.rmtree(self.folder)


def has_other_swap():
    with open("/proc/swaps", encoding="utf-8") as file:
        return len(file.readlines()) > 1


def cold():
    """WEIR_COMPRESSION: what a leak holds goes to swap, and stays in memory where it is in use."""
    scaled = {"time_scale": "1000", "monitor_interval": "10s", "memory_limit": "256M"}
    names = (
        "what a leak holds goes to swap, and the program goes on",
        "what is wanted again comes back as it was, is counted, and its site is left alone",
        "without WEIR_COMPRESSION nothing goes",
    )
    if not has_other_swap():
        run = Run(TRACKED, "leak", "6", compression="on", **scaled)
        report(
            run.went_on() and run.dump["tracking"]["paged_out_bytes"] == 0,
            "without swap nothing is offered to it",
            run.why(),
        )
    with Swap() as swap:
        if swap.why:
            for name in names:
                results.append(True)
                print(f"ok {len(results)} - {name} # SKIP {swap.why}")
            return
        with concurrent.futures.ThreadPoolExecutor() as pool:
            runs = [
                pool.submit(Run, TRACKED, "leak", "6", *more, compression=switch, **scaled)
                for more, switch in (((), "on"), (("touch",), "on"), ((), "off"))
            ]
        run = runs[0].result()
        report(run.went_on() and run.dump["tracking"]["paged_out_bytes"] >= 64 << 10, names[0], run.why())
        report(
            run.went_on() and run.dump["tracking"]["refaults"] == 0 and "came back" in run.text,
            "nothing of it comes back where nobody looks at it, and the dump says how much went",
            run.why(),
        )
        run = runs[1].result()
        report(
            run.went_on()
            and run.dump["tracking"]["paged_out_bytes"] >= 64 << 10
            and run.dump["tracking"]["refaults"] >= 16,
            names[1],
            run.why(),
        )
        run = runs[2].result()
        report(run.went_on() and run.dump["tracking"]["paged_out_bytes"] == 0, names[2], run.why())


many_sites()
neighbours()
grown()
guilty()
cold()
print(f"1..{len(results)}")
sys.exit(0 if all(results) else 1)
