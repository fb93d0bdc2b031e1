"""A store's results evaluated on both levels: configurations as blocks, as in the paper, and datasets as blocks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import pandas as pd

from imbench.contract.errors import UsageError
from imbench.study.equivalence import FEWEST_FOLDS, TOO_FEW_FOLDS
from imbench.study.evaluation import BASELINE, Evaluation, evaluate
from imbench.study.leaderboard import CONFIGURATION, fold_means, labelled
from imbench.study.metrics import Metric, known_metrics
from imbench.study.ranks import TRAINED
from imbench.study.within import FOLD, compare_within


@dataclass(frozen=True, eq=False)
class Levels:
    """One task and metric under one protocol.

    Parameters
    ----------
    protocol, task, metric : what is evaluated
    configurations : each variant of a dataset is a block, intervals resample datasets; None where that cannot be done
    datasets : the mean over a dataset's variants is a block; None where that cannot be done
    within : each strategy against the reference over the folds of each configuration (see `compare_within`), empty
        unless asked for
    notes : why a level is not there, and strategies without any result
    """

    protocol: str
    task: str
    metric: Metric
    configurations: Evaluation | None
    datasets: Evaluation | None
    within: pd.DataFrame
    notes: tuple[str, ...]


def evaluate_rows(
    rows: pd.DataFrame,
    metric: str,
    *,
    task: str | None = None,
    protocol: str | None = None,
    alpha: float = 0.05,
    reference: str | None = None,
    within: bool = True,
) -> list[Levels]:
    """Evaluate per-fold rows (see `Store.frame`), for each protocol and task or the one asked for.

    Parameters
    ----------
    rows : with the columns of `level_columns`
    within : whether to compare within each configuration, too: the one comparison that a single configuration allows,
        since its folds are no blocks

    Raises
    ------
    UsageError
        For a metric, task or protocol that the rows do not have, or if nothing can be evaluated.
    """
    if metric not in known_metrics():
        raise UsageError(f"unknown metric {metric!r}; there are {', '.join(known_metrics())}")
    told = labelled(rows)
    for column, wanted in (("task", task), ("protocol", protocol)):
        there = sorted(map(str, told[column].unique()))
        if wanted is not None and wanted not in there:
            raise UsageError(f"no results of {column} {wanted!r}; there are {', '.join(map(repr, there))}")
        told = told if wanted is None else told[told[column] == wanted]
    found = [
        _levels(group, known_metrics()[metric], str(of_protocol), str(of_task), alpha, reference, within)
        for (of_protocol, of_task), group in _groups(told)
    ]
    if not any(levels.configurations or len(levels.within) for levels in found):
        notes = [note for levels in found for note in levels.notes]
        if notes and not within and len(told["strategy"].unique()) > 1:
            notes.append("to compare strategies over the folds of each configuration add --within")
        raise UsageError("; ".join(notes) or "the store holds no results")
    return found


def level_columns(metric: str, within: bool = True) -> list[str]:
    """The columns that `evaluate_rows` reads: all that `Store.frame` need be asked for."""
    named = ["protocol", "protocol_fields", "task", *CONFIGURATION, "strategy", "strategy_version", "numbers"]
    return [*named, *([*FOLD, "n_train", "n_test"] if within else []), metric]


def _groups(rows: pd.DataFrame) -> Iterator[tuple[tuple[str, str], pd.DataFrame]]:
    """The rows of each protocol and task; as they are, not copied, where there is one of each."""
    pairs = rows[["protocol", "task"]].drop_duplicates().astype("str")
    for protocol, task in sorted(pairs.itertuples(index=False, name=None)):
        alone = len(pairs) == 1
        yield (protocol, task), rows if alone else rows[(rows["protocol"] == protocol) & (rows["task"] == task)]


def _levels(
    rows: pd.DataFrame, metric: Metric, protocol: str, task: str, alpha: float, reference: str | None, inside: bool
) -> Levels:
    means = fold_means(rows, metric.name)
    short = means.reset_index("data_hash", drop=True)
    means = short if short.index.is_unique else means
    ranked = means.dropna(axis="columns", how="all")
    notes = [f"{name} has no result and is not ranked" for name in means.columns.difference(ranked.columns)]
    compare = partial(
        evaluate,
        pd.DataFrame(metric.ranked(ranked.to_numpy()), ranked.index, ranked.columns),
        higher_is_better=metric.higher_is_better,
        alpha=alpha,
        reference=reference,
        tolerance=TRAINED,
    )
    found: dict[str, Evaluation | None] = {"configurations": None, "datasets": None}
    attempts = {"configurations": partial(compare, clusters="dataset"), "datasets": partial(compare, blocks="dataset")}
    try:
        for name, attempt in attempts.items():
            found[name] = attempt()
    except UsageError as error:
        # What cannot be compared over configurations cannot be over datasets either.
        notes.append(f"{task}, protocol {protocol}, {name} as blocks: {error}")
    over = found["configurations"].reference if found["configurations"] else reference or _first(ranked)
    # Of a single strategy there is nothing to compare with.
    inside = inside and over is not None and len(ranked.columns) > 1
    within = compare_within(rows, metric, over, alpha) if inside and over is not None else pd.DataFrame()
    if len(within) and (within["folds"] < FEWEST_FOLDS).any():
        notes.append(TOO_FEW_FOLDS.format(int(within["folds"].min())))
    return Levels(protocol, task, metric, found["configurations"], found["datasets"], within, tuple(notes))


def _first(ranked: pd.DataFrame) -> str | None:
    """The strategy that gains are over unless it is said: the baseline, or else the first."""
    names = list(map(str, ranked.columns))
    return BASELINE if BASELINE in names else names[0] if names else None
