"""A folder of generated files with a manifest of their hashes, updated in place."""

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
    """Write these files and a manifest with their hashes and these facts.

    Unchanged files are not written again, files of the previous manifest that are not among these are deleted, and all
    other files in the folder stay.

    Raises
    ------
    StoreError
        If a file would replace one that the previous manifest does not name, or the folder cannot be written.
    """
    check_own(folder, files)
    for name in sorted(set(listed_files(folder)) - set(files)):
        (folder / name).unlink(missing_ok=True)
    for name, content in files.items():
        _put(folder / name, content)
    known = {
        name: {"sha256": hashlib.sha256(files[name]).hexdigest(), "bytes": len(files[name])} for name in sorted(files)
    }
    # Last, so that it never names files that do not exist yet.
    _put(folder / MANIFEST, (json.dumps({**facts, "files": known}, indent=1, ensure_ascii=False) + "\n").encode())


def check_own(folder: Path, files: Mapping[str, Any]) -> None:
    """Raise StoreError if one of these files exists and was not written by `renew`."""
    known = listed_files(folder)
    foreign = [name for name in files if name not in known and (folder / name).exists()]
    if foreign:
        raise StoreError(f"{folder / foreign[0]} was not written by imbench; choose another folder or move that file")


def manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a folder; empty if there is none."""
    try:
        found = json.loads((folder / MANIFEST).read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) and isinstance(found.get("files"), dict) else {}


def listed_files(folder: Path) -> list[str]:
    """The files that the manifest names, by their paths inside the folder; never a path outside it."""
    names = manifest(folder).get("files", {})
    return [name for name in names if not Path(name).is_absolute() and ".." not in Path(name).parts]


def _put(path: Path, content: bytes) -> None:
    try:
        if path.read_bytes() == content:
            return
    except OSError:
        pass  # missing or unreadable: writing raises the error
    write_durably(path, content)
