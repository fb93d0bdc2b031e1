"""Elo ratings and Bayesian tests of strategies: columns beside the ranks and tests, computed on first use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from imbench.scoring.outcome import Floats, Integers
from imbench.stats.bayes import CONVERGED, FEWEST_BLOCKS, ROPE, hierarchical, signed_rank
from imbench.stats.elo import Elo, elo
from imbench.stats.ranks import Tolerance, difference, rank
from imbench.stats.within import FEWEST_FOLDS

# The outcomes of a Bayesian test for a strategy against the reference, in the order of their probabilities.
OUTCOMES = ("better", "equivalent", "worse")
# What the hierarchical test says of the average gain.
_AVERAGE = ("gain", "low", "high", "r_hat")


@dataclass(frozen=True, eq=False)
class Supplement:
    """Strategies over blocks, and on first use their Elo ratings and Bayesian tests against the reference.

    Parameters
    ----------
    gains : ``(blocks, strategies)`` scores, larger is better
    datasets : ``(blocks,)`` number of each block's dataset
    reference : the strategy that the others are compared with, by number; None if there is none
    alpha : intervals have level 1 − alpha
    tolerance : two scores within it are tied
    rope : the largest difference that does not matter
    folds : ``(blocks, strategies, folds)`` scores of the folds behind the blocks, larger is better, NaN for a missing
        one; None if unknown
    test_share : ``(blocks,)`` n_test / (n_test + n_train) of the folds; None if unknown
    """

    gains: Floats
    datasets: Integers
    reference: int | None
    alpha: float
    tolerance: Tolerance
    rope: float = ROPE
    folds: Floats | None = None
    test_share: Floats | None = None

    @cached_property
    def elo(self) -> Elo:
        """Elo ratings with intervals over datasets; NaN for fewer than 2 strategies or without blocks."""
        if self._is_empty:
            return Elo(*np.full((3, self.gains.shape[1]), np.nan))
        ranks = rank(self.gains, higher_is_better=True, tolerance=self.tolerance)
        return elo(ranks, self.datasets, self.reference, self.alpha)

    @cached_property
    def signed_rank(self) -> Floats:
        """``(strategies, 3)`` probabilities of `OUTCOMES` by the signed-rank test; NaN for the reference."""
        found = np.full((self.gains.shape[1], 3), np.nan)
        if self.reference is None or self._is_empty:
            return found
        over = self.gains[:, [self.reference]]
        differences = difference(self.gains, np.broadcast_to(over, self.gains.shape), self.tolerance)
        found[self._others] = signed_rank(differences[:, self._others], self.rope, self.tolerance)
        return found

    @cached_property
    def hierarchical(self) -> Mapping[str, Floats]:
        """By name, ``(strategies,)``: the probabilities of `OUTCOMES` by the hierarchical test, the posterior mean of
        the average ``gain``, its credible interval ``low``, ``high``, and ``r_hat``; NaN for the reference.

        Blocks with fewer than 4 folds are left out. Everything is NaN if fewer than 3 are left.
        """
        columns = np.full((len(OUTCOMES) + len(_AVERAGE), self.gains.shape[1]), np.nan)
        used = self.fold_blocks
        if self.reference is not None and self._others and used.sum() >= FEWEST_BLOCKS and not self._is_empty:
            assert self.folds is not None
            assert self.test_share is not None
            cube = self.folds[used]
            over = cube[:, [self.reference]]
            gaps = cube[:, self._others] - over
            # Folds of nets that differ by rounding only do not differ.
            gaps[np.abs(gaps) <= self.tolerance.absolute] = 0.0
            found = hierarchical(np.moveaxis(gaps, 1, 0), self.test_share[used], self.rope, self.alpha)
            values = (*found.probabilities.T, found.mean, found.low, found.high, found.r_hat)
            columns[:, self._others] = np.stack(values)
        return dict(zip((*OUTCOMES, *_AVERAGE), columns, strict=True))

    @cached_property
    def fold_blocks(self) -> np.ndarray:
        """``(blocks,)`` whether the hierarchical test uses a block: all strategies have at least 4 folds there."""
        if self.folds is None or self.test_share is None:
            return np.zeros(len(self.gains), dtype=np.bool_)
        common = np.isfinite(self.folds).all(axis=1).sum(axis=1)
        return np.asarray((common >= FEWEST_FOLDS) & np.isfinite(self.test_share))

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """Caveats, one sentence each, without a capital letter and full stop."""
        found = []
        if np.isinf(self.elo.rating).any():
            found.append("a strategy that wins or loses every comparison with the reference's group has no finite Elo")
        worst = np.nan_to_num(self.hierarchical["r_hat"]).max(initial=0.0)
        if worst > CONVERGED:
            found.append(f"the chains of the hierarchical test disagree (R-hat {worst:.2f}); do not read it")
        return tuple(found)

    @property
    def _others(self) -> list[int]:
        return [i for i in range(self.gains.shape[1]) if i != self.reference]

    @property
    def _is_empty(self) -> bool:
        return min(self.gains.shape) < 1 or self.gains.shape[1] < 2 or not bool(np.isfinite(self.gains).all())
