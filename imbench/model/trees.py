"""Ensembles of decision trees as plain arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from imbench.contract.errors import UsageError
from imbench.contract.records import Preprocessing
from imbench.data.preprocess import apply
from imbench.model.nets import blocks, softmax
from imbench.scoring.outcome import Floats

LEAF = -1
SUM, MEAN = "softmax of sums", "mean"


@dataclass(frozen=True, eq=False)
class Trees:
    """Trees whose leaves have a value for each class; a row goes left where its input is at most the threshold.

    Parameters
    ----------
    preprocessing : standardisation of the inputs, as nets have it
    feature : ``(nodes,)`` number of the input that a node compares, `LEAF` for a leaf
    threshold : ``(nodes,)`` float64
    left, right : ``(nodes,)`` numbers of the following nodes
    values : ``(nodes, classes)`` float64 values of the leaves
    roots : ``(trees,)`` number of each tree's first node
    base : ``(classes,)`` float64, added to the sums
    link : `SUM`, probabilities are the softmax of base and the sum of all values (boosting), or `MEAN`, the mean of the
        values (forests)

    Raises
    ------
    UsageError for arrays that do not fit each other, and trees that do not end.
    """

    preprocessing: Preprocessing
    feature: np.ndarray
    threshold: np.ndarray
    left: np.ndarray
    right: np.ndarray
    values: np.ndarray
    roots: np.ndarray
    base: np.ndarray
    link: str

    def __post_init__(self) -> None:
        if not (self._has_sizes() and self._ends()):
            raise UsageError("the arrays of the trees do not fit each other")

    def _has_sizes(self) -> bool:
        nodes = (self.threshold, self.left, self.right, self.values)
        same = {len(array) for array in nodes} == {len(self.feature)}
        known = self.link in (SUM, MEAN) and self.values.shape[1:] == self.base.shape
        return same and known and bool(((self.feature >= LEAF) & (self.feature < self.inputs)).all())

    def _ends(self) -> bool:
        """Whether nodes follow their parents, so that every path ends."""
        nodes, inner = np.arange(len(self.feature)), self.feature != LEAF
        after = [((way > nodes) & (way < len(nodes)))[inner].all() for way in (self.left, self.right)]
        return all(after) and len(self.roots) > 0 and bool(((self.roots >= 0) & (self.roots < len(nodes))).all())

    @property
    def inputs(self) -> int:
        """Number of inputs."""
        return len(self.preprocessing.center)

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.base)

    def probabilities(self, x: np.ndarray) -> Floats:
        """``(rows, classes)`` float64 of ``(rows, inputs)`` float32."""
        found = np.empty((len(x), self.classes))
        for rows, block in blocks(x):
            given = apply(block, self.preprocessing).astype(np.float64)
            total = np.repeat(self.base[None], len(given), axis=0)
            for root in self.roots:
                total += self.values[self._leaves(given, int(root))]
            proba = softmax(total) if self.link == SUM else total / len(self.roots)
            found[rows] = proba[: rows.stop - rows.start]
        return found

    def _leaves(self, x: Floats, root: int) -> np.ndarray:
        """``(rows,)`` the leaf of each row."""
        node, place = np.full(len(x), root), np.arange(len(x))
        while (inner := self.feature[node] != LEAF).any():
            goes_left = x[place, self.feature[node]] <= self.threshold[node]
            node = np.where(inner, np.where(goes_left, self.left[node], self.right[node]), node)
        return node
