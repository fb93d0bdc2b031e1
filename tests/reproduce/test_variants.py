"""What the authors' code does otherwise: the two-step draw equals Algorithm 1 in expectation, the loss is Keras's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from imbench.contract.batch import Batch
from imbench.contract.errors import UsageError
from imbench.contract.noise import Noise
from imbench.contract.strategy import TrainingInfo
from imbench.reproduce import variants
from imbench.reproduce.context import PLUGIN
from imbench.reproduce.variants import KerasLoss, TwoStepReMix
from imbench.runs.registry import Registry
from imbench.strategies.baseline import Baseline
from imbench.strategies.remix import ReMix

# Mixing with a share of all but exactly 0 or 1 leaves whole rows: what was drawn can be counted.
UNMIXED = 1e-6
settled = settings(deadline=None, derandomize=True, max_examples=15)
counts = st.lists(st.integers(0, 12), min_size=2, max_size=4).filter(lambda c: sum(c) > 1)


def noise(stack, seed=0):
    return Noise([np.random.default_rng([seed, i]) for i in range(stack[0] if stack else 1)], stack)


def batch_of(sizes, stack):
    """Batches with so many rows of each class, each row's number its one feature."""
    labels = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
    y = torch.nn.functional.one_hot(labels, len(sizes)).float().expand(*stack, -1, -1)
    x = torch.arange(float(len(labels))).unsqueeze(-1).expand(*stack, -1, -1)
    return Batch(x.contiguous(), y.contiguous())


def info_of(batch):
    return TrainingInfo(torch.ones(batch.classes))


@settled
@given(counts, st.integers(0, 99))
def test_the_two_step_draw_has_the_class_shares_of_algorithm_1_on_average(sizes, seed):
    batch = batch_of(sizes, (1, 4000))
    drawn = TwoStepReMix(UNMIXED).rebalance(batch, info_of(batch), noise((1, 4000), seed))
    shares = drawn.y.mean(dim=(0, 1, 2))
    expected = ReMix().class_share(batch, info_of(batch))[0, 0]
    assert torch.equal(TwoStepReMix().class_share(batch, info_of(batch))[0, 0], expected)
    # Of 4,000 batches of b rows a share is known to about 0.5 / sqrt(4000 b), or a little less.
    assert (shares - expected).abs().max() < 5 * 0.5 / np.sqrt(4000 * sum(sizes)) + 1e-4


@settled
@given(counts, st.integers(0, 99))
def test_it_draws_rows_of_the_batch_with_their_own_labels(sizes, seed):
    batch = batch_of(sizes, (2, 3))
    drawn = TwoStepReMix(UNMIXED).rebalance(batch, info_of(batch), noise((2, 3), seed))
    rows = drawn.x.round().long().squeeze(-1)
    assert (rows >= 0).all()
    assert (rows < batch.size).all()
    torch.testing.assert_close(drawn.y, batch.y.gather(-2, rows.unsqueeze(-1).expand_as(batch.y)), atol=1e-3, rtol=0)


def test_the_number_of_rows_of_a_class_varies_as_a_binomial_and_not_as_in_algorithm_1():
    batch = batch_of((28, 4), (1, 4000))
    rare = {}
    for strategy in (TwoStepReMix(UNMIXED), ReMix(UNMIXED)):
        drawn = strategy.rebalance(batch, info_of(batch), noise((1, 4000)))
        rare[strategy.name] = drawn.y[0, :, :, 1].sum(dim=-1)
    assert rare["remix-two-step"].var().item() == pytest.approx(32 / 4, rel=0.1)
    assert rare["remix"].var().item() < 0.1


def test_a_row_of_the_small_class_that_was_oversampled_more_often_is_drawn_more_often():
    # A plain loop of both steps, with NumPy's own draws: the variance of one row's count shows step a.
    rng, sizes = np.random.default_rng(5), (12, 3)
    plain = []
    batch = batch_of(sizes, (1, 3000))
    drawn = TwoStepReMix(UNMIXED).rebalance(batch, info_of(batch), noise((1, 3000)))
    ours = (drawn.x[0].squeeze(-1).round() == 12).sum(dim=-1).numpy()
    for _ in range(3000):
        rare = np.concatenate([[12, 13, 14], rng.choice([12, 13, 14], 9)])
        plain.append((rng.choice(np.concatenate([np.arange(12), rare]), 15) == 12).sum())
    assert ours.mean() == pytest.approx(np.mean(plain), rel=0.06)
    assert ours.var() == pytest.approx(np.var(plain), rel=0.12)
    # Without step a a row's count is binomial with B/(C n) of its class.
    assert ours.var() > 1.08 * 15 * (1 / 6) * (5 / 6)


