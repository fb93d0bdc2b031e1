"""One worker process: its handle in the parent, and the loop inside it."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import pickle
import queue
import signal
import struct
import subprocess
import sys
import threading
import time
import traceback
import zlib
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import IO, Any, NamedTuple

from imbench.contract.heap import give_back_memory
from imbench.contract.quantities import limit_of_time, memory_size
from imbench.contract.stdio import lasting_stdio
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
# (two runs each, both cores busy), little more than noise. A block of 32 batches of 128 colour images is larger than
# the largest threshold of glibc, 32 MiB; without mappings (MMAP_MAX), ReMix and the gathering of a step take 0.6 ms
# instead of 1.8 (docs/decisions/0004). Other C libraries ignore these variables.
MEMORY_VARIABLES = {
    "MALLOC_TRIM_THRESHOLD_": str(2**30),
    "MALLOC_MMAP_THRESHOLD_": str(2**25),
    "MALLOC_MMAP_MAX_": "0",
}
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
# A message is this mark, length and CRC-32 of its content, and the content. Whatever else gets into the pipe, from code
# that writes to file descriptors it did not open, is recognised at once.
_MARK = b"\xa5imb\x00\x5a\xc3\r"
_HEAD = struct.Struct("<QL")
_GARBLED = "sent data that is not a result (something in it writes to a file descriptor it did not open); it was ended"
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
    """Make the call and report its result or error; KeyboardInterrupt is not caught.

    Only this process returns: a copy of it that the call forked ends here, so that nothing is done twice.
    """
    start, process = time.perf_counter(), os.getpid()
    try:
        value = call()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # sys.exit included
        return Report(None, named(error), time.perf_counter() - start, traceback.format_exc())
    finally:
        if os.getpid() != process:
            os._exit(0)
    return Report(value, None, time.perf_counter() - start)


def named(error: BaseException) -> str:
    """An error as text, such as ``ValueError: negative value``."""
    return f"{type(error).__name__}: {error}".removesuffix(": ")


class Worker:
    """Handle of one worker process in the parent.

    Puts every message of the process into ``inbox`` as ``(worker, message)``, and None after the process has ended.
    On POSIX the process leads its own session, and the processes that it started end with it.
    """

    def __init__(self, threads: int, inbox: queue.SimpleQueue[tuple[Worker, Any]]) -> None:
        path = json.dumps([entry for entry in sys.path if isinstance(entry, str)])
        self.process = subprocess.Popen(
            [sys.executable, "-c", _BOOT, path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=MEMORY_VARIABLES | os.environ | dict.fromkeys(THREAD_VARIABLES, str(threads)),
            start_new_session=True,
        )
        self._garbled = False
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
            _write(self.process.stdin, call)

    @property
    def ended(self) -> bool:
        """Whether the process has ended."""
        return _has_ended(self.process)

    @property
    def signalled(self) -> bool:
        """Whether the ended process was ended by a signal that its handle did not send."""
        return self.process.returncode < 0 and not (self._exceeded or self._garbled)

    @property
    def end(self) -> str:
        """How the ended process ended."""
        if self._garbled:
            return _GARBLED
        code = self.process.returncode
        if self._exceeded:
            return self._exceeded
        if code >= 0:
            return f"ended with exit code {code}"
        name = _SIGNALS.get(-code, f"signal {-code}")
        return f"was ended by {name}" + (", perhaps out of memory" if name == "SIGKILL" else "")

    def kill(self) -> None:
        """End the process and those that it started, by force."""
        if os.name == "posix":
            with contextlib.suppress(ProcessLookupError, PermissionError):  # all of them have ended
                os.killpg(self.process.pid, signal.SIGKILL)
        self.process.kill()

    def close(self, patience: float = 0.0) -> None:
        """End the process, by force if it has not ended after ``patience`` seconds, and those that it started."""
        deadline = time.monotonic() + patience
        while not self.ended and time.monotonic() < deadline:
            time.sleep(0.005)
        # Before waiting, which frees the id for other processes.
        self.kill()
        self.process.wait()
        self._gone.set()
        self._listener.join(timeout=1.0)
        assert self.process.stdin is not None
        with contextlib.suppress(OSError):  # what a dead process did not read any more
            self.process.stdin.close()

    def _listen(self, inbox: queue.SimpleQueue[tuple[Worker, Any]]) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as stream:
            try:
                for message in _messages(stream, _first_mark(stream)):
                    with self._state:
                        if self._exceeded:  # it was killed just as it answered
                            break
                        self._limits = NO_LIMITS
                    inbox.put((self, message))
            except _GarbledError:
                self._garbled = True
                self.kill()
        _await_end(self.process)
        self._gone.set()
        inbox.put((self, None))

    def _watch(self) -> None:
        while not self._gone.wait(_TICK):
            with self._state:
                self._exceeded = self._excess()
                if self._exceeded:
                    self.kill()
                    return

    def _excess(self) -> str:
        """The limit that the present call exceeds; "" if there is none."""
        seconds, memory = self._limits.seconds, self._limits.memory
        if seconds is not None and time.monotonic() - self._since > seconds:
            return f"exceeded the time limit of {limit_of_time(seconds)} and was ended; --timeout raises the limit"
        # Every page of a forked child counts twice in the quick number.
        if memory is not None and memory_of(self.process.pid) > memory < exact_memory_of(self.process.pid):
            return (
                f"exceeded the memory limit of {memory_size(memory)} and was ended; --memory raises the limit, "
                "and fewer --jobs leave more memory for each"
            )
        return ""


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Whether it has ended. Its id is not freed, where the system allows that."""
    if process.returncode is not None:
        return True
    if not hasattr(os, "waitid"):
        return process.poll() is not None
    try:
        return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None
    except ChildProcessError:  # another thread waited for it
        return True


