"""Standard output and standard error that outlast a full disk, a reader that leaves and a closed terminal."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TextIO, cast


class OutputError(Exception):
    """Results that could not be written to stdout."""


class LastingStream:
    """A text stream whose failed writes end nothing: from the first one on, all that is written is dropped.

    Parameters
    ----------
    stream : the stream; None if it was closed before this process began
    name : ``stdout`` or ``stderr``
    strict : whether a failed write raises `OutputError`, once; a reader that leaves, such as ``head``, is no failure
    """

    def __init__(self, stream: TextIO | None, name: str, strict: bool) -> None:
        self._stream = stream or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
        self._name = name
        self._strict = strict
        self._closed_before = stream is None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write text; characters that the stream's encoding lacks are written as escapes."""
        if text == "":  # click asks in this way whether the stream takes text, and ignores any error
            return 0
        with self._lasting():
            try:
                self._stream.write(text)
            except UnicodeEncodeError as error:
                self._stream.write(text.encode(error.encoding, "backslashreplace").decode(error.encoding))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write pieces of text, one after another."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Write what is buffered."""
        with self._lasting():
            self._stream.flush()

    @contextlib.contextmanager
    def _lasting(self) -> Iterator[None]:
        try:
            if self._closed_before and self._strict:
                raise OSError(errno.EBADF, os.strerror(errno.EBADF))
            yield
        except OSError as error:
            self._closed_before = False
            # Also what is buffered, or Python's own flush at the end would fail.
            with contextlib.suppress(OSError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())
            if self._strict and not isinstance(error, BrokenPipeError):
                raise OutputError(f"could not write to {self._name}: {error.strerror or error}") from None


@contextlib.contextmanager
def lasting_stdio(strict: bool = False) -> Iterator[None]:
    """Meanwhile no failed write to stderr, nor to stdout unless ``strict``, ends anything; see `LastingStream`.

    Warnings of imbench are printed as a message, without the line of code that Python adds.
    """
    _open_closed()
    before, format_before = (sys.stdout, sys.stderr), warnings.formatwarning
    warnings.formatwarning = _formatted(format_before)
    sys.stdout = cast(TextIO, LastingStream(sys.stdout, "stdout", strict))
    sys.stderr = cast(TextIO, LastingStream(sys.stderr, "stderr", False))
    try:
        yield
    finally:
        with contextlib.suppress(OutputError):
            sys.stdout.flush()
        sys.stderr.flush()
        (sys.stdout, sys.stderr), warnings.formatwarning = before, format_before


def _formatted(others: Callable[..., str]) -> Callable[..., str]:
    """A format of warnings: those of imbench as ``warning: …``, and those of other packages as before."""
    package = str(Path(__file__).parents[1])

    def formatted(
        message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
    ) -> str:
        if category is UserWarning and filename.startswith(package):
            return f"warning: {message}\n"
        return others(message, category, filename, lineno, line)

    return formatted


def _open_closed() -> None:
    """Open standard streams that were closed before this process began, or the next file opened would be stdout."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
