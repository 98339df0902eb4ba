#!/usr/bin/python3
"""redis_values.py -- values in redis whose every byte is known.

    redis_values.py PORT fill      write them, from six connections at once
    redis_values.py PORT verify    read them all and compare

A value is written in one of three ways: at once, in pieces that are appended (so that it
grows in place or moves), or as too much that is overwritten and cut. Speaks the protocol
itself, with pipelining, so that nothing else has to be installed.
"""
import hashlib
import math
import random
import socket
import sys
import threading

CLIENTS = 6
KEYS = 40  # per client


class Redis:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.file = self.socket.makefile("rb")

    def send(self, *words):
        words = [word if isinstance(word, bytes) else str(word).encode() for word in words]
        self.socket.sendall(b"*%d\r\n" % len(words) + b"".join(
            b"$%d\r\n%b\r\n" % (len(word), word) for word in words))

    def receive(self):
        line = self.file.readline()
        kind, rest = line[:1], line[1:-2]
        if kind == b"$":
            return None if rest == b"-1" else self.file.read(int(rest) + 2)[:-2]
        if kind == b":":
            return int(rest)
        if kind == b"+":
            return rest
        raise RuntimeError(line)

    def ask(self, *words):
        self.send(*words)
        return self.receive()


def keys_of(client):
    rng = random.Random(client)
    for index in range(KEYS):
        size = int(math.exp(rng.uniform(math.log(4096), math.log(1 << 20))))
        yield f"known:{client}:{index}", hashlib.shake_256(b"%d %d" % (client, index)).digest(size)


def fill(redis, client):
    for index, (key, value) in enumerate(keys_of(client)):
        if index % 3 == 0:
            redis.send("SET", key, value)
            redis.receive()
        elif index % 3 == 1:
            pieces = [value[at : at + 50000] for at in range(0, len(value), 50000)]
            redis.send("DEL", key)
            for piece in pieces:
                redis.send("APPEND", key, piece)
            for _ in range(1 + len(pieces)):
                redis.receive()
        else:
            redis.ask("SET", key, b"x" * (len(value) + 100000))
            redis.ask("SETRANGE", key, 100, value)
            whole = redis.ask("GETRANGE", key, 100, 99 + len(value))
            redis.ask("SET", key, whole)


def verify(redis, client):
    for key, value in keys_of(client):
        got = redis.ask("GET", key)
        if got != value:
            raise RuntimeError(f"{key}: {len(value)} bytes expected, {got and len(got)} came, or others")
        if redis.ask("STRLEN", key) != len(value):
            raise RuntimeError(f"{key}: STRLEN differs")


def main():
    port, verb = int(sys.argv[1]), {"fill": fill, "verify": verify}[sys.argv[2]]
    faults = []

    def work(client):
        try:
            verb(Redis(port), client)
        except (OSError, RuntimeError, ValueError) as error:
            faults.append(error)

    threads = [threading.Thread(target=work, args=(client,)) for client in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for fault in faults:
        print(fault)
    sys.exit(bool(faults))


main()
