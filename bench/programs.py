#!/usr/bin/env python3
"""programs.py -- real programs over several allocators, side by side: processor time, memory, faults, throughput.

Each program does a fixed piece of streaming work; a server is driven by a client that is not
preloaded, and what is counted is the server alone. A repetition goes once over all allocators before the
next begins. Allocators are given as to run.py, whose peers are Debian's. Where perf is installed, one run more of
each is sampled: how much of the processor time is the allocator's, and how much page faults and mappings.

  bench/programs.py --runs 5 weir=build/libweir-preload.so
  bench/programs.py --programs redis,nginx-proxy --only jemalloc,weir weir=build/libweir-preload.so
"""

import argparse
import contextlib
import os
import re
import shlex
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import run

LIMIT_SECONDS = 120
FIGURES = ("cpu_s", "wall_s", "peak_rss_mib", "faults_k", "rate")
SECONDS_EACH = 4  # of one run, for the estimate
SAMPLES_A_SECOND = 499
# What a sample is counted for: the kernel at faults and mappings, or code of the allocator. Debian's libc names only
# what it exports, so what is unnamed in it counts for malloc where malloc is libc's.
MAPPING = re.compile(r"page_fault|handle_mm_fault|sys_(munmap|mmap|madvise|mremap|brk|mprotect)")
ALLOCATOR_OBJECT = re.compile(r"lib(weir|jemalloc|mimalloc|tcmalloc|tbbmalloc)")
LIBC_MALLOC = re.compile(r"malloc|free|calloc|realloc|memalign|\[unknown\]")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for_port(port, process):
    end = time.monotonic() + 10
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.2):
            return
        time.sleep(0.02)
    raise RuntimeError("the server does not listen")


def sampled(command, allocator, folder):
    """The command under perf, which is not preloaded itself; told to end, it tells the program."""
    settings = [f"{k}={v}" for k, v in allocator.settings.items()]
    preload = [f"LD_PRELOAD={allocator.path}"] if allocator.path else []
    return ["perf", "record", "-q", "-e", "cpu-clock", "-F", str(SAMPLES_A_SECOND), "-g", "-o", str(folder / "perf.data"),
            "--", "env", *preload, *settings, *command]


def shares(folder):
    """Of the samples, how many are the allocator's and how many faults and mappings; {} where there are none."""
    done = subprocess.run(["perf", "script", "-i", str(folder / "perf.data"), "-F", "ip,sym,dso"], capture_output=True,
                          text=True, check=False, errors="replace", timeout=LIMIT_SECONDS)
    stacks = [s.strip().splitlines() for s in done.stdout.split("\n\n") if s.strip()]
    if not stacks:
        return {}
    mapping = sum(any(MAPPING.search(frame) for frame in stack) for stack in stacks)
    allocator = sum(not any(MAPPING.search(frame) for frame in stack) and is_allocator(stack[0]) for stack in stacks)
    return {"allocator_share": allocator / len(stacks), "fault_share": mapping / len(stacks)}


def is_allocator(frame):
    if ALLOCATOR_OBJECT.search(frame):
        return True
    return "libc.so.6" in frame and not is_preloaded and LIBC_MALLOC.search(frame) is not None


# Whether the run that is being sampled has an object preloaded, and whether runs are sampled.
is_preloaded, is_sampled = False, False


