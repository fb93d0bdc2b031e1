"""Bootstrap intervals cover the mean, resample whole datasets, and come out the same again."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from imbench.stats.evaluate import evaluate
from imbench.stats.intervals import bootstrap_means


def test_ends_equal_a_plain_loop_over_resamples():
    rng = np.random.default_rng(0)
    values, datasets = rng.normal(size=(30, 2)), np.repeat(np.arange(10), 3)
    found = bootstrap_means(values, datasets)
    means = []
    for _ in range(4000):
        drawn = rng.integers(10, size=10)
        means.append(np.concatenate([values[datasets == one] for one in drawn]).mean(axis=0))
    # Hesterberg 2015: the level at which the percentiles replace Student's quantile and divisor n - 1.
    level = stats.norm.cdf(np.sqrt(10 / 9) * stats.t.ppf(0.025, 9))
    expected = np.quantile(means, [level, 1 - level], axis=0)
    np.testing.assert_allclose(found, expected, atol=0.05 * np.ptp(expected))


def test_ends_of_the_mean_are_near_scipys_bootstrap_for_many_datasets():
    values = np.random.default_rng(1).exponential(size=(400, 1))
    expected = stats.bootstrap((values[:, 0],), np.mean, method="percentile", rng=0).confidence_interval
    found = bootstrap_means(values, np.arange(400))
    np.testing.assert_allclose(found[:, 0], expected, atol=0.02)


def test_intervals_cover_the_mean_as_often_as_they_say():
    rng = np.random.default_rng(2)
    # 400 experiments at once: the columns share the resampled datasets and nothing else.
    ends = bootstrap_means(rng.normal(size=(12, 400)), np.arange(12), alpha=0.1)
    covered = ((ends[0] < 0) & (ends[1] > 0)).mean()
    assert covered == pytest.approx(0.9, abs=0.05)


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


def test_of_one_dataset_nothing_can_be_drawn():
    scores = pd.DataFrame(np.random.default_rng(6).normal(size=(3, 3)))
    found = evaluate(scores, higher_is_better=True, clusters=["a", "a", "a"])
    assert found.rank_intervals.isna().all(axis=None)
    assert "-" in str(found).splitlines()[2].split()
