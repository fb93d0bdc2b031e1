"""Scope: the configurations that a board is over, so that a competitor with missing results cannot shrink it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from imbench.contract.records import TASKS
from imbench.contract.spec import parse_spec


@dataclass(frozen=True)
class KnownSuite:
    """A suite as the registry knows it.

    Parameters
    ----------
    name : name of the suite
    entries : the canonical spec of each configuration, and of its stand-in ("" if it has none)
    """

    name: str
    entries: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Scope:
    """The configurations that boards are over.

    Parameters
    ----------
    name : name of the scope, such as ``suite tabular``; "" if it has none
    whole : whether boards cover every configuration of the rows, as for the rows of one run
    suites : suites that may be recognised in a store
    families : family of each dataset that has one, by its name in the rows: datasets made from the same original, which
        boards count as one dataset
    specs : exactly these configurations; None to choose them
    """

    name: str = ""
    whole: bool = False
    suites: tuple[KnownSuite, ...] = ()
    families: Mapping[str, str] = field(default_factory=dict, hash=False)
    specs: frozenset[str] | None = None

    def choose(
        self, task: str, specs: Sequence[str], strategies: Sequence[str], done: NDArray[np.bool_]
    ) -> tuple[NDArray[np.bool_], str]:
        """Choose the configurations that boards of one protocol and task are over, and name the set.

        Boards of a run are over all its configurations. If a store contains all configurations of a suite for this
        task, its boards are over that suite, the largest if there are several. Otherwise the set is the largest that
        one strategy completes and that at least half as many strategies complete as the most completed set: so neither
        a sweep on a few datasets nor a strategy that failed on one makes a board smaller, and a strategy with further
        configurations does not make it larger for the others. Strategies count by name, so a sweep of ten values counts
        once.

        Parameters
        ----------
        specs : specs of the configurations, such as ``segment:ir=0.05``
        strategies : specs of the strategies
        done : ``(configurations, strategies)`` whether there is a result

        Returns
        -------
        ``(configurations,)`` whether each is chosen, and a name such as ``suite tabular``; "" if it has none.
        """
        if self.specs is not None:
            return np.array([spec in self.specs for spec in specs], dtype=np.bool_), self.name
        if self.whole:
            return np.ones(len(specs), dtype=np.bool_), self.name
        return self._suite(task, specs, done) or (_largest(strategies, done), "")

    def _suite(self, task: str, specs: Sequence[str], done: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], str] | None:
        has = {spec for spec, any_ in zip(specs, np.asarray(done.any(axis=1)), strict=True) if any_}
        found: list[tuple[int, str, set[str]]] = []
        for suite in self.suites:
            mine = [entry for entry in suite.entries if _task_of(entry[0]) == task]
            used = {next((spec for spec in entry if spec in has), "") for entry in mine}
            if len(used) > 1 and "" not in used:
                found.append((-len(used), suite.name, used))
        if not found:
            return None
        _, name, chosen = min(found, key=lambda suite: suite[:2])
        return np.array([spec in chosen for spec in specs], dtype=np.bool_), f"suite {name}"


def _task_of(spec: str) -> str:
    """The task of a canonical spec, which omits the binary task."""
    return parse_spec(spec)[1].get("task", TASKS[0])


def _largest(strategies: Sequence[str], done: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The largest set that a strategy completes and that at least half as many strategies complete as any other set."""
    candidates = np.unique(done[:, done.any(axis=0)].T, axis=0)
    if not len(candidates):
        return np.ones(len(done), dtype=np.bool_)
    names = np.array([spec.partition(":")[0] for spec in strategies], dtype=object)
    counts = np.array([len(set(names[done[chosen].all(axis=0)])) for chosen in candidates])
    enough = candidates[2 * counts >= counts.max()]
    most = counts[2 * counts >= counts.max()]
    # Largest first, then with more strategies; the order of the candidates decides between equals.
    best = max(range(len(enough)), key=lambda i: (int(enough[i].sum()), int(most[i]), -i))
    chosen: NDArray[np.bool_] = enough[best]
    return chosen
