"""What other processes do for a command on a large store: look at its files, and copy them.

Also a program, which needs nothing besides Python and so starts at once. `imbench.store.look` runs it beside a process
that is still importing what it needs, `imbench.store.copying` beside one whose threads would wait for each other.
"""

from __future__ import annotations

import contextlib
import io
import marshal
import os
import stat
import sys
from array import array
from collections import deque
from collections.abc import Iterator, Sequence

# Names of the files that end with the suffix, without it; four numbers for each (see `facts`); bytes of other files.
Found = tuple[list[str], bytes, int]

# A file to copy: its path, the SHA-256 that it must have, and the path of the copy.
Wanted = tuple[str, bytes, str]

# Size, time of change of the content in nanoseconds, and number of a file that was written.
Facts = tuple[int, int, int]

# Some file systems use all 64 bits of a file's number, which is more than a signed number has.
_SIGNED = (1 << 63) - 1

# Bytes of the memory that is used for one file after the other, as the system takes its time to give new memory.
_BUFFER = 1 << 20

# Files that are opened before one is read.
_AHEAD = 64


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


def copy(files: Sequence[Wanted]) -> list[Facts | None]:
    """Copy files to paths that do not exist yet, not yet durable.

    None for each whose SHA-256 is another or that cannot be read or written; nothing is left at the path of its copy.
    """
    from hashlib import sha256

    buffer = bytearray(_BUFFER)
    done: list[Facts | None] = []
    for file, digest, path in _opened(files):
        try:
            if file is None:
                done.append(None)
                continue
            with file:
                size = os.fstat(file.fileno()).st_size
                if size >= len(buffer):
                    buffer = bytearray(size + 1)
                # One byte more than it has shows whether it grows.
                content = memoryview(buffer)[: size + 1]
                size = 0
                while read := file.readinto(content[size:]):
                    size += read
            content = content[:size]
            done.append(write(path, content) if sha256(content).digest() == digest else None)
        except OSError:
            done.append(None)
    return done


def _opened(files: Sequence[Wanted]) -> Iterator[tuple[io.FileIO | None, bytes, str]]:
    """Each file opened, None if it cannot be, and the other two.

    The next files are opened as well, and the system is told that they will be read: a disk reads many files at once in
    less time than one after the other.
    """
    ahead: deque[tuple[io.FileIO | None, bytes, str]] = deque()
    for source, digest, path in files:
        try:
            file = io.FileIO(source)
            if hasattr(os, "posix_fadvise"):
                with contextlib.suppress(OSError):  # a file system may not know it
                    os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_WILLNEED)
        except OSError:
            file = None
        ahead.append((file, digest, path))
        if len(ahead) > _AHEAD:
            yield ahead.popleft()
    yield from ahead


def write(path: str, content: bytes | memoryview) -> Facts:
    """Write a file that does not exist yet, not yet durable. Raises OSError; then no part of it remains."""
    left = memoryview(content)
    file = io.FileIO(path, "x")
    try:
        with file:  # a network folder may tell only when it is closed that the disk is full
            while left:
                left = left[file.write(left) :]
            size, modified, _, number = facts(os.fstat(file.fileno()))
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(path)
        raise
    return size, modified, number


def _answer(what: str, *arguments: str) -> None:
    if what == "scan":
        marshal.dump(scan(*arguments), sys.stdout.buffer)
        return
    while True:
        try:
            wanted = marshal.load(sys.stdin.buffer)
        except EOFError:
            return
        marshal.dump(copy(wanted), sys.stdout.buffer)
        sys.stdout.buffer.flush()


if __name__ == "__main__":  # with the arguments of `imbench.store.processes.started`
    _answer(*sys.argv[1:])
