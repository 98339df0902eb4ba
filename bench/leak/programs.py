"""programs.py -- the programs of the leak corpus: how each is started, found and loaded.

A program is a class with a name and the command that it needs. start() starts it in a run, which gives the
environment of the process under test, a directory of its own and a way to start helpers; it returns the pid of
the process that is looked at. load() gives the load of a seed. Servers listen on 127.0.0.1 at a free port; a
program never outlives its run.
"""

import functools
import os
import random
import shutil
import socket
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
PYTHON = "/usr/bin/python3" if os.path.exists("/usr/bin/python3") else sys.executable
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def can_connect(port):
    with socket.socket() as s:
        s.settimeout(1)
        return s.connect_ex(("127.0.0.1", port)) == 0


def children_of(pid):
    """Direct children, by what /proc says of them."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat", encoding="latin-1") as file:
                    if int(file.read().rsplit(")", 1)[1].split()[1]) == pid:
                        found.append(int(entry))
            except (OSError, IndexError):
                pass
    return sorted(found)


def until(seconds, condition):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.05)
    raise TimeoutError("it did not come up")


class Program:
    name = command = ""
    port = 0
    rate = 100  # requests a second: such that Weir's budget of stacks, which is not scaled, suffices for most buffers

    dump_thread = None  # whom a dump is asked of: a thread's name; None: the process

    def is_there(self):
        return shutil.which(self.command, path=PATH) is not None

    def listening(self, process, seconds=30):
        until(seconds, lambda: process.poll() is not None or can_connect(self.port))
        if process.poll() is not None:
            raise RuntimeError(f"{self.name} ended with status {process.returncode}")

    def shape(self, seed):
        return ("flat", "triple", "wave")[seed % 3]

    def load_command(self, kind, seconds, seed, *more):
        return [PYTHON, str(HERE / "load.py"), kind, str(self.port), "--seconds", f"{seconds:.1f}"] + [
            "--rate", str(self.rate), "--shape", self.shape(seed), "--seed", str(seed), *map(str, more)
        ]

    def origin(self, run, seconds):
        port = free_port()
        run.start_helper("origin", [PYTHON, str(HERE / "load.py"), "origin", str(port), "--seconds", f"{seconds:.0f}"])
        until(10, lambda: can_connect(port))
        return port

    def start(self, run, seconds, seed):
        raise NotImplementedError

    def load(self, run, seconds, seed):
        raise NotImplementedError


class Redis(Program):
    """Values come, are read, grow and expire; the set of keys has a bound."""

    name, command, rate = "redis", "redis-server", 120
    values = ["--keys", 300]

    def settings(self):
        return []

    def start(self, run, seconds, seed):
        self.port = free_port()
        process = run.start_target(
            ["redis-server", "--bind", "127.0.0.1", "--port", self.port, "--dir", run.folder, "--save", ""]
            + ["--daemonize", "no", "--appendonly", "no", *self.settings()]
        )
        self.listening(process)
        return process.pid

    def load(self, run, seconds, seed):
        run.start_load(self.load_command("redis", seconds, seed, *self.values))


class RedisFill(Redis):
    """Ever new keys until maxmemory: it grows for half of the time, and then it evicts."""

    name = "redis-fill"

    def settings(self):
        return ["--maxmemory", "24mb", "--maxmemory-policy", "allkeys-lru"]

    def load(self, run, seconds, seed):
        run.start_load(self.load_command("redis", seconds, seed, "--fill"))


NGINX = """
{user}
worker_processes 1;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log error;
events {{ worker_connections 256; }}
http {{
	access_log off;
	client_body_temp_path {folder}/body;
	proxy_temp_path {folder}/proxy;
	fastcgi_temp_path {folder}/fastcgi;
	uwsgi_temp_path {folder}/uwsgi;
	scgi_temp_path {folder}/scgi;
	client_max_body_size 16m;
	gzip on;
	gzip_types text/plain application/octet-stream;
	upstream back {{ server 127.0.0.1:{back}; keepalive 8; }}
	server {{
		listen 127.0.0.1:{port};
		root {folder};
		proxy_http_version 1.1;
		proxy_set_header Connection "";
		location /static/ {{ alias {folder}/files/; try_files /body =404; output_buffers 4 64k; }}
		location /buffered/ {{
			proxy_pass http://back/;
			proxy_buffer_size 16k;
			proxy_buffers 16 32k;
			client_body_buffer_size 256k;
		}}
		location /passed/ {{
			proxy_pass http://back/;
			proxy_buffer_size 64k;
			proxy_buffers 4 64k;
			proxy_buffering off;
			proxy_request_buffering off;
		}}
	}}
}}
"""


class Nginx(Program):
    """Proxies with and without buffers, serves files, compresses, and is told to reload while it is loaded."""

    name, command, rate = "nginx", "nginx", 12

    def start(self, run, seconds, seed):
        self.port, back = free_port(), self.origin(run, seconds + 60)
        os.mkdir(f"{run.folder}/files", 0o755)
        with open(f"{run.folder}/files/body", "wb") as file:
            file.write(bytes(range(256)) * 1024)
        user = "user www-data;" if os.getuid() == 0 else ""
        with open(f"{run.folder}/nginx.conf", "w", encoding="utf-8") as file:
            file.write(NGINX.format(user=user, folder=run.folder, port=self.port, back=back))
        process = run.start_target(
            ["nginx", "-p", run.folder, "-c", f"{run.folder}/nginx.conf", "-e", f"{run.folder}/error.log"]
        )
        self.listening(process)
        old = until(10, lambda: children_of(process.pid))
        run.warm_up(self.load_command("http", 2, seed, "--paths", "/buffered,/passed"))
        process.send_signal(1)
        new = until(20, lambda: [c for c in children_of(process.pid) if c not in old])
        return new[0]

    def load(self, run, seconds, seed):
        run.start_load(
            self.load_command("http", seconds, seed, "--paths", "/buffered,/buffered,/passed,/static")
            + ["--most", "400000", "--least", "500", "--posts", "0.15"]
        )


class Memcached(Program):
    """Fills up to its limit with ever new keys, and then evicts."""

    name, command, rate = "memcached", "memcached", 100

    def start(self, run, seconds, seed):
        self.port = free_port()
        process = run.start_target(
            ["memcached", "-l", "127.0.0.1", "-p", self.port, "-U", "0", "-m", "32", "-t", "2", "-u", "root"]
        )
        self.listening(process)
        return process.pid

    def load(self, run, seconds, seed):
        run.start_load(self.load_command("memcached", seconds, seed, "--fill", "--clients", 40))


class Node(Program):
    """Streams, compresses, and keeps whole buffers in a cache that has a bound."""

    name, command, rate = "node", "node", 10

    def start(self, run, seconds, seed):
        self.port = free_port()
        process = run.start_target(["node", str(HERE / "node_app.js"), self.port])
        self.listening(process)
        return process.pid

    def load(self, run, seconds, seed):
        run.start_load(
            self.load_command("http", seconds, seed, "--most", "400000", "--least", "1000")
            + ["--posts", "0.1", "--keys", "1500"]
        )


class PythonQueues(Program):
    """Imports, queues between threads, a cache."""

    name, command, rate = "python", "python3", 15

    def start(self, run, seconds, seed):
        command = [PYTHON, str(HERE / "python_app.py"), f"{seconds + 10:.0f}", self.rate, self.shape(seed), seed]
        return run.start_target(command, is_ended_by_itself=True).pid

    def load(self, run, seconds, seed):
        pass


class Sqlite(Program):
    """The shell of sqlite on a database that grows past its page cache."""

    name, command, rate = "sqlite", "sqlite3", 20

    def start(self, run, seconds, seed):
        self.process = run.start_target(["sqlite3", "-batch", f"{run.folder}/db"], has_input=True)
        self.process.stdin.write(
            b"PRAGMA cache_size = 3000; PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;\n"
            b"CREATE TABLE t(k INTEGER PRIMARY KEY, b BLOB, s TEXT);\n"
        )
        self.process.stdin.flush()
        return self.process.pid

    def load(self, run, seconds, seed):
        more = ["--least", 100, "--most", 30000] + (["--fill"] if seed % 2 else [])
        run.start_load(self.load_command("sql", seconds, seed, *more), output=self.process.stdin)


class Ffmpeg(Program):
    """A long stream: pictures and sound made, scaled, encoded and muxed at the speed of real time."""

    name, command = "ffmpeg", "ffmpeg"

    def start(self, run, seconds, seed):
        size = ("320x240", "426x240", "256x144")[seed % 3]
        return run.start_target(
            ["ffmpeg", "-nostdin", "-v", "error", "-re", "-f", "lavfi", "-i", f"testsrc2=size={size}:rate=25"]
            + ["-re", "-f", "lavfi", "-i", "sine=frequency=440", "-vf", "scale=200:112,hue=s=0.5"]
            + ["-c:v", "mpeg2video", "-threads", "2", "-c:a", "mp2", "-t", f"{seconds + 10:.0f}"]
            + ["-f", "mpegts", "-y", "/dev/null"],
            is_ended_by_itself=True,
        ).pid

    def load(self, run, seconds, seed):
        pass


class Varnish(Program):
    """A cache in malloc storage that fills, and then drops what is old."""

    # Its first thread takes any signal that interrupts its poll() for the end.
    dump_thread = "cache-worker"
    name, command, rate = "varnish", "varnishd", 20

    def start(self, run, seconds, seed):
        self.port, back = free_port(), self.origin(run, seconds + 90)
        process = run.start_target(
            ["varnishd", "-F", "-n", f"{run.folder}/v", "-a", f"127.0.0.1:{self.port}", "-j", "none"]
            + ["-b", f"127.0.0.1:{back}", "-s", "malloc,24m", "-p", "vsl_space=1m", "-t", "3600"]
        )
        self.listening(process, 60)
        return until(10, lambda: children_of(process.pid))[0]

    def load(self, run, seconds, seed):
        run.start_load(
            self.load_command("http", seconds, seed, "--least", 500, "--most", 200000, "--keys", 2000)
            + ["--posts", "0.05", "--cached", "0.8"]
        )


SQUID = """
http_port 127.0.0.1:{port} accel defaultsite=bench no-vhost
cache_peer 127.0.0.1 parent {back} 0 no-query originserver no-digest
acl all_of_it src 127.0.0.1
http_access allow all_of_it
cache_mem 24 MB
maximum_object_size_in_memory 512 KB
memory_pools off
access_log none
cache_log {folder}/cache.log
cache_store_log none
pid_filename none
coredump_dir {folder}
netdb_filename none
shutdown_lifetime 0 seconds
"""


class Squid(Program):
    """A cache in memory that fills, with squid's own pools switched off."""

    name, command, rate = "squid", "squid", 12

    def start(self, run, seconds, seed):
        self.port, back = free_port(), self.origin(run, seconds + 90)
        with open(f"{run.folder}/squid.conf", "w", encoding="utf-8") as file:
            file.write(SQUID.format(port=self.port, back=back, folder=run.folder))
        os.chmod(run.folder, 0o1777)
        process = run.start_target(["squid", "-N", "-f", f"{run.folder}/squid.conf"])
        self.listening(process, 60)
        return process.pid

    load = Varnish.load


