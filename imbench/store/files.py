"""Files that are either whole or not there: written under a temporary name, synced, renamed."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import platform
import time
import uuid
from pathlib import Path

from imbench.contract.errors import StoreError

# A write takes seconds; a temporary file this old belongs to nobody, whichever machine began it.
STALE_SECONDS = 24 * 3600.0

# What file systems answer that cannot sync a folder; the rename is as durable as they make it.
_NO_FOLDER_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.EACCES)


def write_durably(path: Path, content: bytes) -> None:
    """Put this content at `path`, replacing what was there in one step; folders are made as needed.

    A reader, or a run that follows a crash, finds the old file or the new one, never a part.

    Raises
    ------
    StoreError
        If the folder is full or cannot be written; no temporary file stays, and what was there before is untouched.
    """
    temporary = path.with_name(f".{path.name}~{_host()}~{os.getpid()}~{uuid.uuid4().hex[:8]}.tmp")
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


def listed(folder: Path) -> list[Path]:
    """What is in a folder, sorted; nothing if there is no such folder. Raises StoreError if it cannot be read."""
    try:
        return sorted(folder.iterdir())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise StoreError(f"cannot read {folder}: {error.strerror}; check the folder's permissions") from error


def remove_stale(folder: Path) -> None:
    """Delete the temporary files in `folder` that dead processes left; those that may yet be renamed stay.

    A process of this machine is dead if its id is unknown; of another machine's nothing is known, so age decides.
    """
    for file in folder.glob(".*~*~*~*.tmp"):
        _, host, process, _ = file.name.rsplit("~", 3)
        if (host == _host() and not _is_alive(process)) or _age(file) > STALE_SECONDS:
            _remove(file)


def _host() -> str:
    # Hashed, so that a store that is passed on names no machine.
    return hashlib.sha256(platform.node().encode()).hexdigest()[:12]


def _is_alive(process: str) -> bool:
    if os.name != "posix" or not process.isdecimal():  # elsewhere signal 0 is no harmless question
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
    # A leftover is hidden and harmless; the error that led here says more.
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


def _complaint(folder: Path, error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"no space left in {folder}; make room and run again, what was finished before is kept"
    return f"cannot write in {folder}: {error.strerror or error}; choose a folder that you may write to"
