"""What holds for every strategy and any batch."""

import dataclasses
import random
from importlib.metadata import entry_points

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from imbench.contract.batch import Batch
from imbench.contract.spec import build, parse_spec
from tests.strategies.made import (
    STRATEGIES,
    batches,
    counted,
    make_batch,
    make_info,
    make_noise,
    one_hot,
    rebalance,
)

pytestmark = pytest.mark.parametrize("strategy", STRATEGIES, ids=lambda s: s.spec)
# The same examples every time; no deadline, since the machine may be busy.
settled = settings(deadline=None, derandomize=True, max_examples=25)


def equal(a, b):
    same_weight = a.weight is b.weight if a.weight is None or b.weight is None else torch.equal(a.weight, b.weight)
    return torch.equal(a.x, b.x) and torch.equal(a.y, b.y) and same_weight


def copied(batch):
    return Batch(batch.x.clone(), batch.y.clone(), None if batch.weight is None else batch.weight.clone())


@settled
@given(batch=batches())
def test_shapes_and_types_are_kept(strategy, batch):
    result = rebalance(strategy, batch)
    assert (result.x.shape, result.x.dtype) == (batch.x.shape, batch.x.dtype)
    assert (result.y.shape, result.y.dtype) == (batch.y.shape, batch.y.dtype)


@settled
@given(batch=batches())
def test_labels_are_shares_of_one(strategy, batch):
    y = rebalance(strategy, batch).y
    assert (y >= 0).all()
    torch.testing.assert_close(y.sum(dim=-1), torch.ones(batch.y.shape[:-1]))


@settled
@given(batch=batches())
def test_an_absent_class_stays_absent(strategy, batch):
    present = batch.y.sum(dim=-2) > 0
    assert not rebalance(strategy, batch).y.sum(dim=-2)[~present].any()


@settled
@given(batch=batches())
def test_features_stay_within_their_class_or_batch_range(strategy, batch):
    x = rebalance(strategy, batch).x
    slack = 1e-5 * batch.x.abs().max()
    assert (x <= batch.x.amax(dim=-2, keepdim=True) + slack).all()
    assert (x >= batch.x.amin(dim=-2, keepdim=True) - slack).all()


@settled
@given(batch=batches())
def test_the_input_is_left_as_it_is(strategy, batch):
    before = copied(batch)
    rebalance(strategy, batch)
    assert equal(batch, before)


@settled
@given(batch=batches())
def test_the_same_noise_gives_the_same_batch(strategy, batch):
    assert equal(rebalance(strategy, batch), rebalance(strategy, batch))


@settled
@given(batch=batches(stacks=[(3,), (2, 3), (3, 2)]))
def test_a_net_alone_gets_what_it_gets_in_the_stack(strategy, batch):
    together = rebalance(strategy, batch)
    for i in range(batch.stack[0]):
        alone = rebalance(strategy, Batch(batch.x[i : i + 1], batch.y[i : i + 1]), seeds=[i])
        weight = None if together.weight is None else together.weight[i : i + 1]
        assert equal(alone, Batch(together.x[i : i + 1], together.y[i : i + 1], weight))


@settled
@given(batch=batches(stacks=[()]))
def test_a_single_batch_is_a_stack_of_one(strategy, batch):
    single, stacked = rebalance(strategy, batch), rebalance(strategy, Batch(batch.x[None], batch.y[None]))
    assert equal(stacked, Batch(single.x[None], single.y[None], None if single.weight is None else single.weight[None]))


@settled
@given(batch=batches(), exponent=st.sampled_from([-60, 60]))
def test_features_of_any_scale_are_treated_alike(strategy, batch, exponent):
    """Powers of two lose no digit, so the results are the same digit by digit."""
    scaled = rebalance(strategy, Batch(batch.x * 2.0**exponent, batch.y))
    plain = rebalance(strategy, batch)
    assert equal(scaled, Batch(plain.x * 2.0**exponent, plain.y, plain.weight))


@pytest.mark.parametrize("value", [0.0, 1.0, -1e30, 1e-30, 3e38])
def test_constant_features_stay_constant(strategy, value):
    batch = make_batch(counted(9, 4, 3), 3)
    constant = Batch(torch.full_like(batch.x, value), batch.y)
    assert torch.equal(rebalance(strategy, constant).x, constant.x)


