"""What the paper says of a figure, judged by number: it holds, it does not hold, or it is undecided."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from imbench.stats.pairwise import holm
from imbench.stats.words import number, p_in_text, span

HOLDS, FAILS, UNDECIDED = "holds", "does not hold", "undecided"
ALPHA = 0.05


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
    """A sentence of the paper and what was measured of it.

    Parameters
    ----------
    said : the claim, a clause
    evidence : each with its own configuration
    """

    said: str
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
        measured = "; ".join(f"{one.where}: {one.measured}" for one in self.evidence) or "nothing to judge by"
        return f"{self.said}: {self.verdict} ({counted}). {measured}."


def judged_sentences(claims: Sequence[Claim]) -> tuple[str, ...]:
    """Each claim with its verdict and numbers."""
    return tuple(str(claim) for claim in claims)
