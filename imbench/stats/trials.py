"""Selection among the trials of a tuned run, by validation rows alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from imbench.scoring.metrics import Metric
from imbench.scoring.outcome import Floats, Integers, Outcome
from imbench.stats.board import merit

# Rounds of the greedy selection, and so the most members of an ensemble, repeats included.
ENSEMBLE_ROUNDS = 25


def validation_merits(metric: Metric, y: Integers, probas: Sequence[Floats]) -> Floats:
    """``(trials,)`` merit of each trial on the validation rows of a fold, larger is better.

    Parameters
    ----------
    metric : the metric that selects; NaN, where it is undefined, is the least merit
    y : ``(rows,)`` classes
    probas : ``(rows, classes)`` probabilities of each trial
    """
    scores = np.array([metric.function(Outcome(y, proba)) for proba in probas], dtype=np.float64)
    found = merit(metric, scores)
    known: Floats = np.where(np.isnan(found), -np.inf, found)
    return known


def best_so_far(merits: Floats) -> Integers:
    """``(trials,)`` position of the best of the first k trials, for k = 1, 2, …; the first one if several are best.

    >>> best_so_far(np.array([0.2, 0.5, 0.5, 0.7])).tolist()
    [0, 1, 1, 3]
    """
    before = np.concatenate([[-np.inf], np.maximum.accumulate(merits)[:-1]])
    better = merits > before
    found: Integers = np.maximum.accumulate(np.where(better, np.arange(len(merits)), 0))
    return found


def ensemble_counts(metric: Metric, y: Integers, probas: Sequence[Floats]) -> Integers:
    """``(trials,)`` how often each trial is a member of the ensemble: its weight is its share of the members.

    R. Caruana, A. Niculescu-Mizil, G. Crew and A. Ksikes, "Ensemble Selection from Libraries of Models", ICML 2004:
    forward selection with replacement. In each of `ENSEMBLE_ROUNDS` rounds the trial is added with which the mean
    probabilities are best on the validation rows; the first one if several are best. The ensemble is that of the first
    round with the best score.

    Parameters
    ----------
    metric, y, probas : as in `validation_merits`
    """
    total: Floats = np.zeros_like(np.asarray(probas[0], dtype=np.float64))
    members: list[int] = []
    reached: list[float] = []
    for size in range(1, ENSEMBLE_ROUNDS + 1):
        merits = validation_merits(metric, y, [(total + proba) / size for proba in probas])
        best = int(np.argmax(merits))
        total += probas[best]
        members.append(best)
        reached.append(float(merits[best]))
    return np.bincount(members[: int(np.argmax(reached)) + 1], minlength=len(probas))


def mean_proba(counts: Integers, probas: Sequence[Floats]) -> Floats:
    """``(rows, classes)`` mean probabilities of the members of an ensemble."""
    total: Floats = np.zeros_like(np.asarray(probas[0], dtype=np.float64))
    for count, proba in zip(counts.tolist(), probas, strict=True):
        total += count * np.asarray(proba, dtype=np.float64)
    mean: Floats = total / counts.sum()
    return mean
