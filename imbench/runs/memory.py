"""Memory that a process and its descendants use."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path


def memory_of(process: int) -> int:
    """Bytes that a process and its descendants use, in memory or swapped out; 0 where that is unknown.

    Files that are mapped into memory, such as the arrays that all workers share, do not count: the system can drop
    them at any time. Pages that a forked child shares with its parent count once for each.
    """
    own = _kilobytes(Path(f"/proc/{process}/status"), ("RssAnon", "VmSwap"))
    return own + sum(memory_of(child) for child in children_of(process))


def exact_memory_of(process: int) -> int:
    """As `memory_of`, with shared pages counted once in all; slower."""
    own = _kilobytes(Path(f"/proc/{process}/smaps_rollup"), ("Pss_Anon", "SwapPss"))
    return own + sum(exact_memory_of(child) for child in children_of(process))


def _kilobytes(file: Path, names: tuple[str, ...]) -> int:
    """Sum of these entries, in bytes."""
    try:
        lines = [line.partition(":") for line in file.read_text().splitlines()]
    except OSError:  # it has ended, or this is not Linux
        return 0
    return sum(1024 * int(value.split()[0]) for name, _, value in lines if name in names)


def children_of(process: int) -> list[int]:
    """Ids of the children of a process, whichever of its threads started them; none where that is unknown."""
    children: list[int] = []
    for file in Path(f"/proc/{process}/task").glob("*/children"):
        with suppress(OSError):  # the thread has ended
            children += map(int, file.read_text().split())
    return children
