"""The rows of batches, grouped by class."""

import torch

from imbench.strategies.by_class import ByClass


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
    rows, sizes = groups.rows_of_rank(1, torch.tensor([0, 1]), widest=2)
    assert rows.tolist() == [[3, 4], [4, 4]]
    assert sizes.tolist() == [2, 1]