@pytest.mark.parametrize("scale", [1e38, 1e-38, 1e-44])
def test_extreme_features_stay_finite(strategy, scale):
    batch = make_batch(counted(20, 7, 5), 3)
    extreme = Batch(batch.x / batch.x.abs().max() * scale, batch.y)
    assert torch.isfinite(rebalance(strategy, extreme).x).all()


@pytest.mark.parametrize("counts", [(1,), (2,), (1, 1), (2, 0), (0, 1), (0, 0, 2)])
def test_batches_of_one_and_two_rows(strategy, counts):
    batch = make_batch(counted(*counts), len(counts))
    result = rebalance(strategy, batch)
    present = batch.y.sum(dim=0) > 0
    assert torch.isfinite(result.x).all()
    assert not result.y.sum(dim=0)[~present].any()


def test_images_pass_through_the_same_code(strategy):
    flat = make_batch(counted(20, 6, 4), 3, (12,))
    image = Batch(flat.x.reshape(30, 3, 2, 2), flat.y)
    assert torch.equal(rebalance(strategy, image).x.flatten(1), rebalance(strategy, flat).x)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_other_number_types_are_kept(strategy, dtype):
    batch = make_batch(counted(20, 6, 4), 3)
    result = rebalance(strategy, Batch(batch.x.to(dtype), batch.y.to(dtype)))
    assert (result.x.dtype, result.y.dtype) == (dtype, dtype)
    assert torch.isfinite(result.x).all()


def test_weights_travel_with_their_rows(strategy):
    """Weights made equal to a feature stay equal to it, mixed or not, unless rows lie between others."""
    batch = make_batch(counted(20, 2), 2, (1,))
    weight = batch.x.squeeze(-1)
    result = rebalance(strategy, Batch(batch.x, batch.y, weight), counts=[1, 1])
    torch.testing.assert_close(result.weight, result.x.squeeze(-1))


def test_memory_layout_does_not_matter(strategy):
    batch = make_batch(np.stack([counted(20, 6, 4)] * 3), 3)
    turned = Batch(batch.x.mT.contiguous().mT, batch.y.mT.contiguous().mT)
    assert equal(rebalance(strategy, turned), rebalance(strategy, batch))


def test_global_random_state_is_neither_read_nor_advanced(strategy):
    batch = make_batch(counted(20, 6, 4), 3)

    def states():
        return random.getstate(), torch.get_rng_state().tolist(), [str(part) for part in np.random.get_state()]  # noqa: NPY002

    before, first = states(), rebalance(strategy, batch)
    assert states() == before
    torch.manual_seed(5)
    assert equal(rebalance(strategy, batch), first)


def test_gradients_flow_where_they_are_asked_for(strategy):
    """Features computed by a network of the user's own can be rebalanced too."""
    batch = make_batch(counted(20, 6, 4), 3)
    x = batch.x.clone().requires_grad_()
    rebalance(strategy, Batch(x, batch.y)).x.sum().backward()
    torch.testing.assert_close(x.grad.sum(), torch.tensor(float(x.numel())))


def test_it_is_a_frozen_value_with_a_spec_that_makes_it_again(strategy):
    name, params = parse_spec(strategy.spec)
    again = build(type(strategy), params, strategy.spec)
    assert (again, hash(again), name) == (strategy, hash(strategy), type(strategy).name)
    with pytest.raises((dataclasses.FrozenInstanceError, TypeError)):
        strategy.alpha = 1.0


def test_it_is_registered_under_its_name(strategy):
    points = {point.name: point for point in entry_points(group="imbench.strategies")}
    assert points[strategy.name].load() is type(strategy)


def test_its_first_line_says_what_it_does_to_a_batch(strategy):
    first = type(strategy).__doc__.splitlines()[0]
    assert first.endswith(".")
    assert len(first) > 20


def test_soft_labels_are_welcome(strategy):
    batch = make_batch(counted(20, 6, 4), 3)
    soft = Batch(batch.x, 0.9 * batch.y + 0.1 * one_hot([0], 3))
    result = strategy.rebalance(soft, make_info(soft), make_noise())
    torch.testing.assert_close(result.y.sum(dim=-1), torch.ones(30))
