"""Augment, ReMix-Aug and Augmented against plain loops over rows, given the same draws."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from scipy import stats

import imbench
from imbench.contract.batch import Batch
from imbench.contract.errors import UsageError
from imbench.contract.strategy import BatchStrategy, PerBatchStrategy
from imbench.strategies import augmentation
from imbench.strategies.augment import Augment
from imbench.strategies.augmentation import augment
from imbench.strategies.augmented import Augmented
from imbench.strategies.baseline import Baseline
from imbench.strategies.cost_adjusted import CostAdjusted
from imbench.strategies.mixup import MixUp
from imbench.strategies.remix import ReMix
from imbench.strategies.remix_aug import ReMixAug
from tests.strategies.images import make_images
from tests.strategies.made import make_info, make_noise, rebalance, repeated
from tests.strategies.test_affine import of_scipy
from tests.strategies.test_mixing import NotedNoise, algorithm_1


class NotedImageNoise(NotedNoise):
    """Remembers the draws of the transform too: the last uniform ones, after those of the rows."""

    def uniform(self, *shape):
        self.given.pop("uniform", None)
        return self._note("uniform", super().uniform(*shape))


def row_by_row(images, luck, rotation, shift, fill):
    """Each image by itself through SciPy, its three draws made an angle and two shifts."""
    found = []
    for image, (u, v, w) in zip(images, luck.T, strict=True):
        height, width = image.shape[-2:]
        angle = 2 * math.pi * rotation * (2 * u - 1)
        found.append(of_scipy(image, angle, shift * height * (2 * v - 1), shift * width * (2 * w - 1), fill))
    return np.stack(found)


@pytest.mark.parametrize("stack", [(), (3, 2)], ids=str)
@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 33, 31)], ids=str)
@pytest.mark.parametrize("strategy", [Augment(), Augment(0.05, 0.5, "nearest")], ids=lambda s: s.spec)
def test_augment_is_rows_drawn_by_class_and_then_augmented(strategy, shape, stack):
    batch, noise = make_images((8, 3, 1), stack, shape), NotedImageNoise(stack)
    result = strategy.rebalance(batch, make_info(batch), noise)
    for i in np.ndindex(*stack):
        rows = noise.given["balanced"][i]
        expected = row_by_row(batch.x[i][rows].numpy(), noise.given["uniform"][i], **strategy.params)
        np.testing.assert_allclose(result.x[i], expected, atol=1e-4)
        assert torch.equal(result.y[i], batch.y[i][rows])
        assert np.unique(np.asarray(batch.labels[i])[rows], return_counts=True)[1].tolist() == [4, 4, 4]


@pytest.mark.parametrize("stack", [(), (3, 2)], ids=str)
def test_remix_aug_is_rows_drawn_by_class_augmented_and_then_mixed(stack):
    batch, noise = make_images((8, 3, 1), stack), NotedImageNoise(stack)
    result = ReMixAug(alpha=0.7).rebalance(batch, make_info(batch), noise)
    assert noise.alpha == (0.7, 0.7)
    for i in np.ndindex(*stack):
        rows, luck = noise.given["balanced"][i], noise.given["uniform"][i]
        augmented = row_by_row(batch.x[i][rows].numpy(), luck, 0.2, 0.2, "reflect")
        x, y = algorithm_1(
            augmented, batch.y[i][rows].numpy(), range(12), noise.given["permutation"][i], noise.given["beta"][i]
        )
        np.testing.assert_allclose(result.x[i], x, atol=1e-4)
        np.testing.assert_allclose(result.y[i], y, atol=1e-6)


def test_labels_of_augment_are_hard_and_those_of_remix_aug_are_soft():
    batch = make_images((13, 3), (50,))
    assert set(rebalance(Augment(), batch).y.unique().tolist()) == {0.0, 1.0}
    mixed = rebalance(ReMixAug(alpha=1.0), batch).y
    assert ((mixed > 0.01) & (mixed < 0.99)).any()


@pytest.mark.parametrize("strategy", [Augment(0, 0), Augmented(Baseline(), 0, 0, "nearest")], ids=lambda s: s.spec)
def test_at_zero_strength_every_image_is_one_of_the_batch_to_the_bit(strategy):
    batch = make_images((8, 3, 1), shape=(3, 33, 31))
    result = rebalance(strategy, batch)
    equal = (result.x[:, None] == batch.x[None]).flatten(2).all(dim=-1)
    assert equal.any(dim=1).all()
    assert torch.equal(batch.y[equal.int().argmax(dim=1)], result.y)


def test_angles_and_shifts_are_uniform_in_their_ranges_and_each_rows_own(monkeypatch):
    drawn = []
    monkeypatch.setattr(augmentation, "moved", lambda x, *moves: drawn.extend(moves[:3]) or x)
    batch = repeated(make_images((5, 5), shape=(1, 10, 40)), 300)
    augment(batch, make_noise((300,)), rotation=0.2, shift=0.3)
    for values, most in zip(drawn, (0.4 * math.pi, 3.0, 12.0), strict=True):
        flat = values.double().flatten().numpy()
        assert stats.kstest(flat, stats.uniform(-most, 2 * most).cdf).pvalue > 1e-4
        assert np.abs(flat).max() <= most
        assert len(np.unique(flat)) > 0.99 * flat.size
    assert abs(np.corrcoef([v.flatten().numpy() for v in drawn])[np.triu_indices(3, 1)]).max() < 0.1


def test_the_defaults_are_the_papers():
    """20 % of a full turn, 0.2 of width and height; alpha 0.1 as in its tables."""
    assert Augment().params == {"rotation": 0.2, "shift": 0.2, "fill": "reflect"}
    assert ReMixAug().params == {"alpha": 0.1, "rotation": 0.2, "shift": 0.2, "fill": "reflect"}
    assert (Augment().spec, ReMixAug().spec, Augmented().spec) == ("augment", "remix-aug", "augmented")


@pytest.mark.parametrize("kind", [Augment, ReMixAug, Augmented])
@pytest.mark.parametrize(
    ("parameter", "value", "told"),
    [
        ("rotation", 20, "20 degrees are 0.0556"),
        ("rotation", -0.1, "from 0 to 0.5"),
        ("rotation", math.nan, "got nan"),
        ("rotation", "0.2", "got '0.2'"),
        ("shift", 1.5, "from 0 to 1"),
        ("shift", math.inf, "got inf"),
        ("shift", True, "got True"),
        ("fill", "zeros", "one of reflect, nearest, got 'zeros'"),
        ("fill", None, "got None"),
    ],
)
def test_a_wrong_parameter_is_named_with_its_value_and_what_would_do(kind, parameter, value, told):
    with pytest.raises(UsageError, match=f"{kind.__name__}.{parameter} must be .*{told}"):
        kind(**{parameter: value})


@pytest.mark.parametrize("alpha", [0, -1, math.nan, "much"])
def test_a_wrong_alpha_is_refused(alpha):
    with pytest.raises(UsageError, match=r"ReMixAug\.alpha must be "):
        ReMixAug(alpha=alpha)


def test_the_function_judges_its_parameters_too():
    with pytest.raises(UsageError, match=r"rotation must be a number from 0 to 0\.5, got 45"):
        augment(make_images((2, 2)), make_noise(), rotation=45)


@pytest.mark.parametrize("stack", [(), (3, 2)], ids=str)
def test_rows_to_augment_are_those_taken_first_to_the_bit(stack):
    batch = make_images((8, 3), stack, (3, 7, 9))
    batch = batch.weighted(torch.rand(batch.y.shape[:-1])).mark_fallback(torch.rand(stack) < 0.5)
    rows = torch.randint(batch.size, (*stack, 14))
    found = augment(batch, make_noise(stack), shift=0.4, rows=rows)
    expected = augment(batch.take(rows), make_noise(stack), shift=0.4)
    for name in ("x", "y", "weight", "fallback"):
        assert torch.equal(getattr(found, name), getattr(expected, name))


@dataclasses.dataclass(frozen=True)
class Own(PerBatchStrategy):
    """A plugin's strategy with everything of its own."""

    name = "own"
    version = "7"
    exemptions = {"class_share": "random"}  # noqa: RUF012

    def rebalance_one(self, batch, info, noise):
        return batch.take(noise.permutation(batch.size))

    def loss(self, logits, y, info):
        return logits.sum(dim=-1)

    def forward(self, net, batch, noise):
        return net(batch.x) + 1, batch.y

    def class_share(self, batch, info):
        return batch.y.mean(dim=-2)


