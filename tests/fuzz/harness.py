"""What a command may do with any input, and the watch over it."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from hypothesis import strategies as st

from tests.cli.conftest import Answer, call

# A command that takes longer hangs, for what it is given is small.
SECONDS = 120
# Characters that a command may write on stderr.
LONGEST = 20_000
DONE, SOME_FAILED, USAGE = 0, 1, 2

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_OURS = re.compile(r'File ".*?/(imbench/[^"]*\.py)", line \d+, in (\S+)')
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
# Audit events of a change to the file system, with the arguments that are paths.
_CHANGES = {
    "os.mkdir": (0,),
    "os.rename": (0, 1),
    "os.remove": (0,),
    "os.rmdir": (0,),
    "os.link": (1,),
    "os.symlink": (1,),
    "os.truncate": (0,),
    "os.chmod": (0,),
    "os.chown": (0,),
    "os.utime": (0,),
}
# What joblib runs once in a process to count cores.
_COUNTING_CORES = (["lscpu", "--parse=core"], ["cat", "/proc/cpuinfo"])
_PROGRAMS = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "os.forkpty", "pty.spawn")
_HOSTS = ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "urllib.Request")


class FaultError(AssertionError):
    """Something that no input may cause.

    Parameters
    ----------
    kind : short, equal for examples that meet the same fault
    text : what happened
    """

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(f"{kind}\n{text}")
        self.kind = kind


class _Hang(BaseException):
    """The time is over; not an Exception, so that no handler of the program swallows it."""


@dataclass(frozen=True)
class Target:
    """One kind of input.

    Parameters
    ----------
    name : on the command line of ``python -m tests.fuzz``
    examples : the strategy that draws inputs, which are plain values: their ``repr`` can be pasted into ``kept``
    check : ``check(example, folder)`` uses the input in an empty folder, the current one; it raises `FaultError`
    kept : inputs that met a fault once
    prepare : makes what drawing needs, once
    done : gives back what the target holds
    smoke : examples in the test suite
    """

    name: str
    examples: st.SearchStrategy[Any]
    check: Callable[[Any, Path], None]
    kept: tuple[Any, ...] = ()
    prepare: Callable[[], object] = lambda: None
    done: Callable[[], object] = lambda: None
    smoke: int = 25


class Watch:
    """Notes what this process writes outside a folder, which programs it starts and which hosts it calls.

    Hosts are never reached. An audit hook stays for the life of a process, so there is one watch for all examples.
    """

    def __init__(self) -> None:
        self.folder: Path | None = None
        self.offences: list[str] = []
        sys.addaudithook(self._note)

    @contextlib.contextmanager
    def over(self, folder: Path) -> Iterator[None]:
        """Watch what happens meanwhile, outside this folder."""
        self.offences, self.folder = [], folder.resolve()
        try:
            yield
        finally:
            self.folder = None
        if self.offences:
            raise FaultError(self.offences[0].partition(" ")[0], "\n".join(self.offences))

    def _note(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.folder is None:
            return
        if event == "open":
            path, _, flags = arguments
            if isinstance(flags, int) and flags & _WRITING:
                self._check(event, path)
        elif event in _CHANGES:
            for number in _CHANGES[event]:
                self._check(event, arguments[number])
        elif event in _PROGRAMS:
            line = arguments[1] if event == "subprocess.Popen" else []
            if not (_is_sound_pip(line) or list(line) in _COUNTING_CORES):
                self.offences.append(f"{event} {arguments[:2]}")
            raise FileNotFoundError("no programs here")
        elif event in _HOSTS:
            raise ConnectionRefusedError("no network here")

    def _check(self, event: str, path: Any) -> None:
        if isinstance(path, int) or self.folder is None:
            return
        name = os.fsdecode(path)
        place = os.path.realpath(name)
        if "__pycache__" in place or place == os.devnull or not os.path.isabs(name):
            return
        if not Path(place).is_relative_to(self.folder):
            self.offences.append(f"{event} {place}")


def _is_sound_pip(line: Any) -> bool:
    """Whether this reads pip's settings, or downloads one wheel of one version without building anything."""
    match list(line):
        case [sys.executable, "-m", "pip", "config", "list"]:
            return True
        case [sys.executable, "-m", "pip", "download", *options, "--", package]:
            return ":all:" in options and re.fullmatch(r"[\w.-]+==[\w.+!-]+", package, re.ASCII) is not None
    return False


_WATCH: list[Watch] = []


@contextlib.contextmanager
def surroundings(folder: Path, cache: Path | None = None) -> Iterator[None]:
    """Meanwhile the folder is the current one, and the only one of caches and temporary files."""
    own = {"IMBENCH_CACHE": str(cache or folder / "cache"), "TMPDIR": str(folder)}
    environment = {k: v for k, v in os.environ.items() if k not in ("IMBENCH_DATA_MIRROR", "COLUMNS")}
    before = Path.cwd()
    with mock.patch.dict(os.environ, environment | own, clear=True), mock.patch.object(tempfile, "tempdir", None):
        os.chdir(folder)
        try:
            yield
        finally:
            os.chdir(before)


@contextlib.contextmanager
def in_time(seconds: float = SECONDS) -> Iterator[None]:
    """A `FaultError` with the place that hangs, after so many seconds."""

    def give_up(*_: object) -> None:
        raise _Hang

    handler = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    except _Hang:
        places = _OURS.findall("".join(traceback.format_exc()))
        raise FaultError(f"hang {places[-1:]}", traceback.format_exc()) from None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)


def command(folder: Path, *arguments: object) -> Answer:
    """One command in this process, in ``folder``; raises `FaultError` for what no input may cause."""
    if not _WATCH:
        _WATCH.append(Watch())
    line = [str(argument) for argument in arguments]
    with _WATCH[0].over(folder), in_time():
        try:
            answer = call(*line, "--debug")
        except Exception:
            raise FaultError(f"raised {_kind(traceback.format_exc())}", f"{line}\n{traceback.format_exc()}") from None
    told = f"{line}\ncode {answer.code}\n{answer.out[-2000:]}\n{answer.err[-6000:]}"
    if answer.code not in (DONE, SOME_FAILED, USAGE):
        raise FaultError(f"code {answer.code} {_kind(answer.err)}", told)
    if "Traceback (most recent call last)" in answer.err + answer.out:
        raise FaultError(f"traceback {_kind(answer.err)}", told)
    if answer.code == USAGE and not any(text.startswith("error: ") for text in answer.err.splitlines()):
        raise FaultError("no message", told)
    for stream in (answer.out, answer.err):
        if found := _CONTROL.search(stream):
            raise FaultError(f"control character {found[0]!r}", told)
    if len(answer.err) > LONGEST:
        raise FaultError("endless message", told)
    return answer


def _kind(text: str) -> str:
    """The last line of imbench and the error in a traceback."""
    places = [f"{file}:{function}" for file, function in _OURS.findall(text)]
    errors = re.findall(r"^([\w.]+(?:Error|Exception|Exit|Interrupt|Warning)\w*)\b", text, re.MULTILINE)
    return " ".join([*places[-1:], *errors[-1:]])
