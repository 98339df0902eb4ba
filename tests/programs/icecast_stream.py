#!/usr/bin/python3
"""icecast_stream.py -- a source and its listeners at an icecast.

    icecast_stream.py PORT MIB LISTENERS [slow]

The source opens the mount, waits until icecast counts all the listeners there, and sends;
slow: over about five seconds. Exit status 0 if each listener got exactly what was sent.
"""
import hashlib
import json
import socket
import sys
import threading
import time
import urllib.request

PIECE = 32768
port, mib, listeners = (int(text) for text in sys.argv[1:4])
pause = 5 / (mib * 1048576 / PIECE) if "slow" in sys.argv else 0.001
# icecast passes on what fills its blocks of 1,400 bytes; it drops the rest when a source leaves.
content = hashlib.shake_256(b"stream").digest((mib << 20) // 1400 * 1400)
got = [bytearray() for _ in range(listeners)]


def connect():
    return socket.create_connection(("127.0.0.1", port), timeout=20)


def open_source():
    source = connect()
    source.sendall(b"PUT /live HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic c291cmNlOmlu\r\n"
                   b"Content-Type: audio/mpeg\r\nExpect: 100-continue\r\nIce-Public: 0\r\n\r\n")
    answer = source.recv(1000)
    if b" 100 " not in answer and b" 200 " not in answer:
        sys.exit(f"the source is refused: {answer}")
    return source


def listen(number):
    with connect() as listener:
        listener.sendall(b"GET /live HTTP/1.0\r\nHost: localhost\r\n\r\n")
        while piece := listener.recv(65536):
            got[number] += piece


def count_listeners():
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/status-json.xsl", timeout=10) as answer:
        sources = json.load(answer)["icestats"].get("source", {})
    return sources.get("listeners", 0) if isinstance(sources, dict) else 0


source = open_source()
time.sleep(0.2)
threads = [threading.Thread(target=listen, args=(number,)) for number in range(listeners)]
for thread in threads:
    thread.start()
deadline = time.monotonic() + 10
while count_listeners() < listeners:
    if time.monotonic() > deadline:
        sys.exit(f"{count_listeners()} listeners after 10 s")
    time.sleep(0.05)
for at in range(0, len(content), PIECE):
    source.sendall(content[at : at + PIECE])
    time.sleep(pause)
time.sleep(1)
source.close()
for thread in threads:
    thread.join(20)
faults = 0
for number, answer in enumerate(got):
    head, _, stream = bytes(answer).partition(b"\r\n\r\n")
    if b" 200 " not in head.split(b"\r\n")[0] or stream != content:
        print(f"listener {number}: {head[:60]!r}, {len(stream)} of {len(content)} bytes")
        faults += 1
sys.exit(bool(faults))
