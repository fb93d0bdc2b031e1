"""Verdicts on the claims of the paper: that a strategy leads, and that a difference has the sign the paper gives it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imbench.stats.pairwise import holm
from imbench.stats.words import listed, number, p_in_text, span

if TYPE_CHECKING:
    from imbench import Evaluation

HOLDS, PARTLY, FAILS, UNDECIDED = "holds", "holds in rank only", "does not hold", "undecided"
# Where results are missing.
NO_RESULTS = "cannot be said"
ALPHA = 0.05

# Average ranks are halves over the number of blocks, so this close together they are equal.
_EQUAL = 1e-9


@dataclass(frozen=True)
class Verdict:
    """Whether a strategy leads, in a word, and the numbers in a sentence."""

    word: str
    statistic: str


def leads(evaluation: Evaluation | None, name: str) -> Verdict:
    """Test the claim that this strategy is better than every other.

    It *holds* if its average rank is the best and Wilcoxon's signed-rank test with Holm's correction over all pairs
    finds a difference from each other strategy, holds *in rank only* if the rank is the best but not every difference
    is shown, and else *does not hold*; the sentence then says what leads and whether the two differ. With so few
    blocks that no result could reach the level it *cannot be decided with N blocks*.
    """
    if evaluation is None or name not in evaluation.average_ranks:
        return Verdict(NO_RESULTS, "too few results")
    ranks = evaluation.average_ranks.sort_values(kind="stable")
    blocks = f"{evaluation.n_blocks} blocks"
    others = [str(other) for other in ranks.index if other != name]
    p = {other: _p(evaluation, name, other) for other in others}
    mine = f"{name} {number(float(ranks[name]), 2)}"
    first, best = float(ranks.iloc[0]), str(ranks.index[0])
    if evaluation.undecidable("pairs"):
        leader = "" if float(ranks[name]) - first <= _EQUAL else f", {best} {number(first, 2)}"
        least = p_in_text(evaluation.smallest_p.pairs)
        return Verdict(
            f"cannot be decided with {blocks}", f"average rank of {mine}{leader}; the smallest possible {least}"
        )
    if float(ranks[name]) - first > _EQUAL:
        differ = "they differ" if p[best] < evaluation.alpha else "no difference shown"
        text = f"average rank of {best} {number(first, 2)}, {mine}; {differ} ({p_in_text(p[best])}), {blocks}"
        return Verdict(FAILS, text)
    near = [other for other in others if p[other] >= evaluation.alpha]
    second = others[0]
    beside = "next" if float(ranks[second]) - float(ranks[name]) > _EQUAL else "shared with"
    rank = number(float(ranks[second]), 2)
    text = f"average rank of {mine}, {beside} {second} {rank} ({p_in_text(p[second])}), {blocks}"
    if near:
        return Verdict(PARTLY, f"{text}; no difference shown from {listed(near)}")
    return Verdict(HOLDS, text)


def _p(evaluation: Evaluation, first: str, second: str) -> float:
    """Wilcoxon's p after Holm of these two."""
    pairs = evaluation.wilcoxon
    either = ((pairs["first"] == first) & (pairs["second"] == second)) | (
        (pairs["first"] == second) & (pairs["second"] == first)
    )
    return float(pairs.loc[either, "p_holm"].iloc[0])


@dataclass(frozen=True)
class Evidence:
    """One measured difference.

    Parameters
    ----------
    where : the configuration
    measured : the difference, in words
    sign : 1 where it points the way of the claim, −1 where it points the other way, 0 where it points nowhere
    p : of the hypothesis that there is nothing in it
    """

    where: str
    measured: str
    sign: int
    p: float

    @classmethod
    def of_difference(cls, where: str, what: str, mean: float, low: float, high: float, p: float) -> Evidence:
        """A difference of which the claim is that it is above 0."""
        between = span(low, high, 3, sign=True)
        text = f"{what} {number(mean, 3, sign=True)}{f' ({between})' if between else ''}, {p_in_text(p)}"
        return cls(where, text, (mean > 0) - (mean < 0), p)


@dataclass(frozen=True)
class Claim:
    """A sentence of the paper and what was measured for it.

    Parameters
    ----------
    text : the claim, a clause
    evidence : each with its own configuration
    """

    text: str
    evidence: tuple[Evidence, ...]

    @property
    def counts(self) -> tuple[int, int, int]:
        """Configurations where it is as said, the opposite, and neither, at level 0.05 with Holm's correction."""
        corrected = holm([one.p for one in self.evidence])
        found = [one.sign if p <= ALPHA else 0 for one, p in zip(self.evidence, corrected, strict=True)]
        return found.count(1), found.count(-1), found.count(0)

    @property
    def verdict(self) -> str:
        """`HOLDS` where every configuration is as said, `FAILS` where one is the opposite, else `UNDECIDED`."""
        as_said, opposite, neither = self.counts
        if opposite:
            return FAILS
        return HOLDS if as_said and not neither else UNDECIDED

    def __str__(self) -> str:
        as_said, opposite, neither = self.counts
        counted = f"{as_said} as said, {opposite} the opposite, {neither} undecided"
        measured = "; ".join(f"{one.where}: {one.measured}" for one in self.evidence) or "nothing was measured"
        return f"{self.text}: {self.verdict} ({counted}). {measured}."


def claim_sentences(claims: Sequence[Claim]) -> tuple[str, ...]:
    """Each claim with its verdict and numbers."""
    return tuple(str(claim) for claim in claims)
