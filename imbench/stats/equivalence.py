"""Paired comparisons of two strategies within one dataset, and the proof that they are equivalent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from imbench.contract.errors import UsageError
from imbench.scoring.outcome import Floats
from imbench.stats.intervals import within
from imbench.stats.nemenyi import check_alpha
from imbench.stats.pairwise import holm, wilcoxon
from imbench.stats.ranks import GIVEN, Tolerance, difference

# With fewer folds an interval of the corrected test reaches more than five standard deviations to either side.
FEWEST_FOLDS = 4
TOO_FEW_FOLDS = (
    f"{{}} folds are too few for an interval of the mean over folds; there are intervals from {FEWEST_FOLDS} on"
)

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
    """Two one-sided paired tests (TOST), and what follows from them.

    Parameters
    ----------
    margin : differences smaller than this do not matter
    mean : mean of a − b
    low, high : its interval of level 1 − 2 alpha, 90 % for alpha 0.05
    p_lower : of the hypothesis that the mean is at most −margin
    p_upper : of the hypothesis that the mean is at least +margin
    pairs : how many were compared
    verdict : ``equivalent`` where the interval lies within (−margin, margin), which is where both p-values are below
        alpha; ``different`` where it lies wholly outside; else ``undecided``
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
    test_share : n_test / (n_test + n_train), in (0, 1), of the rows tested and trained on in a fold: 1/K for K-fold
        cross-validation; rows held out for validation belong to neither. None: the differences are independent, and
        this is Student's paired t-test
    alpha : the interval has level 1 − alpha

    Returns
    -------
    Where all differences are the same, the statistic is infinite and p = 0, or, where they are 0, NaN and 1.

    Raises
    ------
    UsageError
        For fewer than 2 differences, one that is not finite, or a share or alpha out of range.

    >>> round(corrected_t([0.02, 0.01, 0.03, 0.02], test_share=0.5).pvalue, 3)
    0.116
    """
    from scipy.special import stdtr, stdtrit

    check_alpha(alpha)
    values = _checked(differences)
    mean, error = float(values.mean()), _standard_error(values, test_share)
    statistic = _ratio(mean, error)
    half = -float(stdtrit(len(values) - 1, alpha / 2)) * error
    p = 1.0 if np.isnan(statistic) else float(2 * stdtr(len(values) - 1, -abs(statistic)))
    return PairedT(statistic, p, mean, error, mean - half, mean + half, len(values))


def fold_interval(
    values: ArrayLike, test_share: float, alpha: float, bounds: tuple[float, float] = (-np.inf, np.inf)
) -> tuple[float, float]:
    """The interval of the mean over ``(folds,)`` values by `corrected_t`, within bounds; NaN for fewer than 4 folds."""
    if np.size(values) < FEWEST_FOLDS:
        return float("nan"), float("nan")
    test = corrected_t(values, test_share, alpha)
    return within((test.low, test.high), bounds)


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


def equivalence(
    a: ArrayLike, b: ArrayLike, margin: float, *, alpha: float = 0.05, test_share: float | None = None
) -> Equivalence:
    """Whether a and b differ by less than a margin: "no difference" as a finding, not as a test that failed.

    Two one-sided paired t-tests (Schuirmann 1987). The interval in place of the tests is the region of practical
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
    from scipy.special import stdtr, stdtrit

    check_alpha(alpha)
    if not (np.isfinite(margin) and margin > 0):
        raise UsageError(f"margin must be positive, got {margin}; give the largest difference that does not matter")
    values = _checked(_paired(a, b))
    mean, error, freedom = float(values.mean()), _standard_error(values, test_share), len(values) - 1
    # Each p is of its hypothesis' edge: the mean at −margin against larger, at +margin against smaller.
    p_lower, p_upper = (
        1.0 if np.isnan(t) else float(stdtr(freedom, -t))
        for t in (_ratio(mean + margin, error), _ratio(margin - mean, error))
    )
    half = -float(stdtrit(freedom, alpha)) * error
    low, high = mean - half, mean + half
    outside = low >= margin or high <= -margin
    verdict = EQUIVALENT if max(p_lower, p_upper) < alpha else DIFFERENT if outside else UNDECIDED
    return Equivalence(margin, mean, low, high, p_lower, p_upper, len(values), verdict)


def _paired(a: ArrayLike, b: ArrayLike) -> Floats:
    if isinstance(a, pd.Series) and isinstance(b, pd.Series) and not a.index.equals(b.index):
        raise UsageError("a and b must have one index, in one order; align them first, for example with a.align(b)")
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
        raise UsageError(f"difference {place} is {values[place]}; leave out pairs without a score on both sides")
    return values


def _standard_error(values: Floats, test_share: float | None) -> float:
    if test_share is not None and not 0 < test_share < 1:
        raise UsageError(
            f"test_share must be between 0 and 1, got {test_share}; "
            "it is n_test / (n_test + n_train), 0.5 for two folds"
        )
    extra = 0.0 if test_share is None else test_share / (1 - test_share)
    spread = float(values.std(ddof=1))
    # Equal differences have a deviation of rounding alone.
    spread = 0.0 if spread <= 1e-15 * np.abs(values).max() else spread
    return spread * float(np.sqrt(1 / len(values) + extra))


def _ratio(value: float, error: float) -> float:
    if error > 0:
        return value / error
    return float("nan") if value == 0 else float(np.copysign(np.inf, value))
