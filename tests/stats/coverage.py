"""How often the intervals that imbench shows contain the true value, in simulated experiments.

`SITUATIONS` has each interval under several distributions and numbers of datasets: all for the table of
``tests/benchmarks/test_coverage.py``, a few for ``tests/stats/test_coverage.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import stats

from imbench.reproduce.spread import Spread
from imbench.stats.bayes import hierarchical
from imbench.stats.components import variance_components
from imbench.stats.elo import elo
from imbench.stats.intervals import mean_intervals, rank_intervals
from imbench.stats.within import corrected_t, equivalence

# Numbers of configurations of the datasets of suites: alike, the paper's, and ones that a single dataset dominates.
ALIKE = {n: (1,) * n for n in (4, 5, 7, 12, 30)}
PAPER = (3, 3, 3, 3, 2, 2, 2)
UNEQUAL = (6, 3, 1, 1, 1)

# Effects of datasets with mean 0 and deviation 1, by their skewness.
DRAWN: dict[str, Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]] = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    "heavy tails (t with 3 degrees)": lambda rng, shape: rng.standard_t(3, size=shape) / np.sqrt(3),
    "skewness 1 (gamma)": lambda rng, shape: rng.gamma(4, size=shape) / 2 - 2,
    "skewness 2 (exponential)": lambda rng, shape: rng.exponential(size=shape) - 1,
}
# A configuration's own deviation, beside that of its dataset.
OWN = 0.5


@dataclass(frozen=True)
class Coverage:
    """In how many of the simulated experiments an interval contains the true value."""

    covered: int
    experiments: int
    nominal: float = 0.95

    @property
    def share(self) -> float:
        return self.covered / self.experiments

    @property
    def error(self) -> float:
        """Monte-Carlo standard error of the share."""
        return float(np.sqrt(self.nominal * (1 - self.nominal) / self.experiments))


def counted(low, high, truth, nominal=0.95, per_experiment=1):
    """The coverage of these intervals; one that is not shown, NaN, does not count.

    ``per_experiment``: intervals of one experiment, which are not independent.
    """
    low, high = np.asarray(low), np.asarray(high)
    shown = ~np.isnan(low)
    inside = (low <= truth) & (truth <= high) & shown
    return Coverage(int(inside.sum()) // per_experiment, int(shown.sum()) // per_experiment, nominal)


def gains(rng, experiments, kind, sizes):
    """A mean gain over datasets: configurations share their dataset's effect and add noise of their own."""
    which = np.repeat(np.arange(len(sizes)), sizes)
    effect = DRAWN[kind](rng, (len(sizes), experiments))[which]
    return counted(*mean_intervals(1 + effect + OWN * rng.normal(size=effect.shape), which), 1.0)


def ranks_drawn(rng, experiments, sizes, strategies, spread):
    """``(experiments, blocks, strategies)`` ranks of strategies whose merits spread evenly."""
    merit = np.linspace(0, spread, strategies)
    common = np.repeat(rng.normal(size=(experiments, len(sizes), strategies)), sizes, axis=1)
    return stats.rankdata(-(merit + common + OWN * rng.normal(size=common.shape)), axis=2)


def average_ranks(rng, experiments, sizes, strategies, spread):
    truth = ranks_drawn(rng, 100_000, (1,), strategies, spread).mean(axis=(0, 1))
    table = ranks_drawn(rng, experiments, sizes, strategies, spread)
    which = np.repeat(np.arange(len(sizes)), sizes)
    low, high = np.moveaxis([rank_intervals(ranks, which) for ranks in table], 1, 0)
    return counted(low, high, truth, per_experiment=strategies)


def ratings(rng, experiments, sizes, strategies, spread):
    """Elo ratings with the weakest strategy as the anchor."""
    truth = elo(ranks_drawn(rng, 100_000, (1,), strategies, spread).mean(axis=0), [0], anchor=0).rating
    which = np.repeat(np.arange(len(sizes)), sizes)
    found = [elo(ranks, which, anchor=0) for ranks in ranks_drawn(rng, experiments, sizes, strategies, spread)]
    low, high = (np.stack([getattr(one, end)[1:] for one in found]) for end in ("low", "high"))
    return counted(low, high, truth[1:], per_experiment=strategies - 1)


def folds_drawn(rng, blocks, folds, rho):
    """``(blocks, folds)`` differences of folds around 0 with deviation 1 and correlation rho."""
    common = rng.normal(size=(blocks, 1)) * np.sqrt(rho)
    return common + rng.normal(size=(blocks, folds)) * np.sqrt(1 - rho)


def over_folds(rng, experiments, folds, share):
    """The corrected t within a dataset, if folds are correlated as it supposes."""
    found = [corrected_t(x, share) for x in folds_drawn(rng, experiments, folds, share)]
    return counted([one.low for one in found], [one.high for one in found], 0.0)


def equivalences(rng, experiments, folds, share):
    """The interval of the two one-sided tests: 90 %."""
    none = np.zeros(folds)
    found = [equivalence(x, none, 0.1, test_share=share) for x in folds_drawn(rng, experiments, folds, share)]
    return counted([one.low for one in found], [one.high for one in found], 0.0, nominal=0.90)


