"""imbench: a benchmark of the recipes that rebalance mini-batches on imbalanced classes."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from imbench.advice.advise import advise
    from imbench.contract.batch import Batch
    from imbench.contract.errors import DataError, StoreError, UsageError
    from imbench.contract.hidden import HiddenMix, HiddenMixStrategy
    from imbench.contract.noise import Noise
    from imbench.contract.search_space import Choice, Integer, LogUniform, Uniform
    from imbench.contract.strategy import BatchStrategy, PerBatchStrategy, TrainingInfo
    from imbench.data.frames import table
    from imbench.model.files import load_model
    from imbench.model.fit import fit
    from imbench.model.fitted import Model
    from imbench.runs.bench import plan, run
    from imbench.runs.dask_cluster import DaskExecutor
    from imbench.runs.loading import load
    from imbench.runs.registry import dataset, strategy
    from imbench.runs.request import RunRequest
    from imbench.runs.samples import take_samples
    from imbench.runs.sweeping import sweep
    from imbench.scoring.metrics import score
    from imbench.stats.evaluate import evaluate
    from imbench.stats.evaluation import Evaluation
    from imbench.stats.sweep import Sweep
    from imbench.stats.within import corrected_t, equivalence
    from imbench.store.results import Results
    from imbench.strategies.augmentation import augment
    from imbench.strategies.augmented import Augmented

# Imported on first use, so that `import imbench` and `imbench --help` answer at once.
_HOMES = {
    "advise": "imbench.advice.advise",
    "fit": "imbench.model.fit",
    "load_model": "imbench.model.files",
    "Model": "imbench.model.fitted",
    "load": "imbench.runs.loading",
    "plan": "imbench.runs.bench",
    "run": "imbench.runs.bench",
    "Batch": "imbench.contract.batch",
    "DataError": "imbench.contract.errors",
    "StoreError": "imbench.contract.errors",
    "UsageError": "imbench.contract.errors",
    "HiddenMix": "imbench.contract.hidden",
    "HiddenMixStrategy": "imbench.contract.hidden",
    "Noise": "imbench.contract.noise",
    "Choice": "imbench.contract.search_space",
    "Integer": "imbench.contract.search_space",
    "LogUniform": "imbench.contract.search_space",
    "Uniform": "imbench.contract.search_space",
    "BatchStrategy": "imbench.contract.strategy",
    "PerBatchStrategy": "imbench.contract.strategy",
    "TrainingInfo": "imbench.contract.strategy",
    "DaskExecutor": "imbench.runs.dask_cluster",
    "RunRequest": "imbench.runs.request",
    "dataset": "imbench.runs.registry",
    "strategy": "imbench.runs.registry",
    "take_samples": "imbench.runs.samples",
    "augment": "imbench.strategies.augmentation",
    "Augmented": "imbench.strategies.augmented",
    "corrected_t": "imbench.stats.within",
    "equivalence": "imbench.stats.within",
    "Evaluation": "imbench.stats.evaluation",
    "evaluate": "imbench.stats.evaluate",
    "score": "imbench.scoring.metrics",
    "Results": "imbench.store.results",
    "Sweep": "imbench.stats.sweep",
    "sweep": "imbench.runs.sweeping",
    "table": "imbench.data.frames",
}

__all__ = [
    "Augmented",
    "Batch",
    "BatchStrategy",
    "Choice",
    "DaskExecutor",
    "DataError",
    "Evaluation",
    "HiddenMix",
    "HiddenMixStrategy",
    "Integer",
    "LogUniform",
    "Model",
    "Noise",
    "PerBatchStrategy",
    "Results",
    "RunRequest",
    "StoreError",
    "Sweep",
    "TrainingInfo",
    "Uniform",
    "UsageError",
    "advise",
    "augment",
    "corrected_t",
    "dataset",
    "equivalence",
    "evaluate",
    "fit",
    "load",
    "load_model",
    "plan",
    "run",
    "score",
    "strategy",
    "sweep",
    "table",
    "take_samples",
]


# Modules of the public interface that are imported on first use.
_MODULES = ("sklearn", "torch")


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"imbench.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'imbench' has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
