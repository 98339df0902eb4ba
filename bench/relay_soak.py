#!/usr/bin/env python3
"""relay_soak.py -- many clients on examples/relay, some of which stall: every byte in order, memory flat.

    relay_soak.py --relay build/examples/relay [--clients 1000] [--stalled 100] [--seconds 600]

Each channel gets numbered tokens from a source of its own. What a client must see of a channel is known to
the byte, so what it reads is compared and not parsed. Clients come and go: one in each moment leaves and
resumes with Last-Event-ID. Stalled clients subscribe and read nothing until the end; then what they read must
be a stretch without a gap, an event that says how many were missed, and from there on every byte again.
Speaks TAP; figures stand in comments. Ends what it starts.
"""
import argparse
import bisect
import json
import os
import random
import re
import resource
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

arguments = argparse.ArgumentParser()
arguments.add_argument("--relay", required=True)
arguments.add_argument("--clients", type=int, default=1000)
arguments.add_argument("--stalled", type=int, default=100)
arguments.add_argument("--channels", type=int, default=10)
arguments.add_argument("--rate", type=float, default=20, help="tokens a second of each channel")
arguments.add_argument("--token-bytes", type=int, default=100, help="mean length of a token")
arguments.add_argument("--seconds", type=float, default=600)
arguments.add_argument("--flush-ms", type=int, default=50)
options = arguments.parse_args()

count = 0
failed = 0


def check(is_ok, name, why=""):
    global count, failed
    count += 1
    failed += not is_ok
    print(f"{'' if is_ok else 'not '}ok {count} - {name}", flush=True)
    if not is_ok and why:
        print(f"# {why}")


def note(text):
    print(f"# {text}", flush=True)


class Channel:
    """The bytes that every client of it has to see, from its first event on."""

    def __init__(self, name, path):
        self.name = name
        self.random = random.Random(name)
        self.expected = bytearray()
        self.starts = []  # of event n: starts[n - 1]
        self.epoch = b""
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.socket.sendall(name.encode() + b"\n")
        self.is_ended = False

    def add(self, kind, token):
        self.starts.append(len(self.expected))
        self.expected += b"id: %s.%d\n%sdata: %s\n\n" % (self.epoch, len(self.starts), kind, token)

    def publish(self):
        length = self.random.randint(1, 2 * options.token_bytes)
        token = b"%s-%d-" % (self.name.encode(), len(self.starts) + 1) + b"x" * length
        self.add(b"", token)
        self.socket.sendall(token + b"\n")

    def end(self):
        self.socket.close()
        self.add(b"event: end\n", b"")


class Client:
    def __init__(self, channel, is_stalled=False):
        self.channel = channel
        self.is_stalled = is_stalled
        self.place = 0  # in channel.expected
        self.bytes = self.skips = 0
        self.fault = ""
        self.is_open = False

    def connect(self, port):
        self.head = b""
        self.rest = b""
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096 if self.is_stalled else 65536)
        self.socket.connect(("127.0.0.1", port))
        last = bisect.bisect_right(self.channel.starts, self.place - 1) if self.place else 0
        # Whole events up to place; a part of the next is forgotten, and comes again.
        whole = last if last == len(self.channel.starts) and self.place == len(self.channel.expected) \
            else last if last < len(self.channel.starts) and self.channel.starts[last] == self.place else last - 1
        whole = max(whole, 0)
        self.place = self.channel.starts[whole] if whole < len(self.channel.starts) else len(self.channel.expected)
        header = b"Last-Event-ID: %s.%d\r\n" % (self.channel.epoch, whole)
        self.socket.sendall(b"GET /events/%s HTTP/1.1\r\nHost: relay\r\n%s\r\n" % (self.channel.name.encode(), header))
        self.socket.setblocking(False)
        self.is_open = True

    def read(self):
        """False: it has ended."""
        try:
            data = self.socket.recv(1 << 16)
        except BlockingIOError:
            return True
        except ConnectionError as error:
            self.fault = self.fault or str(error)
            data = b""
        if not data:
            self.is_open = False
            self.socket.close()
            return False
        if not self.head.endswith(b"retry: 1000\n\n"):
            self.head += data
            at = self.head.find(b"retry: 1000\n\n")
            if at < 0:
                return True
            data = self.head[at + 13:]
            self.head = self.head[:at + 13]
            if not self.head.startswith(b"HTTP/1.1 200 ") or b"text/event-stream" not in self.head:
                self.fault = f"answered {self.head[:100]!r}"
        self.bytes += len(data)
        self.compare(data)
        return True

    def compare(self, data):
        data = self.rest + data
        self.rest = b""
        while data and not self.fault:
            expected = self.channel.expected[self.place:self.place + len(data)]
            if expected == data:
                self.place += len(data)
                return
            same = len(os.path.commonprefix([bytes(expected), data]))
            data = data[same:]
            self.place += same
            if not self.skip(data):
                return

    def skip(self, data):
        """data does not go on where the channel does. True: since it was set to live, as it says."""
        match = re.match(rb'event: skip\ndata: \{"missed":(\d+)\}\n\n', data)
        # The commonest way to differ: "event: skip" against "id: ..." from the first byte on.
        if match:
            number = bisect.bisect_left(self.channel.starts, self.place)
            after = number + int(match[1])
            is_whole = number == len(self.channel.starts) or self.channel.starts[number] == self.place
            if is_whole and after <= len(self.channel.starts):
                self.skips += 1
                self.place = self.channel.starts[after] if after < len(self.channel.starts) \
                    else len(self.channel.expected)
                self.compare(data[match.end():])
                return False
        elif b'event: skip\ndata: {"missed":'.startswith(data[:28]) and b"\n\n" not in data:
            self.rest = data
            return False
        self.fault = f"at {self.place} of {self.channel.name}: {data[:60]!r}"
        return False


