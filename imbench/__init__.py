"""imbench: a benchmark of the recipes that rebalance mini-batches on imbalanced classes."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from imbench.bench import load, plan, run
    from imbench.contract.batch import Batch
    from imbench.contract.errors import DataError, StoreError, UsageError
    from imbench.contract.hidden import HiddenMix, HiddenMixStrategy
    from imbench.contract.noise import Noise
    from imbench.contract.strategy import BatchStrategy, PerBatchStrategy, TrainingInfo
    from imbench.registry import dataset, strategy
    from imbench.samples import take_samples
    from imbench.strategies.augmentation import augment
    from imbench.strategies.augmented import Augmented
    from imbench.study.equivalence import corrected_t, equivalence
    from imbench.study.evaluation import Evaluation, evaluate
    from imbench.study.metrics import score
    from imbench.study.results import Results
    from imbench.study.sweep import Sweep
    from imbench.sweeping import sweep

# Imported on first use, so that `import imbench` and `imbench --help` answer at once.
_HOMES = {
    "load": "imbench.bench",
    "plan": "imbench.bench",
    "run": "imbench.bench",
    "Batch": "imbench.contract.batch",
    "DataError": "imbench.contract.errors",
    "StoreError": "imbench.contract.errors",
    "UsageError": "imbench.contract.errors",
    "HiddenMix": "imbench.contract.hidden",
    "HiddenMixStrategy": "imbench.contract.hidden",
    "Noise": "imbench.contract.noise",
    "BatchStrategy": "imbench.contract.strategy",
    "PerBatchStrategy": "imbench.contract.strategy",
    "TrainingInfo": "imbench.contract.strategy",
    "dataset": "imbench.registry",
    "strategy": "imbench.registry",
    "take_samples": "imbench.samples",
    "augment": "imbench.strategies.augmentation",
    "Augmented": "imbench.strategies.augmented",
    "corrected_t": "imbench.study.equivalence",
    "equivalence": "imbench.study.equivalence",
    "Evaluation": "imbench.study.evaluation",
    "evaluate": "imbench.study.evaluation",
    "score": "imbench.study.metrics",
    "Results": "imbench.study.results",
    "Sweep": "imbench.study.sweep",
    "sweep": "imbench.sweeping",
}

__all__ = [
    "Augmented",
    "Batch",
    "BatchStrategy",
    "DataError",
    "Evaluation",
    "HiddenMix",
    "HiddenMixStrategy",
    "Noise",
    "PerBatchStrategy",
    "Results",
    "StoreError",
    "Sweep",
    "TrainingInfo",
    "UsageError",
    "augment",
    "corrected_t",
    "dataset",
    "equivalence",
    "evaluate",
    "load",
    "plan",
    "run",
    "score",
    "strategy",
    "sweep",
    "take_samples",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'imbench' has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
