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

# PyArrow would import it at the first conversion of a column, and drop an interrupt that comes meanwhile.
import pandas  # noqa: F401
import pyarrow as pa

from imbench.contract.errors import StoreError
from imbench.scoring.columns import schema
from imbench.scoring.metrics import METRICS
from imbench.scoring.outcome import Integers
from imbench.scoring.rules import RULES
from imbench.store.blocks import LABELS, PLACED, Block, InMemory, blocks, jobs_of, part_of
from imbench.store.files import Digests, listed, write_durably
from imbench.store.layout import INDEX, OF_INDEX
from imbench.store.stamps import Stamp

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
_FILES = ("rows", "predictions")
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
    digests : SHA-256 of these files as far as it is known; that of predictions may be the one that the rows state
    """

    key: str
    failed: bool
    stamps: tuple[Stamp, Stamp]
    digests: Digests


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
    def keys(self) -> list[str]:
        """The key of each job."""
        found: list[str] = self.jobs["key"].to_pylist()
        return found

    @cached_property
    def failed(self) -> list[bool]:
        """Whether each job failed."""
        found: list[bool] = self.jobs["failed"].to_pylist()
        return found

    @cached_property
    def stamps(self) -> Integers:
        """The stamps of both files of each job: (jobs, 2, 4)."""
        columns = [[self.jobs[f"{of}_{name}"].to_numpy() for name in _STAMPS] for of in _FILES]
        return np.moveaxis(np.array(columns, dtype=np.int64), -1, 0)

    def seen(self, place: int) -> Seen:
        """The files of the job in this place."""
        rows, predictions = (tuple(stamp) for stamp in self.stamps[place].tolist())
        return Seen(self.keys[place], self.failed[place], (rows, predictions), self.digests[place])

    @cached_property
    def digests(self) -> list[Digests]:
        """The SHA-256 of both files of each job, as far as it is known."""
        return list(zip(*(self.jobs[f"{of}_sha256"].to_pylist() for of in _FILES), strict=True))

    def files_of_rows(self, store: Path) -> tuple[str, bytes, str]:
        """The path of the file of rows, its SHA-256, and its path in the index of another store."""
        return str(self.folder / self.rows), bytes.fromhex(self.rows.partition(".")[0]), str(store / INDEX / self.rows)

    def has_rows_in(self, store: Path) -> bool:
        """Whether the index of another store has the same file of rows, by its name and size."""
        try:
            return (store / INDEX / self.rows).stat().st_size == (self.folder / self.rows).stat().st_size
        except OSError:
            return False

    def table(self) -> pa.Table:
        """The rows of all jobs; raises `LostError` if they cannot be read."""
        return _read(self.folder / self.rows)


def stored_blocks(store: Path) -> list[Stored]:
    """The blocks in the index of a store; files that are damaged or of another version are ignored."""
    found = []
    present = rows_version()
    with contextlib.suppress(StoreError):
        for file in listed(store / INDEX):
            if file.name.endswith(OF_INDEX):
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


def adopt_block(store: Path, block: Block, places: Sequence[int], seen: Sequence[Seen]) -> Stored:
    """Add these jobs of another store's block to the index, with the same file of rows if they are most of its jobs.

    Raises
    ------
    LostError
        If the rows of the block cannot be read.
    StoreError
        If the index cannot be written.
    """
    jobs = block.jobs.select([name for name in block.jobs.column_names if name in (*LABELS, *PLACED)])
    if not isinstance(block, Stored) or not is_adopted_whole(block, len(places)):
        return add_block(store, part_of(jobs, block, places), seen)
    if not block.has_rows_in(store):
        write_durably(store / INDEX / block.rows, _content(block.folder / block.rows))
    jobs = jobs.take(pa.array(places))
    return _with_jobs(store / INDEX, _with_files(jobs, seen), block.layouts, block.rows)


def is_adopted_whole(block: Stored, jobs: int) -> bool:
    """Whether another store that takes over so many jobs of a block takes its file of rows as it is."""
    return bool(2 * jobs >= block.jobs.num_rows)


def add_block(store: Path, block: InMemory, seen: Sequence[Seen]) -> Stored:
    """Write a block to the index; raises `StoreError` if it cannot be written."""
    folder = store / INDEX
    rows = _write(folder, "rows", block.rows)
    return _with_jobs(folder, _with_files(block.jobs, seen), block.layouts, rows)


def _with_files(jobs: pa.Table, seen: Sequence[Seen]) -> pa.Table:
    """The jobs of a block with the stamps and digests of their files."""
    for part, of in enumerate(_FILES):
        stamps = np.array([one.stamps[part] for one in seen], dtype=np.int64).reshape(-1, len(_STAMPS))
        for name, values in zip(_STAMPS, stamps.T, strict=True):
            jobs = jobs.append_column(f"{of}_{name}", pa.array(values))
        jobs = jobs.append_column(f"{of}_sha256", pa.array([one.digests[part] for one in seen], pa.binary()))
    return jobs


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
            job = block.keys[place], block.failed[place]
            tables[job] = by_layout[layout[place]].slice(first[place], counts[place])
            seen[job] = block.seen(place)
    return [
        add_block(store, block, [seen[job] for job in jobs_of(block)])
        for start in range(0, len(tables), MOST_JOBS)
        for block in blocks(dict(list(tables.items())[start : start + MOST_JOBS]))
    ]


def _write(folder: Path, kind: str, table: pa.Table) -> str:
    """Write a table to a file whose name is the hash of its content, and the name."""
    sink = pa.BufferOutputStream()
    # Not Parquet: reading the numbers of 100,000 jobs would take four times as long.
    with pa.ipc.new_file(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression="lz4")) as file:
        file.write_table(table.unify_dictionaries().combine_chunks())
    content = sink.getvalue().to_pybytes()
    name = f"{sha256(content).hexdigest()}.{kind}.arrow"
    write_durably(folder / name, content)
    return name


def _read(file: Path) -> pa.Table:
    """The table in a file whose name is the hash of its content."""
    return pa.ipc.open_file(pa.BufferReader(_content(file))).read_all()


def _content(file: Path) -> bytes:
    try:
        content = file.read_bytes()
    except OSError as error:
        raise LostError(file) from error
    if sha256(content).hexdigest() != file.name.partition(".")[0]:
        raise LostError(file)
    return content


def _delete(file: Path) -> None:
    with contextlib.suppress(OSError):
        file.unlink(missing_ok=True)
