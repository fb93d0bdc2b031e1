"""Variance components: how much of a score's spread is due to the draw of the minority, the split and the seed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from imbench.scoring.metrics import Metric
from imbench.scoring.outcome import Floats, Integers
from imbench.scoring.rules import ruled_column
from imbench.stats.board import Board
from imbench.stats.intervals import student_interval
from imbench.stats.within import check_test_share, tested_share

# The sources of variance, from the outermost: each value of one has several values of the next.
SOURCES = ("draw", "split", "train_seed")
# The columns of rows that number the values of each source.
_LEVELS = (("draw",), ("draw", "repeat", "fold"), ("draw", "repeat", "fold", "train_seed"))
_TITLES = {"draw": "draws of the minority", "split": "splits", "train_seed": "training seeds"}


@dataclass(frozen=True)
class Components:
    """Variance components of one mean score over all nets of a job.

    Parameters
    ----------
    mean : over all nets, each with equal weight
    variance : variance of a net's score due to each of `SOURCES`; NaN where only one value of a source is known, whose
        variance is then part of the next inner source that has several
    counts : number of draws, splits of all draws, and nets
    error : standard error of the mean; NaN for a single split
    freedom : degrees of freedom of the error (Satterthwaite)
    """

    mean: float
    variance: tuple[float, float, float]
    counts: tuple[int, int, int]
    error: float
    freedom: float

    def interval(self, alpha: float = 0.05, bounds: tuple[float, float] = (-np.inf, np.inf)) -> tuple[float, float]:
        """Student's interval of the mean of level 1 − alpha, within bounds; NaN without an error."""
        return student_interval(self.mean, self.error, self.freedom, alpha, bounds)


def variance_components(
    values: ArrayLike, draws: ArrayLike, splits: ArrayLike, test_share: float | None = None
) -> Components:
    """Variance components of nested scores by analysis of variance (Henderson's method 1).

    The model is score = mean + draw + split within draw + training seed within split. Mean squares are set equal to
    their expectations (Searle, Casella and McCulloch, Variance Components, 1992, section 5.3), for equal or unequal
    numbers of scores alike. A negative estimate becomes 0.

    The variance of the mean is σ²(draw) / D + (1 / J + n_test / n_train) σ²(split) + σ²(seed) / N for D draws, J splits
    in all and N nets. As in `imbench.stats.within.corrected_t`, n_test / n_train accounts for splits that share rows;
    with one draw and one seed the error is that of this test. With one draw the error does not contain how the minority
    was drawn.

    Parameters
    ----------
    values : array-like, ``(nets,)`` scores, no NaN
    draws, splits : array-like, ``(nets,)`` number of the draw and of the split of each net; a split belongs to one draw
    test_share : n_test / (n_test + n_train) of a split, in (0, 1); None if splits share no rows
    """
    scores = np.asarray(values, dtype=np.float64)
    if test_share is not None:
        check_test_share(test_share)
    split = pd.factorize(np.asarray(splits))[0]
    of_split = np.asarray(draws)[np.unique(split, return_index=True)[1]]
    draw = pd.factorize(of_split)[0]  # of each split
    nets, per_split, per_draw = len(scores), np.bincount(split), np.bincount(draw[split])
    split_means = np.bincount(split, scores) / per_split
    draw_means = np.bincount(draw[split], scores) / per_draw
    mean = float(scores.mean())
    freedom = np.array([len(per_draw) - 1, len(per_split) - len(per_draw), nets - len(per_split)])
    squares = np.array(
        [
            float((per_draw * (draw_means - mean) ** 2).sum()),
            float((per_split * (split_means - draw_means[draw]) ** 2).sum()),
            float(((scores - split_means[split]) ** 2).sum()),
        ]
    )
    known = freedom > 0
    mean_squares = np.where(known, squares / np.maximum(freedom, 1), np.nan)
    parts = _estimates(mean_squares, known, *_coefficients(per_draw, per_split, draw, freedom))
    counts = (len(per_draw), len(per_split), nets)
    extra = 0.0 if test_share is None else test_share / (1 - test_share)
    weights = (1 / counts[0], 1 / counts[1] + extra, 1 / counts[2])
    # Without several seeds their variance is part of the splits', and without several splits nothing is known of them.
    total = sum(w * part for w, part in zip(weights, parts, strict=True) if part is not None)
    draw_part, split_part, seed_part = (
        float("nan") if part is None else float(part @ np.nan_to_num(mean_squares)) for part in parts
    )
    variance = (draw_part, split_part, seed_part)
    if not known[1]:
        return Components(mean, variance, counts, float("nan"), float("nan"))
    contributions = np.nan_to_num(total * mean_squares)
    error = float(np.sqrt(max(contributions.sum(), 0.0)))
    spread = float((contributions[known] ** 2 / freedom[known]).sum())
    return Components(mean, variance, counts, error, error**4 / spread if spread > 0 else float(freedom[1]))


