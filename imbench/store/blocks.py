"""Rows of many jobs in few tables, and the frame of such tables."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from imbench.contract.protocol import Place
from imbench.scoring.columns import ORIGIN, column_order, schema
from imbench.scoring.outcome import Integers
from imbench.store.columns import Rows, filled_column
from imbench.store.rows import SORTED_BY, as_dictionaries, mixed_columns

if TYPE_CHECKING:
    import pandas as pd

# Columns with one value for all rows of a job.
LABELS = (
    *("dataset", "variant", "task", "ir", "strategy", "protocol", "key", "data_hash", "strategy_version", "kind"),
    *(*ORIGIN, "schema", "numbers", "error", "protocol_fields", "trial", "trial_strategy", "trial_protocol"),
)
# Of each job in a block, besides its labels: whether it failed, its first row, its rows, and its columns.
PLACED = ("failed", "first", "rows", "layout")
# A frame of fewer rows is copied into one array for each type, which is quicker to work with.
_FEW_ROWS = 100_000
# Text of a frame of more rows is categorical: as such it would take as much memory as all numbers.
MANY_ROWS = 1_000_000


class Block(Protocol):
    """Rows of jobs, in memory or in a file."""

    @property
    def jobs(self) -> pa.Table:
        """A row for each job, in the order of their rows: the columns of `LABELS` that they have, and `PLACED`."""

    @property
    def layouts(self) -> Sequence[pa.Schema]:
        """The columns that jobs have, by the number in ``layout``."""

    def table(self) -> pa.Table:
        """The rows of all jobs, each by draw, repeat, fold and training seed."""


@dataclass(frozen=True, eq=False)
class InMemory:
    """A `Block` in memory."""

    jobs: pa.Table
    layouts: Sequence[pa.Schema]
    rows: pa.Table

    def table(self) -> pa.Table:
        """The rows."""
        return self.rows


@dataclass(frozen=True, eq=False)
class Chosen:
    """Jobs of a block, by their ascending places among its jobs."""

    block: Block
    places: Integers

    def jobs(self) -> pa.Table:
        """These rows of the block's `jobs`."""
        jobs = self.block.jobs
        return jobs if len(self.places) == jobs.num_rows else jobs.take(pa.array(self.places))


def blocks(tables: Mapping[tuple[str, bool], pa.Table]) -> list[InMemory]:
    """The rows of jobs as few tables: jobs share one unless they have a column of different types.

    Parameters
    ----------
    tables : rows of each job, by its key and whether it failed
    """
    alike: dict[pa.Schema, list[tuple[str, bool]]] = {}
    for job, rows in tables.items():
        alike.setdefault(rows.schema.remove_metadata(), []).append(job)
    groups: list[dict[pa.Schema, list[tuple[str, bool]]]] = []
    for layout, jobs in alike.items():
        group = next((group for group in groups if all(_fit(layout, other) for other in group)), None)
        if group is None:
            groups.append(group := {})
        group[layout] = jobs
    return [_block(group, tables) for group in groups]


def jobs_of(block: Block) -> list[tuple[str, bool]]:
    """The key of each job of a block, and whether it failed."""
    keys, failed = (block.jobs[name].to_pylist() for name in ("key", "failed"))
    return list(zip(keys, failed, strict=True))


def part_of(jobs: pa.Table, block: Block, places: Sequence[int]) -> InMemory:
    """Some of a block's jobs, by their ascending places, with their rows.

    Parameters
    ----------
    jobs : the jobs of the block, with columns of `LABELS` and `PLACED` only
    """
    taken = jobs.take(pa.array(places))
    counts = taken["rows"].to_numpy()
    rows = block.table().take(pa.array(_runs(taken["first"].to_numpy(), counts)))
    at = taken.schema.get_field_index("first")
    return InMemory(taken.set_column(at, "first", pa.array(counts.cumsum() - counts)), block.layouts, rows)


