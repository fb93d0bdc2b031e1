"""Coverage: jobs done and failed, and how training went."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from imbench.scoring.rules import ARGMAX, RULES
from imbench.stats.names import file_name
from imbench.stats.score_table import ScoreTable
from imbench.stats.words import scrub

# Columns about the course of training, if the rows have them: title, definition.
PROCESS: Mapping[str, tuple[str, str]] = {
    "empty_batches": ("empty batches", "Share of mini-batches without a row of the rarest class, before rebalancing"),
    "minority_rows": ("rarest class", "Rows of the rarest class per mini-batch, before rebalancing"),
    "minority_rows_trained": (
        "rarest class trained",
        "Sum of the rarest class's soft labels per mini-batch, after rebalancing",
    ),
    "train_prior[1]": (
        "trained prior[1]",
        "Share of class 1 in the rebalanced data; in a binary task class 1 is the minority",
    ),
    "fallback_share": (
        "fallback",
        "Share of mini-batches that the strategy could not rebalance, for example because of too few minority rows",
    ),
    "epochs": ("epochs", "Epochs trained, mean over nets"),
    "floor_epoch": (
        "floor epoch",
        "First epoch at the smallest learning rate, mean over the nets that reached it",
    ),
}

# Counts classes whose test rows are all misclassified, by decision rule.
ZERO_RECALL: Mapping[str, str] = {rule: "zero_recall" if rule == ARGMAX else f"zero_recall@{rule}" for rule in RULES}


# The columns of the rows that `covered` reads.
READ_BY_COVERAGE = frozenset({"strategy", "error", "key", "prior_inexact", *ZERO_RECALL.values(), *PROCESS})


def zero_recall_title(rule: str) -> str:
    """The title of the column that counts nets with a recall of zero."""
    return "nets that miss a class" if rule == ARGMAX else f"nets that miss a class, {rule}"


@dataclass(frozen=True)
class Covered:
    """One strategy in one protocol and task.

    Parameters
    ----------
    done, failed : configurations; ``wanted``: configurations of the task with a job of any strategy
    folds : nets trained; ``zero_recall``: those that miss all test rows of some class, by decision rule
    process : means of the columns of `PROCESS`, NaN where unknown
    inexact : why ``prior-corrected`` is an approximation; "" if it is exact or unknown
    """

    protocol: str
    task: str
    strategy: str
    done: int
    failed: int
    wanted: int
    folds: int
    zero_recall: Mapping[str, int]
    process: Mapping[str, float]
    inexact: str = ""


@dataclass(frozen=True)
class Failure:
    """A failed job; ``error`` is the whole message, with paths shortened."""

    dataset: str
    variant: str
    strategy: str
    protocol: str
    error: str

    @property
    def last_line(self) -> str:
        """The last line of the message, which in a traceback names the error."""
        return self.error.strip().splitlines()[-1] if self.error.strip() else "no message"


def covered(scores: ScoreTable, rows: pd.DataFrame) -> list[Covered]:
    """Coverage of every strategy in a score table; ``rows``: `READ_BY_COVERAGE` of the same protocol and task."""
    failed = rows[rows["error"] != ""].drop_duplicates("key")["strategy"].value_counts()
    strategy = rows["strategy"]
    missed = {
        rule: (rows[column].fillna(0) > 0).groupby(strategy, observed=True).sum()
        for rule, column in ZERO_RECALL.items()
        if column in rows and rows[column].notna().any()
    }
    known = [name for name in PROCESS if name in rows]
    means = rows.groupby(strategy, observed=True)[known].mean()
    reasons = _reasons(rows)
    return [
        Covered(
            scores.protocol,
            scores.task,
            name,
            int(np.count_nonzero(scores.folds[:, i])),
            int(failed.get(name, 0)),
            len(scores.configurations),
            int(scores.folds[:, i].sum()),
            {rule: int(counts.get(name, 0)) for rule, counts in missed.items()},
            {column: float(means.loc[name, column]) for column in known},  # type: ignore[arg-type]
            reasons.get(name, ""),
        )
        for i, name in enumerate(scores.strategies)
    ]


def _reasons(rows: pd.DataFrame) -> dict[str, str]:
    if "prior_inexact" not in rows:
        return {}
    pairs = rows[["strategy", "prior_inexact"]].dropna().drop_duplicates().itertuples(index=False, name=None)
    found: dict[str, list[str]] = {}
    for strategy, reason in sorted(pairs):
        found.setdefault(strategy, []).extend([reason] if reason else [])
    return {strategy: "; ".join(reasons) for strategy, reasons in found.items()}


def failures(rows: pd.DataFrame) -> list[Failure]:
    """The failed jobs of these rows."""
    failed = rows[rows["error"] != ""].drop_duplicates("key")
    return [
        Failure(file_name(dataset), variant, strategy, protocol, scrub(error))
        for dataset, variant, strategy, protocol, error in failed[
            ["dataset", "variant", "strategy", "protocol", "error"]
        ].itertuples(index=False, name=None)
    ]
