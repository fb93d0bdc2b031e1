"""Made-up batches, and the built-in strategies."""

import numpy as np
import torch
from hypothesis import strategies as st

from imbench.contract.batch import Batch
from imbench.contract.noise import Noise
from imbench.contract.strategy import TrainingInfo
from imbench.strategies.baseline import Baseline
from imbench.strategies.batch_smote import BatchSMOTE
from imbench.strategies.cost_adjusted import CostAdjusted
from imbench.strategies.mixup import MixUp
from imbench.strategies.remix import ReMix

STRATEGIES = [Baseline(), CostAdjusted(), BatchSMOTE(), MixUp(), ReMix(), ReMix(alpha=2.0)]


def one_hot(labels, classes):
    return torch.nn.functional.one_hot(torch.as_tensor(labels, dtype=torch.long), classes).float()


def make_batch(labels, classes, features=(3,), seed=0):
    """A batch, or a stack of them, with these class numbers and features near their class's own centre."""
    labels = torch.as_tensor(np.asarray(labels))
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(*labels.shape, *features)) + 3.0 * labels.numpy().reshape(*labels.shape, *[1] * len(features))
    return Batch(torch.as_tensor(x, dtype=torch.float32), one_hot(labels, classes))


def counted(*counts):
    """Class numbers with this many of each class."""
    return np.repeat(np.arange(len(counts)), counts)


def make_info(batch, counts=None):
    return TrainingInfo(batch.y.sum(dim=-2) if counts is None else torch.as_tensor(counts, dtype=torch.float32))


def make_noise(stack=(), seeds=None):
    seeds = range(stack[0] if stack else 1) if seeds is None else seeds
    return Noise([np.random.default_rng([17, seed]) for seed in seeds], stack)


def rebalance(strategy, batch, seeds=None, counts=None):
    return strategy.rebalance(batch, make_info(batch, counts), make_noise(batch.stack, seeds))


def repeated(batch, times):
    """The same batch over and over, as one stack."""
    return Batch(batch.x.expand(times, *batch.x.shape), batch.y.expand(times, *batch.y.shape))


@st.composite
def batches(draw, stacks=((), (1,), (3,), (2, 3))):
    """Batches of 1 to 70 rows, 1 to 12 classes of any shares, some absent, 1 to 5 features."""
    stack = draw(st.sampled_from(stacks))
    size, classes = draw(st.integers(1, 70)), draw(st.integers(1, 12))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shares = rng.dirichlet(np.full(classes, draw(st.sampled_from([0.1, 0.5, 5.0]))))
    return make_batch(rng.choice(classes, size=(*stack, size), p=shares), classes, (draw(st.integers(1, 5)),))
