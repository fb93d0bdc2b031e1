"""Made-up batches, and every strategy of the package."""

import numpy as np
import torch
from hypothesis import strategies as st

import imbench_longtail as lt
from imbench import Batch, BatchStrategy, Noise, TrainingInfo

# Each with its defaults, and once with other values where it has parameters.
TABULAR = [
    lt.RandomOver(),
    lt.RandomUnder(),
    lt.SqrtSampling(),
    lt.ProgressiveSampling(),
    lt.ClassBalancedLoss(),
    lt.ClassBalancedLoss(beta=0.9),
    lt.Focal(),
    lt.Focal(gamma=0.5, alpha=0.25),
    lt.LDAM(),
    lt.LDAM(max_margin=2.0, scale=3.0),
    lt.LDAMDRW(),
    lt.LDAMDRW(deferral=0.0, beta=0.99),
    lt.BalancedSoftmax(),
    lt.LogitAdjustment(),
    lt.LogitAdjustment(tau=1.5),
    lt.ChouRemix(),
    lt.ChouRemix(alpha=0.3, kappa=1.0, tau=1.0),
    lt.ManifoldMixUp(),
    lt.ManifoldReMix(),
    lt.ManifoldReMix(alpha=2.0),
    lt.UniMix(),
    lt.UniMix(alpha=2.0, tau=-1.0),
]
EVERY = [*TABULAR, lt.CutMix(), lt.CutMix(alpha=0.3)]
LOSSES = [s for s in TABULAR if type(s).loss is not BatchStrategy.loss]


def one_hot(labels, classes):
    return torch.nn.functional.one_hot(torch.tensor(np.asarray(labels)).long(), classes).float()


def make_batch(labels, classes, features=(3,), seed=0):
    """A batch, or a stack of them, with these class numbers and features that tell every row from every other."""
    labels = np.asarray(labels)
    x = np.random.default_rng(seed).normal(size=(*labels.shape, *features))
    return Batch(torch.as_tensor(x, dtype=torch.float32), one_hot(labels, classes))


def counted(*counts):
    """Class numbers with this many of each class."""
    return np.repeat(np.arange(len(counts)), counts)


def make_info(counts, epoch=0, epochs=1):
    return TrainingInfo(torch.as_tensor(counts, dtype=torch.float32), epoch=epoch, epochs=epochs)


def make_noise(stack=(), seeds=None):
    seeds = range(stack[0] if stack else 1) if seeds is None else seeds
    return Noise([np.random.default_rng([17, seed]) for seed in seeds], stack)


def repeated(batch, times):
    """The same batch over and over, as one stack."""
    return Batch(batch.x.expand(times, *batch.x.shape), batch.y.expand(times, *batch.y.shape))


def features_of(strategy):
    return (3,) if "tabular" in strategy.modalities else (2, 5, 6)


@st.composite
def labels_and_counts(draw, most_classes=12):
    """Class numbers of a batch of 1 to 70 rows, some of 2 to 12 classes absent, and training rows, some 0."""
    size, classes = draw(st.integers(1, 70)), draw(st.integers(2, most_classes))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    labels = rng.choice(classes, size=size, p=rng.dirichlet(np.full(classes, draw(st.sampled_from([0.1, 0.5, 5.0])))))
    counts = np.where(np.isin(np.arange(classes), labels), rng.integers(1, 1000, classes), rng.integers(0, 3, classes))
    return labels, counts
