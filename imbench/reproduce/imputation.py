"""Imputation from the whole file before it is split, which uses test rows, compared with imputation inside the fold."""

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

# A separate store inside the context's store, since the datasets are altered.
FOLDER = "imputation"
# Share of values to delete from a dataset without missing ones.
DELETED = 0.1


def filled(dataset: Dataset, whole: Dataset) -> Dataset:
    """The dataset with missing values replaced by column means over the whole file, including test rows.

    Parameters
    ----------
    dataset : a variant
    whole : all rows of the same file
    """
    means = np.nanmean(whole.x.astype(np.float64), axis=0, where=~np.isnan(whole.x))
    x = np.where(np.isnan(dataset.x), means.astype(np.float32), dataset.x)
    return _renamed(dataset, x)


def punctured(dataset: Dataset, share: float = DELETED) -> Dataset:
    """The dataset with this share of its values deleted at random, the same values in every variant of a file.

    Values are missing completely at random: each is deleted independently of its value and of the others.
    """
    draws = stream(dataset.data_hash, "deleted").random((int(dataset.card.rows), dataset.x.shape[1]), dtype=np.float32)
    x = np.where(draws[dataset.rows] < share, np.float32(np.nan), dataset.x)
    return _renamed(dataset, x)


def compared(context: ReproductionContext, spec: str, strategies: Sequence[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Results with imputation inside the fold and from the whole file, with the same folds, nets and batches.

    From a dataset without missing values, the share `DELETED` is deleted first. Stored results are reused.

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
    """The key of the job, which is trained if the store lacks it."""
    store, selected = _store(context), context.request.registry.select(spec)
    rules = load_protocol(context.protocol, context.settings)
    protocol = rules.for_dataset(
        dataset.variant.dataset, dataset.variant.task, dataset.card.modality, downsampled=False
    )
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
        # Without a hash of the rows' values, so that both kinds of imputation share it.
        store.write(job, predictions, {"ir": dataset.ir, **facts_of(context.request.device)})
    return job.key


def _store(context: ReproductionContext) -> Store:
    # The outer store first: a folder that contains a store cannot become one.
    return Store.open(Store.open(context.store, create=True).path / FOLDER, create=True)


def _renamed(dataset: Dataset, x: np.ndarray) -> Dataset:
    """The same variant with other values and another data hash; its folds and random streams stay."""
    digest = hashlib.sha256(dataset.data_hash.encode() + np.ascontiguousarray(x).tobytes()).hexdigest()
    return dataclasses.replace(dataset, x=x, data_hash=digest)
