"""Batch-SMOTE against imbalanced-learn's SMOTE and RandomOverSampler on single batches."""

import itertools
import warnings

import numpy as np
import pytest
import torch
from imblearn.over_sampling import SMOTE, RandomOverSampler
from scipy import stats
from sklearn.neighbors import NearestNeighbors

from imbench.contract.batch import Batch
from imbench.strategies.batch_smote import BatchSMOTE
from imbench.strategies.nearest import nearest
from tests.contract.test_rows import in_torch
from tests.strategies.made import counted, make_batch, one_hot, rebalance, repeated

LEVELLED = [(57, 7), (50, 10, 4), (20, 20, 20, 4), (0, 61, 3), (32, 32)]
REPEATED = [(62, 2), (63, 1), (40, 22, 2), (2, 1, 0)]


def drawn_by(sampler, batch, times, rng):
    """The recipe with imbalanced-learn: oversample, then as many rows as there were, without replacement."""
    found = []
    for i in range(times):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            full_x, full_y = sampler(i).fit_resample(batch.x.numpy(), batch.labels.numpy())
        rows = rng.choice(len(full_y), size=batch.size, replace=False)
        found.append((full_x[rows], full_y[rows]))
    return tuple(torch.as_tensor(np.stack(part)) for part in zip(*found, strict=True))


def sampler_for(counts):
    """What the recipe uses for a batch of these class counts."""
    smallest = min(filter(None, counts))
    if smallest < 3:
        return lambda seed: RandomOverSampler(random_state=seed)
    return lambda seed: SMOTE(k_neighbors=min(5, smallest - 1), random_state=seed)


def are_rows_of(x, batch):
    """``(rows,)`` whether each row is one of the batch's own, digit by digit."""
    return (x[..., None, :] == batch.x).all(dim=-1).any(dim=-1)


@pytest.mark.parametrize("counts", LEVELLED + REPEATED)
def test_batches_are_distributed_as_imbalanced_learn_makes_them(counts):
    """Class counts, originals, and each feature's mean and spread in every class agree within five standard errors."""
    batch = make_batch(counted(*counts), len(counts), (4,))
    ours = rebalance(BatchSMOTE(), repeated(batch, 1000))
    theirs = drawn_by(sampler_for(counts), batch, 60, np.random.default_rng(0))

    def summary(x, labels):
        of_class = one_hot(labels, len(counts)).double()  # (draws, batch, classes)
        sums = [torch.einsum("nbd,nbc->ncd", power.double(), of_class).flatten(1) for power in (x, x.square())]
        return torch.cat([of_class.sum(dim=1), are_rows_of(x, batch).sum(dim=1, keepdim=True), *sums], dim=-1)

    a, b = summary(ours.x, ours.labels), summary(*theirs)
    error = (a.var(dim=0) / len(a) + b.var(dim=0) / len(b)).sqrt()
    assert ((a.mean(dim=0) - b.mean(dim=0)).abs() <= 5 * error + 1e-5).all()


@pytest.mark.parametrize("counts", LEVELLED + REPEATED)
def test_classes_have_equal_shares_on_average(counts):
    y = rebalance(BatchSMOTE(), repeated(make_batch(counted(*counts), len(counts)), 4000)).y
    per_batch = y.mean(dim=1).double()
    present = np.flatnonzero(counts)
    error = per_batch.std(dim=0) / 4000**0.5
    assert ((per_batch.mean(dim=0)[present] - 1 / len(present)).abs() <= 5 * error[present]).all()


@pytest.mark.parametrize("counts", LEVELLED + REPEATED)
def test_no_original_row_is_drawn_twice_unless_rows_are_repeated(counts):
    batch = make_batch(counted(*counts), len(counts), (4,))
    result = rebalance(BatchSMOTE(), repeated(batch, 50))
    largest = int(np.argmax(counts))
    for x, labels in zip(result.x, result.labels, strict=True):
        kept = x[labels == largest] if min(filter(None, counts)) < 3 else x[are_rows_of(x, batch)]
        assert len(kept.unique(dim=0)) == len(kept)


@pytest.mark.parametrize("counts", [(57, 3), (50, 7), (40, 9, 5), (0, 30, 12)])
def test_synthetic_rows_lie_between_neighbours_that_imbalanced_learn_would_pair(counts):
    """Over many draws, exactly the pairs of its k-neighbour graph are seen, and no other."""
    batch = make_batch(counted(*counts), len(counts), (6,), seed=4)
    minority = max(np.flatnonzero(counts), key=lambda c: (c, counts[c]))
    of_class = batch.x[batch.labels == minority].double()
    k = min(5, min(filter(None, counts)) - 1)
    graph = NearestNeighbors(n_neighbors=k + 1).fit(of_class).kneighbors(of_class, return_distance=False)[:, 1:]
    expected = {frozenset((i, int(j))) for i, near in enumerate(graph) for j in near}

    result = rebalance(BatchSMOTE(), repeated(batch, 150))
    synthetic = result.x[(result.labels == minority) & ~are_rows_of(result.x, batch)].double()
    pairs = list(itertools.combinations(range(len(of_class)), 2))
    ends = of_class[torch.tensor(pairs)]  # (pairs, 2, features)
    along = ends[:, 1] - ends[:, 0]
    gap = ((synthetic[:, None] - ends[:, 0]) * along).sum(dim=-1) / along.square().sum(dim=-1)
    off = (synthetic[:, None] - ends[:, 0] - gap[..., None] * along).norm(dim=-1)
    nearest_pair = off.argmin(dim=-1)
    assert off.min(dim=-1).values.max() < 1e-4
    assert ((gap >= -1e-5) & (gap <= 1 + 1e-5)).gather(-1, nearest_pair[:, None]).all()
    assert {frozenset(pairs[i]) for i in nearest_pair.tolist()} == expected


