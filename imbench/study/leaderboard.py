"""Leaderboards: strategies ranked over configurations, one table for each protocol, task and metric."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from imbench.contract.errors import UsageError
from imbench.contract.records import TASKS
from imbench.contract.spec import format_value
from imbench.study.metrics import Metric, known_metrics
from imbench.study.ranks import average_ranks, complete_blocks, friedman, friedman_undefined, rank, rank_sums
from imbench.study.rules import ARGMAX, EACH, RULES, ruled_column

HEADLINE = ("gmean", "bbs")

# One configuration: a variant of a dataset, as long as its rows stay the same.
CONFIGURATION = ["dataset", "variant", "data_hash"]

# The share of a net's batches with which its strategy could not do what it was asked to.
FALLBACK = "fallback_share"

_NAMED = ["protocol", "dataset", "task"]
_PAIR = ["protocol", "protocol_fields"]
_OF_A_JOB = ["task", *CONFIGURATION, "strategy", "strategy_version", "protocol", "protocol_fields", "numbers"]


@dataclass(frozen=True)
class Dropped:
    """A configuration that is not ranked, and the strategies it has no result of."""

    dataset: str
    variant: str
    missing: tuple[str, ...]


@dataclass(frozen=True)
class Challenger:
    """How a strategy under another decision rule would rank if it competed with those of a leaderboard.

    Parameters
    ----------
    name : such as ``baseline+tuned``
    mean, average_rank : its own, over the configurations that have it and every ranked strategy
    place : 1 is best; competitors of equal rank sums share the better place
    competitors : how many compete, itself included
    """

    name: str
    mean: float
    average_rank: float
    place: int
    competitors: int


@dataclass(frozen=True, eq=False)
class Leaderboard:
    """One task and metric under one protocol and decision rule.

    Parameters
    ----------
    protocol, task, metric : what is ranked
    table : a row for each strategy, best first: ``strategy``, ``mean`` over configurations of the mean over folds,
        ``rank_sum`` and ``average_rank`` (1 is best, so smaller is better), ``configurations`` ranked, ``zero_folds``
        of them in which a class that has test rows is never hit (NaN where rows do not say), and the table's
        ``friedman`` statistic and its ``p``
    configurations : (dataset, variant) of those ranked, the complete ones
    dropped : those that lack a strategy
    unranked : strategies without a single result, left out lest they drop every configuration
    undefined : why Friedman's test says nothing; "" where it does
    rule : how decisions are made, a key of `imbench.study.rules.RULES`, or ``each``
    challenger : under ``argmax`` and for a metric of decisions, how the baseline with a tuned threshold would rank
    fallbacks : (strategy, share of its batches) of the strategies that could not do with some batches what they were
        asked to, the largest share first; mean over the nets of which it is known
    """

    protocol: str
    task: str
    metric: Metric
    table: pd.DataFrame
    configurations: tuple[tuple[str, str], ...]
    dropped: tuple[Dropped, ...] = ()
    unranked: tuple[str, ...] = ()
    undefined: str = ""
    rule: str = ARGMAX
    challenger: Challenger | None = None
    fallbacks: tuple[tuple[str, float], ...] = ()


def leaderboards(frame: pd.DataFrame, metrics: Sequence[str] = HEADLINE, rule: str = ARGMAX) -> list[Leaderboard]:
    """The leaderboards of these rows (see `Store.frame`), in the order of protocols, tasks and metrics.

    A strategy in two versions counts as two; rows are left out whose numbers an older version decided than the newest.

    Parameters
    ----------
    frame : a row for each fold
    metrics : names of `imbench.study.metrics.METRICS`
    rule : one decision rule for all strategies (a metric that it does not change is as it is), or ``each``: every
        strategy under every rule competes, as ``baseline+tuned`` where the rule is not ``argmax``

    Raises
    ------
    UsageError
        For a metric or rule that does not exist, or that these rows do not have.
    """
    unknown = [name for name in metrics if name not in known_metrics()]
    if unknown:
        raise UsageError(f"unknown metric {unknown[0]!r}; there are {', '.join(known_metrics())}")
    wanted = [known_metrics()[name] for name in metrics]
    jobs = labelled(job_sums(frame, leaderboard_columns(metrics, rule)))
    tasks = [*TASKS, *sorted(set(jobs["task"]) - set(TASKS))]
    return [
        _board(jobs[(jobs["protocol"] == protocol) & (jobs["task"] == task)], metric, protocol, task, rule)
        for protocol in sorted(set(jobs["protocol"]))
        for task in tasks
        if ((jobs["protocol"] == protocol) & (jobs["task"] == task)).any()
        for metric in wanted
    ]


def leaderboard_columns(metrics: Sequence[str] = HEADLINE, rule: str = ARGMAX) -> list[str]:
    """The columns that leaderboards of these metrics under this rule read: all that `Store.frame` need be asked for."""
    rules = dict.fromkeys([ARGMAX, "tuned", *RULES] if rule == EACH else [ARGMAX, "tuned", rule])
    ruled = [ruled_column(known_metrics()[metric], r) for metric in metrics for r in rules]
    return list(dict.fromkeys([*_OF_A_JOB, "key", *ruled, *(_zero_column(r) for r in rules), FALLBACK]))


def _board(jobs: pd.DataFrame, metric: Metric, protocol: str, task: str, rule: str) -> Leaderboard:
    """The leaderboard of jobs that all have this protocol and task."""
    rules = _rules_of(jobs, metric, rule)
    results = pd.concat([_means(jobs, metric, r, suffix=rule == EACH) for r in rules], axis=1)
    means = results.dropna(axis="columns", how="all")
    whole, dropped = complete_blocks(means)
    ranks = rank(metric.ranked(whole.to_numpy()), higher_is_better=metric.higher_is_better)
    test = friedman(ranks)
    zeros = pd.concat([_zero_folds(jobs, whole.index, r, suffix=rule == EACH) for r in rules])
    table = pd.DataFrame(
        {
            "strategy": means.columns.to_numpy(),
            "mean": whole.mean(axis=0).to_numpy(),
            "rank_sum": rank_sums(ranks) if len(whole) else np.nan,
            "average_rank": average_ranks(ranks),
            "configurations": len(whole),
            "zero_folds": zeros.reindex(means.columns).to_numpy(),
            "friedman": test.statistic,
            "p": test.pvalue,
        }
    )
    distance = metric.ranked(table["mean"].to_numpy())
    best_first = table.assign(cost=-distance if metric.higher_is_better else distance)
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
        rule=rule,
        challenger=_challenger(jobs, metric, means) if rule == ARGMAX else None,
        fallbacks=_fallbacks(jobs),
    )


def _fallbacks(jobs: pd.DataFrame) -> tuple[tuple[str, float], ...]:
    """The strategies that fell back with some batch, and with which share of them."""
    if FALLBACK not in jobs:
        return ()
    sums = jobs.groupby("strategy")[[FALLBACK, f"{FALLBACK} folds"]].sum()
    shares = (sums[FALLBACK] / sums[f"{FALLBACK} folds"].replace(0, np.nan)).dropna()
    found = ((str(name), float(share)) for name, share in shares.items() if share > 0)
    return tuple(sorted(found, key=lambda pair: (-pair[1], pair[0])))


def _rules_of(jobs: pd.DataFrame, metric: Metric, rule: str) -> list[str]:
    """The rules that compete: those of ``each`` that change the metric, and that these rows have."""
    if rule == EACH:
        changed = [r for r in RULES if r == ARGMAX or ruled_column(metric, r) != metric.name]
        return [r for r in changed if ruled_column(metric, r) in jobs]
    column = ruled_column(metric, rule)
    if column not in jobs:
        raise UsageError(f"these results have no column {column!r}; read them with imbench.load, which adds it")
    return [rule]


def _challenger(jobs: pd.DataFrame, metric: Metric, means: pd.DataFrame) -> Challenger | None:
    """The baseline with a tuned threshold among the strategies ranked, if rows have both."""
    column = ruled_column(metric, "tuned")
    if not metric.of_decisions or column not in jobs or "baseline" not in means.columns:
        return None
    tuned = _means(jobs, metric, "tuned", suffix=True).get("baseline+tuned")
    if tuned is None:
        return None
    whole, _ = complete_blocks(means.assign(**{"baseline+tuned": tuned}))
    if not len(whole):
        return None
    ranks = rank(metric.ranked(whole.to_numpy()), higher_is_better=metric.higher_is_better)
    sums, mine = rank_sums(ranks), list(whole.columns).index("baseline+tuned")
    return Challenger(
        "baseline+tuned",
        float(whole["baseline+tuned"].mean()),
        float(average_ranks(ranks)[mine]),
        # Sums of ranks are halves, so this far apart they are not equal.
        1 + int(np.sum(sums < sums[mine] - 0.25)),
        len(whole.columns),
    )


def _means(jobs: pd.DataFrame, metric: Metric, rule: str, suffix: bool) -> pd.DataFrame:
    """Configurations × competitors: the mean of a metric under a rule over the folds that define it."""
    column = ruled_column(metric, rule)
    groups = jobs.groupby([*CONFIGURATION, "strategy"])
    # Over all folds of the jobs, as if they were one; NaN where no fold defines it.
    means = (groups[column].sum() / groups[f"{column} folds"].sum().replace(0, np.nan)).unstack("strategy")  # noqa: PD010
    return means.rename(columns=lambda name: _competitor(name, rule, suffix))


def _zero_folds(jobs: pd.DataFrame, configurations: pd.Index, rule: str, suffix: bool) -> pd.Series:
    """For each competitor, folds of these configurations in which a class that has test rows is never hit."""
    column = _zero_column(rule)
    if column not in jobs:
        return pd.Series(dtype=float)
    among = jobs[pd.MultiIndex.from_frame(jobs[CONFIGURATION]).isin(configurations)]
    counts = among.groupby("strategy")[column].sum(min_count=1)
    return counts.rename(index=lambda name: _competitor(name, rule, suffix))


def _competitor(strategy: str, rule: str, suffix: bool) -> str:
    return f"{strategy}+{rule}" if suffix and rule != ARGMAX else strategy


def _zero_column(rule: str) -> str:
    return "zero_recall" if rule == ARGMAX else f"zero_recall@{rule}"


def job_sums(frame: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """One row for each job, so that what follows is small however many folds there are.

    Of each column that the frame has: its sum over the folds that define it, and their number as ``NAME folds``; of
    ``zero_recall`` and its kind, the number of folds with any.
    """
    there = [name for name in columns if name in frame and name not in ("key", *_OF_A_JOB)]
    zeros = [name for name in there if name.startswith("zero_recall")]
    values = [name for name in there if name not in zeros]
    facts = [name for name in _OF_A_JOB if name in frame]
    by = ["key"] if "key" in frame else facts
    first = ~frame.duplicated(by)
    rows = pd.DataFrame({name: frame[name] for name in dict.fromkeys([*by, *there])}, copy=False)
    for name in zeros:
        rows[name] = (rows[name] > 0).astype(float).where(rows[name].notna())
    groups = rows.groupby(by, observed=True, sort=False, dropna=False)
    counts = groups[values].count().add_suffix(" folds")
    sums = pd.concat([groups[values].sum(), groups[zeros].sum(min_count=1), counts], axis=1).reset_index(drop=True)
    jobs = frame.loc[first, facts].reset_index(drop=True)
    texts = [name for name in facts if isinstance(jobs[name].dtype, pd.CategoricalDtype)]
    return pd.concat([jobs.astype(dict.fromkeys(texts, "str")), sums], axis=1)


def fold_means(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Configurations × strategies: the mean of a metric over the folds that define it, NaN where none does."""
    # Text becomes small numbers one column at a time: grouping by all of them holds several copies of many rows.
    row: NDArray[np.int32] = np.zeros(len(rows), dtype=np.int32)
    names: list[pd.Index] = []
    for name in CONFIGURATION:
        codes, values = _coded(rows[name])
        # Only the combinations that there are are numbered on, so that the next product stays small.
        there, row = _numbered(row * np.int64(len(values)) + codes)
        names = [known.take(there // len(values)) for known in names] + [values.take(there % len(values))]
    column, strategies = _coded(rows["strategy"])
    shape = (len(names[0]), len(strategies))
    cell = row * np.int64(shape[1]) + column
    scores = rows[metric].to_numpy(dtype=np.float64)
    known = ~np.isnan(scores)
    if not known.all():
        cell, scores = cell[known], scores[known]
    counts = np.bincount(cell, minlength=shape[0] * shape[1])
    sums = np.bincount(cell, weights=scores, minlength=shape[0] * shape[1])
    means = np.divide(sums, counts, out=np.full(len(sums), np.nan), where=counts > 0)
    index = pd.MultiIndex.from_arrays(names, names=CONFIGURATION)
    return pd.DataFrame(means.reshape(shape), index, strategies.rename("strategy"))


def _numbered(codes: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """The different codes, sorted, and the number of each row's among them."""
    size = int(codes.max(initial=-1)) + 1
    if size > 4 * len(codes) + 1_000_000:  # too many to have a place for each
        there, number = np.unique(codes, return_inverse=True)
        return there, number.astype(np.int32)
    present = np.zeros(size, dtype=np.bool_)
    present[codes] = True
    place = np.cumsum(present, dtype=np.int32) - np.int32(1)
    return np.flatnonzero(present), place[codes]


def _coded(texts: pd.Series) -> tuple[NDArray[np.int32], pd.Index]:
    """The number of each row's text among the different ones, sorted, and these."""
    if isinstance(texts.dtype, pd.CategoricalDtype):
        texts = texts.cat.remove_unused_categories()
        order = np.argsort(texts.cat.categories.astype(str).to_numpy(dtype=object), kind="stable")
        place = np.empty(len(order), dtype=np.int32)
        place[order] = np.arange(len(order), dtype=np.int32)
        return place[texts.cat.codes.to_numpy()], pd.Index(texts.cat.categories.astype("str")[order])
    codes, values = pd.factorize(texts, sort=True)
    return codes.astype(np.int32), pd.Index(values)


def labelled(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows whose numbers the newest version decided, with protocols and strategies told apart that share a name.

    A protocol file that was edited, or fields set by hand in two ways, give one name to two protocols: where the
    results of one dataset show it, the fields that differ follow the name. Versions of a strategy follow ``@``.
    """
    # A frame of one's own need not say it; then all rows are of one version.
    newest = frame["numbers"] == frame["numbers"].max() if "numbers" in frame else np.ones(len(frame), dtype=bool)
    rows = frame if newest.all() else frame[newest]
    changed: dict[str, pd.Series] = {}
    versions = rows[["strategy", "strategy_version"]].drop_duplicates()["strategy"].value_counts()
    several = set(versions.index[versions > 1])
    if several:
        name = rows["strategy"].astype("str")
        changed["strategy"] = name.where(~name.isin(several), name + "@" + rows["strategy_version"].astype("str"))
    names = _protocol_names(rows)
    if any(label != pair[0] for pair, label in names.items()):
        # Looked up once for each of the few pairs there are: a big store has millions of rows.
        number = rows.groupby(_PAIR, sort=False, observed=True).ngroup()
        labels = [names[pair] for pair in rows[_PAIR].drop_duplicates().itertuples(index=False, name=None)]
        changed["protocol"] = number.map(dict(enumerate(labels))).astype("str")
    told: pd.DataFrame = rows.assign(**changed)
    return told


def _protocol_names(rows: pd.DataFrame) -> dict[tuple[str, str], str]:
    """What to call each pair of a protocol's name and its fields."""
    few = rows[["protocol_fields", *_NAMED]].drop_duplicates()
    pairs = {pair: json.loads(pair[1]) for pair in zip(few["protocol"], few["protocol_fields"], strict=True)}
    differing: dict[str, set[str]] = {name: set() for name, _ in pairs}
    # Within one dataset only: between datasets a protocol's own exceptions differ.
    for _, group in few.groupby(_NAMED, observed=True):
        name = group["protocol"].iloc[0]
        first, *others = (pairs[name, text] for text in group["protocol_fields"])
        differing[name] |= {key for other in others for key in other if other[key] != first.get(key)}
    return {pair: _protocol_label(pair[0], fields, differing[pair[0]]) for pair, fields in pairs.items()}


def _protocol_label(name: str, fields: dict[str, object], differing: set[str]) -> str:
    settings = ", ".join(f"{key}={format_value(fields[key])}" for key in sorted(differing) if key in fields)
    return f"{name} ({settings})" if settings else name
