"""Omnibus tests of ranks: Friedman's, asymptotic or by permutation for few blocks, and Iman-Davenport's."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import permutations
from math import factorial
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from imbench.scoring.outcome import Floats, Integers
from imbench.stats.ranks import rank_sums

# Above this many blocks chi-squared is close enough (Conover 1999, section 5.8), and resampling buys nothing.
FEW_BLOCKS = 30
PERMUTATIONS = 19_999
# Above this many arrangements drawing is faster than enumerating: about a tenth of a second.
_ENUMERATED = 300_000
# Numbers drawn at a time, and in all; beyond that chi-squared is used.
_CHUNK, _DRAWN = 2_000_000, 100_000_000
# Drawn places that are kept, two bytes each, for the next table of the same shape.
_KEPT = 10_000_000
# Bits of a whole number that hold packed ranks, and entries of a block's table of them: it fits a processor's cache.
_BITS, _TABLE = 62, 4_096


class Friedman(NamedTuple):
    """Friedman's chi-squared statistic and its p-value; both NaN where the test is undefined."""

    statistic: float
    pvalue: float


class ImanDavenport(NamedTuple):
    """Iman and Davenport's F statistic and its p-value; infinite and 0 in perfect agreement, NaN where undefined."""

    statistic: float
    pvalue: float


class SmallSample(NamedTuple):
    """Friedman's p-value for few blocks, and its kind: ``exact``, ``permutation`` or ``asymptotic``."""

    pvalue: float
    method: str


def friedman(ranks: ArrayLike) -> Friedman:
    """Friedman's test, with the correction for ties, that all strategies are equally good.

    Parameters
    ----------
    ranks : array-like, ``(blocks, strategies)`` of `rank`

    Returns
    -------
    The statistic and its p-value from chi-squared with k − 1 degrees of freedom (an approximation for many blocks);
    NaN where `friedman_undefined` says why. Formula: Conover, Practical Nonparametric Statistics (1999), section 5.8.
    """
    table = np.asarray(ranks, dtype=np.float64)
    if friedman_undefined(table):
        return Friedman(float("nan"), float("nan"))
    return friedman_from_sums(rank_sums(table), len(table), _ties(table))


def friedman_from_sums(sums: ArrayLike, blocks: int, ties: float = 0.0) -> Friedman:
    """Friedman's test from published sums of ranks.

    Parameters
    ----------
    sums : array-like, ``(strategies,)`` sums of ranks
    blocks : number of blocks N they were summed over
    ties : Σ (t³ − t) over all groups of t tied strategies in all blocks; 0 without ties
    """
    from scipy.special import chdtrc

    total = np.asarray(sums, dtype=np.float64)
    k = len(total)
    squares = ((total - blocks * (k + 1) / 2) ** 2).sum()
    statistic = 12 * squares / (blocks * k * (k + 1)) / (1 - ties / (blocks * k * (k**2 - 1)))
    return Friedman(float(statistic), float(chdtrc(k - 1, statistic)))


def friedman_undefined(ranks: ArrayLike) -> str:
    """Why Friedman's test is undefined for ``(blocks, strategies)`` ranks; "" where it is defined."""
    table = np.asarray(ranks, dtype=np.float64)
    blocks, k = table.shape
    if blocks < 2:
        return f"Friedman's test needs at least 2 complete configurations; there {_are(blocks)}"
    if k < 2:
        return f"Friedman's test needs at least 2 strategies; there {_are(k)}"
    if _ties(table) >= blocks * k * (k**2 - 1):
        return "Friedman's test is undefined: all strategies are tied in every configuration"
    return ""


