"""Verdicts on the paper's claims, in three words: supported, undecided, contradicted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from imbench.stats.pairwise import holm
from imbench.stats.smallest_p import smallest_p
from imbench.stats.words import counted, listed, number, p_in_text, span

if TYPE_CHECKING:
    from imbench import Evaluation

SUPPORTED, UNDECIDED, CONTRADICTED = "supported", "undecided", "contradicted"
# With missing results.
NO_RESULTS = "not tested"
ALPHA = 0.05
# A smaller difference between two strategies counts as none. The paper states no margin for “equivalent”; these are
# about a sixth of ReMix's mean gain over the baseline on binary data (0.112 in g-mean, 0.068 in BBS).
MARGINS = {"gmean": 0.02, "bbs": 0.01}

# Average ranks are multiples of ½ divided by the number of blocks, so ranks this close are equal.
_EQUAL = 1e-9


def verdict_of(signs: Iterable[int]) -> str:
    """The verdict on a claim that consists of several differences.

    Parameters
    ----------
    signs : for each difference 1 if a test shows what the claim says, −1 if a test shows the opposite, else 0

    >>> verdict_of([1, 1]), verdict_of([1, 0]), verdict_of([1, 0, -1])
    ('supported', 'undecided', 'contradicted')
    """
    known = set(signs)
    return CONTRADICTED if -1 in known else SUPPORTED if known == {1} else UNDECIDED


@dataclass(frozen=True)
class Verdict:
    """A verdict on the claim that one strategy is better than every other.

    Parameters
    ----------
    word : `SUPPORTED`, `UNDECIDED` or `CONTRADICTED`; `NO_RESULTS` without results
    statistic : ranks, p-values and number of blocks as text
    smallest_pair, smallest_p : the smallest p-value that so many blocks can reach: of one pair alone, and after Holm's
        correction over all pairs; NaN without results
    """

    word: str
    statistic: str
    smallest_pair: float = float("nan")
    smallest_p: float = float("nan")


def better_than_all(evaluation: Evaluation | str, name: str, *, own_pairs: bool = False) -> Verdict:
    """Test the claim that this strategy is better than every other.

    Wilcoxon's signed-rank test compares it with each other strategy, with Holm's correction over all pairs of
    strategies. The claim is *supported* if the test shows that the strategy is better than each other one,
    *contradicted* if the test shows that another one is better, and *undecided* otherwise. With so few blocks that no
    p-value can be small enough, it is always undecided.

    Parameters
    ----------
    evaluation : the tests, or the reason why there are none
    own_pairs : correct over this strategy's own pairs instead of all pairs
    """
    if isinstance(evaluation, str) or name not in evaluation.average_ranks:
        return Verdict(NO_RESULTS, "too few results")
    pairs = _pairs_of(evaluation, name)
    p = dict(zip(pairs.index, holm(pairs["p"]) if own_pairs else pairs["p_holm"], strict=True))
    signs = {other: int(np.sign(pairs.loc[other, "effect"])) * (p[other] < evaluation.alpha) for other in pairs.index}
    parts = [_ranks(evaluation, name, pairs.index[0])]
    for sign, words in ((1, "better than"), (-1, "worse than"), (0, "no difference shown from")):
        named = [f"{other} ({p_in_text(p[other])})" for other in pairs.index if signs[other] == sign]
        parts += [f"{words} {listed(named)}"] if named else []
    smallest = evaluation.smallest_p.control if own_pairs else evaluation.smallest_p.pairs
    blocks = evaluation.n_blocks
    parts.append(f"{counted(blocks, 'block')}, smallest possible {p_in_text(smallest)}")
    return Verdict(verdict_of(signs.values()), "; ".join(parts), smallest_p(blocks, 2).pairs, smallest)


def _pairs_of(evaluation: Evaluation, name: str) -> pd.DataFrame:
    """The tests of a strategy against each other one, best average rank first; a positive effect is in its favour."""
    pairs = evaluation.wilcoxon
    first, second = pairs[pairs["first"] == name], pairs[pairs["second"] == name]
    found = pd.concat([first.set_index("second"), second.assign(effect=-second["effect"]).set_index("first")], axis=0)[
        ["p", "p_holm", "effect"]
    ]
    order = evaluation.average_ranks.drop(name).sort_values(kind="stable").index
    return found.loc[order]


def _ranks(evaluation: Evaluation, name: str, best: str) -> str:
    """The average rank of a strategy and of the best other one."""
    mine, other = (float(evaluation.average_ranks[one]) for one in (name, best))
    relation = "tied with" if abs(other - mine) <= _EQUAL else "next" if mine < other else "best"
    return f"average ranks: {name} {number(mine, 2)}, {relation} {best} {number(other, 2)}"


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
        found = self._signs
        return found.count(1), found.count(-1), found.count(0)

    @property
    def _signs(self) -> list[int]:
        corrected = holm([one.p for one in self.evidence])
        return [one.sign if p <= ALPHA else 0 for one, p in zip(self.evidence, corrected, strict=True)]

    @property
    def verdict(self) -> str:
        """`SUPPORTED` if all configurations support the claim, `CONTRADICTED` if one contradicts it, or `UNDECIDED`."""
        return verdict_of(self._signs)

    def __str__(self) -> str:
        support, contradict, undecided = self.counts
        counts = f"configurations: {support} support it, {contradict} contradict it, {undecided} undecided"
        measured = "; ".join(f"{one.where}: {one.measured}" for one in self.evidence) or "no results"
        return f"{self.text}: {self.verdict} ({counts}). {measured}."


def claim_sentences(claims: Sequence[Claim]) -> tuple[str, ...]:
    """Each claim with its verdict and numbers."""
    return tuple(str(claim) for claim in claims)
