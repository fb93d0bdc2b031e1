"""Batches against NumPy, one batch of the stack at a time."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from imbench.contract.batch import Batch
from imbench.contract.rows import take_rows

settled = settings(deadline=None, derandomize=True, max_examples=50)
stacks = st.sampled_from([(), (1,), (3,), (2, 4)])


def make_batch(stack, size, features, classes, weighted, seed=0):
    rng = np.random.default_rng(seed)
    x = torch.as_tensor(rng.normal(size=(*stack, size, *features)), dtype=torch.float32)
    y = torch.as_tensor(rng.dirichlet(np.ones(classes), size=(*stack, size)), dtype=torch.float32)
    return Batch(x, y, torch.as_tensor(rng.random((*stack, size)), dtype=torch.float32) if weighted else None)


@st.composite
def batches(draw):
    features = draw(st.sampled_from([(), (1,), (5,), (3, 2, 2)]))
    return make_batch(draw(stacks), draw(st.integers(1, 9)), features, draw(st.integers(1, 4)), draw(st.booleans()))


def test_axes_have_names():
    batch = make_batch((20, 32), 8, (3,), 2, weighted=True)
    assert (batch.stack, batch.size, batch.classes) == ((20, 32), 8, 2)
    assert make_batch((), 8, (3,), 2, weighted=False).stack == ()


def test_labels_are_the_largest_share_and_the_first_of_equals():
    y = torch.tensor([[0.2, 0.8], [0.5, 0.5], [1.0, 0.0]])
    assert Batch(torch.zeros(3, 1), y).labels.tolist() == [1, 0, 0]


@pytest.mark.parametrize(
    ("x", "y", "weight"),
    [((8, 3), (7, 2), None), ((8, 3), (8,), None), ((2, 8, 3), (8, 2), None), ((8, 3), (8, 2), (8, 1))],
)
def test_axes_that_do_not_fit_are_an_error_that_shows_them(x, y, weight):
    with pytest.raises(ValueError, match=r"Batch\.") as caught:
        Batch(torch.zeros(x), torch.zeros(y), None if weight is None else torch.zeros(weight))
    assert str(y if weight is None else weight) in str(caught.value)


@settled
@given(batch=batches(), seed=st.integers(0, 100))
def test_take_picks_rows_of_every_batch_of_the_stack(batch, seed):
    rows = torch.as_tensor(np.random.default_rng(seed).integers(batch.size, size=(*batch.stack, 6)))
    taken = batch.take(rows)
    for i in np.ndindex(*batch.stack):
        np.testing.assert_array_equal(taken.x[i], batch.x[i].numpy()[rows[i].numpy()])
        np.testing.assert_array_equal(taken.y[i], batch.y[i].numpy()[rows[i].numpy()])
        if batch.weight is not None:
            np.testing.assert_array_equal(taken.weight[i], batch.weight[i].numpy()[rows[i].numpy()])


@settled
@given(batch=batches(), seed=st.integers(0, 100))
def test_mix_is_a_convex_combination_with_one_share_a_batch(batch, seed):
    rng = np.random.default_rng(seed)
    partner = make_batch(batch.stack, batch.size, batch.x.shape[batch.y.ndim - 1 :], batch.classes, True, seed=1)
    share = torch.as_tensor(rng.random(batch.stack), dtype=torch.float32)
    mixed = batch.mix(partner, share)
    for i in np.ndindex(*batch.stack):
        lam = float(share[i])
        np.testing.assert_allclose(mixed.x[i], lam * batch.x[i] + (1 - lam) * partner.x[i], rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(mixed.y[i], lam * batch.y[i] + (1 - lam) * partner.y[i], rtol=1e-4, atol=1e-6)


def test_the_ends_of_a_mix_are_the_two_batches_themselves():
    a, b = (make_batch((2,), 5, (3,), 2, weighted=True, seed=seed) for seed in (0, 1))
    mixed = a.mix(b, torch.tensor([1.0, 0.0]))
    assert torch.equal(mixed.x, torch.stack([a.x[0], b.x[1]]))
    assert torch.equal(mixed.weight, torch.stack([a.weight[0], b.weight[1]]))


def test_weights_multiply():
    batch = make_batch((2,), 5, (3,), 2, weighted=False)
    twice = batch.weighted(torch.full((2, 5), 3.0)).weighted(torch.full((2, 5), 0.5))
    assert torch.equal(twice.weight, torch.full((2, 5), 1.5))


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_a_batch_without_weights_mixes_to_one_without(share):
    batch = make_batch((), 5, (3,), 2, weighted=False)
    assert batch.mix(batch, torch.tensor(share)).weight is None


def test_rows_can_be_taken_from_values_with_any_axes_behind_them():
    values = torch.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)
    rows = torch.tensor([[2, 0], [1, 1]])
    assert torch.equal(take_rows(values, rows), torch.stack([values[0][[2, 0]], values[1][[1, 1]]]))


def test_what_fell_back_stays_known_through_draws_and_mixing():
    y = torch.eye(2)[torch.tensor([[0, 1], [1, 1]])]
    plain = Batch(torch.zeros(2, 2, 1), y)
    marked = plain.mark_fallback(torch.tensor([True, False]))
    rows = torch.tensor([[0, 0], [1, 0]])
    assert marked.take(rows).fallback.tolist() == [True, False]
    assert marked.weighted(torch.ones(2, 2)).fallback.tolist() == [True, False]
    assert plain.mix(marked, torch.ones(2)).fallback.tolist() == [True, False]
    assert marked.mark_fallback(torch.tensor([False, True])).fallback.tolist() == [True, True]
    assert plain.take(rows).fallback is None


@pytest.mark.parametrize("fallback", [torch.tensor(True), torch.zeros(2)])
def test_fallback_is_a_truth_for_each_batch(fallback):
    with pytest.raises(ValueError, match=r"Batch.fallback must be \(\*stack,\) = \(2,\) and bool"):
        Batch(torch.zeros(2, 2, 1), torch.eye(2)[torch.tensor([[0, 1], [1, 1]])], fallback=fallback)
