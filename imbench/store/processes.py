"""Starting and ending processes that look at files or copy them, beside this one."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys

from imbench.store import beside


def started(*arguments: str) -> subprocess.Popen[bytes] | None:
    """A process of the program `imbench.store.beside`; None where none can be started.

    Parameters
    ----------
    arguments : ``scan``, a folder and a suffix: it answers as `beside.scan`. ``copy``: it answers each list of files
        that it is sent as `beside.copy`. Lists and answers are in the format of `marshal`.
    """
    # In a program that contains Python this is the program.
    python = sys.executable or ""
    if "python" not in os.path.basename(python).lower() or getattr(sys, "frozen", False):
        return None
    try:
        return subprocess.Popen(
            [python, "-I", "-S", beside.__file__, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
    except (OSError, ValueError):
        return None


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process that nobody waits for any more."""
    if process.returncode is None:
        process.kill()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):  # what it was sent and has not read
                    pipe.close()
        process.wait()
