"""Checks, before any work, that the files which it makes can be written."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from imbench.contract.errors import UsageError


def check_output_file(path: str | os.PathLike[str], option: str = "") -> None:
    """Raise UsageError if a file could not be written at this path; nothing is left behind.

    Parameters
    ----------
    path : where the file will be, in a folder that must exist
    option : what gave the path, such as ``--html``, to begin the message with
    """
    given, file = f"{option} {path}".lstrip(), Path(os.path.realpath(path))
    if not file.parent.is_dir():
        raise UsageError(f"{given}: there is no folder {Path(path).parent}; create it, or give another path")
    _check_writable(file, file.parent, given)
    if file.is_dir():
        raise UsageError(f"{given} is a folder; give the path of a file")


def check_output_folder(path: str | os.PathLike[str], option: str = "", *, parents: bool = True) -> None:
    """Raise UsageError if files could not be written in this folder; nothing is left behind.

    Parameters
    ----------
    path : the folder; it need not exist
    option : as for `check_output_file`
    parents : whether its parent folders will be created, too
    """
    given, folder = f"{option} {path}".lstrip(), Path(os.path.realpath(path))
    if not parents and not folder.parent.is_dir():
        raise UsageError(f"{given}: there is no folder {Path(path).parent}; create it, or give another path")
    nearest = next(one for one in (folder, *folder.parents) if os.path.lexists(one))
    if not nearest.is_dir():
        raise UsageError(f"{given}: {nearest} is a file; give the path of a folder")
    _check_writable(folder, nearest, given)


def _check_writable(path: Path, folder: Path, given: str) -> None:
    try:
        with tempfile.NamedTemporaryFile(prefix=".imbench-", dir=folder), contextlib.suppress(FileNotFoundError):
            path.lstat()  # fails for names that are too long
    except OSError as error:
        why = error.strerror or error
        raise UsageError(f"{given}: cannot write to the folder {folder} ({why}); give another path") from None
