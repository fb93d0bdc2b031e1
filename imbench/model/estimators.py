"""Fitted references as plain arrays: linear models, trees and class frequencies, without pickle."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from imbench.contract.errors import UsageError
from imbench.contract.records import Preprocessing
from imbench.contract.reference import Reference
from imbench.model.fitted import Scorer
from imbench.model.nets import Nets
from imbench.model.trees import LEAF, MEAN, SUM, Trees


def check_storable(reference: Reference) -> None:
    """Raise `UsageError` for a reference that a model folder cannot store; it is not fitted."""
    kind = type(reference.make()).__name__
    if kind not in STORED:
        raise UsageError(
            f"a model of the reference {reference.spec} ({kind}) cannot be stored; those that can are of "
            f"{', '.join(STORED)}"
        )


def scorer_of(estimator: Any, preprocessing: Preprocessing, classes: int) -> Scorer:
    """A fitted estimator as arrays; its probabilities are those of ``predict_proba`` to rounding.

    Parameters
    ----------
    estimator : fitted to standardised inputs and class numbers 0 to ``classes`` − 1, all of which it has seen
    """
    found: Scorer = STORED[type(estimator).__name__](estimator, preprocessing, classes)
    return found


def _constant(estimator: Any, preprocessing: Preprocessing, classes: int) -> Nets:
    """Equal probabilities for every row, as a net whose weights are 0."""
    proba = estimator.predict_proba(np.zeros((1, len(preprocessing.center))))[0]
    return Nets(preprocessing, ((np.zeros((len(preprocessing.center), classes)), np.log(proba)),))


def _linear(estimator: Any, preprocessing: Preprocessing, classes: int) -> Nets:
    """A net without hidden layers; of two classes, the first one has the logit 0."""
    weight, bias = np.asarray(estimator.coef_, float), np.asarray(estimator.intercept_, float)
    if classes == 2:
        weight, bias = np.vstack([np.zeros_like(weight), weight]), np.concatenate([[0.0], bias])
    return Nets(preprocessing, ((np.ascontiguousarray(weight.T), bias),))


def _boosted(estimator: Any, preprocessing: Preprocessing, classes: int) -> Trees:
    """Each tree adds to the logit of one class; of two classes, to that of the second one."""
    parts = []
    for iteration in estimator._predictors:
        for number, predictor in enumerate(iteration):
            nodes = predictor.nodes
            leaf = nodes["is_leaf"].astype(bool)
            values = np.zeros((len(nodes), classes))
            values[leaf, 1 if classes == 2 else number] = nodes["value"][leaf]
            parts.append(
                _part(leaf, nodes["feature_idx"], nodes["num_threshold"], nodes["left"], nodes["right"], values)
            )
    base = np.zeros(classes)
    base[1 if classes == 2 else 0 :] = np.ravel(estimator._baseline_prediction)
    return _joined(parts, preprocessing, base, SUM)


def _forest(estimator: Any, preprocessing: Preprocessing, classes: int) -> Trees:
    """A forest of scikit-learn's trees, which compare float32 values, as the inputs are."""
    parts = []
    for one in estimator.estimators_:
        tree = one.tree_
        leaf = tree.children_left == -1
        values = tree.value[:, 0, :] / tree.value[:, 0, :].sum(axis=1, keepdims=True)
        parts.append(_part(leaf, tree.feature, tree.threshold, tree.children_left, tree.children_right, values))
    return _joined(parts, preprocessing, np.zeros(classes), MEAN)


_Part = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def _part(leaf: np.ndarray, feature: Any, threshold: Any, left: Any, right: Any, values: np.ndarray) -> _Part:
    """Feature, threshold, left, right and values of one tree, with plain values in leaves."""
    return (
        np.where(leaf, LEAF, feature).astype(np.int32),
        np.where(leaf, 0.0, threshold),
        np.where(leaf, 0, left).astype(np.int32),
        np.where(leaf, 0, right).astype(np.int32),
        np.where(leaf[:, None], values, 0.0),
    )


def _joined(parts: Sequence[_Part], preprocessing: Preprocessing, base: np.ndarray, link: str) -> Trees:
    sizes = [len(part[0]) for part in parts]
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int32)
    shift = np.repeat(starts, sizes)
    feature, threshold, left, right, values = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    inner = feature != LEAF
    return Trees(
        preprocessing,
        feature,
        threshold,
        np.where(inner, left + shift, 0).astype(np.int32),
        np.where(inner, right + shift, 0).astype(np.int32),
        values,
        starts,
        base,
        link,
    )


# How estimators become arrays, by the name of their class.
STORED: Mapping[str, Callable[[Any, Preprocessing, int], Scorer]] = {
    "Uniform": _constant,
    "ClassPrior": _constant,
    "LogisticRegression": _linear,
    "HistGradientBoostingClassifier": _boosted,
    "BalancedRandomForestClassifier": _forest,
}