class Counted:
    """A process under an allocator, and what it took once it has ended."""

    def __init__(self, command, allocator, folder):
        global is_preloaded
        is_preloaded = bool(allocator.path)
        self.folder = folder
        self.log = open(folder / "log", "w+b")
        self.began = time.monotonic()
        environment = allocator.environment()
        if is_sampled:
            command = sampled(command, allocator, folder)
            environment.pop("LD_PRELOAD", None)
        self.process = subprocess.Popen(
            command, env=environment | {"WEIR_LOG": "off"}, cwd=folder,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self.log,
        )

    def peak_mib(self):
        """While it runs: what rusage says of a child is never less than its parent had at the fork."""
        with open(f"/proc/{self.process.pid}/status", encoding="utf-8") as status:
            return int(re.search(r"VmHWM:\s*(\d+)", status.read()).group(1)) / 1024

    def end(self, signal_number=None):
        """The figures; a server is told to end first."""
        wall = time.monotonic() - self.began
        peak_mib = None
        if signal_number is not None:
            peak_mib = self.peak_mib()
            self.process.send_signal(signal.SIGTERM if is_sampled else signal_number)
        limit = time.monotonic() + LIMIT_SECONDS
        while True:
            pid, status, usage = os.wait4(self.process.pid, os.WNOHANG)
            if pid != 0:
                break
            if time.monotonic() > limit:
                self.process.kill()
            time.sleep(0.002)
        self.process.returncode = os.waitstatus_to_exitcode(status)
        if signal_number is None:
            wall = time.monotonic() - self.began
            if self.process.returncode != 0 and not is_sampled:
                self.log.seek(0)
                raise RuntimeError(f"status {self.process.returncode}: {self.log.read()[-200:]!r}")
        self.log.close()
        more = shares(self.folder) if is_sampled else {}
        return more | {
            "cpu_s": usage.ru_utime + usage.ru_stime,
            "wall_s": wall,
            "peak_rss_mib": peak_mib or usage.ru_maxrss / 1024,
            "faults_k": usage.ru_minflt / 1000,
        }


def client(command, **more):
    done = subprocess.run(
        [str(c) for c in command], capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False, **more
    )
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]}: status {done.returncode}: {done.stderr[-200:]}")


# --- programs that run once ----------------------------------------------------------


def once(*command):
    return lambda allocator, folder, data: Counted([c.format(data=data) for c in command], allocator, folder).end()


FFMPEG = ("ffmpeg", "-nostdin", "-v", "error", "-y")


# --- servers -------------------------------------------------------------------------


@contextlib.contextmanager
def plain_server(command, port, folder):
    """The other side of a proxy: not counted, and with libc's malloc."""
    process = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    try:
        wait_for_port(port, process)
        yield
    finally:
        process.terminate()
        process.wait()


def served(command, port, load, allocator, folder, ends_by=signal.SIGTERM):
    server = Counted(command, allocator, folder)
    try:
        wait_for_port(port, server.process)
        began = time.monotonic()
        load(port)
        wall = time.monotonic() - began
    except BaseException:
        server.process.kill()
        server.process.wait()
        raise
    return server.end(ends_by) | {"wall_s": wall}


NGINX = """daemon off; master_process off; error_log stderr crit; pid {folder}/{name}.pid;
events {{ worker_connections 512; }}
http {{ access_log off; client_max_body_size 64m; client_body_temp_path {folder}/{name}.body;
proxy_temp_path {folder}/{name}.proxy; fastcgi_temp_path {folder}/{name}.f; uwsgi_temp_path {folder}/{name}.u;
scgi_temp_path {folder}/{name}.s; keepalive_requests 1000000; sendfile off; output_buffers 4 64k;
upstream back {{ server 127.0.0.1:{back}; keepalive 32; }}
server {{ listen 127.0.0.1:{port}; {body} }} }}
"""
NGINX_FRONT = """location / { proxy_pass http://back; proxy_http_version 1.1; proxy_set_header Connection "";
proxy_buffer_size 64k; proxy_buffers 16 64k; proxy_busy_buffers_size 256k; proxy_max_temp_file_size 0;
client_body_buffer_size 2m; }"""


def nginx(name, port, back, body, folder):
    conf = folder / f"{name}.conf"
    conf.write_text(NGINX.format(folder=folder, name=name, port=port, back=back, body=body), encoding="utf-8")
    return ["nginx", "-e", "stderr", "-p", str(folder), "-c", str(conf)]


def nginx_proxy(load):
    def body(allocator, folder, data):
        back, front = free_port(), free_port()
        back_body = f"root {data}; location /sink {{ return 200; }}"
        with plain_server(nginx("back", back, 1, back_body, folder), back, folder):
            command = nginx("front", front, back, NGINX_FRONT, folder)
            return served(command, front, lambda port: load(port, data), allocator, folder, signal.SIGQUIT)

    return body


