#!/usr/bin/python3
"""make_dump.py -- prints a JSON dump of a made-up relay, for the tests of weir report.

    make_dump.py [--grown] [--exe PATH] [--plain] [--small] [--site FUNCTION[,FUNCTION...]]...

The same arguments give the same bytes. --grown: the same process an hour later. --plain: without
what tracking knows. --small: a few entries of each list, on one line, for fuzzing. --exe: the program that it is about; with --site, a stack is made of the
functions of that program, innermost first, at the addresses that nm and readelf give;
FUNCTION@CALLEE is at the call of CALLEE within FUNCTION, as objdump shows it.
"""
import argparse
import json
import re
import subprocess

parser = argparse.ArgumentParser()
parser.add_argument("--grown", action="store_true")
parser.add_argument("--plain", action="store_true")
parser.add_argument("--exe", default="/opt/relay/bin/relay")
parser.add_argument("--small", action="store_true")
parser.add_argument("--site", action="append", default=[])
wish = parser.parse_args()

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
BASE = 0x55D0C0000000
LIBC = 0x7F3A40000000
BUILD_ID = "6f1d2c3b4a59687786958473625140312f1e0d0c"
LIBC_BUILD_ID = "93ac80ac52c6b55f22e68e5d5d4e1d8a0f6b0b9c"


def address(number):
    return f"0x{number:x}"


def frame(offset, module=wish.exe, base=BASE):
    return {"pc": address(base + offset), "module": module, "offset": address(offset)}


def functions_of(exe):
    """Where each function begins and how long it is, in the file's own count."""
    found = {}
    for line in subprocess.run(["nm", "-S", exe], check=True, capture_output=True, text=True).stdout.splitlines():
        match = re.match(r"([0-9a-f]+) ([0-9a-f]+) [tTwW] (.+)$", line)
        if match:
            found[match[3]] = int(match[1], 16), int(match[2], 16)
    return found


def place_of(exe, table, name):
    """Within the call of the other, or in the middle of the function."""
    name, _, callee = name.partition("@")
    begin, size = table[name]
    if not callee:
        return begin + size // 2
    code = subprocess.run(
        ["objdump", "-d", f"--start-address={begin}", f"--stop-address={begin + size}", exe],
        check=True, capture_output=True, text=True).stdout
    lines = re.findall(r"^ +([0-9a-f]+):\t.*$", code, re.M)
    calls = re.findall(rf"^ +([0-9a-f]+):\t.*(?:call|jmp|bl?)\s.*<{re.escape(callee)}(?:@plt)?>$", code, re.M)
    after = lines[lines.index(calls[0]) + 1] if lines.index(calls[0]) + 1 < len(lines) else None
    return (int(after, 16) if after else begin + size) - 1


def build_id_of(exe):
    notes = subprocess.run(["readelf", "-n", exe], check=True, capture_output=True, text=True).stdout
    match = re.search(r"Build ID: ([0-9a-f]+)", notes)
    return match[1] if match else ""


def site(number, frames, risk, level, reason, live, size, births, growth, lifetimes, age, limit=None):
    result = {
        "id": address(0x9E3779B97F4A7C15 * number & (1 << 64) - 1),
        "risk": risk,
        "level": level,
        "reason": reason,
    } | ({"why": f"of {live} objects that reached 8 s, 0.0% were freed before 30 m"} if level == "HIGH" else {}) | {
        "confidence": 0.91,
        "live_objects": live,
        "live_bytes": live * size,
        "allocated_objects": births,
        "allocated_bytes": births * size,
        "freed_objects": births - live,
        "growth_bytes_per_hour": growth,
        "stuck_objects": live // 2 if level == "HIGH" else 0,
        "stuck_bytes_per_hour": growth if level == "HIGH" else 0,
    }
    if births > live:
        result["lifetime_p50_seconds"], result["lifetime_p99_seconds"] = lifetimes
    result["age_p50_seconds"] = age
    if limit is not None:
        result["time_to_limit_seconds"] = limit
    result["is_overflow"] = False
    result["frames"] = frames
    return result


build_id = BUILD_ID
stacks = [
    [frame(0x4A10), frame(0x5B21), frame(0x3011), frame(0x29D90 - 1, "/lib/x86_64-linux-gnu/libc.so.6", LIBC)],
    [frame(0x4A10), frame(0x6C32), frame(0x3011), frame(0x29D90 - 1, "/lib/x86_64-linux-gnu/libc.so.6", LIBC)],
    [frame(0x7001), frame(0x2210)],
]
if wish.site:
    build_id = build_id_of(wish.exe)
    table = functions_of(wish.exe)
    stacks = []
    for names in wish.site:
        stacks.append([frame(place_of(wish.exe, table, name)) for name in names.split(",")])
