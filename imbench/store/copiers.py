"""Processes that copy files beside this one."""

from __future__ import annotations

import marshal
import subprocess
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from imbench.store import beside
from imbench.store.files import remove
from imbench.store.processes import end, started


class Copiers:
    """Processes that copy files, ended with the block that this is used in.

    Parameters
    ----------
    number : of processes; fewer copy where they cannot be started
    """

    def __init__(self, number: int) -> None:
        begun = (started("copy") for _ in range(number))
        # Each process is spoken to by a thread of its own.
        self._running = [(process, ThreadPoolExecutor(1)) for process in begun if process is not None]

    def __enter__(self) -> Copiers:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def copy(self, files: Sequence[beside.Wanted]) -> Callable[[], list[beside.Facts | None]]:
        """Begin to copy as `beside.copy`, after all that was begun before; the call that waits for the answer.

        It is None also for files whose process fails, or if none could be started.
        """
        step = -(-len(files) // max(len(self._running), 1))
        begun = [
            thread.submit(_copied, process, files[place * step :][:step])
            for place, (process, thread) in enumerate(self._running)
        ]
        if not begun:
            return lambda: [None] * len(files)
        return lambda: [facts for part in begun for facts in part.result()]

    def end(self) -> None:
        """End the processes, whatever they are doing."""
        for process, thread in self._running:
            thread.shutdown(wait=False, cancel_futures=True)
            end(process)
        for _, thread in self._running:
            thread.shutdown()


def _copied(process: subprocess.Popen[bytes], files: Sequence[beside.Wanted]) -> list[beside.Facts | None]:
    facts = _answer(process, len(files)) if _is_sent(process, files) else None
    if facts is None:
        end(process)
        for _, _, path in files:
            remove(path)
    return facts or [None] * len(files)


def _is_sent(process: subprocess.Popen[bytes], files: Sequence[beside.Wanted]) -> bool:
    assert process.stdin is not None
    try:
        process.stdin.write(marshal.dumps(list(files)))
        process.stdin.flush()
    except (OSError, ValueError):  # ended, or ended by us
        return False
    return True


def _answer(process: subprocess.Popen[bytes], number: int) -> list[beside.Facts | None] | None:
    """What a process says of this many files; None if it fails."""
    assert process.stdout is not None
    try:
        found: list[beside.Facts | None] = marshal.load(process.stdout)
        return found if len(found) == number else None
    except (OSError, EOFError, ValueError, TypeError):
        return None
