"""process.py -- one run of a program of the leak corpus: its processes, its folder, its dumps.

Every process that a run starts is a child of ours, dies with us (by the kernel, should we be killed), has a time
limit and is ended by its own pid. Nothing is written outside of the run's folder, which goes with it.
"""

import ctypes
import glob
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time

from programs import PATH

TICKS = os.sysconf("SC_CLK_TCK")
DUMP_SIGNAL = signal.SIGRTMIN + 5  # no program of the corpus has a use for it
DUMP_SECONDS = 10  # a dump that is not there by then is given up


class Run:
    """A context: what was started ends with it."""

    def __init__(self, tools, environment, scale, keeps_folder=False):
        self.tools = tools
        self.scale = scale
        self.folder = tempfile.mkdtemp(prefix="weir-leak.")
        os.chmod(self.folder, 0o755)
        self.out = f"{self.folder}/out"
        os.mkdir(self.out)
        os.chmod(self.out, 0o777)  # servers give up root, and rewrite what they began
        self.keeps_folder = keeps_folder
        self.environment = {
            "PATH": PATH,
            "LC_ALL": "C.UTF-8",
            "HOME": self.folder,
            "LEAK_OUT": f"{self.out}/truth",
            **environment,
            "WEIR_DUMP": f"{self.out}/dump.%p.%n",
            "WEIR_DUMP_FORMAT": "json",
            "WEIR_SIGNAL": "RTMIN+5",
            "WEIR_LOG": "error",
        }
        self.processes = []
        self.target = None
        self.is_ended_by_itself = False
        self.loads = []

    def __enter__(self):
        return self

    def tool(self, name):
        return self.tools[name]

    def start(self, name, command, environment, **more):
        log = open(f"{self.folder}/{name}.log", "ab")
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *map(str, command)],
            env=environment,
            cwd=self.folder,
            **{"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log, **more},
        )
        log.close()
        self.processes.append(process)
        return process

    def plain(self):
        return {"PATH": PATH, "LC_ALL": "C.UTF-8", "HOME": self.folder, "PYTHONDONTWRITEBYTECODE": "1"}

    def start_target(self, command, is_ended_by_itself=False, has_input=False):
        # setpriv is not to be under test: env sets the variables behind it.
        settings = [f"{name}={value}" for name, value in self.environment.items()]
        more = {"stdin": subprocess.PIPE} if has_input else {}
        self.target = self.start("target", ["env", "-i", *settings, *command], self.plain(), **more)
        self.is_ended_by_itself = is_ended_by_itself
        return self.target

    def start_helper(self, name, command):
        return self.start(name, command, self.plain())

    def start_load(self, command, output=None):
        more = {"stdout": output} if output is not None else {}
        self.loads.append(self.start("load", command, self.plain(), **more))

    def warm_up(self, command):
        command = list(command)
        self.start("warm-up", command, self.plain()).wait(timeout=60)

    # ---- what the process says of itself ----

    def dumps_of(self, pid):
        paths = glob.glob(f"{self.out}/dump.{pid}.*.json")
        return sorted(paths, key=lambda p: int(p.rsplit(".", 2)[1]))

    def ask(self, pid, thread_name):
        """Send the signal to the process, or to its first thread of that name. False: it is gone."""
        try:
            if thread_name is None:
                os.kill(pid, DUMP_SIGNAL)
                return True
            for thread in sorted(map(int, os.listdir(f"/proc/{pid}/task"))):
                with open(f"/proc/{pid}/task/{thread}/comm", encoding="latin-1") as file:
                    if file.read().strip() == thread_name:
                        return ctypes.CDLL(None, use_errno=True).tgkill(pid, thread, DUMP_SIGNAL) == 0
        except OSError:
            pass
        return False

    def dump(self, pid, thread_name=None):
        """A dump of the process, or None when it is gone or does not answer."""
        if not self.ask(pid, thread_name):
            return None
        deadline = time.monotonic() + DUMP_SECONDS
        while time.monotonic() < deadline:
            for path in self.dumps_of(pid):
                try:
                    with open(path, encoding="utf-8", errors="replace") as file:
                        dump = json.load(file)
                except ValueError:
                    continue  # it is still being written
                os.unlink(path)
                return dump
            time.sleep(0.03)
        return None

    def truth(self, pid):
        """Lines of numbers that the injector wrote: time, leaked, bytes, births, deaths, mean life in ms."""
        try:
            with open(f"{self.out}/truth.{pid}", encoding="utf-8") as file:
                return [[float(w) for w in line.split()] for line in file if line.count(" ") == 5]
        except OSError:
            return []

    def survey(self, pid):
        try:
            with open(f"{self.out}/truth.{pid}", encoding="utf-8") as file:
                return file.read().splitlines()
        except OSError:
            return []

    def usage(self, pid):
        """Seconds of processor time, and peak resident KiB."""
        try:
            with open(f"/proc/{pid}/stat", encoding="latin-1") as file:
                fields = file.read().rsplit(")", 1)[1].split()
            with open(f"/proc/{pid}/status", encoding="latin-1") as file:
                peak = next((int(line.split()[1]) for line in file if line.startswith("VmHWM")), 0)
        except OSError:
            return None
        return {"cpu_seconds": (int(fields[11]) + int(fields[12])) / TICKS, "peak_rss_kib": peak}

    def last_words(self):
        try:
            with open(f"{self.folder}/target.log", encoding="utf-8", errors="replace") as file:
                return file.read()[-400:]
        except OSError:
            return ""

    # ---- the end ----

    def __exit__(self, *_):
        for process in reversed(self.processes):
            if process.stdin is not None:
                try:
                    process.stdin.close()
                except OSError:
                    pass
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(timeout=8)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
        if not self.keeps_folder:
            shutil.rmtree(self.folder, ignore_errors=True)
