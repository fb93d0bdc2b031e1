"""Which rows samplers draw, and how often."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from longtail_made import counted, labels_and_counts, make_batch, make_info, make_noise, repeated

import imbench_longtail as lt
from imbench_longtail.rows import draw_evenly, draw_independently

DRAWS = 4000
SAMPLERS = [lt.RandomOver(), lt.RandomUnder(), lt.SqrtSampling(), lt.ProgressiveSampling(), lt.ManifoldReMix()]


def measured_share(strategy, batch, info, draws=DRAWS):
    """Mean soft label of the rebalanced batches, weighted as the rows are."""
    many = repeated(batch, draws)
    out = strategy.rebalance(many, info, make_noise((draws,)))
    weight = torch.ones_like(out.y[..., 0]) if out.weight is None else out.weight
    mass = (weight.unsqueeze(-2) @ out.y).squeeze(-2).mean(dim=0)
    return mass / mass.sum()


@pytest.mark.parametrize("strategy", SAMPLERS, ids=lambda s: s.name)
@settings(max_examples=15, deadline=None)
@given(labels_and_counts())
def test_claimed_share_is_the_share_drawn(strategy, made):
    labels, counts = made
    batch, info = make_batch(labels, len(counts)), make_info(counts, epoch=3, epochs=5)
    assert strategy.class_share(batch, info).numpy() == pytest.approx(
        measured_share(strategy, batch, info, 1000).numpy(), abs=0.03
    )


def test_over_and_under_sampling_level_the_classes_present():
    batch, info = make_batch(counted(50, 9, 0, 5), 4), make_info([500, 90, 7, 50])
    for strategy in (lt.RandomOver(), lt.RandomUnder()):
        assert strategy.class_share(batch, info).tolist() == pytest.approx([1 / 3, 1 / 3, 0, 1 / 3])


def test_square_root_sampling_is_equation_1_on_a_batch_like_the_training_set():
    counts = np.array([640, 160, 40])
    wanted = np.sqrt(counts) / np.sqrt(counts).sum()
    share = measured_share(lt.SqrtSampling(), make_batch(counted(64, 16, 4), 3), make_info(counts))
    assert share.numpy() == pytest.approx(wanted, abs=0.002)


@pytest.mark.parametrize("epoch", [0, 2, 5, 8, 10])
def test_progressive_sampling_is_equation_2_on_a_batch_like_the_training_set(epoch):
    counts = np.array([640, 160, 40])
    wanted = (1 - epoch / 10) * counts / counts.sum() + epoch / 10 / 3
    info = make_info(counts, epoch=epoch, epochs=10)
    share = measured_share(lt.ProgressiveSampling(), make_batch(counted(64, 16, 4), 3), info)
    assert share.numpy() == pytest.approx(wanted, abs=0.002)


def test_progressive_sampling_begins_with_batches_as_they_come():
    batch = make_batch(np.random.default_rng(0).integers(0, 3, (20, 64)), 3)
    out = lt.ProgressiveSampling().rebalance(batch, make_info([64, 64, 64], 0, 500), make_noise((20,)))
    assert torch.equal(out.x, batch.x)


def test_over_sampling_draws_rows_of_the_batch_with_their_labels():
    batch = make_batch(counted(60, 4), 2)
    for strategy in (lt.RandomOver(), lt.SqrtSampling(), lt.ProgressiveSampling(), lt.ManifoldReMix()):
        out = strategy.rebalance(batch, make_info([600, 40], 4, 5), make_noise())
        where = (out.x[:, None] == batch.x[None]).all(dim=-1).float().argmax(dim=-1)
        assert torch.equal(out.x, batch.x[where])
        assert torch.equal(out.y, batch.y[where])


@settings(max_examples=50, deadline=None)
@given(labels_and_counts())
def test_under_sampling_keeps_as_many_rows_of_each_class_as_the_rarest_has(made):
    labels, counts = made
    out = lt.RandomUnder().rebalance(make_batch(labels, len(counts)), make_info(counts), make_noise())
    sizes = np.bincount(labels, minlength=len(counts))
    smallest = sizes[sizes > 0].min()
    kept = np.bincount(labels[out.weight.numpy() > 0], minlength=len(counts))
    assert kept.tolist() == [min(n, smallest) for n in sizes]
    weight = len(labels) / kept.sum()
    assert out.weight[out.weight > 0].tolist() == pytest.approx([weight] * kept.sum())


def test_under_sampling_gives_every_row_of_a_class_the_same_chance():
    out = lt.RandomUnder().rebalance(
        repeated(make_batch(counted(6, 2), 2), DRAWS), make_info([6, 2]), make_noise((DRAWS,))
    )
    chance = (out.weight > 0).float().mean(dim=0)
    assert chance.tolist() == pytest.approx([2 / 6] * 6 + [1.0] * 2, abs=0.03)


def test_under_sampling_multiplies_weights_that_rows_had():
    batch = make_batch(counted(3, 1), 2).weighted(torch.tensor([1.0, 2.0, 3.0, 5.0]))
    out = lt.RandomUnder().rebalance(batch, make_info([3, 1]), make_noise())
    assert float(out.weight[3]) == 5.0 * 4 / 2
    assert int((out.weight > 0).sum()) == 2


def test_even_draws_repeat_a_row_as_often_as_its_share_rounded_up_or_down():
    odds = torch.tensor([8.0, 1.0, 0.5, 0.5, 2.0])  # of 12: 3.33, 0.42, 0.21, 0.21 and 0.83 of 5 rows
    rows = draw_evenly(odds.expand(DRAWS, 5), make_noise((DRAWS,)))
    copies = torch.stack([(rows == i).sum(dim=-1) for i in range(5)], dim=-1).double()
    expected = 5 * odds.double() / 12
    assert (copies - expected).abs().max() < 1
    assert copies.mean(dim=0).tolist() == pytest.approx(expected.tolist(), abs=0.03)


def test_independent_draws_follow_the_odds_of_numpys_choice():
    odds = torch.tensor([8.0, 1.0, 0.5, 0.5, 2.0])
    rows = draw_independently(odds.expand(DRAWS, 5), make_noise((DRAWS,)))
    drawn = np.random.default_rng(0).choice(5, (DRAWS, 5), p=odds.numpy() / 12)
    for i in range(5):
        assert float((rows == i).float().mean()) == pytest.approx((drawn == i).mean(), abs=0.015)
    several = ((rows == 1).sum(dim=-1) > 1).float().mean()  # independent draws repeat even a rare row now and then
    assert float(several) == pytest.approx(1 - (11 / 12) ** 5 - 5 / 12 * (11 / 12) ** 4, abs=0.02)
