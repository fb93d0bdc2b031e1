"""Intervals over datasets are Student's, take whole datasets together, and stay within bounds."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from imbench.contract.errors import UsageError
from imbench.stats.evaluate import evaluate
from imbench.stats.intervals import mean_intervals, rank_intervals


def test_with_equally_many_variants_they_are_scipys_over_the_means_of_datasets():
    values = np.random.default_rng(0).normal(size=(30, 2))
    test = stats.ttest_1samp(values.reshape(10, 3, 2).mean(axis=1), 0).confidence_interval(0.9)
    np.testing.assert_allclose(mean_intervals(values, np.repeat(np.arange(10), 3), alpha=0.1), test, rtol=1e-12)


def test_for_many_datasets_they_are_near_scipys_bootstrap():
    values = np.random.default_rng(1).exponential(size=(400, 1))
    expected = stats.bootstrap((values[:, 0],), np.mean, method="percentile", rng=0).confidence_interval
    np.testing.assert_allclose(mean_intervals(values, np.arange(400))[:, 0], expected, atol=0.02)


SIZES = st.lists(st.integers(1, 12), min_size=2, max_size=15)


@given(SIZES)
def test_variance_and_degrees_of_freedom_are_those_of_bell_and_mccaffrey(sizes):
    """By matrices: the variance is x'Ax / c for the means x of datasets, with (tr A)² / tr A² degrees of freedom."""
    w = np.array(sizes) / sum(sizes)
    residuals = np.eye(len(w)) - np.outer(np.ones(len(w)), w)
    a = residuals.T @ np.diag(w**2) @ residuals
    factor = np.trace(a) / (w**2).sum()
    freedom = (np.trace(a) ** 2 / np.trace(a @ a) + len(w) - 1) / 2
    x = np.random.default_rng(len(w)).normal(size=len(w))
    half = stats.t.ppf(0.975, freedom) * np.sqrt(x @ a @ x / factor)
    found = mean_intervals(np.repeat(x, sizes)[:, None], np.repeat(np.arange(len(w)), sizes))
    np.testing.assert_allclose(found[:, 0], [w @ x - half, w @ x + half], rtol=1e-9)


@given(SIZES, st.integers(0, 5), st.floats(0.001, 0.999), st.floats(0.001, 0.999))
def test_a_higher_level_is_never_narrower_and_contains_the_mean(sizes, seed, one, other):
    datasets = np.repeat(np.arange(len(sizes)), sizes)
    values = np.random.default_rng(seed).exponential(size=(len(datasets), 3))
    wide, narrow = (mean_intervals(values, datasets, alpha) for alpha in sorted((one, other)))
    assert (wide[0] <= narrow[0]).all()
    assert (narrow[0] <= values.mean(axis=0)).all()
    assert (values.mean(axis=0) <= narrow[1]).all()
    assert (narrow[1] <= wide[1]).all()


def test_an_average_rank_has_the_variance_of_half_a_random_dataset_more():
    ranks = np.array([[1, 2, 3], [1, 3, 2], [1, 2, 3], [1, 3, 2]])
    low, high = rank_intervals(ranks, np.arange(4))
    assert low[0] == 1
    assert high[0] == pytest.approx(1 + stats.t.ppf(0.975, 3) * math.sqrt(0.5 * (9 - 1) / 12 / 3.5 / 4))
    variance = (3 * ranks[:, 1].var(ddof=1) + 0.5 * (9 - 1) / 12) / 3.5
    assert high[1] - 2.5 == pytest.approx(min(stats.t.ppf(0.975, 3) * math.sqrt(variance / 4), 0.5))


def test_they_stay_within_the_bounds_of_ranks_and_scores():
    scores = pd.DataFrame({"baseline": [0.1, 0.9, 0.5], "mixup": [0.9, 0.8, 0.2], "remix": [0.8, 0.1, 0.4]})
    found, free = (evaluate(scores, higher_is_better=True, **bounds) for bounds in ({"bounds": (0, 1)}, {}))
    assert found.rank_intervals.loc["mixup"].tolist() == [1, 3]
    assert free.gains.loc["remix", "low"] < -1
    assert found.gains.loc["remix", "low"] == -1
    with pytest.raises(UsageError, match=r"scores differ by 0.8, more than the bounds \(0, 0.5\) allow"):
        evaluate(scores, higher_is_better=True, bounds=(0, 0.5))
    with pytest.raises(UsageError, match=r"got \(1, 0\)"):
        evaluate(scores, higher_is_better=True, bounds=(1, 0))


def test_variants_of_one_dataset_are_not_independent():
    scores = pd.DataFrame(np.repeat(np.random.default_rng(3).normal(size=(8, 4)), 5, axis=0))
    datasets = np.repeat(list("abcdefgh"), 5)
    apart = evaluate(scores, higher_is_better=True)
    together = evaluate(scores, higher_is_better=True, clusters=datasets)
    averaged = evaluate(scores, higher_is_better=True, blocks=datasets)
    pd.testing.assert_series_equal(apart.rank_sums, together.rank_sums)
    width = [(found.gains["high"] - found.gains["low"]).iloc[1:] for found in (apart, together, averaged)]
    assert (width[1] > 1.5 * width[0]).all()
    np.testing.assert_allclose(width[1], width[2], rtol=0.05)
    assert (apart.n_datasets, together.n_datasets) == (40, 8)


def test_gains_are_over_the_reference_and_positive_is_better():
    scores = pd.DataFrame({"mixup": [0.2, 0.4], "baseline": [0.1, 0.2]})
    for higher, sign in ((True, 1), (False, -1)):
        found = evaluate(scores, higher_is_better=higher)
        assert found.reference == "baseline"
        assert found.gains["mean"].tolist() == pytest.approx([sign * 0.15, 0])
    other = evaluate(scores, higher_is_better=True, reference="mixup")
    assert other.gains["mean"].tolist() == pytest.approx([0, -0.15])


def test_equal_scores_give_equal_intervals_again():
    scores = pd.DataFrame(np.random.default_rng(4).normal(size=(15, 3)))
    one, other = (evaluate(scores, higher_is_better=True) for _ in range(2))
    pd.testing.assert_frame_equal(one.rank_intervals, other.rank_intervals, check_exact=True)
    assert one.to_dict() == other.to_dict()


def test_an_interval_holds_its_mean():
    found = evaluate(pd.DataFrame(np.random.default_rng(5).normal(size=(20, 6))), higher_is_better=True)
    assert (found.rank_intervals["low"] <= found.average_ranks).all()
    assert (found.rank_intervals["high"] >= found.average_ranks).all()


def test_a_single_dataset_has_no_interval():
    scores = pd.DataFrame(np.random.default_rng(6).normal(size=(3, 3)))
    found = evaluate(scores, higher_is_better=True, clusters=["a", "a", "a"])
    assert found.rank_intervals.isna().all(axis=None)
    assert "-" in str(found).splitlines()[2].split()
