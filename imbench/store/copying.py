"""Copy many jobs from stores into one, waiting for the disk once for many files."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from imbench.store.contents import Contents, Copied
from imbench.store.files import Intact, Temporary, listed, put_in_place, remove, temporary_of, write_temporary
from imbench.store.layout import OF_FINISHED
from imbench.store.processes import Copiers
from imbench.store.stamps import stamp_of

if TYPE_CHECKING:
    from imbench.store.store import Store

# Jobs whose files are made durable together.
_TOGETHER = 2_000
# Each file of a network folder, where merged stores often lie, is waited for, and the more at once the better: many
# threads. On a local disk they wait for each other, and few processes are faster. So both are tried, each with as many
# jobs.
_THREADS, _PROCESSES = 16, 2
_TRIED = 200


def copy_jobs(target: Store, sources: Mapping[str, Contents]) -> dict[str, Copied | None]:
    """Copy finished jobs byte for byte, replacing their files; None for each job that was found damaged.

    Parameters
    ----------
    target : the store to copy into
    sources : for each key, what the store contains that the job is copied from

    Raises
    ------
    StoreError
        If a file cannot be read or written; the jobs copied so far stay, and no job is replaced in part.
    """
    done: dict[str, Copied | None] = {}
    keys = iter(sources)
    with (
        ThreadPoolExecutor(_THREADS) as threads,
        Copiers(_PROCESSES if len(sources) > _TRIED else 0) as copiers,
        ThreadPoolExecutor(1) as last,
    ):
        ways = _ways(target, threads, copiers)
        seconds: dict[_Way, float] = {}
        # While the disk makes the files of some jobs durable, those of the next are written.
        moving: Future[None] | None = None
        for trial in itertools.chain(ways, itertools.repeat(None)):
            together = list(itertools.islice(keys, _TRIED if trial else _TOGETHER))
            if not together:
                break
            way, start = trial or min(seconds, key=seconds.__getitem__), time.perf_counter()
            written = way({key: sources[key] for key in together})
            seconds.setdefault(way, (time.perf_counter() - start) / len(together))
            # Predictions first: rows exist only if their predictions do.
            files = [of.files[i] for i in (1, 0) for of in written.values() if of is not None]
            try:
                if moving is not None:
                    moving.result()
                moving = last.submit(_put_in_place, files)
            except BaseException:
                _remove(files)
                raise
            done |= {key: of and of.copied(sources[key]) for key, of in written.items()}
        if moving is not None:
            moving.result()
    for failure in listed(target.path / "failed"):
        if done.get(failure.stem) is not None:
            target.discard_failure(failure.stem)
    return done


def take_over(target: Store, copies: dict[str, Copied]) -> None:
    """Index jobs, in the order in which they were copied, if they are many, with the rows known of their sources."""
    from imbench.store.index import FEWEST_JOBS, SETTLED

    if len(copies) >= FEWEST_JOBS:
        # Until now the files might change again without another stamp. The last of them was moved last.
        last = stamp_of(target.file("jobs", next(reversed(copies))))
        newest = 0.0 if last is None else max(last[1:3]) / 1e9
        time.sleep(min(max(newest + SETTLED + 0.2 - time.time(), 0.0), 2 * abs(SETTLED)))
        target.contents().take_over(copies)


class _Written(NamedTuple):
    """A job's files under temporary names, rows and predictions, and their SHA-256."""

    files: tuple[Temporary, Temporary]
    digests: tuple[bytes, bytes]

    def copied(self, source: Contents) -> Copied:
        return Copied(source, self.digests, (self.files[0].facts, self.files[1].facts))


# Writes the files of jobs; None for each that was found damaged.
_Way = Callable[[Mapping[str, Contents]], dict[str, _Written | None]]


def _ways(target: Store, threads: ThreadPoolExecutor, copiers: Copiers) -> list[_Way]:
    return [partial(_by_threads, target, threads), partial(_by_processes, target, copiers, threads)]


def _by_threads(
    target: Store, threads: ThreadPoolExecutor, sources: Mapping[str, Contents]
) -> dict[str, _Written | None]:
    files: list[Temporary] = []

    def write(folder: str, key: str, file: Intact) -> Temporary:
        files.append(written := write_temporary(target.path_of(folder, key), file.content))
        return written

    def of(key: str) -> _Written | None:
        if (intact := sources[key].intact_files(key)) is None:
            return None
        rows, predictions = (write(folder, key, file) for folder, file in zip(OF_FINISHED, intact, strict=True))
        return _Written((rows, predictions), (intact[0].digest, intact[1].digest))

    try:
        return dict(zip(sources, threads.map(of, sources), strict=True))
    except BaseException:
        threads.shutdown(cancel_futures=True)  # and wait for those that are writing
        _remove(files)
        raise


def _by_processes(
    target: Store, copiers: Copiers, threads: ThreadPoolExecutor, sources: Mapping[str, Contents]
) -> dict[str, _Written | None]:
    """As `_by_threads`, which copies what the processes cannot: files that are not known as they are now."""
    known = {key: files for key, of in sources.items() if (files := of.known_files(key)) is not None}
    wanted = [
        (path, digest, temporary_of(target.path_of(folder, key)))
        for key, files in known.items()
        for folder, (path, digest) in zip(OF_FINISHED, files, strict=True)
    ]
    try:
        facts = copiers.copy(wanted)
        written: dict[str, _Written | None] = {}
        for place, key in enumerate(known):
            both = range(2 * place, 2 * place + 2)
            rows, predictions = (
                Temporary(target.path_of(folder, key), wanted[n][2], found) if (found := facts[n]) else None
                for folder, n in zip(OF_FINISHED, both, strict=True)
            )
            if rows is not None and predictions is not None:
                written[key] = _Written((rows, predictions), (known[key][0][1], known[key][1][1]))
            else:
                _remove(file for file in (rows, predictions) if file is not None)
        written |= _by_threads(target, threads, {key: of for key, of in sources.items() if key not in written})
    except BaseException:
        copiers.end()  # before what they write is deleted
        for _, _, temporary in wanted:
            remove(temporary)
        raise
    return {key: written[key] for key in sources}


def _put_in_place(files: Sequence[Temporary]) -> None:
    try:
        put_in_place(files)
    except BaseException:
        _remove(files)
        raise


def _remove(files: Iterable[Temporary]) -> None:
    for one in files:
        one.remove()
