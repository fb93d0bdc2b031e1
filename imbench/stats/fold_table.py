"""The scores of single folds behind a score table, for the tests that need more than means."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from imbench.scoring.outcome import Floats
from imbench.stats.within import FOLD

# The columns with the sizes of a fold.
SIZES = ["n_train", "n_test"]


@dataclass(frozen=True, eq=False)
class FoldTable:
    """Scores by configuration, strategy and fold, computed when a test reads them.

    Parameters
    ----------
    rows : rows of results
    where : ``(n,)`` places in ``rows`` of the results of one protocol and task
    position : ``(n,)`` of each, the number of its configuration times the strategies, plus that of its strategy
    shape : configurations, strategies
    kept : ``(configurations,)`` the configurations of interest, by number
    """

    rows: pd.DataFrame
    where: NDArray[np.intp]
    position: NDArray[np.intp]
    shape: tuple[int, int]
    kept: NDArray[np.intp]

    def only(self, kept: NDArray[np.bool_]) -> FoldTable:
        """The folds of only these ``(configurations,)``."""
        return replace(self, kept=self.kept[kept])

    def scores(self, column: str) -> Floats | None:
        """``(configurations, strategies, folds)``, NaN for a missing fold; None if rows do not number their folds.

        A fold with several rows, such as nets of several seeds, counts with their mean.
        """
        if self._fold is None:
            return None
        number, folds = self._fold
        values = self.rows[column].to_numpy(dtype=np.float64)[self.where]
        known = ~np.isnan(values)
        at, size = (self.position * folds + number)[known], self.shape[0] * self.shape[1] * folds
        count = np.bincount(at, minlength=size)
        total = np.bincount(at, weights=values[known], minlength=size)
        mean = np.divide(total, count, out=np.full(size, np.nan), where=count > 0)
        cube: Floats = mean.reshape(*self.shape, folds)[self.kept]
        return cube

    @cached_property
    def test_share(self) -> Floats | None:
        """``(configurations,)`` mean n_test / (n_test + n_train) of the folds; None if the rows lack these sizes."""
        if not set(SIZES) <= set(self.rows):
            return None
        train, test = (self.rows[name].to_numpy(dtype=np.float64)[self.where] for name in SIZES)
        shares = test / (test + train)
        known = ~np.isnan(shares)
        at = self.position[known] // self.shape[1]
        count = np.bincount(at, minlength=self.shape[0])
        total = np.bincount(at, weights=shares[known], minlength=self.shape[0])
        # Rounded, so that further strategies with the same folds do not change the last digit.
        share: Floats = np.divide(total, count, out=np.full(self.shape[0], np.nan), where=count > 0).round(12)
        return share[self.kept]

    @cached_property
    def _fold(self) -> tuple[NDArray[np.intp], int] | None:
        """The number of each row's fold, and how many there are."""
        if not {"repeat", "fold"} <= set(self.rows):
            return None
        # Older rows have no draw.
        numbers = [self.rows[name].to_numpy()[self.where] for name in FOLD if name in self.rows]
        folds, number = np.unique(np.stack(numbers).astype(np.int64), axis=1, return_inverse=True)
        return number.ravel(), folds.shape[1]
