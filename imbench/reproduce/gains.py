"""Figures 5 and 6: mean gains over the baseline by imbalance ratio, on tabular data and on images."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from imbench.contract.records import TASKS
from imbench.report.figures.gain_by_ratio import gain_by_ratio
from imbench.report.gains import ALL, Gain, gain_overall, gains_by_ir
from imbench.reproduce.boards import boards_of
from imbench.reproduce.context import IMAGE, TABULAR, basis_of
from imbench.reproduce.drawing import of_spec
from imbench.reproduce.paper_item import Numbers, PaperItem, RenderedFigure
from imbench.stats.names import HEADLINE
from imbench.stats.words import listed, number, span

if TYPE_CHECKING:
    from imbench import Results
    from imbench.reproduce.context import ReproductionContext
    from imbench.stats.board import Board

_TITLES = {"gmean": "g-mean gain", "bbs": "BBS gain"}


def figure5(context: ReproductionContext) -> PaperItem:
    """Gains on the tabular configurations."""
    return figure5_of(context.train(TABULAR, suite="tabular"))


def figure5_of(results: Results) -> PaperItem:
    """The item for these results."""
    boards = boards_of(results)
    gains = {board.slug: all_gains(board) for board in boards}
    return PaperItem(
        name="figure5",
        title="Mean gains over the baseline on tabular data, by imbalance ratio",
        printed=(
            "Four panels show the gains in g-mean and BBS on binary and multi-class data, at each imbalance ratio and "
            "over all ratios.",
            "ReMix has the largest mean gain. The largest g-mean gains are those of ReMix on binary data.",
            "The g-mean gains of ReMix and of SMOTE, the second best, decline with more extreme imbalance.",
            "ReMix's BBS gain is much larger than that of the alternatives, on binary and on multi-class data.",
        ),
        found=tuple(
            sentence
            for board in boards
            for sentence in (*_lead(board, gains[board.slug]), *_trend(board, gains[board.slug]))
        ),
        tables=(Numbers("gains", "Gains with 95 % intervals over datasets", _frame(boards, gains)),),
        figures=tuple(_figures(boards, gains, TABULAR)),
        basis=basis_of(results),
    )


def figure6(context: ReproductionContext) -> PaperItem:
    """Gains on images: CIFAR-10, and digits that need no download."""
    return figure6_of(context.train_images(IMAGE))


def figure6_of(results: Results) -> PaperItem:
    """The item for these results."""
    boards = boards_of(results)
    gains = {board.slug: all_gains(board) for board in boards}
    each = [board for name in _datasets(results) for board in boards_of(_only(results, name))]
    own = [board for board in each if board.configurations and set(IMAGE) <= set(board.names)]
    return PaperItem(
        name="figure6",
        title="Mean gains over the baseline on images, by imbalance ratio",
        printed=(
            "The gains in g-mean and BBS on CIFAR-10 at each imbalance ratio, binary on the left and multi-class on "
            "the right.",
            "ReMix without augmentation beats MixUp, cost adjustment and SMOTE in both gains. Gains are smaller on "
            "multi-class data.",
            "On binary data ReMix with augmentation is best and Augment second; on multi-class data Augment is best "
            "and ReMix with augmentation second.",
        ),
        found=(
            *(sentence for board in own for sentence in (_order(board), _basic(board))),
            *_smaller_on_multiclass(boards),
        ),
        tables=(
            Numbers("gains", "Gains with 95 % intervals over datasets", _frame(boards, gains)),
            Numbers(
                "by-dataset",
                "Mean gain over all ratios, by dataset",
                pd.concat([_overall(board) for board in own], ignore_index=True) if own else pd.DataFrame(),
            ),
        ),
        figures=tuple(_figures(boards, gains, IMAGE)),
        basis=basis_of(results),
    )


def all_gains(board: Board) -> list[Gain]:
    """The gains at each ratio, hardest first, and over all configurations."""
    return [*gains_by_ir(board), *gain_overall(board)]


def _figures(boards: Sequence[Board], gains: dict[str, list[Gain]], strategies: Sequence[str]) -> list[RenderedFigure]:
    series = {name: i for i, name in enumerate(strategies)}
    specs = [gain_by_ratio(board, gains[board.slug], series) for board in boards]
    return [
        of_spec(dataclasses.replace(spec, name=_figure_name(b))) for b, spec in zip(boards, specs, strict=True) if spec
    ]


def _figure_name(board: Board) -> str:
    return f"gain-{board.task}-{board.metric.name}"


def _frame(boards: Sequence[Board], gains: dict[str, list[Gain]]) -> pd.DataFrame:
    rows = [
        {"task": board.task, "metric": board.metric.name, **dataclasses.asdict(gain)}
        for board in boards
        for gain in gains[board.slug]
    ]
    return pd.DataFrame(rows).rename(columns={"name": "strategy"})


def _overall(board: Board) -> pd.DataFrame:
    """Mean gain of each strategy over the configurations of a board of one dataset."""
    dataset = board.configurations[0].dataset if board.configurations else ""
    means = board.gains.mean(axis=0) if len(board.gains) else np.full(len(board.names), np.nan)
    rows = [
        {"dataset": dataset, "task": board.task, "metric": board.metric.name, "strategy": name, "gain": float(mean)}
        for name, mean in zip(board.names, means, strict=True)
        if name != board.control
    ]
    return pd.DataFrame(rows)


def _lead(board: Board, gains: Sequence[Gain]) -> list[str]:
    """The strategy with the largest mean gain over all configurations, and ReMix's rank."""
    overall = sorted((gain for gain in gains if gain.ir == ALL), key=lambda gain: -gain.gain)
    if not overall:
        return []
    best, mine = overall[0], next((gain for gain in overall if gain.name == "remix"), None)
    sentence = f"{_called(board)}: {best.name} has the largest mean gain, {_value(best)}"
    if mine is None or mine is best:
        return [f"{sentence}."]
    return [f"{sentence}; ReMix has {_value(mine)}, rank {overall.index(mine) + 1} of {len(overall)}."]


