"""Verdicts on the paper's claims: whether a strategy is best, and whether a difference has the claimed sign."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imbench.stats.pairwise import holm
from imbench.stats.words import listed, number, p_in_text, span

if TYPE_CHECKING:
    from imbench import Evaluation

HOLDS, PARTLY, FAILS, UNDECIDED = "holds", "holds in rank only", "does not hold", "undecided"
# With missing results.
NO_RESULTS = "not tested"
ALPHA = 0.05

# Average ranks are multiples of ½ divided by the number of blocks, so ranks this close are equal.
_EQUAL = 1e-9


@dataclass(frozen=True)
class Verdict:
    """A verdict in a few words, and its numbers as text."""

    word: str
    statistic: str


def leads(evaluation: Evaluation | None, name: str) -> Verdict:
    """Test the claim that this strategy is better than every other.

    The claim *holds* if the strategy has the best average rank and Wilcoxon's signed-rank test, with Holm's correction
    over all pairs, shows a difference from each other strategy. It *holds in rank only* if the rank is the best but
    not every difference is shown. Otherwise it *does not hold*, and the text names the best strategy and whether the
    two differ. If there are too few blocks for any result to reach the level, it *cannot be decided with N blocks*.
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
            f"cannot be decided with {blocks}", f"average ranks: {mine}{leader}; the smallest possible {least}"
        )
    if float(ranks[name]) - first > _EQUAL:
        shown = "difference shown" if p[best] < evaluation.alpha else "no difference shown"
        text = f"average ranks: {best} {number(first, 2)}, {mine}; {shown} ({p_in_text(p[best])}), {blocks}"
        return Verdict(FAILS, text)
    not_shown = [other for other in others if p[other] >= evaluation.alpha]
    second = others[0]
    relation = "next" if float(ranks[second]) - float(ranks[name]) > _EQUAL else "tied with"
    rank = number(float(ranks[second]), 2)
    text = f"average ranks: {mine}, {relation} {second} {rank} ({p_in_text(p[second])}), {blocks}"
    if not_shown:
        return Verdict(PARTLY, f"{text}; no difference shown from {listed(not_shown)}")
    return Verdict(HOLDS, text)


def _p(evaluation: Evaluation, first: str, second: str) -> float:
    """Wilcoxon's p of this pair after Holm's correction."""
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
    measured : the difference, as text
    sign : 1 if it supports the claim, −1 if it contradicts it, 0 if neither
    p : p-value of the null hypothesis
    """

    where: str
    measured: str
    sign: int
    p: float

    @classmethod
    def of_difference(cls, where: str, what: str, mean: float, low: float, high: float, p: float) -> Evidence:
        """Evidence for a claim that a difference is above 0."""
        between = span(low, high, 3, sign=True)
        text = f"{what} {number(mean, 3, sign=True)}{f' ({between})' if between else ''}, {p_in_text(p)}"
        return cls(where, text, (mean > 0) - (mean < 0), p)


@dataclass(frozen=True)
class Claim:
    """A claim of the paper with its evidence.

    Parameters
    ----------
    text : the claim, a clause
    evidence : one difference for each configuration
    """

    text: str
    evidence: tuple[Evidence, ...]

    @property
    def counts(self) -> tuple[int, int, int]:
        """Configurations that support, contradict and do not decide the claim, at level 0.05 with Holm's correction."""
        corrected = holm([one.p for one in self.evidence])
        found = [one.sign if p <= ALPHA else 0 for one, p in zip(self.evidence, corrected, strict=True)]
        return found.count(1), found.count(-1), found.count(0)

    @property
    def verdict(self) -> str:
        """`HOLDS` if every configuration supports the claim, `FAILS` if one contradicts it, `UNDECIDED` otherwise."""
        support, contradict, undecided = self.counts
        if contradict:
            return FAILS
        return HOLDS if support and not undecided else UNDECIDED

    def __str__(self) -> str:
        support, contradict, undecided = self.counts
        counts = f"configurations: {support} support it, {contradict} contradict it, {undecided} undecided"
        measured = "; ".join(f"{one.where}: {one.measured}" for one in self.evidence) or "no results"
        return f"{self.text}: {self.verdict} ({counts}). {measured}."


def claim_sentences(claims: Sequence[Claim]) -> tuple[str, ...]:
    """Each claim with its verdict and numbers."""
    return tuple(str(claim) for claim in claims)
