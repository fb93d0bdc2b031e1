"""How a claim that one strategy is the best stands up to the tests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from imbench.study.ranks import TIE
from imbench.study.words import listed, number, p_said

if TYPE_CHECKING:
    from imbench.study.evaluation import Evaluation

HOLDS, PARTLY, FAILS, UNDECIDED = "holds", "holds in rank only", "does not hold", "cannot be said"


@dataclass(frozen=True)
class Judgement:
    """Whether a strategy leads, in a word, and the numbers in a sentence."""

    word: str
    statistic: str


def leads(evaluation: Evaluation | None, name: str) -> Judgement:
    """Judge that this strategy is better than every other.

    It *holds* if its average rank is the best and Wilcoxon's signed-rank test with Holm's correction over all pairs
    tells it apart from each other strategy, holds *in rank only* if the rank is the best but some are not told apart,
    and else *does not hold*; the sentence then says what leads and whether the two are told apart.
    """
    if evaluation is None or name not in evaluation.average_ranks:
        return Judgement(UNDECIDED, "too few results")
    ranks = evaluation.average_ranks.sort_values(kind="stable")
    blocks = f"{evaluation.n_blocks} blocks"
    others = [str(other) for other in ranks.index if other != name]
    p = {other: _p(evaluation, name, other) for other in others}
    mine = f"{name} {number(float(ranks[name]), 2)}"
    if float(ranks[name]) - float(ranks.iloc[0]) > TIE:
        best = str(ranks.index[0])
        apart = "told apart" if p[best] < evaluation.alpha else "not told apart"
        told = (
            f"average rank of {best} {number(float(ranks.iloc[0]), 2)}, {mine}; {apart} ({p_said(p[best])}), {blocks}"
        )
        return Judgement(FAILS, told)
    near = [other for other in others if p[other] >= evaluation.alpha]
    second = others[0]
    beside = "next" if float(ranks[second]) - float(ranks[name]) > TIE else "shared with"
    rank = number(float(ranks[second]), 2)
    told = f"average rank of {mine}, {beside} {second} {rank} ({p_said(p[second])}), {blocks}"
    if near:
        return Judgement(PARTLY, f"{told}; not told apart from {listed(near)}")
    return Judgement(HOLDS, told)


def _p(evaluation: Evaluation, first: str, second: str) -> float:
    """Wilcoxon's p after Holm of these two."""
    pairs = evaluation.wilcoxon
    either = ((pairs["first"] == first) & (pairs["second"] == second)) | (
        (pairs["first"] == second) & (pairs["second"] == first)
    )
    return float(pairs.loc[either, "p_holm"].iloc[0])
