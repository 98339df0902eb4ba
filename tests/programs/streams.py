#!/usr/bin/python3
"""streams.py -- bodies over HTTP whose every byte is known: the far ends of a proxy under test.

    streams.py serve PORT                   the upstream
    streams.py load URL [options]           the clients; see --help
    streams.py write FOLDER LEAST MOST      the bodies that clients may ask for, as files

GET /N answers N bytes that depend on N alone; PUT and POST answer the SHA-256 of what
came in. The clients check each answer, so a byte that a proxy loses, swaps or takes from
another connection is found. Exit status 0: every answer was right, and there were enough.
"""
import argparse
import functools
import hashlib
import http.client
import http.server
import math
import os
import random
import sys
import threading
import time
import urllib.parse


@functools.lru_cache(maxsize=128)
def body(size):
    return hashlib.shake_256(b"weir %d" % size).digest(size)


class Upstream(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, content):
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_GET(self):
        self.answer(body(int(self.path.rsplit("/", 1)[1])))

    def do_PUT(self):
        digest = hashlib.sha256()
        left = int(self.headers["Content-Length"])
        while left > 0:
            piece = self.rfile.read(min(left, 65536))
            if not piece:
                return
            digest.update(piece)
            left -= len(piece)
        self.answer(digest.hexdigest().encode())

    do_POST = do_PUT

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128

    def handle_error(self, *_):  # a client that hangs up is its own affair
        pass


def sizes_between(least, most):
    """24 sizes, both ends among them, as many small as large by factor, few of them round."""
    rng = random.Random(least ^ most)
    inner = [int(math.exp(rng.uniform(math.log(least), math.log(most)))) for _ in range(22)]
    return [least, most] + inner


class Client:
    """One connection at a time. A request that fails on one that was used before is sent
    once more on a fresh one: a server may close what is idle, also between two requests."""

    def __init__(self, url, fresh):
        self.url = urllib.parse.urlsplit(url)
        self.fresh = fresh
        self.connection = None

    def ask(self, method, path, content):
        while True:
            was_used = self.connection is not None
            if not was_used:
                self.connection = http.client.HTTPConnection(
                    self.url.hostname, self.url.port, timeout=20)
            try:
                self.connection.request(method, path, content)
                answer = self.connection.getresponse()
                got = answer.read()
                if self.fresh or answer.will_close:
                    self.close()
                return answer.status, got
            except (http.client.HTTPException, OSError):
                self.close()
                if not was_used:
                    raise

    def close(self):
        if self.connection is not None:
            self.connection.close()
        self.connection = None


def load(args):
    sizes = sizes_between(args.least, args.most)
    digests = {size: hashlib.sha256(body(size)).hexdigest().encode() for size in sizes}
    prefix = urllib.parse.urlsplit(args.url).path.rstrip("/")
    deadline = time.monotonic() + args.seconds
    faults, done, lock = [], [0, 0], threading.Lock()

    def work(seed):
        rng = random.Random(seed)
        client = Client(args.url, args.fresh)
        while time.monotonic() < deadline and not faults:
            size = rng.choice(sizes)
            method = rng.choice(args.methods)
            try:
                if method == "GET":
                    status, got = client.ask(method, f"{prefix}/{size}", None)
                    right = got == body(size)
                else:
                    status, got = client.ask(method, f"{prefix}/upload", body(size))
                    right = got == digests[size]
                fault = None if status == 200 and right else f"{method} {size}: {status}, {len(got)} bytes"
            except (http.client.HTTPException, OSError) as error:
                fault = f"{method} {size}: {error!r}"
            with lock:
                if fault:
                    faults.append(fault)
                else:
                    done[0] += 1
                    done[1] += size
        client.close()

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(args.clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(f"{done[0]} requests, {done[1] >> 20} MiB, {len(faults)} faults")
    for fault in faults:
        print(fault)
    return not faults and done[0] >= args.requests


def main():
    parser = argparse.ArgumentParser()
    verbs = parser.add_subparsers(dest="verb", required=True)
    verb = verbs.add_parser("serve")
    verb.add_argument("port", type=int)
    verb = verbs.add_parser("write")
    verb.add_argument("folder")
    verb.add_argument("least", type=int)
    verb.add_argument("most", type=int)
    verb = verbs.add_parser("load")
    verb.add_argument("url")
    verb.add_argument("--methods", type=lambda text: text.split(","), default=["GET"])
    verb.add_argument("--clients", type=int, default=8)
    verb.add_argument("--seconds", type=float, default=3)
    verb.add_argument("--requests", type=int, default=50, help="at least so many must come through")
    verb.add_argument("--least", type=int, default=64 << 10)
    verb.add_argument("--most", type=int, default=4 << 20)
    verb.add_argument("--fresh", action="store_true", help="a new connection for each request")
    args = parser.parse_args()
    if args.verb == "serve":
        Server(("127.0.0.1", args.port), Upstream).serve_forever()
    elif args.verb == "write":
        for size in sizes_between(args.least, args.most):
            with open(os.path.join(args.folder, str(size)), "wb") as file:
                file.write(body(size))
    elif not load(args):
        sys.exit(1)


main()