def ab(path, requests, *more):
    return lambda port, data: client(
        ["ab", "-q", "-k", "-n", requests, "-c", 24, *[m.format(data=data) for m in more],
         f"http://127.0.0.1:{port}{path}"])


def haproxy(allocator, folder, data):
    back, front = free_port(), free_port()
    conf = folder / "haproxy.cfg"
    conf.write_text(
        f"global\n  nbthread 2\n  tune.bufsize 65536\n  maxconn 500\ndefaults\n  mode http\n"
        f"  timeout connect 5s\n  timeout client 30s\n  timeout server 30s\n"
        f"frontend f\n  bind 127.0.0.1:{front}\n  default_backend b\n"
        f"backend b\n  server s 127.0.0.1:{back}\n", encoding="utf-8")
    with plain_server(nginx("back", back, 1, f"root {data};", folder), back, folder):
        return served(["haproxy", "-db", "-f", str(conf)], front,
                      lambda port: ab("/1m", 4000)(port, data), allocator, folder)


def redis(allocator, folder, data):
    port = free_port()

    def load(port):
        for kind, count in (("set", 60000), ("get", 60000)):
            client(["redis-benchmark", "-q", "-p", port, "-t", kind, "-d", 65536, "-n", count, "-c", 20, "-r", 1000])

    command = ["redis-server", "--port", str(port), "--save", "", "--appendonly", "no", "--dir", str(folder)]
    return served(command, port, load, allocator, folder)


NODE = """
const http = require('http'), fs = require('fs');
http.createServer((q, s) => fs.createReadStream(process.argv[2] + q.url).pipe(s)).listen(+process.argv[3], '127.0.0.1');
process.on('SIGTERM', () => process.exit(0));
"""


def node(allocator, folder, data):
    port = free_port()
    (folder / "server.js").write_text(NODE, encoding="utf-8")
    return served(["node", "server.js", str(data), str(port)], port, lambda p: ab("/1m", 3000)(p, data), allocator, folder)


PYTHON = """
import threading, queue, random
def make(q, seed):
    r = random.Random(seed)
    for _ in range(6000):
        q.put(bytes(int(4096 * 256 ** r.random())))
    q.put(None)
def use(q):
    keep = []
    while (b := q.get()) is not None:
        keep.append(bytearray(b))
        if len(keep) > 64:
            keep.pop(0)
pairs = [queue.Queue(32) for _ in range(2)]
threads = [threading.Thread(target=make, args=(q, i)) for i, q in enumerate(pairs)]
threads += [threading.Thread(target=use, args=(q,)) for q in pairs]
[t.start() for t in threads]
[t.join() for t in threads]
"""

# The distribution's, where another stands before it in PATH.
SYSTEM_PYTHON = shutil.which("/usr/bin/python3") or "python3"

PROGRAMS = {
    # Name: (what must be installed, what it does, how much, of what, body).
    "ffmpeg-x264": (("ffmpeg",), "360p test picture encoded by x264, 4 threads", 300, "frames", once(
        *FFMPEG, "-f", "lavfi", "-i", "testsrc2=s=640x360:r=25:d=12", "-c:v", "libx264", "-preset", "veryfast",
        "-threads", "4", "-f", "null", "-")),
    "ffmpeg-remux": (("ffmpeg",), "mp4 to mkv without coding, 100 times", 100 * 250, "frames", once(
        *FFMPEG, "-stream_loop", "99", "-i", "{data}/video.mp4", "-c", "copy", "-f", "matroska", "/dev/null")),
    "ffmpeg-raw": (("ffmpeg",), "720p raw frames scaled and written", 300, "frames", once(
        *FFMPEG, "-f", "lavfi", "-i", "testsrc2=s=1280x720:r=25:d=12", "-vf", "scale=640:360,format=rgb24",
        "-f", "rawvideo", "/dev/null")),
    "gstreamer": (("gst-launch-1.0",), "720p raw frames through three queues", 500, "frames", once(
        "gst-launch-1.0", "-q", "videotestsrc", "num-buffers=500", "!", "video/x-raw,width=1280,height=720", "!",
        "queue", "!", "videoconvert", "!", "video/x-raw,format=RGB", "!", "queue", "!", "videoscale", "!",
        "video/x-raw,width=640,height=360", "!", "queue", "!", "fakesink")),
    "nginx-proxy": (("nginx", "ab"), "1 MiB bodies proxied through 64 KiB buffers", 6000, "requests",
                    nginx_proxy(ab("/1m", 6000))),
    "nginx-upload": (("nginx", "ab"), "1 MiB bodies taken into memory and passed on", 4000, "requests",
                     nginx_proxy(ab("/sink", 4000, "-p", "{data}/1m", "-T", "application/octet-stream"))),
    "haproxy": (("haproxy", "nginx", "ab"), "1 MiB bodies proxied, 64 KiB buffers, 2 threads", 4000, "requests", haproxy),
    "redis": (("redis-server", "redis-benchmark"), "64 KiB values set and read", 120000, "commands", redis),
    "node": (("node", "ab"), "1 MiB files streamed over http", 3000, "requests", node),
    "python": ((SYSTEM_PYTHON,), "two threaded pipelines of bytes objects of 4K..1M", 12000, "objects",
               once(SYSTEM_PYTHON, "-c", PYTHON)),
}


