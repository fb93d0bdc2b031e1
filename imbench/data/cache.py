"""The per-user data cache: one Parquet file for each copy of a dataset, with its SHA-256 in its name."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from imbench.contract.errors import DataError
from imbench.contract.reading import parse_json
from imbench.contract.records import Card
from imbench.data.canonical import Table, data_hash, split_hashes
from imbench.data.split_columns import SPLIT_COLUMNS

ENVIRONMENT = "IMBENCH_CACHE"
_FORMAT = 1
_KEY = b"imbench"
_ROWS_AT_A_TIME = 4096
_IN_USE: ContextVar[Path | None] = ContextVar("cache", default=None)


@dataclass(frozen=True)
class Copy:
    """A copy of a dataset on this disk.

    Parameters
    ----------
    path : the file
    origin : kind of the source it was fetched from; for a mirror, ``mirror:`` and a hash of the mirror's files
    data_hash : SHA-256 of its values in order (see `imbench.data.canonical.data_hash`)
    split_hashes : hash of each split column by role, ``group`` or ``time``, without columns that the copy lacks
    """

    path: Path
    origin: str
    data_hash: str
    split_hashes: Mapping[str, str] = field(default_factory=dict)


def cache_folder(cache: Path | None = None) -> Path:
    """Folder of the cache: ``cache``, that of `using`, the environment's ``IMBENCH_CACHE``, or the platform's."""
    cache = cache if cache is not None else _IN_USE.get()
    if cache is not None:
        return Path(os.path.expanduser(cache))
    if os.environ.get(ENVIRONMENT):
        return Path(os.path.expanduser(os.environ[ENVIRONMENT]))
    import platformdirs

    return Path(platformdirs.user_cache_dir("imbench"))


@contextlib.contextmanager
def using(cache: Path) -> Iterator[None]:
    """Meanwhile this folder is the cache, also of tables that are read by their spec alone, such as ``openml:31``."""
    before = _IN_USE.set(cache)
    try:
        yield
    finally:
        _IN_USE.reset(before)


def downloads_folder(cache: Path | None = None) -> Path:
    """Folder of downloaded files that contain several datasets."""
    return cache_folder(cache) / "downloads"


def put(table: Table, card: Card, origin: str, cache: Path | None = None) -> Copy:
    """Store a verified copy.

    The file is written under a temporary name and then renamed, so that other processes never see an incomplete file.
    Raises `DataError` if the folder is not writable.
    """
    folder = _dataset_folder(card, cache)
    hashes = split_hashes(table)
    metadata = {
        "format": _FORMAT,
        "origin": origin,
        "data_hash": data_hash(table),
        "names": table.names,
        "categories": table.categories,
        "labels": table.labels,
        "shape": table.x.shape[1:],
        "image": table.modality.storage == "rows",  # the key is older than other modalities stored by row
        "dtype": str(table.x.dtype),
        "card": _card_hash(card),
        "split": hashes,
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=".part-", dir=folder)
        os.close(handle)
        try:
            _write(table, metadata, name)
            path = folder / f"{_kind_in_name(origin)}-{_file_hash(Path(name))}.parquet"
            os.replace(name, path)
        finally:
            Path(name).unlink(missing_ok=True)
    except OSError as error:
        raise DataError(
            f"the data cache {folder} is not writable ({error.strerror}); set {ENVIRONMENT} to a writable folder"
        ) from None
    return Copy(path, origin, str(metadata["data_hash"]), hashes)


def copies(card: Card, cache: Path | None = None) -> Iterator[Copy]:
    """The valid copies of a dataset, in the order of the card's sources, then copies from mirrors, oldest first.

    With this order, a copy that is fetched from a mirror later does not change runs without a mirror. Files whose
    content does not match the hash in their name are deleted. Copies that were verified against another version of the
    card are skipped.
    """
    kinds = [_kind_in_name(s.kind) for s in card.sources if s.kind != "mirror"]
    for path in _by_preference(_dataset_folder(card, cache), kinds):
        metadata = _read_metadata(path)
        if metadata is None:
            path.unlink(missing_ok=True)
        elif metadata.get("format") == _FORMAT and metadata["card"] == _card_hash(card):
            yield Copy(path, metadata["origin"], metadata["data_hash"], metadata.get("split", {}))


def get(copy: Copy) -> Table | None:
    """Read a copy; None if the file was deleted after it was found."""
    try:
        with pq.ParquetFile(copy.path) as file:
            metadata = parse_json(file.schema_arrow.metadata[_KEY], dict[str, Any], f"the copy {copy.path}")
            read = _rows if metadata["image"] else _columns
            x, y = read(file, metadata["shape"], np.dtype(metadata.get("dtype", "uint8")))
            split = {role: file.read([role])[role].to_numpy() for role in metadata.get("split", {})}
    except (OSError, pa.ArrowException):
        return None
    names, categories, labels = (tuple(metadata[key]) for key in ("names", "categories", "labels"))
    return Table(x, names, tuple(map(tuple, categories)), y, labels, **split)


def _columns(file: pq.ParquetFile, shape: Sequence[int], dtype: np.dtype) -> tuple[np.ndarray, np.ndarray]:
    stored = file.read()
    x = np.empty((stored.num_rows, *shape), order="F")
    for j in range(x.shape[1]):
        x[:, j] = stored[f"x{j}"].to_numpy()
    return x, stored["y"].to_numpy().astype(np.int64)


def _rows(file: pq.ParquetFile, shape: Sequence[int], dtype: np.dtype) -> tuple[np.ndarray, np.ndarray]:
    """Read rows that are stored whole, without a second copy in memory."""
    rows = file.metadata.num_rows
    x, y = np.empty((rows, *shape), dtype=dtype), np.empty(rows, dtype=np.int64)
    start = 0
    for group in range(file.num_row_groups):  # iter_batches would read ahead and keep everything in memory
        stored = file.read_row_group(group)
        y[start : start + stored.num_rows] = stored["y"].to_numpy()
        for chunk in stored["image"].chunks:
            x[start : start + len(chunk)] = _bytes_of(chunk).view(dtype).reshape(-1, *shape)
            start += len(chunk)
    return x, y


def _bytes_of(chunk: Any) -> np.ndarray:
    """The bytes of an Arrow array of fixed-size binary values, without copying."""
    width = chunk.type.byte_width
    values = np.frombuffer(chunk.buffers()[1], dtype=np.uint8)
    return values[chunk.offset * width : (chunk.offset + len(chunk)) * width]


def _write(table: Table, metadata: dict[str, Any], path: str) -> None:
    if metadata["image"]:
        flat = np.ascontiguousarray(table.x).reshape(len(table.x), -1)
        width = flat.shape[1] * flat.itemsize
        columns = {"image": pa.Array.from_buffers(pa.binary(width), len(flat), [None, pa.py_buffer(flat)])}
    else:
        columns = {f"x{j}": pa.array(table.x[:, j]) for j in range(table.x.shape[1])}
    columns |= {"y": pa.array(table.y), **{role: pa.array(getattr(table, role)) for role in metadata["split"]}}
    stored = pa.table(columns).replace_schema_metadata({_KEY: json.dumps(metadata)})
    if metadata["image"]:
        pq.write_table(stored, path, compression="none", row_group_size=_ROWS_AT_A_TIME)  # pixels barely compress
    else:
        pq.write_table(stored, path, compression="zstd")
    with open(path, "rb") as file:
        os.fsync(file.fileno())


def _read_metadata(path: Path) -> dict[str, Any] | None:
    try:
        if _file_hash(path) != path.stem.rpartition("-")[2]:
            return None
        metadata = parse_json(pq.read_schema(path).metadata[_KEY], dict[str, Any], f"the copy {path}")
    except (OSError, pa.ArrowException, KeyError, TypeError, ValueError):
        return None
    return metadata


def _card_hash(card: Card) -> str:
    """Hash of the facts that a copy is verified against; if the card is corrected, copies are fetched again."""
    facts = [card.rows, card.features, card.missing, dict(card.class_counts), card.content, card.categorical]
    # For images only, so that existing copies of tabular datasets stay valid.
    facts += [dataclasses.astuple(card.pixels)] if card.pixels else []
    # Earlier versions could read categories of a user's card as numbers.
    facts += ["categories as text"] if card.categorical and card.name.endswith(".toml") else []
    facts += [[role, name] for role in SPLIT_COLUMNS if (name := getattr(card, role))]
    mirror = next((s.options for s in card.sources if s.kind == "mirror"), {})
    facts += [mirror["content"]] if "content" in mirror else []
    facts += [[key, mirror[key]] for key in ("known_order", "in_time_order", "groups_in_turn") if key in mirror]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _dataset_folder(card: Card, cache: Path | None) -> Path:
    name = Path(card.name).stem
    if card.name.endswith(".toml"):  # cards in different folders can have the same file name
        name += "-" + hashlib.sha256(str(Path(card.name).resolve()).encode()).hexdigest()[:12]
    return cache_folder(cache) / "data" / name


def _kind_in_name(origin: str) -> str:
    """The kind of source, which may be ``package/kind``, as it is written in a copy's file name."""
    return origin.partition(":")[0].replace("/", ".")


def _file_hash(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _by_preference(folder: Path, kinds: list[str]) -> list[Path]:
    ranked = []
    for path in folder.glob("*-*.parquet"):
        kind = path.stem.rpartition("-")[0]
        try:
            age = path.stat().st_mtime_ns
        except FileNotFoundError:  # deleted by another process because it was corrupt
            continue
        ranked.append((kinds.index(kind) if kind in kinds else len(kinds), age, path))
    return [path for _, _, path in sorted(ranked)]
