"""What a batch cannot give is done without, and said."""

import imblearn.over_sampling
import numpy as np
import pytest
import torch
from imbench_imblearn.samplers import samplers
from imbench_imblearn.strategy import Imblearn
from made_batches import make_batch, rebalanced, resampled, row_set

import imbench

NEIGHBOURS = ["SMOTE", "BorderlineSMOTE", "SVMSMOTE", "ADASYN", "SMOTEN", "SMOTEENN", "SMOTETomek"]


@pytest.mark.parametrize("name", NEIGHBOURS)
def test_a_single_minority_row_has_no_neighbours_and_the_batch_stays_as_it_is(name):
    batch = make_batch((63, 1))
    result = rebalanced(Imblearn(name), batch)
    assert torch.equal(result.x, batch.x)
    assert torch.equal(result.y, batch.y)
    assert result.fallback


def test_a_sampler_that_needs_no_neighbours_serves_a_single_row():
    result = rebalanced(Imblearn("RandomOverSampler"), make_batch((63, 1)))
    assert result.y.sum(dim=0).min() > 20
    assert not result.fallback


def test_neighbours_are_as_many_as_there_are():
    batch = make_batch((60, 4))
    x, y, less = resampled(Imblearn("SMOTE"), batch, seed=3)
    sampler = imblearn.over_sampling.SMOTE(k_neighbors=3, random_state=3)
    expected = sampler.fit_resample(batch.x.numpy(), batch.labels.numpy())
    np.testing.assert_array_equal(x, expected[0])
    np.testing.assert_array_equal(y, expected[1])
    assert less


def test_a_class_with_a_single_row_is_left_while_the_others_are_sampled():
    batch = make_batch((50, 13, 1))
    _, y, less = resampled(Imblearn("SMOTE"), batch, seed=3)
    assert np.bincount(y).tolist() == [50, 50, 1]
    assert less


def test_enough_neighbours_are_no_fallback():
    assert not rebalanced(Imblearn("SMOTE", {"k_neighbors": 3}), make_batch((60, 4))).fallback


@pytest.mark.parametrize("counts", [(64, 0), (0, 64), (1, 0), (0, 0, 5)])
@pytest.mark.parametrize("name", samplers())
def test_a_batch_of_one_class_stays_as_it_is(name, counts):
    batch = make_batch(counts)
    result = rebalanced(Imblearn(name), batch)
    assert torch.equal(result.x, batch.x)
    assert result.fallback


@pytest.mark.parametrize("counts", [(1, 1), (2, 1), (2, 2), (40, 0, 24), (3,) * 12])
@pytest.mark.parametrize("name", [n for n in samplers() if n not in ("InstanceHardnessThreshold", "KMeansSMOTE")])
def test_small_batches_and_absent_classes_are_served(name, counts):
    batch = make_batch(counts)
    result = rebalanced(Imblearn(name), batch)
    absent = torch.tensor(counts) == 0
    assert result.x.shape == batch.x.shape
    assert torch.all(result.y.sum(dim=0)[absent] == 0)


@pytest.mark.parametrize("scale", [0.0, 1e-30, 1e30])
@pytest.mark.parametrize("name", ["SMOTE", "BorderlineSMOTE", "TomekLinks", "SMOTEENN", "ClusterCentroids"])
def test_values_of_any_size_give_finite_ones(name, scale):
    batch = make_batch((50, 14))
    result = rebalanced(Imblearn(name), imbench.Batch(batch.x * scale, batch.y))
    assert torch.isfinite(result.x).all()


@pytest.mark.parametrize("name", ["SMOTE", "RandomOverSampler", "BorderlineSMOTE", "TomekLinks", "SMOTETomek"])
def test_a_batch_with_a_number_that_is_not_finite_stays_as_it_is(name):
    batch = make_batch((50, 14))
    batch.x[3, 2] = torch.inf
    result = rebalanced(Imblearn(name), batch)
    assert torch.equal(result.x, batch.x)
    assert result.fallback


def test_a_sampler_that_takes_such_numbers_serves_the_batch_if_it_drops_them():
    batch = make_batch((50, 4))
    batch.x[int(batch.labels.argmin()), 2] = torch.nan
    results = [rebalanced(Imblearn("RandomUnderSampler"), batch, seed) for seed in range(20)]
    assert not all(result.fallback for result in results)
    assert all(bool(result.fallback) == bool(result.x.isnan().any()) for result in results)


def test_clusters_that_are_not_there_are_counted():
    batch = make_batch((60, 4))
    strategy = Imblearn("KMeansSMOTE", {"cluster_balance_threshold": 50.0, "kmeans_estimator": 2})
    assert rebalanced(strategy, batch).fallback


def test_a_ratio_that_the_batch_exceeds_is_counted():
    batch = make_batch((34, 30))
    result = rebalanced(Imblearn("SMOTE", {"sampling_strategy": 0.5}), batch)
    assert torch.equal(result.x, batch.x)
    assert result.fallback


def test_smotenc_without_a_category_is_counted():
    assert rebalanced(Imblearn("SMOTENC"), make_batch((40, 24)), kinds=("numeric",) * 6).fallback


def test_categories_keep_their_values():
    batch = make_batch((44, 20))
    x = batch.x.clone()
    x[:, 4:] = (x[:, 4:] > 0).to(x.dtype) * 2.5 - 1
    kinds = ("numeric",) * 4 + ("categorical",) * 2
    result = rebalanced(Imblearn("SMOTENC"), imbench.Batch(x, batch.y), kinds=kinds)
    assert not result.fallback
    assert set(result.x[:, 4:].flatten().tolist()) == {-1.0, 1.5}
    assert not row_set(result.x) <= row_set(x), "rows are made up"