def make_data(folder, names):
    (folder / "1m").write_bytes(os.urandom(1 << 20))
    if "ffmpeg-remux" in names:
        client([*FFMPEG, "-f", "lavfi", "-i", "testsrc2=s=1280x720:r=25:d=10", "-c:v", "libx264", "-preset",
                "ultrafast", "-b:v", "6M", folder / "video.mp4"])


def run_one(name, allocator, data):
    with tempfile.TemporaryDirectory(prefix="weir-bench.") as folder:
        try:
            result = PROGRAMS[name][4](allocator, Path(folder), data)
        except (RuntimeError, subprocess.TimeoutExpired, OSError) as error:
            return {"failed": str(error)}
    return result | {"rate": PROGRAMS[name][2] / result["wall_s"]}


def profiled(name, allocator, data):
    """The shares alone, from a run which is not timed: sampling has its price."""
    global is_sampled
    is_sampled = True
    try:
        result = run_one(name, allocator, data)
    finally:
        is_sampled = False
    return {k: v for k, v in result.items() if k.endswith("_share")}


def median_of(runs):
    good = [r for r in runs if "failed" not in r]
    if not good:
        return {"failed": runs[0]["failed"]}
    result = {key: statistics.median(r[key] for r in good) for key in FIGURES}
    times = [r["cpu_s"] for r in good]
    return result | {"spread": (max(times) - min(times)) / statistics.median(times), "runs": len(good)}


TABLES = (
    # Heading, key, format, which is best.
    ("Processor seconds", "cpu_s", "{:.2f}", min),
    ("Peak RSS, MiB", "peak_rss_mib", "{:.1f}", min),
    ("Page faults, thousands", "faults_k", "{:.1f}", min),
    ("Throughput a second", "rate", "{:,.0f}", max),
)


def figure_table(result, names, key, form, best_of):
    rows = [["", *names, "weir / best peer"]]
    for name, cell in result["programs"].items():
        values = {a: f[key] for a, f in cell.items() if key in f}
        peers = [v for a, v in values.items() if not a.startswith("weir")]
        best = best_of(values.values(), default=None)
        fields = [(f"**{form.format(values[a])}**" if values[a] == best else form.format(values[a]))
                  if a in values else "failed" for a in names]
        label = f"{name}, {PROGRAMS[name][3]}" if key == "rate" else name
        is_compared = "weir" in values and peers and best_of(peers)
        rows.append([label, *fields, f"{values['weir'] / best_of(peers):.2f}" if is_compared else ""])
    return run.table(rows, True)


def share_table(result, names):
    rows = [["", *names]]
    for name, cell in result["programs"].items():
        if any("fault_share" in f for f in cell.values()):
            rows.append([name, *(f"{cell[a]['allocator_share'] * 100:.1f} + {cell[a]['fault_share'] * 100:.1f}"
                                 if "fault_share" in cell[a] else "" for a in names)])
    return run.table(rows, True) if len(rows) > 1 else ""


