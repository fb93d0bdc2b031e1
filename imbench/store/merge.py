"""Merge several stores into one."""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from imbench.contract.errors import StoreError, UsageError
from imbench.contract.records import Predictions
from imbench.scoring.columns import ORIGIN, TIMING, UNKNOWN, class_of, schema
from imbench.store.contents import Contents
from imbench.store.copying import copy_jobs, take_over
from imbench.store.derive import lacking
from imbench.store.parquet import rows_schema
from imbench.store.store import Store

# Metrics of equal predictions may differ by rounding between processors; such results are the same.
ROUNDING = 1e-9

# Names, time, machine and schema of a job: none of these is a measured number.
_NO_NUMBER = {"dataset", "variant", "strategy", "protocol", "schema", "numbers", "error", "ir", *TIMING, *ORIGIN}


@dataclass(frozen=True)
class Conflict:
    """One job with different numbers in two stores, or a strategy with different source.

    Parameters
    ----------
    key : key of the job, "" for a strategy
    job : the job, or the strategy with its version, as text for readers
    stores : the two folders, in the order given
    difference : the numbers that differ, and the largest difference
    """

    key: str
    job: str
    stores: tuple[Path, Path]
    difference: str

    def __str__(self) -> str:
        return f"{self.job}: {self.stores[0]} and {self.stores[1]} differ in {self.difference}"


class ConflictError(StoreError):
    """Stores that disagree on jobs, or on the source of a strategy.

    Parameters
    ----------
    conflicts : all of them
    """

    def __init__(self, conflicts: Sequence[Conflict]) -> None:
        self.conflicts = tuple(conflicts)
        shown = "\n  ".join(map(str, self.conflicts[:10]))
        more = f"\n  … and {len(self.conflicts) - 10} more" if len(self.conflicts) > 10 else ""
        counts = {"job": sum(bool(c.key) for c in conflicts), "strategy": sum(not c.key for c in conflicts)}
        plural = {"job": "jobs", "strategy": "strategies"}
        what = " and ".join(f"{n} {name if n == 1 else plural[name]}" for name, n in counts.items() if n)
        super().__init__(
            f"stores disagree on {what}; nothing was merged. Choose the store to keep with --prefer STORE:"
            f"\n  {shown}{more}"
        )


@dataclass(frozen=True)
class LeftOut:
    """Jobs of one store and strategy that a preference did not take.

    Parameters
    ----------
    store : the folder whose results were not taken
    strategy : with its version
    jobs : number of its jobs left out
    missing : number of them that the merged store has from no other store either
    """

    store: Path
    strategy: str
    jobs: int
    missing: int


@dataclass(frozen=True)
class Merged:
    """The outcome of a merge.

    Parameters
    ----------
    into : folder of the merged store
    jobs : number of its finished jobs
    added : number of them that it did not have before
    replaced : number of jobs replaced by the copy of a preferred store or of a newer schema
    failed : number of its failures
    conflicts : conflicts decided by a preferred store
    left_out : the jobs that these decisions left out, by store and strategy
    damaged : for each store with damaged or missing files, how many of its jobs could not be read
    """

    into: Path
    jobs: int
    added: int
    replaced: int
    failed: int
    conflicts: tuple[Conflict, ...]
    left_out: tuple[LeftOut, ...] = ()
    damaged: tuple[tuple[Path, int], ...] = ()


