"""Our choice against the alternative of one decision: paired differences, and which strategy has the best mean."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from imbench import corrected_t
from imbench.scoring.metrics import METRICS
from imbench.stats.board import merit
from imbench.stats.intervals import clip_interval, student_interval
from imbench.stats.pairwise import holm
from imbench.stats.ranks import TRAINED
from imbench.stats.within import tested_share
from imbench.stats.words import counted, number, span

SCORES = ("gmean", "bbs")
LEADER = "remix"
ALPHA = 0.05
_FOLD = ["repeat", "fold"]
_COLUMNS = ["decision", "configuration", "strategy", "metric", "folds", "ours", "other", "difference", "low", "high"]
_ALL = [*_COLUMNS, "error", "p", "p_holm", "leads", "leads_other"]
# The baseline, the runner-up of the paper's Table 2, and the paper's method.
RIVALS = ("baseline", "batch-smote", "remix")
_CALLED = {LEADER: "ReMix"}


@dataclass(frozen=True)
class Decision:
    """A decision that the paper leaves open, or on which its text and its authors' code differ.

    Parameters
    ----------
    name, title : name in files and title on the page
    paper, code, ours : the choice of the paper, of its authors' code, and of imbench
    other : the alternative that our choice is compared with
    configurations : specs of datasets; at least three
    settings : protocol fields of the alternative
    swapped : strategies of the alternative, by the strategy that each replaces
    strategies : strategies to compare
    changes : the strategy whose differences are summarised; ReMix is compared with the others either way
    """

    name: str
    title: str
    paper: str
    code: str
    ours: str
    other: str
    configurations: tuple[str, ...]
    settings: Mapping[str, str] = field(default_factory=dict)
    swapped: Mapping[str, str] = field(default_factory=dict)
    strategies: tuple[str, ...] = RIVALS
    changes: str = LEADER


@dataclass(frozen=True, eq=False)
class Pairing:
    """Results on one configuration under our choice and under the alternative.

    Parameters
    ----------
    decision, configuration : names of the decision and the configuration
    ours, other : per-fold rows; a strategy without rows in ``other`` is the same in both
    """

    decision: str
    configuration: str
    ours: pd.DataFrame
    other: pd.DataFrame


def differences(pairings: Sequence[Pairing]) -> pd.DataFrame:
    """Compare the alternatives with our choices, over the folds that both have.

    Returns
    -------
    A row for each pairing, strategy that differs, and metric: ``ours`` and ``other``, the means over folds; their
    ``difference`` other − ours with its interval ``low`` to ``high``, standard ``error`` and ``p`` by `corrected_t`;
    ``p_holm`` over the configurations and strategies of a decision and metric; and whether ReMix has the best mean of
    all strategies under our choice (``leads``) and under the alternative (``leads_other``).
    """
    found = [row for pairing in pairings for metric in SCORES for row in _of(pairing, metric)]
    table = pd.DataFrame(found, columns=_ALL)
    for _, rows in table.groupby(["decision", "metric"]):
        tested = rows.index[rows["p"].notna()]
        table.loc[tested, "p_holm"] = holm(table.loc[tested, "p"].to_numpy())
    return table


def summary(decisions: Sequence[Decision], table: pd.DataFrame) -> pd.DataFrame:
    """A row for each decision: the choices, and the strategy that changes with its mean differences."""
    return pd.DataFrame([_line(decision, table) for decision in decisions])


def described(decision: Decision, table: pd.DataFrame) -> str:
    """The decision's outcome in a sentence."""
    line = _line(decision, table)
    return (
        f"{decision.title}, {decision.other} instead of {decision.ours}: "
        f"{_CALLED.get(decision.changes, decision.changes)}'s mean g-mean changes by {line['g-mean']}, its mean BBS by "
        f"{line['BBS']}. {line['verdict']}"
    )


