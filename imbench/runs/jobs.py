"""The work of a worker: one job, or a part of it, from arrays to predictions and the stored file."""

from __future__ import annotations

import itertools
import math
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property, lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from imbench.checks.source import UNKNOWN, is_known, source_hash
from imbench.contract.errors import DataError, UsageError
from imbench.contract.protocol import Place, Protocol
from imbench.contract.records import Dataset, Fold, Job, Predictions, Preprocessing
from imbench.contract.reference import Reference
from imbench.contract.strategy import BatchStrategy
from imbench.data.data_sources import DataSources
from imbench.data.folds import fold_hash, make_folds
from imbench.data.preprocess import fit
from imbench.data.shared import SharedArrays
from imbench.engine.choice import is_independent
from imbench.engine.net_group import Request
from imbench.engine.train import train
from imbench.runs.machine import available_cores, cpu_model
from imbench.runs.plan import Plan
from imbench.runs.registry import Registry
from imbench.store.store import Store

_RECORDED = ("imbench", "torch", "numpy", "scikit-learn")

# A job is split if it takes longer than this share of each worker's total work, so that no worker is left with a long
# job while the others are idle; but parts must be long enough to justify their start. A single job is split equally
# among the workers: nets trained together share the fixed cost of an epoch, a third of the time of small nets.
_LARGEST_SHARE, _LEAST_SECONDS = 0.5, 2.0


@dataclass(frozen=True)
class Part:
    """Some folds of a job, or all of them.

    Parameters
    ----------
    job : the job
    first, end : range of fold numbers in the order of `imbench.data.folds.make_folds`, ``end`` excluded
    of : folds of the whole job
    cost : expected seconds on one core
    """

    job: Job
    first: int
    end: int
    of: int
    cost: float

    @property
    def is_whole(self) -> bool:
        """Whether this is the whole job."""
        return self.end - self.first == self.of


@dataclass(frozen=True)
class Trained:
    """A part that is trained and not stored: its predictions, and the facts of its rows."""

    predictions: list[Predictions]
    facts: Mapping[str, Any]


@dataclass(frozen=True)
class JobRunner:
    """Runs parts of jobs.

    Parameters
    ----------
    store, arrays, registry, device : the folder of results, the datasets, the strategies and references, and the device
        to train on
    origins : source code of each strategy and reference by spec, as the columns `imbench.scoring.columns.ORIGIN` of
        its rows
    mark : name of a file in the store's folder by which a worker knows that it sees this store; "" if all workers do
    """

    store: Path
    arrays: SharedArrays
    registry: Registry
    device: str
    origins: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    mark: str = ""

    def of(self, strategy: str) -> JobRunner:
        """The runner for jobs of this spec, without the source code of the others: it travels with each job."""
        return replace(self, origins={strategy: self.origins[strategy]} if strategy in self.origins else {})

    def prepare(self, job: Job, sources: DataSources) -> None:
        """Load the job's arrays into shared memory; called by the process that starts jobs. Raises `DataError`."""
        self.arrays.put(job.variant.spec, lambda: self._planned(job, sources))

    def do(self, part: Part) -> Trained | None:
        """Train on the folds of this part; where the store is visible, a whole job is stored and None returned."""
        splits = self._splits(part.job)
        predictions = (self._fit if part.job.is_reference else self._train)(part, splits)
        facts = self._job_facts(part.job, splits)
        if not part.is_whole or (self.mark and not os.path.exists(self.store / self.mark)):
            return Trained(predictions, facts)
        self.keep(part.job, predictions, facts)
        return None

    def request(self, job: Job, sources: DataSources) -> tuple[Request, Mapping[str, Any]]:
        """A whole job's arrays and facts; consecutive jobs of one variant share the same arrays."""
        self.prepare(job, sources)
        splits = self._splits(job)
        return self._request(job, splits, range(len(splits.folds))), self._job_facts(job, splits)

    def keep(self, job: Job, predictions: Sequence[Predictions], facts: Mapping[str, Any]) -> None:
        """Store a job with predictions of all its folds."""
        Store.open(self.store, create=False).write(job, predictions, facts)

    def _job_facts(self, job: Job, splits: PreparedFolds) -> dict[str, Any]:
        return {"rows_hash": splits.hash, "ir": job.variant.ir or splits.dataset.ir, **self.facts(job)}

    def facts(self, job: Job) -> dict[str, Any]:
        """Versions, hardware and the code of the strategy, for the rows of a job."""
        return {**facts_of(self.device), **self.origins.get(job.strategy, {})}

    def _train(self, part: Part, splits: PreparedFolds) -> list[Predictions]:
        request = self._request(part.job, splits, range(part.first, part.end))
        return train(
            request.dataset,
            request.folds,
            request.preprocessing,
            request.strategy,
            request.protocol,
            device=self.device,
        )

    def _fit(self, part: Part, splits: PreparedFolds) -> list[Predictions]:
        from imbench.runs.fitting import fit_folds

        reference, chosen = self.registry.planned_reference(part.job.strategy), range(part.first, part.end)
        self._check_source(part.job, reference)
        return fit_folds(reference, splits.dataset, [splits.folds[i] for i in chosen], [splits.fit(i) for i in chosen])

    def _request(self, job: Job, splits: PreparedFolds, chosen: range) -> Request:
        strategy = self.registry.planned_strategy(job.strategy)
        self._check_source(job, strategy)
        folds, fitted = [splits.folds[i] for i in chosen], [splits.fit(i) for i in chosen]
        return Request(splits.dataset, folds, fitted, strategy, job.protocol)

    def _check_source(self, job: Job, made: BatchStrategy | Reference) -> None:
        planned = self.origins.get(job.strategy, {}).get("source_hash", "")
        if is_known(planned or UNKNOWN) and source_hash(made) != planned:
            raise UsageError(f"the source of {job.strategy} changed since the run was planned; run again")

    def _splits(self, job: Job) -> PreparedFolds:
        return _splits_of(self.arrays, job.variant.spec, job.protocol)

    def _planned(self, job: Job, sources: DataSources) -> Dataset:
        column = job.protocol.split_column
        dataset = self.registry.dataset(
            job.variant.spec, sources, planned=True, column=column, draws=job.protocol.draws
        )
        if (dataset.data_hash, dataset.split_hashes.get(column, "")) != (job.data_hash, job.split_hash):
            raise DataError(f"the data of {job.variant.spec} changed since the run was planned; run again")
        return dataset


