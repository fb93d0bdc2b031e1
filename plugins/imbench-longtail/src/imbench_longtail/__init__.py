"""Strategies of imbench that long-tailed learning is known for: sampling, losses and mixing, one file each."""

from imbench_longtail.balanced_softmax import BalancedSoftmax
from imbench_longtail.chou_remix import ChouRemix
from imbench_longtail.class_balanced_loss import ClassBalancedLoss
from imbench_longtail.cutmix import CutMix
from imbench_longtail.focal import Focal
from imbench_longtail.ldam import LDAM
from imbench_longtail.ldam_drw import LDAMDRW
from imbench_longtail.logit_adjustment import LogitAdjustment
from imbench_longtail.manifold_mixup import ManifoldMixUp
from imbench_longtail.manifold_remix import ManifoldReMix
from imbench_longtail.progressive_sampling import ProgressiveSampling
from imbench_longtail.random_over import RandomOver
from imbench_longtail.random_under import RandomUnder
from imbench_longtail.sqrt_sampling import SqrtSampling
from imbench_longtail.unimix import UniMix

__all__ = [
    "LDAM",
    "LDAMDRW",
    "BalancedSoftmax",
    "ChouRemix",
    "ClassBalancedLoss",
    "CutMix",
    "Focal",
    "LogitAdjustment",
    "ManifoldMixUp",
    "ManifoldReMix",
    "ProgressiveSampling",
    "RandomOver",
    "RandomUnder",
    "SqrtSampling",
    "UniMix",
]
