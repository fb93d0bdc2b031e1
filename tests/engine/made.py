"""A small made-up dataset with missing values, and its folds."""

from contextlib import contextmanager

import numpy as np
import pytest

from imbench.contract.records import Card, Dataset, Fold, Preprocessing, Task, Variant
from imbench.engine.net_group import NetGroup

# Where a gradient is next to nothing, Adam makes a step of its rounding, or of the one row in which rounding decided
# which of two all but equal values a pool chose; with an epsilon this large it does not.
SMOOTH = 1e-3


def make_dataset(rows=300, features=7, classes=2, seed=0):
    rng = np.random.default_rng(seed)
    y = np.concatenate([np.arange(classes).repeat(12), rng.choice(classes, rows - 12 * classes, p=_shares(classes))])
    x = (rng.normal(size=(rows, features)) * 3 + 3 * y[:, None]).astype(np.float32)
    x[rng.random(x.shape) < 0.02] = np.nan
    names = tuple(str(c) for c in range(classes))
    counts = {n: int((y == c).sum()) for c, n in enumerate(names)}
    task = Task("binary" if classes == 2 else "multiclass", (names[-1],))
    card = Card("made", "Made up", "tabular", "y", rows, features, int(np.isnan(x).sum()), counts, (task,))
    return Dataset(
        Variant("made", task.name),
        card,
        x,
        y.astype(np.int64),
        np.arange(rows) + 1000,
        tuple(f"f{i}" for i in range(features)),
        ("numeric",) * features,
        names,
        (classes - 1,),
        "0" * 64,
    )


def _shares(classes):
    shares = np.linspace(3, 1, classes)
    return shares / shares.sum()


def make_folds(dataset, count=3, train=140):
    folds = []
    for i in range(count):
        order = np.random.default_rng(i).permutation(len(dataset.y))
        parts = np.sort(order[: train + i % 2]), np.sort(order[train + 1 : train + 60]), np.sort(order[train + 60 :])
        folds.append(Fold(i, 0, *parts))
    return folds


def fit(dataset, fold, clip=5.0):
    half = dataset.x[np.concatenate([fold.train, fold.validation])].astype(np.float64)
    center = np.nanmean(half, axis=0)
    scale = 1 / np.where(np.isnan(half), center, half).std(axis=0)
    return Preprocessing(center.astype(np.float32), scale.astype(np.float32), clip)


@contextmanager
def watched_ends():
    """Meanwhile every net that ends leaves its kind and its weights: ``{(strategy, variant, repeat, fold): …}``."""
    held, finish = {}, NetGroup._finish

    def watched(self, position, epochs, loss):
        fold = self.folds[self.active[position]]
        key = self.strategy, self.request.dataset.variant.spec, fold.repeat, fold.fold
        held[key] = type(self.nets), [p[position].numpy().copy() for p in self.nets.parameters]
        return finish(self, position, epochs, loss)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(NetGroup, "_finish", watched)
        yield held
