"""The folder of a reproduction: an index page, and a folder for each item with its page, figures and numbers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imbench.report.tables import csv
from imbench.reproduce.catalogue import ITEMS
from imbench.reproduce.page import index_page, item_page
from imbench.store.folder import check_own, renew

if TYPE_CHECKING:
    import pandas as pd

    from imbench.reproduce.paper_item import PaperItem

_SUMMARY = "item.json"
_INDEX = "index.html"
_CLAIMS = "claims"


def check_folder(folder: Path) -> None:
    """Raise StoreError if the folder's index page would replace a file that imbench did not write."""
    check_own(folder, {_INDEX: b""})


def write_item(item: PaperItem, folder: Path, options: str = "") -> Path:
    """Write an item's files and renew the index page; equal items give equal bytes.

    Parameters
    ----------
    options : options of the command that reproduces the item, for its page

    Returns
    -------
    The item's page.

    Raises
    ------
    StoreError
        If the folder cannot be written, or contains files that imbench did not write.
    """
    files = {_INDEX: item_page(item, options).encode(), _SUMMARY: _json(_summary(item))}
    for figure in item.figures:
        files |= {f"{figure.name}.{kind}": content for kind, content in figure.files.items()}
    for numbers in item.tables:
        files[f"{numbers.name}.csv"] = csv(numbers.frame)
        files[f"{numbers.name}.json"] = _json(_records(numbers.frame))
    renew(folder / item.name, files, {"item": item.name})
    _renew_index(folder)
    return folder / item.name / _INDEX


def _renew_index(folder: Path) -> None:
    """Write the index page of the items in the folder."""
    entries = [json.loads((folder / name / _SUMMARY).read_bytes()) for name in ITEMS if _has(folder, name)]
    renew(folder, {_INDEX: index_page(entries, _claims(folder)).encode()}, {"items": [e["name"] for e in entries]})


def _claims(folder: Path) -> list[dict[str, Any]]:
    """The table of claims as its page shows it; empty if it was not made."""
    if not _has(folder, _CLAIMS):
        return []
    records = json.loads((folder / _CLAIMS / f"{_CLAIMS}.json").read_bytes())
    shown = json.loads((folder / _CLAIMS / _SUMMARY).read_bytes()).get("columns", {}).get(_CLAIMS)
    return [{name: row[name] for name in shown or row} for row in records]


def _has(folder: Path, name: str) -> bool:
    return (folder / name / _SUMMARY).is_file()


def _summary(item: PaperItem) -> dict[str, Any]:
    return {
        "name": item.name,
        "title": item.title,
        "printed": list(item.printed),
        "found": list(item.found),
        "basis": list(item.basis),
        "tables": {numbers.name: numbers.title for numbers in item.tables},
        "columns": {numbers.name: list(numbers.columns) for numbers in item.tables if numbers.columns},
        "figures": {figure.name: {"title": figure.title, "description": figure.description} for figure in item.figures},
    }


def _records(frame: pd.DataFrame) -> list[Mapping[str, Any]]:
    """Rows as plain values, None for undefined ones."""
    plain = frame.astype(object).where(frame.notna(), None)
    return [{str(name): _plain(value) for name, value in row.items()} for row in plain.to_dict("records")]


def _plain(value: Any) -> Any:
    """A NumPy scalar as a Python value; infinity as text, since JSON has none."""
    value = value.item() if hasattr(value, "item") else value
    return str(value) if isinstance(value, float) and value in (float("inf"), float("-inf")) else value


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode()