@settled
@given(st.integers(0, 99))
def test_a_stack_draws_what_each_of_its_nets_draws_alone(seed):
    batch = batch_of((9, 3, 0), (3, 4))
    whole = TwoStepReMix().rebalance(batch, info_of(batch), noise((3, 4), seed))
    for i in range(3):
        own = Noise([np.random.default_rng([seed, i])], (1, 4))
        alone = TwoStepReMix().rebalance(Batch(batch.x[i : i + 1], batch.y[i : i + 1]), info_of(batch), own)
        assert torch.equal(alone.x[0], whole.x[i])


def test_one_batch_without_a_stack_is_rebalanced_as_well():
    x, y = TwoStepReMix(0.3)(torch.arange(8.0).unsqueeze(-1), torch.tensor([0] * 6 + [1] * 2), seed=1)
    assert (x.shape, y.shape) == ((8, 1), (8, 2))
    torch.testing.assert_close(y.sum(dim=-1), torch.ones(8))


@settled
@given(st.integers(2, 5), st.integers(0, 99))
def test_the_loss_is_torchs_binary_cross_entropy_of_the_softmax(classes, seed):
    rng = torch.Generator().manual_seed(seed)
    logits = 1.5 * torch.randn(3, 7, classes, generator=rng, dtype=torch.float64)
    y = torch.softmax(torch.randn(3, 7, classes, generator=rng, dtype=torch.float64), dim=-1)
    p = torch.softmax(logits, dim=-1)
    expected = torch.nn.functional.binary_cross_entropy(p, y, reduction="none").mean(dim=-1)
    torch.testing.assert_close(KerasLoss().loss(logits, y, info_of(Batch(logits, y))), expected, atol=1e-6, rtol=1e-6)


@settled
@given(st.integers(0, 99))
def test_for_two_classes_it_is_categorical_cross_entropy_with_the_same_gradient(seed):
    rng = torch.Generator().manual_seed(seed)
    logits = (1.5 * torch.randn(20, 2, generator=rng, dtype=torch.float64)).requires_grad_()
    y = torch.softmax(torch.randn(20, 2, generator=rng, dtype=torch.float64), dim=-1)
    info = info_of(Batch(logits.detach(), y))
    losses = [strategy.loss(logits, y, info) for strategy in (KerasLoss(), Baseline())]
    torch.testing.assert_close(*losses)
    gradients = [torch.autograd.grad(loss.sum(), logits)[0] for loss in losses]
    torch.testing.assert_close(*gradients)


def test_for_three_classes_it_is_another_loss():
    logits, y = torch.zeros(1, 3), torch.tensor([[1.0, 0.0, 0.0]])
    keras, categorical = (s.loss(logits, y, info_of(Batch(logits, y))).item() for s in (KerasLoss(), Baseline()))
    assert keras == pytest.approx(-(np.log(1 / 3) + 2 * np.log(2 / 3)) / 3)
    assert abs(keras - categorical) > 0.3


def test_a_sure_and_wrong_prediction_has_keras_largest_loss_and_no_gradient():
    logits = torch.tensor([[40.0, -40.0]], requires_grad=True)
    loss = KerasLoss().loss(logits, torch.tensor([[0.0, 1.0]]), TrainingInfo(torch.ones(2)))
    assert loss.item() == pytest.approx(-np.log(1e-7), rel=1e-2)
    assert torch.autograd.grad(loss.sum(), logits)[0].abs().max() == 0


def test_the_wrapper_leaves_everything_else_to_what_it_wraps():
    batch, inner = batch_of((6, 2), ()), ReMix(0.3)
    wrapped = KerasLoss(inner)
    torch.testing.assert_close(
        wrapped.rebalance(batch, info_of(batch), noise(())).x, inner.rebalance(batch, info_of(batch), noise(())).x
    )
    assert torch.equal(wrapped.class_share(batch, info_of(batch)), inner.class_share(batch, info_of(batch)))
    assert wrapped.overrides("loss")
    assert not wrapped.overrides("forward")
    assert wrapped.spec == "keras-loss:inner=(remix:alpha=0.3)"


@pytest.mark.parametrize("wrong", [lambda: TwoStepReMix(0), lambda: KerasLoss("remix")])
def test_a_wrong_parameter_is_refused_by_name(wrong):
    with pytest.raises(UsageError, match=r"TwoStepReMix\.alpha must be positive|KerasLoss\.inner must be a strategy"):
        wrong()


def test_they_are_no_built_in_strategies_and_come_with_the_plugin_file():
    names = {variants.TwoStepReMix.name, variants.KerasLoss.name}
    assert not names & {entry.name for entry in Registry().entries("strategy")}
    assert names <= {entry.name for entry in Registry((PLUGIN,)).entries("strategy")}


@pytest.mark.parametrize("spec", ["remix-two-step", "keras-loss", "keras-loss:inner=remix"])
def test_they_pass_the_checks_that_plugins_must(spec):
    from imbench.checks import check_strategy

    failed = [result for result in check_strategy(Registry((PLUGIN,)).strategy(spec)) if not result.ok]
    assert failed == []
