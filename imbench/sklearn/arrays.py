"""A dataset of the engine made of a user's arrays."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast

import numpy as np

from imbench.contract.records import Card, Dataset, Fold, Task, Variant
from imbench.contract.streams import stream
from imbench.data.canonical import Table
from imbench.data.origin import origin_and_unit

# The name of the data in the keys of random streams.
NAME = "BatchStrategyClassifier"


@dataclass(frozen=True, eq=False)
class Columns:
    """The shift and divisor of each column before conversion to float32, ``(features,)`` float64 each."""

    origin: np.ndarray
    unit: np.ndarray

    @classmethod
    def of(cls, x: np.ndarray) -> Columns:
        """Those of the training rows ``(rows, features)``, see `imbench.data.origin`."""
        table = SimpleNamespace(x=x, categories=((),) * x.shape[1])
        return cls(*origin_and_unit(cast(Table, table)))

    def converted(self, x: np.ndarray) -> np.ndarray:
        """``(rows, features)`` float32; values beyond its range become infinite, and are then clipped."""
        with np.errstate(over="ignore"):
            if self.origin.any() or (self.unit != 1).any():
                x = (x - self.origin) / self.unit
            return np.ascontiguousarray(x, dtype=np.float32)


def dataset_of(
    x: np.ndarray, y: np.ndarray, weight: np.ndarray | None, classes: int, seed: int, columns: Columns
) -> Dataset:
    """The dataset of these training rows.

    Parameters
    ----------
    x : ``(rows, features)`` float32, converted
    y : ``(rows,)`` class numbers
    weight : ``(rows,)`` above 0; None for equal weights
    classes : number of classes
    seed : of all random streams, 0 or more
    """
    counts = np.bincount(y, minlength=classes)
    names, features = tuple(map(str, range(classes))), x.shape[1]
    rarest = int(np.where(counts > 0, counts, len(y) + 1).argmin())
    task = Task("binary" if classes == 2 else "multiclass", (names[rarest],))
    by_class = dict(zip(names, counts.tolist(), strict=True))
    return Dataset(
        Variant(NAME, task.name, seed=seed),
        Card(NAME, NAME, "tabular", "y", len(y), features, -1, by_class, (task,)),
        x,
        y.astype(np.int64),
        np.arange(len(y)),
        tuple(f"x{i}" for i in range(features)),
        ("numeric",) * features,
        names,
        (rarest,),
        "",
        columns.origin,
        columns.unit,
        weight=weight,
    )


def held_out(y: np.ndarray, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """``(train, validation)`` row numbers, sorted; a share of the rows of each class, at least one, is held out."""
    rng, kept = stream("validation", NAME, seed), np.ones(len(y), dtype=bool)
    for number in np.unique(y) if share else ():
        rows = np.flatnonzero(y == number)
        kept[rng.permutation(rows)[: min(len(rows) - 1, max(1, round(len(rows) * share)))]] = False
    return np.flatnonzero(kept), np.flatnonzero(~kept)


def folds_of(y: np.ndarray, share: float, seed: int, nets: int, round_: int) -> list[Fold]:
    """One fold for each net of the stack. All share the rows; they differ in their random streams.

    ``round_`` is how often the nets were trained before, so that their streams do not repeat.
    """
    train, validation = held_out(y, share, seed)
    none = np.zeros(0, dtype=np.int64)
    return [Fold(round_, 0, train, validation, none, train_seed=net) for net in range(nets)]


def plain(value: Any) -> Any:
    """A NumPy scalar as the Python number, other values as they are."""
    return value.item() if isinstance(value, np.generic) else value