def test_seeds_neighbours_and_gaps_are_drawn_uniformly():
    """Three minority rows on a triangle: every side as often as any other, every place of a side too."""
    corners = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    batch = Batch(torch.cat([torch.rand(30, 2) + 5, corners]), one_hot(counted(30, 3), 2))
    result = rebalance(BatchSMOTE(), repeated(batch, 2000))
    x = result.x[(result.labels == 1) & ~are_rows_of(result.x, batch)]
    side = torch.stack([x[:, 1] == 0, x[:, 0] == 0, (x.sum(dim=-1) - 1).abs() < 1e-6], dim=-1)
    assert (side.sum(dim=-1) == 1).float().mean() > 0.999
    assert stats.chisquare(side.sum(dim=0)).pvalue > 1e-4
    assert stats.kstest(x[side[:, 0], 0].double()[::7], "uniform").pvalue > 1e-4


def test_labels_are_hard_and_features_follow_them():
    batch = make_batch(np.stack([counted(40, 20, 4)] * 20), 3)
    soft = Batch(batch.x, 0.9 * batch.y + 0.1 / 3)
    result = rebalance(BatchSMOTE(), soft)
    assert set(result.y.unique().tolist()) == {0.0, 1.0}
    for c in range(3):
        before, after = batch.x[batch.labels == c], result.x[result.labels == c]
        assert (after >= before.amin(dim=0)).all()
        assert (after <= before.amax(dim=0)).all()


@pytest.mark.parametrize("label", [0, 2])
def test_a_batch_of_one_class_stays_as_it_is(label):
    labels = np.stack([np.full(30, label), counted(20, 6, 4)])
    batch = make_batch(labels, 3)
    soft = Batch(batch.x, 0.9 * batch.y + 0.1 / 3)
    result = rebalance(BatchSMOTE(), soft)
    assert torch.equal(result.x[0], batch.x[0])
    assert torch.equal(result.y[0], soft.y[0])
    assert not torch.equal(result.x[1], batch.x[1])


def test_repeated_rows_are_digit_by_digit_those_of_the_batch():
    batch = make_batch(np.stack([counted(40, 22, 2)] * 50), 3)
    result = rebalance(BatchSMOTE(), batch)
    for i in range(50):
        assert are_rows_of(result.x[i], Batch(batch.x[i], batch.y[i])).all()


@pytest.mark.parametrize("members", [2, 3, 7, 20])
@pytest.mark.parametrize("shift", [0.0, 1000.0])
@pytest.mark.parametrize("features", [9, 35])
@pytest.mark.parametrize("way", [lambda function, *given: function(*given), in_torch], ids=["compiled", "torch"])
def test_neighbours_are_scikit_learns(members, shift, features, way):
    rng = np.random.default_rng(members)
    x = torch.as_tensor(rng.normal(size=(10, members, features)) + shift, dtype=torch.float32)
    found = way(nearest, x, torch.full((10,), members), min(5, members - 1))
    for group, neighbours in zip(x.double(), found, strict=True):
        oracle = NearestNeighbors(n_neighbors=neighbours.shape[-1] + 1, algorithm="brute").fit(group)
        assert torch.equal(neighbours, torch.as_tensor(oracle.kneighbors(group, return_distance=False)[:, 1:]))


def test_neighbours_do_not_depend_on_padding():
    x = torch.as_tensor(np.random.default_rng(0).normal(size=(6, 5, 9)), dtype=torch.float32)
    padded = torch.cat([x, x[:, :1].expand(-1, 8, -1)], dim=1)
    assert torch.equal(nearest(padded, torch.full((6,), 5), 4)[:, :5], nearest(x, torch.full((6,), 5), 4))


@pytest.mark.parametrize("far", [1e30, 1e-30])
def test_neighbours_of_rows_of_any_scale(far):
    """Squares of such numbers are beyond single precision."""
    x = torch.tensor([0.0, 1.0, 5.0, 6.5]).reshape(1, 4, 1) * far
    assert nearest(x, torch.tensor([4]), 2)[0].tolist() == [[1, 2], [0, 2], [3, 1], [2, 1]]


def test_an_infinite_number_is_far_from_all_but_others_of_its_sign():
    x = torch.tensor([0.0, 1.0, torch.inf, torch.inf]).reshape(1, 4, 1)
    assert nearest(x, torch.tensor([4]), 1)[0, :, 0].tolist() == [1, 0, 3, 2]


def test_equally_near_rows_come_in_their_order_and_the_row_itself_never():
    same = torch.ones(1, 6, 4)
    found = nearest(same, torch.tensor([6]), 5)[0]
    assert found.tolist() == [[j for j in range(6) if j != i] for i in range(6)]
