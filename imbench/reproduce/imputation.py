"""Missing values filled from the whole file before it is split, which looks at test rows, beside the fold's own way."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from imbench.contract.records import Dataset, Job
from imbench.contract.streams import stream
from imbench.data.folds import make_folds
from imbench.data.preprocess import fit
from imbench.engine.choice import one_thread
from imbench.engine.train import train
from imbench.runs.jobs import facts_of
from imbench.runs.protocols import load_protocol
from imbench.store.store import Store

if TYPE_CHECKING:
    import pandas as pd

    from imbench.reproduce.context import ReproductionContext

# A store of its own inside the context's: these are no results of the datasets as they are.
FOLDER = "imputation"
# Of the values of a table that has none missing.
DELETED = 0.1


def filled(dataset: Dataset, whole: Dataset) -> Dataset:
    """The dataset with every missing value at its column's mean over the whole file, test rows and all.

    Parameters
    ----------
    dataset : a variant
    whole : every row of the same file
    """
    means = np.nanmean(whole.x.astype(np.float64), axis=0, where=~np.isnan(whole.x))
    x = np.where(np.isnan(dataset.x), means.astype(np.float32), dataset.x)
    return _renamed(dataset, x)


def punctured(dataset: Dataset, share: float = DELETED) -> Dataset:
    """The dataset with this share of its values deleted at random, the same ones in every variant of a file.

    Each value is deleted or not by itself, whatever it and the others are: missing completely at random.
    """
    draws = stream(dataset.data_hash, "deleted").random((int(dataset.card.rows), dataset.x.shape[1]), dtype=np.float32)
    x = np.where(draws[dataset.rows] < share, np.float32(np.nan), dataset.x)
    return _renamed(dataset, x)


def compared(context: ReproductionContext, spec: str, strategies: Sequence[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows with imputation inside the fold and with that of the whole file, of the same folds, nets and batches.

    A dataset without missing values has `DELETED` of them deleted first. What was trained before is read.

    Raises
    ------
    DataError for an unavailable dataset, before any training.
    """
    registry = context.request.registry
    name = spec.partition(":")[0]
    dataset, whole = (registry.dataset(text, context.request.sources) for text in (spec, name))
    if not np.isnan(dataset.x).any():
        dataset, whole = punctured(dataset), punctured(whole)
    inside = [_trained(context, dataset, strategy) for strategy in strategies]
    outside = [_trained(context, filled(dataset, whole), strategy) for strategy in strategies]
    store = _store(context)
    return store.frame(inside), store.frame(outside)


def _trained(context: ReproductionContext, dataset: Dataset, spec: str) -> str:
    """The key of the job, done now if it was not before."""
    store, selected = _store(context), context.request.registry.select(spec)
    rules = load_protocol(context.protocol, context.settings)
    protocol = rules.for_dataset(dataset.variant.dataset, dataset.variant.task, dataset.card.modality)
    strategy = selected.strategy
    job = Job(
        dataset.variant,
        selected.spec,
        selected.name,
        strategy.version,
        strategy.params,
        protocol,
        dataset.data_hash,
    )
    if not store.has(job.key):
        folds = make_folds(dataset, protocol)
        fitted = [fit(dataset, fold, protocol.clip) for fold in folds]
        with one_thread():
            predictions = train(dataset, folds, fitted, strategy, protocol, device=context.request.device)
        # The rows' own hash, which both ways share: that of a run has the values' in it.
        store.write(job, predictions, {"ir": dataset.ir, **facts_of(context.request.device)})
    return job.key


def _store(context: ReproductionContext) -> Store:
    # The outer one first: a folder that holds another store cannot become one.
    return Store.open(Store.open(context.store, create=True).path / FOLDER, create=True)


def _renamed(dataset: Dataset, x: np.ndarray) -> Dataset:
    """The same variant with other values, and a hash that says so; its folds and random streams stay."""
    digest = hashlib.sha256(dataset.data_hash.encode() + np.ascontiguousarray(x).tobytes()).hexdigest()
    return dataclasses.replace(dataset, x=x, data_hash=digest)