def merge(
    sources: Sequence[str | os.PathLike[str]],
    into: str | os.PathLike[str],
    prefer: Sequence[str | os.PathLike[str]] = (),
) -> Merged:
    """Merge stores: each job that is in any store is kept once.

    If several stores have a job with the same numbers, the copy of the newest schema is taken, the first if tied.
    Numbers are predictions, metrics and measurements of training; times, versions and hardware are not. Two sources of
    one strategy at one version (`imbench.checks.source.source_hash`) are a conflict, even if the numbers agree or the
    datasets differ. A job that finished in one store and failed in another is finished. If ``into`` is a store already,
    it takes part as the first one. A damaged job is set aside in its store (`Store`), and the copy of another store is
    taken if there is one. The result does not depend on how merges are grouped, and merging again changes
    nothing.

    Parameters
    ----------
    sources : folders of stores
    into : folder of the merged store, created if needed; may be one of the sources
    prefer : sources (or ``into``) to keep where stores disagree, in order of preference. Jobs that another store
        trained with different source are then omitted; those that ``into`` has already stay.

    Raises
    ------
    ConflictError
        If two stores disagree on a job, or on the source of a strategy, and no preferred one has it; nothing is
        changed.
    UsageError
        If a preferred store is not among the sources.
    StoreError
        If a source is not a store, or cannot be read.
    """
    stores = _opened(sources, Path(into))
    preferred = [_among(stores, path) for path in prefer]
    known = {store.path: store.contents() for store in stores}
    conflicts, undecided, refused = _of_sources(known, stores, preferred, Path(into))
    holders: dict[str, list[Store]] = {}
    for store in stores:
        for key in known[store.path].keys():  # noqa: SIM118  # contents are not a dict
            holders.setdefault(key, []).append(store)
    chosen: dict[str, Store] = {}
    for key, having in holders.items():
        having = [store for store in having if (store.path, key) not in refused]
        if len(having) > 1:  # the only copy is checked when it is copied
            having, differ = _intact(key, having, known)
        if not having:
            continue
        if len(having) == 1 or not differ:
            chosen[key] = having[0]
            continue
        copies = [(store, rows) for store in having if (rows := store.rows(key)) is not None]
        differing = _conflicts(key, copies)
        winner = next((copy for store in preferred for copy in copies if copy[0] is store), None)
        (conflicts if winner else undecided).extend(differing)
        # The copy of the newest schema, the first if tied.
        newest = max(copies, key=lambda copy: rows_schema(copy[1]))
        chosen[key] = (winner if differing and winner else newest)[0]
        if differing and winner:
            refused |= {
                (copy[0].path, key): _at_version(_strategy(copy[1]))
                for copy in copies
                if copy is not winner and _conflicts(key, [winner, copy])
            }
    if undecided:
        raise ConflictError(undecided)
    joined, chosen = _joined(known, Store.open(into, create=True), chosen, tuple(conflicts))
    left_out = _left_out(stores, refused, chosen)
    damaged = tuple((store.path, jobs) for store in stores if (jobs := len(store.incomplete())))
    return replace(joined, left_out=left_out, damaged=damaged)


def _left_out(
    stores: Sequence[Store], refused: Mapping[tuple[Path, str], str], chosen: Mapping[str, Store]
) -> tuple[LeftOut, ...]:
    found: dict[tuple[Path, str], list[str]] = {}
    for (path, key), strategy in refused.items():
        found.setdefault((path, strategy), []).append(key)
    order = [store.path for store in stores]
    return tuple(
        LeftOut(path, strategy, len(keys), sum(key not in chosen for key in keys))
        for (path, strategy), keys in sorted(found.items(), key=lambda one: (order.index(one[0][0]), one[0][1]))
    )


# The jobs of each strategy and version by the source that made them.
_Sources = dict[tuple[str, str], dict[str, list[str]]]