def _coefficients(
    per_draw: Integers, per_split: Integers, draw: Integers, freedom: Integers
) -> tuple[float, float, float]:
    """Coefficients of σ²(split) and σ²(draw) in the expected mean squares: of splits, and both of draws."""
    nets = per_split.sum()
    within = float((per_split**2 / per_draw[draw]).sum())
    of_split = (nets - within) / max(freedom[1], 1)
    split_of_draw = (within - float((per_split**2).sum()) / nets) / max(freedom[0], 1)
    of_draw = (nets - float((per_draw**2).sum()) / nets) / max(freedom[0], 1)
    return float(of_split), float(split_of_draw), float(of_draw)


def _estimates(
    mean_squares: Floats, known: Any, of_split: float, split_of_draw: float, of_draw: float
) -> list[Floats | None]:
    """Each component as the coefficients of the three mean squares; zeros where negative, None where not known."""

    def positive(part: Floats) -> Floats:
        return part if part @ np.nan_to_num(mean_squares) > 0 else np.zeros(3)

    unit = np.eye(3)
    seed = unit[2] if known[2] else None
    split = draw = None
    if known[1]:
        # Without several seeds, one net is a split, and their variances cannot be separated.
        split = positive((unit[1] - (0.0 if seed is None else seed)) / of_split)
    if known[0] and split is not None:
        draw = positive((unit[0] - (0.0 if seed is None else seed) - split_of_draw * split) / of_draw)
    return [draw, split, seed]


def component_table(rows: pd.DataFrame, columns: Sequence[str], bounds: Any = None) -> pd.DataFrame:
    """Variance components of each configuration, strategy and column.

    Parameters
    ----------
    rows : rows of one protocol and task, with ``dataset`` as its label
    columns : columns of scores

    Returns
    -------
    ``dataset, variant, strategy, column``, the numbers of ``draws``, ``splits`` of a draw and ``train_seeds``,
    ``mean``, and the standard deviations ``sd_draw``, ``sd_split`` and ``sd_train_seed`` of a net's score; NaN where
    only one value of a source is known.
    """
    found = []
    rows = with_places(rows)
    for keys, group in rows.groupby(["dataset", "variant", "strategy"], sort=True, observed=True):
        splits = group.groupby(list(_LEVELS[1]), sort=False).ngroup().to_numpy()
        for column in columns:
            values = group[column].to_numpy(dtype=np.float64)
            has = ~np.isnan(values)
            if not has.any():
                continue
            one = variance_components(values[has], group["draw"].to_numpy()[has], splits[has])
            deviations = np.sqrt(np.array(one.variance))
            draws, of_splits, nets = one.counts
            found.append(
                {**dict(zip(("dataset", "variant", "strategy"), map(str, keys), strict=True)), "column": column}
                | {"draws": draws, "splits": of_splits / draws, "train_seeds": nets / of_splits, "mean": one.mean}
                | {f"sd_{source}": float(sd) for source, sd in zip(SOURCES, deviations, strict=True)}
            )
    return pd.DataFrame(found, columns=_TABLE)


_TABLE = [
    *("dataset", "variant", "strategy", "column", "draws", "splits", "train_seeds", "mean"),
    *(f"sd_{source}" for source in SOURCES),
]


