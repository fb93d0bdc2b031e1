"""Ranks and Friedman's test, checked against scipy and published numbers."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from imbench.contract.errors import UsageError
from imbench.stats.friedman import friedman, friedman_from_sums, friedman_undefined
from imbench.stats.ranks import TRAINED, Tolerance, average_ranks, equal, rank, rank_sums, tolerance_of

# Demsar, Statistical Comparisons of Classifiers over Multiple Data Sets (2006), Table 6: AUC of C4.5 and its variants.
DEMSAR = np.array(
    [
        [0.763, 0.768, 0.771, 0.798],
        [0.599, 0.591, 0.590, 0.569],
        [0.954, 0.971, 0.968, 0.967],
        [0.628, 0.661, 0.654, 0.657],
        [0.882, 0.888, 0.886, 0.898],
        [0.936, 0.931, 0.916, 0.931],
        [0.661, 0.668, 0.609, 0.685],
        [0.583, 0.583, 0.563, 0.625],
        [0.775, 0.838, 0.866, 0.875],
        [1.000, 1.000, 1.000, 1.000],
        [0.940, 0.962, 0.965, 0.962],
        [0.619, 0.666, 0.614, 0.669],
        [0.972, 0.981, 0.9751, 0.975],  # printed as 0.975 twice, ranked apart: the scores were rounded for print
        [0.957, 0.978, 0.946, 0.970],
    ]
)
VARIANTS = ["C4.5", "C4.5+m", "C4.5+cf", "C4.5+m+cf"]

# Values with few levels, so that ties abound.
TABLES = hnp.arrays(
    np.float64,
    st.tuples(st.integers(1, 12), st.integers(1, 7)),
    elements=st.integers(0, 4).map(lambda level: level / 4),
)


def test_demsars_table_6():
    ranks = rank(DEMSAR, higher_is_better=True)
    assert average_ranks(ranks).round(3).tolist() == [3.143, 2.000, 2.893, 1.964]
    assert friedman(ranks) == pytest.approx((10.2283464566929, 0.0167215803284414), rel=1e-12)
    assert friedman_from_sums(rank_sums(ranks), 14).statistic == pytest.approx(9.2786, abs=5e-5)


@pytest.mark.parametrize(
    ("sums", "blocks", "statistic", "pvalue"),
    [
        ([65, 70, 36, 77, 22], 18, 50.089, 3.5e-10),
        ([63, 66, 54, 63, 22], 18, 29.556, 6.0e-6),
        ([31, 28, 24, 40, 12], 9, 18.667, 9.1e-4),
        ([38, 36, 30, 22, 9], 9, 24.889, 5.3e-5),
    ],
    ids=["binary GM", "binary BBS", "multi GM", "multi BBS"],
)
def test_the_papers_table_2(sums, blocks, statistic, pvalue):
    found = friedman_from_sums(sums, blocks)
    assert found.statistic == pytest.approx(statistic, abs=5e-4)
    assert found.pvalue == pytest.approx(pvalue, rel=0.02)


@given(TABLES)
def test_ranks_equal_scipys(values):
    np.testing.assert_array_equal(rank(values, higher_is_better=False), stats.rankdata(values, axis=1))
    np.testing.assert_array_equal(rank(values, higher_is_better=True), stats.rankdata(-values, axis=1))


@given(TABLES)
def test_ranks_of_all_strategies_sum_to_a_constant(values):
    blocks, k = values.shape
    assert rank_sums(rank(values, higher_is_better=True)).sum() == blocks * k * (k + 1) / 2


@given(TABLES, st.randoms(use_true_random=False))
def test_the_order_of_strategies_and_blocks_does_not_matter(values, random):
    rows, columns = (random.sample(range(n), n) for n in values.shape)
    ranks = rank(values, higher_is_better=True)
    np.testing.assert_array_equal(rank(values[rows][:, columns], higher_is_better=True), ranks[rows][:, columns])
    shuffled = friedman(ranks[rows][:, columns])
    assert shuffled == pytest.approx(friedman(ranks), rel=1e-9, abs=1e-9, nan_ok=True)


@given(TABLES)
def test_turning_the_direction_mirrors_the_ranks(values):
    k = values.shape[1]
    np.testing.assert_array_equal(rank(values, higher_is_better=True), k + 1 - rank(values, higher_is_better=False))


@given(TABLES.filter(lambda values: values.shape[0] >= 2 and values.shape[1] >= 3))
def test_friedman_equals_scipys(values):
    found = friedman(rank(values, higher_is_better=False))
    if (values == values[:, :1]).all():
        assert math.isnan(found.statistic)
        assert math.isnan(found.pvalue)
    else:
        expected = stats.friedmanchisquare(*values.T)
        assert found == pytest.approx((expected.statistic, expected.pvalue), rel=1e-9, abs=1e-12)


def test_rounding_noise_makes_no_difference():
    clean = np.array([[0.84, 0.84, 0.9], [0.84, 0.9, 0.9]])
    noisy = clean + np.array([[0, -1e-13, 0], [1e-13, 0, -1e-16]])
    np.testing.assert_array_equal(rank(noisy, higher_is_better=True), rank(clean, higher_is_better=True))


def test_a_real_difference_is_no_tie():
    assert rank([[0.84, 0.84 + 3e-12]], higher_is_better=True).tolist() == [[2, 1]]


def test_scores_tie_relative_to_their_size():
    # One unit in the last place of 100000.2 is 1.5e-11; small scores may be as close as that and differ.
    means = [[(100000.1 + 100000.3) / 2, (100000.2 + 100000.2) / 2], [1e-13, 2e-13]]
    assert rank(means, higher_is_better=True).tolist() == [[1.5, 1.5], [2, 1]]


def test_one_score_out_of_all_proportion_makes_no_ties_of_the_others():
    assert rank([[0.3, 0.4, 1e15, np.inf]], higher_is_better=False).tolist() == [[1, 2, 3, 4]]


def test_scores_of_trained_nets_tie_at_a_millionth():
    scores = [[0.7, 0.7 + 4e-8, 0.7 + 3e-6]]
    assert rank(scores, higher_is_better=True).tolist() == [[3, 2, 1]]
    assert rank(scores, higher_is_better=True, tolerance=TRAINED).tolist() == [[2.5, 2.5, 1]]


@given(TABLES, st.integers(-20, 20), st.integers(0, 2**30))
def test_scaling_by_a_power_of_two_and_adding_a_constant_change_no_rank(values, power, constant):
    ranks = rank(values, higher_is_better=True)
    np.testing.assert_array_equal(rank(values * 2.0**power, higher_is_better=True), ranks)
    np.testing.assert_array_equal(rank(values + constant, higher_is_better=True), ranks)


SCORES = st.floats(1e-3, 1e3).flatmap(lambda score: st.sampled_from([score, -score, score * (1 + 1e-13)]))


@given(hnp.arrays(np.float64, (3, 5), elements=SCORES))
def test_two_scores_have_one_rank_only_through_neighbours_that_tie(values):
    ranks = rank(values, higher_is_better=False)
    for block, places in zip(values, ranks, strict=True):
        for one, other in pairwise(np.argsort(block)):
            apart = abs(block[one] - block[other]) / max(abs(block[one]), abs(block[other]))
            if not 5e-13 < apart < 5e-12:
                assert (places[one] == places[other]) == (apart < 1e-12)


def test_rounding_of_a_score_of_zero_is_a_tie():
    # As a correlation comes out; among larger scores 1e-17 is no result of its own.
    assert rank([[0.0, 2e-17, 0.5], [0.1, 0.2, 0.3]], higher_is_better=True).tolist() == [[2.5, 2.5, 1], [3, 2, 1]]


@pytest.mark.parametrize("tolerance", [-1e-6, math.nan, Tolerance(0, -1)])
def test_a_tolerance_below_zero_is_refused(tolerance):
    with pytest.raises(UsageError, match="tolerance must be a number of at least 0"):
        tolerance_of(tolerance)


@pytest.mark.parametrize(
    ("ranks", "reason"),
    [
        (np.empty((0, 3)), "at least 2 complete configurations; there are none"),
        ([[1, 2, 3]], "at least 2 complete configurations; there is 1"),
        ([[1], [1]], "at least 2 strategies; there is 1"),
        ([[2, 2, 2], [2, 2, 2]], "all strategies are tied"),
    ],
)
def test_an_undefined_test_is_nan_and_says_why(ranks, reason):
    assert all(map(math.isnan, friedman(ranks)))
    assert reason in friedman_undefined(ranks)


def test_two_strategies_that_differ_once_are_tested():
    found = friedman([[1, 2], [1.5, 1.5]])
    assert found == pytest.approx((1.0, stats.chi2.sf(1.0, 1)))


@pytest.mark.parametrize(
    ("values", "message"), [([1.0, 2.0], r"\(blocks, strategies\)"), ([[1, 2], [1, math.nan]], "NaN in block 1")]
)
def test_what_cannot_be_ranked_is_named(values, message):
    with pytest.raises(UsageError, match=message):
        rank(values, higher_is_better=True)


@given(
    both=hnp.arrays(np.float64, (2, 5, 3), elements=st.sampled_from([0.0, 1e-7, 0.5, 0.5 + 1e-7, -3.0, np.nan])),
    tolerance=st.sampled_from([TRAINED, Tolerance(0.0, 1e-12)]),
)
def test_pairs_are_tied_together_as_one_by_one(both, tolerance):
    together = equal(*both, tolerance)
    for pair in range(both.shape[2]):
        np.testing.assert_array_equal(together[:, pair], equal(*both[:, :, pair], tolerance))
