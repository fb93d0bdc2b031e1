"""Durable, atomic file writes: written under a temporary name, synced, renamed."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import hashlib
import itertools
import os
import platform
import stat
import sys
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from io import FileIO
from pathlib import Path
from typing import NamedTuple

import numpy as np

from imbench.contract.errors import StoreError
from imbench.scoring.outcome import Integers

# A write takes seconds: a temporary file this old is abandoned, whichever machine began it.
STALE_SECONDS = 24 * 3600.0

# Two machines may have one name, and processes of one number.
_PROCESS, _NUMBERS = uuid.uuid4().hex[:8], itertools.count()

# Errors of file systems that cannot sync a folder; there the rename is as durable as possible.
_NO_FOLDER_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.EACCES)


def write_durably(path: Path, content: bytes) -> None:
    """Write content to `path`, replacing an existing file in one step; folders are created as needed.

    After a crash readers find the old file or the new one, never a part.

    Raises
    ------
    StoreError
        If the disk is full or the folder cannot be written; no temporary file remains, an existing file is untouched.
    """
    temporary = path.with_name(_temporary(path.name))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        _sync_folder(path.parent)
    except OSError as error:
        raise StoreError(_complaint(path.parent, error)) from error
    finally:
        _remove(temporary)


class Temporary(NamedTuple):
    """A file written under a temporary name.

    Parameters
    ----------
    path : its path in the end
    temporary : its path now
    facts : its size, time of change in nanoseconds, and number
    """

    path: Path
    temporary: Path
    facts: tuple[int, int, int]

    def remove(self) -> None:
        """Delete it if it is not in place yet."""
        _remove(self.temporary)


def write_temporary(path: Path, content: bytes) -> Temporary:
    """Write content that `put_in_place` moves to `path`, not yet durable. Raises `StoreError` as `write_durably`."""
    temporary = path.with_name(_temporary(path.name))
    try:
        try:
            file = open(temporary, "xb")  # noqa: SIM115  # closed below
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = open(temporary, "xb")  # noqa: SIM115
        with file:
            file.write(content)
            file.flush()
            facts = os.fstat(file.fileno())
    except OSError as error:
        _remove(temporary)
        raise StoreError(_complaint(path.parent, error)) from error
    return Temporary(path, temporary, (facts.st_size, facts.st_mtime_ns, facts.st_ino))


def put_in_place(files: Sequence[Temporary]) -> None:
    """Make files durable and move them to their paths, in this order, each in one step.

    After a crash readers find the old file or the new one, never a part. Raises `StoreError` as `write_durably`.
    """
    folders = list(dict.fromkeys(file.path.parent for file in files))
    try:
        if not all(map(_sync_disk, folders)):
            for file in files:
                with open(file.temporary, "rb+") as handle:
                    os.fsync(handle.fileno())
        for file in files:
            os.replace(file.temporary, file.path)
        for folder in folders:
            _sync_folder(folder)
    except OSError as error:
        raise StoreError(_complaint(folders[0], error)) from error


@contextlib.contextmanager
def marked(folder: Path) -> Iterator[str]:
    """A hidden empty file in a folder for a while: its name, which tells another process whether it sees the folder.

    One that a killed process leaves behind goes with its other temporary files. Raises `StoreError` as `write_durably`.
    """
    name = _temporary("seen")
    write_durably(folder / name, b"")
    try:
        yield name
    finally:
        _remove(folder / name)


def listed(folder: Path) -> list[Path]:
    """The paths in a folder, sorted; none if it does not exist. Raises StoreError if it cannot be read."""
    try:
        return sorted(folder.iterdir())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise StoreError(f"cannot read {folder}: {error.strerror}; check the folder's permissions") from error


# Size in bytes, times of change of the content and of anything in nanoseconds, and number of a file.
Stamp = tuple[int, int, int, int]
NO_STAMP: Stamp = (0, 0, 0, 0)
# SHA-256 of a job's rows and of its predictions, None if unknown.
Digests = tuple[bytes | None, bytes | None]


class Intact(NamedTuple):
    """A file of a job, all bytes of which were checked.

    Parameters
    ----------
    content : its bytes
    digest : their SHA-256
    predictions : the SHA-256 of the job's predictions that this file states, if it had to be read for the check
    """

    content: bytes
    digest: bytes
    predictions: bytes | None = None


def stamp_of(file: Path | os.DirEntry[str] | FileIO) -> Stamp | None:
    """What changes with the content of a file, or of an open one; None if it does not exist."""
    try:
        facts = os.fstat(file.fileno()) if isinstance(file, FileIO) else file.stat()
    except OSError:
        return None
    return facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns, facts.st_ino


class Stamps:
    """The files in a folder at one moment, each with its stamp.

    Parameters
    ----------
    names : their names, unsorted
    stamps : ``(files, 4)``, the `Stamp` of each
    """

    def __init__(self, names: Sequence[str], stamps: Integers) -> None:
        self.bytes = int(stamps[:, 0].sum())
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

    def of(self, names: Sequence[str]) -> Integers:
        """``(names, 4)``, the stamps of these files; `NO_STAMP` for those that do not exist."""
        places = np.fromiter(map(self._places.get, names, itertools.repeat(-1)), dtype=np.int64, count=len(names))
        found: Integers = self._stamps[places]
        return found


def stamps_in(folder: Path, suffix: str) -> Stamps:
    """The files in a folder whose names end with this, by the rest of their names; the bytes are those of all files.

    None if the folder does not exist. Raises StoreError if it cannot be read.
    """
    names: list[str] = []
    # One flat list of numbers: a large store has hundreds of thousands of files.
    found: list[int] = []
    others = 0
    try:
        with _scanned(folder) as entries:
            for entry in entries:
                try:
                    facts = entry.stat()
                except OSError:  # deleted since it was listed
                    continue
                if not stat.S_ISREG(facts.st_mode):
                    continue
                name = entry.name
                if name.endswith(suffix):
                    names.append(name[: -len(suffix)])
                    found += (facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns, facts.st_ino)
                else:
                    others += facts.st_size
    except FileNotFoundError:
        pass
    except OSError as error:
        raise StoreError(f"cannot read {folder}: {error.strerror}; check the folder's permissions") from error
    stamps = Stamps(names, np.array(found, dtype=np.int64).reshape(-1, len(NO_STAMP)))
    stamps.bytes += others
    return stamps


@contextlib.contextmanager
def _scanned(folder: Path) -> Iterator[Iterator[os.DirEntry[str]]]:
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


def last_result(store: Path | str) -> str:
    """The day (UTC) on which the newest job of a store was written, such as ``2026-11-28``; "" without jobs."""
    found = stamps_in(Path(store) / "jobs", ".parquet")
    newest = found.of(list(found))[:, 1].max(initial=0)
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


def remove_stale(folder: Path) -> None:
    """Delete temporary files of dead processes in `folder`; those that may still be renamed stay.

    A process of this machine is dead if its id is unknown; for other machines the file's age decides.
    """
    for file in folder.glob(".*~*~*~*.tmp"):
        _, host, process, _ = file.name.rsplit("~", 3)
        if (host == _host() and not _is_alive(process)) or _age(file) > STALE_SECONDS:
            _remove(file)


def _temporary(name: str) -> str:
    return f".{name}~{_host()}~{os.getpid()}~{_PROCESS}-{next(_NUMBERS)}.tmp"


@cache
def _host() -> str:
    # Hashed, so that a shared store does not name a machine.
    return hashlib.sha256(platform.node().encode()).hexdigest()[:12]


def _is_alive(process: str) -> bool:
    if os.name != "posix" or not process.isdecimal():  # elsewhere signal 0 is not harmless
        return True
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def _age(file: Path) -> float:
    try:
        return time.time() - file.stat().st_mtime
    except OSError:
        return 0.0


def _remove(file: Path) -> None:
    # A leftover is hidden and harmless; the error that led here matters more.
    with contextlib.suppress(OSError):
        file.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _NO_FOLDER_SYNC:
            raise
    finally:
        os.close(handle)


def _sync_disk(folder: Path) -> bool:
    """Wait until all files on the disk of a folder are durable; False on systems that cannot, such as macOS."""
    sync = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None) if sys.platform == "linux" else None
    if sync is None:
        return False
    handle = os.open(folder, os.O_RDONLY)
    try:
        if sync(handle):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
    finally:
        os.close(handle)
    return True


def _complaint(folder: Path, error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"no space left in {folder}; free some space and run again; finished jobs are kept"
    return f"cannot write in {folder}: {error.strerror or error}; choose a writable folder"