def _trend(board: Board, gains: Sequence[Gain]) -> list[str]:
    """Whether ReMix's and SMOTE's g-mean gains decline with more extreme imbalance."""
    if board.metric.name != "gmean":
        return []
    sentences = []
    for name in ("remix", "batch-smote"):
        mine = [gain for gain in gains if gain.name == name and gain.ir != ALL]
        if len(mine) > 1:
            steps = ", ".join(f"{number(gain.gain, 3, sign=True)} at {gain.ir}" for gain in reversed(mine))
            declines = mine[0].gain < mine[-1].gain  # the hardest ratio is first
            sentences.append(
                f"{_called(board)} of {name} {'declines' if declines else 'does not decline'} "
                f"towards more extreme imbalance: {steps}."
            )
    return sentences


def _order(board: Board) -> str:
    """The order of all strategies on one dataset, and whether the two with augmentation lead."""
    order = _by_gain(board)
    ahead = {name for name, _ in order[:2]} == {"augment", "remix-aug"}
    places = listed([f"{name} {number(gain, 3, sign=True)}" for name, gain in order])
    return (
        f"{board.configurations[0].dataset}, {_called(board)}: {places}. "
        f"Augment and ReMix with augmentation {'are' if ahead else 'are not'} the best two."
    )


def _basic(board: Board) -> str:
    """Whether ReMix without augmentation has a larger mean gain than the other three."""
    gain = dict(_by_gain(board))
    worse = [name for name in ("mixup", "cost-adjusted", "batch-smote") if gain[name] >= gain["remix"]]
    order = (
        f"smaller mean gain than {listed(worse)}" if worse else "larger mean gain than MixUp, cost adjustment and SMOTE"
    )
    return f"{board.configurations[0].dataset}, {_called(board)}: ReMix without augmentation has a {order}."


def _smaller_on_multiclass(boards: Sequence[Board]) -> list[str]:
    """Whether ReMix gains less on multi-class data, by metric."""
    sentences = []
    for metric in HEADLINE:
        gain = {b.task: dict(_by_gain(b))["remix"] for b in boards if b.metric.name == metric and "remix" in b.names}
        if len(gain) == len(TASKS):
            binary, multiclass = (gain[task] for task in TASKS)
            less = "smaller" if multiclass < binary else "not smaller"
            sentences.append(
                f"ReMix's mean {_TITLES[metric]} is {less} on multi-class data: {number(multiclass, 3, sign=True)}, "
                f"and {number(binary, 3, sign=True)} on binary data."
            )
    return sentences


def _by_gain(board: Board) -> list[tuple[str, float]]:
    means = board.gains.mean(axis=0)
    pairs = [(name, float(mean)) for name, mean in zip(board.names, means, strict=True) if name != board.control]
    return sorted(pairs, key=lambda pair: -pair[1])


def _called(board: Board) -> str:
    return f"{board.task.capitalize()} {_TITLES[board.metric.name]}"


def _value(gain: Gain) -> str:
    interval = span(gain.low, gain.high, 3, sign=True)
    return number(gain.gain, 3, sign=True) + (f" ({interval})" if interval else "")


def _datasets(results: Results) -> list[str]:
    return sorted(map(str, results.rows["dataset"].unique()))


def _only(results: Results, dataset: str) -> Results:
    return dataclasses.replace(results, rows=results.rows[results.rows["dataset"] == dataset])
