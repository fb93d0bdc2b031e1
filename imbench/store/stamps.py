"""What the files in a folder look like from outside: their names, sizes, times and numbers."""

from __future__ import annotations

import itertools
import operator
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from io import FileIO
from pathlib import Path

import numpy as np

from imbench.scoring.outcome import Integers
from imbench.store import beside
from imbench.store.look import looked_at

# Size in bytes, times of change of the content and of anything in nanoseconds, and number of a file.
Stamp = tuple[int, int, int, int]
NO_STAMP: Stamp = (0, 0, 0, 0)


def stamp_of(file: Path | os.DirEntry[str] | FileIO) -> Stamp | None:
    """What changes with the content of a file, or of an open one; None if it does not exist."""
    try:
        facts = os.fstat(file.fileno()) if isinstance(file, FileIO) else file.stat()
    except OSError:
        return None
    return beside.facts(facts)


class Stamps:
    """The files in a folder at one moment, each with its stamp.

    Parameters
    ----------
    found : the names, unsorted, the numbers of their stamps, and the bytes of other files
    like : the files in another folder, which may have the same names in the same order, as file systems often list them

    Attributes
    ----------
    bytes : of all files in the folder
    """

    def __init__(self, found: beside.Found, like: Stamps | None = None) -> None:
        names, numbers, others = found
        stamps: Integers = np.frombuffer(numbers, dtype=np.int64).reshape(-1, len(NO_STAMP))
        self.bytes = int(stamps[:, 0].sum()) + others
        self._places: Mapping[str, int]
        if like is not None and len(names) == len(like._places) and all(map(operator.eq, names, like)):
            self._places = like._places
        else:
            self._places = dict(zip(names, range(len(names)), strict=True))
        # The last row is for files that do not exist.
        self._stamps = np.concatenate([stamps, np.array([NO_STAMP])])

    def __iter__(self) -> Iterator[str]:
        """Each name."""
        return iter(self._places)

    def __contains__(self, name: object) -> bool:
        """Whether the file exists."""
        return name in self._places

    def besides(self, names: Iterable[str]) -> set[str]:
        """The names that are not among these."""
        return self._places.keys() - names

    def get(self, name: str) -> Stamp | None:
        """The stamp of a file; None if it does not exist."""
        place = self._places.get(name)
        if place is None:
            return None
        size, modified, changed, inode = self._stamps[place].tolist()
        return size, modified, changed, inode

    def of(self, names: Sequence[str], *others: Stamps) -> list[Integers]:
        """For this folder and each other, ``(names, 4)``: the stamps of these files, `NO_STAMP` where there is none."""
        found: list[Integers] = []
        places: dict[int, Integers] = {}
        for stamps in (self, *others):
            known = stamps._places
            if id(known) not in places:
                numbers = map(known.get, names, itertools.repeat(-1))
                places[id(known)] = np.fromiter(numbers, dtype=np.int64, count=len(names))
            found.append(stamps._stamps[places[id(known)]])
        return found


def stamps_in(folder: Path, suffix: str) -> Stamps:
    """The files in a folder whose names end with this, by the rest of their names.

    None if the folder does not exist. Raises `StoreError` if it cannot be read.
    """
    return Stamps(looked_at(folder, suffix))


def last_result(store: Path | str) -> str:
    """The day (UTC) on which the newest job of a store was written, such as ``2026-11-28``; "" without jobs."""
    found = stamps_in(Path(store) / "jobs", ".parquet")
    newest = found.of(list(found))[0][:, 1].max(initial=0)
    return time.strftime("%Y-%m-%d", time.gmtime(int(newest) / 1e9)) if newest else ""


def size_of(folder: Path, without: Sequence[str] = ()) -> int:
    """Bytes of all files in a folder and those in it, except in entries of these names; 0 if it cannot be read."""
    try:
        with os.scandir(folder) as found:
            entries = [entry for entry in found if entry.name not in without]
    except OSError:
        return 0
    stamps = (stamp_of(entry) or NO_STAMP for entry in entries if not entry.is_dir())
    return sum(size_of(Path(entry.path)) for entry in entries if entry.is_dir()) + sum(stamp[0] for stamp in stamps)
