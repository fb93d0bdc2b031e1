"""Mixing strategies against their published formulas, row by row."""

import math

import numpy as np
import pytest
import torch
from longtail_made import counted, make_batch, make_info, make_noise, repeated

import imbench
import imbench_longtail as lt
from imbench import Batch


class Recorded:
    """Noise that keeps what it gives."""

    def __init__(self, noise):
        self.noise, self.given = noise, []

    def __getattr__(self, name):
        def draw(*arguments):
            self.given.append(getattr(self.noise, name)(*arguments))
            return self.given[-1]

        return draw


def chou_label_share(lam, own, other, kappa, tau):
    if own / other >= kappa and lam < tau:
        return 0.0
    if own / other <= 1 / kappa and 1 - lam < tau:
        return 1.0
    return lam


@pytest.mark.parametrize(("kappa", "tau"), [(3.0, 0.5), (1.0, 1.0), (20.0, 0.8), (90.0, 0.3)])
def test_chou_remix_gives_labels_by_equation_10(kappa, tau):
    counts, noise = [900, 90, 10], Recorded(make_noise((300,)))
    batch = repeated(make_batch(counted(5, 4, 3), 3), 300)
    out = lt.ChouRemix(alpha=1.0, kappa=kappa, tau=tau).rebalance(batch, make_info(counts), noise)
    shares, partners = noise.given
    for b in range(300):
        lam = float(shares[b])
        for i, j in enumerate(partners[b].tolist()):
            own, other = (counts[int(batch.y[b, r].argmax())] for r in (i, j))
            mu = chou_label_share(lam, own, other, kappa, tau)
            assert torch.allclose(out.x[b, i], lam * batch.x[b, i] + (1 - lam) * batch.x[b, j], atol=1e-5)
            assert torch.allclose(out.y[b, i], mu * batch.y[b, i] + (1 - mu) * batch.y[b, j], atol=1e-6)


@pytest.mark.parametrize("strategy", [lt.ChouRemix(alpha=0.1, tau=0.0), lt.ChouRemix(alpha=0.1, kappa=1e9)])
def test_chou_remix_that_gives_nothing_away_is_mixup(strategy):
    batch, info = make_batch(np.tile(counted(50, 14), (5, 1)), 2), make_info([500, 14])
    ours = strategy.rebalance(batch, info, make_noise((5,)))
    theirs = imbench.strategy("mixup:alpha=0.1").rebalance(batch, info, make_noise((5,)))
    assert torch.allclose(ours.x, theirs.x, atol=1e-6)
    assert torch.allclose(ours.y, theirs.y, atol=1e-6)


def test_chou_remix_favours_the_rarer_class():
    batch = repeated(make_batch(counted(54, 10), 2), 400)
    out = lt.ChouRemix().rebalance(batch, make_info([540, 100]), make_noise((400,)))
    # Of a mixed pair the rare class gets all if it has half of the features, else its share: 5/8 on average, not 1/2.
    pairs = 2 * 10 * 54 / 64**2
    assert float(out.y[..., 1].mean()) == pytest.approx((10 / 64) ** 2 + pairs * 5 / 8, rel=0.03)


def test_unimix_mixes_by_the_authors_factor():
    counts, noise = np.array([900, 90, 10]), Recorded(make_noise((50,)))
    batch = repeated(make_batch(counted(9, 4, 3), 3), 50)
    out = lt.UniMix(alpha=0.8, tau=-0.5).rebalance(batch, make_info(counts), noise)
    points, drawn = noise.given
    for b in range(50):
        classes = batch.y[b].argmax(dim=-1).numpy()
        odds = counts[classes] ** -0.5
        partners = np.searchsorted(odds.cumsum() / odds.sum(), points[b].numpy())
        for i, j in enumerate(partners):
            n_i, n_j = counts[classes[i]], counts[classes[j]]
            lam = float(drawn[b, i]) + n_j / (n_i + n_j)
            lam = lam - 1 if lam > 1 else lam
            assert torch.allclose(out.x[b, i], lam * batch.x[b, i] + (1 - lam) * batch.x[b, j], atol=1e-5)
            assert torch.allclose(out.y[b, i], lam * batch.y[b, i] + (1 - lam) * batch.y[b, j], atol=1e-5)


def test_unimix_partners_are_as_frequent_as_the_sampler_says():
    counts, noise = np.array([900.0, 100.0]), Recorded(make_noise((3000,)))
    batch = repeated(make_batch(counted(9, 1), 2), 3000)
    lt.UniMix(alpha=1e6, tau=-1.0).rebalance(batch, make_info(counts), noise)
    odds = np.repeat(1 / counts, [9, 1])
    share = np.searchsorted(odds.cumsum() / odds.sum(), noise.given[0].numpy()) == 9
    assert share.mean() == pytest.approx(0.5, abs=0.02)  # tau = -1: every class equally often


def test_unimix_without_favour_is_uniform_mixup_with_replacement():
    batch = repeated(make_batch(counted(5, 5), 2), 4000)
    out = lt.UniMix(alpha=1.0, tau=0.0).rebalance(batch, make_info([990, 10]), make_noise((4000,)))
    # A row of class 0 keeps 1/2 on average, and its partner is of class 0 in half the cases.
    assert out.y[:, 0].mean(dim=0).tolist() == pytest.approx([0.75, 0.25], abs=0.02)


