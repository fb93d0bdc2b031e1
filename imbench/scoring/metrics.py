"""The table of metrics of predicted probabilities, and `score`, which computes all of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from imbench.contract.errors import UsageError
from imbench.contract.spec import check_name
from imbench.scoring.outcome import Floats, Outcome

CALIBRATION_BINS = 15
# The last bin is closed, and the one after it, for the products that it takes to find a bin, has no value.
_EDGES = np.append(np.arange(CALIBRATION_BINS) / CALIBRATION_BINS, [np.inf, np.inf])

_UNIT = (0.0, 1.0)


@dataclass(frozen=True)
class Metric:
    """A measure of predicted probabilities; plugins register theirs in the entry point group ``imbench.metrics``.

    Parameters
    ----------
    name : name in result columns and specs
    title : title for readers
    function : function from an `Outcome` to a float, NaN if undefined
    higher_is_better : the direction of ranks
    definition : a description with the edge cases
    of_decisions : whether it depends only on the chosen classes, so that all decision rules change it
    target : the best value if it is neither the largest nor the smallest; values are ranked by the distance from it
    bounds : the smallest and the largest possible value, infinite without one; intervals stay within
    version : raised with every change in the meaning of the numbers: stored numbers of another version are computed
        again from the stored predictions

    >>> round(gmean([0, 0, 1, 1], [[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.2, 0.8]]), 4)
    0.7071
    """

    name: str
    title: str
    function: Callable[[Outcome], float]
    higher_is_better: bool
    definition: str
    of_decisions: bool = False
    target: float | None = None
    bounds: tuple[float, float] = (-math.inf, math.inf)
    version: int = 1

    @property
    def difference_bounds(self) -> tuple[float, float]:
        """The smallest and the largest difference of two values within the bounds."""
        widest = self.bounds[1] - self.bounds[0]
        return -widest, widest

    def __post_init__(self) -> None:
        check_name(self.name, "a metric")
        if not self.bounds[0] < self.bounds[1]:
            raise UsageError(f"metric {self.name} has bounds {self.bounds}; give (smallest, largest)")
        if self.target is not None and self.higher_is_better:
            raise UsageError(
                f"metric {self.name} has a target, {self.target}, and higher_is_better; "
                "it is ranked by the distance from the target, so set higher_is_better to false"
            )

    @property
    def better(self) -> str:
        """Which values are better: ``higher``, ``lower`` or ``nearer to 1``."""
        if self.target is not None:
            return f"nearer to {self.target:g}"
        return "higher" if self.higher_is_better else "lower"

    def ranked(self, values: Floats) -> Floats:
        """The values to rank: the values themselves, or their distance from the target."""
        return values if self.target is None else np.abs(values - self.target)

    def __call__(self, y_true: ArrayLike, proba: ArrayLike) -> float:
        """This metric of ``(rows,)`` true classes and ``(rows, classes)`` probabilities, checked as by `score`."""
        return self.function(Outcome(y_true, proba))  # type: ignore[arg-type]


METRICS: dict[str, Metric] = {}


def _metric(
    title: str,
    *,
    higher_is_better: bool,
    of_decisions: bool = False,
    target: float | None = None,
    bounds: tuple[float, float] = (-math.inf, math.inf),
    version: int = 1,
) -> Callable[[Callable[[Outcome], float]], Metric]:
    """Add a function to the table: its name is the metric's name, its docstring the definition."""

    def enter(function: Callable[[Outcome], float]) -> Metric:
        definition = " ".join((function.__doc__ or "").split())
        numbers = (target, bounds, version)
        metric = Metric(function.__name__, title, function, higher_is_better, definition, of_decisions, *numbers)
        METRICS[metric.name] = metric
        return metric

    return enter


@_metric("G-mean", higher_is_better=True, of_decisions=True, bounds=_UNIT)
def gmean(outcome: Outcome) -> float:
    """Geometric mean of the recalls of the classes present in y_true; 0 if all rows of one class are misclassified.

    The decision is the class of largest probability, the first if tied. For two classes √(TPR·TNR).
    """
    with np.errstate(divide="ignore"):
        return float(np.exp(np.log(outcome.recalls[outcome.present]).mean()))


