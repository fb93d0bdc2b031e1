"""Made-up jobs and predictions, quick to store."""

from __future__ import annotations

import numpy as np

from imbench.contract.protocol import Protocol
from imbench.contract.records import Exposure, Job, Predictions, Split, Variant

PROTOCOL = Protocol("quick", repeats=2)
FACTS = {"imbench": "0.1.0", "threads": 1, "ir": 0.05}


def job(
    dataset="segment",
    strategy="remix",
    *,
    ir=0.05,
    task="binary",
    protocol=PROTOCOL,
    version="1",
    data="d",
    kind="strategy",
):
    """A job of this strategy (without parameters) on this variant."""
    return Job(Variant(dataset, task, ir), strategy, strategy, version, {}, protocol, data_hash=data, kind=kind)


def predictions(of, *, skill=1.0, classes=2, rows=40, seed=0):
    """Predictions for every fold of this job, better with more skill."""
    rng = np.random.default_rng(seed)
    half = rows // 2
    found = []
    for repeat in range(of.protocol.repeats):
        order = rng.permutation(rows)
        for fold in range(of.protocol.folds):
            test = order[fold * half : (fold + 1) * half]
            rest = np.setdiff1d(order, test)
            found.append(
                Predictions(
                    repeat,
                    fold,
                    validation=split(rng, rest[:6], classes, skill),
                    test=split(rng, test, classes, skill),
                    train_counts=np.array([half - 6 - classes + 1] + [1] * (classes - 1)),
                    epochs=3,
                    steps=12,
                    floor_epoch=None if fold else 2,
                    loss=0.1 + 0.2,
                    seconds=0.25,
                    exposure=Exposure(0.25, 1.5, 8.0, np.full(classes, 1 / classes), "soft labels"),
                )
            )
    return found


def split(rng, rows, classes, skill):
    """Predictions of these rows; the class of a row is its number modulo the classes."""
    y = rows % classes
    odds = np.exp(rng.normal(size=(len(rows), classes)) + skill * np.eye(classes)[y])
    return Split(rows, y, (odds / odds.sum(axis=1, keepdims=True)).astype(np.float32))


def fill(store, datasets, strategies, *, skill=0.5, **job_options):
    """Store a job of every strategy on every dataset; later strategies are the better ones."""
    for number, dataset in enumerate(datasets):
        for rank, strategy in enumerate(strategies):
            one = job(dataset, strategy, **job_options)
            classes = 2 if one.variant.task == "binary" else 3
            store.write(one, predictions(one, skill=skill + rank, classes=classes, seed=number), FACTS)
