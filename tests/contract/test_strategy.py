"""Calling a strategy in a training loop of one's own, and writing one."""

import random
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
import torch

from imbench.contract.batch import Batch
from imbench.contract.labels import soft_labels
from imbench.contract.noise import Noise
from imbench.contract.strategy import BatchStrategy, PerBatchStrategy, TrainingInfo

X = torch.as_tensor(np.random.default_rng(0).normal(size=(12, 3)), dtype=torch.float32)
Y = torch.tensor([0] * 8 + [1] * 3 + [2])


def recipe(batch, info, noise):
    """Rows in random order, scaled by the first class's training rows."""
    taken = batch.take(noise.permutation(batch.size))
    return Batch(taken.x * info.class_counts[..., :1, None], taken.y, noise.uniform(batch.size))


@dataclass(frozen=True)
class Shuffle(BatchStrategy):
    """Shuffle the rows."""

    name: ClassVar[str] = "shuffle"
    pace: float = 1.0
    hard: bool = True

    def rebalance(self, batch, info, noise):
        return recipe(batch, info, noise).replace(weight=None)


@dataclass(frozen=True)
class ShuffleEach(PerBatchStrategy):
    """Shuffle the rows of one batch at a time."""

    name: ClassVar[str] = "shuffle-each"

    def rebalance_one(self, batch, info, noise):
        assert batch.stack == ()
        return recipe(batch, info, noise)


@pytest.mark.parametrize(
    "y",
    [Y, Y.numpy(), Y.tolist(), Y.int(), Y.double(), soft_labels(Y), soft_labels(Y).numpy(), soft_labels(Y).double()],
    ids=["tensor", "array", "list", "int32", "floats", "one-hot", "one-hot array", "one-hot double"],
)
@pytest.mark.parametrize("x", [X, X.numpy()], ids=["tensor", "array"])
def test_labels_and_features_come_in_any_form(x, y):
    x2, y2 = Shuffle()(x, y, seed=1)
    expected = Shuffle()(X, Y, seed=1)
    assert torch.equal(x2, expected[0])
    assert torch.equal(y2, expected[1])


def test_soft_labels_stay_soft():
    soft = torch.full((12, 4), 0.25)
    assert torch.equal(Shuffle()(X, soft)[1], soft)


def test_whole_number_features_become_floating_point():
    assert Shuffle()(torch.arange(12).reshape(12, 1), Y)[0].dtype == torch.float32
    assert Shuffle()(X.double(), Y)[0].dtype == torch.float64


def test_the_number_of_classes_is_the_largest_or_as_given():
    assert Shuffle()(X, Y)[1].shape == (12, 3)
    assert Shuffle()(X, Y, classes=5)[1].shape == (12, 5)


def test_class_counts_are_the_batchs_or_as_given():
    assert torch.equal(Shuffle()(X, Y, seed=1)[0], 4 * Shuffle()(X, Y, seed=1, class_counts=[2, 1, 1])[0])


@pytest.mark.parametrize(
    ("y", "classes", "reason"),
    [
        ([0, 1, 2], 2, "class numbers must be 0 to 1, got 0 to 2"),
        ([0, -1, 1], None, "class numbers must be 0 to 1, got -1 to 1"),
        ([0.5, 1.0, 0.0], None, "y must contain whole class numbers"),
    ],
)
def test_labels_that_are_no_class_numbers_are_an_error(y, classes, reason):
    with pytest.raises(ValueError, match=reason):
        Shuffle()(X[:3], y, classes=classes)


def test_a_seed_or_generator_decides_the_result():
    def with_generator(seed):
        return Shuffle()(X, Y, generator=torch.Generator().manual_seed(seed))[0]

    assert torch.equal(Shuffle()(X, Y, seed=3)[0], Shuffle()(X, Y, seed=3)[0])
    assert not torch.equal(Shuffle()(X, Y, seed=3)[0], Shuffle()(X, Y, seed=4)[0])
    assert torch.equal(with_generator(3), with_generator(3))
    assert not torch.equal(with_generator(3), with_generator(4))


def test_a_generator_goes_on_from_call_to_call():
    generator = torch.Generator().manual_seed(3)
    assert not torch.equal(Shuffle()(X, Y, generator=generator)[0], Shuffle()(X, Y, generator=generator)[0])


def test_without_either_every_call_is_new():
    assert not torch.equal(Shuffle()(X, Y)[0], Shuffle()(X, Y)[0])


