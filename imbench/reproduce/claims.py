"""The claims of the paper's abstract, each with the paper's numbers, ours, and the statistic."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from imbench.reproduce.context import IMAGE, TABULAR, basis_of
from imbench.reproduce.paper_item import Numbers, PaperItem
from imbench.reproduce.printed import TABLE2
from imbench.reproduce.table2 import REMIX, evaluated
from imbench.reproduce.verdicts import HOLDS, NO_RESULTS, leads
from imbench.stats.words import number

if TYPE_CHECKING:
    from imbench import Results
    from imbench.reproduce.context import ReproductionContext
    from imbench.stats.block_analyses import BlockAnalyses

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
    return claims_of(context.train(TABULAR, suite="tabular"), context.train_images(IMAGE))


def claims_of(tabular: Results, images: Results) -> PaperItem:
    """The item for these results."""
    frame = pd.DataFrame([*_verdicts(DENSE, tabular, TABULAR), *_verdicts(CNN, images, TABULAR)])
    held = int((frame["verdict"] == HOLDS).sum())
    return PaperItem(
        name="claims",
        title="The claims of the abstract",
        printed=(
            "Dense nets and CNNs trained with ReMix generally outperform the alternatives by g-mean and are better "
            "calibrated by the balanced Brier score.",
        ),
        found=(
            f"{held} of {len(frame)} claims hold, both by average rank and by the tests. Each compares ReMix with "
            "baseline, cost-adjusted, batch-SMOTE and MixUp over configurations, as in the paper.",
            *(f"{row['claim']}: {row['verdict']} ({row['statistic']})." for row in frame.to_dict("records")),
        ),
        tables=(Numbers("claims", "Each claim: the paper's numbers, ours, and the statistic", frame),),
        basis=(*basis_of(tabular), *basis_of(images)),
    )


def _verdicts(claimed: Sequence[Claim], results: Results, strategies: Sequence[str]) -> list[dict[str, str]]:
    """A row for each claim, tested among these strategies."""
    among = dataclasses.replace(results, rows=results.rows[results.rows["strategy"].isin(strategies)])
    columns = evaluated(among)
    return [_row(claim, columns.get((claim.task, claim.metric))) for claim in claimed]


def _row(claim: Claim, levels: BlockAnalyses | None) -> dict[str, str]:
    verdict = leads(levels.configurations if levels else None, REMIX)
    by_dataset = leads(levels.datasets if levels else None, REMIX)
    return {
        "claim": claim.text,
        "paper": claim.paper,
        "ours": _ours(levels),
        "verdict": verdict.word,
        "statistic": verdict.statistic,
        "by datasets": "too few datasets"
        if by_dataset.word == NO_RESULTS
        else by_dataset.word.replace("blocks", "datasets"),
    }


def _ours(levels: BlockAnalyses | None) -> str:
    if levels is None or levels.configurations is None:
        return "no results"
    sums = levels.configurations.rank_sums
    others = sums.drop(REMIX)
    return f"rank sum {number(float(sums[REMIX]), 1)}, {others.idxmin()} {number(float(others.min()), 1)}"
