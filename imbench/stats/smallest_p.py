"""The smallest p-values possible with N blocks: a test that cannot reach alpha cannot decide anything."""

from __future__ import annotations

from math import comb, factorial
from typing import NamedTuple

from imbench.stats.friedman import FEW_BLOCKS
from imbench.stats.pairwise import EXACT
from imbench.stats.words import counted

# Above this many strategies k! overflows float64, and 1 / k! is practically 0.
_MANY = 150


class SmallestP(NamedTuple):
    """The smallest p-value that a family of tests can reach after Holm's correction, for any scores.

    Parameters
    ----------
    omnibus : Friedman's test of all strategies at once, by its permutation distribution
    pairs : Wilcoxon's test of all k(k − 1)/2 pairs
    control : Wilcoxon's test of the k − 1 pairs with one strategy: the reference, or the best
    """

    omnibus: float
    pairs: float
    control: float


FAMILIES = SmallestP._fields


def smallest_p(blocks: int, strategies: int) -> SmallestP:
    """The smallest p-values of N blocks and k strategies.

    All signs alike are 2 of the 2^N patterns of Wilcoxon's test, and all blocks ranked alike are k! of the (k!)^N
    arrangements of Friedman's. Above 50 blocks, 30 for Friedman's, p-values are asymptotic and have no minimum.

    Parameters
    ----------
    blocks, strategies : N and k, each at least 1

    >>> smallest = smallest_p(9, 19)
    >>> smallest.pairs, smallest.control
    (0.66796875, 0.0703125)
    """
    one = 2.0 ** (1 - blocks) if blocks <= EXACT else 0.0
    return SmallestP(
        omnibus=float(factorial(min(strategies, _MANY))) ** (1 - blocks) if blocks <= FEW_BLOCKS else 0.0,
        pairs=min(one * comb(strategies, 2), 1.0),
        control=min(one * (strategies - 1), 1.0),
    )


def undecidable(family: str, blocks: int, strategies: int, alpha: float) -> str:
    """Why tests of a family cannot decide at this level; "" if they can.

    Parameters
    ----------
    family : ``omnibus``, ``pairs`` or ``control``
    blocks, strategies : N and k

    >>> undecidable("pairs", 4, 3, alpha=0.05)
    "cannot be decided with 4 blocks: p is at least 0.38 after Holm's correction over 3 pairs"
    """
    smallest = getattr(smallest_p(blocks, strategies), family)
    if smallest < alpha:
        return ""
    pairs = {"omnibus": 1, "pairs": comb(strategies, 2), "control": strategies - 1}[family]
    corrected = f" after Holm's correction over {pairs} pairs" if pairs > 1 else ""
    return f"cannot be decided with {counted(blocks, 'block')}: p is at least {smallest:.2g}{corrected}"
