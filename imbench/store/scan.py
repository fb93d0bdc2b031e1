"""Size, times and number of every file in a folder; also a program, which needs nothing besides Python.

`imbench.store.look` runs it beside a process that is still importing what it needs.
"""

from __future__ import annotations

import contextlib
import marshal
import os
import stat
import sys
from array import array
from collections.abc import Iterator

# Names of the files that end with the suffix, without it; four numbers for each (see `facts`); bytes of other files.
Found = tuple[list[str], bytes, int]

# Some file systems use all 64 bits of a file's number, which is more than a signed number has.
_SIGNED = (1 << 63) - 1


def facts(file: os.stat_result) -> tuple[int, int, int, int]:
    """Size in bytes, times of change of the content and of anything in nanoseconds, and number of a file."""
    return file.st_size, file.st_mtime_ns, file.st_ctime_ns, file.st_ino & _SIGNED


def scan(folder: str, suffix: str) -> Found:
    """Look at every file in a folder; none if it does not exist. Raises OSError if it cannot be read."""
    names: list[str] = []
    # One flat array: a large store has hundreds of thousands of files.
    numbers = array("q")
    others = 0
    try:
        with _entries(folder) as entries:
            for entry in entries:
                try:
                    file = entry.stat()
                except OSError:  # deleted since it was listed
                    continue
                if not stat.S_ISREG(file.st_mode):
                    continue
                name = entry.name
                if name.endswith(suffix):
                    names.append(name[: -len(suffix)])
                    numbers.extend(facts(file))
                else:
                    others += file.st_size
    except FileNotFoundError:
        pass
    return names, numbers.tobytes(), others


@contextlib.contextmanager
def _entries(folder: str) -> Iterator[Iterator[os.DirEntry[str]]]:
    """The entries of a folder, by its handle where there is one: then the system need not look up its path for each."""
    if os.scandir not in os.supports_fd:
        with os.scandir(folder) as entries:
            yield entries
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        with os.scandir(handle) as entries:
            yield entries
    finally:
        os.close(handle)


if __name__ == "__main__":
    marshal.dump(scan(*sys.argv[1:]), sys.stdout.buffer)
