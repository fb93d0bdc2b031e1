"""Class weights for decisions, chosen on validation rows to maximise the g-mean."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from imbench.scoring.outcome import Floats, Integers, Outcome

# Rounds of the coordinate search over more than two classes; it stops when a round improves nothing.
ROUNDS = 20

# One more hit class outweighs any g-mean of the hit classes: no sum of logarithms of recalls is as large.
_HIT = 1e6


def tuned_weights(y_true: ArrayLike, proba: ArrayLike) -> Floats:
    """Class weights w for which the decision argmax_j w_j · p_j maximises the g-mean of these (validation) rows.

    The search. All weights begin at 1, which is the rule ``argmax``. Then, one class after another, the weight of
    class j is set to the best of all distinct thresholds, the others fixed: a row changes to j where ln w_j
    exceeds max_(k≠j) (ln w_k + ln p_k) − ln p_j, so candidates are the midpoints between neighbours of those turning
    points, a point half a unit beyond either end, and the present value. For two classes, only the second class's
    weight is searched, which is exact: every threshold on p_1 is among the candidates. For more classes, rounds over
    all classes in order are repeated until one improves nothing, at most `ROUNDS`: a local optimum.

    Best is the largest g-mean of the classes that have rows here; while some class is missed entirely, and the g-mean
    is 0, more hit classes win, then the larger g-mean of the hit ones. Of tied candidates the nearest to the present
    value is taken, the smaller weight if two are equally near. So weights are never worse on these rows than
    ``argmax``, and differ from 1 only where they are better. A class without a row here keeps the weight 1; with fewer
    than two classes present all do. Nothing is random.

    Parameters
    ----------
    y_true, proba : as in `imbench.scoring.metrics.score`

    Returns
    -------
    ``(classes,)`` positive weights, for two classes ``(1, w)``, which is the threshold 1 / (1 + w) on p_1.
    """
    outcome = Outcome(y_true, proba)  # type: ignore[arg-type]
    log_proba, present = _logs(outcome.proba), np.flatnonzero(outcome.present)
    shift = np.zeros(outcome.classes)
    if len(present) < 2:
        return np.ones(outcome.classes)
    searched = present[1:] if outcome.classes == 2 else present
    best = _goal(_hits(outcome, log_proba + shift), outcome.counts)
    for _ in range(1 if outcome.classes == 2 else ROUNDS):
        before = best
        for j in searched:
            moved = shift.copy()
            moved[j] = _best_shift(log_proba + shift, outcome, int(j), float(shift[j]))
            # Compared by the decisions themselves: rounding must not count as an improvement.
            goal = _goal(_hits(outcome, log_proba + moved), outcome.counts)
            if goal > best:
                shift, best = moved, goal
        if best <= before:
            break
    return np.exp(shift)


def weighted_decisions(proba: ArrayLike, weights: ArrayLike) -> Integers:
    """``(rows,)`` class of the largest w_j · p_j, the first if tied, from ``(rows, classes)`` and ``(classes,)``."""
    decided: Integers = (_logs(np.asarray(proba, dtype=np.float64)) + np.log(np.asarray(weights))).argmax(axis=1)
    return decided


def _logs(proba: Floats) -> Floats:
    return np.log(np.maximum(proba, np.finfo(np.float64).tiny))


def _hits(outcome: Outcome, scores: Floats) -> Integers:
    """``(classes,)`` rows of each class with the largest score for their class."""
    return np.bincount(outcome.y[scores.argmax(axis=1) == outcome.y], minlength=outcome.classes)


def _goal(hits: Floats | Integers, counts: Integers) -> Floats:
    """The objective for ``(..., classes)`` hits: with every class hit, an increasing function of the g-mean."""
    present = counts > 0
    of_present = hits[..., present]
    hit = of_present > 0
    logs = np.log(np.where(hit, of_present, 1) / np.where(hit, counts[present], 1))
    goal: Floats = hit.sum(axis=-1) * _HIT + logs.sum(axis=-1)
    return goal


def _best_shift(scores: Floats, outcome: Outcome, j: int, present: float) -> float:
    """The best ln w_j, given scores ln w_k + ln p_k of all classes with the present ln w_j."""
    others = scores.copy()
    others[:, j] = -np.inf
    rival = others.argmax(axis=1)
    turns = others.max(axis=1) - scores[:, j] + present
    order = np.argsort(turns)  # in any order where equal: no candidate lies between them
    # As ln w_j rises, rows change to j one after another: those of j become hits, those of their rival misses.
    change = np.zeros((len(turns) + 1, outcome.classes))
    rows = np.arange(1, len(turns) + 1)
    y, rival = outcome.y[order], rival[order]
    change[rows, y] = np.where(y == j, 1.0, np.where(y == rival, -1.0, 0.0))
    change[0] = np.bincount(y[y == rival], minlength=outcome.classes)
    rising = turns[order]
    edges = np.concatenate([[rising[0] - 1.0], rising, [rising[-1] + 1.0]])
    apart = edges[1:] > edges[:-1]
    middles = ((edges[:-1] + edges[1:]) / 2)[apart]  # with i rows turned
    goals = _goal(np.cumsum(change, axis=0)[apart], outcome.counts)
    # Among tied candidates, the nearest to the current value wins, then the smaller one.
    best = middles[goals == goals.max()]
    away = np.abs(best - present)
    return float(best[away == away.min()].min())
