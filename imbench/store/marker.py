"""The marker: the file that makes a folder a store and states its layout."""

from __future__ import annotations

import json
import re
from pathlib import Path

from imbench.contract.errors import StoreError, UsageError
from imbench.contract.reading import parse_json, read_file
from imbench.store.files import listed, write_durably
from imbench.store.layout import FOLDERS
from imbench.store.parquet import newer

MARKER = "imbench-store.json"

_OF_JOB = re.compile(r"\.?[0-9a-f]{64}\..*")

# Of the folder's layout; the schema of the results is in every row.
STORE_SCHEMA = 1


def check_marker(folder: Path, create: bool) -> None:
    """Check that a folder is a readable store; with ``create`` begin one in a new or empty folder.

    A folder without files counts as a store without results.

    Raises
    ------
    StoreError
        If there is no store and ``create`` is false, the folder is not a store, or a newer imbench wrote it.
    """
    marker = folder / MARKER
    try:
        is_file, is_store = folder.exists() and not folder.is_dir(), marker.exists()
    except OSError as error:
        raise StoreError(f"cannot read {folder}: {error.strerror}; check its permissions") from error
    if is_file:
        raise StoreError(f"store {folder} is a file; give a folder")
    if not is_store and not create:
        if folder.is_dir() and not _foreign(folder):
            return
        raise StoreError(f"{folder} is not an imbench store (it has no {MARKER}); give the folder of an earlier run")
    if not is_store:
        _begin(marker)
    schema = _schema(marker)
    if not isinstance(schema, int) or schema > STORE_SCHEMA:
        raise newer(folder, schema, STORE_SCHEMA)


def check_present(folder: Path) -> None:
    """Check that a store that was opened is still there.

    A file written all the same would be the only one in a new folder, which no marker makes a store.

    Raises
    ------
    StoreError
        If the folder or its marker was removed.
    """
    if not (folder / MARKER).exists():
        raise StoreError(
            f"store {folder} was removed or moved during the run, with the jobs finished so far; "
            "run the same command again to begin a new store"
        )


def _begin(marker: Path) -> None:
    # Another run may be beginning the store at this moment.
    if _foreign(marker.parent) and not marker.exists():
        raise StoreError(f"{marker.parent} is neither empty nor an imbench store; give a new or empty folder")
    write_durably(marker, (json.dumps({"schema": STORE_SCHEMA}) + "\n").encode())


def _foreign(folder: Path) -> bool:
    """Whether the folder has files other than the unfinished marker of a killed run and what is left of a store."""
    return any(not (file.name.startswith(f".{MARKER}~") or _is_left(file)) for file in listed(folder))


def _is_left(path: Path) -> bool:
    """Whether this is a folder of a store: of a store's name, with files of jobs alone."""
    return path.name in FOLDERS and path.is_dir() and all(_OF_JOB.fullmatch(file.name) for file in listed(path))


def _schema(marker: Path) -> object:
    content = read_file(marker, str(marker), StoreError)
    try:
        return parse_json(content, dict[str, object], str(marker))["schema"]
    except (UsageError, KeyError):
        raise StoreError(
            f'{marker} does not state the schema of the store; it should be {{"schema": {STORE_SCHEMA}}}'
        ) from None