def _block(group: Mapping[pa.Schema, Sequence[tuple[str, bool]]], tables: Mapping[Any, pa.Table]) -> InMemory:
    jobs = [job for those in group.values() for job in those]
    of_layout = [pa.concat_tables([_by_fold(tables[job]) for job in those]) for those in group.values()]
    rows = pa.concat_tables(of_layout, promote_options="default").combine_chunks()
    counts = np.array([tables[job].num_rows for job in jobs])
    first = counts.cumsum() - counts
    placed = {
        "failed": np.array([failed for _, failed in jobs]),
        "first": first,
        "rows": counts,
        "layout": np.repeat(np.arange(len(group)), [len(those) for those in group.values()]),
    }
    labels = rows.select([name for name in LABELS if name in rows.schema.names]).take(pa.array(first))
    columns = dict(zip(labels.column_names, labels.columns, strict=True))
    return InMemory(pa.table(columns | placed), list(group), as_dictionaries(rows))


def _fit(layout: pa.Schema, other: pa.Schema) -> bool:
    """Whether the columns that two layouts share have the same types."""
    types = dict(zip(layout.names, layout.types, strict=True))
    return all(types.get(field.name, field.type) == field.type for field in other)


def _by_fold(rows: pa.Table) -> pa.Table:
    """The rows of one job by draw, repeat, fold and training seed, without metadata."""
    numbers = [rows[name].to_numpy() for name in Place._fields if name in rows.column_names]
    order = np.lexsort(numbers[::-1])
    rows = rows.replace_schema_metadata(None)
    return rows if bool((order[:-1] < order[1:]).all()) else rows.take(pa.array(order))


def job_frame(chosen: Sequence[Chosen], columns: Collection[str]) -> pd.DataFrame:
    """One row for each job, with these of its `LABELS` and sorted as its rows in `frame`; text is categorical."""
    import pandas as pd

    names = [name for name in LABELS if name in columns]
    whole = list(map(Chosen.jobs, chosen))
    several = [jobs.select([name for name in names if name in jobs.column_names]) for jobs in whole]
    kinds = _kinds([schema(), *(jobs.schema for jobs in several)])
    order = _order(whole)
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    places = np.split(place, np.cumsum([jobs.num_rows for jobs in several])[:-1])
    filled = {name: filled_column(name, kinds[name], len(order)) for name in names}
    for jobs, to in zip(several, places, strict=False):
        rows = Rows(to, len(order))
        for name, values in zip(jobs.column_names, jobs.columns, strict=True):
            filled[name].add(values, rows)
    return pd.DataFrame({name: column.made(categorical=True) for name, column in filled.items()})


def frame(chosen: Sequence[Chosen], columns: Collection[str] | None = None) -> pd.DataFrame:
    """The rows of these jobs by `SORTED_BY`, with the columns of any job and of every store.

    A column that is text in one job is text in all. Blocks are read one after another into the arrays of the frame,
    so that no more memory is needed than for the frame and one block.

    Parameters
    ----------
    columns : names of columns, in any order; text is then categorical. None: all, and text is categorical in more
        than `MANY_ROWS` rows
    """
    import pandas as pd

    chosen = [one for one in chosen if len(one.places)]
    kinds = _kinds([schema(), *(layout for one in chosen for layout in _layouts(one))])
    names = [name for name in column_order(kinds) if columns is None or name in columns]
    mixed = mixed_columns(kinds)
    taken, places, size = _places(chosen)
    filled = {name: filled_column(name, {pa.string()} if name in mixed else kinds[name], size) for name in names}
    # While one block is copied, a thread reads the next: most of that is hashing and unpacking, outside of Python.
    for one, table, rows, to in zip(chosen, _ahead([one.block.table for one in chosen]), taken, places, strict=True):
        # Other jobs of the block may have columns of other types that these jobs lack.
        has = {name for layout in _layouts(one) for name in layout.names}
        table = table.select([name for name in names if name in has])
        if table.num_rows > len(rows):  # the rows of a block are in order: if they are as many, they are all
            table = table.take(pa.array(rows))
        into = Rows(to, size)
        for name, values in zip(table.column_names, table.columns, strict=True):
            filled[name].add(values, into)
    categorical = columns is not None or size > MANY_ROWS
    made = {name: filled.pop(name).made(categorical=categorical and name not in mixed) for name in names}
    found = pd.DataFrame(made, columns=pd.Index(names, dtype="str"), index=pd.RangeIndex(size), copy=False)
    return found if size > _FEW_ROWS else found.copy()