while len(stacks) < 3:
    stacks.append([{"pc": address(0x7E0000001000)}])

hours = 2 if wish.grown else 1
leaked = 1500 * hours
used, idle = 96 * MIB + leaked * 64 * KIB, 12 * MIB
limit = 4 * GIB

dump = {
    "schema": "weir-dump",
    "schema_version": 1,
    "weir_version": "0.1.0",
    "pid": 4711,
    "program": wish.exe.rsplit("/", 1)[-1],
    "exe": wish.exe,
    "boot_id": "0b2f7c1e-0000-4000-8000-0123456789ab",
    "started_at": "2026-01-01T00:00:00.000Z",
    "taken_at": f"2026-01-01T0{hours}:00:00.000Z",
    "uptime_seconds": 3600.0 * hours,
    "sequence": hours,
    "trigger": "signal",
    "health": {
        "buffer_count": 2420 + leaked,
        "total_memory_allocated": f"{(used + idle) / MIB:.1f} MiB",
        "pool_utilization": f"{used / (used + idle):.1%}",
        "memory_leak_risk": "HIGH",
        "recommendations": [],
    },
    "recommendations": [
        {
            "code": "LEAK_LIKELY",
            "severity": "critical",
            "text": "One call site loses buffers: weir report FILE names it. Restart before the limit is reached, "
            "and look at what takes a buffer there and does not free it.",
        },
    ],
    "metrics": {
        "total_allocated_bytes": used + idle,
        "total_used_bytes": used,
        "buffer_count": 2420 + leaked,
        "buffers_in_use": 2400 + leaked,
        "pool_utilization": round(used / (used + idle), 4),
        "gc_count": 120 * hours,
        "memory_leak_risk": 0.93,
        "average_buffer_size_bytes": 64 * KIB,
        "last_memory_pressure": 0.31,
        "allocations": 1000000 * hours,
        "reuse_rate": 0.98,
        "temporary_buffers": 0,
        "purged_bytes": 300 * MIB,
        "resident_bytes": used + idle + MIB,
        "errors": 0,
    },
    "pressure": {
        "level": "low",
        "source": "cgroup",
        "value": 0.31,
        "used_bytes": GIB + leaked * 64 * KIB,
        "limit_bytes": limit,
        "psi_some_avg10": 0.001,
        "psi_full_avg10": 0.0,
    },
    "heap": {
        "is_active": True,
        "range_bytes": 64 * GIB,
        "committed_bytes": 512 * MIB,
        "metadata_bytes": MIB,
        "requested_bytes": used - 5 * MIB,
        "buffers_created": 20000 * hours,
        "free_runs_hot": 7,
        "free_hot_bytes": 8 * MIB,
        "free_runs_cold": 2,
        "free_cold_bytes": 29 * MIB,
        "largest_free_bytes": 14 * MIB,
        "slab_free_bytes": 64 * KIB,
        "fragmentation": 0.62,
        "limit_bytes": 18446744073709551615,
        "apart": {
            "small_objects": 120,
            "small_bytes": 24 * KIB,
            "slab_bytes": 64 * KIB,
            "large_objects": 1,
            "large_bytes": 5 * MIB,
            "refused": 0,
        },
        "request_purges": 31,
        "slow_request_purges": 1,
        "longest_request_purge_seconds": 0.000061,
        "purges_refused": 0,
        "arenas": 4,
        "cpus": 8,
        "magazines": "rseq",
        "lock_acquisitions": 40123,
        "lock_contentions": 17,
    },
    "classes": [
        {"size_bytes": 4 * KIB, "in_use": 400, "idle": 8, "allocations": 500000 * hours},
        {"size_bytes": 16 * KIB, "in_use": 0, "idle": 12, "allocations": 1000 * hours},
        {"size_bytes": 64 * KIB, "in_use": 2000 + leaked, "idle": 12, "allocations": 499000 * hours},
    ],
    "buffers": [
        {
            "id": 17,
            "size_bytes": 60000,
            "capacity_bytes": 64 * KIB,
            "age_seconds": 3500.5,
            "created_at": "2026-01-01T00:01:39.500Z",
            "last_used_at": "2026-01-01T00:01:39.500Z",
            "in_use": True,
            "use_count": 1,
            "site": address(0x9E3779B97F4A7C15),
        },
    ],
    "buffers_left_out": 2399 + leaked,
    "fallback": {
        "allocated": 40 * MIB,
        "active": 44 * MIB,
        "resident": 50 * MIB,
        "retained": 8 * MIB,
        "metadata": 3 * MIB,
    },
    "process": {
        "rss_bytes": used + 100 * MIB,
        "minor_faults": 50123,
        "major_faults": 2,
        "threads": 9,
        "background": "thread",
    },
    "config": {"track": "on", "monitor_interval": "10s", "time_scale": "1", "dump": "/tmp/weir.%e.%p.%n"},
    "tracking": {"is_active": False},
}
if not wish.plain:
    bounds = [0] + [round((1 << k) / 64, 6) for k in range(33)]
    freed = [0.0] * 34
    live = [0.0] * 34
    freed[4:14] = [900.0, 12000.0, 88000.0, 310000.0, 402000.0, 150000.0, 30000.0, 4000.0, 800.0, 20.0]
    live[5:10] = [40.0, 300.0, 900.0, 600.0, 160.0]
    live[12:19] = [30.0, 60.0, 120.0, 230.0, 460.0, 400.0, leaked - 1300.0]
    dump |= {
        "risk": {
            "score": 0.93,
            "level": "HIGH",
            "reason": "MIXTURE_LEAK",
            "confidence": 0.91,
            "time_to_limit_seconds": 18720.0,
            "growth_bytes_per_hour": 98304000,
            "site": address(0x9E3779B97F4A7C15),
            "is_fragmenting": False,
        },
        "sites": [
            site(1, stacks[0], 0.92, "HIGH", "MIXTURE_LEAK", leaked, 64 * KIB, 400000 * hours, 98304000,
                 (0.25, 1.5), 1750.0, 18720.0),
            site(2, stacks[1], 0.12, "LOW", "LOAD", 2000, 32 * KIB, 600000 * hours, -1024, (0.12, 0.9), 0.3),
            site(3, stacks[2], 0.05, "LOW", "START_UP", 400, 4 * KIB, 400, 0, None, 3590.0),
        ],
        "sites_not_listed": 2,
        "not_listed": {
            "live_objects": 12,
            "live_bytes": 12 * 8 * KIB,
            "allocated_objects": 5000 * hours,
            "allocated_bytes": 5000 * hours * 8 * KIB,
            "freed_objects": 5000 * hours - 12,
        },
        "lifetimes": [
            {"from_seconds": bounds[i]}
            | ({"to_seconds": bounds[i + 1]} if i < 33 else {})
            | {"freed": freed[i], "live": live[i]}
            for i in range(34)
        ],
        "lifetimes_by_size": [
            {"size_up_to_bytes": 64 * KIB, "from_seconds": bounds[i], "to_seconds": bounds[i + 1], "freed": freed[i]}
            for i in range(33)
            if freed[i] > 0
        ],
        "tracking": {
            "is_active": True,
            "table_bytes": 33 * MIB,
            "table_bytes_used": 2 * MIB,
            "samples_live": 2400 + leaked,
            "samples_max": 65536,
            "samples_dropped": 0,
            "samples_thinned": 0,
            "deaths_lost": 0,
            "stacks_captured": 5000,
            "stacks_dropped": 0,
            "stacks_truncated": 3,
            "tables_read": 700,
            "sites_used": 5,
            "sites_max": 4096,
            "sites_left_out": 0,
            "sites_evicted": 0,
            "modules_left_out": 0,
            "ticks": 360 * hours,
            "last_tick_seconds": 0.000812,
            "longest_tick_seconds": 0.00192,
            "paged_out_bytes": 0,
            "refaults": 0,
        },
        "mappings": [
            {
                "start": address(LIBC + 0x26000),
                "end": address(LIBC + 0x17B000),
                "offset": "0x26000",
                "bias": address(LIBC),
                "path": "/lib/x86_64-linux-gnu/libc.so.6",
                "build_id": LIBC_BUILD_ID,
            },
            {
                "start": address(BASE + 0x1000),
                "end": address(BASE + 0x200000),
                "offset": "0x1000",
                "bias": address(BASE),
                "path": wish.exe,
                "build_id": build_id,
            },
        ],
    }
if wish.small:
    for name in dump.keys() & {"sites", "lifetimes_by_size", "mappings", "classes"}:
        dump[name] = dump[name][:2]
    if not wish.plain:
        dump["lifetimes"] = dump["lifetimes"][-3:]
        for entry in dump["sites"]:
            entry["frames"] = entry["frames"][:2]
print(json.dumps(dump, indent=None if wish.small else 1))
