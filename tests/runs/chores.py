"""What the workers in these tests are given to do; a module, so that workers can import it."""

import contextlib
import ctypes
import gc
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

from imbench.runs.memory import memory_of


class RefusalError(Exception):
    pass


class Unreadable:
    """Survives pickling but not unpickling."""

    def __reduce__(self):
        return (int, ("no number",))


def square(x):
    return x * x


def refuse():
    raise RefusalError("not today")


def leave(code):
    sys.exit(code)


def vanish(code):
    os._exit(code)


def kill_self(number):
    os.kill(os.getpid(), number)
    time.sleep(60)


def segfault():
    ctypes.string_at(0)


def vanish_leaving_a_daemon(pid_file):
    """Die while a forked child in a session of its own keeps every pipe open."""
    child = os.fork()
    if not child:
        os.setsid()
        time.sleep(60)
    Path(pid_file).write_text(str(child))
    os._exit(7)


def sleep(pid_file, seconds=60.0):
    Path(pid_file).write_text(str(os.getpid()))
    time.sleep(seconds)


def compute(pid_file):
    """Keep the processor busy in long calls of a numerical library."""
    import numpy

    Path(pid_file).write_text(str(os.getpid()))
    a = numpy.ones((1500, 1500))
    while True:
        a = numpy.tanh(a @ a)


def start_child(pid_file, seconds=0.0):
    """Start a program that outlasts the task, and stay for some seconds."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    Path(pid_file).write_text(str(child.pid))
    time.sleep(seconds)


def start_child_and_stay(pid_file):
    start_child(pid_file, 600.0)


def start_child_and_vanish(pid_file):
    start_child(pid_file)
    os._exit(7)


def write_to_pipes(content):
    """Write to every pipe of this process but the standard streams."""
    for descriptor in range(3, 100):
        with contextlib.suppress(OSError):
            if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
                os.write(descriptor, content)
    return "done"


def close_all():
    """What a program does that becomes a daemon."""
    os.closerange(3, 100)
    return "done"


def fork_and_return(file):
    """Return twice: in this process and in a copy of it."""
    child = os.fork()
    with open(file, "a") as lines:
        lines.write(f"{os.getpid()}\n")
    if child:
        os.waitpid(child, 0)
    return os.getpid()


def ignore_interrupt():
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(0.1)
    return "still here"


def speak_python():
    print("said in Python", flush=True)


def speak():
    print("said in Python")
    os.system("echo said by a program")
    return sys.stdin.read()


def who():
    return os.getpid()


def wait_for(path):
    deadline = time.monotonic() + 20
    while not Path(path).exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    return os.getpid()


def touch(path):
    Path(path).touch()
    return os.getpid()


def threads():
    """How many threads the numerical libraries say they use."""
    import numpy
    import torch
    from threadpoolctl import threadpool_info

    numpy.ones((4, 4)) @ numpy.ones((4, 4))
    return {torch.get_num_threads(), *(pool["num_threads"] for pool in threadpool_info())}


def unpicklable_result():
    return threading.Lock()


def unreadable_result():
    return Unreadable()


def count_calls(_calls=[]):  # noqa: B006
    _calls.append(None)
    return len(_calls)


def garbage_collection():
    """Whether it is on, and the number of objects that it leaves out."""
    return gc.isenabled(), gc.get_freeze_count()


def swell(pid_file):
    """Take more and more memory, and use it."""
    Path(pid_file).write_text(str(os.getpid()))
    kept = []
    while True:
        kept.append(bytearray(b"x" * 2**24))
        time.sleep(0.01)


def free(size):
    """Take memory in pieces, and free all but the last, which lies above them; returns that piece."""
    pieces = [bytearray(b"x" * 2**16) for _ in range(size // 2**16)]
    return pieces[-1]


def own_memory():
    """Bytes that this process uses."""
    return memory_of(os.getpid())


def swell_in_a_child(pid_file):
    child = os.fork()
    if not child:
        swell(pid_file)
    os.waitpid(child, 0)


def fork_while_large(size):
    """Hold memory, and fork a child that changes none of it and lives for a moment."""
    kept = bytearray(b"x") * size
    child = os.fork()
    if not child:
        time.sleep(1)
        os._exit(0)
    os.waitpid(child, 0)
    return len(kept)


def kill_self_at_first(times, folder, pause=0.0):
    """End by a signal the first so many times, after a pause; returns how often it was called."""
    calls = len(list(Path(folder).glob("call*")))
    (Path(folder) / f"call{calls}").touch()
    if calls < times:
        time.sleep(pause)
        kill_self(signal.SIGKILL)
    return calls + 1


def slow_square(x, pause):
    time.sleep(pause)
    return x * x


def where():
    return os.getcwd()
