"""Batches with a given number of rows of each class, and what comes with them."""

import numpy as np
import torch

from imbench import Batch, Noise, TrainingInfo


def make_batch(counts, features=6, seed=0, dtype=torch.float32, shape=None):
    """Overlapping classes, rows in random order."""
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.repeat(np.arange(len(counts)), counts))
    shape = shape or (features,)
    x = rng.normal(size=(len(y), *shape)) + 0.7 * y.reshape(-1, *[1] * len(shape))
    return Batch(torch.as_tensor(x, dtype=dtype), torch.eye(len(counts), dtype=dtype)[torch.as_tensor(y)])


def info_of(batch, kinds=()):
    return TrainingInfo(batch.y.sum(dim=-2), feature_kinds=kinds)


def noise(seed=0):
    return Noise([np.random.default_rng(seed)])


def rebalanced(strategy, batch, seed=0, kinds=()):
    return strategy.rebalance(batch, info_of(batch, kinds), noise(seed))


def resampled(strategy, batch, seed, kinds=()):
    """All rows that the strategy's sampler makes of the batch, before rows are drawn."""
    return strategy.resampled(batch.x.flatten(1).numpy(), batch.labels.numpy(), info_of(batch, kinds), seed)


def row_set(x):
    return {tuple(row) for row in x.flatten(1).tolist()}
