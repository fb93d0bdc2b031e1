"""Cells: means and deviations over folds, for each configuration and strategy of one protocol and task."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from imbench.contract.records import TASKS
from imbench.contract.spec import FILE_SUFFIXES
from imbench.study.leaderboard import CONFIGURATION

Floats = NDArray[np.float64]

BASELINE = "baseline"

_CODED = ["protocol", "task", "strategy", *CONFIGURATION]


@dataclass(frozen=True)
class Configuration:
    """One variant of a dataset, as readers see it: a file of the user's own by its name, never its path."""

    dataset: str
    variant: str
    ir: float
    modality: str

    @property
    def label(self) -> str:
        """Dataset and variant in one line."""
        return f"{self.dataset} {self.variant}"


@dataclass(frozen=True, eq=False)
class Cells:
    """All cells of one protocol and task.

    Parameters
    ----------
    protocol, task : what these are cells of
    configurations, strategies : names of the axes; a strategy called ``baseline`` stands first
    mean, sd : by column, ``(configurations, strategies)``; over the folds that define the metric, the deviation with
        n − 1 and NaN below two folds. Folds share rows, so the deviation is no standard error.
    folds : ``(configurations, strategies)`` folds trained, 0 where a job failed or is missing
    """

    protocol: str
    task: str
    configurations: tuple[Configuration, ...]
    strategies: tuple[str, ...]
    mean: Mapping[str, Floats]
    sd: Mapping[str, Floats]
    folds: NDArray[np.int64]


def all_cells(rows: pd.DataFrame, columns: Sequence[str], modality: Mapping[str, str]) -> list[Cells]:
    """The cells of each protocol and task, protocols by name, tasks in the order of `TASKS`.

    Parameters
    ----------
    rows : of `labelled`
    columns : to average
    modality : of each dataset by its name in the rows; what is missing is ``"not stated"``
    """
    if rows.empty:
        return []
    # Codes instead of text: a big store has millions of rows and a few hundred names.
    coded = {name: pd.factorize(rows[name].to_numpy(dtype=object), sort=True) for name in _CODED}
    tasks = coded["task"][1]
    order = [*TASKS, *sorted(set(tasks) - set(TASKS))]
    groups = coded["protocol"][0] * len(tasks) + coded["task"][0]
    values = {name: rows[name].to_numpy(dtype=np.float64) for name in columns}
    ir, done = rows["ir"].to_numpy(dtype=np.float64), (rows["error"] == "").to_numpy()
    found = []
    for p, protocol in enumerate(coded["protocol"][1]):
        for task in (t for t in order if t in tasks):
            where = np.flatnonzero(groups == p * len(tasks) + list(tasks).index(task))
            if len(where):
                found.append(_cells(protocol, task, where, coded, values, ir, done, modality))
    return found


def _cells(
    protocol: str,
    task: str,
    where: NDArray[np.intp],
    coded: Mapping[str, tuple[NDArray[np.intp], NDArray[np.object_]]],
    values: Mapping[str, Floats],
    ir: Floats,
    done: NDArray[np.bool_],
    modality: Mapping[str, str],
) -> Cells:
    parts = np.stack([coded[name][0][where] for name in CONFIGURATION])
    unique, first, row = np.unique(parts, axis=1, return_index=True, return_inverse=True)
    names = [[coded[name][1][code] for code in unique[i]] for i, name in enumerate(CONFIGURATION[:2])]
    labels = _file_names(names[0])
    configurations = [
        Configuration(labels[dataset], variant, float(ir[where[at]]), modality.get(dataset, "not stated"))
        for dataset, variant, at in zip(*names, first, strict=True)
    ]
    by_ir = sorted(range(len(configurations)), key=lambda i: _natural(configurations[i]))
    present = np.unique(coded["strategy"][0][where])
    present = present[np.argsort(coded["strategy"][1][present] != BASELINE, kind="stable")]
    shape = (len(configurations), len(present))
    column = np.zeros(len(coded["strategy"][1]), dtype=np.intp)
    column[present] = np.arange(len(present))
    place = np.empty(len(by_ir), dtype=np.intp)
    place[by_ir] = np.arange(len(by_ir))
    cell = place[row.ravel()] * shape[1] + column[coded["strategy"][0][where]]
    moments = {name: _moments(cell, v[where], shape) for name, v in values.items()}
    return Cells(
        protocol,
        task,
        tuple(configurations[i] for i in by_ir),
        tuple(coded["strategy"][1][present]),
        {name: m for name, (m, _) in moments.items()},
        {name: s for name, (_, s) in moments.items()},
        np.bincount(cell, weights=done[where], minlength=shape[0] * shape[1]).astype(np.int64).reshape(shape),
    )


def _moments(cell: NDArray[np.intp], values: Floats, shape: tuple[int, int]) -> tuple[Floats, Floats]:
    size = shape[0] * shape[1]
    known = ~np.isnan(values)
    at, kept = cell[known], values[known]
    count = np.bincount(at, minlength=size).astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.bincount(at, weights=kept, minlength=size) / count
        # Two passes, so that a small deviation of large values keeps its digits.
        square = np.bincount(at, weights=(kept - mean[at]) ** 2, minlength=size)
        sd = np.sqrt(square / np.where(count > 1, count - 1, np.nan))
    return mean.reshape(shape), sd.reshape(shape)


def _natural(configuration: Configuration) -> tuple[str, float, str]:
    ir = configuration.ir
    return configuration.dataset, ir if ir == ir else np.inf, configuration.variant


def _file_names(datasets: Sequence[str]) -> dict[str, str]:
    """What to call each dataset: its name; of a file, the last part of its path, numbered where two files share it."""
    called: dict[str, str] = {}
    for dataset in dict.fromkeys(datasets):
        short = shown_dataset(dataset)
        taken = [other for other in called.values() if other == short or other.startswith(f"{short} (")]
        called[dataset] = f"{short} ({len(taken) + 1})" if taken else short
    return called


def shown_dataset(dataset: str) -> str:
    """A dataset's name without a path: a reader of the report has other folders."""
    return re.split(r"[/\\]", str(PurePath(dataset)))[-1] if dataset.endswith(FILE_SUFFIXES) else dataset
