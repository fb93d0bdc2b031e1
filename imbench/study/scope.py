"""Scope: the configurations that a board is over, so that an entrant that has only some of them cannot shrink it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

# A configuration of a suite as (dataset, variant, task): the one that it asks for, then its stand-in if it has one.
Member = tuple[tuple[str, str, str], ...]


@dataclass(frozen=True)
class Scope:
    """What boards are over.

    Parameters
    ----------
    name : what was run, such as ``suite tabular``; "" without
    whole : whether every configuration of the rows belongs to the boards: the rows are those of one run
    suites : the configurations of each suite that may be recognised in a store
    """

    name: str = ""
    whole: bool = False
    suites: Mapping[str, Sequence[Member]] = field(default_factory=dict)

    def choose(
        self, task: str, configurations: Sequence[tuple[str, str]], strategies: Sequence[str], done: NDArray[np.bool_]
    ) -> tuple[NDArray[np.bool_], str]:
        """Which configurations of one protocol and task its boards are over, and the name of that set.

        Those of a run are all its configurations. A store that holds all configurations of a suite for this task has
        its boards over that suite, the largest of several. Elsewhere it is, of the sets that some strategy completes,
        the one with the largest product of its configurations and the strategies complete on it: so neither a sweep on
        a few datasets nor an entrant that failed on one makes a board smaller, nor does one that has more make it
        larger for the others. Strategies count by their names, so that a sweep of ten values counts once.

        Parameters
        ----------
        configurations : (dataset, variant) of each
        strategies : their specs
        done : ``(configurations, strategies)`` whether there is a result

        Returns
        -------
        ``(configurations,)`` whether each is one of them, and a name such as ``suite tabular``; "" for none.
        """
        if self.whole:
            return np.ones(len(configurations), dtype=np.bool_), self.name
        return self._suite(task, configurations, done) or (_largest(strategies, done), "")

    def _suite(
        self, task: str, configurations: Sequence[tuple[str, str]], done: NDArray[np.bool_]
    ) -> tuple[NDArray[np.bool_], str] | None:
        has = {where for where, any_ in zip(configurations, np.asarray(done.any(axis=1)), strict=True) if any_}
        found: list[tuple[int, str, set[tuple[str, str]]]] = []
        for name, members in self.suites.items():
            mine = [[(dataset, variant) for dataset, variant, of in member if of == task] for member in members]
            used = [next((where for where in member if where in has), None) for member in mine if member]
            if len(used) > 1 and None not in used:
                found.append((-len(used), name, {where for where in used if where is not None}))
        if not found:
            return None
        _, name, chosen = min(found, key=lambda suite: suite[:2])
        return np.array([where in chosen for where in configurations], dtype=np.bool_), f"suite {name}"


def _largest(strategies: Sequence[str], done: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The set, of those that a strategy completes, that holds most results of strategies complete on it."""
    candidates = np.unique(done[:, done.any(axis=0)].T, axis=0)
    if not len(candidates):
        return np.ones(len(done), dtype=np.bool_)
    names = np.array([spec.partition(":")[0] for spec in strategies], dtype=object)
    counts = [len(set(names[done[chosen].all(axis=0)])) for chosen in candidates]
    sizes = candidates.sum(axis=1)
    # Between equals the larger set, then that of the first configurations.
    best = max(range(len(candidates)), key=lambda i: (counts[i] * sizes[i], sizes[i], tuple(candidates[i])))
    chosen: NDArray[np.bool_] = candidates[best]
    return chosen
