#!/usr/bin/env python3
"""programs.py -- real programs over several allocators, side by side: processor time, memory, faults.

Each program does a fixed piece of streaming work; a server is driven by a client that is not
preloaded, and what is counted is the server alone. A repetition goes once over all allocators before the
next begins. Allocators are given as to run.py, whose peers are Debian's.

  bench/programs.py --runs 5 weir=build/libweir-preload.so
  bench/programs.py --programs redis,nginx-proxy --only jemalloc,weir weir=build/libweir-preload.so
"""

import argparse
import contextlib
import json
import os
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
FIGURES = ("cpu_s", "wall_s", "peak_rss_mib", "faults_k")


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


class Counted:
    """A process under an allocator, and what it took once it has ended."""

    def __init__(self, command, allocator, folder):
        self.log = open(folder / "log", "w+b")
        self.began = time.monotonic()
        self.process = subprocess.Popen(
            command, env=allocator.environment() | {"WEIR_LOG": "off"}, cwd=folder,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self.log,
        )

    def end(self, signal_number=None):
        """The figures; a server is told to end first."""
        wall = time.monotonic() - self.began
        if signal_number is not None:
            self.process.send_signal(signal_number)
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
            if self.process.returncode != 0:
                self.log.seek(0)
                raise RuntimeError(f"status {self.process.returncode}: {self.log.read()[-200:]!r}")
        self.log.close()
        return {
            "cpu_s": usage.ru_utime + usage.ru_stime,
            "wall_s": wall,
            "peak_rss_mib": usage.ru_maxrss / 1024,
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

PROGRAMS = {
    # Name: (what must be installed, what it does, body).
    "ffmpeg-x264": (("ffmpeg",), "360p test picture encoded by x264, 4 threads", once(
        *FFMPEG, "-f", "lavfi", "-i", "testsrc2=s=640x360:r=25:d=12", "-c:v", "libx264", "-preset", "veryfast",
        "-threads", "4", "-f", "null", "-")),
    "ffmpeg-remux": (("ffmpeg",), "mp4 to mkv without coding, 20 times", once(
        *FFMPEG, "-stream_loop", "20", "-i", "{data}/video.mp4", "-c", "copy", "-f", "matroska", "/dev/null")),
    "ffmpeg-raw": (("ffmpeg",), "720p raw frames scaled and written", once(
        *FFMPEG, "-f", "lavfi", "-i", "testsrc2=s=1280x720:r=25:d=12", "-vf", "scale=640:360,format=rgb24",
        "-f", "rawvideo", "/dev/null")),
    "gstreamer": (("gst-launch-1.0",), "720p raw frames through three queues", once(
        "gst-launch-1.0", "-q", "videotestsrc", "num-buffers=500", "!", "video/x-raw,width=1280,height=720", "!",
        "queue", "!", "videoconvert", "!", "video/x-raw,format=RGB", "!", "queue", "!", "videoscale", "!",
        "video/x-raw,width=640,height=360", "!", "queue", "!", "fakesink")),
    "nginx-proxy": (("nginx", "ab"), "1 MiB bodies proxied through 64 KiB buffers",
                    nginx_proxy(ab("/1m", 6000))),
    "nginx-upload": (("nginx", "ab"), "1 MiB bodies taken into memory and passed on",
                     nginx_proxy(ab("/sink", 4000, "-p", "{data}/1m", "-T", "application/octet-stream"))),
    "haproxy": (("haproxy", "nginx", "ab"), "1 MiB bodies proxied, 64 KiB buffers, 2 threads", haproxy),
    "redis": (("redis-server", "redis-benchmark"), "64 KiB values set and read", redis),
    "node": (("node", "ab"), "1 MiB files streamed over http", node),
    "python": (("python3",), "two threaded pipelines of bytes objects of 4K..1M", once("python3", "-c", PYTHON)),
}


def make_data(folder, names):
    (folder / "1m").write_bytes(os.urandom(1 << 20))
    if "ffmpeg-remux" in names:
        client([*FFMPEG, "-f", "lavfi", "-i", "testsrc2=s=1280x720:r=25:d=10", "-c:v", "libx264", "-preset",
                "ultrafast", "-b:v", "6M", folder / "video.mp4"])


def run_one(name, allocator, data):
    with tempfile.TemporaryDirectory(prefix="weir-bench.") as folder:
        try:
            return PROGRAMS[name][2](allocator, Path(folder), data)
        except (RuntimeError, subprocess.TimeoutExpired, OSError) as error:
            return {"failed": str(error)}


def median_of(runs):
    good = [r for r in runs if "failed" not in r]
    if not good:
        return {"failed": runs[0]["failed"]}
    result = {key: statistics.median(r[key] for r in good) for key in FIGURES}
    times = [r["cpu_s"] for r in good]
    return result | {"spread": (max(times) - min(times)) / statistics.median(times), "runs": len(good)}


def field(figures, best):
    if "failed" in figures:
        return "failed"
    text = f"{figures['cpu_s']:.2f}"
    if figures["cpu_s"] == best:
        text = f"**{text}**"
    return f"{text} / {figures['peak_rss_mib']:.0f} / {figures['faults_k']:.0f}"


def report(result, names):
    facts = result["machine"]
    print(f"- {facts['processor']}, {facts['cpus']} CPUs, {facts['memory_gib']} GiB, Linux {facts['kernel']}")
    print(f"- {result['runs']} interleaved runs, medians; load {result['load_before']:.1f} before, "
          f"{result['load_after']:.1f} after")
    spreads = [f["spread"] for p in result["programs"].values() for f in p.values() if "spread" in f]
    if spreads:
        print(f"- noise: the range of processor time over its median is {statistics.median(spreads):.0%} in the "
              f"middle, {max(spreads):.0%} at worst")
    print(f"- command: {result['command']}")
    print("\nProcessor seconds / peak RSS in MiB / thousands of page faults; bold: the least processor time.\n")
    rows = [["program", *names, "weir: CPU of best peer", "RSS of leanest peer"]]
    for name, cell in result["programs"].items():
        times = {a: f["cpu_s"] for a, f in cell.items() if "failed" not in f}
        sizes = {a: f["peak_rss_mib"] for a, f in cell.items() if "failed" not in f}
        peers = [a for a in times if not a.startswith("weir")]
        ratio = ["", ""]
        if "weir" in times and peers:
            ratio = [f"{times['weir'] / min(times[a] for a in peers):.2f}",
                     f"{sizes['weir'] / min(sizes[a] for a in peers):.2f}"]
        rows.append([name, *(field(cell[a], min(times.values(), default=0)) for a in names), *ratio])
    print(run.table(rows, True))
    for name, cell in result["programs"].items():
        for allocator, figures in cell.items():
            if "failed" in figures:
                print(f"\n{name} under {allocator} failed: {figures['failed']}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("allocators", nargs="*", metavar="NAME=PATH[,VAR=VALUE]")
    parser.add_argument("--programs", help=f"comma-separated, of: {', '.join(PROGRAMS)}")
    parser.add_argument("--only", help="of the allocators, only these")
    parser.add_argument("--runs", type=int, default=5, metavar="N", help="repetitions (5)")
    parser.add_argument("--json", metavar="FILE", help="also write all figures there")
    arguments = parser.parse_args()

    candidates = run.allocators(arguments.allocators, arguments.only and arguments.only.split(","))
    names = arguments.programs.split(",") if arguments.programs else list(PROGRAMS)
    for name in names:
        for command in PROGRAMS[name][0] if name in PROGRAMS else [name]:
            if not shutil.which(command):
                sys.exit(f"programs.py: {name} needs {command}, which is not here")
    result = {
        "command": shlex.join(["bench/programs.py", *sys.argv[1:]]),
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
                    if sys.stderr.isatty():
                        print(f"\r\033[K{name} {repetition + 1}/{arguments.runs} {a.name}", end="", file=sys.stderr)
                    runs[a.name].append(run_one(name, a, data))
            result["programs"][name] = {a: median_of(r) for a, r in runs.items()}
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr)
    result["load_after"] = os.getloadavg()[0]
    report(result, [a.name for a in candidates])
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
