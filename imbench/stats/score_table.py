"""Score tables: means and deviations over folds, for each configuration and strategy of one protocol and task.

All boards, tables and figures use these means over folds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from imbench.contract.records import TASKS
from imbench.stats.fold_table import FoldTable
from imbench.stats.names import BASELINE, CONFIGURATION, dataset_labels
from imbench.stats.scope import Scope

Floats = NDArray[np.float64]
# The code of each row's text, and the distinct texts.
_Codes = tuple[NDArray[np.int32], pd.Index]

_CODED = ["protocol", "task", "strategy", *CONFIGURATION]

# Two strategies whose folds agree in both to the last bit gave the same predictions: each is a sum over all rows, and
# any changed probability changes it.
SAME = ("log_loss", "brier")


@dataclass(frozen=True)
class Configuration:
    """One variant of a dataset as shown to readers: a user's file by its name, never its path.

    Parameters
    ----------
    family : name that datasets with the same rows share (`imbench.contract.records.Card`); "" for none
    """

    dataset: str
    variant: str
    ir: float
    modality: str
    family: str = ""

    @property
    def original(self) -> str:
        """The dataset that its rows are from: the family, else the dataset itself."""
        return self.family or self.dataset

    @property
    def label(self) -> str:
        """Dataset and variant in one line."""
        return f"{self.dataset} {self.variant}"

    @property
    def spec(self) -> str:
        """Its spec: ``segment:ir=0.05``."""
        return self.dataset if self.variant == "natural" else f"{self.dataset}:{self.variant}"


@dataclass(frozen=True, eq=False)
class ScoreTable:
    """Scores of each configuration and strategy under one protocol and task.

    Parameters
    ----------
    protocol, task : protocol and task of the scores
    configurations, strategies : the axes; a strategy called ``baseline`` comes first
    mean, sd : by column, ``(configurations, strategies)``; over the folds where the metric is defined; deviations with
        n − 1, NaN below two folds. Folds share rows, so a deviation is not a standard error.
    folds : ``(configurations, strategies)`` folds trained, 0 where a job failed or is missing
    declared : ``(configurations,)`` whether boards are over it; None for all
    scope : name of the declared set, such as ``suite tabular``; "" if it has none
    same : groups of strategies, complete on the declared configurations, with the same predictions; the first of each
        group competes
    single : the scores of single folds
    """

    protocol: str
    task: str
    configurations: tuple[Configuration, ...]
    strategies: tuple[str, ...]
    mean: Mapping[str, Floats]
    sd: Mapping[str, Floats]
    folds: NDArray[np.int64]
    declared: NDArray[np.bool_] | None = None
    scope: str = ""
    same: tuple[tuple[str, ...], ...] = ()
    single: FoldTable | None = None

    @cached_property
    def inside(self) -> NDArray[np.bool_]:
        """``(configurations,)`` whether boards are over it."""
        return np.ones(len(self.configurations), dtype=np.bool_) if self.declared is None else self.declared

    @cached_property
    def complete(self) -> NDArray[np.bool_]:
        """``(strategies,)`` whether a strategy has a result on every configuration that boards are over."""
        return np.asarray((self.folds[self.inside] > 0).all(axis=0) & self.inside.any())

    def only(self, kept: NDArray[np.bool_]) -> ScoreTable:
        """The score table of only these ``(configurations,)``."""
        return replace(
            self,
            configurations=tuple(c for c, there in zip(self.configurations, kept, strict=True) if there),
            mean={name: values[kept] for name, values in self.mean.items()},
            sd={name: values[kept] for name, values in self.sd.items()},
            folds=self.folds[kept],
            declared=self.inside[kept],
            single=self.single.only(kept) if self.single else None,
        )


def make_score_tables(
    rows: pd.DataFrame,
    columns: Sequence[str],
    modality: Mapping[str, str] | None = None,
    scope: Scope | None = None,
) -> list[ScoreTable]:
    """The score table of each protocol and task, protocols by name, tasks in the order of `TASKS`.

    Parameters
    ----------
    rows : rows from `labelled`; without a column ``error`` every row is a trained fold
    columns : columns to average
    modality : modality of each dataset by its name in the rows; ``"not stated"`` if missing
    scope : the configurations of boards, and the families of datasets; None derives the former from the rows
    """
    if rows.empty:
        return []
    scope = scope or Scope()
    # Codes instead of text: a big store has millions of rows and a few hundred names.
    coded = {name: _coded(rows[name]) for name in _CODED}
    labels = {pair: found.label for pair, found in dataset_labels(rows).items()}
    shown = {label: pair[0] for pair, label in sorted(labels.items(), reverse=True)}
    about = {
        label: ((modality or {}).get(name, "not stated"), scope.families.get(name, "")) for label, name in shown.items()
    }
    coded["dataset"] = _by_label(coded["dataset"], coded["data_hash"], labels)
    tasks = list(coded["task"][1])
    order = [*TASKS, *sorted(set(tasks) - set(TASKS))]
    groups = coded["protocol"][0].astype(np.int64) * len(tasks) + coded["task"][0]
    same = [name for name in SAME if name in rows] if set(SAME) <= set(rows) else []
    values = {name: rows[name].to_numpy(dtype=np.float64) for name in dict.fromkeys([*columns, *same])}
    ir = rows["ir"].to_numpy(dtype=np.float64) if "ir" in rows else np.full(len(rows), np.nan)
    done = (rows["error"] == "").to_numpy() if "error" in rows else np.ones(len(rows), dtype=np.bool_)
    found = []
    for p, protocol in enumerate(coded["protocol"][1]):
        for task in (t for t in order if t in tasks):
            where = np.flatnonzero(groups == p * len(tasks) + tasks.index(task))
            if len(where):
                one, position = _score_table(str(protocol), task, where, coded, values, ir, done, about, scope)
                single = FoldTable(rows, where, position, one.folds.shape, np.arange(len(one.folds)))
                found.append(replace(one, mean=_named(one.mean, columns), sd=_named(one.sd, columns), single=single))
    return found


def _named(values: Mapping[str, Floats], columns: Sequence[str]) -> dict[str, Floats]:
    return {name: values[name] for name in columns}


def _by_label(
    datasets: tuple[NDArray[np.int32], pd.Index],
    hashes: tuple[NDArray[np.int32], pd.Index],
    labels: Mapping[tuple[str, str], str],
) -> tuple[NDArray[np.int32], pd.Index]:
    """The dataset label of each row: one file's data under two paths is one dataset."""
    pair = datasets[0].astype(np.int64) * len(hashes[1]) + hashes[0]
    there, number = np.unique(pair, return_inverse=True)
    texts = [
        labels[str(datasets[1][int(code) // len(hashes[1])]), str(hashes[1][int(code) % len(hashes[1])])]
        for code in there
    ]
    codes, names = pd.factorize(np.array(texts, dtype=object), sort=True)
    return codes.astype(np.int32)[number.ravel()], pd.Index(names)


def _score_table(
    protocol: str,
    task: str,
    where: NDArray[np.intp],
    coded: Mapping[str, _Codes],
    values: Mapping[str, Floats],
    ir: Floats,
    done: NDArray[np.bool_],
    about: Mapping[str, tuple[str, str]],
    scope: Scope,
) -> tuple[ScoreTable, NDArray[np.intp]]:
    """The score table, and the number of each row's configuration and strategy in it (see `FoldTable`).

    ``about`` gives modality and family of each dataset by its label.
    """
    unique, row = _combinations([(coded[name][0][where], len(coded[name][1])) for name in CONFIGURATION])
    first = np.empty(len(unique[0]), dtype=np.intp)
    first[row[::-1]] = np.arange(len(row))[::-1]
    names = [[str(coded[name][1][code]) for code in unique[i]] for i, name in enumerate(CONFIGURATION[:2])]
    configurations = [
        Configuration(dataset, variant, float(ir[where[at]]), *about[dataset])
        for dataset, variant, at in zip(*names, first, strict=True)
    ]
    by_ir = sorted(range(len(configurations)), key=lambda i: _natural(configurations[i]))
    specs = coded["strategy"][1]
    present = np.unique(coded["strategy"][0][where])
    present = present[np.argsort(specs[present] != BASELINE, kind="stable")]
    strategies = tuple(map(str, specs[present]))
    shape = (len(configurations), len(present))
    column = np.zeros(len(specs), dtype=np.intp)
    column[present] = np.arange(len(present))
    place = np.empty(len(by_ir), dtype=np.intp)
    place[by_ir] = np.arange(len(by_ir))
    position = place[row] * shape[1] + column[coded["strategy"][0][where]]
    moments = {name: _moments(position, v[where], shape) for name, v in values.items()}
    folds = np.bincount(position, weights=done[where], minlength=shape[0] * shape[1]).astype(np.int64).reshape(shape)
    ordered = tuple(configurations[i] for i in by_ir)
    declared, name = scope.choose(task, [c.spec for c in ordered], strategies, folds > 0)
    found = ScoreTable(
        protocol,
        task,
        ordered,
        strategies,
        {name: m for name, (m, _) in moments.items()},
        {name: s for name, (_, s) in moments.items()},
        folds,
        declared,
        name,
    )
    same = _same(found, position, [values[n][where] for n in SAME if n in values])
    return replace(found, same=same), position


def _combinations(codes: Sequence[tuple[NDArray[np.int32], int]]) -> tuple[list[NDArray[np.int64]], NDArray[np.int32]]:
    """The distinct combinations of codes, sorted, as one array for each column, and the combination of each row.

    Parameters
    ----------
    codes : codes of each column, with the number of distinct codes
    """
    row: NDArray[np.int32] = np.zeros(len(codes[0][0]), dtype=np.int32)
    found: list[NDArray[np.int64]] = []
    for column, size in codes:
        # Only combinations that occur are numbered, so that the next product stays small.
        there, row = _numbered(row * np.int64(size) + column)
        found = [part[there // size] for part in found] + [there % size]
    return found, row


def _numbered(codes: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """The distinct codes, sorted, and the position of each row's code among them."""
    size = int(codes.max(initial=-1)) + 1
    if size > 4 * len(codes) + 1_000_000:  # too many to have a place for each
        there, number = np.unique(codes, return_inverse=True)
        return there, number.astype(np.int32)
    present = np.zeros(size, dtype=np.bool_)
    present[codes] = True
    place = np.cumsum(present, dtype=np.int32) - np.int32(1)
    return np.flatnonzero(present), place[codes]


def _same(score_table: ScoreTable, position: NDArray[np.intp], values: Sequence[Floats]) -> tuple[tuple[str, ...], ...]:
    """Groups of complete strategies whose folds agree to the last bit on every declared configuration."""
    if len(values) < len(SAME):
        return ()
    k = len(score_table.strategies)
    inside = score_table.inside[position // k]
    groups: dict[bytes, list[str]] = {}
    # Equal folds have equal means; only strategies with equal means are compared fold by fold.
    means = [
        np.concatenate([score_table.mean[name][score_table.inside, j] for name in SAME]).tobytes() for j in range(k)
    ]
    for j in np.flatnonzero(score_table.complete):
        if means.count(means[j]) < 2:
            continue
        mine = np.flatnonzero(inside & (position % k == j))
        mine = mine[np.argsort(position[mine], kind="stable")]
        groups.setdefault(b"".join(v[mine].tobytes() for v in values), []).append(score_table.strategies[j])
    return tuple(tuple(group) for group in groups.values() if len(group) > 1)


def _moments(position: NDArray[np.intp], values: Floats, shape: tuple[int, int]) -> tuple[Floats, Floats]:
    size = shape[0] * shape[1]
    known = ~np.isnan(values)
    at, kept = position[known], values[known]
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


def _coded(texts: pd.Series) -> _Codes:
    """The code of each row's text, and the distinct texts, sorted."""
    if isinstance(texts.dtype, pd.CategoricalDtype):
        texts = texts.cat.remove_unused_categories()
        order = np.argsort(texts.cat.categories.astype(str).to_numpy(dtype=object), kind="stable")
        place = np.empty(len(order), dtype=np.int32)
        place[order] = np.arange(len(order), dtype=np.int32)
        return place[texts.cat.codes.to_numpy()], pd.Index(texts.cat.categories.astype("str")[order])
    codes, values = pd.factorize(texts, sort=True)
    return codes.astype(np.int32), pd.Index(values)