@_metric("Balanced Brier score", higher_is_better=False, bounds=_UNIT)
def bbs(outcome: Outcome) -> float:
    """Mean over the classes present in y_true of the class's Brier score, the mean over its rows of ½‖e_j − p‖².

    In 0 … 1. It scores as if classes were equally frequent, so it rewards a shifted prior: read it beside `brier`.
    """
    return float(outcome.class_brier[outcome.present].mean())


@_metric("Balanced Brier score, one-dimensional", higher_is_better=False, bounds=_UNIT)
def bbs_1d(outcome: Outcome) -> float:
    """Mean over the classes present in y_true of the mean over class j's rows of (1 − p_j)², the ReMix paper's formula.

    Equal to `bbs` for two classes; for more it is not a proper score.
    """
    return float(outcome.class_means((1.0 - outcome.own_proba) ** 2)[outcome.present].mean())


@_metric("Brier score", higher_is_better=False, bounds=_UNIT)
def brier(outcome: Outcome) -> float:
    """Mean over rows of ½‖e_y − p‖², in 0 … 1: half of the sum-of-squares normalisation (0 … 2) some libraries use.

    For two classes it equals the usual (p_1 − y)².
    """
    return float(outcome.half_squared.mean())


@_metric("Balanced accuracy", higher_is_better=True, of_decisions=True, bounds=_UNIT)
def balanced_accuracy(outcome: Outcome) -> float:
    """Mean recall of the classes present in y_true, not adjusted for chance."""
    return float(outcome.recalls[outcome.present].mean())


@_metric("Macro F1", higher_is_better=True, of_decisions=True, bounds=_UNIT)
def macro_f1(outcome: Outcome) -> float:
    """Mean of 2TP / (2TP + FP + FN) over the classes found in y_true or among the predictions, as in scikit-learn."""
    true_positives = outcome.confusion.diagonal()
    either = outcome.confusion.sum(axis=0) + outcome.counts
    return float((2.0 * true_positives[either > 0] / either[either > 0]).mean())


@_metric("Matthews correlation", higher_is_better=True, of_decisions=True, bounds=(-1.0, 1.0))
def mcc(outcome: Outcome) -> float:
    """Matthews correlation of true and predicted classes (Gorodkin's R_K for K classes), in -1 … 1.

    By scikit-learn's convention 0, chance level, where y_true or the predictions contain a single class.
    """
    rows, guessed = float(len(outcome.y)), outcome.confusion.sum(axis=0).astype(np.float64)
    counts = outcome.counts.astype(np.float64)
    covariance = outcome.confusion.trace() * rows - guessed @ counts
    spread = np.sqrt(rows**2 - guessed @ guessed) * np.sqrt(rows**2 - counts @ counts)
    return float(covariance / spread) if spread > 0 else 0.0


@_metric("Log-loss", higher_is_better=False, bounds=(0.0, math.inf))
def log_loss(outcome: Outcome) -> float:
    """Mean over rows of −ln p_y in nats, p clipped to [ε, 1 − ε] with float64's ε = 2.2e-16, as in scikit-learn."""
    return float(outcome.surprise.mean())


@_metric("Balanced log-loss", higher_is_better=False, bounds=(0.0, math.inf))
def balanced_log_loss(outcome: Outcome) -> float:
    """Mean over the classes present in y_true of the class's mean −ln p_y in nats, p clipped as in `log_loss`.

    It scores as if classes were equally frequent, so it rewards a shifted prior: read it beside `log_loss`.
    """
    return float(outcome.class_means(outcome.surprise)[outcome.present].mean())


@_metric("AUROC", higher_is_better=True, bounds=_UNIT)
def auroc(outcome: Outcome) -> float:
    """Mean of the one-vs-rest areas under the ROC curve, over the classes with rows inside and outside.

    Equal probabilities count half. NaN if y_true contains a single class.
    """
    rows = len(outcome.y)
    areas = [
        (fp[0] * tp[0] + (fp[1:] - fp[:-1]) @ (tp[1:] + tp[:-1])) / (2.0 * count * (rows - count))
        for (tp, fp), count in zip(outcome.thresholds, outcome.counts.tolist(), strict=True)
        if 0 < count < rows
    ]
    return float(np.mean(areas)) if areas else float("nan")


@_metric("AUPRC", higher_is_better=True, bounds=_UNIT, version=2)
def auprc(outcome: Outcome) -> float:
    """Average precision Σ (R_n − R_(n−1)) P_n of class 1, the minority, for two classes; for more, `auprc_macro`.

    NaN for two classes if y_true has no row of class 1. Chance level is the share of class 1.
    """
    if outcome.classes == 2:
        return float(outcome.average_precisions[1])
    return float(np.nanmean(outcome.average_precisions))


