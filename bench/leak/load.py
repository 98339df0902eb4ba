#!/usr/bin/env python3
"""load.py -- the load of the leak corpus: paced, seeded, bounded, and the same for a run and its twin.

    load.py origin PORT                          an HTTP server; GET /N/... answers N bytes
    load.py http PORT --seconds S ...            clients that get and post bodies
    load.py redis PORT --seconds S ...           values set, read, appended to, expired
    load.py memcached PORT --seconds S ...       values set and read
    load.py sql --seconds S ...                  statements on stdout, for a shell of sqlite

Requests are sent at times that depend on rate, shape and seed alone, so a slow server does not get less work
but later. --shape: flat, triple (three times the rate from the middle on) or wave. What is asked for
depends on the seed. Nothing is measured here; what fails is counted, and the counts end on stderr.
"""

import argparse
import asyncio
import math
import random
import sys
import time

BODY = bytes(range(256)) * 8192  # 2 MiB; any body is a part of it


def rate_at(shape, rate, share):
    """Requests a second when `share` of the time is over; about `rate` in the mean."""
    if shape == "triple":
        return rate * (0.5 if share < 0.5 else 1.5)
    if shape == "wave":
        return rate * (1 + 0.7 * math.sin(2 * math.pi * 4 * share))
    return rate


def moments(shape, rate, seconds):
    """The times of the requests, in seconds from the start."""
    at = 0.0
    while at < seconds:
        yield at
        at += 1 / rate_at(shape, rate, at / seconds)


class Work:
    """Numbered requests with the generator of each, dealt out in time to as many workers as there are."""

    def __init__(self, options):
        self.options = options
        self.started = time.monotonic()
        self.moments = enumerate(moments(options.shape, options.rate, options.seconds))
        self.done = self.failed = 0

    def share(self):
        return (time.monotonic() - self.started) / self.options.seconds

    async def __aiter__(self):
        for number, moment in self.moments:
            wait = self.started + moment - time.monotonic()
            if wait < -20:
                return  # a server that hangs is not waited for
            if wait > 0:
                await asyncio.sleep(wait)
            yield number, random.Random(self.options.seed * 1000003 + number)


def log_uniform(dice, least, most):
    return int(math.exp(dice.uniform(math.log(least), math.log(most))))


# ---- the origin ----


async def answer(reader, writer):
    try:
        while head := await reader.readuntil(b"\r\n\r\n"):
            lines = head.decode("latin-1").split("\r\n")
            method, path, _ = lines[0].split(" ", 2)
            fields = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines[1:])}
            if method in ("POST", "PUT"):
                await reader.readexactly(int(fields.get("content-length", 0)))
            size = min(int("0" + path.split("/")[1]), len(BODY))
            writer.write(
                b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nContent-Type: text/plain\r\n"
                b"Cache-Control: max-age=3600\r\n\r\n" % size
            )
            for begin in range(0, size, 65536):
                writer.write(BODY[begin : min(begin + 65536, size)])
                await writer.drain()
                await asyncio.sleep(0.003)
            await writer.drain()
    except (IndexError, *FAULTS):
        pass
    finally:
        writer.close()


async def origin(options):
    server = await asyncio.start_server(answer, "127.0.0.1", options.port, backlog=512)
    try:
        async with asyncio.timeout(options.seconds):
            await server.serve_forever()
    except TimeoutError:
        pass


# ---- clients ----


FAULTS = (OSError, EOFError, ValueError, TimeoutError, asyncio.LimitOverrunError)


async def converse(work, options, most, talk):
    """One client: requests by talk(), over a connection that is made anew after `most` of them, or a fault."""
    writer = None
    served = 0
    async for request, dice in work:
        try:
            if writer is None:
                reader, writer = await asyncio.open_connection("127.0.0.1", options.port, limit=1 << 18)
            await asyncio.wait_for(talk(reader, writer, work, options, request, dice), 20)
            work.done += 1
            served += 1
            if served % most:
                continue
        except FAULTS:
            work.failed += 1
        if writer is not None:
            writer.close()
        writer = None
    if writer is not None:
        writer.close()


async def talk_http(reader, writer, work, options, request, dice):
    size = log_uniform(dice, options.least, options.most)
    keys = max(1, int(options.keys * (work.share() if options.fill else 1)))
    # The name of what is asked for says its size: asked again, it may come from a cache.
    key = dice.randrange(keys)
    if dice.random() < options.cached:
        size = log_uniform(random.Random(key), options.least, options.most)
    else:
        key = f"n{request}"
    path = dice.choice(options.paths.split(","))
    is_post = dice.random() < options.posts
    pace = 0.004 if dice.random() < 0.2 else 0
    extra = "Accept-Encoding: gzip\r\n" if dice.random() < 0.3 else ""
    head = f"{'POST' if is_post else 'GET'} {path}/{size}/{key} HTTP/1.1\r\nHost: bench\r\n{extra}"
    if is_post:
        writer.write(f"{head}Content-Length: {size}\r\n\r\n".encode() + BODY[:size])
    else:
        writer.write(f"{head}\r\n".encode())
    await read_answer(reader, pace)


async def read_answer(reader, pace):
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    if not head.startswith(("http/1.1 2", "http/1.1 404")):
        raise ValueError(head.split("\r\n", 1)[0])
    if "transfer-encoding: chunked" in head:
        while length := int(await reader.readuntil(b"\r\n"), 16):
            await reader.readexactly(length + 2)
        await reader.readexactly(2)
        return
    left = int(head.split("content-length:", 1)[1].split("\r\n", 1)[0])
    while left > 0:
        piece = await reader.read(min(left, 65536))
        if not piece:
            raise EOFError
        left -= len(piece)
        if pace:
            await asyncio.sleep(pace)


