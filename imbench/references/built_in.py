"""The built-in references: guesses without features, linear models and ensembles of trees.

They have scikit-learn's and imbalanced-learn's defaults, unless a docstring says otherwise.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from imbench.contract.modality import MODALITIES
from imbench.contract.reference import Estimator
from imbench.contract.search_space import Integer, LogUniform

# Iterations that lbfgs may take. scikit-learn's default, 100, can end before its own tolerance (1e-4) is reached.
MOST_ITERATIONS = 10_000


class Uniform:
    """The same probability for each class with training rows, as scikit-learn's ``DummyClassifier("uniform")``."""

    modalities = tuple(MODALITIES)
    balances = True

    def fit(self, X: np.ndarray, y: np.ndarray) -> Uniform:
        """Remember the classes."""
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """1 / K in every row."""
        return np.full((len(X), len(self.classes_)), 1 / len(self.classes_))


class ClassPrior:
    """The class frequencies of the training rows, as scikit-learn's ``DummyClassifier(strategy="prior")``."""

    modalities = tuple(MODALITIES)

    def fit(self, X: np.ndarray, y: np.ndarray) -> ClassPrior:
        """Count the rows of each class."""
        self.classes_, counts = np.unique(y, return_counts=True)
        self.prior_ = counts / len(y)
        return self

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """The frequencies in every row."""
        return np.tile(self.prior_, (len(X), 1))


def logistic_regression(
    C: float = 1.0,
    max_iter: int = MOST_ITERATIONS,
    class_weight: str | None = None,
    random_state: int | None = None,
) -> Estimator:
    """Multinomial logistic regression with a ridge penalty; ``class_weight=balanced`` weights rows by class.

    scikit-learn's LogisticRegression 1.5 with its defaults (lbfgs, C = 1, tolerance 1e-4), except ``max_iter``: it is
    large enough to converge.
    """
    from sklearn.linear_model import LogisticRegression

    made: Estimator = LogisticRegression(C=C, max_iter=max_iter, class_weight=class_weight, random_state=random_state)
    return made


_DEFAULT = "ours: around scikit-learn's default"
logistic_regression.search_space = {"C": LogUniform(1e-3, 1e3, _DEFAULT)}  # type: ignore[attr-defined]

balanced_logistic_regression = partial(logistic_regression, class_weight="balanced")


def hist_gradient_boosting(
    learning_rate: float = 0.1,
    max_iter: int = 100,
    max_leaf_nodes: int | None = 31,
    min_samples_leaf: int = 20,
    l2_regularization: float = 0.0,
    class_weight: str | None = None,
    random_state: int | None = None,
) -> Estimator:
    """Gradient-boosted trees on histograms: scikit-learn's HistGradientBoostingClassifier 1.5 with its defaults.

    With more than 10,000 training rows it holds a tenth of them out and stops early, as scikit-learn does by default.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier

    made: Estimator = HistGradientBoostingClassifier(
        learning_rate=learning_rate,
        max_iter=max_iter,
        max_leaf_nodes=max_leaf_nodes,
        min_samples_leaf=min_samples_leaf,
        l2_regularization=l2_regularization,
        class_weight=class_weight,
        random_state=random_state,
    )
    return made


hist_gradient_boosting.search_space = {  # type: ignore[attr-defined]
    "learning_rate": LogUniform(0.01, 0.3, _DEFAULT),
    "max_leaf_nodes": Integer(7, 63, _DEFAULT),
    "min_samples_leaf": Integer(2, 40, _DEFAULT),
    "l2_regularization": LogUniform(1e-3, 10.0, "ours; trial 1 has the other option, 0"),
}

balanced_hist_gradient_boosting = partial(hist_gradient_boosting, class_weight="balanced")


def balanced_random_forest(
    n_estimators: int = 100,
    max_depth: int | None = None,
    min_samples_leaf: int = 1,
    random_state: int | None = None,
) -> Estimator:
    """A forest whose trees see as many rows of each class as the rarest has (Chen, Liaw & Breiman 2004).

    imbalanced-learn's BalancedRandomForestClassifier 0.13 with its defaults: rows are drawn with replacement from all
    classes, and trees get no further bootstrap.
    """
    from imblearn.ensemble import BalancedRandomForestClassifier

    made: Estimator = BalancedRandomForestClassifier(
        n_estimators=n_estimators,
        max_depth=max_depth,
        min_samples_leaf=min_samples_leaf,
        random_state=random_state,
        # The defaults since 0.13, stated because they differ in earlier versions.
        sampling_strategy="all",
        replacement=True,
        bootstrap=False,
    )
    return made


# Trees that see equally many rows of each class; nothing in the estimator's parameters says so.
balanced_random_forest.balances = True  # type: ignore[attr-defined]
balanced_random_forest.search_space = {  # type: ignore[attr-defined]
    "max_depth": Integer(2, 20, "ours; trial 1 has the other option, no limit"),
    "min_samples_leaf": Integer(1, 20, "ours: from imbalanced-learn's default"),
}