def test_augmented_is_the_inner_batch_augmented():
    batch, noise = make_images((8, 3), (3, 2)), make_noise((3, 2))
    inner = Own().rebalance(batch, make_info(batch), noise)
    expected = augment(inner, noise, shift=0.1)
    result = rebalance(Augmented(Own(), shift=0.1), batch)
    assert torch.equal(result.x, expected.x)
    assert torch.equal(result.y, inner.y)
    assert not torch.equal(result.x, inner.x)


def test_augmented_asks_its_inner_strategy_for_all_else():
    batch, logits = make_images((8, 3)), torch.rand(11, 2)
    wrapped, info = Augmented(Own()), make_info(batch)
    assert torch.equal(wrapped.loss(logits, batch.y, info), logits.sum(dim=-1))
    assert torch.equal(wrapped.forward(lambda x: logits, batch, make_noise())[0], logits + 1)
    assert torch.equal(wrapped.class_share(batch, info), batch.y.mean(dim=0))
    assert wrapped.exemptions == {"class_share": "random"}
    assert (wrapped.version, Augmented().version) == ("1+own@7", "1+baseline@1")


@pytest.mark.parametrize("strategy", [Baseline(), ReMix(), Augment(), ReMixAug(), Augmented(CostAdjusted())])
@pytest.mark.parametrize("hook", ["loss", "forward"])
def test_only_what_has_a_loss_or_forward_pass_of_its_own_says_so(strategy, hook):
    assert not strategy.overrides(hook)
    assert Own().overrides(hook)
    assert Augmented(Own()).overrides(hook)


