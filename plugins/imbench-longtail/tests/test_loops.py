"""Every strategy of the package in someone else's training loop."""

import pytest
import torch

import imbench
import imbench_longtail as lt
from imbench.torch import Rebalancer

NAMES = [
    "balanced-softmax",
    "chou-remix",
    "class-balanced-loss",
    "focal",
    "ldam",
    "ldam-drw",
    "logit-adjustment",
    "manifold-mixup",
    "manifold-remix",
    "progressive-sampling",
    "random-over",
    "random-under",
    "sqrt-sampling",
    "unimix",
]
WHOLE_IN_X_AND_Y = {"chou-remix", "random-over", "sqrt-sampling", "unimix"}

Y = torch.arange(640) % 20 // 19
X = torch.randn(640, 3, generator=torch.Generator().manual_seed(0)) + 1.5 * Y[:, None]


@pytest.mark.parametrize("name", NAMES)
def test_a_plain_call_is_complete_or_refused(name):
    strategy = imbench.strategy(name)
    if name in WHOLE_IN_X_AND_Y:
        assert strategy(X[:64], Y[:64])[1].shape == (64, 2)
    else:
        with pytest.raises(imbench.UsageError, match=r"imbench\.torch\.Rebalancer"):
            strategy(X[:64], Y[:64])


@pytest.mark.parametrize("name", NAMES)
def test_a_net_trains_with_all_that_the_strategy_does(name):
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    r = Rebalancer(name, class_counts=torch.bincount(Y), epochs=10)
    for _ in range(10):
        for rows in torch.arange(640).split(64):
            x, y, weight = r(X[rows], Y[rows])
            logits, y = r.forward(model, x, y)
            optimizer.zero_grad()
            r.loss(logits, y, weight).backward()
            optimizer.step()
        r.epoch_end()
    found = model(X).argmax(-1)
    accuracy = (found == Y).float().mean()
    assert accuracy > 0.8


@pytest.mark.parametrize("name", ["ldam", "focal", "balanced-softmax", "logit-adjustment"])
def test_the_loss_is_the_strategys(name):
    r, strategy = Rebalancer(name, class_counts=[608, 32]), imbench.strategy(name)
    _, y, weight = r(X[:64], Y[:64])
    logits = torch.randn(64, 2)
    expected = strategy.loss(logits, y, imbench.TrainingInfo(torch.tensor([608.0, 32.0]))).mean()
    torch.testing.assert_close(r.loss(logits, y, weight), expected)
    assert not torch.allclose(expected, torch.nn.functional.cross_entropy(logits, Y[:64]))


def test_the_names_above_are_all_of_the_package():
    tabular = {getattr(lt, name).name for name in lt.__all__ if "tabular" in getattr(lt, name).modalities}
    assert tabular == set(NAMES)
