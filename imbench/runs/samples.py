"""Sample images as each strategy feeds them to the nets, from the same mini-batches of a dataset."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from imbench.contract.errors import UsageError
from imbench.contract.streams import stream
from imbench.data.data_sources import DataSources
from imbench.data.folds import make_folds
from imbench.report.figures.sample_grid import SampleGrid, SampleRow
from imbench.runs.protocols import load_protocol
from imbench.runs.registry import Registry

if TYPE_CHECKING:
    from imbench.contract.records import Dataset
    from imbench.contract.strategy import BatchStrategy


def take_samples(
    dataset: str,
    strategies: Sequence[str] | None = None,
    *,
    columns: int = 8,
    seed: int = 0,
    protocol: str = "standard",
    data_mirror: str | None = None,
    plugins: Sequence[str] = (),
    download: bool = True,
) -> SampleGrid:
    """One image from each of several mini-batches, as every strategy feeds it to the nets, with its label.

    All strategies get the same batches, drawn from the training rows of the first fold. A column shows the first image
    of one batch, as a net would receive it: ``baseline`` shows unchanged images.

    Parameters
    ----------
    dataset : spec of a dataset of images
    strategies : specs; default: all installed strategies for images except wrappers, the baseline first
    columns : mini-batches, at least 1
    seed : seed of the batches and of the strategies
    protocol : sets the batch size and the folds
    data_mirror, plugins : as in `imbench.run`
    download : whether data may be downloaded if neither the mirror nor the cache has it

    Returns
    -------
    A `SampleGrid`; `imbench.report.figures.sample_grid.draw` makes a PNG or SVG file of it.

    Raises
    ------
    UsageError for a dataset or strategy that does not support images, an unknown protocol and numbers out of range,
    before any data is read; its subclass DataError for unavailable data.
    """
    return samples_of(
        dataset,
        strategies,
        Registry(tuple(plugins)),
        DataSources.open(data_mirror),
        columns=columns,
        seed=seed,
        protocol=protocol,
        download=download,
    )


def samples_of(
    dataset: str,
    strategies: Sequence[str | BatchStrategy] | None,
    registry: Registry,
    sources: DataSources,
    *,
    columns: int,
    seed: int = 0,
    protocol: str = "standard",
    download: bool = True,
) -> SampleGrid:
    """Like `take_samples`, with an existing registry and data sources; strategies can be specs or objects."""
    from imbench.engine.batches import batching

    if columns < 1:
        raise UsageError(f"columns must be at least 1, got {columns}; 8 fit on a page")
    card = registry.card(dataset)
    if card.modality != "image":
        raise UsageError(f"{dataset} is {card.modality} data, and samples need images; choose for example cifar10")
    chosen, skipped = _chosen(registry, strategies)
    requested = load_protocol(protocol)
    loaded = registry.dataset(dataset, sources, download=download)
    resolved = requested.for_dataset(loaded.variant.dataset, loaded.variant.task, card.modality, downsampled=False)
    train = make_folds(loaded, dataclasses.replace(resolved, repeats=1))[0].train
    rng = stream("samples", *loaded.stream_key, seed)
    _, size, _ = batching(len(train), resolved)  # as in training
    rows = np.stack([rng.permutation(train)[:size] for _ in range(columns)])
    sample_rows = tuple(_sample_row(strategy, loaded, train, rows, seed) for strategy in chosen)
    rare = ", ".join(loaded.class_names[c] for c in loaded.minority)
    title = f"{loaded.variant.spec}, {columns} mini-batches of {size}" + (f"; rare: {rare}" if rare else "")
    return SampleGrid(title, loaded.class_names, loaded.minority, sample_rows, skipped)


def _chosen(
    registry: Registry, given: Sequence[str | BatchStrategy] | None
) -> tuple[list[BatchStrategy], tuple[tuple[str, str], ...]]:
    if given:
        chosen = list(dict.fromkeys(registry.strategy(one) if isinstance(one, str) else one for one in given))
        for strategy in chosen:
            if "image" not in strategy.modalities:
                raise UsageError(f"{strategy.spec} supports {' and '.join(strategy.modalities)} data, not images")
        return chosen, ()
    found, skipped = [], []
    for entry in registry.entries("strategy"):
        try:
            found.append(registry.strategy(entry.name))
        except UsageError as error:  # a plugin that is broken, or one of two with one name
            skipped.append((f"{entry.package}/{entry.name}", str(error)))
    served = [strategy for strategy in found if strategy.run_by_default and "image" in strategy.modalities]
    return sorted(served, key=lambda strategy: strategy.name != "baseline"), tuple(skipped)


def _sample_row(strategy: BatchStrategy, dataset: Dataset, train: np.ndarray, rows: np.ndarray, seed: int) -> SampleRow:
    import torch

    from imbench.contract.batch import Batch
    from imbench.contract.labels import soft_labels
    from imbench.contract.noise import Noise
    from imbench.contract.strategy import TrainingInfo

    # One net and as many steps as there are columns: (1, columns, batch, channels, height, width).
    x = torch.as_tensor(dataset.x[rows][None].astype(np.float32) / 255)
    y = soft_labels(torch.as_tensor(dataset.y[rows][None]), dataset.classes)
    counts = np.bincount(dataset.y[train], minlength=dataset.classes).astype(np.float32)
    info = TrainingInfo(torch.as_tensor(counts)[None, None], "image")
    noise = Noise([stream("samples", *dataset.stream_key, seed, strategy.name)], (1, len(rows)))
    fed = strategy.rebalance(Batch(x, y), info, noise)
    first = (0, slice(None), 0)
    images = fed.x[first].permute(0, 2, 3, 1).numpy()
    return SampleRow(
        strategy.spec, images, fed.y[first].numpy(), None if fed.weight is None else fed.weight[first].numpy()
    )
