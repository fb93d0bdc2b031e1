"""Comparisons within one dataset, over its folds: the corrected resampled t-test, and tests of equivalence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from imbench.contract.errors import UsageError
from imbench.contract.names import suggest
from imbench.scoring.metrics import Metric
from imbench.scoring.outcome import Floats
from imbench.stats.intervals import clip_interval, student_half
from imbench.stats.names import CONFIGURATION
from imbench.stats.nemenyi import check_alpha
from imbench.stats.pairwise import holm, wilcoxon
from imbench.stats.ranks import GIVEN, TRAINED, Tolerance, difference

# With fewer folds an interval of the corrected test extends more than five standard deviations to either side.
FEWEST_FOLDS = 4
TOO_FEW_FOLDS = f"{{}} folds are too few for an interval of the mean over folds; at least {FEWEST_FOLDS} are needed"

# The columns that number a fold; its training seeds are averaged, since they share all rows.
FOLD = ["draw", "repeat", "fold"]

EQUIVALENT, DIFFERENT, UNDECIDED = "equivalent", "different", "undecided"


class PairedT(NamedTuple):
    """A paired t-test: ``statistic``, two-sided ``pvalue``, mean difference, its standard error and interval."""

    statistic: float
    pvalue: float
    mean: float
    error: float
    low: float
    high: float
    pairs: int


@dataclass(frozen=True)
class Equivalence:
    """Two one-sided paired tests (TOST) and their verdict.

    Parameters
    ----------
    margin : the largest difference that does not matter
    mean : mean of a − b
    low, high : interval of the mean of level 1 − 2 alpha, 90 % for alpha 0.05
    p_lower : p-value of the hypothesis that the mean is at most −margin
    p_upper : p-value of the hypothesis that the mean is at least +margin
    pairs : number of compared pairs
    verdict : ``equivalent`` if the interval lies within (−margin, margin), that is if both p-values are below alpha;
        ``different`` if it lies outside; else ``undecided``
    """

    margin: float
    mean: float
    low: float
    high: float
    p_lower: float
    p_upper: float
    pairs: int
    verdict: str

    @property
    def pvalue(self) -> float:
        """The larger of the two: below alpha, a and b are equivalent."""
        return max(self.p_lower, self.p_upper)

    def __str__(self) -> str:
        return (
            f"{self.verdict}: mean difference {self.mean:.4g}, interval {self.low:.4g} to {self.high:.4g}, "
            f"margin ±{self.margin:g}, p = {self.pvalue:.3g} (TOST, {self.pairs} pairs)"
        )


def corrected_t(differences: ArrayLike, test_share: float | None, alpha: float = 0.05) -> PairedT:
    """Nadeau and Bengio's corrected resampled t-test of paired differences over the folds of one dataset.

    Folds share training rows, so the variance of their mean is (1/J + n_test/n_train) s², not s²/J (Nadeau and Bengio
    2003; for repeated K-fold Bouckaert and Frank 2004), with J − 1 degrees of freedom.

    Parameters
    ----------
    differences : array-like, ``(folds,)`` J differences, all repeats together, at least 2, no NaN
    test_share : n_test / (n_test + n_train) of a fold, in (0, 1): 1/K for K-fold cross-validation; rows held out for
        validation count as neither. None: differences are independent, and the test is Student's paired t-test
    alpha : the interval has level 1 − alpha

    Returns
    -------
    If all differences are equal, the statistic is infinite and p = 0; if all are 0, NaN and 1.

    Raises
    ------
    UsageError
        For fewer than 2 differences, a difference that is not finite, or a share or alpha out of range.

    >>> round(corrected_t([0.02, 0.01, 0.03, 0.02], test_share=0.5).pvalue, 3)
    0.116
    """
    from scipy.special import stdtr

    check_alpha(alpha)
    values = _checked(differences)
    mean, error = float(values.mean()), _standard_error(values, test_share)
    statistic = _ratio(mean, error)
    half = float(student_half(error, len(values) - 1, alpha))
    p = 1.0 if np.isnan(statistic) else float(2 * stdtr(len(values) - 1, -abs(statistic)))
    return PairedT(statistic, p, mean, error, mean - half, mean + half, len(values))


def fold_interval(
    values: ArrayLike, test_share: float, alpha: float, bounds: tuple[float, float] = (-np.inf, np.inf)
) -> tuple[float, float]:
    """The interval of the mean over ``(folds,)`` values by `corrected_t`, within bounds; NaN for fewer than 4 folds."""
    if np.size(values) < FEWEST_FOLDS:
        return float("nan"), float("nan")
    test = corrected_t(values, test_share, alpha)
    return clip_interval((test.low, test.high), bounds)


def corrected_pairs(
    gains: Floats, first: ArrayLike, second: ArrayLike, test_share: float, tolerance: Tolerance = GIVEN
) -> pd.DataFrame:
    """`corrected_t` of pairs of strategies over the folds of one dataset, as `imbench.stats.pairwise.wilcoxon` has it.

    Parameters
    ----------
    gains : ``(folds, strategies)``, larger is better, no NaN
    first, second : array-like, ``(pairs,)`` column numbers

    Returns
    -------
    The same columns: ``statistic`` is t, ``method`` is ``corrected t``; effects, wins, ties and losses are over folds.
    """
    table = wilcoxon(gains, first, second, tolerance)
    pairs = zip(np.asarray(first).tolist(), np.asarray(second).tolist(), strict=True)
    tests = [corrected_t(difference(gains[:, a], gains[:, b], tolerance), test_share) for a, b in pairs]
    p = np.array([test.pvalue for test in tests])
    return table.assign(statistic=[test.statistic for test in tests], p=p, p_holm=holm(p), method="corrected t")


def fold_means(rows: pd.DataFrame, columns: str | list[str]) -> Any:
    """The means of these columns over the training seeds of each fold, by draw, repeat and fold.

    ``rows``: one for each net of a job; without a column ``draw`` they are of a single draw.
    """
    return rows.groupby([name for name in FOLD if name in rows])[columns].mean()


def tested_share(rows: pd.DataFrame) -> float:
    """The share of tested rows among those tested and trained on in a fold, as `corrected_t` takes it.

    ``rows``: one for each fold, with columns ``n_test`` and ``n_train``.
    """
    return float((rows["n_test"] / (rows["n_test"] + rows["n_train"])).mean())


def compare_within(rows: pd.DataFrame, metric: Metric, reference: str, alpha: float = 0.05) -> pd.DataFrame:
    """Each strategy against the reference within each configuration, over their common folds.

    Parameters
    ----------
    rows : per-fold rows of one protocol and task (see `Store.frame`)
    metric : metric to compare by
    reference : the strategy that gains are measured against
    alpha : intervals have level 1 − alpha

    Returns
    -------
    A row for each configuration and strategy: ``dataset``, ``variant``, ``strategy``, ``folds`` compared, ``gain``,
    the mean over folds, positive is better, its interval ``low`` to ``high``, ``p`` of `corrected_t` with the share of
    tested rows in these rows, and ``p_holm`` over the strategies of one configuration. NaN below two common folds, and
    intervals NaN below four (`fold_interval`). For a metric with a target the gain is the reduction of the distance
    from it. Scores tie at 1e-6, as those of trained nets do.

    Raises
    ------
    UsageError
        If the rows have no results of the reference.
    """
    if reference not in set(rows["strategy"]):
        known = sorted(set(rows["strategy"]))
        raise UsageError(f"reference {reference!r} is not a strategy; {suggest(reference, known)}")
    rows = rows if "draw" in rows else rows.assign(draw=0)
    texts = [name for name in [*CONFIGURATION, "strategy"] if isinstance(rows[name].dtype, pd.CategoricalDtype)]
    ranked = metric.ranked(rows[metric.name].to_numpy(dtype=np.float64))
    rows = rows.astype(dict.fromkeys(texts, "str")).assign(**{metric.name: ranked})
    found = []
    for (dataset, variant, _), group in rows.groupby(CONFIGURATION, sort=True):
        scores = group.pivot_table(index=FOLD, columns="strategy", values=metric.name, aggfunc="mean", dropna=False)
        if reference not in scores:
            continue
        share = tested_share(group)
        tests: list[dict[str, Any]] = [
            {"dataset": dataset, "variant": variant, "strategy": name}
            | _compared(difference(scores[name], scores[reference], TRAINED), share, alpha, metric)
            for name in scores.columns
            if name != reference
        ]
        tested = [test for test in tests if not np.isnan(test["p"])]
        for test, corrected in zip(tested, holm([test["p"] for test in tested]), strict=True):
            test["p_holm"] = float(corrected)
        found += tests
    columns = ["dataset", "variant", "strategy", "folds", "gain", "low", "high", "p", "p_holm"]
    return pd.DataFrame(found, columns=columns)


def check_test_share(test_share: float) -> None:
    """Raise UsageError unless this is a share, in (0, 1)."""
    if not 0 < test_share < 1:
        raise UsageError(
            f"test_share must be between 0 and 1, got {test_share}; "
            "it is n_test / (n_test + n_train), 0.5 for two folds"
        )


def equivalence(
    a: ArrayLike, b: ArrayLike, margin: float, *, alpha: float = 0.05, test_share: float | None = None
) -> Equivalence:
    """Whether a and b differ by less than a margin: equivalence shown by a test, not a difference that was not shown.

    Two one-sided paired t-tests (Schuirmann 1987). The interval equivalent to the tests is the region of practical
    equivalence (ROPE): under a flat prior Student's interval is the posterior's, with `test_share` that of the
    correlated Bayesian t-test (Corani and Benavoli 2015).

    Parameters
    ----------
    a, b : array-like, ``(pairs,)`` scores of the same folds or datasets in the same order; two Series must have one
        index
    margin : the largest difference that does not matter, positive, in the scores' unit
    alpha : each one-sided test's level
    test_share : for folds of one dataset, as in `corrected_t`; None for independent pairs

    Raises
    ------
    UsageError
        If a and b do not pair up, or as in `corrected_t`.

    >>> equivalence([0.81, 0.83, 0.80, 0.82], [0.80, 0.83, 0.81, 0.82], margin=0.02).verdict
    'equivalent'
    """
    from scipy.special import stdtr

    check_alpha(alpha)
    if not (np.isfinite(margin) and margin > 0):
        raise UsageError(f"margin must be positive, got {margin}; give the largest difference that does not matter")
    values = _checked(_paired(a, b))
    mean, error, freedom = float(values.mean()), _standard_error(values, test_share), len(values) - 1
    # Each p is at the edge of its hypothesis: a mean of −margin against larger, of +margin against smaller.
    p_lower, p_upper = (
        1.0 if np.isnan(t) else float(stdtr(freedom, -t))
        for t in (_ratio(mean + margin, error), _ratio(margin - mean, error))
    )
    half = float(student_half(error, freedom, 2 * alpha))
    low, high = mean - half, mean + half
    outside = low >= margin or high <= -margin
    verdict = EQUIVALENT if max(p_lower, p_upper) < alpha else DIFFERENT if outside else UNDECIDED
    return Equivalence(margin, mean, low, high, p_lower, p_upper, len(values), verdict)


def _compared(differences: Floats, share: float, alpha: float, metric: Metric) -> dict[str, Any]:
    gains = differences[~np.isnan(differences)] * (1 if metric.higher_is_better else -1)
    if len(gains) < 2:
        return {"folds": len(gains)} | dict.fromkeys(("gain", "low", "high", "p", "p_holm"), float("nan"))
    test = corrected_t(gains, share, alpha)
    low, high = fold_interval(gains, share, alpha, metric.difference_bounds)
    return {"folds": len(gains), "gain": test.mean, "low": low, "high": high, "p": test.pvalue}


def _paired(a: ArrayLike, b: ArrayLike) -> Floats:
    if isinstance(a, pd.Series) and isinstance(b, pd.Series) and not a.index.equals(b.index):
        raise UsageError("a and b must have the same index in the same order; align them with a.align(b)")
    one, other = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if one.shape != other.shape:
        raise UsageError(f"a and b must pair up, got shapes {one.shape} and {other.shape}")
    return difference(one, other) if one.ndim == 1 else one - other


def _checked(differences: ArrayLike) -> Floats:
    values = np.asarray(differences, dtype=np.float64)
    if values.ndim != 1 or len(values) < 2:
        raise UsageError(f"a paired test needs at least 2 differences in one dimension, got shape {values.shape}")
    if not np.isfinite(values).all():
        place = int((~np.isfinite(values)).argmax())
        raise UsageError(f"difference {place} is {values[place]}; remove pairs with a missing score")
    return values


def _standard_error(values: Floats, test_share: float | None) -> float:
    if test_share is not None:
        check_test_share(test_share)
    extra = 0.0 if test_share is None else test_share / (1 - test_share)
    spread = float(values.std(ddof=1))
    # The deviation of equal differences is rounding only.
    spread = 0.0 if spread <= 1e-15 * np.abs(values).max() else spread
    return spread * float(np.sqrt(1 / len(values) + extra))


def _ratio(value: float, error: float) -> float:
    if error > 0:
        return value / error
    return float("nan") if value == 0 else float(np.copysign(np.inf, value))
