"""One worker process: its handle in the parent, and the loop inside it."""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import IO, Any, NamedTuple

from imbench.contract.quantities import duration, memory_size
from imbench.runs.memory import exact_memory_of, memory_of

# Libraries with their own threads read one of these variables on import.
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMBA_NUM_THREADS",
)
# Blocks of batches allocate and free megabytes. By default glibc returns such memory to the system at once, and then
# the next block needs fresh pages. With these limits, a step of musk's nets took 205 and 208 us instead of 212 and 221
# (two runs each, both cores busy), little more than noise. Other C libraries ignore these variables.
MEMORY_VARIABLES = {"MALLOC_TRIM_THRESHOLD_": str(2**30), "MALLOC_MMAP_THRESHOLD_": str(2**25)}  # the most it takes
# What a worker runs. It never imports the parent's main module, so a script needs no `if __name__ == "__main__"`.
_BOOT = """
import signal
signal.signal(signal.SIGINT, signal.SIG_IGN)
import json, sys
sys.path[:] = json.loads(sys.argv.pop())
from imbench.runs.worker import worker_loop
worker_loop()
"""


# Message of a worker that is ready for its first call.
READY = "ready"
_SIGNALS = {int(number): number.name for number in signal.Signals}
# Seconds between two looks at the time and the memory of a call.
_TICK = 0.1


@dataclass(frozen=True)
class Limits:
    """Limits of one call in a worker process.

    Parameters
    ----------
    seconds : wall-clock time; None: no limit
    memory : bytes of its process, as `imbench.runs.memory.memory_of` counts them; None: the executor's default
    retries : how often the call is made again after its process was ended by a signal
    """

    seconds: float | None = None
    memory: float | None = None
    retries: int = 0


NO_LIMITS = Limits()


class Report(NamedTuple):
    """The outcome of one call: the fields of an `imbench.runs.execution.Outcome` after its index."""

    value: Any
    error: str | None
    seconds: float
    traceback: str = ""


def attempt(call: Callable[[], Any]) -> Report:
    """Make the call and report its result or error; KeyboardInterrupt is not caught."""
    start = time.perf_counter()
    try:
        value = call()
    except (Exception, SystemExit) as error:
        return Report(None, named(error), time.perf_counter() - start, traceback.format_exc())
    return Report(value, None, time.perf_counter() - start)


def named(error: BaseException) -> str:
    """An error as text, such as ``ValueError: negative value``."""
    return f"{type(error).__name__}: {error}".removesuffix(": ")


