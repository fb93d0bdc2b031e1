"""Copy many jobs from stores into one, waiting for the disk once for many files."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from imbench.store.contents import Contents, Copied
from imbench.store.files import Temporary, listed, put_in_place, write_temporary
from imbench.store.marker import OF_FINISHED

if TYPE_CHECKING:
    from imbench.store.store import Store

# Jobs whose files are made durable together.
_TOGETHER = 2_000
# Jobs that are read at once: most of the time of small files is waiting, above all in network folders, where merged
# stores often lie. On a local disk two threads take three quarters of the time (docs/store.md).
_AT_ONCE = 16


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
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        while together := list(itertools.islice(keys, _TOGETHER)):
            done |= _copy_together(target, {key: sources[key] for key in together}, pool)
    for failure in listed(target.path / "failed"):
        if done.get(failure.stem) is not None:
            target.discard_failure(failure.stem)
    return done


def take_over(target: Store, copies: Mapping[str, Copied]) -> None:
    """Index copied jobs, if they are many, with the rows that are known of their sources."""
    from imbench.store.index import FEWEST_JOBS, SETTLED

    if len(copies) >= FEWEST_JOBS:
        # Until now the files might change again without another stamp.
        newest = max(copied.files[0][1] for copied in copies.values())
        time.sleep(min(max(newest / 1e9 + SETTLED + 0.2 - time.time(), 0.0), 2 * abs(SETTLED)))
        target.contents().take_over(copies)


def _copy_together(
    target: Store, sources: Mapping[str, Contents], pool: ThreadPoolExecutor
) -> Iterator[tuple[str, Copied | None]]:
    files: dict[tuple[str, str], Temporary] = {}

    def written(key: str) -> Copied | None:
        intact = sources[key].intact_files(key)
        if intact is None:
            return None
        for folder, one in zip(OF_FINISHED, intact, strict=True):
            files[folder, key] = write_temporary(target.file(folder, key), one.content)
        rows, predictions = (files[folder, key].facts for folder in OF_FINISHED)
        return Copied(sources[key], (intact[0].digest, intact[1].digest), (rows, predictions))

    try:
        done = list(zip(sources, pool.map(written, sources), strict=True))
        # Predictions first: rows exist only if their predictions do.
        order = [(folder, key) for folder in reversed(OF_FINISHED) for key, copied in done if copied is not None]
        put_in_place([files[one] for one in order])
    except BaseException:
        pool.shutdown(cancel_futures=True)  # and wait for those that are writing
        for one in files.values():
            one.remove()
        raise
    yield from done
