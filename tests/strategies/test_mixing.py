"""MixUp and ReMix against plain loops over rows, given the same draws."""

import numpy as np
import pytest
import torch
from scipy import stats

from imbench.contract.batch import Batch
from imbench.contract.noise import Noise
from imbench.strategies.mixup import MixUp
from imbench.strategies.remix import ReMix
from tests.strategies.made import counted, make_batch, make_info, make_noise, rebalance, repeated


class NotedNoise(Noise):
    """Remembers what it gave."""

    def __init__(self, stack, seed=0):
        super().__init__(make_noise(stack, range(seed, seed + (stack[0] if stack else 1))).generators, stack)
        self.given = {}

    def beta(self, a, b, *shape):
        self.alpha = (a, b)
        return self._note("beta", super().beta(a, b, *shape))

    def permutation(self, n):
        return self._note("permutation", super().permutation(n))

    def balanced(self, y):
        return self._note("balanced", super().balanced(y))

    def _note(self, name, values):
        assert name not in self.given
        self.given[name] = values.numpy()
        return values


def algorithm_1(x, y, rows, permutation, share):
    """Lines 3 to 7, one batch, row by row."""
    x1 = np.array([x[row] for row in rows], dtype=np.float64)
    y1 = np.array([y[row] for row in rows], dtype=np.float64)
    x2, y2 = np.empty_like(x1), np.empty_like(y1)
    for i, partner in enumerate(permutation):
        x2[i] = share * x1[i] + (1.0 - share) * x1[partner]
        y2[i] = share * y1[i] + (1.0 - share) * y1[partner]
    return x2, y2


@pytest.mark.parametrize("stack", [(), (4,), (3, 5)])
@pytest.mark.parametrize("strategy", [MixUp(alpha=0.7), ReMix(alpha=0.7)], ids=lambda s: s.name)
def test_every_batch_of_the_stack_is_what_the_plain_loop_makes(strategy, stack):
    labels = np.random.default_rng(1).choice(3, size=(*stack, 17), p=[0.7, 0.2, 0.1])
    batch, noise = make_batch(labels, 3), NotedNoise(stack)
    result = strategy.rebalance(batch, make_info(batch), noise)
    assert noise.alpha == (0.7, 0.7)
    rows = noise.given.get("balanced", np.broadcast_to(np.arange(17), (*stack, 17)))
    for i in np.ndindex(*stack):
        x, y = algorithm_1(
            batch.x[i].numpy(), batch.y[i].numpy(), rows[i], noise.given["permutation"][i], noise.given["beta"][i]
        )
        np.testing.assert_allclose(result.x[i], x, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(result.y[i], y, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("counts", [(61, 3), (63, 1), (30, 20, 10, 4), (0, 60, 4), (64,), (6,) * 10 + (2, 2)])
def test_remix_draws_each_class_present_equally_often_before_mixing(counts):
    batch, noise = make_batch(np.stack([counted(*counts)] * 50), len(counts)), NotedNoise((50,))
    ReMix().rebalance(batch, make_info(batch), noise)
    drawn = np.take_along_axis(batch.labels.numpy(), noise.given["balanced"], axis=-1)
    present = np.flatnonzero(counts)
    for labels in drawn:
        of_class = np.bincount(labels, minlength=len(counts))
        assert of_class.sum() == 64
        assert set(of_class[present]) <= {64 // len(present), 64 // len(present) + 1}


@pytest.mark.parametrize("counts", [(61, 3), (7, 2, 1), (0, 60, 4), (40, 15, 5, 3, 1)])
def test_remix_gives_each_class_present_an_equal_share(counts):
    """Of labels, in the mean over many batches: 1/C within five standard errors."""
    times = 4000
    y = rebalance(ReMix(), repeated(make_batch(counted(*counts), len(counts)), times)).y.mean(dim=1).double()
    present = np.flatnonzero(counts)
    error = y.std(dim=0) / times**0.5
    assert (y.mean(dim=0)[present] - 1 / len(present)).abs().le(5 * error[present] + 1e-6).all()


def test_mixup_keeps_the_mean_of_every_batch():
    """A permutation moves rows around; their sum stays, so MixUp rebalances nothing."""
    batch = make_batch(np.stack([counted(50, 10, 4)] * 20), 3)
    result = rebalance(MixUp(alpha=1.0), batch)
    torch.testing.assert_close(result.y.mean(dim=-2), batch.y.mean(dim=-2))
    torch.testing.assert_close(result.x.mean(dim=-2), batch.x.mean(dim=-2))


@pytest.mark.parametrize("strategy", [MixUp(alpha=0.4), ReMix(alpha=0.4)], ids=lambda s: s.name)
def test_shares_follow_the_beta_distribution_one_a_batch(strategy):
    """Two rows of two classes: where the permutation swaps them, the first label is lambda itself."""
    first = rebalance(strategy, repeated(make_batch([0, 1], 2), 20000)).y[:, 0, 0].double()
    swapped = first[(first > 0) & (first < 1)]
    assert 0.48 < len(swapped) / len(first) < 0.52
    assert stats.kstest(swapped, stats.beta(0.4, 0.4).cdf).pvalue > 1e-4


@pytest.mark.parametrize("alpha", [1e-3, 0.01, 0.1, 10.0, 1000.0])
@pytest.mark.parametrize("kind", [MixUp, ReMix])
def test_any_positive_alpha_gives_shares_in_range(kind, alpha):
    y = rebalance(kind(alpha), repeated(make_batch(counted(5, 3), 2), 2000)).y
    assert torch.isfinite(y).all()
    assert ((y >= 0) & (y <= 1)).all()


def test_small_alphas_leave_most_rows_as_they_are():
    batch = repeated(make_batch(counted(5, 3), 2), 500)
    assert (rebalance(MixUp(alpha=0.001), batch).y.max(dim=-1).values > 0.99).float().mean() > 0.98


def test_remix_draws_every_row_of_a_class_equally_often():
    batch, noise = make_batch(np.stack([counted(12, 4)] * 3000), 2), NotedNoise((3000,))
    ReMix().rebalance(batch, make_info(batch), noise)
    times = np.bincount(noise.given["balanced"].ravel(), minlength=16)
    assert stats.chisquare(times[:12]).pvalue > 1e-4
    assert stats.chisquare(times[12:]).pvalue > 1e-4


def test_weights_are_mixed_like_labels():
    batch = make_batch(counted(12, 4), 2)
    weighted = Batch(batch.x, batch.y, batch.y[:, 1])
    for strategy in (MixUp(0.5), ReMix(0.5)):
        result = rebalance(strategy, weighted)
        torch.testing.assert_close(result.weight, result.y[:, 1])
