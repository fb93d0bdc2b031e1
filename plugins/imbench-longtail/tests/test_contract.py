"""What every strategy owes the contract, whatever the batch."""

import random

import numpy as np
import pytest
import torch
from longtail_made import EVERY, counted, features_of, make_batch, make_info, make_noise, repeated

import imbench_longtail as lt
from imbench import Batch
from imbench.torch import Rebalancer

every = pytest.mark.parametrize("strategy", EVERY, ids=lambda s: s.spec)
INFO = {"epoch": 450, "epochs": 500}  # late, so that what is deferred has set in
AWKWARD = {
    "one class": (np.zeros(8, int), 2),
    "one row": (np.array([1]), 2),
    "two rows": (np.array([1, 0]), 2),
    "a class that is absent": (counted(5, 0, 3), 3),
    "two classes": (counted(60, 4), 2),
    "twelve classes": (np.arange(64) % 11, 12),
}


def counts_for(labels, classes):
    return 10 * np.bincount(np.asarray(labels).reshape(-1), minlength=classes)


def assert_is_a_batch(out, batch):
    assert out.x.shape == batch.x.shape
    assert out.y.shape == batch.y.shape
    assert out.x.dtype == batch.x.dtype
    assert out.y.dtype == batch.y.dtype
    assert out.x.device == batch.x.device
    assert out.x.isfinite().all()
    assert (out.y >= 0).all()
    assert torch.allclose(out.y.sum(dim=-1), torch.ones(1).to(out.y), atol=1e-5)
    assert out.weight is None or (out.weight.shape == batch.y.shape[:-1] and (out.weight >= 0).all())
    absent = batch.y.sum(dim=-2) == 0
    assert (out.y.sum(dim=-2)[absent] == 0).all()


@every
@pytest.mark.parametrize("case", AWKWARD)
@pytest.mark.parametrize("stack", [(), (3,), (2, 3)])
def test_any_batch_becomes_a_batch_of_the_same_shape_and_is_left_alone(strategy, case, stack):
    labels, classes = AWKWARD[case]
    batch = make_batch(np.broadcast_to(labels, (*stack, len(labels))), classes, features_of(strategy))
    x, y = batch.x.clone(), batch.y.clone()
    out = strategy.rebalance(batch, make_info(counts_for(labels, classes), **INFO), make_noise(stack))
    assert_is_a_batch(out, batch)
    assert torch.equal(batch.x, x)
    assert torch.equal(batch.y, y)


@every
@pytest.mark.parametrize("value", [0.0, 1e30, -1e30, 1e-30])
def test_constant_huge_and_tiny_features_stay_finite(strategy, value):
    batch = make_batch(counted(12, 4), 2, features_of(strategy))
    constant = Batch(torch.full_like(batch.x, value), batch.y)
    out = strategy.rebalance(constant, make_info([120, 40], **INFO), make_noise())
    assert torch.equal(out.x, constant.x)
    spread = Batch(batch.x * value, batch.y)
    assert strategy.rebalance(spread, make_info([120, 40], **INFO), make_noise()).x.isfinite().all()


@every
def test_double_precision_stays(strategy):
    batch = make_batch(counted(12, 4), 2, features_of(strategy))
    batch = Batch(batch.x.double(), batch.y.double())
    assert_is_a_batch(strategy.rebalance(batch, make_info([120, 40], **INFO), make_noise()), batch)


@every
def test_same_noise_gives_the_same_batch_and_the_global_generators_rest(strategy):
    batch, info = make_batch(counted(50, 14), 2, features_of(strategy)), make_info([500, 140], **INFO)
    torch.manual_seed(0), np.random.seed(0), random.seed(0)  # noqa: NPY002
    before = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()  # noqa: NPY002
    first = strategy.rebalance(batch, info, make_noise())
    torch.manual_seed(1), np.random.seed(1), random.seed(1)  # noqa: NPY002
    second = strategy.rebalance(batch, info, make_noise())
    torch.manual_seed(0), np.random.seed(0), random.seed(0)  # noqa: NPY002
    strategy.rebalance(batch, info, make_noise())
    after = torch.get_rng_state(), np.random.get_state()[1], random.getstate()  # noqa: NPY002
    assert torch.equal(first.x, second.x)
    assert torch.equal(first.y, second.y)
    assert torch.equal(before[0], after[0])
    assert np.array_equal(before[1], after[1])
    assert before[2] == after[2]


@every
def test_slice_alone_equals_the_slice_in_the_stack(strategy):
    labels = np.random.default_rng(0).choice(3, (4, 5, 32), p=[0.8, 0.15, 0.05])
    batch = make_batch(labels, 3, features_of(strategy))
    counts = torch.tensor(np.random.default_rng(1).integers(1, 500, (4, 1, 3)))
    together = strategy.rebalance(batch, make_info(counts, **INFO), make_noise((4, 5)))
    for i in range(4):
        part = Batch(batch.x[i : i + 1], batch.y[i : i + 1])
        alone = strategy.rebalance(part, make_info(counts[i : i + 1], **INFO), make_noise((1, 5), [i]))
        assert torch.equal(alone.x[0], together.x[i])
        assert torch.equal(alone.y[0], together.y[i])
        assert (alone.weight is None) == (together.weight is None)
        assert alone.weight is None or torch.equal(alone.weight[0], together.weight[i])


@every
@pytest.mark.parametrize("labels", [counted(60, 4), counted(20, 11, 0, 1), counted(7)], ids=len)
def test_class_share_is_the_measured_one(strategy, labels):
    classes = 4
    batch = make_batch(labels, classes, features_of(strategy))
    info = make_info(10 * np.bincount(labels, minlength=classes), **INFO)
    share = strategy.class_share(batch, info)
    own = {lt.RandomOver, lt.RandomUnder, lt.SqrtSampling, lt.ProgressiveSampling, lt.ClassBalancedLoss}
    stated = own | {lt.CutMix, lt.ManifoldMixUp, lt.ManifoldReMix}
    assert (share is not None) == (type(strategy) in stated)
    if share is not None:
        out = strategy.rebalance(repeated(batch, 2000), info, make_noise((2000,)))
        weight = torch.ones_like(out.y[..., 0]) if out.weight is None else out.weight
        mass = (weight.unsqueeze(-2) @ out.y).squeeze(-2).mean(dim=0)
        assert share.numpy() == pytest.approx((mass / mass.sum()).numpy(), abs=0.02)


@every
def test_it_serves_a_training_loop_of_ones_own(strategy):
    batch = make_batch(counted(50, 14), 2, features_of(strategy))
    x, y, weight = Rebalancer(strategy, class_counts=[50, 14], epochs=2)(batch.x, batch.labels)
    assert x.shape == batch.x.shape
    assert weight.shape == (64,)
    assert torch.allclose(y.sum(dim=-1), torch.ones(64), atol=1e-5)


@every
def test_docstring_says_what_happens_and_cites_a_year(strategy):
    lines = type(strategy).__doc__.splitlines()
    assert lines[0].endswith(".")
    assert any(year in type(strategy).__doc__ for year in map(str, range(1990, 2027)))
    assert ">>>" in type(strategy).__doc__
