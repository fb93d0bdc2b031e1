"""Durable, atomic file writes: written under a temporary name, synced, renamed."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import hashlib
import itertools
import os
import platform
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

from imbench.contract.errors import StoreError
from imbench.store import beside

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
        remove(temporary)


class Temporary(NamedTuple):
    """A file written under a temporary name.

    Parameters
    ----------
    path : its path in the end
    temporary : its path now
    facts : its size, time of change in nanoseconds, and number
    """

    path: str
    temporary: str
    facts: beside.Facts

    def remove(self) -> None:
        """Delete it if it is not in place yet."""
        remove(self.temporary)


def write_temporary(path: str, content: bytes) -> Temporary:
    """Write content that `put_in_place` moves to `path`, not yet durable. Raises `StoreError` as `write_durably`."""
    temporary = temporary_of(path)
    try:
        try:
            facts = beside.write(temporary, content)
        except FileNotFoundError:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            facts = beside.write(temporary, content)
    except OSError as error:
        raise StoreError(_complaint(os.path.dirname(path), error)) from error
    return Temporary(path, temporary, facts)


def temporary_of(path: str) -> str:
    """A temporary path for a file, which no other process and no other call gives."""
    # Text instead of `Path`, which would be a tenth of the time of a merge.
    folder, name = os.path.split(path)
    return os.path.join(folder, _temporary(name))


def put_in_place(files: Sequence[Temporary]) -> None:
    """Make files durable and move them to their paths, in this order, each in one step.

    After a crash readers find the old file or the new one, never a part. Raises `StoreError` as `write_durably`.
    """
    folders = list(dict.fromkeys(os.path.dirname(file.path) for file in files))
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
        remove(folder / name)


def listed(folder: Path) -> list[Path]:
    """The paths in a folder, sorted; none if it does not exist. Raises StoreError if it cannot be read."""
    try:
        return sorted(folder.iterdir())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise unreadable(folder, error) from error


# SHA-256 of a job's rows and of its predictions, None if unknown.
Digests = tuple[bytes | None, bytes | None]


def unreadable(folder: str | os.PathLike[str], error: OSError) -> StoreError:
    """The error for a folder that cannot be read."""
    return StoreError(f"cannot read {folder}: {error.strerror}; check the folder's permissions")


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


def remove_stale(folder: Path) -> None:
    """Delete temporary files of dead processes in `folder`; those that may still be renamed stay.

    A process of this machine is dead if its id is unknown; for other machines the file's age decides.
    """
    for file in folder.glob(".*~*~*~*.tmp"):
        _, host, process, _ = file.name.rsplit("~", 3)
        if (host == _host() and not _is_alive(process)) or _age(file) > STALE_SECONDS:
            remove(file)


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


def remove(file: Path | str) -> None:
    """Delete a file if it is there and can be deleted."""
    # A leftover is hidden and harmless; the error that led here matters more.
    with contextlib.suppress(OSError):
        os.unlink(file)


def _sync_folder(folder: Path | str) -> None:
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


def _sync_disk(folder: Path | str) -> bool:
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


def _complaint(folder: Path | str, error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"no space left in {folder}; free some space and run again; finished jobs are kept"
    return f"cannot write in {folder}: {error.strerror or error}; choose a writable folder"
