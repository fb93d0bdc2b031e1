"""Every sampler that imbalanced-learn exports is a strategy, and gives what imbalanced-learn gives."""

import random

import imblearn.combine
import imblearn.over_sampling
import imblearn.under_sampling
import numpy as np
import pytest
import torch
from imbench_imblearn.strategy import Imblearn
from made_batches import make_batch, noise, rebalanced, resampled, row_set

import imbench

MODULES = (imblearn.over_sampling, imblearn.under_sampling, imblearn.combine)
EVERY = {name: getattr(module, name) for module in MODULES for name in module.__all__}
UNDER = [name for name in imblearn.under_sampling.__all__ if name != "ClusterCentroids"]  # which makes rows
COUNTS = (44, 20)


def batch_for(name):
    """Rows and kinds of features that the sampler is for."""
    batch = make_batch(COUNTS)
    if name != "SMOTENC":
        return batch, ("numeric",) * 6
    x = batch.x.clone()
    x[:, 4:] = (x[:, 4:] > 0).to(x.dtype)
    return imbench.Batch(x, batch.y), ("numeric",) * 4 + ("categorical",) * 2


def by_imblearn(name, batch, seed, **options):
    """All rows that imbalanced-learn itself makes of the batch."""
    sampler = EVERY[name](**options)
    if "random_state" in sampler.get_params():
        sampler.set_params(random_state=seed)
    np.random.seed(seed)  # noqa: NPY002  # some estimators inside samplers are given no random state
    return sampler.fit_resample(batch.x.numpy(), batch.labels.numpy())


@pytest.mark.parametrize("name", EVERY)
def test_the_rows_before_the_draw_are_imbalanced_learns(name):
    batch, kinds = batch_for(name)
    given = {"categorical_features": [4, 5]} if name == "SMOTENC" else {}
    x, y, less = resampled(Imblearn(name), batch, 7, kinds)
    expected_x, expected_y = by_imblearn(name, batch, 7, **given)
    np.testing.assert_array_equal(x, expected_x)
    np.testing.assert_array_equal(y, expected_y)
    assert not less


@pytest.mark.parametrize("name", EVERY)
def test_a_batch_keeps_its_form_and_its_source(name):
    batch, kinds = batch_for(name)
    kept = batch.x.clone(), batch.y.clone()
    result = rebalanced(Imblearn(name), batch, kinds=kinds)
    assert (result.x.shape, result.x.dtype) == (batch.x.shape, batch.x.dtype)
    assert (result.y.shape, result.y.dtype) == (batch.y.shape, batch.y.dtype)
    assert torch.equal(result.y.sum(dim=-1), torch.ones(batch.size))
    assert result.fallback.shape == ()
    assert not result.fallback
    assert torch.equal(batch.x, kept[0])
    assert torch.equal(batch.y, kept[1])


@pytest.mark.parametrize("name", EVERY)
def test_the_same_noise_gives_the_same_batch_whatever_the_global_generators_hold(name):
    batch, kinds = batch_for(name)
    strategy = Imblearn(name)
    np.random.seed(1)  # noqa: NPY002
    first = rebalanced(strategy, batch, seed=3, kinds=kinds)
    np.random.seed(2)  # noqa: NPY002
    torch.manual_seed(2)
    random.seed(2)
    before = random.getstate(), torch.get_rng_state().tolist(), str(np.random.get_state(legacy=False))  # noqa: NPY002
    again = rebalanced(strategy, batch, seed=3, kinds=kinds)
    after = random.getstate(), torch.get_rng_state().tolist(), str(np.random.get_state(legacy=False))  # noqa: NPY002
    assert torch.equal(first.x, again.x)
    assert torch.equal(first.y, again.y)
    assert after == before


