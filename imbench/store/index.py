"""The index of a store: rows of many jobs in few files, which follow from the files of the jobs."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
import pyarrow as pa

from imbench.contract.errors import StoreError
from imbench.scoring.columns import schema
from imbench.scoring.metrics import METRICS
from imbench.scoring.rules import RULES
from imbench.store.blocks import InMemory, blocks, jobs_of
from imbench.store.files import Stamp, listed, write_durably
from imbench.store.marker import INDEX

# Raised when the files of an index change; those of another version are ignored.
VERSION = 1
# Jobs in one block of rows.
MOST_JOBS = 2_000
# New jobs that are worth a block; fewer are read from their own files, which takes some milliseconds each.
FEWEST_JOBS = 64
# Blocks with fewer jobs than half of `MOST_JOBS` that are kept apart before they are joined.
MOST_SMALL = 8
# A file that changed this recently may change again without another stamp: clocks of file systems are coarse.
SETTLED = 2.0
# A file of rows without its file of jobs this long was left by a process that was killed.
_ABANDONED = 3600.0

_ABOUT = b"imbench.index"
_STAMPS = ("bytes", "modified", "changed", "inode")


class _About(msgspec.Struct):
    """What a file of jobs states: the hash of what its rows depend on, its file of rows, and their columns."""

    version: str
    rows: str
    layouts: list[list[tuple[str, str]]]


class Seen(NamedTuple):
    """The files of a job as they were when its rows were read.

    Parameters
    ----------
    key : the job
    failed : whether these are the rows of its failure
    stamps : of its file of rows (of its failure), and of its predictions (`NO_STAMP` for a failure)
    """

    key: str
    failed: bool
    stamps: tuple[Stamp, Stamp]


class LostError(Exception):
    """A file of the index that is damaged or was deleted meanwhile.

    Parameters
    ----------
    file : its path
    """

    def __init__(self, file: Path) -> None:
        super().__init__(str(file))
        self.file = file


@dataclass(frozen=True, eq=False)
class Stored:
    """A block of rows in the index (`imbench.store.blocks.Block`).

    Parameters
    ----------
    folder : the index
    file : the file of its jobs; its name is the hash of its content
    jobs, layouts : see `imbench.store.blocks.Block`; ``jobs`` also states the stamps of files
    rows : name of the file of rows
    """

    folder: Path
    file: Path
    jobs: pa.Table
    layouts: Sequence[pa.Schema]
    rows: str

    @cached_property
    def seen(self) -> list[Seen]:
        """The files of each job."""
        stamps = (
            zip(*(self.jobs[f"{of}_{name}"].to_pylist() for name in _STAMPS), strict=True)
            for of in ("rows", "predictions")
        )
        keys, failed = (self.jobs[name].to_pylist() for name in ("key", "failed"))
        return [Seen(*one) for one in zip(keys, failed, zip(*stamps, strict=True), strict=True)]

    def table(self) -> pa.Table:
        """The rows of all jobs; raises `LostError` if they cannot be read."""
        return _read(self.folder / self.rows)


def stored_blocks(store: Path) -> list[Stored]:
    """The blocks in the index of a store; files that are damaged or of another version are ignored."""
    found = []
    present = rows_version()
    with contextlib.suppress(StoreError):
        for file in listed(store / INDEX):
            if file.name.endswith(".jobs.parquet"):
                with contextlib.suppress(LostError, msgspec.DecodeError, KeyError):
                    jobs = _read(file)
                    about = msgspec.json.decode(jobs.schema.metadata[_ABOUT], type=_About)
                    if about.version == present:
                        layouts = [pa.schema([(n, pa.type_for_alias(kind)) for n, kind in of]) for of in about.layouts]
                        found.append(Stored(file.parent, file, jobs, layouts, about.rows))
    return found


def rows_version() -> str:
    """A hash of what the rows of a job depend on besides its files: columns, metrics, decision rules, imbench."""
    versions = [sorted((name, entry.version) for name, entry in table.items()) for table in (METRICS, RULES)]
    return sha256(repr([VERSION, version("imbench"), str(schema()), versions]).encode()).hexdigest()


def may_be_indexed(layout: pa.Schema) -> bool:
    """Whether rows with these columns have the types that an index stores."""
    return all(kind in (pa.string(), pa.int64(), pa.float64(), pa.bool_(), pa.null()) for kind in layout.types)


def is_settled(stamp: Stamp, now: float) -> bool:
    """Whether a change after this moment, in seconds since 1970, would show in the stamp."""
    return max(stamp[1], stamp[2]) < (now - SETTLED) * 1e9


def add_block(store: Path, block: InMemory, seen: Sequence[Seen]) -> Stored:
    """Write a block to the index; raises `StoreError` if it cannot be written."""
    folder = store / INDEX
    rows = _write(folder, "rows", block.rows)
    columns = {
        f"{of}_{name}": np.array([one.stamps[part][i] for one in seen], dtype=np.int64)
        for part, of in enumerate(("rows", "predictions"))
        for i, name in enumerate(_STAMPS)
    }
    jobs = block.jobs
    for name, values in columns.items():
        jobs = jobs.append_column(name, pa.array(values))
    return _with_jobs(folder, jobs, block.layouts, rows)


def _with_jobs(folder: Path, jobs: pa.Table, layouts: Sequence[pa.Schema], rows: str) -> Stored:
    columns = [[(field.name, str(field.type)) for field in layout] for layout in layouts]
    about = msgspec.json.encode(_About(rows_version(), rows, columns))
    jobs = jobs.replace_schema_metadata({_ABOUT: about})
    return Stored(folder, folder / _write(folder, "jobs", jobs), jobs, layouts, rows)


def tidied(store: Path, given: Sequence[tuple[Stored, Sequence[int]]]) -> list[Stored]:
    """The blocks of an index after those without valid jobs are deleted, and small ones joined if they are many.

    Parameters
    ----------
    given : all blocks, each with the places of its jobs that are valid
    """
    kept = [block for block, places in given if places]
    small = [(block, places) for block, places in given if 0 < len(places) < MOST_JOBS // 2]
    if len(small) > MOST_SMALL:
        with contextlib.suppress(LostError, StoreError):
            joined = _joined(store, small)
            kept = [block for block in kept if all(block is not other for other, _ in small)] + joined
    needed = {name for block in kept for name in (block.file.name, block.rows)}
    for name in {name for block, _ in given for name in (block.file.name, block.rows)} - needed:
        _delete(store / INDEX / name)
    for file in listed(store / INDEX):
        with contextlib.suppress(OSError):
            if file.name not in needed and file.stat().st_mtime < time.time() - _ABANDONED:
                _delete(file)
    return kept


def _joined(store: Path, several: Sequence[tuple[Stored, Sequence[int]]]) -> list[Stored]:
    """The valid jobs of several blocks in as few blocks as there can be."""
    tables: dict[tuple[str, bool], pa.Table] = {}
    seen: dict[tuple[str, bool], Seen] = {}
    for block, places in several:
        rows = block.table()
        texts = [f.name for f in rows.schema if pa.types.is_dictionary(f.type)]
        rows = rows.cast(pa.schema([f.with_type(pa.string()) if f.name in texts else f for f in rows.schema]))
        by_layout = [rows.select(layout.names) for layout in block.layouts]
        first, counts, layout = (block.jobs[name].to_pylist() for name in ("first", "rows", "layout"))
        for place in places:
            job = block.seen[place].key, block.seen[place].failed
            tables[job] = by_layout[layout[place]].slice(first[place], counts[place])
            seen[job] = block.seen[place]
    return [
        add_block(store, block, [seen[job] for job in jobs_of(block)])
        for start in range(0, len(tables), MOST_JOBS)
        for block in blocks(dict(list(tables.items())[start : start + MOST_JOBS]))
    ]


def _write(folder: Path, kind: str, table: pa.Table) -> str:
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    texts = [field.name for field in table.schema if pa.types.is_dictionary(field.type)]
    pq.write_table(table, sink, compression="zstd", compression_level=1, use_dictionary=texts, write_statistics=False)
    content = sink.getvalue().to_pybytes()
    name = f"{sha256(content).hexdigest()}.{kind}.parquet"
    write_durably(folder / name, content)
    return name


def _read(file: Path) -> pa.Table:
    """The table in a file whose name is the hash of its content."""
    import pyarrow.parquet as pq

    try:
        content = file.read_bytes()
    except OSError as error:
        raise LostError(file) from error
    if sha256(content).hexdigest() != file.name.partition(".")[0]:
        raise LostError(file)
    return pq.ParquetFile(pa.BufferReader(content), pre_buffer=False).read()


def _delete(file: Path) -> None:
    with contextlib.suppress(OSError):
        file.unlink(missing_ok=True)
