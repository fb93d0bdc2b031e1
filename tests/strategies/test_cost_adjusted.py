"""Cost-adjusted training against scikit-learn's balanced class weights."""

import numpy as np
import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight

from imbench.strategies.cost_adjusted import CostAdjusted
from tests.strategies.made import Batch, counted, make_batch, rebalance


@pytest.mark.parametrize("counts", [(90, 10), (5, 5), (1, 1000), (3, 50, 7, 200)])
def test_weights_are_scikit_learns(counts):
    y = counted(*counts)
    batch = make_batch(y, len(counts))
    expected = compute_class_weight("balanced", classes=np.arange(len(counts)), y=y)[y]
    np.testing.assert_allclose(rebalance(CostAdjusted(), batch, counts=counts).weight, expected, rtol=1e-6)


def test_counts_are_those_of_the_training_rows_and_not_of_the_batch():
    weight = rebalance(CostAdjusted(), make_batch(counted(2, 2), 2), counts=[900, 100]).weight
    torch.testing.assert_close(weight, torch.tensor([5 / 9, 5 / 9, 5.0, 5.0]))


def test_every_net_of_a_stack_has_its_own_counts():
    batch = make_batch([[[0, 1], [1, 1]], [[0, 0], [1, 0]]], 2)  # 2 nets, 2 steps
    weight = rebalance(CostAdjusted(), batch, counts=[[[75, 25]], [[50, 50]]]).weight
    torch.testing.assert_close(weight, torch.tensor([[[2 / 3, 2.0], [2.0, 2.0]], [[1.0, 1.0], [1.0, 1.0]]]))


def test_a_class_without_training_rows_weighs_nothing_and_still_counts_as_a_class():
    weight = rebalance(CostAdjusted(), make_batch([0, 1, 2], 3), counts=[60, 30, 0]).weight
    torch.testing.assert_close(weight, torch.tensor([0.5, 1.0, 0.0]))


def test_a_soft_label_weighs_the_mean_of_its_classes():
    batch = Batch(torch.zeros(1, 1), torch.tensor([[0.25, 0.75]]))
    weight = rebalance(CostAdjusted(), batch, counts=[90, 10]).weight
    torch.testing.assert_close(weight, torch.tensor([0.25 * 100 / 180 + 0.75 * 5]))


def test_rows_and_labels_stay():
    batch = make_batch(counted(3, 2), 2)
    result = rebalance(CostAdjusted(), batch)
    assert result.x is batch.x
    assert result.y is batch.y
