"""A folder of written files with a manifest of their hashes, renewed in place."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from imbench.contract.errors import StoreError
from imbench.store.files import write_durably

MANIFEST = "manifest.json"


def renew(folder: Path, files: Mapping[str, bytes], facts: Mapping[str, Any]) -> None:
    """Make these files, and a manifest with their hashes and these facts, all that imbench has in the folder.

    Files that are the same already are left alone, those of the manifest before and no longer wanted are deleted, and
    whatever else lies in the folder stays.

    Raises
    ------
    StoreError
        If a file would replace one that the manifest before does not know, or the folder cannot be written.
    """
    check_own(folder, files)
    for name in sorted(set(listed_files(folder)) - set(files)):
        (folder / name).unlink(missing_ok=True)
    for name, content in files.items():
        _put(folder / name, content)
    known = {
        name: {"sha256": hashlib.sha256(files[name]).hexdigest(), "bytes": len(files[name])} for name in sorted(files)
    }
    # Last, so that it never tells of files that are not there yet.
    _put(folder / MANIFEST, (json.dumps({**facts, "files": known}, indent=1, ensure_ascii=False) + "\n").encode())


def check_own(folder: Path, files: Mapping[str, Any]) -> None:
    """Raise StoreError if one of these files is there and not by `renew`."""
    known = listed_files(folder)
    foreign = [name for name in files if name not in known and (folder / name).exists()]
    if foreign:
        raise StoreError(
            f"{folder / foreign[0]} was not written by imbench; give another folder, or move that file away"
        )


def manifest(folder: Path) -> dict[str, Any]:
    """What the manifest of a folder says; nothing if there is none."""
    try:
        found = json.loads((folder / MANIFEST).read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) and isinstance(found.get("files"), dict) else {}


def listed_files(folder: Path) -> list[str]:
    """The files that the manifest names, by their paths inside the folder; never one outside it."""
    names = manifest(folder).get("files", {})
    return [name for name in names if not Path(name).is_absolute() and ".." not in Path(name).parts]


def _put(path: Path, content: bytes) -> None:
    try:
        if path.read_bytes() == content:
            return
    except OSError:
        pass  # not there, or not readable: writing says what is wrong
    write_durably(path, content)
