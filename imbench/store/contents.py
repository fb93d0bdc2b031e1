"""What a store contains at one moment."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from imbench.contract.errors import StoreError
from imbench.scoring.outcome import Integers
from imbench.store.files import Digests, Intact, listed
from imbench.store.known import Job, Known
from imbench.store.layout import INDEX, LISTED, OF_FINISHED, SUFFIXES
from imbench.store.look import Look
from imbench.store.stamps import NO_STAMP, Stamp, Stamps, size_of, stamps_in

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from imbench.store.blocks import Block, Chosen, InMemory
    from imbench.store.index import Seen, Stored


@dataclass(frozen=True)
class Status:
    """Counts of jobs in a store, and the size of its files.

    Parameters
    ----------
    done, failed : jobs that finished, and jobs that failed and did not finish since
    quarantined : unfinished jobs with damaged or missing files
    bytes : of all files, without the index
    """

    done: int
    failed: int
    quarantined: int
    bytes: int


class Reader(Protocol):
    """How the files of single jobs are read (`imbench.store.store.Store`)."""

    @property
    def path(self) -> Path:
        """The folder of the store."""

    def path_of(self, folder: str, key: str) -> str:
        """The path of a job's file in a folder."""

    def has(self, key: str) -> bool:
        """Whether a job is finished."""

    def current(self, key: str, columns: Collection[str] | None) -> pa.Table | None:
        """The rows of a finished job with these columns (None: all), derived if need be."""

    def failed_rows(self, key: str) -> pa.Table | None:
        """The rows of a failed job."""

    def damaged_in_place(self) -> Mapping[Path, str]:
        """Damaged files that could not be moved away."""

    def digest(self, folder: str, key: str, stamp: Stamp) -> bytes | None:
        """The SHA-256 of a file with this stamp, if it was found intact."""

    def intact_files(self, key: str, known: Digests) -> tuple[Intact, Intact] | None:
        """A finished job's files of rows and predictions, all bytes of them checked; None if a file is damaged."""