def iman_davenport(statistic: float, blocks: int, strategies: int) -> ImanDavenport:
    """Iman-Davenport's less conservative form of Friedman's test.

    F = (N − 1)χ² / (N(k − 1) − χ²) with k − 1 and (k − 1)(N − 1) degrees of freedom (Iman and Davenport 1980; Demšar
    2006, section 3.2.2).

    Parameters
    ----------
    statistic : Friedman's χ², with its correction for ties; NaN gives NaN
    blocks : N, at least 2
    strategies : k, at least 2

    Returns
    -------
    The statistic, infinite with p = 0 where all blocks rank the strategies alike, and its p-value.
    """
    from scipy.special import fdtrc

    most = blocks * (strategies - 1)
    short = most - statistic
    if short <= 1e-12 * most:  # the largest possible χ², up to rounding
        return ImanDavenport(float("inf"), 0.0)
    value = (blocks - 1) * statistic / short
    return ImanDavenport(float(value), float(fdtrc(strategies - 1, (strategies - 1) * (blocks - 1), value)))


def friedman_small_sample(ranks: ArrayLike, seed: int = 0) -> SmallSample:
    """Friedman's p-value from the permutation distribution of the ranks, for few blocks.

    Under the null hypothesis every order of a block's ranks, ties included, is equally likely. With up to 30 blocks and
    7 strategies all orders are counted (``exact``) if they are few enough; else 19,999 are drawn
    (``permutation``; p = (1 + those at least as extreme) / 20,000, so never below 5e-5). With more than 30 blocks the
    p-value is that of chi-squared (``asymptotic``).

    Parameters
    ----------
    ranks : array-like, ``(blocks, strategies)`` of `imbench.stats.ranks.rank`
    seed : seed of the permutations; equal seeds give equal p-values
    """
    table = np.asarray(ranks, dtype=np.float64)
    blocks, k = table.shape
    if friedman_undefined(table):
        return SmallSample(float("nan"), "undefined")
    if blocks > FEW_BLOCKS or PERMUTATIONS * table.size > _DRAWN:
        return SmallSample(friedman(table).pvalue, "asymptotic")
    # Ranks are halves: doubled they are whole numbers, and equal statistics compare equal.
    halves = np.rint(2 * table).astype(np.int64)
    exact = _counted(halves) if factorial(k) <= factorial(7) else None
    return SmallSample(_drawn(halves, seed), "permutation") if exact is None else SmallSample(exact, "exact")


def _extremeness(sums: Integers) -> Integers:
    # χ² increases with Σ R_j²; permuting ranks within blocks changes no other term.
    squares: Integers = (sums**2).sum(axis=-1)
    return squares


def _counted(ranks: Integers) -> float | None:
    """The share of all arrangements that are at least as extreme; None if there are too many to count."""
    # Arrangements depend on which ranks a block has, not on their order: many boards share them.
    known = _arrangements(ranks.shape, np.sort(ranks, axis=1).tobytes())
    if known is None:
        return None
    extremeness, share = known
    return float(min(share[extremeness >= _extremeness(ranks.sum(axis=0))].sum(), 1.0))


@lru_cache(maxsize=64)
def _arrangements(shape: tuple[int, int], sorted_ranks: bytes) -> tuple[Integers, Floats] | None:
    """The extremeness of the sums that arrangements of these ranks reach, and the share of arrangements of each."""
    blocks, k = shape
    ranks: Integers = np.frombuffer(sorted_ranks, dtype=np.int64).reshape(shape)
    orders = np.array(list(permutations(range(k))))
    digit = int(2 * k * blocks + 1) ** np.arange(k)
    # Strategies are exchangeable under the hypothesis, so only the sorted sums are kept: (states, strategies).
    states = ranks[:1]
    share: Floats = np.ones(1)
    work = 0
    for block in ranks[1:]:
        arranged = np.unique(block[orders], axis=0)
        work += len(states) * len(arranged)
        if work > _ENUMERATED or float(digit[-1]) * (2 * k * blocks + 1) > 2**62:
            return None
        reached = np.sort((states[:, None] + arranged).reshape(-1, k), axis=1)
        _, first, which = np.unique(reached @ digit, return_index=True, return_inverse=True)
        states = reached[first]
        share = np.bincount(which, weights=np.repeat(share / len(arranged), len(arranged))).astype(np.float64)
    return _extremeness(states), share