def test_seed_and_generator_together_are_an_error():
    with pytest.raises(ValueError, match="seed or generator, not both"):
        Shuffle()(X, Y, seed=1, generator=torch.Generator())


def test_global_generators_are_neither_read_nor_advanced():
    def states():
        return random.getstate(), torch.get_rng_state().tolist(), str(np.random.get_state())  # noqa: NPY002

    before = states()
    Shuffle()(X, Y)
    Shuffle()(X, Y, seed=3)
    assert states() == before


def test_images_are_told_apart_from_tables():
    seen = []

    @dataclass(frozen=True)
    class Look(BatchStrategy):
        name: ClassVar[str] = "look"

        def rebalance(self, batch, info, noise):
            seen.append(info.modality)
            return batch

    Look()(X, Y)
    Look()(torch.zeros(12, 3, 4, 4), Y)
    assert seen == ["tabular", "image"]


@pytest.mark.parametrize("stack", [(), (1,), (3,), (2, 3)])
def test_a_strategy_for_one_batch_is_looped_over_the_stack(stack):
    """Each net goes on with its own stream from batch to batch."""
    labels = soft_labels(torch.as_tensor(np.random.default_rng(1).integers(3, size=(*stack, 6))), 3)
    batch = Batch(torch.arange(float(labels[..., 0].numel())).reshape(*stack, 6, 1), labels)
    info = TrainingInfo(labels.sum(dim=-2))

    def noise():
        return Noise([np.random.default_rng(i) for i in range(stack[0] if stack else 1)], stack)

    looped = ShuffleEach().rebalance(batch, info, noise())
    generators = noise().generators
    for i in np.ndindex(*stack):
        single = recipe(
            Batch(batch.x[i], batch.y[i]),
            TrainingInfo(info.class_counts[i]),
            Noise([generators[i[0] if i else 0]]),
        )
        assert torch.equal(looped.x[i], single.x)
        assert torch.equal(looped.y[i], single.y)
        assert torch.equal(looped.weight[i], single.weight)


def test_the_default_loss_is_cross_entropy_on_soft_labels():
    rng = torch.Generator().manual_seed(0)
    logits, y = torch.randn(5, 8, 3, generator=rng), torch.rand(5, 8, 3, generator=rng).softmax(dim=-1)
    expected = torch.nn.functional.cross_entropy(logits.flatten(0, 1), y.flatten(0, 1), reduction="none").reshape(5, 8)
    torch.testing.assert_close(Shuffle().loss(logits, y, TrainingInfo(torch.ones(3))), expected)


def test_the_default_forward_is_the_net_itself():
    batch = Batch(X, soft_labels(Y))
    logits, y = Shuffle().forward(lambda x: 2 * x, batch, None)
    assert torch.equal(logits, 2 * X)
    assert y is batch.y


def test_a_spec_leaves_out_what_is_at_its_default():
    assert Shuffle().spec == "shuffle"
    assert Shuffle(pace=2.0).spec == "shuffle:pace=2.0"
    assert Shuffle(hard=False, pace=0.5).spec == "shuffle:pace=0.5,hard=false"
    assert Shuffle().params == {"pace": 1.0, "hard": True}


def test_a_strategy_without_a_recipe_cannot_be_made():
    class Idle(BatchStrategy):
        name = "idle"

    with pytest.raises(TypeError, match="rebalance"):
        Idle()


@dataclass(frozen=True)
class Sometimes(PerBatchStrategy):
    """Weighs rows, and says that it could not do as asked, where the first label is 1."""

    name: ClassVar[str] = "sometimes"

    def rebalance_one(self, batch, info, noise):
        if not batch.labels[0]:
            return batch
        return batch.weighted(torch.full((batch.size,), 2.0)).mark_fallback(torch.tensor(True))


def test_batches_that_say_nothing_weigh_one_and_fell_back_on_nothing():
    y = soft_labels(torch.tensor([[[0, 1], [1, 1]], [[1, 0], [0, 0]]]), 2)
    batch = Batch(torch.zeros(2, 2, 2, 1), y)
    found = Sometimes().rebalance(batch, TrainingInfo(torch.ones(2)), Noise([np.random.default_rng(0)] * 2, (2, 2)))
    assert found.fallback.tolist() == [[False, True], [True, False]]
    assert found.weight[..., 0].tolist() == [[1.0, 2.0], [2.0, 1.0]]
