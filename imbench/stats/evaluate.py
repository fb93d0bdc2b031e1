"""Compare strategies over many datasets: ranks, tests, effect sizes and intervals."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from imbench.contract.errors import UsageError
from imbench.contract.names import suggest
from imbench.scoring.outcome import Floats
from imbench.stats.bayes import ROPE, check_rope
from imbench.stats.block_scores import BlockScores, Labels, block_scores
from imbench.stats.comparison import Order, best_first, compare
from imbench.stats.evaluation import Evaluation
from imbench.stats.friedman import Friedman, ImanDavenport, SmallSample
from imbench.stats.names import BASELINE
from imbench.stats.nemenyi import check_alpha, nemenyi, runs
from imbench.stats.pairwise import holm
from imbench.stats.ranks import GIVEN, Tolerance, difference, rank, tolerance_of
from imbench.stats.smallest_p import SmallestP, smallest_p
from imbench.stats.supplement import Supplement
from imbench.stats.within import FEWEST_FOLDS, TOO_FEW_FOLDS, corrected_pairs, fold_interval

# Pairs of columns to a table of `imbench.stats.pairwise.wilcoxon`.
PairTest = Callable[[Order, Order], pd.DataFrame]


def evaluate(
    scores: pd.DataFrame,
    *,
    higher_is_better: bool,
    alpha: float = 0.05,
    blocks: Labels = None,
    clusters: Labels = None,
    reference: Any = None,
    tolerance: Tolerance | float = GIVEN,
    folds: Labels = None,
    test_share: float | None = None,
    rope: float = ROPE,
    bounds: tuple[float, float] = (-math.inf, math.inf),
) -> Evaluation:
    """Compare strategies over datasets or configurations, by ranks and by pairs.

    A block is one independent piece of evidence: a dataset. Variants of one dataset share rows; taking them as blocks
    makes results comparable with published tables (see `blocks` and `clusters`). Folds and repeats of cross-validation
    are not blocks. If the index has levels called ``repeat`` or ``fold``, or `folds` are given, the mean over the folds
    of each configuration is a block. If all rows belong to one configuration, strategies are compared over its folds by
    the corrected resampled t-test (`imbench.corrected_t`), and ranks are not tested.

    Parameters
    ----------
    scores : rows × strategies, numbers; rows with a missing score are dropped and listed
    higher_is_better : the metric's direction
    alpha : the level of intervals, of the critical difference and of groups, in (0, 1)
    blocks : one label for each row, or the name of an index level. Complete rows with the same label (variants of one
        dataset) are averaged to one block. None: each row is a block
    clusters : the dataset of each row, given like `blocks`: rows stay blocks, and intervals take whole datasets
    reference : the strategy that gains are measured against; default ``baseline`` if present, else the first column
    tolerance : largest difference of two tied scores of a block; default: 1e-12 of the larger one. A number is an
        absolute tolerance: 1e-6 suits scores of nets, which are float32
    folds : the fold of each row, or the name of its index level; a repeated label belongs to another repeat
    test_share : n_test / (n_test + n_train) for the folds of one dataset; default: 1/K for K folds, which is correct
        without validation rows
    rope : the largest difference that does not matter, in the scores' unit, for the Bayesian tests
    bounds : the smallest and the largest possible score; no interval of a gain exceeds their difference

    Raises
    ------
    UsageError
        For fewer than 2 complete rows or strategies, columns that are not numeric or share a name, labels that are
        missing or do not fit, an alpha out of range, bounds that the scores exceed.

    >>> table = pd.DataFrame({"a": [0.7, 0.8, 0.9], "b": [0.6, 0.7, 0.8], "c": [0.6, 0.6, 0.9]}, index=["x", "y", "z"])
    >>> evaluate(table, higher_is_better=True).rank_sums.to_dict()
    {'a': 3.5, 'b': 7.5, 'c': 7.0}
    """
    check_alpha(alpha)
    check_rope(rope)
    ties_at = tolerance_of(tolerance)
    if not isinstance(higher_is_better, bool | np.bool_):
        raise UsageError(f"higher_is_better must be True or False, got {higher_is_better!r}")
    checked = block_scores(scores, blocks, clusters, folds, test_share)
    table = checked.table
    names = pd.Index(table.columns.to_numpy(), name="strategy")
    over = _reference(names, reference)
    gains = table.to_numpy() if higher_is_better else -table.to_numpy()
    gain_bounds = _gain_bounds(gains - gains[:, [over]], bounds)
    parts = _over_blocks if checked.test_share is None else _over_folds
    return Evaluation(
        higher_is_better=bool(higher_is_better),
        alpha=alpha,
        reference=names[over],
        n_rows=checked.rows,
        dropped=checked.dropped,
        supplement=_supplement(checked, 1.0 if higher_is_better else -1.0, over, alpha, ties_at, rope),
        **parts(checked, gains, names, over, alpha, ties_at, gain_bounds),
    )


def _gain_bounds(gains: Floats, bounds: tuple[float, float]) -> tuple[float, float]:
    """The smallest and the largest difference of two scores within the bounds."""
    widest = bounds[1] - bounds[0]
    if not widest > 0:
        raise UsageError(f"bounds must be (smallest, largest) possible score, got {bounds}")
    largest = float(np.abs(gains).max(initial=0.0))
    if largest > widest * (1 + 1e-9):
        raise UsageError(f"scores differ by {largest:g}, more than the bounds {bounds} allow; give wider bounds")
    return -widest, widest


def _supplement(
    checked: BlockScores, sign: float, over: int, alpha: float, tolerance: Tolerance, rope: float
) -> Supplement:
    gains = sign * checked.table.to_numpy()
    if checked.test_share is not None:  # folds of one dataset are not blocks
        gains = gains[:0]
    folds = None if checked.folds is None else sign * checked.folds
    return Supplement(gains, checked.datasets, over, alpha, tolerance, rope, folds, checked.fold_share)


def _over_blocks(
    checked: BlockScores,
    gains: Floats,
    names: pd.Index[Any],
    over: int,
    alpha: float,
    tolerance: Tolerance,
    gain_bounds: tuple[float, float],
) -> dict[str, Any]:
    found = compare(gains, checked.datasets, over, alpha, tolerance, gain_bounds)
    order, means, n = found.order, found.average_ranks, found.blocks

    def test(first: Order, second: Order) -> pd.DataFrame:
        return found.pairs.between(first, second).table()

    pairs, by_pairs = _pairs(test, names, alpha)
    return {
        "average_ranks": pd.Series(means, names, name="average_rank"),
        "rank_sums": pd.Series(found.rank_sums, names, name="rank_sum"),
        "rank_intervals": pd.DataFrame(found.rank_intervals, names, ["low", "high"]),
        "gains": pd.DataFrame(
            {"mean": found.gains, "low": found.gain_intervals[:, 0], "high": found.gain_intervals[:, 1]}, names
        ),
        "friedman": found.friedman,
        "friedman_small_sample": found.small_sample,
        "iman_davenport": found.iman_davenport,
        "nemenyi_cd": found.cd,
        "nemenyi": pd.DataFrame(nemenyi(means, n), names, names.rename("against")),
        "wilcoxon": pairs,
        "against_reference": _against(test, over, order[order != over], names, "reference"),
        "control": _control(test, means, n, order, names),
        "groups": _named(names, found.groups),
        "groups_wilcoxon": _named(names, runs(by_pairs, order.tolist())),
        "smallest_p": smallest_p(n, len(names)),
        "n_blocks": n,
        "n_datasets": found.datasets,
        "notes": (*_averaged_folds(checked), *found.notes),
    }


def _over_folds(
    checked: BlockScores,
    gains: Floats,
    names: pd.Index[Any],
    over: int,
    alpha: float,
    tolerance: Tolerance,
    gain_bounds: tuple[float, float],
) -> dict[str, Any]:
    """Results over the folds of one dataset: ranks of the means, and pairs by the corrected test."""
    share = checked.test_share
    assert share is not None
    folds, k = gains.shape
    ranks = rank(gains.mean(axis=0, keepdims=True), higher_is_better=True, tolerance=tolerance)[0]
    order = best_first(gains, ranks)
    test = partial(corrected_pairs, gains, test_share=share, tolerance=tolerance)
    pairs, by_pairs = _pairs(test, names, alpha)
    differences = (difference(column, gains[:, over], tolerance) for column in gains.T)
    ends = np.array([fold_interval(values, share, alpha, gain_bounds) for values in differences])
    nan = float("nan")
    return {
        "average_ranks": pd.Series(ranks, names, name="average_rank"),
        "rank_sums": pd.Series(ranks, names, name="rank_sum"),
        "rank_intervals": pd.DataFrame({"low": nan, "high": nan}, names),
        "gains": pd.DataFrame(
            {"mean": (gains - gains[:, [over]]).mean(axis=0), "low": ends[:, 0], "high": ends[:, 1]}, names
        ),
        "friedman": Friedman(nan, nan),
        "friedman_small_sample": SmallSample(nan, "undefined"),
        "iman_davenport": ImanDavenport(nan, nan),
        "nemenyi_cd": nan,
        "nemenyi": pd.DataFrame(nan, names, names.rename("against")),
        "wilcoxon": pairs,
        "against_reference": _against(test, over, order[order != over], names, "reference"),
        "control": _control(test, np.full(k, nan), 1, order, names),
        "groups": (),
        "groups_wilcoxon": _named(names, runs(by_pairs, order.tolist())),
        "smallest_p": SmallestP(nan, 0.0, 0.0),
        "n_blocks": 1,
        "n_datasets": 1,
        "n_folds": folds,
        "notes": (
            f"rows are {folds} folds of one dataset, which share rows and are not blocks: pairs are compared by the "
            f"corrected resampled t-test with n_test / n_train = {share / (1 - share):.3g}, and ranks are not tested",
            *([TOO_FEW_FOLDS.format(folds)] if folds < FEWEST_FOLDS else []),
        ),
    }


def _averaged_folds(checked: BlockScores) -> tuple[str, ...]:
    if not checked.averaged:
        return ()
    return (f"rows are folds, which are not blocks: each block is a mean over {checked.averaged} folds",)


def _reference(names: pd.Index[Any], reference: Any) -> int:
    wanted = (BASELINE if BASELINE in names else names[0]) if reference is None else reference
    if wanted not in names:
        raise UsageError(f"reference {wanted!r} is not a strategy; {suggest(str(wanted), names)}")
    return list(names).index(wanted)


def _pairs(test: PairTest, names: pd.Index[Any], alpha: float) -> tuple[pd.DataFrame, NDArray[np.bool_]]:
    """A row for each pair, and the matrix of pairs that differ."""
    k = len(names)
    first, second = np.triu_indices(k, 1)
    pairs = test(first, second)
    differ = np.zeros((k, k), dtype=np.bool_)
    differ[first, second] = differ[second, first] = pairs["p_holm"].to_numpy() < alpha
    pairs.insert(0, "first", names[first])
    pairs.insert(1, "second", names[second])
    return pairs, differ


def _against(test: PairTest, one: int, others: Order, names: pd.Index[Any], called: str) -> pd.DataFrame:
    """Each of the others against one strategy, with Holm's correction over these tests."""
    table = test(others, np.full(len(others), one))
    table.insert(0, called, names[np.full(len(others), one)])
    table.insert(1, "strategy", names[others])
    return table


def _control(test: PairTest, means: Floats, blocks: int, order: Order, names: pd.Index[Any]) -> pd.DataFrame:
    """The best strategy against each other strategy, best first."""
    from scipy.special import ndtr

    k, best, rest = len(names), int(order[0]), order[1:]
    # Seen from the best.
    tests = test(np.full(k - 1, best), rest)
    # Demšar 2006, section 3.2.2: z = (R_i − R_j) / √(k(k + 1)/6N).
    z = (means[rest] - means[best]) / np.sqrt(k * (k + 1) / (6 * blocks))
    p_z = 2 * ndtr(-np.abs(z))
    tests.insert(0, "best", names[np.full(k - 1, best)])
    tests.insert(1, "strategy", names[rest])
    return tests.assign(z=z, p_z=p_z, p_z_holm=holm(p_z))


def _named(names: pd.Index[Any], found: Sequence[Sequence[int]]) -> tuple[tuple[Any, ...], ...]:
    return tuple(tuple(names[number] for number in run) for run in found)