def _of_sources(
    contents: Mapping[Path, Contents], stores: Sequence[Store], preferred: Sequence[Store], into: Path
) -> tuple[list[Conflict], list[Conflict], dict[tuple[Path, str], str]]:
    """Strategies with different source in two stores: decided and undecided conflicts, and the jobs to omit.

    The jobs are by store and key, each with its strategy.

    A store with both sources was merged with a preference before, and does not conflict with a store of either.
    """
    known: dict[Path, _Sources] = {path: _sources(of) for path, of in contents.items()}
    decided: list[Conflict] = []
    undecided: list[Conflict] = []
    refused: dict[tuple[Path, str], str] = {}
    for spec in dict.fromkeys(spec for sources in known.values() for spec in sources):
        having = [store for store in stores if spec in known[store.path]]
        found = [
            Conflict("", _at_version(spec), (a.path, b.path), _two_sources(known[a.path][spec], known[b.path][spec]))
            for a, b in itertools.combinations(having, 2)
            if not _nested(known[a.path][spec].keys(), known[b.path][spec].keys())
        ]
        if not found:
            continue
        winner = next((store for store in preferred if store in having), None)
        (decided if winner else undecided).extend(found)
        if winner is not None:
            kept = known[winner.path][spec].keys()
            for store in having:
                jobs = (key for source, keys in known[store.path][spec].items() if source not in kept for key in keys)
                # Jobs of the store that is merged into stay.
                refused |= {
                    (store.path, key): _at_version(spec) for key in jobs if store.path.resolve() != into.resolve()
                }
    return decided, undecided, refused


def _sources(contents: Contents) -> _Sources:
    wanted = ("key", "strategy", "strategy_version", "source_hash")
    rows = contents.jobs(columns=(*wanted, "error"))
    rows = rows[rows["error"] == ""]
    found: _Sources = {}
    for key, strategy, version, source in zip(*(rows[name].tolist() for name in wanted), strict=True):
        if isinstance(source, str) and not source.startswith(UNKNOWN):
            found.setdefault((strategy, str(version)), {}).setdefault(source, []).append(key)
    return found


def _strategy(rows: pa.Table) -> tuple[str, str]:
    strategy, version = (rows[name][0].as_py() for name in ("strategy", "strategy_version"))
    return strategy, str(version)


def _nested(one: Set[str], other: Set[str]) -> bool:
    return one <= other or other <= one


def _at_version(spec: tuple[str, str]) -> str:
    return f"{spec[0]} (version {spec[1]})"


def _two_sources(one: dict[str, list[str]], other: dict[str, list[str]]) -> str:
    def described(sources: dict[str, list[str]]) -> str:
        jobs = sum(map(len, sources.values()))
        return f"{', '.join(source[:12] for source in sources)} ({jobs} {'job' if jobs == 1 else 'jobs'})"

    return f"the strategy's source, {described(one)} and {described(other)}"


def _intact(key: str, having: Sequence[Store], known: Mapping[Path, Contents]) -> tuple[list[Store], bool]:
    """The stores whose copy of a job is intact, and whether any two copies differ in a byte."""
    copies, intact = set(), []
    for store in having:
        if (files := known[store.path].intact_files(key)) is not None:
            copies.add((files[0].digest, files[1].digest))
            intact.append(store)
    return intact, len(copies) > 1


def _joined(
    known: Mapping[Path, Contents], target: Store, chosen: Mapping[str, Store], conflicts: tuple[Conflict, ...]
) -> tuple[Merged, dict[str, Store]]:
    """Copy the chosen jobs; the outcome, and those of them that are not damaged."""
    there = known.get(target.path)
    before, failed = (set(there.keys()), set(there.failed_keys())) if there else (set(), set())
    here = {path: path.resolve() == target.path.resolve() for path in known}
    done = copy_jobs(target, {key: known[store.path] for key, store in chosen.items() if not here[store.path]})
    chosen = {key: store for key, store in chosen.items() if done.get(key, store) is not None}
    for contents in known.values():
        for key in contents.failed_keys():
            if key not in chosen and key not in failed:
                target.copy_failure(key, Store(contents.path))
                failed.add(key)
    copies = {key: copied for key, copied in done.items() if copied is not None}
    take_over(target, copies)
    failed -= copies.keys()
    added = len(copies.keys() - before)
    return Merged(target.path, len(chosen), added, len(copies) - added, len(failed), conflicts), chosen


