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
