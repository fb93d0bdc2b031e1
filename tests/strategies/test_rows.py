"""Rows made in pieces against the batch's own operations."""

import numpy as np
import pytest
import torch

from imbench.contract.batch import Batch
from imbench.strategies import rows as module
from imbench.strategies.by_class import ByClass
from tests.strategies.made import make_batch


def make_numbers(stack, size, seed):
    return torch.as_tensor(np.random.default_rng(seed).integers(size, size=(*stack, size)))


@pytest.mark.parametrize("piece", [1, 7, 100, 10**6])
@pytest.mark.parametrize("stack", [(), (3,), (2, 4)])
@pytest.mark.parametrize("features", [(), (5,), (3, 2, 2)])
def test_mixed_rows_are_rows_taken_and_then_mixed(monkeypatch, piece, stack, features):
    monkeypatch.setattr(module, "PIECE", piece)
    plain = make_batch(np.random.default_rng(0).integers(3, size=(*stack, 11)), 3, features)
    batch = Batch(plain.x, plain.y, plain.y[..., 0] + 0.5)
    first, second = make_numbers(stack, 11, 1), make_numbers(stack, 11, 2)
    share = torch.as_tensor(np.random.default_rng(3).random(stack), dtype=torch.float32)
    found, expected = module.mixed(batch, first, second, share), batch.take(first).mix(batch.take(second), share)
    assert torch.equal(found.x, expected.x)
    assert torch.equal(found.y, expected.y)
    assert torch.equal(found.weight, expected.weight)


def test_every_row_can_have_its_own_share():
    values, share = torch.tensor([[0.0], [10.0]]), torch.tensor([0.0, 0.25, 1.0])
    found = module.between(values, torch.tensor([0, 0, 0]), torch.tensor([1, 1, 1]), share)
    assert found.flatten().tolist() == [0.0, 2.5, 10.0]


def test_rows_are_grouped_by_class_largest_first():
    labels = torch.tensor([[2, 0, 2, 3, 2, 0], [1, 1, 1, 1, 1, 1]])
    groups = ByClass(labels, 4)
    assert groups.sizes.tolist() == [[3, 2, 1, 0], [6, 0, 0, 0]]
    assert (groups.present.tolist(), groups.smallest.tolist()) == ([[3], [1]], [[1], [6]])
    of = [
        groups.row(torch.tensor([[rank] * n, [0] * n]), torch.arange(n).expand(2, n))[0]
        for rank, n in enumerate([3, 2, 1])
    ]
    assert [rows.tolist() for rows in of] == [[0, 2, 4], [1, 5], [3]]


def test_smaller_classes_are_padded_with_their_first_row():
    groups = ByClass(torch.tensor([[0, 0, 0, 1, 1], [0, 0, 0, 0, 1]]), 2)
    rows, sizes = groups.of_rank(1, torch.tensor([0, 1]), widest=2)
    assert rows.tolist() == [[3, 4], [4, 4]]
    assert sizes.tolist() == [2, 1]