HAPROXY = """
global
	nbthread 2
	maxconn 200
	no-memory-trimming
	tune.bufsize 65536
defaults
	mode http
	timeout connect 5s
	timeout client 30s
	timeout server 30s
frontend in
	bind 127.0.0.1:{port}
	compression algo gzip
	compression type text/plain
	default_backend out
backend out
	server one 127.0.0.1:{back}
"""


class Haproxy(Program):
    """Proxies and compresses, with haproxy's own pools switched off."""

    name, command, rate = "haproxy", "haproxy", 10

    def start(self, run, seconds, seed):
        self.port, back = free_port(), self.origin(run, seconds + 60)
        with open(f"{run.folder}/haproxy.cfg", "w", encoding="utf-8") as file:
            file.write(HAPROXY.format(port=self.port, back=back))
        process = run.start_target(["haproxy", "-db", "-dMno-cache", "-f", f"{run.folder}/haproxy.cfg"])
        self.listening(process)
        return process.pid

    def load(self, run, seconds, seed):
        run.start_load(
            self.load_command("http", seconds, seed, "--least", 500, "--most", 300000, "--posts", "0.2")
        )


class Shape(Program):
    """Our own, of one of the shapes that look like leaks and are none."""

    def __init__(self, shape):
        self.name, self.what = f"shape-{shape}", shape

    def is_there(self):
        return True

    def start(self, run, seconds, seed):
        command = [run.tool("shapes"), self.what, "--seed", seed, "--seconds", f"{(seconds + 10) * run.scale:.0f}"]
        return run.start_target(command, is_ended_by_itself=True).pid

    def load(self, run, seconds, seed):
        pass


