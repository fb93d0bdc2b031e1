"""The claims of the paper's abstract, each with the paper's numbers, ours, and the statistic."""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from imbench.reproduce.claim_tests import (
    AGAIN,
    EQUIVALENT,
    OWN_PAIRS,
    REMIX,
    WITHOUT,
    by_configurations,
    by_datasets,
    further_tests,
)
from imbench.reproduce.context import IMAGE, TABULAR, basis_of
from imbench.reproduce.paper_item import Numbers, PaperItem
from imbench.reproduce.printed import TABLE2
from imbench.reproduce.second_baseline import REASON, train_second_baseline
from imbench.reproduce.table2 import claim_basis, evaluated, with_second
from imbench.reproduce.verdicts import CONTRADICTED, NO_RESULTS, SUPPORTED, UNDECIDED
from imbench.stats.words import number

if TYPE_CHECKING:
    from imbench import Results
    from imbench.reproduce.context import ReproductionContext
    from imbench.stats.board import Board

_WORDING = {
    "gmean": "generally outperforms the alternatives by g-mean",
    "bbs": "is better calibrated by the balanced Brier score",
}


@dataclass(frozen=True)
class Claim:
    """One claim: nets, task, metric, and the numbers that the paper shows for it."""

    nets: str
    task: str
    metric: str
    paper: str

    @property
    def text(self) -> str:
        """The claim in words."""
        return f"{self.nets}, {self.task}: ReMix {_WORDING[self.metric]}"


def _tabular(task: str, metric: str) -> Claim:
    sums = TABLE2[task, metric]
    others = min(total for name, total in sums.items() if name != REMIX)
    return Claim("Dense nets", task, metric, f"rank sum {sums[REMIX]}, next {others}")


# The abstract makes the claim for dense nets and CNNs, and for g-mean and balanced Brier score.
DENSE = tuple(_tabular(task, metric) for task, metric in TABLE2)
CNN = tuple(
    Claim("CNNs", task, metric, "Figure 6: ahead of MixUp, cost adjustment and SMOTE; behind ReMix-Aug and Augment")
    for task, metric in TABLE2
)


def claims(context: ReproductionContext) -> PaperItem:
    """The table of verdicts: dense nets on the tabular configurations, CNNs on images."""
    tabular = context.train(TABULAR, suite="tabular")
    return claims_of(tabular, context.train_images(IMAGE), train_second_baseline(context, tabular))


def claims_of(tabular: Results, images: Results, second: Results | None = None) -> PaperItem:
    """The item for these results.

    Parameters
    ----------
    second : results of a second baseline on the tabular configurations; None leaves its columns untested
    """
    frame = pd.DataFrame([*_rows(DENSE, tabular, second), *_rows(CNN, images, None)])
    return PaperItem(
        name="claims",
        title="The claims of the abstract",
        printed=(
            "Dense nets and CNNs trained with ReMix generally outperform the alternatives by g-mean and are better "
            "calibrated by the balanced Brier score.",
            "The introduction claims equivalent or better predictive performance, and better calibration, than models "
            "trained with traditional resampling and cost-adjustment methods.",
            REASON,
        ),
        found=(
            f"{_counts(frame['verdict'])}. Each claim compares ReMix with baseline, cost-adjusted, batch-SMOTE and "
            "MixUp over configurations, as in the paper.",
            f"ReMix is equivalent or better: {_counts(frame[EQUIVALENT])}.",
            f"Without cost-adjusted: {_counts(frame[WITHOUT])}. With a second baseline in its place: "
            f"{_counts(frame[AGAIN])}.",
            *(_sentence(row) for row in frame.to_dict("records")),
        ),
        tables=(
            Numbers(
                "claims",
                "Each claim: the paper's numbers, ours, and the verdicts",
                frame,
                columns=(
                    "claim",
                    "paper",
                    "ours",
                    "verdict",
                    EQUIVALENT,
                    "margin",
                    WITHOUT,
                    AGAIN,
                    "smallest p",
                    "by datasets",
                ),
            ),
            Numbers("tests", "The tests behind the verdicts", _tests(frame)),
        ),
        basis=(*basis_of(tabular), *basis_of(images), *claim_basis()),
    )


def _counts(verdicts: pd.Series[str]) -> str:
    """How many claims have each verdict: ``1 of 8 supported, 7 undecided, 0 contradicted``."""
    counts = [f"{int((verdicts == word).sum())} {word}" for word in (SUPPORTED, UNDECIDED, CONTRADICTED)]
    missing = int((verdicts == NO_RESULTS).sum())
    return ", ".join([*counts, *([f"{missing} {NO_RESULTS}"] if missing else [])])


def _rows(claimed: Sequence[Claim], results: Results, second: Results | None) -> list[dict[str, Any]]:
    """A row for each claim, tested among the strategies of Table 2."""
    among = dataclasses.replace(results, rows=results.rows[results.rows["strategy"].isin(TABULAR)])
    columns = evaluated(among)
    again = with_second(columns, second)
    return [_row(claim, *(boards.get((claim.task, claim.metric)) for boards in (columns, again))) for claim in claimed]


def _row(claim: Claim, board: Board | None, again: Board | None) -> dict[str, Any]:
    verdict = by_configurations(board)
    return {
        "claim": claim.text,
        "paper": claim.paper,
        "ours": _ours(board),
        "verdict": verdict.word,
        "statistic": verdict.statistic,
        "by datasets": by_datasets(board).word,
        **further_tests(board, again, claim.metric),
    }


# What each column of verdicts tests, besides the claim as it stands.
_FURTHER = {
    OWN_PAIRS: "Holm's correction over ReMix's pairs only",
    EQUIVALENT: "equivalent or better",
    WITHOUT: "without cost-adjusted",
    AGAIN: "with a second baseline in place of cost-adjusted",
    f"{AGAIN}, {EQUIVALENT}": "equivalent or better, with a second baseline",
}


def _sentence(row: Mapping[Hashable, Any]) -> str:
    """The verdict of one claim with its numbers, and the tests that give another verdict."""
    found = f"{row['claim']}: {row['verdict']} ({row['statistic']})."
    margin = f", margin {row['margin']:g}"
    others = [
        f"{words}{margin if EQUIVALENT in name else ''}: {row[name]}"
        for name, words in _FURTHER.items()
        if row[name] not in (row["verdict"], NO_RESULTS)
    ]
    return f"{found} Other tests differ: {'; '.join(others)}." if others else found


def _tests(frame: pd.DataFrame) -> pd.DataFrame:
    """A row for each claim and test: its verdict and numbers."""
    rows = []
    for row in frame.to_dict("records"):
        rows.append(
            {"claim": row["claim"], "test": "the claim", "verdict": row["verdict"], "numbers": row["statistic"]}
        )
        rows += [
            {"claim": row["claim"], "test": words, "verdict": row[name], "numbers": row[f"{name}: numbers"]}
            for name, words in _FURTHER.items()
            if row[name] != NO_RESULTS
        ]
    return pd.DataFrame(rows)


def _ours(board: Board | None) -> str:
    if board is None or isinstance(board.evaluation, str) or REMIX not in board.names:
        return "no results"
    sums = board.evaluation.rank_sums
    others = sums.drop(REMIX)
    return f"rank sum {number(float(sums[REMIX]), 1)}, {others.idxmin()} {number(float(others.min()), 1)}"