def _opened(sources: Sequence[str | os.PathLike[str]], into: Path) -> list[Store]:
    """The stores, each folder once, ``into`` first if it is a store."""
    paths = [Path(path) for path in sources]
    if not paths:
        raise UsageError("no stores to merge; give the folders of two or more")
    if into.is_dir() and any(into.iterdir()):
        paths.insert(0, into)
    return [Store.open(path) for path in {path.resolve(): path for path in reversed(paths)}.values()][::-1]


def _among(stores: Sequence[Store], path: str | os.PathLike[str]) -> Store:
    for store in stores:
        if store.path.resolve() == Path(path).resolve():
            return store
    raise UsageError(
        f"--prefer {path} is not among the stores to merge; choose one of {', '.join(str(s.path) for s in stores)}"
    )


def _conflicts(key: str, copies: Sequence[tuple[Store, pa.Table]]) -> list[Conflict]:
    """How the copies of a job differ from the first one."""
    (first, rows), *others = copies
    predicted = first.predictions(key)
    found = []
    for other, other_rows in others:
        if difference := _source_difference(rows, other_rows):
            found.append(Conflict(key, _called(rows), (first.path, other.path), difference))
            continue
        folds = zip(predicted, other.predictions(key), strict=True)
        differing = ((a, difference) for a, b in folds if (difference := _fold_difference(a, b)))
        where = next((f"{a.place}: {difference}" for a, difference in differing), "")
        if difference := where or _rows_difference(rows, other_rows):
            found.append(Conflict(key, _called(rows), (first.path, other.path), difference))
    return found


def _source_difference(a: pa.Table, b: pa.Table) -> str:
    """The sources of both copies if they are known and differ."""
    one, other = _source(a), _source(b)
    if not one or not other or one == other:
        return ""
    return f"the strategy's source, {one[:12]} and {other[:12]}"


def _source(rows: pa.Table) -> str:
    found = rows["source_hash"][0].as_py() if "source_hash" in rows.column_names else None
    return "" if found is None or found.startswith(UNKNOWN) else str(found)


def _fold_difference(a: Predictions, b: Predictions) -> str:
    for name in ("epochs", "steps", "floor_epoch", "loss"):
        one, other = getattr(a, name), getattr(b, name)
        if one != other and not (one != one and other != other):  # NaN is the loss of a reference
            return f"{name} {one} and {other}"
    if not np.array_equal(a.train_counts, b.train_counts):
        return "the training rows of each class"
    for part in ("validation", "test"):
        one, other = getattr(a, part), getattr(b, part)
        if not (np.array_equal(one.rows, other.rows) and np.array_equal(one.y, other.y)):
            return f"{part} rows"
        if not np.array_equal(one.proba, other.proba):
            return f"{part} probabilities, by up to {np.abs(one.proba - other.proba).max():.2g}"
    return ""


def _rows_difference(a: pa.Table, b: pa.Table) -> str:
    # Numbers of different versions of a metric have different meanings and are not compared.
    skipped = {*_NO_NUMBER, *lacking(a), *lacking(b)}
    common = [n for n in a.column_names if n in b.column_names and n not in skipped]
    known = frozenset(schema().names)
    for name in (n for n in common if n in known or class_of(n) is not None):
        one, other = a[name].to_pylist(), b[name].to_pylist()
        pairs = [(x, y) for x, y in zip(one, other, strict=True) if not _same(x, y)]
        if pairs:
            return f"{name}, {pairs[0][0]} and {pairs[0][1]}, of equal predictions"
    return ""


def _same(x: object, y: object) -> bool:
    if isinstance(x, float) and isinstance(y, float):
        return abs(x - y) <= ROUNDING or (x != x and y != y)
    return x == y


def _called(rows: pa.Table) -> str:
    dataset, variant, strategy, protocol = (rows[n][0].as_py() for n in ("dataset", "variant", "strategy", "protocol"))
    return f"{dataset}{'' if variant == 'natural' else ':' + variant} with {strategy} under {protocol}"