def _drawn(ranks: Integers, seed: int) -> float:
    """The share of random arrangements that are at least as extreme, the observed one among them."""
    observed = _extremeness(ranks.sum(axis=0))
    at_least = 1
    k = ranks.shape[1]
    packing = _Packing.of(k, int(ranks.max(axis=1).sum()))
    kept = PERMUTATIONS * len(ranks) * packing.parts(k) <= _KEPT
    for places in (_places if kept else _drawn_places)(ranks.shape, packing, PERMUTATIONS, seed):
        at_least += int((packing.extremeness(ranks, places) >= observed).sum())
    return at_least / (PERMUTATIONS + 1)


class _Packing(NamedTuple):
    """How the ranks of several strategies in a block are looked up at once: as fields of one whole number.

    Sums over blocks of such numbers are the sums of all fields.

    Parameters
    ----------
    strategies : number of them in one number
    bits : of the sum of ranks of one strategy
    """

    strategies: int
    bits: int

    @classmethod
    def of(cls, k: int, largest: int) -> _Packing:
        """As many of k strategies, with sums up to ``largest``, as leave tables of blocks small."""
        bits = largest.bit_length()
        fit = (n for n in range(1, k + 1) if n * bits <= _BITS and k**n <= _TABLE)
        return cls(max(fit, default=1), bits)

    def parts(self, k: int) -> int:
        """The numbers that hold k strategies."""
        return -(-k // self.strategies)

    def places(self, orders: Integers) -> Integers:
        """Where the table of a block has each part of an order: (..., strategies) -> (parts, ...)."""
        k = orders.shape[-1]
        found = []
        for start in range(0, k, self.strategies):
            fields = range(start, min(start + self.strategies, k))
            place = np.zeros(orders.shape[:-1], dtype=np.int16)
            for field in reversed(fields):
                place = place * np.int16(k) + orders[..., field].astype(np.int16)
            found.append(place)
        return np.stack(found)

    def extremeness(self, ranks: Integers, places: Integers) -> Integers:
        """`_extremeness` of arrangements: (blocks, strategies), (parts, blocks, permutations) -> (permutations,)."""
        k = ranks.shape[1]
        tables = self._tables(ranks)
        squares: Integers = np.zeros(places.shape[2], dtype=np.int64)
        for part, of_blocks in enumerate(places):
            # Block by block: the numbers of all permutations stay in the processor's cache.
            sums = sum(table.take(place) for table, place in zip(tables, of_blocks, strict=True))
            for field in range(min(self.strategies, k - part * self.strategies)):
                squares += ((sums >> (field * self.bits)) & ((1 << self.bits) - 1)) ** 2
        return squares

    def _tables(self, ranks: Integers) -> Integers:
        """For each block the packed ranks of all strategies that a part may have: (blocks, k ** strategies)."""
        table = ranks
        for field in range(1, self.strategies):
            table = (table[:, None, :] + (ranks << (field * self.bits))[:, :, None]).reshape(len(ranks), -1)
        return table


@lru_cache(maxsize=12)
def _places(shape: tuple[int, int], packing: _Packing, count: int, seed: int) -> list[Integers]:
    return list(_drawn_places(shape, packing, count, seed))


def _drawn_places(shape: tuple[int, int], packing: _Packing, count: int, seed: int) -> Iterator[Integers]:
    """Orders of the ranks of each block, drawn: arrays ``(parts, blocks, permutations)``, in chunks."""
    rng = np.random.default_rng(seed)
    blocks, k = shape
    chunk = max(_CHUNK // (blocks * k), 1)
    numbers = np.arange(k)
    for start in range(0, count, chunk):
        size = min(chunk, count - start)
        orders = rng.permuted(np.broadcast_to(numbers, (size, blocks, k)), axis=2)
        yield packing.places(orders.transpose(1, 0, 2))


def _ties(ranks: Floats) -> float:
    # A block without ties has sum of squares k(k + 1)(2k + 1)/6; each group of t tied ranks lowers it by (t³ − t)/12.
    blocks, k = ranks.shape
    return float(2 * blocks * k * (k + 1) * (2 * k + 1) - 12 * (ranks**2).sum())


def _are(count: int) -> str:
    return "is 1" if count == 1 else "are none"
