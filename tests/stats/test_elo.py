"""Elo ratings equal those of logistic regression and of a plain loop, and are infinite where there is no maximum."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats
from sklearn.linear_model import LogisticRegression

from imbench.stats.elo import elo
from imbench.stats.evaluate import evaluate
from imbench.stats.intervals import mean_intervals


def ranks_of(scores):
    return stats.rankdata(-scores, axis=1)


def games(ranks):
    """(first, second, points of the first) of every pair in every block; a tie is half a point each."""
    for block in ranks:
        for i, j in itertools.combinations(range(len(block)), 2):
            yield i, j, 1.0 if block[i] < block[j] else 0.0 if block[i] > block[j] else 0.5


def by_logistic_regression(ranks):
    """As TabArena does it: a game is a row with 1 and -1 of the two players; a tie is a win of half weight each."""
    x, y, weight = [], [], []
    for i, j, points in games(ranks):
        row = np.zeros(ranks.shape[1])
        row[i], row[j] = math.log(10), -math.log(10)
        for won, share in ((1, points), (0, 1 - points)):
            if share:
                x.append(row), y.append(won), weight.append(share)
    model = LogisticRegression(fit_intercept=False, C=np.inf, tol=1e-10, max_iter=10_000)
    return 400 * model.fit(x, y, sample_weight=weight).coef_[0]


def by_plain_loop(ranks, rounds=20_000):
    """Zermelo's iteration (Hunter 2004): strength = wins / sum of games / (strength + other's strength)."""
    k = ranks.shape[1]
    won = np.zeros((k, k))
    for i, j, points in games(ranks):
        won[i, j] += points
        won[j, i] += 1 - points
    strength = np.ones(k)
    for _ in range(rounds):
        strength = np.array(
            [
                won[i].sum() / sum((won[i, j] + won[j, i]) / (strength[i] + strength[j]) for j in range(k) if j != i)
                for i in range(k)
            ]
        )
        strength /= strength.mean()
    return 400 * np.log10(strength)


@pytest.mark.parametrize("seed", range(4))
def test_ratings_equal_those_of_logistic_regression(seed):
    ranks = ranks_of(np.random.default_rng(seed).normal(size=(25, 5)).round(1) + np.arange(5) / 4)
    expected = by_logistic_regression(ranks)
    found = elo(ranks, np.arange(25), anchor=0)
    np.testing.assert_allclose(found.rating, 1000 + expected - expected[0], atol=0.05)


def test_ratings_equal_those_of_a_plain_loop():
    ranks = ranks_of(np.random.default_rng(9).integers(0, 6, size=(12, 4)).astype(float))
    expected = by_plain_loop(ranks, 2000)
    np.testing.assert_allclose(elo(ranks, np.arange(12), anchor=2).rating, 1000 + expected - expected[2], atol=1e-6)


def test_400_points_are_ten_to_one():
    ranks = np.array([[1, 2]] * 10 + [[2, 1]])
    assert elo(ranks, np.arange(11), anchor=1).rating == pytest.approx([1400, 1000])


def test_without_an_anchor_the_mean_is_1000():
    ranks = ranks_of(np.random.default_rng(1).normal(size=(20, 4)))
    assert elo(ranks, np.arange(20)).rating.mean() == pytest.approx(1000)


SCORES = hnp.arrays(float, st.tuples(st.integers(2, 12), st.integers(2, 6)), elements=st.integers(0, 4).map(float))


@given(SCORES)
def test_ratings_order_strategies_as_average_ranks_do(scores):
    ranks = ranks_of(scores)
    found = elo(ranks, np.zeros(len(ranks), dtype=int)).rating
    means = ranks.mean(axis=0)
    for i, j in itertools.permutations(range(len(means)), 2):
        if means[i] < means[j] - 1e-9:
            assert found[i] > found[j] or (math.isinf(found[i]) and found[i] == found[j])
        elif abs(means[i] - means[j]) < 1e-9:
            assert found[i] == pytest.approx(found[j], abs=1e-6)


@given(SCORES)
def test_expected_wins_are_the_observed_ones(scores):
    """The equation of the maximum, for any table whose maximum is finite."""
    ranks = ranks_of(scores)
    found = elo(ranks, np.zeros(len(ranks), dtype=int), anchor=0).rating
    assume(np.isfinite(found).all())
    expected = (1 / (1 + 10 ** ((found[None] - found[:, None]) / 400))).sum(axis=1) - 0.5
    np.testing.assert_allclose(expected, len(found[:]) - ranks.mean(axis=0), atol=1e-6)


def plain_groups(ranks):
    """For each pair, whether a chain of won or tied games leads from the first to the second and back."""
    k = ranks.shape[1]
    reaches = np.eye(k, dtype=bool)
    for i, j, points in games(ranks):
        reaches[i, j] |= points > 0
        reaches[j, i] |= points < 1
    for middle in range(k):
        reaches |= reaches[:, [middle]] & reaches[[middle]]
    return reaches & reaches.T


@given(SCORES)
def test_a_rating_is_finite_exactly_within_the_anchors_group(scores):
    """A maximum exists between strategies that chains of games connect in both directions (Ford 1957)."""
    ranks = ranks_of(scores)
    found = elo(ranks, np.zeros(len(ranks), dtype=int), anchor=0).rating
    assert np.isfinite(found).tolist() == plain_groups(ranks)[0].tolist()


def test_a_strategy_that_always_wins_has_no_finite_rating():
    ranks = np.array([[1, 2, 3], [1, 3, 2], [1, 2, 3], [1, 3, 2]])
    found = elo(ranks, np.arange(4), anchor=1)
    assert found.rating.tolist() == [math.inf, 1000, 1000]
    assert np.isnan([found.low[:2], found.high[:2]]).all()
    assert found.low[2] < 1000 < found.high[2]
    assert elo(ranks, np.arange(4), anchor=0).rating.tolist() == [1000, -math.inf, -math.inf]
    assert elo(ranks, np.arange(4)).rating.tolist() == [math.inf, 1000, 1000]


def test_intervals_take_whole_datasets_together():
    rng = np.random.default_rng(4)
    scores = np.repeat(rng.normal(size=(12, 3)), 4, axis=0) + np.arange(3) / 3
    alone, together = (elo(ranks_of(scores), codes, anchor=0) for codes in (np.arange(48), np.repeat(np.arange(12), 4)))
    # Twice for an average rank; a rating is not linear in it.
    assert ((together.high - together.low)[1:] > 1.5 * (alone.high - alone.low)[1:]).all()
    assert np.isnan(elo(ranks_of(scores), np.zeros(48, dtype=int), anchor=0).low).all()


def test_the_interval_of_two_strategies_is_that_of_their_average_rank():
    """With two strategies a rating is a function of the average rank: its error is the rank's times the slope."""
    ranks = ranks_of(np.random.default_rng(5).normal(size=(30, 2)) + np.array([0.0, 0.3]))
    found = elo(ranks, np.arange(30), anchor=0)
    mean, (low, high) = ranks[:, 1].mean(), mean_intervals(ranks, np.arange(30))[:, 1]
    slope = 400 / math.log(10) / ((2 - mean) * (mean - 1))
    half = slope * (high - low) / 2
    assert (found.low[1], found.high[1]) == pytest.approx((found.rating[1] - half, found.rating[1] + half))


