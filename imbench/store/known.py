"""Where the rows of jobs are found."""

from __future__ import annotations

from collections.abc import Iterable, KeysView, Sequence

import numpy as np

from imbench.scoring.outcome import Integers

# A job by its key, and whether its failure is meant.
Job = tuple[str, bool]
# Both numbers of a place are kept as one, since a store has hundreds of thousands of jobs; a block has fewer than this.
_MOST = 1 << 32


class Known:
    """The place of each job whose rows were read: the number of a block, and that of the job in it."""

    def __init__(self) -> None:
        self._finished: dict[str, int] = {}
        self._failed: dict[str, int] = {}

    def __contains__(self, job: Job) -> bool:
        key, failed = job
        return key in self._of(failed)

    def finished(self) -> KeysView[str]:
        """Keys of the finished jobs."""
        return self._finished.keys()

    def place(self, job: Job) -> tuple[int, int] | None:
        """The block of a job and its number there; None if it is not known."""
        key, failed = job
        found = self._of(failed).get(key)
        return None if found is None else divmod(found, _MOST)

    def places(self, finished: Iterable[str] | None = None, failed: Iterable[str] | None = None) -> dict[int, Integers]:
        """The ascending numbers in each block of these jobs that are known; None: of all."""
        found = np.sort(np.concatenate([_numbers(self._finished, finished), _numbers(self._failed, failed)]))
        numbers, start = np.unique(found // _MOST, return_index=True)
        return dict(zip(numbers.tolist(), np.split(found % _MOST, start[1:]), strict=False))

    def add(self, number: int, keys: Sequence[str], failed: Sequence[bool], places: Integers) -> None:
        """Add the jobs of a block that are in these places; ``keys`` and ``failed`` are of all its jobs."""
        found = (places + number * _MOST).tolist()
        if len(found) < len(keys):
            at = places.tolist()
            keys, failed = [keys[place] for place in at], [failed[place] for place in at]
        if not any(failed):
            self._finished.update(zip(keys, found, strict=True))
            return
        for key, is_failed, place in zip(keys, failed, found, strict=True):
            self._of(is_failed)[key] = place

    def discard(self, job: Job) -> None:
        """Forget a job."""
        key, failed = job
        self._of(failed).pop(key, None)

    def clear(self) -> None:
        """Forget all jobs."""
        self._finished.clear()
        self._failed.clear()

    def _of(self, failed: bool) -> dict[str, int]:
        return self._failed if failed else self._finished


def _numbers(known: dict[str, int], keys: Iterable[str] | None) -> Integers:
    if keys is None:
        return np.fromiter(known.values(), np.int64, len(known))
    return np.fromiter((place for key in keys if (place := known.get(key)) is not None), np.int64)
