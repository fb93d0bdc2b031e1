"""Made-up images, and the strategies that are for images alone."""

import numpy as np
import torch

from imbench.contract.batch import Batch
from imbench.strategies.augment import Augment
from imbench.strategies.augmented import Augmented
from imbench.strategies.batch_smote import BatchSMOTE
from imbench.strategies.cost_adjusted import CostAdjusted
from imbench.strategies.mixup import MixUp
from imbench.strategies.remix_aug import ReMixAug
from tests.strategies.made import counted, one_hot

IMAGE_STRATEGIES = [
    Augment(),
    Augment(rotation=0.5, shift=1.0, fill="nearest"),
    ReMixAug(),
    ReMixAug(alpha=2.0, rotation=0.0),
    Augmented(),
    Augmented(MixUp(alpha=2.0), rotation=0.1),
    Augmented(BatchSMOTE(), shift=0.0),
    Augmented(CostAdjusted()),
]
SHAPES = [(1, 8, 8), (3, 28, 28), (3, 33, 31)]
COUNTS = [(13, 3), tuple(range(12, 0, -1)), (0, 9, 4), (7,), (1, 1)]


def make_images(counts, stack=(), shape=(3, 8, 8), seed=0):
    """Batches with so many rows of each class in random order, pixels in [0, 1]."""
    rng = np.random.default_rng(seed)
    labels = rng.permuted(np.broadcast_to(counted(*counts), (*stack, sum(counts))), axis=-1)
    x = rng.random((*labels.shape, *shape), dtype=np.float32)
    return Batch(torch.as_tensor(x), one_hot(labels, len(counts)))
