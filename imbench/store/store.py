"""The store: a folder of immutable files, two for each finished job."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from imbench.contract.errors import StoreError
from imbench.contract.records import Job, Predictions
from imbench.store.contents import Contents, Status
from imbench.store.files import Digests, Intact, listed, marked, remove_stale, write_durably
from imbench.store.layout import DERIVED, FOLDERS, SUFFIXES
from imbench.store.marker import check_marker, check_present
from imbench.store.parquet import (
    DamagedError,
    Identity,
    digest_of_predictions,
    ends_well,
    from_parquet,
    identity_of,
    parsed,
    to_parquet,
    with_digest,
    with_identity,
)
from imbench.store.stamps import Stamp, stamp_of

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from imbench.store.look import Look

T = TypeVar("T")

_DERIVED_FROM = b"imbench.derived_from"


# Damaged files that this process could not move away, each with its stamp and with what is wrong.
_STUCK: dict[Path, tuple[Stamp | None, str]] = {}


@dataclass(frozen=True)
class FailedRetrain:
    """A finished job whose retraining with other source failed or did not finish; its older result is kept.

    Parameters
    ----------
    key, dataset, variant, strategy, version, protocol : the job
    source : the source hash of the older result
    error : why there is no new result
    """

    key: str
    dataset: str
    variant: str
    strategy: str
    version: str
    protocol: str
    source: str
    error: str


@dataclass(frozen=True)
class Store:
    """Results in a folder: for each finished job ``jobs/<key>.parquet``, one row per fold, and its predictions.

    Nothing is locked and no file is changed in place, so several processes may read and write at once, network file
    systems work, and stores can be merged by copying files. A job is finished when both of its files exist and are
    intact; whoever finds a damaged file moves it to ``quarantine/``, with a note that says what is wrong, and its job
    counts as not finished. In a folder that cannot be written it stays, and `damaged_in_place` names it.

    Parameters
    ----------
    path : the folder; `Store.open` checks it
    """

    path: Path
    # Of files found intact, by folder and key: the stamp, so that rows are read in full only once, and the SHA-256.
    _intact: dict[tuple[str, str], tuple[Stamp, bytes]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", Path(self.path))

    @classmethod
    def open(cls, path: str | os.PathLike[str], create: bool = False) -> Store:
        """The store in this folder; with ``create`` it is created if needed and checked to be writable.

        Raises
        ------
        StoreError
            If there is no store, the folder is not a store or cannot be written, or a newer imbench wrote it.
        """
        store = cls(Path(path))
        check_marker(store.path, create)
        if create:
            # A full or read-only disk is better found now than after the first job.
            with marked(store.path):
                pass
            for folder in (store.path, *(store.path / name for name in FOLDERS)):
                remove_stale(folder)
        return store

    def has(self, key: str) -> bool:
        """Whether the job of this key is finished: its rows are readable and its predictions not truncated."""
        known = self._intact.get(("jobs", key))
        if known is not None and known[0] == stamp_of(self.file("jobs", key)):
            return self._in_place(key)
        return self._rows(key) is not None

    def digest(self, folder: str, key: str, stamp: Stamp) -> bytes | None:
        """The SHA-256 of a file with this stamp, if this process wrote it or found it intact."""
        known = self._intact.get((folder, key))
        return known[1] if known is not None and known[0] == stamp else None

    def intact_files(self, key: str, known: Digests = (None, None)) -> tuple[Intact, Intact] | None:
        """A finished job's files of rows and predictions, all bytes of them checked; None if a file is damaged.

        Parameters
        ----------
        known : the SHA-256 of each file when it was found intact before, if it was; equal bytes are not parsed again.
            The rows may state that of the predictions.
        """
        if (rows := self._intact_file("jobs", key, known[0])) is None:
            return None
        predictions = self._intact_file("predictions", key, known[1] or rows.predictions)
        return None if predictions is None else (rows, predictions)

    def _intact_file(self, folder: str, key: str, known: bytes | None) -> Intact | None:
        read = self._content(folder, key)
        if read is None or (_STUCK and _is_stuck(self.file(folder, key))):
            return None
        stamp, content = read
        digest = hashlib.sha256(content).digest()
        if digest == known:
            return Intact(content, digest)
        found = self._parsed(folder, key, stamp, content, partial(_PARSERS[folder], key))
        if found is None:
            return None
        return Intact(content, digest, digest_of_predictions(found) if folder == "jobs" else None)

    def check(self) -> None:
        """Read every file of jobs, predictions and failures in full; what is damaged is set aside."""
        for key in self._named("jobs"):
            if self.intact_files(key) is not None:
                self._kept(key)
        for key in set(self._named("predictions")) - set(self._named("jobs")):
            self._predictions(key)
        for key in self._named("failed"):
            self.failed_rows(key)

    def damaged_in_place(self) -> dict[Path, str]:
        """Damaged files that this process could not move to ``quarantine/``, with what is wrong."""
        mine = {file: reason for file, (_, reason) in _STUCK.items() if file.parent.parent == self.path}
        return {file: reason for file, reason in mine.items() if _is_stuck(file)}

    def source(self, key: str) -> str | None:
        """The source hash of a finished job, ``unknown`` if it was not recorded; None if the job is not finished."""
        from imbench.scoring.columns import UNKNOWN

        rows = self._rows(key)
        if rows is None:
            return None
        return (rows["source_hash"][0].as_py() if "source_hash" in rows.column_names else None) or UNKNOWN

    def contents(self, look: Look | None = None) -> Contents:
        """What the store contains: its jobs, counts and rows, with folders listed only once.

        Parameters
        ----------
        look : a look at its files that began before; None: now
        """
        return Contents(self, look)

    def keys(self) -> list[str]:
        """Keys of the finished jobs, sorted."""
        return self.contents().keys()

    def write(self, job: Job, predictions: Sequence[Predictions], facts: Mapping[str, Any]) -> None:
        """Score and store a finished job; an earlier failure of it is removed.

        Parameters
        ----------
        predictions : predictions of every fold of the job's protocol, in any order
        facts : further columns with one value each (versions, hardware, threads), ``ir``, the imbalance ratio of the
            variant as built, and those of `imbench.scoring.columns.ORIGIN`

        Raises
        ------
        StoreError
            If the disk is full, or the folder cannot be written or was removed; no stored result is lost.
        UsageError
            For predictions that are not probabilities; nothing is written.
        ValueError
            If a fold is missing or repeated, or facts redefine a column.
        """
        from imbench.store.predictions import to_table
        from imbench.store.rows import finished_rows, identity_text

        if sorted(p.place for p in predictions) != job.protocol.places():
            wanted = job.protocol.nets
            raise ValueError(f"predictions must have each of the job's {wanted} folds once, got {len(predictions)}")
        check_present(self.path)
        identity = identity_text(job)
        predicted = to_parquet(to_table(predictions), identity)
        rows = to_parquet(with_digest(finished_rows(job, predictions, facts), predicted), identity)
        # Predictions first: rows exist only if their predictions do.
        for folder, content in (("predictions", predicted), ("jobs", rows)):
            write_durably(self.file(folder, job.key), content)
            if (stamp := stamp_of(self.file(folder, job.key))) is not None:
                self._intact[folder, job.key] = stamp, hashlib.sha256(content).digest()
        self.file("failed", job.key).unlink(missing_ok=True)

    def fail(self, job: Job, error: str, facts: Mapping[str, Any]) -> None:
        """Store a job's failure: its rows show this error until the job succeeds. Raises as `write`.

        An older result of the job is kept, and read instead.
        """
        from imbench.store.rows import failed_rows

        check_present(self.path)
        text = json.dumps({"identity": job.identity(), "rows": failed_rows(job, error, facts)}, indent=1)
        write_durably(self.file("failed", job.key), text.encode() + b"\n")

    def discard_failure(self, key: str) -> None:
        """Remove the failure of this job, if there is one."""
        self.file("failed", key).unlink(missing_ok=True)

    def failed_retrains(self, keys: Collection[str] | None = None) -> list[FailedRetrain]:
        """Finished jobs, or those among `keys`, whose retraining with other source failed or did not finish."""
        from imbench.scoring.columns import UNKNOWN

        found = []
        for key in self._named("failed"):
            if (keys is not None and key not in keys) or (kept := self.source(key)) is None:
                continue
            row = failed.slice(0, 1).to_pylist()[0] if (failed := self.failed_rows(key)) else {}
            tried = row.get("source_hash") or UNKNOWN
            # Of the same source it failed in one process and finished in another.
            if not kept.startswith(UNKNOWN) and not tried.startswith(UNKNOWN) and kept != tried:
                job = {name: str(row[name]) for name in ("dataset", "variant", "strategy", "protocol", "error")}
                found.append(FailedRetrain(key=key, version=str(row["strategy_version"]), source=kept, **job))
        return found

    def frame(
        self,
        keys: Collection[str] | None = None,
        columns: Collection[str] | None = None,
        failed: Collection[str] = (),
    ) -> pd.DataFrame:
        """One row for each fold of finished and failed jobs, or of those among `keys`.

        Columns are those of `imbench.store.rows.finished_rows`; a failed job has NaN metrics and its ``error``. Sorted
        by task, dataset, ir, variant, protocol and strategy, so equal stores give equal frames. Columns of the present
        metrics and rules that a job's file lacks are derived from its predictions once and kept in ``derived/``.

        Parameters
        ----------
        keys : keys of the jobs to read; None reads all jobs
        columns : columns to read, in any order; None reads all. If given, or with more than a million rows, text is
            categorical to save memory. If given, no other column is derived.
        failed : of the jobs to read the failure of, even if an older result is kept
        """
        return self.contents().frame(keys, columns, failed)

    def predictions(self, key: str, known: Contents | None = None) -> list[Predictions]:
        """Predictions of every fold of a finished job, in order; float32 probabilities, as from the net.

        Parameters
        ----------
        known : what the store contains, so that the rows of jobs that it knows are not read again

        Raises
        ------
        StoreError
            If the job is not finished, or its predictions are damaged (then they are moved to ``quarantine/``).
        """
        if not (self if known is None else known).has(key):
            raise StoreError(f"store {self.path} has no finished job {key}; run it first")
        found = self._predictions(key)
        if found is None:
            aside = "cannot be moved away" if _is_stuck(self.file("predictions", key)) else "moved to quarantine/"
            raise StoreError(f"predictions of job {key} in {self.path} are damaged and {aside}; run the job again")
        return found

    def rows(self, key: str) -> pa.Table | None:
        """The rows of a finished job as in its file, without derived columns; None if it is not finished."""
        return self._rows(key)

    def copy_failure(self, key: str, source: Store) -> None:
        """Copy a job's failure from another store."""
        read = source._content("failed", key)
        if read is not None and source.path != self.path and source.failed_rows(key) is not None:
            write_durably(self.file("failed", key), read[1])

    def failed_keys(self) -> list[str]:
        """Keys of the jobs that failed and did not finish since, sorted."""
        return self.contents().failed_keys()

    def incomplete(self) -> list[str]:
        """Keys of unfinished jobs with damaged or missing files: in quarantine, or rows without predictions; sorted."""
        return self.contents().incomplete()

    def status(self) -> Status:
        """Counts of finished, failed and damaged jobs, and the size of the store."""
        return self.contents().status()

    def _rows(self, key: str) -> pa.Table | None:
        """The rows of a finished job; None if it is not finished or a file is damaged."""
        return self._read("jobs", key, partial(_rows_of, key)) if self._in_place(key) else None

    def current(self, key: str, columns: Collection[str] | None) -> pa.Table | None:
        """Like `rows`, but missing columns among these (None: all) are derived from the predictions."""
        from imbench.store.derive import lacking, upgrade_rows, with_numbers, without_strangers

        rows = self._rows(key)
        if rows is None:
            return None
        rows = with_numbers(rows)
        if not _requested(lacking(rows), columns):
            return rows
        digest = hashlib.sha256(self.file("jobs", key).read_bytes()).hexdigest().encode()
        kept = self._kept(key)
        if kept is not None and (kept.schema.metadata or {}).get(_DERIVED_FROM) == digest:
            rows = without_strangers(kept, rows)
            if not _requested(lacking(rows), columns):
                return rows
        try:
            # All missing columns: most of the work is reading the predictions.
            upgraded = upgrade_rows(rows, self.predictions(key), lacking(rows))
        except StoreError:
            return None  # the predictions are damaged, so the job is not finished
        metadata = {**(upgraded.schema.metadata or {}), _DERIVED_FROM: digest}
        with contextlib.suppress(StoreError):  # a read-only store derives them each time
            content = to_parquet(upgraded.replace_schema_metadata(metadata), identity_of(rows))
            write_durably(self.file(DERIVED, key), content)
        return upgraded

    def _kept(self, key: str) -> pa.Table | None:
        """The rows derived before; None if missing or damaged."""
        file = self.file(DERIVED, key)
        try:
            return _rows_of(key, file.read_bytes())
        except (OSError, StoreError):
            return None
        except DamagedError:
            with contextlib.suppress(OSError):  # it follows from other files, so nothing is lost
                file.unlink(missing_ok=True)
            return None

    def _in_place(self, key: str) -> bool:
        """Whether both files exist and are not truncated."""
        if not (self.file("jobs", key).exists() and self.file("predictions", key).exists()):
            return False
        if not ends_well(self.file("predictions", key)):
            self._set_aside(self.file("predictions", key), "it is truncated, or is not Parquet")
            return False
        return not any(_is_stuck(self.file(folder, key)) for folder in ("jobs", "predictions"))

    def failed_rows(self, key: str) -> pa.Table | None:
        """The rows of a failed job; None if it did not fail, or its file is damaged."""
        return self._read("failed", key, partial(_failure_of, key))

    def _predictions(self, key: str) -> list[Predictions] | None:
        """The predictions in a job's file; None if it is missing or damaged."""
        return self._read("predictions", key, partial(_predictions_of, key))

    def _read(self, folder: str, key: str, parse: Callable[[bytes], T]) -> T | None:
        """The parsed content of a file; None for a damaged file, which is moved to quarantine."""
        read = self._content(folder, key)
        return None if read is None else self._parsed(folder, key, *read, parse)

    def _content(self, folder: str, key: str) -> tuple[Stamp | None, bytes] | None:
        """A file's stamp and bytes; None if it does not exist."""
        file = self.path_of(folder, key)
        try:
            with open(file, "rb", buffering=0) as opened:
                return stamp_of(opened), opened.readall()
        except FileNotFoundError:
            return None
        except OSError as error:
            # Not the file's fault: moving it away would lose good results.
            raise StoreError(
                f"cannot read {file}: {error.strerror}; check the folder's permissions and disk"
            ) from error

    def _parsed(
        self, folder: str, key: str, stamp: Stamp | None, content: bytes, parse: Callable[[bytes], T]
    ) -> T | None:
        file = self.file(folder, key)
        try:
            found = parse(content)
        except StoreError:
            raise
        except MemoryError:
            raise
        except Exception as error:  # the bytes are in memory, so any error is theirs
            self._set_aside(file, str(error) if isinstance(error, DamagedError) else f"{type(error).__name__}: {error}")
            return None
        if stamp is not None:
            self._intact[folder, key] = stamp, hashlib.sha256(content).digest()
        return found

    def _set_aside(self, file: Path, reason: str) -> None:
        """Move a damaged file to quarantine, with a note; in a folder that cannot be written, remember it."""
        aside = self.path / "quarantine" / f"{file.stem}.{file.parent.name}{file.suffix}"
        stamp = stamp_of(file)
        try:
            aside.parent.mkdir(exist_ok=True)
            os.replace(file, aside)
        except FileNotFoundError:
            return  # another process moved it
        except OSError:
            _STUCK[file] = stamp, reason
            return
        with contextlib.suppress(StoreError):
            note = f"{file.relative_to(self.path)} is damaged: {reason}\nThe next run of this job trains it again.\n"
            write_durably(aside.with_suffix(".txt"), note.encode("utf-8", "replace"))

    def _named(self, folder: str) -> list[str]:
        return sorted(file.stem for file in listed(self.path / folder) if file.suffix == SUFFIXES[folder])

    def file(self, folder: str, key: str) -> Path:
        """The path of a job's file in the folder of rows (``jobs``), predictions, failures or derived rows."""
        return Path(self.path_of(folder, key))

    def path_of(self, folder: str, key: str) -> str:
        """As `file`, as text: for many thousand files in a row, for which making a `Path` each takes seconds."""
        return f"{self.path}{os.sep}{folder}{os.sep}{key}{SUFFIXES[folder]}"


