"""Errors that published tools are known for: a test for each, showing that they are not made here."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from imbench.stats.evaluate import evaluate
from imbench.stats.nemenyi import critical_difference, normal_range_sf
from tests.stats.test_ranks import DEMSAR

SCORES = pd.DataFrame(DEMSAR)


def test_friedman_is_corrected_for_ties():
    # Without the correction it is 9.2786.
    assert evaluate(SCORES, higher_is_better=True).friedman.statistic == pytest.approx(10.2283464566929, rel=1e-12)


@pytest.mark.parametrize("k", [2, 3, 5, 8, 12])
def test_the_critical_difference_takes_the_quantile_of_k_not_of_k_plus_1(k):
    error = np.sqrt(k * (k + 1) / (6 * 20))
    q, q_of_one_more = (stats.studentized_range.ppf(0.95, j, np.inf) / np.sqrt(2) for j in (k, k + 1))
    found = critical_difference(k, 20) / error
    assert found == pytest.approx(q, rel=1e-6)
    assert found < q_of_one_more


@pytest.mark.parametrize("k", [2, 3, 5, 8, 12])
def test_the_critical_difference_has_infinite_degrees_of_freedom(k):
    error = np.sqrt(k * (k + 1) / (6 * 10))
    with_few = stats.studentized_range.ppf(0.95, k, k * (10 - 1)) / np.sqrt(2)
    found = critical_difference(k, 10) / error
    assert found == pytest.approx(stats.studentized_range.ppf(0.95, k, np.inf) / np.sqrt(2), rel=1e-6)
    assert found < with_few


def test_incomplete_blocks_are_dropped_not_ranked():
    gap = SCORES.copy()
    gap.iloc[3, 2] = np.nan
    found, expected = (evaluate(table, higher_is_better=True) for table in (gap, SCORES.drop(index=3)))
    pd.testing.assert_series_equal(found.average_ranks, expected.average_ranks)
    pd.testing.assert_frame_equal(found.wilcoxon, expected.wilcoxon)
    pd.testing.assert_frame_equal(found.nemenyi, expected.nemenyi)
    assert list(found.dropped) == [3]


def test_the_best_comes_first_whichever_way_is_better():
    for higher in (True, False):
        found = evaluate(SCORES if higher else -SCORES, higher_is_better=higher)
        lines = str(found).splitlines()
        assert lines[2].split()[0] == str(found.average_ranks.idxmin())
        assert found.control["best"].iloc[0] == found.average_ranks.idxmin()


def test_which_tests_are_made_does_not_depend_on_the_data():
    normal, heavy = np.random.default_rng(0).normal(size=(2, 20, 4))
    one, other = (evaluate(pd.DataFrame(x), higher_is_better=True) for x in (normal, heavy**5))
    assert set(one.to_dict()) == set(other.to_dict())
    assert set(one.wilcoxon["method"]) == set(other.wilcoxon["method"]) == {"exact"}


def test_rounding_noise_neither_makes_nor_breaks_a_tie():
    # 0.84 and 0.8399999999999999 are one score, and so are differences such as 0.3 - 0.1 and 0.5 - 0.3.
    clean = pd.DataFrame(np.random.default_rng(1).integers(0, 6, (12, 3)) / 10)
    noisy = clean * 3 / 3 + np.random.default_rng(2).choice([0, 1e-16, -1e-16], clean.shape)
    whole = evaluate((clean * 10).round(), higher_is_better=True)
    for table in (clean, noisy):
        found = evaluate(table, higher_is_better=True)
        pd.testing.assert_frame_equal(found.wilcoxon, whole.wilcoxon)
        assert found.friedman == whole.friedman


def test_small_tied_samples_have_the_exact_p():
    # scipy's own default for these is a permutation test in some versions, a normal approximation in others.
    a, b = np.array([1.0, 2, 3, 4, 5, 6, 7]), np.array([0.0, 1, 2, 3, 5, 8, 3])
    row = evaluate(pd.DataFrame({"a": a, "b": b}), higher_is_better=True).wilcoxon.iloc[0]
    every = stats.permutation_test(
        ((a - b)[a != b],),
        lambda d: (np.sign(d) * stats.rankdata(abs(d))).sum(),
        permutation_type="samples",
        n_resamples=np.inf,
    )
    assert row["method"] == "exact"
    assert row["p"] == pytest.approx(every.pvalue)


def test_a_pair_does_not_depend_on_which_others_are_in_the_pool():
    # Mean-rank tests do (Benavoli, Corani and Mangili 2016), which is why Wilcoxon's is the headline.
    alone = evaluate(SCORES[[0, 3]], higher_is_better=True)
    pooled = evaluate(SCORES, higher_is_better=True)
    pair = pooled.wilcoxon.query("first == 0 and second == 3").iloc[0]
    assert pair["p"] == alone.wilcoxon["p"].iloc[0]
    assert pooled.nemenyi.loc[0, 3] != pytest.approx(alone.nemenyi.loc[0, 3], abs=0.01)


def test_small_p_values_keep_their_precision():
    # Two strategies: the range of two normals is √2 |z|, whose tail is known. 1 − cdf would give 0 here.
    q = np.array([1.0, 5, 10, 15, 25])
    np.testing.assert_allclose(normal_range_sf(q, 2), 2 * stats.norm.sf(q / np.sqrt(2)), rtol=1e-10)


@pytest.mark.parametrize("k", [3, 7, 12, 100, 1000])
def test_the_range_of_normals_equals_scipys(k):
    q = np.linspace(0, 12, 60)
    np.testing.assert_allclose(normal_range_sf(q, k), stats.studentized_range.sf(q, k, np.inf), atol=2e-11)
