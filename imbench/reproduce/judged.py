"""How a claim that one strategy is the best stands up to the tests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from imbench.stats.words import listed, number, p_in_text

if TYPE_CHECKING:
    from imbench.stats.evaluation import Evaluation

HOLDS, PARTLY, FAILS, UNDECIDED = "holds", "holds in rank only", "does not hold", "cannot be said"

# Average ranks are halves over the number of blocks, so this close together they are equal.
_EQUAL = 1e-9


@dataclass(frozen=True)
class Judgement:
    """Whether a strategy leads, in a word, and the numbers in a sentence."""

    word: str
    statistic: str


def leads(evaluation: Evaluation | None, name: str) -> Judgement:
    """Judge that this strategy is better than every other.

    It *holds* if its average rank is the best and Wilcoxon's signed-rank test with Holm's correction over all pairs
    finds a difference from each other strategy, holds *in rank only* if the rank is the best but not every difference
    is shown, and else *does not hold*; the sentence then says what leads and whether the two differ. With so few
    blocks that no result could reach the level it *cannot be decided with N blocks*.
    """
    if evaluation is None or name not in evaluation.average_ranks:
        return Judgement(UNDECIDED, "too few results")
    ranks = evaluation.average_ranks.sort_values(kind="stable")
    blocks = f"{evaluation.n_blocks} blocks"
    others = [str(other) for other in ranks.index if other != name]
    p = {other: _p(evaluation, name, other) for other in others}
    mine = f"{name} {number(float(ranks[name]), 2)}"
    first, best = float(ranks.iloc[0]), str(ranks.index[0])
    if evaluation.undecidable("pairs"):
        leader = "" if float(ranks[name]) - first <= _EQUAL else f", {best} {number(first, 2)}"
        least = p_in_text(evaluation.smallest_p.pairs)
        return Judgement(
            f"cannot be decided with {blocks}", f"average rank of {mine}{leader}; the smallest possible {least}"
        )
    if float(ranks[name]) - first > _EQUAL:
        differ = "they differ" if p[best] < evaluation.alpha else "no difference shown"
        said = f"average rank of {best} {number(first, 2)}, {mine}; {differ} ({p_in_text(p[best])}), {blocks}"
        return Judgement(FAILS, said)
    near = [other for other in others if p[other] >= evaluation.alpha]
    second = others[0]
    beside = "next" if float(ranks[second]) - float(ranks[name]) > _EQUAL else "shared with"
    rank = number(float(ranks[second]), 2)
    said = f"average rank of {mine}, {beside} {second} {rank} ({p_in_text(p[second])}), {blocks}"
    if near:
        return Judgement(PARTLY, f"{said}; no difference shown from {listed(near)}")
    return Judgement(HOLDS, said)


def _p(evaluation: Evaluation, first: str, second: str) -> float:
    """Wilcoxon's p after Holm of these two."""
    pairs = evaluation.wilcoxon
    either = ((pairs["first"] == first) & (pairs["second"] == second)) | (
        (pairs["first"] == second) & (pairs["second"] == first)
    )
    return float(pairs.loc[either, "p_holm"].iloc[0])