def _await_end(process: subprocess.Popen[bytes]) -> None:
    """Wait for its end, as `_has_ended` looks for it."""
    if not hasattr(os, "waitid"):
        process.wait()
        return
    with contextlib.suppress(ChildProcessError):
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)


class _GarbledError(ValueError):
    """What was read is not a message."""


def _write(stream: IO[bytes], message: Any) -> None:
    content = pickle.dumps(message)
    stream.write(_MARK + _HEAD.pack(len(content), zlib.crc32(content)) + content)
    stream.flush()


def _messages(stream: IO[bytes], mark: bytes = b"") -> Generator[Any, None, None]:
    """Messages until the stream ends, be it in the middle of one.

    ``mark``: of the first message, where it has been read. Raises `_GarbledError` for anything else.
    """
    while True:
        if not _MARK.startswith(mark or _read(stream, len(_MARK))):
            raise _GarbledError
        mark, head = b"", _read(stream, _HEAD.size)
        if len(head) < _HEAD.size:
            return
        length, checksum = _HEAD.unpack(head)
        content = _read(stream, length)
        if len(content) < length:
            return
        if not content or zlib.crc32(content) != checksum:
            raise _GarbledError
        yield pickle.loads(content)


def _first_mark(stream: IO[bytes]) -> bytes:
    """Read up to the first mark, past what Python's start may print (a ``sitecustomize`` or a ``.pth`` file)."""
    read = b""
    while read != _MARK and (byte := _read(stream, 1)):
        read = (read + byte)[-len(_MARK) :]
    return read if read == _MARK else b""


def _read(stream: IO[bytes], size: int) -> bytes:
    try:
        return stream.read(size)
    except (OSError, ValueError):  # it is closed
        return b""


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
    gc.disable()  # until the first call is unpickled, which imports most modules
    answer: Any = READY
    with lasting_stdio():
        while True:
            _write(answers, answer)
            call = waiting.get()
            if call is None:
                return
            answer = _execute(call)
            give_back_memory()  # one large job would take it from all other workers until the run ends


def _read_tasks(stream: IO[bytes], waiting: queue.SimpleQueue[Any]) -> None:
    """Queue the tasks from the parent; once the parent has ended, end this process and those that it started."""
    for task in _messages(stream):
        waiting.put(task)
        if task is None:
            return
    if os.name == "posix" and os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


def _execute(packed: bytes) -> Report:
    """Unpickle and make the call; its return value is pickled."""
    try:
        call = pickle.loads(packed)
    except Exception as error:  # unpickling runs the code of whatever is unpickled
        advice = "define it in a module that can be imported"
        return Report(None, f"cannot be read in a worker process: {named(error)}; {advice}", 0.0)
    finally:
        if not gc.get_freeze_count():
            # Modules are no garbage: looking through them while they are imported takes a tenth of a worker's start.
            gc.freeze()
            gc.enable()
    report = attempt(call)
    if report.error is not None:
        return report
    try:
        return report._replace(value=pickle.dumps(report.value))
    except Exception as error:
        return Report(None, f"its result cannot be sent back: {named(error)}", report.seconds, traceback.format_exc())
