#!/usr/bin/env python3
"""python_app.py -- a program of the leak corpus: modules imported, buffers through queues, a cache that fills.

    python_app.py SECONDS RATE SHAPE SEED

Three stages of threads pass buffers of 4 KiB to 256 KiB on; now and then a module is imported, a document is
parsed, and a result is kept in a cache that holds 400. Ends after SECONDS.
"""
import hashlib
import importlib
import json
import queue
import random
import sys
import threading
import time
import zlib

sys.path.insert(0, __file__.rsplit("/", 1)[0])
from load import log_uniform, moments  # noqa: E402

MODULES = """argparse ast asyncio bz2 calendar cgi cmd code codecs collections colorsys configparser contextlib copy
csv ctypes dataclasses datetime decimal difflib dis doctest email email.mime.text encodings.idna enum filecmp
fractions ftplib gettext glob gzip heapq hmac html html.parser http.client http.cookies http.server imaplib inspect
ipaddress json logging logging.config lzma mailbox mimetypes multiprocessing netrc numbers optparse pathlib pdb
pickle pickletools pkgutil platform plistlib poplib pprint profile pstats pyclbr pydoc random sched secrets shelve
shlex shutil smtplib socketserver sqlite3 ssl statistics string stringprep symtable sysconfig tarfile tempfile
textwrap timeit token tokenize trace turtle types typing unittest unittest.mock urllib.request uuid wave weakref
webbrowser wsgiref.simple_server xml.dom.minidom xml.etree.ElementTree xml.sax xmlrpc.client zipapp zipfile""".split()


def produce(out, seconds, rate, shape, seed):
    started = time.monotonic()
    for number, moment in enumerate(moments(shape, rate, seconds)):
        wait = started + moment - time.monotonic()
        if wait > 0:
            time.sleep(wait)
        dice = random.Random(seed * 1000003 + number)
        out.put((number, bytearray(log_uniform(dice, 4096, 262144))))
    out.put(None)


def transform(source, out):
    while (item := source.get()) is not None:
        number, buffer = item
        packed = zlib.compress(buffer, 1)
        out.put((number, hashlib.sha1(buffer).hexdigest(), packed + bytes(len(buffer) // 2)))
        del buffer, packed, item
    out.put(None)


def main():
    seconds, rate, shape, seed = float(sys.argv[1]), float(sys.argv[2]), sys.argv[3], int(sys.argv[4])
    first, second = queue.Queue(64), queue.Queue(64)
    for target, arguments in ((produce, (first, seconds, rate, shape, seed)), (transform, (first, second))):
        threading.Thread(target=target, args=arguments, daemon=True).start()
    cache, names = {}, list(MODULES)
    random.Random(seed).shuffle(names)
    while (item := second.get()) is not None:
        number, digest, data = item
        if number % 10 == 0 and names:
            try:
                importlib.import_module(names.pop())
            except ImportError:
                pass
        if number % 3 == 0:
            document = {digest: [number] * 200, "parts": [digest[:k] for k in range(40)]}
            document = json.loads(json.dumps(document))
        if number % 7 == 0:
            cache[digest] = data[: 4096 + number % 60000]
            if len(cache) > 400:
                del cache[next(iter(cache))]
        del item, data


main()