class Contents:
    """The jobs of a store when this was made: folders are listed once, and files that the index knows are not read.

    The index is used for a job only if the size, times and number of its files are those of when they were read and
    checked. All others are read and checked, and added to the index if they are many.

    Parameters
    ----------
    store : reads the files of single jobs
    look : a look at its files that began before; None: now
    """

    def __init__(self, store: Reader, look: Look | None = None) -> None:
        self._store = store
        look = look or Look(store.path)
        self._moment = look.moment
        if look.elsewhere:
            _ = self._blocks  # read the index meanwhile
        rows, predictions, failures = look.found()
        self._rows, self._failures = Stamps(rows), Stamps(failures)
        self._predictions = Stamps(predictions, like=self._rows)
        # Jobs found finished, and jobs that cannot be read; whether the index has new blocks.
        self._finished: set[str] = set()
        self._lost: set[Job] = set()
        # SHA-256 of the files of jobs that were read.
        self._digests: dict[str, Digests] = {}
        self._written = False

    @property
    def path(self) -> Path:
        """The folder of the store."""
        return self._store.path

    def damaged_in_place(self) -> Mapping[Path, str]:
        """Damaged files that could not be moved to ``quarantine/``, with what is wrong."""
        return self._store.damaged_in_place()

    def keys(self) -> list[str]:
        """Keys of the finished jobs, sorted."""
        return sorted(self._done())

    def _done(self) -> list[str]:
        known = self._known.finished()
        return [*known, *filter(self.has, self._rows.besides(known))]

    def has(self, key: str) -> bool:
        """Whether a job is finished."""
        if key in self._finished or (key, False) in self._known:
            return True
        if (key, False) in self._lost or key not in self._rows:
            return False
        found = self._store.has(key)
        if found:
            self._finished.add(key)
        else:
            self._lost.add((key, False))
        return found

    def failed_keys(self) -> list[str]:
        """Keys of the jobs that failed and did not finish since, sorted."""
        return sorted(key for key in self._failures if (key, True) not in self._lost and not self.has(key))

    def incomplete(self) -> list[str]:
        """Keys of unfinished jobs with damaged or missing files: in quarantine, or rows without predictions; sorted."""
        unfinished = {key for key in self._rows.besides(self._known.finished()) if not self.has(key)}
        aside = {file.name.split(".")[0] for file in listed(self._store.path / "quarantine")}
        in_place = {file.stem for file in self._store.damaged_in_place()}
        return sorted(unfinished | {key for key in aside | in_place if not self.has(key)})

    def status(self) -> Status:
        """Counts of finished, failed and damaged jobs, and the size of the store."""
        aside = self.incomplete()
        return Status(len(self._done()), len(self.failed_keys()), len(aside), self._bytes(moved=bool(aside)))

    def jobs(
        self,
        keys: Collection[str] | None = None,
        columns: Collection[str] | None = None,
        failed: Collection[str] = (),
    ) -> pd.DataFrame:
        """One row for each job that `frame` has rows of, in the same order, with columns that describe jobs.

        Text is categorical.

        Parameters
        ----------
        columns : names among `imbench.store.blocks.LABELS`; None: all of them
        keys, failed : see `frame`
        """
        from imbench.store.blocks import LABELS, job_frame

        return job_frame(self._chosen(keys, failed, LABELS), LABELS if columns is None else columns)

    def frame(
        self,
        keys: Collection[str] | None = None,
        columns: Collection[str] | None = None,
        failed: Collection[str] = (),
    ) -> pd.DataFrame:
        """The rows of jobs; see `imbench.store.store.Store.frame`."""
        from imbench.store.blocks import frame
        from imbench.store.index import LostError
        from imbench.store.rows import SORTED_BY

        read = None if columns is None else frozenset({*columns, *SORTED_BY})
        while True:
            try:
                return frame(self._chosen(keys, failed, read), columns)
            except LostError as lost:
                self._forget(lost.file)

    @cached_property
    def _blocks(self) -> list[Block]:
        """The blocks of the index; those that are read later are added."""
        from imbench.store.index import stored_blocks

        return list(stored_blocks(self._store.path))

    @cached_property
    def _known(self) -> Known:
        """The jobs whose rows were read, if their files did not change."""
        found = Known()
        self._find(found)
        return found

    def _find(self, known: Known) -> None:
        from imbench.store.index import Stored

        stuck = {(file.stem, file.parent.name == "failed") for file in self._store.damaged_in_place()}
        # Of several blocks with a job the first is used, unless it was read just now.
        for number, block in reversed(list(enumerate(self._blocks))):
            if isinstance(block, Stored):
                places = np.flatnonzero((block.stamps == self._stamps_of(block)).all(axis=(1, 2)))
                known.add(number, block.keys, block.failed, places)
        for job in stuck:
            known.discard(job)
        for number, block in enumerate(self._blocks):
            if not isinstance(block, Stored):
                self._place(number, known)

    def _stamps_of(self, block: Stored) -> Integers:
        """The stamps of both files of each job of a block now: (jobs, 2, 4)."""
        rows, predictions = self._rows.of(block.keys, self._predictions)
        if any(block.failed):
            failed = np.flatnonzero(block.failed)
            (rows[failed],) = self._failures.of([block.keys[place] for place in failed.tolist()])
            predictions[failed] = NO_STAMP
        return np.stack([rows, predictions], axis=1)

    def _place(self, number: int, known: Known) -> None:
        from imbench.store.blocks import jobs_of

        keys, failed = zip(*jobs_of(self._blocks[number]), strict=True)
        known.add(number, keys, failed, np.arange(len(keys)))

    def _stamps(self, job: Job) -> tuple[Stamp | None, Stamp | None]:
        key, failed = job
        return (self._failures.get(key), NO_STAMP) if failed else (self._rows.get(key), self._predictions.get(key))

    def _chosen(
        self, keys: Collection[str] | None, failed: Collection[str], columns: Collection[str] | None
    ) -> list[Chosen]:
        """The blocks with the rows of jobs, in which columns that files lack are derived if they are among these."""
        from imbench.store.blocks import Chosen

        asked, as_failed = None if keys is None else frozenset(keys), frozenset(failed)
        wanted: Set[str] | None = None
        if asked is not None or as_failed:
            wanted = self._rows.besides(as_failed)
            wanted = wanted if asked is None else wanted & asked
        known = self._known.finished()
        unread = self._rows.besides(known) if wanted is None else wanted - known
        passing = self._read([(key, False) for key in sorted(unread)], columns)
        among = sorted(key for key in self._failures if asked is None or key in asked)
        failures = [key for key in among if key in as_failed or not self.has(key)]
        passing += self._read([(key, True) for key in failures], columns)
        kept = [Chosen(self._blocks[number], places) for number, places in self._known.places(wanted, failures).items()]
        return [*kept, *(Chosen(block, np.arange(block.jobs.num_rows)) for block in passing)]

    def _read(self, jobs: Iterable[Job], columns: Collection[str] | None) -> list[Block]:
        """Read the jobs that are not known; blocks of those that lack columns other than these, which are not kept."""
        from imbench.store.index import MOST_JOBS

        found: dict[Job, pa.Table] = {}
        passing: list[Block] = []
        known, lost = self._known, self._lost
        for job in [job for job in jobs if job not in known and job not in lost]:
            rows = self._rows_of(job, columns)
            if rows is None:
                self._lost.add(job)
                continue
            found[job] = rows
            if len(found) == MOST_JOBS:
                passing += self._add(found, columns)
                found = {}
        passing += self._add(found, columns)
        if self._written:
            self._written = False
            self._tidy()
        return passing

    def _rows_of(self, job: Job, columns: Collection[str] | None) -> pa.Table | None:
        from imbench.store.derive import with_drawn, with_origin
        from imbench.store.parquet import digest_of_predictions

        key, failed = job
        rows = self._store.failed_rows(key) if failed else self._store.current(key, columns)
        if rows is not None and not failed:
            self._finished.add(key)
            checked = [self._digest(folder, key) for folder in OF_FINISHED]
            self._digests[key] = checked[0], checked[1] or digest_of_predictions(rows)
        return None if rows is None else with_drawn(with_origin(rows))

    def _digest(self, folder: str, key: str) -> bytes | None:
        stamp = (self._rows if folder == "jobs" else self._predictions).get(key)
        return None if stamp is None else self._store.digest(folder, key, stamp)

    def intact_files(self, key: str) -> tuple[Intact, Intact] | None:
        """A finished job's files of rows and predictions, all bytes of them checked; None if a file is damaged.

        Files with the SHA-256 that they had when they were found intact are not parsed again.
        """
        return self._store.intact_files(key, self._digests_of(key))

    def known_files(self, key: str) -> tuple[tuple[str, bytes], tuple[str, bytes]] | None:
        """Path and SHA-256 of both files of a finished job; None if one of them was not found intact before."""
        rows, predictions = self._digests_of(key)
        if rows is None or predictions is None:
            return None
        first, second = (self._store.path_of(folder, key) for folder in OF_FINISHED)
        return (first, rows), (second, predictions)

    def files_of_rows(self, keys: Iterable[str], store: Path) -> list[tuple[str, bytes, str]]:
        """Files of the index that another store takes as they are with these jobs (`Stored.files_of_rows`)."""
        from imbench.store.index import Stored, is_adopted_whole

        jobs: Counter[int] = Counter()
        for key in keys:
            if (where := self._known.place((key, False))) is not None:
                jobs[where[0]] += 1
        taken = ((self._blocks[number], count) for number, count in jobs.items())
        return [
            block.files_of_rows(store) for block, n in taken if isinstance(block, Stored) and is_adopted_whole(block, n)
        ]

    def intact_sources(self, keys: Sequence[str]) -> dict[str, str]:
        """The source hash of each of these jobs with `intact_files`, ``unknown`` if it was not recorded."""
        intact = [key for key in keys if key in self._rows and self.intact_files(key)]
        if not intact:
            return {}
        rows = self.jobs(intact, columns=("key", "source_hash"))
        return dict(zip(rows["key"].tolist(), rows["source_hash"].tolist(), strict=True))

    def _digests_of(self, key: str) -> Digests:
        from imbench.store.index import Stored

        number, place = self._known.place((key, False)) or (None, 0)
        block = None if number is None else self._blocks[number]
        return block.digests[place] if isinstance(block, Stored) else self._digests.get(key, (None, None))

    def take_over(self, copies: Mapping[str, Copied]) -> None:
        """Index jobs that were copied here, with the rows that the contents they were copied from know."""
        import pyarrow as pa

        from imbench.store.index import FEWEST_JOBS, LostError, adopt_block

        parts: dict[tuple[Contents, int], list[int]] = {}
        for key, copy in copies.items():
            now = self._stamps((key, False))
            mine = tuple(None if stamp is None else (stamp[0], stamp[1], stamp[3]) for stamp in now)
            where = copy.source._known.place((key, False))
            same = where is not None and copy.source._digests_of(key)[0] == copy.digests[0] and mine == copy.files
            if where is not None and same and self._is_settled((key, False)):
                self._digests[key] = copy.digests
                parts.setdefault((copy.source, where[0]), []).append(where[1])
        if sum(map(len, parts.values())) < FEWEST_JOBS:
            return

        def adopted(part: tuple[Contents, int]) -> Stored | None:
            block, places = part[0]._blocks[part[1]], sorted(parts[part])
            seen = [self._seen((key, False)) for key in block.jobs["key"].take(pa.array(places)).to_pylist()]
            with contextlib.suppress(LostError, StoreError):  # then the next command reads these jobs
                return adopt_block(self.path, block, places, seen)
            return None

        with ThreadPoolExecutor(2) as pool:  # most of it is hashing, and waiting for the disk
            new = [block for block in pool.map(adopted, parts) if block is not None]
        self._keep(new)
        self._written |= bool(new)
        if self._written:
            self._tidy()

    def _add(self, tables: Mapping[Job, pa.Table], columns: Collection[str] | None) -> list[Block]:
        """Keep the rows of jobs that have all columns, in the index if they are many; blocks of the others."""
        from imbench.store.blocks import blocks
        from imbench.store.derive import lacking
        from imbench.store.index import FEWEST_JOBS, may_be_indexed

        whole = {job: rows for job, rows in tables.items() if columns is None or job[1] or not lacking(rows)}
        settled = {job: rows for job, rows in whole.items() if self._is_settled(job) and may_be_indexed(rows.schema)}
        if len(settled) < FEWEST_JOBS:
            settled = {}
        self._keep(self._stored(block) for block in blocks(settled))
        self._keep(blocks({job: rows for job, rows in whole.items() if job not in settled}))
        return list(blocks({job: rows for job, rows in tables.items() if job not in whole}))

    def _keep(self, new: Iterable[Block]) -> None:
        for block in new:
            self._blocks.append(block)
            self._place(len(self._blocks) - 1, self._known)

    def _stored(self, block: InMemory) -> Block:
        """The block in the index, or the same where that cannot be written."""
        from imbench.store.blocks import jobs_of
        from imbench.store.index import add_block

        try:
            stored = add_block(self._store.path, block, list(map(self._seen, jobs_of(block))))
        except StoreError:
            return block
        self._written = True
        return stored

    def _seen(self, job: Job) -> Seen:
        from imbench.store.index import Seen

        rows, predictions = self._stamps(job)
        digests = (None, None) if job[1] else self._digests[job[0]]
        return Seen(*job, (rows or NO_STAMP, predictions or NO_STAMP), digests)

    def _is_settled(self, job: Job) -> bool:
        """Whether any later change of the files of a job will show in their stamps."""
        from imbench.store.index import is_settled

        return all(stamp is not None and is_settled(stamp, self._moment) for stamp in self._stamps(job))

    def _tidy(self) -> None:
        """Join small blocks of the index if they are many, and delete its outdated files."""
        from imbench.store.index import Stored, tidied

        live = {number: places.tolist() for number, places in self._known.places().items()}
        stored = [(block, live.get(i, ())) for i, block in enumerate(self._blocks) if isinstance(block, Stored)]
        self._blocks[:] = [
            *(block for block in self._blocks if not isinstance(block, Stored)),
            *tidied(self._store.path, stored),
        ]
        self._known.clear()
        self._find(self._known)

    def _forget(self, rows: Path) -> None:
        """Read the jobs of a block from their own files, because its rows cannot be read."""
        from imbench.store.index import Stored

        self._blocks[:] = [b for b in self._blocks if not isinstance(b, Stored) or b.rows != rows.name]
        self._known.clear()
        self._find(self._known)

    def _bytes(self, *, moved: bool) -> int:
        """The size of all files but those of the index; ``moved``: whether some were moved since they were listed."""
        known = [self._rows, self._predictions, self._failures]
        if moved:
            known = [stamps_in(self.path / name, SUFFIXES[name]) for name in LISTED]
        return sum(stamps.bytes for stamps in known) + size_of(self.path, without=(*LISTED, INDEX))


@dataclass(frozen=True)
class Copied:
    """The files of a job as they were copied.

    Parameters
    ----------
    source : what the store that they are from contains
    digests : SHA-256 of the rows and of the predictions
    files : size, time of change in nanoseconds, and number of both files
    """

    source: Contents
    digests: Digests
    files: tuple[tuple[int, int, int], tuple[int, int, int]]
