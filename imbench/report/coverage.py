"""Coverage: what was trained, what failed, and how training went."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from imbench.scoring.rules import ARGMAX, RULES
from imbench.stats.names import file_name
from imbench.stats.score_table import ScoreTable
from imbench.stats.words import scrub

# Columns that say how training went, where the rows have them: title, what it is.
PROCESS: Mapping[str, tuple[str, str]] = {
    "empty_batches": ("empty batches", "share of batches, before the strategy, without a row of the rarest class"),
    "minority_rows": ("rarest rows", "rows of the rarest class in a batch, before the strategy"),
    "minority_rows_trained": ("rarest trained", "soft labels of the rarest class in a batch, after the strategy"),
    "train_prior[1]": ("trained prior[1]", "share of class 1 in what is trained on; in a binary task the minority's"),
    "fallback_share": (
        "fallback",
        "share of the batches with which the strategy could not do what it is asked to, for want of rows for example",
    ),
    "epochs": ("epochs", "epochs trained, mean over nets"),
    "floor_epoch": (
        "floor epoch",
        "first epoch that began at the learning-rate floor, mean over the nets that got there",
    ),
}

# Folds in which a class that has test rows is never hit, by decision rule.
ZERO_RECALL: Mapping[str, str] = {rule: "zero_recall" if rule == ARGMAX else f"zero_recall@{rule}" for rule in RULES}


def zero_recall_title(rule: str) -> str:
    """The head of the column that counts them."""
    return "zero-recall nets" if rule == ARGMAX else f"zero-recall nets, {rule}"


@dataclass(frozen=True)
class Covered:
    """One strategy in one protocol and task.

    Parameters
    ----------
    done, failed : configurations; ``wanted``: configurations of the task that any strategy has or failed on
    folds : nets trained; ``zero_recall``: those that never hit some class present in their test rows, by decision rule
    process : means of the columns of `PROCESS`, NaN where unknown
    inexact : why correcting for the prior trained towards is an approximation; "" where it is exact or unknown
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
    """A failed job; ``error`` is its whole message, paths cut short."""

    dataset: str
    variant: str
    strategy: str
    protocol: str
    error: str

    @property
    def last_line(self) -> str:
        """The line of a traceback that names the error."""
        return self.error.strip().splitlines()[-1] if self.error.strip() else "no message"


def covered(cells: ScoreTable, rows: pd.DataFrame) -> list[Covered]:
    """Coverage of every strategy of these cells; ``rows`` are those of the same protocol and task."""
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
            cells.protocol,
            cells.task,
            name,
            int(np.count_nonzero(cells.folds[:, i])),
            int(failed.get(name, 0)),
            len(cells.configurations),
            int(cells.folds[:, i].sum()),
            {rule: int(counts.get(name, 0)) for rule, counts in missed.items()},
            {column: float(means.loc[name, column]) for column in known},  # type: ignore[arg-type]
            reasons.get(name, ""),
        )
        for i, name in enumerate(cells.strategies)
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