def test_unimix_gives_most_of_a_mixed_row_to_the_rarer_class():
    batch = repeated(make_batch(counted(1, 1), 2), 4000)
    out = lt.UniMix().rebalance(batch, make_info([990, 10]), make_noise((4000,)))
    mixed = out.y[:, 0][(out.y[:, 0] > 0).all(dim=-1)]
    assert float(mixed[:, 1].mean()) > 0.49


def images(labels, height, width):
    """Images of which every pixel names its image and its place."""
    size = height * width
    x = torch.arange(len(labels) * size, dtype=torch.float32).reshape(len(labels), 1, height, width)
    return Batch(x, torch.nn.functional.one_hot(torch.as_tensor(labels), 2).float())


def test_cutmix_moves_one_box_and_counts_its_pixels():
    batch = images(counted(3, 3), 8, 10)
    many = repeated(batch, 200)
    noise = Recorded(make_noise((200,)))
    out = lt.CutMix().rebalance(many, make_info([3, 3]), noise)
    partners, lam, row, column = noise.given
    for b in range(200):
        cut = math.sqrt(1 - float(lam[b]))  # equation (2), as the authors' code rounds it
        half_h, half_w = int(8 * cut) // 2, int(10 * cut) // 2
        y1, y2 = np.clip([int(row[b]) - half_h, int(row[b]) + half_h], 0, 8)
        x1, x2 = np.clip([int(column[b]) - half_w, int(column[b]) + half_w], 0, 10)
        wanted, kept = batch.x.clone(), 1 - (y2 - y1) * (x2 - x1) / 80
        wanted[..., y1:y2, x1:x2] = batch.x[partners[b]][..., y1:y2, x1:x2]
        assert torch.equal(out.x[b], wanted)
        assert torch.allclose(out.y[b], kept * batch.y + (1 - kept) * batch.y[partners[b]], atol=1e-6)


def test_cutmix_refuses_tables():
    with pytest.raises(imbench.UsageError, match="cutmix needs images"):
        lt.CutMix()(torch.zeros(4, 3), torch.tensor([0, 0, 1, 1]))


class TwoLayers:
    """Two stages for every net of a stack, and what enters each."""

    def __init__(self, nets, features, classes, seed=0):
        g = torch.Generator().manual_seed(seed)
        self.weights = [torch.randn(nets, features, 7, generator=g), torch.randn(nets, 7, classes, generator=g)]
        self.stages = [lambda x: (x @ self.weights[0]).tanh(), lambda x: x @ self.weights[1]]

    def __call__(self, x):
        return self.stages[1](self.stages[0](x))


@pytest.mark.parametrize("strategy", [lt.ManifoldMixUp(), lt.ManifoldReMix(alpha=1.0)], ids=lambda s: s.name)
def test_manifold_methods_mix_each_net_at_the_layer_it_drew(strategy):
    nets = 12
    batch, net = make_batch(np.tile(counted(9, 3), (nets, 1)), 2), TwoLayers(nets, 3, 2)
    noise = Recorded(make_noise((nets,)))
    logits, y = strategy.forward(net, batch, noise)
    lam, partners, layer = noise.given
    assert set(layer.tolist()) == {0, 1}
    for i in range(nets):
        x, share = batch.x[i], float(lam[i])
        for k in range(2):
            x = share * x + (1 - share) * x[partners[i]] if int(layer[i]) == k else x
            x = (x @ net.weights[k][i]).tanh() if k == 0 else x @ net.weights[k][i]
        assert torch.allclose(logits[i], x, atol=1e-5)
        assert torch.allclose(y[i], share * batch.y[i] + (1 - share) * batch.y[i][partners[i]], atol=1e-6)


def test_layers_are_drawn_equally_often():
    noise = Recorded(make_noise((3000,)))
    batch = repeated(make_batch(counted(2, 2), 2), 3000)
    net = type("Net", (), {"stages": [lambda x: x, lambda x: x, lambda x: x[..., :2]]})()
    lt.ManifoldMixUp().forward(net, batch, noise)
    assert (np.bincount(noise.given[2]) / 3000).tolist() == pytest.approx([1 / 3] * 3, abs=0.03)


def test_manifold_remix_at_the_input_is_remix():
    # A net of one stage has the input alone to draw; after it nothing is mixed.
    batch, info = make_batch(np.tile(counted(20, 4), (6, 1)), 2), make_info([200, 40])
    strategy, noise = lt.ManifoldReMix(alpha=0.3), make_noise((6,))
    net = type("Net", (), {"stages": [lambda x: x]})()
    logits, y = strategy.forward(net, strategy.rebalance(batch, info, noise), noise)
    # ReMix draws rows, permutation and share in another order, so compare what does not depend on it.
    assert torch.allclose(y.mean(dim=-2), torch.full((6, 2), 0.5), atol=1e-6)
    drawn = strategy.rebalance(batch, info, make_noise((6,)))
    assert torch.allclose(logits.mean(dim=-2), drawn.x.mean(dim=-2), atol=1e-5)