def details(result):
    """The tables that page() leaves out, as markdown."""
    names = list(next(iter(result["programs"].values()), {}))
    return [part for heading, key, form, best_of in TABLES[2:]
            for part in (f"## Real programs: {heading.lower()}", figure_table(result, names, key, form, best_of))]


def page(result, tables=TABLES):
    """It as markdown, with these of the tables."""
    facts = result["machine"]
    names = list(next(iter(result["programs"].values()), {}))
    spreads = [f["spread"] for p in result["programs"].values() for f in p.values() if "spread" in f]
    lines = [
        f"- {facts['processor']}, {facts['cpus']} CPUs, {facts['memory_gib']} GiB, Linux {facts['kernel']}",
        f"- {result['runs']} interleaved runs, medians; load {result['load_before']:.1f} before, "
        f"{result['load_after']:.1f} after",
    ]
    if spreads:
        lines.append(f"- noise: the range of processor time over its median is {statistics.median(spreads):.0%} in "
                     f"the middle, {max(spreads):.0%} at worst")
    parts = ["\n".join(lines + [f"- command: `{result['command']}`"])]
    for heading, key, form, best_of in tables:
        parts += [f"{heading}; bold: the best.", figure_table(result, names, key, form, best_of)]
    if table := share_table(result, names):
        parts += ["Percent of the processor time in the allocator + in page faults and mappings (one run each, "
                  "sampled; for glibc with the unnamed part of libc).", table]
    parts.append("\n".join(f"- {name}: {PROGRAMS[name][1]}" for name in result["programs"]))
    for name, cell in result["programs"].items():
        parts += [f"{name} under {a} failed: {f['failed']}" for a, f in cell.items() if "failed" in f]
    return "\n\n".join(parts)


def missing_for(name):
    return [c for c in (PROGRAMS[name][0] if name in PROGRAMS else [name]) if not shutil.which(c)]


def run_all(arguments, command):
    candidates = run.allocators(arguments.allocators, arguments.only and arguments.only.split(","))
    asked = getattr(arguments, "names", None)
    names = []
    for name in asked.split(",") if asked else PROGRAMS:
        if missing := missing_for(name):
            print(f"programs.py: {name} is left out, for want of {', '.join(missing)}", file=sys.stderr)
        else:
            names.append(name)
    has_perf = shutil.which("perf") is not None
    each = arguments.runs + has_perf
    print(f"{len(names)} programs, {len(candidates)} allocators: about "
          f"{len(names) * len(candidates) * each * SECONDS_EACH / 60:.0f} minutes", file=sys.stderr)
    result = {
        "command": command,
        "machine": run.machine(),
        "runs": arguments.runs,
        "load_before": os.getloadavg()[0],
        "programs": {},
    }
    with tempfile.TemporaryDirectory(prefix="weir-bench.") as folder:
        data = Path(folder)
        data.chmod(0o755)
        make_data(data, names)
        for name in names:
            runs = {a.name: [] for a in candidates}
            for repetition in range(arguments.runs):
                for a in candidates:
                    run.progress(f"{name} {repetition + 1}/{arguments.runs} {a.name}")
                    runs[a.name].append(run_one(name, a, data))
            cell = {a: median_of(r) for a, r in runs.items()}
            for a in candidates if has_perf else []:
                run.progress(f"{name} sampled {a.name}")
                cell[a.name] |= profiled(name, a, data)
            result["programs"][name] = cell
    run.progress("")
    return result | {"load_after": os.getloadavg()[0]}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("allocators", nargs="*", metavar="NAME=PATH[,VAR=VALUE]")
    parser.add_argument("--programs", dest="names", help=f"comma-separated, of: {', '.join(PROGRAMS)}")
    parser.add_argument("--only", help="of the allocators, only these")
    parser.add_argument("--runs", type=int, default=5, metavar="N", help="repetitions (5)")
    parser.add_argument("--json", metavar="FILE", help="also write all figures there")
    arguments = parser.parse_args()

    result = run_all(arguments, shlex.join(["bench/programs.py", *sys.argv[1:]]))
    print(page(result))
    if arguments.json:
        run.write_json(result, arguments.json)


if __name__ == "__main__":
    main()
