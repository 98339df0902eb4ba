#!/usr/bin/python3
"""python_work.py -- work whose result depends on nothing but itself.

    python_work.py pipeline     threads pass bytes objects of 4 KiB to 1 MiB through queues
    python_work.py fork         a threaded parent forks a pool of processes, twice
    python_work.py documents    json, zlib, bytearrays that grow, many small objects
    python_work.py signal       streams until three SIGUSR1 were handled in python
"""
import hashlib
import json
import math
import multiprocessing
import queue
import random
import signal
import sys
import threading
import time
import zlib


def pieces(count, seed):
    rng = random.Random(seed)
    for index in range(count):
        size = int(math.exp(rng.uniform(math.log(4096), math.log(1 << 20))))
        yield index, (b"%d %d " % (seed, index)) * (size // 8 + 1)


def pipeline():
    """source -> three workers -> one sink; results are put in order by their number."""
    todo, done = queue.Queue(32), queue.Queue(32)
    count = 3000

    def work():
        while (item := todo.get()) is not None:
            index, piece = item
            turned = piece[len(piece) // 2 :] + piece[: len(piece) // 2]
            digest = hashlib.blake2b(turned, digest_size=16).digest()
            done.put((index, bytes(bytearray(turned[:-16]) + digest)))

    workers = [threading.Thread(target=work) for _ in range(3)]
    for worker in workers:
        worker.start()

    def source():
        for item in pieces(count, 1):
            todo.put(item)
        for _ in workers:
            todo.put(None)

    threading.Thread(target=source).start()
    results = {}
    for _ in range(count):
        index, piece = done.get()
        results[index] = hashlib.sha256(piece).hexdigest()
    total = hashlib.sha256("".join(results[index] for index in range(count)).encode())
    print(count, total.hexdigest())


def hash_piece(item):
    index, piece = item
    packed = zlib.compress(piece, 1)
    if zlib.decompress(packed) != piece:
        raise RuntimeError("zlib does not give back what went in")
    return index, hashlib.sha256(piece + packed).hexdigest()


def fork():
    stop = threading.Event()

    def churn():  # the parent allocates while it forks
        kept = []
        while not stop.is_set():
            kept.append(bytes(50000 + len(kept) * 1000))
            del kept[:-40]
            time.sleep(0)

    threads = [threading.Thread(target=churn) for _ in range(2)]
    for thread in threads:
        thread.start()
    context = multiprocessing.get_context("fork")
    for seed in (2, 3):
        with context.Pool(4, maxtasksperchild=20) as pool:
            results = sorted(pool.imap_unordered(hash_piece, pieces(160, seed), chunksize=4))
        print(len(results), hashlib.sha256(json.dumps(results).encode()).hexdigest())
    stop.set()
    for thread in threads:
        thread.join()


def documents():
    rng = random.Random(4)
    records = [{"id": index, "name": "n" * rng.randrange(200), "values": [rng.random() for _ in range(20)],
                "inner": {str(key): key for key in range(rng.randrange(10))}} for index in range(20000)]
    text = json.dumps(records)
    if json.loads(text) != records:
        raise RuntimeError("json does not give back what went in")
    packer, packed = zlib.compressobj(6), bytearray()
    for at in range(0, len(text), 65536):
        packed += packer.compress(text[at : at + 65536].encode())
    packed += packer.flush()
    if zlib.decompress(packed).decode() != text:
        raise RuntimeError("zlib does not give back what went in")
    grown = bytearray()
    for index in range(20000):
        grown += b"%d" % index * 30
        if index % 1000 == 0:
            del grown[: len(grown) // 3]
    print(len(text), zlib.crc32(text.encode()), len(packed), hashlib.sha256(grown).hexdigest())


def until_signals():
    handled = []

    def handle(number, _):
        handled.append(number)
        print("handled", len(handled), flush=True)

    if signal.signal(signal.SIGUSR1, handle) != signal.SIG_DFL:
        print("the handler before was not the default")
    if signal.getsignal(signal.SIGUSR1) is not handle:
        print("another handler is shown than was set")
    print("ready", flush=True)
    deadline = time.monotonic() + 20
    while len(handled) < 3 and time.monotonic() < deadline:
        for _, piece in pieces(50, len(handled)):
            hashlib.sha256(piece)
    print(f"handled {len(handled)} times, the last by {handled[-1]}")


{"pipeline": pipeline, "fork": fork, "documents": documents, "signal": until_signals}[sys.argv[1]]()