@dataclasses.dataclass(frozen=True)
class Tables(BatchStrategy):
    name = "tables"
    modalities = ("tabular",)

    def rebalance(self, batch, info, noise):
        return batch


@pytest.mark.parametrize(
    ("inner", "told"),
    [
        ("remix", r"be a strategy, got 'remix'.*imbench.strategy\("),
        (None, "be a strategy, got None"),
        (ReMix, "be a strategy, got <class"),
        (Tables(), "support image data, but tables supports tabular data; wrap another"),
    ],
)
def test_what_cannot_be_wrapped_is_refused(inner, told):
    with pytest.raises(UsageError, match=f"Augmented.inner must {told}"):
        Augmented(inner)


@pytest.mark.parametrize(
    ("text", "strategy"),
    [
        ("augmented:inner=cost-adjusted", Augmented(CostAdjusted())),
        ("augmented:inner=(mixup:alpha=0.3),rotation=0.1", Augmented(MixUp(0.3), rotation=0.1)),
        ("augmented:inner=mixup:alpha=0.3,rotation=0.1", Augmented(MixUp(0.3), rotation=0.1)),
        ("augmented:rotation=0.1,inner=(imbench/mixup:alpha=0.3)", Augmented(MixUp(0.3), rotation=0.1)),
        ("augmented:inner=(augmented:inner=(remix:alpha=0.2),shift=0.0)", Augmented(Augmented(ReMix(0.2), shift=0))),
    ],
)
def test_a_spec_inside_a_spec_makes_the_wrapped_strategy(text, strategy):
    assert imbench.strategy(text) == strategy
    assert imbench.strategy(strategy.spec) == strategy


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("augmented:inner=remx", "unknown strategy 'remx'; did you mean remix"),
        ("augmented:inner=(remix:alpha=0)", "ReMix.alpha must be positive"),
        ("augmented:inner=(remix:alpha=0.1", "parenthesis is left open"),
        ("augmented:inner=remix:alpha=0.1,alpha=2", "augmented.* has no parameter 'alpha'"),
    ],
)
def test_a_wrong_spec_inside_a_spec_is_told_as_it_would_be_alone(text, told):
    with pytest.raises(UsageError, match=told):
        imbench.strategy(text)


def test_plugins_find_both_forms_at_the_top():
    assert (imbench.augment, imbench.Augmented) == (augment, Augmented)
    batch = Batch(torch.rand(4, 1, 8, 8), torch.eye(4))
    assert imbench.augment(batch, make_noise()).y is batch.y
