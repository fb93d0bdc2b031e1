"""A folder of generated files with a manifest of their hashes, updated in place."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from imbench.contract.errors import StoreError, UsageError
from imbench.contract.names import is_inside
from imbench.contract.reading import parse_json, read_file
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
    what = f"the manifest {folder / MANIFEST}"
    try:
        found = parse_json(read_file(folder / MANIFEST, what), dict[str, Any], what)
    except UsageError:
        return {}
    return found if isinstance(found.get("files"), dict) else {}


def listed_files(folder: Path) -> list[str]:
    """The files that the manifest names, by their paths inside the folder; never a path outside it."""
    return [name for name in manifest(folder).get("files", {}) if is_inside(name)]


def _put(path: Path, content: bytes) -> None:
    try:
        if path.read_bytes() == content:
            return
    except OSError:
        pass  # missing or unreadable: writing raises the error
    write_durably(path, content)
