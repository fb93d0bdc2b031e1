"""Nearest neighbours among the rows of a batch: scikit-learn's, found faster where their order is beyond doubt."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.neighbors import NearestNeighbors

# Distances are in double precision here and in scikit-learn, whatever its algorithm; this is far above the rounding of
# both, and of distances stored in single precision.
_ROUNDING = 1e-6


class ClearNeighbours(NearestNeighbors):  # type: ignore[misc]
    """The same neighbours as `sklearn.neighbors.NearestNeighbors`, in the same order.

    Most of the time that scikit-learn takes for a handful of rows is for checks and the choice of an algorithm. Its
    order of equally distant rows is that of the algorithm, so it is asked wherever two of the distances that decide
    the order differ by no more than rounding errors, and for rows that are not finite.
    """

    def __sklearn_clone__(self) -> ClearNeighbours:
        return ClearNeighbours(n_neighbors=self.n_neighbors)

    def fit(self, X: np.ndarray, y: None = None) -> ClearNeighbours:
        """Keep the rows ``(rows, features)``."""
        self._rows = X
        return self

    def kneighbors(
        self, X: np.ndarray | None = None, n_neighbors: int | None = None, return_distance: bool = True
    ) -> Any:
        """As scikit-learn's: ``(queries, neighbours)`` row numbers, the nearest first."""
        if X is not None and n_neighbors is None and not return_distance:
            found = clear_order(X, self._rows, self.n_neighbors)
            if found is not None:
                return found
        super().fit(self._rows)
        return super().kneighbors(X, n_neighbors, return_distance)


def clear_order(queries: np.ndarray, rows: np.ndarray, count: int) -> np.ndarray | None:
    """``(queries, count)`` numbers of the nearest rows, the nearest first; None where rounding could change them.

    Parameters
    ----------
    queries, rows : ``(queries, features)`` and ``(rows, features)``
    count : number of neighbours
    """
    if count > len(rows):
        return None
    a, b = queries.astype(np.float64), rows.astype(np.float64)
    norms_a, norms_b = np.einsum("ij,ij->i", a, a), np.einsum("ij,ij->i", b, b)
    squares = norms_a[:, None] + norms_b - 2 * (a @ b.T)  # (queries, rows)
    order = np.argsort(squares, axis=1)[:, : count + 1]
    gaps = np.diff(np.take_along_axis(squares, order, axis=1), axis=1)
    clear = gaps > _ROUNDING * (norms_a[:, None] + norms_b.max())
    return order[:, :count] if clear.all() else None