def with_places(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with draw and training seed, 0 if they are older than these columns."""
    return rows.assign(**{name: 0 for name in ("draw", "train_seed") if name not in rows})


@dataclass(frozen=True)
class NetInterval:
    """The mean of a competitor on a board, with intervals over nets: for these datasets, and not for others like them.

    Parameters
    ----------
    name : the competitor
    mean, mean_low, mean_high : mean over configurations, and its interval
    gain, gain_low, gain_high : mean gain over the control, positive is better; NaN for the control, and for a metric
        with a target
    contains : sources of variance that the intervals contain, a part of `SOURCES`
    """

    name: str
    mean: float
    mean_low: float
    mean_high: float
    gain: float
    gain_low: float
    gain_high: float
    contains: tuple[str, ...]


def net_intervals(board: Board, rows: pd.DataFrame) -> list[NetInterval]:
    """Intervals of the means and gains on a board, over the draws, splits and training seeds of its nets.

    The datasets are fixed: the intervals say how far the means would be from those of other draws, splits and seeds,
    while the intervals on boards say how far they would be from those on other datasets. Scores are averaged over the
    configurations of a dataset net by net, since draws of the minority are nested over imbalance ratios; then
    `variance_components` gives the error of each dataset's mean, and errors of datasets are independent.

    Parameters
    ----------
    rows : rows of the board's protocol and task with columns ``n_test``, ``n_train``, ``error``, those of the scores,
        and ``dataset`` as its label
    """
    ranked = {(c.dataset, c.variant) for c in board.configurations}
    rows = with_places(rows[rows["error"] == ""])
    inside = [pair in ranked for pair in zip(rows["dataset"].astype(str), rows["variant"].astype(str), strict=True)]
    rows = rows[np.array(inside, dtype=np.bool_)]
    shares = {str(name): tested_share(group) for name, group in rows.groupby("dataset", observed=True)}
    scores = {
        entrant.name: _scores_of(rows, entrant.strategy, board.metric, entrant.rule) for entrant in board.entrants
    }
    own = scores.get(board.control)
    contains = _contained(rows)
    found = []
    for name in board.names:
        mean = _mean_of_board(scores[name], shares, board.alpha, board.metric.bounds)
        gain = (float("nan"),) * 3
        if own is not None and name != board.control and board.metric.target is None:
            sign = 1.0 if board.metric.higher_is_better else -1.0
            gain = _mean_of_board(sign * (scores[name] - own), shares, board.alpha, board.metric.difference_bounds)
        found.append(NetInterval(name, *mean, *gain, contains))
    return found


def missing_sources(boards: Iterable[Sequence[NetInterval]]) -> tuple[str, ...]:
    """A sentence for each source of variance that no interval of these boards contains."""
    lists = [intervals for intervals in boards if intervals]
    found = []
    for source, title in _TITLES.items():
        if lists and not any(source in intervals[0].contains for intervals in lists):
            field = {"draw": "draws", "split": "repeats", "train_seed": "train_seeds"}[source]
            found.append(
                f"one of the {title} only: no interval contains this variance; {field} in the protocol adds it"
            )
    return tuple(found)


def _contained(rows: pd.DataFrame) -> tuple[str, ...]:
    """The sources of which every configuration has several values; only downsampled ones have draws."""
    downsampled = rows[rows["variant"].astype(str).str.contains(r"(?:^|,)ir=")]
    by = {source: ["dataset", "variant", "strategy"] for source in SOURCES}
    counts = {
        "draw": downsampled.groupby(by["draw"], observed=True)["draw"].nunique(),
        "split": rows.groupby(by["split"], observed=True)[["repeat", "fold"]].nunique().prod(axis=1),
        "train_seed": rows.groupby(by["train_seed"], observed=True)["train_seed"].nunique(),
    }
    return tuple(source for source in SOURCES if len(counts[source]) and (counts[source] > 1).all())


def _scores_of(rows: pd.DataFrame, strategy: str, metric: Metric, rule: str) -> pd.Series:
    """The scores of a strategy by configuration and place of the net."""
    own = rows[rows["strategy"].astype(str) == strategy]
    index = pd.MultiIndex.from_frame(own[["dataset", "variant", *_LEVELS[2]]].astype({"dataset": str, "variant": str}))
    return pd.Series(own[ruled_column(metric, rule)].to_numpy(dtype=np.float64), index)


def _mean_of_board(
    scores: pd.Series, shares: dict[str, float], alpha: float, bounds: tuple[float, float]
) -> tuple[float, float, float]:
    """The mean over configurations, and its interval."""
    scores = scores.dropna().sort_index()
    # Configurations of a dataset with the same nets have one score of each net, their mean.
    alike: dict[tuple[str, tuple[tuple[int, ...], ...]], list[list[float]]] = {}
    nets = zip(scores.index.tolist(), scores.tolist(), strict=True)
    for (dataset, _), of_configuration in groupby(nets, key=lambda net: net[0][:2]):
        keys, values = zip(*of_configuration, strict=True)
        alike.setdefault((str(dataset), tuple(key[2:] for key in keys)), []).append(list(values))
    found = []
    for (dataset, places), several in alike.items():
        splits = {place: number for number, place in enumerate(dict.fromkeys(place[:3] for place in places))}
        numbers = [splits[place[:3]] for place in places]
        means = np.mean(several, axis=0)
        found.append(variance_components(means, [place[0] for place in places], numbers, shares[dataset]))
    weights = np.array([len(several) for several in alike.values()]) / sum(map(len, alike.values()))
    variances = (weights * np.array([one.error for one in found])) ** 2
    error, spread = float(np.sqrt(variances.sum())), float((variances**2 / [one.freedom for one in found]).sum())
    mean = float(weights @ np.array([one.mean for one in found]))
    return (mean, *student_interval(mean, error, error**4 / spread if spread > 0 else 1.0, alpha, bounds))