class Worker:
    """Handle of one worker process in the parent.

    Puts every message of the process into ``inbox`` as ``(worker, message)``, and None after the process has ended.
    """

    def __init__(self, threads: int, inbox: queue.SimpleQueue[tuple[Worker, Any]]) -> None:
        path = json.dumps([entry for entry in sys.path if isinstance(entry, str)])
        self.process = subprocess.Popen(
            [sys.executable, "-c", _BOOT, path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=MEMORY_VARIABLES | os.environ | dict.fromkeys(THREAD_VARIABLES, str(threads)),
        )
        self._limits, self._since, self._exceeded = NO_LIMITS, 0.0, ""
        self._state = threading.Lock()
        self._gone = threading.Event()
        self._watcher: threading.Thread | None = None
        self._listener = threading.Thread(target=self._listen, args=(inbox,), daemon=True)
        self._listener.start()

    def send(self, call: bytes | None, limits: Limits = NO_LIMITS) -> None:
        """Send a pickled call; None lets the process end by itself. It is killed if the call exceeds its limits."""
        assert self.process.stdin is not None
        with self._state:
            self._limits, self._since = limits, time.monotonic()
        if self._watcher is None and (limits.seconds is not None or limits.memory is not None):
            self._watcher = threading.Thread(target=self._watch, daemon=True)
            self._watcher.start()
        with contextlib.suppress(OSError):  # the process died, which the listener reports
            pickle.dump(call, self.process.stdin)
            self.process.stdin.flush()

    @property
    def ended(self) -> bool:
        """Whether the process has ended."""
        return self.process.poll() is not None

    @property
    def signalled(self) -> bool:
        """Whether the ended process was ended by a signal that is not for exceeding a limit."""
        return self.process.returncode < 0 and not self._exceeded

    @property
    def end(self) -> str:
        """How the ended process ended."""
        code = self.process.returncode
        if self._exceeded:
            return self._exceeded
        if code >= 0:
            return f"ended with exit code {code}"
        name = _SIGNALS.get(-code, f"signal {-code}")
        return f"was ended by {name}" + (", perhaps out of memory" if name == "SIGKILL" else "")

    def close(self, patience: float = 0.0) -> None:
        """End the process, by force if it has not ended after ``patience`` seconds, and clean up after it."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(max(0.0, patience))
        self.process.kill()
        self.process.wait()
        self._gone.set()
        self._listener.join(timeout=1.0)
        assert self.process.stdin is not None
        with contextlib.suppress(OSError):  # what a dead process did not read any more
            self.process.stdin.close()

    def _listen(self, inbox: queue.SimpleQueue[tuple[Worker, Any]]) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as stream:
            for message in _messages(stream):
                with self._state:
                    if self._exceeded:  # it was killed just as it answered
                        break
                    self._limits = NO_LIMITS
                inbox.put((self, message))
        self.process.wait()
        self._gone.set()
        inbox.put((self, None))

    def _watch(self) -> None:
        while not self._gone.wait(_TICK):
            with self._state:
                self._exceeded = self._excess()
                if self._exceeded:
                    self.process.kill()
                    return

    def _excess(self) -> str:
        """The limit that the present call exceeds; "" if there is none."""
        seconds, memory = self._limits.seconds, self._limits.memory
        if seconds is not None and time.monotonic() - self._since > seconds:
            limit = f"{seconds:g} s" if seconds < 60 else duration(seconds)
            return f"exceeded the time limit of {limit} and was ended; --timeout raises the limit"
        # Every page of a forked child counts twice in the quick number.
        if memory is not None and memory_of(self.process.pid) > memory < exact_memory_of(self.process.pid):
            return (
                f"exceeded the memory limit of {memory_size(memory)} and was ended; --memory raises the limit, "
                "and fewer --jobs leave more memory for each"
            )
        return ""


def _messages(stream: IO[bytes]) -> Generator[Any, None, None]:
    """Pickled messages until the stream ends, possibly in the middle of a message."""
    while True:
        try:
            message = pickle.load(stream)
        except (EOFError, pickle.UnpicklingError, OSError):
            return
        yield message


def worker_loop() -> None:
    """Run tasks from stdin and write results to stdout, both as pickles, until the parent sends None.

    Started by `LocalPool`. What tasks print goes to stderr.
    """
    answers, tasks = os.fdopen(os.dup(1), "wb"), os.fdopen(os.dup(0), "rb")
    os.dup2(2, 1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    waiting: queue.SimpleQueue[Any] = queue.SimpleQueue()
    threading.Thread(target=_read_tasks, args=(tasks, waiting), daemon=True).start()
    answer: Any = READY
    while True:
        pickle.dump(answer, answers)
        answers.flush()
        call = waiting.get()
        if call is None:
            return
        answer = _execute(call)


def _read_tasks(stream: IO[bytes], waiting: queue.SimpleQueue[Any]) -> None:
    """Queue the tasks from the parent; end this process at once when the parent ends."""
    for task in _messages(stream):
        waiting.put(task)
        if task is None:
            return
    os._exit(1)


def _execute(packed: bytes) -> Report:
    """Unpickle and make the call; its return value is pickled."""
    try:
        call = pickle.loads(packed)
    except Exception as error:  # unpickling runs the code of whatever is unpickled
        advice = "define it in a module that can be imported"
        return Report(None, f"cannot be read in a worker process: {named(error)}; {advice}", 0.0)
    report = attempt(call)
    if report.error is not None:
        return report
    try:
        return report._replace(value=pickle.dumps(report.value))
    except Exception as error:
        return Report(None, f"its result cannot be sent back: {named(error)}", report.seconds, traceback.format_exc())
