#!/usr/bin/python3
"""dump_check.py -- says whether a process has left whole dumps behind.

    dump_check.py FOLDER TRIGGER NAME PID COUNT ALLOCATIONS

Waits up to 15 s until FOLDER has at least COUNT dumps of the process PID ("*": of any),
whose program is called NAME ("*": any), and then reads them all: each is JSON with the
fields that a dump must have, has the trigger TRIGGER, its text form stands beside it, and
together they tell of at least ALLOCATIONS allocations. Exit status 0 if so.
"""
import glob
import json
import os
import sys
import time

folder, trigger, name, pid, count, allocations = sys.argv[1:]
count, allocations = int(count), int(allocations)
pattern = os.path.join(glob.escape(folder), f"{name}.{pid}.*.json")


def read_all():
    """The dumps, or a reason why not (they may still be being written)."""
    dumps = {}
    for path in sorted(glob.glob(pattern)):
        try:
            with open(path, encoding="utf-8") as file:
                dumps[path] = json.load(file)
        except ValueError as error:
            return None, f"{path}: {error}"
    if len(dumps) < count:
        return None, f"{len(dumps)} dumps {pattern}, {count} wanted; there: {os.listdir(folder)}"
    return dumps, ""


def tracking_fault_of(dump):
    """What is said of leak risk and call sites agrees with itself."""
    tracking = dump["tracking"]
    if not tracking["is_active"]:
        return "tracking is on and not active" if dump["config"]["track"] == "on" and dump["heap"]["is_active"] else None
    risk, levels = dump["risk"], ("LOW", "MEDIUM", "HIGH")
    if tracking["table_bytes_used"] > tracking["table_bytes"]:
        return "tables are larger than they can be"
    if tracking["sites_used"] > tracking["sites_max"] or tracking["samples_live"] > tracking["samples_max"]:
        return f"a table is fuller than it can be: {tracking}"
    if tracking["ticks"] > 0 and dump["health"]["memory_leak_risk"] != risk["level"]:
        return "health and risk differ"
    for judged in [dict(risk, risk=risk["score"])] + dump["sites"]:
        if not (0 <= judged["risk"] <= 1 and 0 <= judged["confidence"] <= 1 and judged["level"] in levels):
            return f"no risk: {judged}"
    ids = [site["id"] for site in dump["sites"]]
    if "0x0" not in ids and len(set(ids)) != len(ids):
        return "two sites have one id"
    modules = {mapping["path"]: mapping for mapping in dump["mappings"]}
    for mapping in dump["mappings"]:
        if int(mapping["start"], 16) >= int(mapping["end"], 16):
            return f"no mapping: {mapping}"
    for site in dump["sites"]:
        if site["live_objects"] < 0 or site["live_bytes"] < 0:
            return f"less than nothing is live: {site['id']}"
        for frame in site["frames"]:
            if "module" not in frame:
                continue
            mapping = modules.get(frame["module"])
            if mapping is None:
                return f"{frame['module']} is in a frame and not among the mappings"
            if int(frame["offset"], 16) > int(mapping["end"], 16) - int(mapping["bias"], 16):
                return f"an offset is past its module's end: {frame}"
    if any(bucket["freed"] < 0 or bucket["live"] < 0 for bucket in dump["lifetimes"]):
        return "a lifetime is less than nothing"
    return None


def fault_of(path, dump):
    if dump["schema"] != "weir-dump" or dump["schema_version"] != 1:
        return f"schema is {dump['schema']} {dump['schema_version']}"
    if f".{dump['pid']}." not in os.path.basename(path):
        return f"pid is {dump['pid']}"
    if dump["trigger"] != trigger:
        return f"trigger is {dump['trigger']}"
    metrics = dump["metrics"]
    if metrics["buffers_in_use"] > metrics["buffer_count"]:
        return "more buffers in use than there are"
    if metrics["total_used_bytes"] > metrics["total_allocated_bytes"]:
        return "more bytes used than allocated"
    if metrics["errors"] != 0:
        return f"{metrics['errors']} errors"
    for key in ("config", "buffers", "classes", "pressure", "process", "health"):
        if key not in dump:
            return f"no {key}"
    fault = tracking_fault_of(dump)
    if fault:
        return fault
    text = path[: -len(".json")] + ".txt"
    if not os.path.exists(text) or os.path.getsize(text) == 0:
        return f"no text form {text}"
    return None


deadline = time.monotonic() + 15
found, why = read_all()
while found is None and time.monotonic() < deadline:
    time.sleep(0.05)
    found, why = read_all()
if found is None:
    sys.exit(why)
total = 0
time.sleep(0.1)  # the text form may be the later of the two
for where, what in found.items():
    try:
        fault = fault_of(where, what)
    except (KeyError, TypeError) as error:
        fault = f"a field is missing: {error!r}"
    if fault:
        sys.exit(f"{where}: {fault}")
    total += what["metrics"]["allocations"]
if total < allocations:
    sys.exit(f"{total} allocations, at least {allocations} expected")
