"""squeeze.py -- a cell of the benchmark in a cgroup whose limit comes down on it while it runs.

Called by run.py, for the cell stream-1M: right after the last burst was worked off, while the allocator holds what
the burst needed, the limit is set to 1.04 times what is used. Tells what is resident one second after. Version 1
and 2 of cgroups; where none can be made (not root, read-only), nothing is measured, and why is said.
"""

import contextlib
import os
import subprocess
import time
from pathlib import Path

CELL = "stream-1M"
NAME = "stream-1M, limit at 104%"
LIMIT_AT = 1.04
# The cell's last burst is over 18.7 s after its start (cell_stream.c).
SQUEEZE_AFTER_S = 18.9
TIMEOUT_SECONDS = 60


class Group:
    """A cgroup of our own, gone at the end."""

    def __init__(self, name):
        first = Path("/sys/fs/cgroup/memory")
        is_first = first.is_dir()
        self.path = (first if is_first else Path("/sys/fs/cgroup")) / name
        self.usage = self.path / ("memory.usage_in_bytes" if is_first else "memory.current")
        self.limit = self.path / ("memory.limit_in_bytes" if is_first else "memory.max")

    def __enter__(self):
        self.path.mkdir()
        if not self.limit.exists():
            self.path.rmdir()
            raise OSError(f"{self.path} has no limit of memory")
        return self

    def __exit__(self, *_):
        for _ in range(50):
            with contextlib.suppress(OSError):
                self.path.rmdir()
                return
            time.sleep(0.1)

    def join(self):
        (self.path / "cgroup.procs").write_text(str(os.getpid()), encoding="ascii")

    def squeeze(self):
        self.limit.write_text(str(int(int(self.usage.read_text(encoding="ascii")) * LIMIT_AT)), encoding="ascii")


def rss_at(series, at_ms):
    """MiB, of the last sample before."""
    points = [tuple(float(f) for f in point.split(":")) for point in series.split(",")]
    return next((rss for at, rss, _ in reversed(points) if at <= at_ms), points[0][1])


def pressed(command, allocator, parsed):
    """The figures of the cell, with pressed_1s_mib: resident one second after the limit came down."""
    environment = allocator.environment()
    try:
        with Group(f"weir-bench.{os.getpid()}.{allocator.name}") as group:
            with subprocess.Popen([command, CELL], env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                  text=True, preexec_fn=group.join) as process:
                time.sleep(SQUEEZE_AFTER_S)
                group.squeeze()
                try:
                    output = process.communicate(timeout=TIMEOUT_SECONDS)[0]
                except subprocess.TimeoutExpired:
                    process.kill()
                    return {"failed": f"took longer than {TIMEOUT_SECONDS} s"}
        if process.returncode != 0:
            return {"failed": f"status {process.returncode}"}
    except (OSError, subprocess.SubprocessError) as error:
        return {"failed": f"no cgroup: {error}"}
    result = parsed(output)
    # The series begins at the start, and counts from the end of the burst.
    started_ms = float(result["series"].split(":")[0])
    result["pressed_1s_mib"] = rss_at(result["series"], started_ms + (SQUEEZE_AFTER_S + 1) * 1000)
    return result