@pytest.mark.parametrize("anchor", [0, None])
def test_an_interval_is_that_of_the_mean_influence_of_the_blocks(anchor):
    """The influence of a block, by a small step of the average ranks towards its ranks."""
    scores = np.random.default_rng(7).normal(size=(20, 4)) + np.arange(4) / 2
    ranks, datasets = ranks_of(scores), np.repeat(np.arange(7), [3, 3, 3, 3, 3, 3, 2])
    mean, step = ranks.mean(axis=0), 1e-5
    moved = np.array([elo((mean + step * (block - mean))[None], [0], anchor).rating for block in ranks])
    found = elo(ranks, datasets, anchor)
    expected = mean_intervals(found.rating + (moved - found.rating) / step, datasets)
    expected = np.where(np.arange(4) == anchor, np.nan, expected)
    np.testing.assert_allclose([found.low, found.high], expected, rtol=1e-3)


def test_an_evaluation_has_them_with_the_reference_at_1000():
    scores = pd.DataFrame(np.random.default_rng(6).normal(size=(15, 3)), columns=["a", "baseline", "c"])
    one, other = evaluate(scores, higher_is_better=True), evaluate(-scores, higher_is_better=False)
    assert one.elo.loc["baseline", "rating"] == 1000
    assert (one.elo["low"] <= one.elo["rating"]).drop("baseline").all()
    assert (one.elo["rating"] <= one.elo["high"]).drop("baseline").all()
    pd.testing.assert_frame_equal(one.elo, other.elo)
    assert one.to_dict()["elo"]["baseline"] == {"rating": 1000.0, "low": None, "high": None}
    assert "Elo: baseline has 1000" in str(one)