def nets(rng, experiments, draws, splits, seeds, share, deviations=(1.0, 1.0, 0.5)):
    """The interval over the nets of a dataset; splits of a draw are correlated by the share of tested rows.

    The corrected t supposes a variance of the mean over J splits of (1/J + share / (1 − share)) σ², which independent
    deviations within a draw and a common one of variance σ² share / (1 − share) have.
    """
    draw_sd, split_sd, seed_sd = deviations
    shape = (experiments, draws, splits, seeds)
    common = 0.0 if share is None else split_sd * np.sqrt(share / (1 - share)) * rng.normal(size=(experiments, 1, 1, 1))
    scores = common + draw_sd * (draws > 1) * rng.normal(size=(experiments, draws, 1, 1))
    scores = scores + split_sd * rng.normal(size=(*shape[:3], 1)) + seed_sd * (seeds > 1) * rng.normal(size=shape)
    split = np.repeat(np.arange(draws * splits), seeds)
    ends = [variance_components(x.ravel(), split // splits, split, share).interval() for x in scores]
    return counted(*np.array(ends).T, 0.0)


def averages(rng, experiments, kind, datasets, folds, rho=0.5, spread=1.0):
    """The credible interval of the hierarchical test; folds deviate by 1, datasets by ``spread``."""
    x = folds_drawn(rng, experiments * datasets, folds, rho).reshape(experiments, datasets, folds)
    x = x + 1 + spread * DRAWN[kind](rng, (experiments, datasets, 1))
    # A few hundred pairs at a time, to save memory.
    found = [hierarchical(x[at : at + 200], np.full(datasets, rho), 0.1) for at in range(0, experiments, 200)]
    low, high = (np.concatenate([getattr(one, end) for one in found]) for end in ("low", "high"))
    return counted(low, high, 1.0)


def seeds_mean(rng, experiments, seeds):
    """The interval of a mean over seeds on the pages of the reproduction."""
    found = [Spread.of(x) for x in rng.normal(size=(experiments, seeds))]
    return counted([one.low for one in found], [one.high for one in found], 0.0)


# Nominal 95 % within 93 to 97 %, and 90 % within 88 to 92 %.
USUAL, USUAL_90 = (0.93, 0.97), (0.88, 0.92)

_NAMES = {sizes: f"{n} datasets" for n, sizes in ALIKE.items()} | {
    PAPER: "7 datasets, 18 configurations",
    UNEQUAL: "5 datasets with 6, 3, 1, 1 and 1 configurations",
}
_POOLS = {"2 strategies": (2, 0.5), "5 strategies": (5, 1.5), "10 strategies": (10, 1.5), "5 far apart": (5, 3.0)}
_NETS = {
    "1 draw, 10 splits, 1 seed": (1, 10, 1, 0.1),
    "3 draws, 4 splits, 1 seed": (3, 4, 1, 0.5 / 0.85),
    "3 draws, 4 splits, 3 seeds": (3, 4, 3, 0.5 / 0.85),
    "5 draws, 4 splits, 3 seeds": (5, 4, 3, 0.2),
}
_FOLDS = {"4 folds, half tested": (4, 0.5 / 0.85), "10 folds": (10, 0.1)}


@dataclass(frozen=True)
class Situation:
    """An interval in a situation, and the shares between which its coverage is; ``docs/statistics.md`` has the others
    than `USUAL`.
    """

    simulated: Callable[..., Coverage]
    arguments: tuple[object, ...]
    within: tuple[float, float] = USUAL

    def coverage(self, experiments, seed=0):
        return self.simulated(np.random.default_rng(seed), experiments, *self.arguments)


# Of skewed gains, of ranks with few values, and of methods that are wide on purpose; see docs/statistics.md.
_UNUSUAL = {
    **{f"gain, {_NAMES[s]}, skewness 2 (exponential)": (0.90, 0.95) for s in _NAMES},
    "average rank, 4 datasets, 2 strategies": (0.81, 0.85),
    "average rank, 5 datasets, 2 strategies": (0.88, 0.92),
    **{f"average rank, {_NAMES[UNEQUAL]}, {pool}": (0.93, 1.0) for pool in _POOLS},
    **{f"{kind}, 4 datasets, {pool}": (0.93, 1.0) for kind in ("average rank", "Elo") for pool in tuple(_POOLS)[1:]},
    **{f"Elo, {name}, 2 strategies": (0.95, 1.0) for name in _NAMES.values()},
    **{f"Elo, {_NAMES[s]}, {pool}": (0.93, 0.99) for s in (UNEQUAL, ALIKE[5], ALIKE[7]) for pool in tuple(_POOLS)[1:]},
    **{f"hierarchical, {n} datasets, {kind}": (0.93, 1.0) for n in (4, 5, 7, 12) for kind in DRAWN},
}


def _situations():
    for kind in DRAWN:
        for sizes, name in _NAMES.items():
            yield f"gain, {name}, {kind}", gains, (kind, sizes)
    for sizes, name in _NAMES.items():
        for pool, drawn in _POOLS.items():
            yield f"average rank, {name}, {pool}", average_ranks, (sizes, *drawn)
            yield f"Elo, {name}, {pool}", ratings, (sizes, *drawn)
    for name, drawn in _FOLDS.items():
        yield f"corrected t, {name}", over_folds, drawn
        yield f"equivalence, {name}", equivalences, drawn
    for name, drawn in _NETS.items():
        yield f"over nets, {name}", nets, drawn
    yield "over seeds, 5 seeds", seeds_mean, (5,)
    for datasets in (4, 5, 7, 12):
        yield f"hierarchical, {datasets} datasets, normal", averages, ("normal", datasets, 10)
    yield "hierarchical, 7 datasets, skewness 1 (gamma)", averages, ("skewness 1 (gamma)", 7, 10)


SITUATIONS = {
    name: Situation(simulated, arguments, _UNUSUAL.get(name, USUAL_90 if simulated is equivalences else USUAL))
    for name, simulated, arguments in _situations()
}
