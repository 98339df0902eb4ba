"""check_dumps.py -- is every JSON dump in a directory whole and valid?

check_dumps.py DIRECTORY LEAST: at least LEAST dumps; each parses, has the
members that the format promises, and says nothing that cannot be. Prints what
is wrong, at most ten lines; the exit status says whether anything was.
"""

import collections
import json
import os
import stat
import sys

TOP = {
    "schema": str, "schema_version": int, "weir_version": str, "pid": int,
    "exe": str, "boot_id": str, "started_at": str, "taken_at": str,
    "uptime_seconds": (int, float), "sequence": int, "trigger": str,
    "config": dict, "metrics": dict, "buffers": list, "buffers_left_out": int,
    "classes": list, "heap": dict, "pressure": dict, "process": dict,
    "fallback": dict, "recommendations": list, "health": dict,
}
COUNTS = ("total_allocated_bytes", "total_used_bytes", "buffer_count",
          "buffers_in_use", "gc_count", "average_buffer_size_bytes",
          "allocations", "temporary_buffers", "purged_bytes",
          "resident_bytes", "errors")
SHARES = ("pool_utilization", "last_memory_pressure", "reuse_rate")
BUFFER = ("id", "size_bytes", "capacity_bytes", "age_seconds", "created_at",
          "last_used_at", "in_use", "use_count")
# What the stress program can hold at once: 8 threads, 64 buffers below 1 MiB each.
MOST_BUFFERS = 8 * 64 + 8
MOST_BYTES = MOST_BUFFERS << 21


def no_constant(name):
    raise ValueError(name + " is not JSON")


def no_twins(pairs):
    names = collections.Counter(name for name, _ in pairs)
    twins = [name for name, count in names.items() if count > 1]
    if twins:
        raise ValueError("twice in one object: " + twins[0])
    return dict(pairs)


def faults(path):
    with open(path, "rb") as file:
        raw = file.read()
    if not raw.endswith(b"\n"):
        yield "does not end with a newline"
    dump = json.loads(raw.decode("utf-8"), parse_constant=no_constant,
                      object_pairs_hook=no_twins)
    for name, kind in TOP.items():
        # jemalloc's figures are those of the last tick: absent before the first.
        if name == "fallback" and dump.get(name) is None and dump["uptime_seconds"] < 5:
            continue
        if not isinstance(dump.get(name), kind) or isinstance(dump.get(name), bool):
            yield "%s is %r" % (name, dump.get(name))
            return
    if dump["schema"] != "weir-dump" or dump["schema_version"] != 1:
        yield "another schema"
    if dump["trigger"] not in ("signal", "exit", "command", "api"):
        yield "trigger is %r" % dump["trigger"]
    fields = os.path.basename(path).split(".")
    if [str(dump["pid"]), str(dump["sequence"])] != fields[-3:-1]:
        yield "pid %d and sequence %d are not the name's" % (dump["pid"], dump["sequence"])
    if dump["taken_at"] < dump["started_at"] or not dump["taken_at"].endswith("Z"):
        yield "taken at %s, started at %s" % (dump["taken_at"], dump["started_at"])
    metrics = dump["metrics"]
    for name in COUNTS:
        if isinstance(metrics.get(name), bool) or not isinstance(metrics.get(name), (int, float)) \
                or not 0 <= metrics[name] < 1 << 60:
            yield "metrics.%s is %r" % (name, metrics.get(name))
            return
    for name in SHARES:
        if not isinstance(metrics.get(name), (int, float)) or not 0 <= metrics[name] <= 1:
            yield "metrics.%s is %r" % (name, metrics.get(name))
    # Counts come from structures that others change meanwhile: bounds, not sums.
    if metrics["buffers_in_use"] > metrics["buffer_count"]:
        yield "%(buffers_in_use)d in use of %(buffer_count)d buffers" % metrics
    if metrics["total_used_bytes"] > metrics["total_allocated_bytes"]:
        yield "%(total_used_bytes)d used of %(total_allocated_bytes)d bytes" % metrics
    if metrics["buffers_in_use"] > MOST_BUFFERS or metrics["total_used_bytes"] > MOST_BYTES:
        yield "%(buffers_in_use)d buffers of %(total_used_bytes)d bytes in use" % metrics
    if (metrics["buffers_in_use"] == 0) != (metrics["total_used_bytes"] == 0):
        yield "%(buffers_in_use)d buffers of %(total_used_bytes)d bytes in use" % metrics
    for buffer in dump["buffers"]:
        missing = [name for name in BUFFER if name not in buffer]
        if missing:
            yield "a buffer has no " + missing[0]
        elif not 0 < buffer["size_bytes"] <= buffer["capacity_bytes"] or buffer["age_seconds"] < 0 \
                or buffer["age_seconds"] > dump["uptime_seconds"] + 1:
            yield "a buffer is %r" % buffer
    ids = [buffer.get("id") for buffer in dump["buffers"]]
    if len(set(ids)) != len(ids):
        yield "an id stands twice in buffers"
    if dump["process"].get("threads", 0) < 9:
        yield "process.threads is %r" % dump["process"].get("threads")
    for name in ("buffer_count", "total_memory_allocated", "pool_utilization"):
        if name not in dump["health"]:
            yield "health has no " + name


def main():
    directory, least = sys.argv[1], int(sys.argv[2])
    names = sorted(name for name in os.listdir(directory) if name.endswith(".json"))
    wrong, any_in_use = [], False
    if len(names) < least:
        wrong.append("%d dumps, %d expected" % (len(names), least))
    for name in names:
        path = os.path.join(directory, name)
        mode = os.lstat(path).st_mode
        if not stat.S_ISREG(mode) or stat.S_IMODE(mode) != 0o600:
            wrong.append("%s: mode %o" % (name, mode))
        try:
            wrong.extend("%s: %s" % (name, fault) for fault in faults(path))
            with open(path, encoding="utf-8") as file:
                any_in_use = any_in_use or json.load(file)["metrics"]["buffers_in_use"] > 100
        except (ValueError, KeyError, TypeError) as error:
            wrong.append("%s: %s" % (name, error))
    if names and not any_in_use:
        wrong.append("no dump saw more than 100 buffers in use")
    for line in wrong[:10]:
        print(line)
    print("%d dumps, %d faults" % (len(names), len(wrong)))
    return 1 if wrong else 0


sys.exit(main())