def parts_of(plan: Plan, workers: int, device: str) -> list[Part]:
    """The pending jobs of a plan, split for this many workers where this changes no number."""
    largest = 1.0 if len(plan.pending) == 1 else _LARGEST_SHARE
    share = largest * sum(plan.size(job).cost for job in plan.pending) / workers
    return [part for job in plan.pending for part in _cut(job, plan, max(share, _LEAST_SECONDS), workers, device)]


def _cut(job: Job, plan: Plan, most: float, workers: int, device: str) -> list[Part]:
    size = plan.size(job)
    count = 1 if workers == 1 else min(size.folds, math.ceil(size.cost / most))
    modality = plan.cards[job.variant.spec].modality
    if count > 1 and not (job.is_reference or is_independent(plan.strategies[job.strategy], device, modality)):
        count = 1
    bounds = [size.folds * i // count for i in range(count + 1)]
    return [
        Part(job, first, end, size.folds, size.cost * (end - first) / size.folds)
        for first, end in itertools.pairwise(bounds)
    ]


@dataclass(frozen=True, eq=False)
class PreparedFolds:
    """A variant's arrays, its folds under a protocol, and the preprocessing fitted so far."""

    dataset: Dataset
    folds: list[Fold]
    clip: float

    @cached_property
    def hash(self) -> str:
        """Hash of the training, validation and test rows of all folds."""
        return fold_hash(self.dataset, self.folds)

    @cached_property
    def _fitted(self) -> dict[Place, Preprocessing]:
        return {}

    def fit(self, number: int) -> Preprocessing:
        """The preprocessing fitted on the training rows of the fold with this number."""
        first = self.folds[number].place._replace(train_seed=0)  # nets of one fold share it
        if first not in self._fitted:
            self._fitted[first] = fit(self.dataset, self.folds[number], self.clip)
        return self._fitted[first]


# A worker often trains several strategies on one configuration in a row.
@lru_cache(maxsize=1)
def _splits_of(arrays: SharedArrays, spec: str, protocol: Protocol) -> PreparedFolds:
    dataset = arrays.get(spec)
    return PreparedFolds(dataset, make_folds(dataset, protocol), protocol.clip)


def facts_of(device: str) -> dict[str, Any]:
    """Versions and hardware for the record; no result depends on them, and no fact identifies a host."""
    return {**_facts_of_process(), "device": device}


# Looked up once: reading the metadata of packages takes milliseconds, as short jobs do.
@cache
def _facts_of_process() -> Mapping[str, Any]:
    return {
        **{name: version(name) for name in _RECORDED},
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "cpu": cpu_model(),
        "cores": available_cores(),
    }