# What makes one for a run, by name.
PROGRAMS = {
    p().name: p
    for p in (
        *(Redis, RedisFill, Nginx, Memcached, Node, PythonQueues, Sqlite, Ffmpeg, Varnish, Squid, Haproxy),
        *(functools.partial(Shape, shape) for shape in ("cache", "startup", "triple", "queue")),
    )
}


def site_choice(survey, seed, wants_pool, least_births):
    """A site of the survey whose objects come and go, seeded, among the 12 that hand out most; or None. Wants pool
    buffers or small objects, and at least so many births a second."""
    fit = []
    # A cache that has not been full yet has hardly let anything go.
    for least_deaths in (0.5, 0.03):
        for site in survey:
            mean = site["bytes"] / max(1, site["births"])
            is_frequent = 0 < site["births"] >= least_births * site["seconds"]
            goes = site["deaths"] >= least_deaths * site["births"]
            if is_frequent and goes and (mean >= 4096) == wants_pool and mean >= 48:
                fit.append(site)
        if fit:
            break
    # Small objects are sampled by bytes; buffers are known one by one.
    fit.sort(key=lambda s: (-(s["births"] if wants_pool else s["bytes"]), s["frames"]))
    return random.Random(seed * 7919 + wants_pool).choice(fit[:12]) if fit else None
