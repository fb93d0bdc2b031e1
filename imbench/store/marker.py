"""The marker: the file that says a folder is a store, and of which layout."""

from __future__ import annotations

import json
from pathlib import Path

from imbench.contract.errors import StoreError
from imbench.store.files import listed, write_durably
from imbench.store.parquet import newer

MARKER = "imbench-store.json"

# Of the folder's layout; the schema of the results themselves is in every row.
STORE_SCHEMA = 1


def check_marker(folder: Path, create: bool) -> None:
    """See that this folder is a store that can be read; begin one in a new or empty folder if ``create`` is true.

    A folder without any file is a store without results, which the first run begins.

    Raises
    ------
    StoreError
        If there is none and none may be made, the folder is something else, or a newer imbench wrote it.
    """
    marker = folder / MARKER
    try:
        is_file, is_store = folder.exists() and not folder.is_dir(), marker.exists()
    except OSError as error:
        raise StoreError(f"cannot look into {folder}: {error.strerror}; check its permissions") from error
    if is_file:
        raise StoreError(f"store {folder} is a file; give a folder")
    if not is_store and not create:
        if folder.is_dir() and not _foreign(folder):
            return
        raise StoreError(f"{folder} is no imbench store (it has no {MARKER}); give the folder of an earlier run")
    if not is_store:
        _begin(marker)
    schema = _schema(marker)
    if not isinstance(schema, int) or schema > STORE_SCHEMA:
        raise newer(folder, schema, STORE_SCHEMA)


def _begin(marker: Path) -> None:
    # Another run may begin the store right now.
    if _foreign(marker.parent) and not marker.exists():
        raise StoreError(f"{marker.parent} is no imbench store and not empty; give a new or empty folder")
    write_durably(marker, (json.dumps({"schema": STORE_SCHEMA}) + "\n").encode())


def _foreign(folder: Path) -> bool:
    """Whether something lies in the folder; a first run that was killed may have left its unfinished marker."""
    return any(not file.name.startswith(f".{MARKER}~") for file in listed(folder))


def _schema(marker: Path) -> object:
    try:
        return json.loads(marker.read_text("utf-8"))["schema"]
    except OSError as error:
        raise StoreError(f"cannot read {marker}: {error.strerror}; check the folder's permissions") from error
    except (ValueError, KeyError, TypeError):
        raise StoreError(
            f'{marker} does not say the store\'s schema; it should read {{"schema": {STORE_SCHEMA}}}'
        ) from None