def floors(rows: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Epochs at which nets reach the minimum learning rate, from per-fold rows.

    Returns
    -------
    A row for each configuration and strategy: the number of ``nets``, the share that ``reached`` the minimum, their
    ``median_epoch`` with quartiles ``from_epoch`` and ``to_epoch``, and ``epochs``, the mean number of trained epochs.
    """
    found: list[dict[str, Any]] = []
    for frame in rows:
        frame = frame.assign(configuration=frame["dataset"] + ":" + frame["variant"])
        for (configuration, strategy), group in frame.groupby(["configuration", "strategy"], sort=False):
            reached = group["floor_epoch"].dropna().to_numpy(dtype=np.float64)
            low, middle, high = np.quantile(reached, [0.25, 0.5, 0.75]) if len(reached) else [math.nan] * 3
            found.append(
                {"configuration": configuration, "strategy": strategy, "nets": len(group)}
                | {"reached": len(reached) / len(group), "median_epoch": middle, "from_epoch": low, "to_epoch": high}
                | {"epochs": group["epochs"].mean()}
            )
    columns = ["configuration", "strategy", "nets", "reached", "median_epoch", "from_epoch", "to_epoch", "epochs"]
    return pd.DataFrame(found, columns=columns)


def _of(pairing: Pairing, metric: str) -> list[dict[str, Any]]:
    ours, other = _by_strategy(pairing.ours, metric), _by_strategy(pairing.other, metric)
    share = tested_share(pairing.ours)
    leads = [_leads(scores, metric) for scores in (ours, {**ours, **other})]
    rows = []
    for strategy in (name for name in ours if name in other):
        one, two = ours[strategy].align(other[strategy], join="inner")
        gap = (two - one).dropna()
        row: dict[str, Any] = {
            "decision": pairing.decision,
            "configuration": pairing.configuration,
            "strategy": strategy,
        }
        row |= {"metric": metric, "folds": len(gap), "ours": one.mean(), "other": two.mean(), "difference": gap.mean()}
        test = corrected_t(gap.to_numpy(), share, ALPHA) if len(gap) > 1 else None
        names = {"low": "low", "high": "high", "error": "error", "p": "pvalue"}
        row |= {name: math.nan if test is None else getattr(test, of) for name, of in names.items()}
        row["low"], row["high"] = clip_interval((row["low"], row["high"]), METRICS[metric].difference_bounds)
        rows.append(row | {"p_holm": math.nan, "leads": leads[0], "leads_other": leads[1]})
    return rows


def _by_strategy(rows: pd.DataFrame, metric: str) -> dict[str, pd.Series[float]]:
    """The scores of each strategy by fold, without failed folds."""
    kept = rows[rows["error"] == ""]
    return {str(name): group.set_index(_FOLD)[metric].sort_index() for name, group in kept.groupby("strategy")}


def _leads(scores: Mapping[str, pd.Series[float]], metric: str) -> bool:
    """Whether ReMix has the best mean, alone or tied."""
    if LEADER not in scores:
        return False
    means = {name: float(merit(METRICS[metric], np.array(values.mean()))) for name, values in scores.items()}
    return means[LEADER] >= max(means.values()) - TRAINED.absolute


def _line(decision: Decision, table: pd.DataFrame) -> dict[str, Any]:
    rows = table[(table["decision"] == decision.name) & (table["strategy"] == decision.changes)]
    measured = {
        title: _mean_difference(rows[rows["metric"] == metric])
        for metric, title in zip(SCORES, ("g-mean", "BBS"), strict=True)
    }
    return {
        "decision": decision.title,
        "the paper": decision.paper,
        "the authors' code": decision.code,
        "ours": decision.ours,
        "compared with": decision.other,
        "configurations": rows["configuration"].nunique(),
        **measured,
        "strategy": decision.changes,
        "verdict": _verdict(rows),
    }


def _mean_difference(rows: pd.DataFrame) -> str:
    """The mean over configurations with its interval, which is valid for these configurations only."""
    mean = float(rows["difference"].mean()) if len(rows) else math.nan
    # Folds of different configurations share no rows; the degrees of freedom are those of one configuration.
    error = float(np.sqrt((rows["error"] ** 2).sum(skipna=False))) / max(len(rows), 1)
    bounds = METRICS[rows["metric"].iloc[0]].difference_bounds if len(rows) else (-math.inf, math.inf)
    freedom = rows["folds"].min() - 1 if len(rows) else math.nan
    between = span(*student_interval(mean, error, freedom, ALPHA, bounds), 4, sign=True)
    return f"{number(mean, 4, sign=True)}{f' ({between})' if between else ''}"


def _verdict(changed: pd.DataFrame) -> str:
    """Where a difference is shown, and where ReMix has the best mean, from the rows of the strategy that changes."""
    by_metric = {title: changed[changed["metric"] == m] for m, title in zip(SCORES, ("g-mean", "BBS"), strict=True)}
    sentences = []
    for title, rows in by_metric.items():
        shown = int((rows["p_holm"] <= ALPHA).sum())
        largest = number(float(rows["difference"].abs().max()), 3) if len(rows) else "–"
        sentences.append(
            f"A difference in {title} is shown on {shown} of {counted(len(rows), 'configuration')} "
            f"(largest difference: {largest})."
        )
    for title, rows in by_metric.items():
        sentences.append(
            f"ReMix has the best mean {title} on {int(rows['leads'].sum())} of {len(rows)} with our choice and on "
            f"{int(rows['leads_other'].sum())} with the alternative."
        )
    return " ".join(sentences)