@_metric("AUPRC, mean over classes", higher_is_better=True, bounds=_UNIT)
def auprc_macro(outcome: Outcome) -> float:
    """Mean of the one-vs-rest average precisions Σ (R_n − R_(n−1)) P_n, over the classes present in y_true."""
    return float(np.nanmean(outcome.average_precisions))


@_metric("Expected calibration error", higher_is_better=False, bounds=_UNIT)
def ece(outcome: Outcome) -> float:
    """Top-label calibration error: Σ_b n_b/n |accuracy_b − mean confidence_b| over 15 equal bins of the confidence.

    The confidence is the largest probability; bins are [lo, hi), the last one closed.
    """
    return _calibration_gap(outcome.by_class.max(axis=0), outcome.predicted == outcome.y)


@_metric("Classwise calibration error", higher_is_better=False, bounds=_UNIT)
def classwise_ece(outcome: Outcome) -> float:
    """Mean over all classes of Σ_b n_b/n |share of class j_b − mean p_j_b|, over 15 equal bins [lo, hi) of p_j.

    The last bin is closed; a class absent from y_true counts, since probability given to it is misplaced.
    """
    return float(np.mean([_calibration_gap(proba, outcome.y == j) for j, proba in enumerate(outcome.by_class)]))


@_metric("Calibration slope", higher_is_better=False, target=1.0)
def calibration_slope(outcome: Outcome) -> float:
    """Slope b of the logistic regression logit P(y = j) = a + b · logit p_j, by maximum likelihood (Cox 1958).

    Mean over the classes for which it exists; for two classes both slopes are equal. 1 is best: below 1 probabilities
    are too extreme, above 1 too modest. It does not exist for a class without rows, or whose rows the log-odds separate
    from all others; NaN if it exists for no class. Ranked by the distance from 1.
    """
    defined = [fit.slope for fit in outcome.slopes if not np.isnan(fit.slope)]
    return float(np.mean(defined)) if defined else float("nan")


def _calibration_gap(confidence: Floats, hit: NDArray[np.bool_]) -> float:
    # The product can round to a neighbouring bin: edges are quotients, so that 0.6 is 9/15 and not a rounding below it.
    bins = (confidence * CALIBRATION_BINS).astype(np.intp)
    bins += confidence >= _EDGES[bins + 1]
    bins -= confidence < _EDGES[bins]
    return float(np.abs(np.bincount(bins, weights=hit - confidence)).sum() / len(confidence))


@dataclass(frozen=True)
class PerClass:
    """A measure of each class: from an `Outcome` to ``(classes,)``, and whether it depends on decisions only."""

    function: Callable[[Outcome], Floats]
    of_decisions: bool


PER_CLASS: Mapping[str, PerClass] = {
    "recall": PerClass(lambda outcome: outcome.recalls, of_decisions=True),
    "brier": PerClass(lambda outcome: outcome.class_brier, of_decisions=False),
}


def score(y_true: ArrayLike, proba: ArrayLike) -> dict[str, float]:
    """Every metric of one set of predictions.

    Parameters
    ----------
    y_true : array-like, ``(rows,)`` whole class numbers in ``[0, classes)``
    proba : array-like, ``(rows, classes)``, non-negative, each row summing to one within 1e-4

    Returns
    -------
    dict
        The metrics of `METRICS` in their order, then ``recall[j]`` and ``brier[j]`` (mean over the rows of class j of
        ½‖e_j − p‖²) of every class j. The decision is the largest probability, the first if tied. Undefined
        metrics, such as the recall of a class without rows, are NaN.

    Raises
    ------
    UsageError
        For shapes that do not match, class numbers without a column, or rows that are not probabilities.

    >>> result = score([0, 0, 1], [[0.9, 0.1], [0.6, 0.4], [0.3, 0.7]])
    >>> result["gmean"], round(result["bbs"], 4), result["recall[1]"]
    (1.0, 0.0875, 1.0)
    """
    outcome = Outcome(y_true, proba)  # type: ignore[arg-type]
    return {name: metric.function(outcome) for name, metric in METRICS.items()} | {
        f"{name}[{j}]": float(value)
        for name, of_class in PER_CLASS.items()
        for j, value in enumerate(of_class.function(outcome))
    }
