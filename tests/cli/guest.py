#!/usr/bin/python3
"""guest.py -- what a program notices of `weir dump`, gc and trim: nothing, where Weir has its thread.

The programs are waits.c's; each says how many of its calls were interrupted.
"""
import ctypes
import os
import signal
import subprocess
import sys
import tempfile
import time

OBJECT = os.environ["TEST_OBJECT"]
WEIR = os.environ["TEST_WEIR"]
WAITS = os.path.join(os.environ["TEST_BUILD_DIR"], "tests", "cli", "waits")
LATE = 124
PTRACE_SEIZE = 0x4206
count, failed = 0, False


def report(holds, name, why="", skip=None):
    global count, failed
    count += 1
    failed |= not holds
    print(f"{'ok' if holds else 'not ok'} {count} - {name}" + (f" # SKIP {skip}" if skip else ""))
    if not holds:
        for line in str(why).splitlines()[:40]:
            print(f"# {line}")
    sys.stdout.flush()


def until(is_true):
    for _ in range(200):
        if is_true():
            return True
        time.sleep(0.05)
    return False


def process_state(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        return file.read().rpartition(")")[2].split()[0]


class Program:
    """waits, preloaded. Ends with the block."""

    def __init__(self, *words, **settings):
        self.words, self.settings = words, settings

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory()
        os.chmod(self.folder.name, 0o777)
        environment = dict(os.environ, LD_PRELOAD=OBJECT, WEIR_DUMP=f"{self.folder.name}/%p.%n", WEIR_LOG="off")
        environment.update({f"WEIR_{name}": value for name, value in self.settings.items()})
        self.process = subprocess.Popen(
            ["timeout", "-s", "KILL", "60", WAITS, *self.words],
            env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        word, pid = self.process.stdout.readline().split()
        assert word == "ready"
        self.pid = int(pid)
        self.asked, self.before = [], [0, 0, 0]
        self.say()
        return self

    def __exit__(self, *unused):
        self.process.stdin.close()
        try:
            os.kill(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        if "child" in self.words:
            self.process.terminate()
        self.process.wait()
        self.process.stdout.close()
        self.folder.cleanup()

    def ask(self, *command):
        """One command; its exit status, and 1 where a dump did not name a file that is there."""
        done = subprocess.run([WEIR, *command, str(self.pid)], capture_output=True, text=True, timeout=60, check=False)
        self.asked.append((command, done.returncode, done.stdout, done.stderr))
        if command[0] == "dump" and done.returncode == 0 and not all(os.path.getsize(f) for f in done.stdout.split()):
            return 1
        return done.returncode

    def say(self, signals=0):
        self.process.stdin.write(f"{signals}\n")
        self.process.stdin.flush()
        return self.hear()

    def hear(self):
        """What it has noticed since the last time."""
        said = [int(word) for word in self.process.stdout.readline().split()]
        self.said, self.before = [now - then for now, then in zip(said, self.before)], said
        until(lambda: process_state(self.pid) == "S")
        return self.said

    def why(self):
        return f"said {getattr(self, 'said', None)}\n" + "\n".join(map(str, self.asked))

    def own_thread(self):
        tasks = f"/proc/{self.pid}/task"
        for thread in os.listdir(tasks):
            with open(f"{tasks}/{thread}/comm", encoding="utf-8") as file:
                if file.read() == "weir\n":
                    return int(thread)
        return None


def ask_everything(program):
    return [program.ask(verb) for _ in range(4) for verb in ("dump", "gc", "trim")] == [0] * 12


def nothing_is_interrupted():
    with Program("poll") as program:
        holds = ask_everything(program) and program.say() == [0, 0, 0]
        report(holds, "no poll() of any thread returns EINTR for twelve commands", program.why())
        os.kill(program.pid, signal.SIGUSR1)
        until(lambda: os.path.exists(f"{program.folder.name}/{program.pid}.5.txt"))
        report(program.say()[0] == 1, "a plain signal comes to the program's first thread, as it does without Weir", program.why())
    with Program("poll", SIGNAL="none") as program:
        holds = program.ask("dump") == 0 and program.say() == [0, 0, 0]
        report(holds, "a threaded process that takes no signal is asked all the same", program.why())
    with Program("child") as program:
        holds = ask_everything(program) and program.own_thread() is None
        report(holds, "the child of a threaded process, which has no thread of Weir's, answers by signal", program.why())
    if os.getuid() == 0:
        with Program("setuid") as program:
            holds = ask_everything(program) and program.say() == [0, 0, 0]
            report(holds, "nor where the program has given up root since", program.why())
    else:
        report(True, "nor where the program has given up root since", skip="needs root")


def signals_stay_the_programs_own():
    for how in ("sigwait", "signalfd"):
        with Program(how, "4", SIGNAL="RTMIN+4") as program:
            program.process.stdin.write("2000\n")
            program.process.stdin.flush()
            answered = ask_everything(program)
            program.hear()
            report(answered, f"a program that reads the dump signal by {how} dumps, collects and trims", program.why())
            report(program.said == [0, 2000, 0], f"and gets by {how} each of its own signals, in order, and no other", program.why())


def trace(thread):
    """The process that holds it from now on."""
    libc = ctypes.CDLL(None)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, b"y" if libc.ptrace(PTRACE_SEIZE, thread, None, None) == 0 else b"n")
        signal.pause()
    assert os.read(reader, 1) == b"y"
    os.close(reader)
    os.close(writer)
    return child


def where_nobody_may_knock():
    with Program("filter") as program:
        holds = ask_everything(program) and program.say()[0] > 0
        report(holds, "a program under a filter of its own that forbids to go on with a wait is asked by signal", program.why())
    with Program("poll") as program:
        until(lambda: program.own_thread() is not None)
        tracer = trace(program.own_thread())
        holds = ask_everything(program) and program.say()[0] > 0
        report(holds, "a process that is traced is asked by signal", program.why())
        os.kill(tracer, signal.SIGKILL)
        os.waitpid(tracer, 0)
    with Program("stuck") as program:
        late = program.ask("trim", "-t", "0.5")
        holds = program.ask("dump") == 0 and late == LATE
        report(holds, "where Weir's thread waits for ever within jemalloc, a dump comes all the same", program.why())


def a_stopped_process():
    with Program("poll") as program:
        os.kill(program.pid, signal.SIGSTOP)
        late = program.ask("dump", "-t", "0.4")
        stays = process_state(program.pid) == "T"
        os.kill(program.pid, signal.SIGCONT)
        first, second = (f"{program.folder.name}/{program.pid}.{n}.txt" for n in (1, 2))
        holds = late == LATE and "is stopped" in program.asked[0][3] and stays and until(lambda: os.path.exists(first))
        report(holds, "a process that is stopped stays so, and dumps when it goes on", program.why())
        report(program.ask("gc") == 0 and not os.path.exists(second), "once", program.why())


nothing_is_interrupted()
signals_stay_the_programs_own()
where_nobody_may_knock()
a_stopped_process()
print(f"1..{count}")
sys.exit(failed)