class Relay:
    def __init__(self, directory):
        self.source = os.path.join(directory, "source")
        self.process = subprocess.Popen(
            [options.relay, "--listen", "127.0.0.1:0", "--source-listen", self.source, "--no-stdin",
             "--max-clients", str(options.clients + 10), "--ring", "131072", "--stall-s", "0", "--grace-s", "2",
             "--keepalive-s", "3600", "--flush-ms", str(options.flush_ms)],
            stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
        line = self.process.stderr.readline().decode()
        self.port = int(line.rsplit(":", 1)[1])

    def resident(self):
        with open(f"/proc/{self.process.pid}/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))

    def cpu_seconds(self):
        with open(f"/proc/{self.process.pid}/stat") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def get(self, path):
        return subprocess.run(["curl", "-sS", "--max-time", "10", "--fail", f"http://127.0.0.1:{self.port}{path}"],
                              stdout=subprocess.PIPE, check=True).stdout.decode()


def metrics_fault(text):
    """What is wrong with it as Prometheus' text format; "" for nothing."""
    types, samples = {}, set()
    for line in text.splitlines():
        match = re.fullmatch(r"# (HELP|TYPE) ([a-zA-Z_:][\w:]*) (.+)", line)
        if match:
            if match[1] == "TYPE":
                if match[2] in types or match[3] not in ("counter", "gauge"):
                    return line
                types[match[2]] = match[3]
            continue
        match = re.fullmatch(r'([a-zA-Z_:][\w:]*)(\{\w+="[^"\\]*"\})? ([-+\d.e]+)', line)
        if not match or match[1] not in types or (match[1], match[2]) in samples:
            return line
        if types[match[1]] == "counter" and not match[1].endswith("_total"):
            return line
        samples.add((match[1], match[2]))
        float(match[3])
    return "" if samples else "nothing"


def value(metrics, name):
    return float(re.search(rf"^{name} (\S+)$", metrics, re.M)[1])


class Soak:
    def __init__(self, relay):
        self.relay = relay
        self.channels = [Channel(f"c{i}", relay.source) for i in range(options.channels)]
        self.poll = select.epoll()
        self.clients = {}
        self.all = []
        self.rss = []
        self.resumed = 0

    def learn_epoch(self):
        for channel in self.channels:
            channel.socket.sendall(b"first\n")
        time.sleep(0.3)
        line = subprocess.run(["curl", "-sN", "--max-time", "0.5",
                               f"http://127.0.0.1:{self.relay.port}/events/c0?from=start"],
                              stdout=subprocess.PIPE).stdout
        epoch = re.search(rb"^id: ([0-9a-f]+)\.1$", line, re.M)[1]
        for channel in self.channels:
            channel.epoch = epoch
            channel.add(b"", b"first")

    def open(self, client):
        client.connect(self.relay.port)
        self.clients[client.socket.fileno()] = client
        if not client.is_stalled:
            self.poll.register(client.socket.fileno(), select.EPOLLIN)

    def leave(self, client):
        self.poll.unregister(client.socket.fileno())
        del self.clients[client.socket.fileno()]
        client.socket.close()

    def turn(self, timeout):
        for fd, _ in self.poll.poll(timeout):
            client = self.clients[fd]
            if not client.read():
                del self.clients[fd]

    def run(self):
        for i in range(options.clients):
            client = Client(self.channels[i % options.channels], is_stalled=i < options.stalled)
            self.all.append(client)
            self.open(client)
        live = [client for client in self.all if not client.is_stalled]
        began = time.monotonic()
        next_publish = next_second = began
        chance = random.Random(1)
        while (now := time.monotonic()) - began < options.seconds:
            if now >= next_publish:
                next_publish += 1 / options.rate
                for channel in self.channels:
                    channel.publish()
            if now >= next_second:
                next_second += 1
                self.rss.append(self.relay.resident())
                for client in chance.sample(live, max(1, len(live) // 100)):
                    self.leave(client)
                    self.open(client)
                    self.resumed += 1
            self.turn(max(0, min(next_publish, next_second) - time.monotonic()))

    def settle(self, seconds):
        """Read what is under way, until all have all, or nothing comes any more."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and any(
                c.is_open and not c.fault and c.place < len(c.channel.expected) for c in self.all):
            self.turn(0.1)

    def wake_stalled(self):
        for client in self.all:
            if client.is_stalled:
                client.is_stalled = False
                self.poll.register(client.socket.fileno(), select.EPOLLIN)

    def drain(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end and any(client.is_open for client in self.all):
            self.turn(0.1)


def report(soak, relay, metrics):
    flat = soak.rss[len(soak.rss) * 4 // 10:]
    note(f"{options.clients} clients, {options.stalled} of them stalled, {options.seconds:.0f} s: "
         f"{value(metrics, 'relay_events_total'):.0f} events, "
         f"{value(metrics, 'relay_sent_bytes_total') / 1e6:.1f} MB in {value(metrics, 'relay_writes_total'):.0f} writes, "
         f"{value(metrics, 'relay_batch_tokens_total'):.0f} tokens in batches, {soak.resumed} resumed")
    note(f"resident {soak.rss[0]} KiB at first, {min(flat)} to {max(flat)} KiB in the later 60% of the time, "
         f"{soak.rss[-1]} at last; {relay.cpu_seconds():.1f} s of CPU")
    note(f"reuse {value(metrics, 'relay_pool_reuse_ratio'):.4f} of "
         f"{value(metrics, 'relay_pool_requests_total'):.0f} buffers; "
         f"{value(metrics, 'relay_skips_total'):.0f} skips of {value(metrics, 'relay_skipped_events_total'):.0f} events; "
         f"{value(metrics, 'relay_pool_temporary_buffers_total'):.0f} temporary buffers")
    return flat


def check_reports(relay):
    health = json.loads(relay.get("/health"))
    check(health["status"] == "ok" and health["clients"] > options.clients and "buffer_count" in health["pool"],
          "curl /health gets JSON that says that all is well", str(health))
    metrics = relay.get("/metrics")
    fault = metrics_fault(metrics)
    check(not fault, "curl /metrics gets what Prometheus reads", fault)
    if shutil.which("promtool"):
        checked = subprocess.run(["promtool", "check", "metrics"], input=metrics.encode(), stdout=subprocess.PIPE,
                                 stderr=subprocess.STDOUT)
        check(checked.returncode == 0, "promtool finds nothing in /metrics", checked.stdout.decode())
    return metrics


def soak(relay):
    work = Soak(relay)
    work.learn_epoch()
    work.run()
    stalled = [client for client in work.all if client.is_stalled]
    metrics = check_reports(relay)
    flat = report(work, relay, metrics)
    check(value(metrics, "relay_pool_reuse_ratio") >= 0.95,
          "95% of the buffers that are asked for are reused ones")
    if options.seconds >= 60:
        check(max(flat) - min(flat) <= max(2048, flat[0] // 20), "memory is flat", f"{min(flat)} to {max(flat)} KiB")
    check(value(metrics, "relay_clients_dropped_total") == 0, "nobody is dropped who may be skipped")
    work.wake_stalled()
    work.settle(20)
    # Some more for those that were set to live, and the end.
    for _ in range(5):
        for channel in work.channels:
            channel.publish()
    for channel in work.channels:
        channel.end()
    work.settle(20)
    faults = [client.fault for client in work.all if client.fault]
    check(not faults, "every client reads every byte in order", "; ".join(faults[:3]))
    behind = [client for client in work.all if client.place != len(client.channel.expected)]
    check(not behind, "and comes to the end of its channel", f"{len(behind)} do not")
    live_skips = sum(client.skips for client in work.all if client not in stalled)
    check(live_skips == 0, "no client that reads is skipped", str(live_skips))
    note(f"stalled clients: {sum(client.skips for client in stalled)} of {len(stalled)} were skipped")
    relay.process.send_signal(signal.SIGTERM)
    work.drain(10)
    code = relay.process.wait(timeout=10)
    check(code == 0, "SIGTERM ends it with every buffer back", f"exit status {code}")
    check(not any(client.is_open for client in work.all), "and every connection closed")


def main():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with tempfile.TemporaryDirectory() as directory:
        relay = Relay(directory)
        try:
            soak(relay)
        finally:
            if relay.process.poll() is None:
                relay.process.kill()
                relay.process.wait()
    print(f"1..{count}")
    return 1 if failed else 0


sys.exit(main())