def resp(*words):
    parts = [w if isinstance(w, bytes) else str(w).encode() for w in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(p), p) for p in parts)


async def read_resp(reader):
    line = await reader.readline()
    if not line:
        raise EOFError
    kind, rest = line[:1], line[1:].strip()
    if kind == b"$" and int(rest) >= 0:
        await reader.readexactly(int(rest) + 2)
    elif kind == b"*":
        for _ in range(int(rest)):
            await read_resp(reader)
    elif kind == b"-":
        raise ValueError(line)


def redis_commands(request, dice, options):
    size = log_uniform(dice, options.least, options.most)
    key = f"k{request}" if options.fill else f"k{dice.randrange(options.keys)}"
    if dice.random() < options.echo:
        return [resp("ECHO", BODY[:size])]
    choice = dice.random()
    if choice < 0.5:
        return [resp("SET", key, BODY[:size])]
    if choice < 0.75:
        return [resp("GET", f"k{dice.randrange(max(1, request)) if options.fill else key[1:]}")]
    if choice < 0.80:
        return [resp("APPEND", f"a{dice.randrange(50)}", BODY[: size // 4]), resp("DEL", f"a{dice.randrange(50)}")]
    if choice < 0.88:
        return [resp("SET", f"e{request}", BODY[:size], "PX", dice.randrange(100, 3000))]
    if choice < 0.96:
        return [resp("RPUSH", "stream", BODY[: size // 2]), resp("LTRIM", "stream", -200, -1)]
    return [resp("HSET", f"h{dice.randrange(200)}", f"f{dice.randrange(30)}", BODY[: min(size, 2000)])]


async def talk_redis(reader, writer, work, options, request, dice):
    commands = redis_commands(request, dice, options)
    writer.write(b"".join(commands))
    for _ in commands:
        await read_resp(reader)


async def talk_memcached(reader, writer, work, options, request, dice):
    key = f"k{request}" if options.fill else f"k{dice.randrange(options.keys)}"
    size = log_uniform(dice, options.least, options.most)
    if dice.random() < 0.5:
        writer.write(f"set {key} 0 {dice.choice((0, 0, 60))} {size}\r\n".encode() + BODY[:size] + b"\r\n")
        await reader.readline()
        return
    names = " ".join(f"k{dice.randrange(max(1, request))}" for _ in range(dice.choice((1, 1, 20))))
    writer.write(f"get {names}\r\n".encode())
    while (line := await reader.readline()).startswith(b"VALUE"):
        await reader.readexactly(int(line.split()[3]) + 2)
    if not line:
        raise EOFError


def sql_statements(request, dice, options):
    size = log_uniform(dice, options.least, options.most)
    key = request if options.fill else dice.randrange(options.keys)
    choice = dice.random()
    if choice < 0.45:
        return f"INSERT OR REPLACE INTO t VALUES({key}, randomblob({size}), hex(randomblob(20)));"
    if choice < 0.75:
        return f"SELECT length(b), substr(hex(b), 1, 20) FROM t WHERE k >= {dice.randrange(key + 1)} LIMIT 5;"
    if choice < 0.85:
        return f"SELECT count(*), max(length(s)) FROM t GROUP BY k % {dice.randrange(2, 50)} ORDER BY 2 LIMIT 1;"
    if choice < 0.95:
        text = f"group_concat(hex(substr(b, 1, {dice.randrange(1, 2000)})))"
        return f"SELECT length({text}) FROM t WHERE k % 97 = {dice.randrange(97)};"
    if options.fill:
        return f"UPDATE t SET s = s || 'x' WHERE k = {dice.randrange(key + 1)};"
    return f"DELETE FROM t WHERE k % 41 = {dice.randrange(41)};"


async def print_sql(work, options):
    async for request, dice in work:
        sys.stdout.write(sql_statements(request, dice, options) + "\n")
        sys.stdout.flush()
        work.done += 1


# How each is talked to, and how many requests a connection lasts.
TALKS = {"http": (37, talk_http), "redis": (101, talk_redis), "memcached": (53, talk_memcached)}


async def clients(options):
    work = Work(options)
    if options.kind == "sql":
        await print_sql(work, options)
    else:
        await asyncio.gather(*(converse(work, options, *TALKS[options.kind]) for _ in range(options.clients)))
    print(f"load: {work.done} done, {work.failed} failed", file=sys.stderr)
    return 0 if work.done > work.failed else 1


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=("origin", "sql", *TALKS))
    parser.add_argument("port", type=int, nargs="?", default=0)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--rate", type=float, default=100, help="requests a second")
    parser.add_argument("--shape", choices=("flat", "triple", "wave"), default="flat")
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--least", type=int, default=16, help="bytes of the smallest body")
    parser.add_argument("--most", type=int, default=65536)
    parser.add_argument("--keys", type=int, default=500)
    parser.add_argument("--fill", action="store_true", help="ever new keys")
    parser.add_argument("--cached", type=float, default=0.5, help="share of requests for what was asked for before")
    parser.add_argument("--posts", type=float, default=0, help="share of requests that bring a body")
    parser.add_argument("--echo", type=float, default=0, help="share of values that redis sends back and forgets")
    parser.add_argument("--paths", default="", help="prefixes, separated by commas")
    options = parser.parse_args()
    sys.exit(asyncio.run(origin(options) if options.kind == "origin" else clients(options)))


if __name__ == "__main__":
    main()
