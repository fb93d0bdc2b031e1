"""How signals end a command: Ctrl-C, SIGTERM and SIGHUP, from its first import to its last line."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from os import _exit  # plugins find another one in `os` while they are loaded
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

from imbench.contract.stdio import lasting_stdio

if TYPE_CHECKING:
    from imbench.cli.session import Session

# Ctrl-C, kill or a batch system's time limit, and a terminal that is closed (which Windows has no signal for).
SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
# Seconds after the first signal in which more of them are the same keystroke, and the command cleans up.
GRACE = 1.0


class Ending:
    """The first signal raises KeyboardInterrupt, so that the command cleans up; one after `GRACE` ends it at once.

    A context manager that puts the handlers back. Signals that the command was started to ignore (``nohup``, a script's
    ``&``) stay ignored.

    Parameters
    ----------
    session : what to resume; None before the command line is read
    """

    def __init__(self) -> None:
        self.session: Session | None = None
        self._number = int(signal.SIGINT)
        self._first: float | None = None
        self._before: dict[int, object] = {}

    def __enter__(self) -> Ending:
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                if signal.getsignal(number) not in (signal.SIG_IGN, None):
                    self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def leave(self) -> None:
        """For a process that ends: from here on a signal ends it without a traceback."""
        for number in self._before:
            signal.signal(number, signal.SIG_DFL)
        self._before.clear()

    @property
    def code(self) -> int:
        """The exit code of an interrupted command: 128 and the number of the signal."""
        return 128 + self._number

    @property
    def message(self) -> str:
        """What an interrupted command says."""
        session = self.session
        kept = f"; finished jobs are kept. To resume:\n  {session.command}" if session and session.resumable else ""
        cause = "" if self._number == signal.SIGINT else f" by {signal.Signals(self._number).name}"
        return f"interrupted{cause}{kept}"

    def _handle(self, number: int, _: FrameType | None) -> None:
        now = time.monotonic()
        if self._first is None:
            self._first, self._number = now, number
            raise KeyboardInterrupt
        if now - self._first > GRACE:
            self._quit()

    def _quit(self) -> NoReturn:
        # The stream may be in the middle of a write.
        with contextlib.suppress(OSError):
            os.write(2, f"{self.message}\n".encode(errors="backslashreplace"))
        _exit(self.code)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; ``--debug`` shows the traceback of an internal error.

    Parameters
    ----------
    arguments : arguments after the program name; default: ``sys.argv[1:]``
    """
    with Ending() as ending:
        return _run(ending, arguments)


def script() -> NoReturn:
    """Run the command of ``sys.argv`` as `main` does, and end this process."""
    with Ending() as ending:
        code = _run(ending, None)
        ending.leave()
        sys.exit(code)


def _run(ending: Ending, arguments: Sequence[str] | None) -> int:
    try:
        with lasting_stdio(strict=True):
            # Imported here, since a signal may come meanwhile: they are most of the time of a short command.
            from imbench.cli.app import answer
            from imbench.cli.session import Session

            ending.session = Session(tuple(sys.argv[1:] if arguments is None else arguments))
            return answer(ending.session)
    except KeyboardInterrupt:
        with lasting_stdio():
            print(ending.message, file=sys.stderr)
        return ending.code
