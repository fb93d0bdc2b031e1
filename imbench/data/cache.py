"""The per-user cache: one canonical Parquet file a copy, named by its own hash, so that each load can prove it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from imbench.contract.errors import DataError
from imbench.contract.records import Card
from imbench.data.canonical import Table, data_hash

ENVIRONMENT = "IMBENCH_CACHE"
_FORMAT = 1
_KEY = b"imbench"
_ROWS_AT_A_TIME = 4096


@dataclass(frozen=True)
class Copy:
    """One copy of a dataset that lies on this disk.

    Parameters
    ----------
    path : its file
    origin : the kind of source it came from; for a mirror ``mirror:`` and a hash of the mirror's files
    data_hash : SHA-256 of its values in their order (see `imbench.data.canonical.data_hash`)
    """

    path: Path
    origin: str
    data_hash: str


def cache_folder(cache: Path | None = None) -> Path:
    """The cache's folder: the argument, else ``IMBENCH_CACHE``, else the platform's per-user cache folder."""
    if cache is not None:
        return Path(cache).expanduser()
    if os.environ.get(ENVIRONMENT):
        return Path(os.environ[ENVIRONMENT]).expanduser()
    import platformdirs

    return Path(platformdirs.user_cache_dir("imbench"))


def downloads_folder(cache: Path | None = None) -> Path:
    """Where files that hold several datasets are kept."""
    return cache_folder(cache) / "downloads"


def put(table: Table, card: Card, origin: str, cache: Path | None = None) -> Copy:
    """Store a verified copy under a temporary name, then rename it: another process sees all of it or nothing.

    Raises `DataError` if the folder cannot be written to.
    """
    folder = _dataset_folder(card, cache)
    about = {
        "format": _FORMAT,
        "origin": origin,
        "data_hash": data_hash(table),
        "names": table.names,
        "categories": table.categories,
        "labels": table.labels,
        "shape": table.x.shape[1:],
        "image": table.modality.storage == "rows",  # named when images alone were stored so
        "dtype": str(table.x.dtype),
        "card": _card_hash(card),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=".part-", dir=folder)
        os.close(handle)
        try:
            _write(table, about, name)
            path = folder / f"{_kind_in_name(origin)}-{_file_hash(Path(name))}.parquet"
            os.replace(name, path)
        finally:
            Path(name).unlink(missing_ok=True)
    except OSError as error:
        raise DataError(
            f"the data cache {folder} cannot be written to ({error.strerror}); set {ENVIRONMENT} to a folder that can"
        ) from None
    return Copy(path, origin, str(about["data_hash"]))


def copies(card: Card, cache: Path | None = None) -> Iterator[Copy]:
    """The sound copies of this dataset: in the order of the card's sources, then those of mirrors, oldest first.

    So a copy that a mirror brings later does not change what runs without a mirror have been using.
    A file whose content is not what its name says is removed; one that was checked against another card is left out.
    """
    kinds = [_kind_in_name(s.kind) for s in card.sources if s.kind != "mirror"]
    for path in _by_rank(_dataset_folder(card, cache), kinds):
        about = _read_about(path)
        if about is None:
            path.unlink(missing_ok=True)
        elif about.get("format") == _FORMAT and about["card"] == _card_hash(card):
            yield Copy(path, about["origin"], about["data_hash"])


def get(copy: Copy) -> Table | None:
    """Read a copy, or None if it went away since it was found."""
    try:
        with pq.ParquetFile(copy.path) as file:
            about = json.loads(file.schema_arrow.metadata[_KEY])
            read = _rows if about["image"] else _columns
            x, y = read(file, about["shape"], np.dtype(about.get("dtype", "uint8")))
    except (OSError, pa.ArrowException):
        return None
    return Table(x, tuple(about["names"]), tuple(map(tuple, about["categories"])), y, tuple(about["labels"]))


def _columns(file: pq.ParquetFile, shape: Sequence[int], dtype: np.dtype) -> tuple[np.ndarray, np.ndarray]:
    stored = file.read()
    x = np.empty((stored.num_rows, *shape), order="F")
    for j in range(x.shape[1]):
        x[:, j] = stored[f"x{j}"].to_numpy()
    return x, stored["y"].to_numpy().astype(np.int64)


def _rows(file: pq.ParquetFile, shape: Sequence[int], dtype: np.dtype) -> tuple[np.ndarray, np.ndarray]:
    """All rows, of which no second copy is made on the way."""
    rows = file.metadata.num_rows
    x, y = np.empty((rows, *shape), dtype=dtype), np.empty(rows, dtype=np.int64)
    start = 0
    for group in range(file.num_row_groups):  # iter_batches would read ahead and hold it all
        stored = file.read_row_group(group)
        y[start : start + stored.num_rows] = stored["y"].to_numpy()
        for chunk in stored["image"].chunks:
            x[start : start + len(chunk)] = _bytes_of(chunk).view(dtype).reshape(-1, *shape)
            start += len(chunk)
    return x, y


def _bytes_of(chunk: Any) -> np.ndarray:
    """The bytes of an Arrow array of fixed-size binary values, one after the other, not copied."""
    width = chunk.type.byte_width
    values = np.frombuffer(chunk.buffers()[1], dtype=np.uint8)
    return values[chunk.offset * width : (chunk.offset + len(chunk)) * width]


def _write(table: Table, about: dict[str, Any], path: str) -> None:
    if about["image"]:
        flat = np.ascontiguousarray(table.x).reshape(len(table.x), -1)
        width = flat.shape[1] * flat.itemsize
        columns = {"image": pa.Array.from_buffers(pa.binary(width), len(flat), [None, pa.py_buffer(flat)])}
    else:
        columns = {f"x{j}": pa.array(table.x[:, j]) for j in range(table.x.shape[1])}
    stored = pa.table({**columns, "y": pa.array(table.y)}).replace_schema_metadata({_KEY: json.dumps(about)})
    if about["image"]:
        pq.write_table(stored, path, compression="none", row_group_size=_ROWS_AT_A_TIME)  # pixels hardly shrink
    else:
        pq.write_table(stored, path, compression="zstd")
    with open(path, "rb") as file:
        os.fsync(file.fileno())


def _read_about(path: Path) -> dict[str, Any] | None:
    try:
        if _file_hash(path) != path.stem.rpartition("-")[2]:
            return None
        about: dict[str, Any] = json.loads(pq.read_schema(path).metadata[_KEY])
    except (OSError, pa.ArrowException, KeyError, TypeError, ValueError):
        return None
    return about


def _card_hash(card: Card) -> str:
    """What a copy was checked against: a card corrected since asks for a new copy."""
    facts = [card.rows, card.features, card.missing, dict(card.class_counts), card.content, card.categorical]
    # Images only, so that copies of tables made before stay good.
    facts += [dataclasses.astuple(card.pixels)] if card.pixels else []
    # Categories of a user's card may have been read as numbers before.
    facts += ["categories as text"] if card.categorical and card.name.endswith(".toml") else []
    facts += [s.options["content"] for s in card.sources if s.kind == "mirror" and "content" in s.options]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _dataset_folder(card: Card, cache: Path | None) -> Path:
    name = Path(card.name).stem
    if card.name.endswith(".toml"):  # two cards of a user may have one file name
        name += "-" + hashlib.sha256(str(Path(card.name).resolve()).encode()).hexdigest()[:12]
    return cache_folder(cache) / "data" / name


def _kind_in_name(origin: str) -> str:
    """How a copy's file name shows where it is from: the kind of source, which may be ``package/kind``."""
    return origin.partition(":")[0].replace("/", ".")


def _file_hash(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _by_rank(folder: Path, kinds: list[str]) -> list[Path]:
    ranked = []
    for path in folder.glob("*-*.parquet"):
        kind = path.stem.rpartition("-")[0]
        try:
            age = path.stat().st_mtime_ns
        except FileNotFoundError:  # another process found it corrupt
            continue
        ranked.append((kinds.index(kind) if kind in kinds else len(kinds), age, path))
    return [path for _, _, path in sorted(ranked)]
