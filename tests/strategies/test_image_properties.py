"""What holds for every strategy that is for images alone, and for any batch of images."""

import pickle
import random
from importlib.metadata import entry_points

import numpy as np
import pytest
import torch

import imbench
from imbench.contract.batch import Batch
from imbench.contract.errors import UsageError
from tests.strategies.images import COUNTS, IMAGE_STRATEGIES, SHAPES, make_images
from tests.strategies.made import make_batch, make_info, make_noise, rebalance, repeated

pytestmark = pytest.mark.parametrize("strategy", IMAGE_STRATEGIES, ids=lambda s: s.spec)


def parts(batch):
    return [batch.x, batch.y] if batch.weight is None else [batch.x, batch.y, batch.weight]


def same(a, b):
    return len(parts(a)) == len(parts(b)) and all(map(torch.equal, parts(a), parts(b)))


@pytest.mark.parametrize("counts", COUNTS, ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_shapes_are_kept_and_labels_are_shares_of_the_classes_present(strategy, shape, counts):
    batch = make_images(counts, (2,), shape)
    result = rebalance(strategy, batch)
    assert (result.x.shape, result.x.dtype) == (batch.x.shape, torch.float32)
    assert (result.y >= 0).all()
    torch.testing.assert_close(result.y.sum(dim=-1), torch.ones(batch.y.shape[:-1]))
    assert not result.y[..., np.asarray(counts) == 0].any()


@pytest.mark.parametrize("counts", COUNTS, ids=str)
def test_pixels_stay_within_those_of_the_batch(strategy, counts):
    batch = make_images(counts)
    x = rebalance(strategy, batch).x
    assert x.min() >= batch.x.min() - 1e-6
    assert x.max() <= batch.x.max() + 1e-6


def test_the_input_is_left_as_it_is(strategy):
    batch = make_images((9, 4, 2), (2,))
    before = Batch(batch.x.clone(), batch.y.clone())
    rebalance(strategy, batch)
    assert same(batch, before)


def test_the_same_noise_gives_the_same_batch_and_other_noise_another(strategy):
    batch = make_images((9, 4, 2), (2,))
    first = rebalance(strategy, batch)
    assert same(rebalance(strategy, batch), first)
    assert not torch.equal(rebalance(strategy, batch, seeds=[7, 8]).x, first.x)


@pytest.mark.parametrize("counts", [(9, 4, 2), (1,)], ids=str)
@pytest.mark.parametrize("stack", [(3,), (3, 2)], ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_a_net_alone_gets_what_it_gets_in_the_stack_to_the_bit(strategy, shape, stack, counts):
    batch = make_images(counts, stack, shape)
    together = rebalance(strategy, batch, counts=counts)
    for i in range(stack[0]):
        only = slice(i, i + 1)
        alone = rebalance(strategy, Batch(batch.x[only], batch.y[only]), seeds=[i], counts=counts)
        weight = None if together.weight is None else together.weight[only]
        assert same(alone, Batch(together.x[only], together.y[only], weight))


def test_a_single_batch_is_a_stack_of_one(strategy):
    batch = make_images((9, 4, 2))
    single, stacked = rebalance(strategy, batch), rebalance(strategy, Batch(batch.x[None], batch.y[None]))
    assert all(torch.equal(a, b[0]) for a, b in zip(parts(single), parts(stacked), strict=True))


def test_tables_are_refused_with_what_to_use_instead(strategy):
    with pytest.raises(UsageError, match=r"needs images.*got \(2, 9, 5\).*use remix or mixup for tabular data"):
        rebalance(strategy, make_batch([[0] * 6 + [1] * 3] * 2, 2, (5,)))


def test_images_without_channels_are_refused_with_how_to_add_them(strategy):
    with pytest.raises(UsageError, match=r"x\[:, None\] for images without channels"):
        strategy(torch.rand(6, 8, 8), torch.tensor([0, 0, 0, 0, 1, 1]), seed=0)


def test_it_serves_images_alone(strategy):
    assert strategy.modalities == ("image",)


@pytest.mark.parametrize("value", [0.0, 1.0, -1e30, 1e-30])
def test_blank_images_stay_blank(strategy, value):
    batch = make_images((9, 4, 2))
    blank = Batch(torch.full_like(batch.x, value), batch.y)
    assert torch.equal(rebalance(strategy, blank).x, blank.x)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_other_number_types_are_kept(strategy, dtype):
    batch = make_images((9, 4, 2))
    result = rebalance(strategy, Batch(batch.x.to(dtype), batch.y.to(dtype)))
    assert (result.x.dtype, result.y.dtype) == (dtype, dtype)
    assert torch.isfinite(result.x).all()


def test_gradients_flow_where_they_are_asked_for(strategy):
    batch = make_images((9, 4, 2))
    x = batch.x.clone().requires_grad_()
    rebalance(strategy, Batch(x, batch.y)).x.sum().backward()
    torch.testing.assert_close(x.grad.sum(), torch.tensor(float(x.numel())), rtol=1e-4, atol=0)


def test_global_random_state_is_neither_read_nor_advanced(strategy):
    def states():
        return random.getstate(), torch.get_rng_state().tolist(), [str(part) for part in np.random.get_state()]  # noqa: NPY002

    batch = make_images((9, 4, 2))
    before, first = states(), rebalance(strategy, batch)
    assert states() == before
    torch.manual_seed(5)
    assert same(rebalance(strategy, batch), first)


@pytest.mark.parametrize("counts", [(13, 3), (7, 4, 2, 0)], ids=str)
def test_the_class_share_it_states_is_what_is_measured(strategy, counts):
    times = 2000
    batch = make_images(counts, shape=(1, 2, 2))
    stated = strategy.class_share(batch, make_info(batch))
    if stated is None:
        pytest.skip("states none")
    made = rebalance(strategy, repeated(batch, times))
    weight = torch.ones(made.y.shape[:-1]) if made.weight is None else made.weight
    y = ((weight.unsqueeze(-1) * made.y).sum(dim=1) / weight.sum(dim=1, keepdim=True)).double()
    error = y.std(dim=0) / times**0.5
    assert (y.mean(dim=0) - stated).abs().le(5 * error + 1e-6).all()


def test_it_is_a_frozen_value_that_its_spec_makes_again_and_pickling_keeps(strategy):
    again, kept = imbench.strategy(strategy.spec), pickle.loads(pickle.dumps(strategy))
    for twin in (again, kept):
        assert (twin, hash(twin)) == (strategy, hash(strategy))
        assert (twin.spec, twin.version) == (strategy.spec, strategy.version)
    with pytest.raises(AttributeError):
        strategy.rotation = 0.1


def test_it_is_registered_under_its_name(strategy):
    points = {point.name: point for point in entry_points(group="imbench.strategies")}
    assert points[strategy.name].load() is type(strategy)


def test_weights_travel_with_their_rows(strategy):
    """Weights made equal to a label stay equal to it, drawn and mixed as it is."""
    batch = make_images((9, 4))
    weighted = Batch(batch.x, batch.y, 0.5 * batch.y[:, 1] + 1)
    result = strategy.rebalance(weighted, make_info(batch, [1, 1]), make_noise())
    torch.testing.assert_close(result.weight, 0.5 * result.y[:, 1] + 1)
