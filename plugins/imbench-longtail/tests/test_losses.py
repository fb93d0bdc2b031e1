"""Every loss against its published formula, written out row by row."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from longtail_made import LOSSES, counted, make_batch, make_info, make_noise, one_hot

import imbench_longtail as lt

COUNTS = [900, 90, 10]


def softmax(z):
    e = [math.exp(v - max(z)) for v in z]
    return [v / sum(e) for v in e]


def cross_entropy(z, c, counts):
    return -math.log(softmax(z)[c])


def focal(gamma, alpha=None):
    def loss(z, c, counts):
        p = softmax(z)[c]
        rarest = min((n, j) for j, n in enumerate(counts) if n > 0)[1]
        weight = 1.0 if alpha is None else alpha if c == rarest else 1.0 - alpha
        return -weight * (1 - p) ** gamma * math.log(p)

    return loss


def ldam(max_margin, s):
    def loss(z, c, counts):
        inverse = [n**-0.25 if n else 0.0 for n in counts]
        margin = inverse[c] / max(inverse) * max_margin
        own = math.exp(s * (z[c] - margin))
        return -math.log(own / (own + sum(math.exp(s * v) for j, v in enumerate(z) if j != c)))

    return loss


def balanced_softmax(z, c, counts):
    return -math.log(counts[c] * math.exp(z[c]) / sum(n * math.exp(v) for n, v in zip(counts, z, strict=True)))


def logit_adjustment(tau):
    def loss(z, c, counts):
        prior = [n / sum(counts) for n in counts]
        adjusted = [v + tau * math.log(p) for v, p in zip(z, prior, strict=True)]
        return cross_entropy(adjusted, c, counts)

    return loss


PUBLISHED = [
    (lt.Focal(), focal(2.0)),
    (lt.Focal(gamma=0.5), focal(0.5)),
    (lt.Focal(gamma=2.0, alpha=0.25), focal(2.0, 0.25)),
    (lt.LDAM(), ldam(0.5, 1.0)),
    (lt.LDAM(max_margin=0.5, scale=30.0), ldam(0.5, 30.0)),
    (lt.LDAM(max_margin=3.0, scale=2.0), ldam(3.0, 2.0)),
    (lt.LDAMDRW(max_margin=1.0), ldam(1.0, 1.0)),
    (lt.BalancedSoftmax(), balanced_softmax),
    (lt.LogitAdjustment(), logit_adjustment(1.0)),
    (lt.LogitAdjustment(tau=0.5), logit_adjustment(0.5)),
]
# Parameters at which a loss is another one.
LIMITS = [
    (lt.Focal(gamma=0.0), cross_entropy),
    (lt.LogitAdjustment(tau=0.0), cross_entropy),
    (lt.LDAM(max_margin=0.0), cross_entropy),
    (lt.LDAM(max_margin=0.0, scale=4.0), lambda z, c, counts: cross_entropy([4 * v for v in z], c, counts)),
    (lt.Focal(gamma=0.0, alpha=0.5), lambda z, c, counts: 0.5 * cross_entropy(z, c, counts)),
]
SPECS = [strategy.spec for strategy, _ in PUBLISHED + LIMITS]


def made_logits(rows, classes, seed=0, spread=2.0):
    return torch.as_tensor(np.random.default_rng(seed).normal(0.0, spread, (rows, classes)), dtype=torch.float64)


@pytest.mark.parametrize(("strategy", "formula"), PUBLISHED + LIMITS, ids=SPECS)
@pytest.mark.parametrize("counts", [COUNTS, [10, 990], [5, 5, 5, 5]], ids=str)
def test_loss_is_the_published_one(strategy, formula, counts):
    z = made_logits(30, len(counts), spread=1.0)
    labels = np.arange(30) % len(counts)
    got = strategy.loss(z, one_hot(labels, len(counts)).double(), make_info(counts))
    wanted = [formula(row, c, counts) for row, c in zip(z.tolist(), labels, strict=True)]
    assert got.numpy() == pytest.approx(np.array(wanted), rel=2e-6, abs=1e-7)


@pytest.mark.parametrize("strategy", LOSSES, ids=lambda s: s.spec)
def test_soft_labels_are_judged_linearly(strategy):
    z, info = made_logits(1, 3).expand(3, 3), make_info(COUNTS)
    hard = strategy.loss(z, torch.eye(3, dtype=torch.float64), info)
    soft = strategy.loss(z[:1], torch.tensor([[0.2, 0.3, 0.5]], dtype=torch.float64), info)
    assert float(soft) == pytest.approx(float(hard @ torch.tensor([0.2, 0.3, 0.5], dtype=torch.float64)), rel=1e-9)


@pytest.mark.parametrize("strategy", LOSSES, ids=lambda s: s.spec)
def test_gradient_is_that_of_finite_differences(strategy):
    y = torch.as_tensor(np.random.default_rng(1).dirichlet([1.0, 1.0, 1.0], 6))
    z = made_logits(6, 3).requires_grad_()
    assert torch.autograd.gradcheck(lambda z: strategy.loss(z, y, make_info(COUNTS)), z)


@pytest.mark.parametrize("strategy", LOSSES, ids=lambda s: s.spec)
@pytest.mark.parametrize("size", [0.0, 1e-30, 20.0, 200.0, 1e4, 1e30])
def test_loss_and_gradient_are_finite_for_any_logits(strategy, size):
    z = torch.tensor([[size, -size, 0.0], [-size, size, size], [size, size, size]]).requires_grad_()
    for labels in ([0, 1, 2], [2, 0, 0]):
        losses = strategy.loss(z, one_hot(labels, 3), make_info([500, 0, 3]))
        (gradient,) = torch.autograd.grad(losses.sum(), z)
        assert losses.isfinite().all()
        assert gradient.isfinite().all()
        assert (losses >= -1e-6).all()


@pytest.mark.parametrize("strategy", LOSSES, ids=lambda s: s.spec)
def test_each_net_of_a_stack_is_judged_by_its_own_counts(strategy):
    z, y = made_logits(12, 3).reshape(2, 6, 3), one_hot(np.arange(12) % 3, 3).double().reshape(2, 6, 3)
    counts = torch.tensor([[100.0, 10.0, 1.0], [5.0, 50.0, 500.0]])
    together = strategy.loss(z, y, make_info(counts))
    for i in range(2):
        assert torch.equal(together[i], strategy.loss(z[i], y[i], make_info(counts[i])))
    assert not torch.equal(together[0], strategy.loss(z[0], y[0], make_info(counts[1]))) or "focal" in strategy.spec


@pytest.mark.parametrize("strategy", LOSSES, ids=lambda s: s.spec)
def test_counts_may_lie_beside_an_axis_of_steps(strategy):
    z, y = made_logits(24, 3).reshape(2, 2, 6, 3), one_hot(np.arange(24) % 3, 3).double().reshape(2, 2, 6, 3)
    counts = torch.tensor([[100.0, 10.0, 1.0], [5.0, 50.0, 500.0]])
    together = strategy.loss(z, y, make_info(counts[:, None]))
    assert torch.equal(together[1, 0], strategy.loss(z[1, 0], y[1, 0], make_info(counts[1])))


def test_balanced_softmax_is_logit_adjustment_by_one():
    z, y, info = made_logits(9, 3).float(), one_hot(np.arange(9) % 3, 3), make_info(COUNTS)
    assert torch.equal(lt.BalancedSoftmax().loss(z, y, info), lt.LogitAdjustment().loss(z, y, info))


def test_focal_prints_the_papers_example_of_easy_rows():
    # "with gamma = 2, an example classified with p = 0.9 would have 100x lower loss compared with CE and with
    # p = 0.968 it would have 1000x lower loss" (Section 3.2)
    p = torch.tensor([0.9, 0.968], dtype=torch.float64)
    z, y = torch.stack([p.log(), (1 - p).log()], dim=-1), one_hot([0, 0], 2).double()
    lower = -p.log() / lt.Focal(gamma=2.0).loss(z, y, make_info([50, 50]))
    assert lower.tolist() == pytest.approx([100.0, 1000.0], rel=0.03)


def test_rare_classes_have_wider_margins_with_the_papers_power():
    # One row lifts its class's logit by its margin to be judged as without one.
    counts, z = [256, 16, 1], torch.zeros(3, 3, dtype=torch.float64)
    lifted = torch.diag(torch.tensor([0.125, 0.25, 0.5], dtype=torch.float64))  # 256^(-1/4) = 1/4, 16^(-1/4) = 1/2
    losses = lt.LDAM(max_margin=0.5).loss(z + lifted, torch.eye(3, dtype=torch.float64), make_info(counts))
    assert losses.tolist() == pytest.approx([math.log(3)] * 3)


def test_ldam_in_single_precision_is_within_a_hundredth_at_the_widest_margin():
    # 30 * 0.5 is the most that is allowed; the steepest slope is 30, and float32 knows 1 - p to 6e-8 only.
    z = torch.tensor([[0.4, -0.4], [0.2, -0.2], [0.1, -0.1]])
    strategy, info, y = lt.LDAM(max_margin=0.5, scale=30.0), make_info([10, 10]), one_hot([0, 0, 0], 2)
    slopes = []
    for kind in (torch.float32, torch.float64):
        leaf = z.to(kind).requires_grad_()
        slopes.append(torch.autograd.grad(strategy.loss(leaf, y.to(kind), info).sum(), leaf)[0].double())
    assert (slopes[0] - slopes[1]).abs().max() < 0.3
    assert slopes[1].abs().max() > 29


def weights_of(strategy, counts, labels, **when):
    batch = make_batch(labels, len(counts))
    return strategy.rebalance(batch, make_info(counts, **when), make_noise()).weight


@given(st.lists(st.integers(1, 5000), min_size=2, max_size=8), st.sampled_from([0.0, 0.9, 0.99, 0.999, 0.9999]))
@settings(max_examples=50, deadline=None)
def test_class_balanced_weights_are_those_of_effective_numbers(counts, beta):
    raw = [(1 - beta) / (1 - beta**n) for n in counts]
    wanted = [w * len(counts) / sum(raw) for w in raw]
    assert weights_of(lt.ClassBalancedLoss(beta=beta), counts, range(len(counts))).tolist() == pytest.approx(
        wanted, rel=1e-4
    )


def test_beta_zero_weighs_nothing_and_beta_near_one_by_inverse_counts():
    assert weights_of(lt.ClassBalancedLoss(beta=0.0), COUNTS, [0, 1, 2]).tolist() == [1.0, 1.0, 1.0]
    near = weights_of(lt.ClassBalancedLoss(beta=1 - 1e-9), COUNTS, [0, 1, 2])
    assert (near * torch.tensor([900.0, 90.0, 10.0])).tolist() == pytest.approx([float(near[2]) * 10] * 3, rel=1e-4)


def test_class_without_training_rows_weighs_nothing():
    weights = weights_of(lt.ClassBalancedLoss(beta=0.9), [900, 0, 10], [0, 2])
    assert float(weights[0] + weights[1]) == pytest.approx(2.0)


def test_deferred_weights_set_in_after_the_share_of_epochs():
    late = lt.LDAMDRW(deferral=0.8, beta=0.99)
    assert weights_of(late, COUNTS, counted(5, 3, 1), epoch=399, epochs=500) is None
    weights = weights_of(late, COUNTS, counted(5, 3, 1), epoch=400, epochs=500)
    assert torch.equal(weights, weights_of(lt.ClassBalancedLoss(beta=0.99), COUNTS, counted(5, 3, 1)))
    assert weights_of(lt.LDAMDRW(deferral=1.0), COUNTS, [0], epoch=499, epochs=500) is None
    assert weights_of(lt.LDAMDRW(deferral=0.0), COUNTS, [0], epoch=0, epochs=500) is not None
