"""Paired comparisons within one dataset, and equivalence; checked against statsmodels, scipy and a study."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.weightstats import DescrStatsW, ttost_paired

from imbench.contract.errors import UsageError
from imbench.stats.within import corrected_t, equivalence


def folds(seed, shift=0.0, spread=0.02, count=20):
    rng = np.random.default_rng(seed)
    a = rng.normal(0.8, 0.05, count)
    return a, a + rng.normal(shift, spread, count)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("margin", [0.005, 0.02, 0.1])
def test_two_one_sided_tests_equal_statsmodels(seed, margin):
    a, b = folds(seed, shift=0.01)
    found = equivalence(a, b, margin)
    p, lower, upper = ttost_paired(a, b, -margin, margin)
    assert (found.pvalue, found.p_lower, found.p_upper) == pytest.approx((p, lower[1], upper[1]), rel=1e-9)
    assert (found.low, found.high) == pytest.approx(DescrStatsW(a - b).tconfint_mean(alpha=0.1), rel=1e-9)
    assert found.mean == pytest.approx((a - b).mean())


@pytest.mark.parametrize(
    ("shift", "margin", "verdict"),
    [(0.0, 0.05, "equivalent"), (0.2, 0.05, "different"), (-0.2, 0.05, "different"), (0.05, 0.05, "undecided")],
)
def test_the_verdict_follows_from_the_interval_and_the_margin(shift, margin, verdict):
    found = equivalence(*folds(1, shift), margin)
    assert found.verdict == verdict
    assert (found.pvalue < 0.05) == (verdict == "equivalent")
    assert str(found).startswith(verdict)


@given(st.integers(0, 10_000), st.floats(0.001, 0.1), st.sampled_from([None, 0.1, 0.5]))
def test_equivalent_means_that_the_interval_lies_within_the_margin(seed, margin, test_share):
    found = equivalence(*folds(seed, count=6), margin, test_share=test_share)
    assert (found.verdict == "equivalent") == (-margin < found.low and found.high < margin)


@given(st.integers(0, 10_000), st.floats(0.001, 0.1))
def test_exchanging_a_and_b_turns_the_difference_and_nothing_else(seed, margin):
    a, b = folds(seed, count=8)
    one, other = equivalence(a, b, margin), equivalence(b, a, margin)
    assert one.verdict == other.verdict
    assert (one.mean, one.low, one.p_lower) == pytest.approx((-other.mean, -other.high, other.p_upper), abs=1e-12)


def test_without_a_test_share_it_is_students_paired_t_test():
    a, b = folds(2)
    found, expected = corrected_t(a - b, None), stats.ttest_rel(a, b)
    assert (found.statistic, found.pvalue) == pytest.approx((expected.statistic, expected.pvalue), rel=1e-9)
    assert (found.low, found.high) == pytest.approx(tuple(expected.confidence_interval(0.95)), rel=1e-9)


def test_the_correction_is_nadeau_and_bengios():
    # Ten times two folds: n_test / n_train = 1, so the variance factor is 1/20 + 1, written out.
    difference = np.subtract(*folds(3))
    found = corrected_t(difference, test_share=0.5)
    expected = difference.mean() / math.sqrt((1 / 20 + 1) * difference.var(ddof=1))
    assert found.statistic == pytest.approx(expected)
    assert found.pvalue == pytest.approx(2 * stats.t.sf(abs(expected), 19))
    # Ten folds: n_test / n_train = 1/9.
    tenfold = corrected_t(difference[:10], test_share=0.1)
    error = math.sqrt((1 / 10 + 1 / 9) * difference[:10].var(ddof=1))
    assert tenfold.error == pytest.approx(error)


def test_the_corrected_interval_is_wider():
    a, b = folds(4)
    plain, corrected = equivalence(a, b, 0.02), equivalence(a, b, 0.02, test_share=0.5)
    assert (corrected.high - corrected.low) / (plain.high - plain.low) == pytest.approx(math.sqrt((1 / 20 + 1) * 20))


def test_the_correction_keeps_the_error_rate_where_students_test_does_not():
    # Rules that differ by nothing on average, compared on datasets of 40 rows by ten times two folds.
    rng = np.random.default_rng(0)
    rejected = {None: 0, 0.5: 0}
    for _ in range(300):
        difference = rng.normal(size=40)  # of the two rules' losses, row by row
        halves = rng.permuted(np.tile(difference, (10, 1)), axis=1).reshape(20, 20)
        for share in rejected:
            rejected[share] += corrected_t(halves.mean(axis=1), share).pvalue < 0.05
    assert rejected[None] / 300 > 0.5
    assert rejected[0.5] / 300 <= 0.08


@pytest.mark.parametrize(
    ("difference", "verdict", "p"), [(0.0, "equivalent", 0), (0.25, "different", 1), (0.5, "different", 1)]
)
def test_differences_without_any_spread_are_decided_by_the_margin(difference, verdict, p):
    found = equivalence(np.full(5, difference), np.zeros(5), margin=0.25)
    assert (found.verdict, found.pvalue) == (verdict, p)


def test_no_difference_at_all_is_p_1():
    assert corrected_t(np.zeros(4), 0.5).pvalue == 1
    assert corrected_t(np.full(4, 0.1), 0.5)[:2] == (math.inf, 0)


SERIES = pd.Series([0.1, 0.2, 0.3], index=["x", "y", "z"])


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (([1, 2, 3], [1, 2], 0.1), {}, r"must pair up, got shapes \(3,\) and \(2,\)"),
        ((SERIES, SERIES.iloc[::-1], 0.1), {}, "the same index in the same order"),
        (([1], [1], 0.1), {}, "at least 2 differences"),
        (([1, math.nan], [1, 1], 0.1), {}, "difference 1 is nan"),
        (([1, 2], [1, 2], 0), {}, "margin must be positive, got 0"),
        (([1, 2], [1, 2], 0.1), {"test_share": 1.0}, "between 0 and 1, got 1.0; .* 0.5 for two folds"),
        (([1, 2], [1, 2], 0.1), {"alpha": 0}, "alpha must be between 0 and 1"),
    ],
)
def test_what_cannot_be_compared_is_named(arguments, options, message):
    with pytest.raises(UsageError, match=message):
        equivalence(*arguments, **options)
