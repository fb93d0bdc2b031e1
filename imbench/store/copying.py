"""Copy many jobs from stores into one, waiting for the disk once for many files."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from imbench.store.contents import Contents, Copied
from imbench.store.files import Temporary, listed, put_in_place, write_temporary
from imbench.store.layout import OF_FINISHED
from imbench.store.stamps import stamp_of

if TYPE_CHECKING:
    from imbench.store.store import Store

# Jobs whose files are made durable together.
_TOGETHER = 2_000
# Threads: each file of a network folder, where merged stores often lie, is waited for, and the more at once the better.
# On a local disk many threads wait for each other, and few are faster. So both are tried, each with as many jobs.
_MANY, _FEW = 16, 2
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
        ThreadPoolExecutor(_MANY) as many,
        ThreadPoolExecutor(_FEW) as few,
        ThreadPoolExecutor(1) as last,
    ):
        seconds: dict[ThreadPoolExecutor, float] = {}
        # While the disk makes the files of some jobs durable, those of the next are written.
        moving: Future[None] | None = None
        for trial in itertools.chain([many, few], itertools.repeat(None)):
            together = list(itertools.islice(keys, _TRIED if trial else _TOGETHER))
            if not together:
                break
            pool, start = trial or min(seconds, key=seconds.__getitem__), time.perf_counter()
            copied, files = _written(target, {key: sources[key] for key in together}, pool)
            seconds.setdefault(pool, (time.perf_counter() - start) / len(together))
            try:
                if moving is not None:
                    moving.result()
                moving = last.submit(_put_in_place, files)
            except BaseException:
                _remove(files)
                raise
            done |= copied
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


def _written(
    target: Store, sources: Mapping[str, Contents], pool: ThreadPoolExecutor
) -> tuple[dict[str, Copied | None], list[Temporary]]:
    """Write the files of jobs under temporary names: what was copied, and the files in the order to move them."""
    files: dict[tuple[str, str], Temporary] = {}

    def written(key: str) -> Copied | None:
        intact = sources[key].intact_files(key)
        if intact is None:
            return None
        for folder, one in zip(OF_FINISHED, intact, strict=True):
            files[folder, key] = write_temporary(target.path_of(folder, key), one.content)
        rows, predictions = (files[folder, key].facts for folder in OF_FINISHED)
        return Copied(sources[key], (intact[0].digest, intact[1].digest), (rows, predictions))

    try:
        done = dict(zip(sources, pool.map(written, sources), strict=True))
    except BaseException:
        pool.shutdown(cancel_futures=True)  # and wait for those that are writing
        _remove(files.values())
        raise
    # Predictions first: rows exist only if their predictions do.
    order = [(folder, key) for folder in reversed(OF_FINISHED) for key, copied in done.items() if copied is not None]
    return done, [files[one] for one in order]


def _put_in_place(files: Sequence[Temporary]) -> None:
    try:
        put_in_place(files)
    except BaseException:
        _remove(files)
        raise


def _remove(files: Iterable[Temporary]) -> None:
    for one in files:
        one.remove()
