"""Leaderboards: strategies ranked over configurations, one table for each protocol, task and metric."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from imbench.contract.errors import UsageError
from imbench.contract.records import TASKS
from imbench.contract.spec import format_value
from imbench.study.metrics import METRICS, Metric
from imbench.study.ranks import average_ranks, complete_blocks, friedman, friedman_undefined, rank, rank_sums

HEADLINE = ("gmean", "bbs")

# One configuration: a variant of a dataset, as long as its rows stay the same.
CONFIGURATION = ["dataset", "variant", "data_hash"]

_NAMED = ["protocol", "dataset", "task"]


@dataclass(frozen=True)
class Dropped:
    """A configuration that is not ranked, and the strategies it has no result of."""

    dataset: str
    variant: str
    missing: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Leaderboard:
    """One task and metric under one protocol.

    Parameters
    ----------
    protocol, task, metric : what is ranked
    table : a row for each strategy, best first: ``strategy``, ``mean`` over configurations of the mean over folds,
        ``rank_sum`` and ``average_rank`` (1 is best, so smaller is better), ``configurations`` ranked, and the table's
        ``friedman`` statistic and its ``p``
    configurations : (dataset, variant) of those ranked, the complete ones
    dropped : those that lack a strategy
    unranked : strategies without a single result, left out lest they drop every configuration
    undefined : why Friedman's test says nothing; "" where it does
    """

    protocol: str
    task: str
    metric: Metric
    table: pd.DataFrame
    configurations: tuple[tuple[str, str], ...]
    dropped: tuple[Dropped, ...] = ()
    unranked: tuple[str, ...] = ()
    undefined: str = ""


def leaderboards(frame: pd.DataFrame, metrics: Sequence[str] = HEADLINE) -> list[Leaderboard]:
    """The leaderboards of these rows (see `Store.frame`), in the order of protocols, tasks and metrics.

    A strategy in two versions counts as two; rows of an older schema than the newest are left out.

    Raises
    ------
    UsageError
        For a metric that does not exist.
    """
    unknown = [name for name in metrics if name not in METRICS]
    if unknown:
        raise UsageError(f"unknown metric {unknown[0]!r}; there are {', '.join(METRICS)}")
    rows = labelled(frame)
    tasks = [*TASKS, *sorted(set(rows["task"]) - set(TASKS))]
    return [
        leaderboard(rows[(rows["protocol"] == protocol) & (rows["task"] == task)], METRICS[metric], protocol, task)
        for protocol in sorted(set(rows["protocol"]))
        for task in tasks
        if ((rows["protocol"] == protocol) & (rows["task"] == task)).any()
        for metric in metrics
    ]


def leaderboard(rows: pd.DataFrame, metric: Metric, protocol: str, task: str) -> Leaderboard:
    """The leaderboard of rows that all have this protocol and task."""
    results = fold_means(rows, metric.name)
    means = results.dropna(axis="columns", how="all")
    whole, dropped = complete_blocks(means)
    ranks = rank(whole.to_numpy(), higher_is_better=metric.higher_is_better)
    test = friedman(ranks)
    table = pd.DataFrame(
        {
            "strategy": means.columns.to_numpy(),
            "mean": whole.mean(axis=0).to_numpy(),
            "rank_sum": rank_sums(ranks) if len(whole) else np.nan,
            "average_rank": average_ranks(ranks),
            "configurations": len(whole),
            "friedman": test.statistic,
            "p": test.pvalue,
        }
    )
    best_first = table.assign(cost=-table["mean"] if metric.higher_is_better else table["mean"])
    return Leaderboard(
        protocol,
        task,
        metric,
        best_first.sort_values(["rank_sum", "cost", "strategy"], ignore_index=True).drop(columns="cost"),
        configurations=tuple((dataset, variant) for dataset, variant, _ in whole.index),
        dropped=tuple(
            Dropped(label[0], label[1], tuple(means.columns[means.loc[label].isna().to_numpy()])) for label in dropped
        ),
        unranked=tuple(results.columns.difference(means.columns)),
        undefined=friedman_undefined(ranks),
    )


def fold_means(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Configurations × strategies: the mean of a metric over the folds that define it, NaN where none does."""
    # pivot_table would lose the configurations where everything failed.
    means: pd.DataFrame = rows.groupby([*CONFIGURATION, "strategy"])[metric].mean().unstack("strategy")  # noqa: PD010
    return means


def labelled(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of the newest schema, with protocols and strategies told apart that share a name.

    A protocol file that was edited, or fields set by hand in two ways, give one name to two protocols: where the
    results of one dataset show it, the fields that differ follow the name. Versions of a strategy follow ``@``.
    """
    rows = frame[frame["schema"] == frame["schema"].max()]
    versions = rows.groupby("strategy")["strategy_version"].transform("nunique")
    strategy = rows["strategy"].where(versions == 1, rows["strategy"] + "@" + rows["strategy_version"])
    names = _protocol_names(rows)
    # Looked up once for each of the few pairs there are: a big store has millions of rows.
    pair = rows.groupby(["protocol", "protocol_fields"], sort=False).ngroup()
    distinct = rows[["protocol", "protocol_fields"]].drop_duplicates().itertuples(index=False, name=None)
    protocol = pair.map(dict(enumerate(names[one] for one in distinct))).astype(rows["protocol"].dtype)
    told: pd.DataFrame = rows.assign(strategy=strategy, protocol=protocol)
    return told


def _protocol_names(rows: pd.DataFrame) -> dict[tuple[str, str], str]:
    """What to call each pair of a protocol's name and its fields."""
    distinct = rows[["protocol", "protocol_fields"]].drop_duplicates().itertuples(index=False, name=None)
    pairs = {pair: json.loads(pair[1]) for pair in distinct}
    differing: dict[str, set[str]] = {name: set() for name, _ in pairs}
    # Within one dataset only: between datasets a protocol's own exceptions differ.
    for _, group in rows.drop_duplicates(["protocol_fields", *_NAMED]).groupby(_NAMED):
        name = group["protocol"].iloc[0]
        first, *others = (pairs[name, text] for text in group["protocol_fields"])
        differing[name] |= {key for other in others for key in other if other[key] != first.get(key)}
    return {pair: _protocol_label(pair[0], fields, differing[pair[0]]) for pair, fields in pairs.items()}


def _protocol_label(name: str, fields: dict[str, object], differing: set[str]) -> str:
    settings = ", ".join(f"{key}={format_value(fields[key])}" for key in sorted(differing) if key in fields)
    return f"{name} ({settings})" if settings else name