class _Failure(msgspec.Struct):
    """The file of a failed job: its identity, and a row for each fold."""

    identity: Identity
    rows: list[dict[str, str | int | float | bool | None]]


def _rows_of(key: str, content: bytes) -> pa.Table:
    from imbench.store.labels import check_rows

    return check_rows(from_parquet(content, key), key)


def _predictions_of(key: str, content: bytes) -> list[Predictions]:
    from imbench.store.predictions import from_table

    return from_table(from_parquet(content, key))


# How the files of a finished job are parsed, by folder.
_PARSERS: Mapping[str, Callable[[str, bytes], object]] = {"jobs": _rows_of, "predictions": _predictions_of}


def _failure_of(key: str, content: bytes) -> pa.Table:
    from imbench.store.labels import check_rows
    from imbench.store.rows import failed_table

    known = parsed(content, _Failure, "the record of its failure")
    identity = json.dumps(json.loads(content)["identity"], sort_keys=True, separators=(",", ":"))
    # Rows of the first schema lack ``numbers``.
    rows = failed_table([{"numbers": known.identity.schema, **row} for row in known.rows])
    return check_rows(with_identity(rows, identity, key), key, error=True).replace_schema_metadata(None)


def _is_stuck(file: Path) -> bool:
    return bool(_STUCK) and file in _STUCK and _STUCK[file][0] == stamp_of(file)


def _requested(names: Collection[str], columns: Collection[str] | None) -> bool:
    """Whether any of these names is among the requested columns (None: all)."""
    return bool(names) if columns is None else not frozenset(columns).isdisjoint(names)