def _ahead(calls: Sequence[Callable[[], pa.Table]]) -> Iterator[pa.Table]:
    """The results of calls, each made by a thread while the one before is used."""
    with ThreadPoolExecutor(1) as pool:
        waiting = [pool.submit(call) for call in calls[:1]]
        for call in calls[1:]:
            result = waiting.pop().result()
            waiting.append(pool.submit(call))
            yield result
        yield from (last.result() for last in waiting)


def _kinds(layouts: Iterable[pa.Schema]) -> dict[str, set[pa.DataType]]:
    """The types of each column."""
    kinds: dict[str, set[pa.DataType]] = {}
    for layout in layouts:
        for field in layout:
            kinds.setdefault(field.name, set()).add(field.type)
    return kinds


def _layouts(chosen: Chosen) -> list[pa.Schema]:
    return [chosen.block.layouts[number] for number in np.unique(chosen.jobs()["layout"].to_numpy())]


def _places(chosen: Sequence[Chosen]) -> tuple[list[Integers], list[Integers], int]:
    """For each block: numbers of its rows that are chosen, and their numbers in the frame; and rows of the frame."""
    if not chosen:
        return [], [], 0
    jobs = [one.jobs() for one in chosen]
    counts = np.concatenate([table["rows"].to_numpy() for table in jobs])
    order = _order(jobs)
    start = np.empty(len(order), dtype=np.int64)
    start[order] = np.cumsum(counts[order]) - counts[order]
    ends = np.cumsum([table.num_rows for table in jobs])[:-1]
    taken = [_runs(table["first"].to_numpy(), table["rows"].to_numpy()) for table in jobs]
    to = [_runs(first, table["rows"].to_numpy()) for first, table in zip(np.split(start, ends), jobs, strict=True)]
    return taken, to, int(counts.sum())


def _runs(first: Integers, counts: Integers) -> Integers:
    """Whole numbers in runs of these lengths, from these first numbers on.

    >>> _runs(np.array([5, 0]), np.array([2, 3])).tolist()
    [5, 6, 0, 1, 2]
    """
    ends = np.cumsum(counts)
    runs: Integers = np.repeat(first - ends + counts, counts) + np.arange(ends[-1] if len(ends) else 0)
    return runs


def _order(tables: Sequence[pa.Table]) -> Integers:
    """Places of the jobs of these tables, one after another, in the order of `SORTED_BY`, by their labels."""
    if not tables:
        return np.zeros(0, dtype=np.int64)
    before = SORTED_BY[: SORTED_BY.index("key")]
    ranks = _ranks(tables, before)
    order: Integers = np.lexsort(ranks[::-1])
    ranked = np.array(ranks)[:, order]
    alike = (ranked[:, 1:] == ranked[:, :-1]) | (np.isnan(ranked[:, 1:]) & np.isnan(ranked[:, :-1]))
    if alike.all(axis=0).any():
        # Ranking keys takes longer than all the rest, and seldom have two jobs all else in common.
        order = np.lexsort([*_ranks(tables, SORTED_BY[len(before) :])[::-1], *ranks[::-1]])
    return order


def _ranks(tables: Sequence[pa.Table], names: Collection[str]) -> list[npt.NDArray[Any]]:
    """The numbers by which jobs are sorted, for each of these labels that they have."""
    import pyarrow.compute as pc

    several = [table.select([name for name in names if name in table.column_names]) for table in tables]
    ranks: list[npt.NDArray[Any]] = []
    for column in pa.concat_tables(several, promote_options="permissive").columns:
        if pa.types.is_floating(column.type):
            ranks.append(column.to_numpy())
            continue
        # Only distinct texts are ranked: there are few.
        encoded = column.combine_chunks().dictionary_encode()
        of_texts = np.append(pc.rank(encoded.dictionary).to_numpy(), len(encoded.dictionary) + 1)
        ranks.append(of_texts[encoded.indices.fill_null(len(of_texts) - 1).to_numpy()])
    return ranks