@pytest.mark.parametrize("name", UNDER)
def test_an_under_sampler_repeats_each_row_it_keeps_equally_often(name):
    batch, _ = batch_for(name)
    kept = len(resampled(Imblearn(name), batch, int(noise(5).choice(2**31 - 1)))[1])
    result = rebalanced(Imblearn(name), batch, seed=5)
    rows, times = np.unique(result.x.numpy(), axis=0, return_counts=True)
    assert row_set(result.x) <= row_set(batch.x)
    assert len(rows) == kept
    assert set(times.tolist()) <= {batch.size // kept, batch.size // kept + 1}


def test_shares_of_classes_are_the_results_in_expectation():
    batch = make_batch((54, 7, 3))
    strategy = Imblearn("RandomOverSampler")
    shares = torch.stack([rebalanced(strategy, batch, seed).y.mean(dim=0) for seed in range(300)])
    error = shares.std(dim=0) / 300**0.5
    assert torch.all((shares.mean(dim=0) - 1 / 3).abs() < 4 * error)


@pytest.mark.parametrize("name", ["SMOTE", "RandomUnderSampler", "SMOTEENN"])
def test_a_stack_is_the_batches_one_after_another(name):
    batches = [make_batch(COUNTS, seed=s) for s in range(4)]
    stack = imbench.Batch(*(torch.stack([getattr(b, part) for b in batches]).reshape(2, 2, 64, -1) for part in "xy"))
    info = imbench.TrainingInfo(torch.tensor([44.0, 20.0]))
    found = Imblearn(name).rebalance(stack, info, imbench.Noise([np.random.default_rng(i) for i in range(2)], (2, 2)))
    for net in range(2):
        own = noise(net)
        for step in range(2):
            alone = Imblearn(name).rebalance(batches[2 * net + step], info, own)
            assert torch.equal(found.x[net, step], alone.x)
            assert torch.equal(found.y[net, step], alone.y)


@pytest.mark.parametrize("shape", [(5,), (5, 1), (1, 5)])
def test_batches_that_are_served_and_others_may_stand_in_one_stack(shape):
    counts = [(50, 14), (63, 1), (64, 0), (60, 4), (32, 32)]  # served, no neighbours, one class, cut, nothing to do
    batches = [make_batch(each, seed=number) for number, each in enumerate(counts)]
    batches = [imbench.Batch(b.x, 0.9 * b.y + 0.05, 1 + torch.arange(64) / 64) for b in batches]
    parts = (torch.stack([getattr(b, part) for b in batches]) for part in ("x", "y", "weight"))
    stack = imbench.Batch(*(part.reshape(*shape, *part.shape[1:]) for part in parts))
    info, streams = imbench.TrainingInfo(torch.tensor([44.0, 20.0])), [np.random.default_rng(i) for i in range(5)]
    found = Imblearn("SMOTE").rebalance(stack, info, imbench.Noise(streams[: shape[0]], shape))
    own = [np.random.default_rng(i if shape[0] == 5 else 0) for i in range(5)]
    own = own if shape[0] == 5 else own[:1] * 5
    assert found.fallback.flatten().tolist() == [False, True, True, True, False]
    for number, batch in enumerate(batches):
        alone = Imblearn("SMOTE").rebalance(batch, info, imbench.Noise([own[number]]))
        for part in ("x", "y", "weight", "fallback"):
            assert torch.equal(getattr(found, part).flatten(0, len(shape) - 1)[number], getattr(alone, part))


def test_images_are_flattened_and_made_whole_again():
    batch = make_batch(COUNTS, shape=(3, 4, 5))
    result = rebalanced(Imblearn("RandomOverSampler"), batch)
    assert result.x.shape == (64, 3, 4, 5)
    assert row_set(result.x) <= row_set(batch.x)


def test_weights_are_the_mean_of_the_class():
    batch = make_batch(COUNTS)
    weighted = batch.weighted(torch.where(batch.labels == 1, 3.0, 1.0))
    result = rebalanced(Imblearn("SMOTE"), weighted)
    assert torch.equal(result.weight, torch.where(result.labels == 1, 3.0, 1.0))


def test_half_precision_is_kept():
    batch = make_batch(COUNTS, dtype=torch.bfloat16)
    result = rebalanced(Imblearn("SMOTE"), batch)
    assert (result.x.dtype, result.y.dtype) == (torch.bfloat16, torch.bfloat16)
