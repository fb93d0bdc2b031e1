"""Which figures a report has, by board and task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from imbench.report.figures.cost import quality_against_time
from imbench.report.figures.critical_difference import critical_difference
from imbench.report.figures.gain_by_ratio import gain_by_ratio
from imbench.report.figures.reliability import reliability
from imbench.report.figures.spec import SERIES, FigureSpec
from imbench.report.model import Model
from imbench.scoring.rules import EACH
from imbench.stats.board import Board


@dataclass(frozen=True, eq=False)
class Figures:
    """The figures of a model; a strategy has one colour and shape in all of them."""

    model: Model

    def critical_difference(self, board: Board) -> FigureSpec | None:
        """The critical-difference diagram of a board."""
        return critical_difference(board)

    def gain(self, board: Board) -> FigureSpec | None:
        """Gain by imbalance ratio of a board."""
        return gain_by_ratio(board, self.model.gains[board.slug], self._series(board))

    def image_gain(self, board: Board) -> FigureSpec | None:
        """Gain by imbalance ratio, and over all ratios, of a board of images alone."""
        images = self.model.images
        spec = gain_by_ratio(board, images.gains[board.slug], self._series(board)) if images else None
        return replace(spec, name=f"image-{spec.name}") if spec else None

    def cost(self, board: Board) -> FigureSpec | None:
        """Quality against time; None where rules compete, since they cost no training."""
        costs = [c for c in self.model.costs if (c.protocol, c.task) == (board.protocol, board.task)]
        return None if board.rule == EACH else quality_against_time(board, costs, self._series(board))

    @cached_property
    def reliability(self) -> tuple[FigureSpec, ...]:
        """Reliability curves, a figure for each protocol and task."""
        found = []
        for cell in self.model.cells:
            series = {name: i % SERIES for i, name in enumerate(cell.strategies)}
            mine = [c for c in self.model.curves if (c.protocol, c.task) == (cell.protocol, cell.task)]
            found.append(reliability(mine, series))
        return tuple(spec for spec in found if spec is not None)

    @cached_property
    def files(self) -> tuple[FigureSpec, ...]:
        """The figures that are also written as files: of the leading boards, and the reliability curves."""
        drawn = [
            make(board) for board in self.model.leading for make in (self.critical_difference, self.gain, self.cost)
        ]
        drawn += [self.image_gain(board) for board in (self.model.images.boards if self.model.images else ())]
        return (*(spec for spec in drawn if spec is not None), *self.reliability)

    def _series(self, board: Board) -> Mapping[str, int]:
        # The control keeps its own grey; the others take turns, best first, where there are more than colours.
        if len(board.names) <= SERIES:
            others = [name for name in board.names if name != board.control]
        else:
            others = [row.name for row in board.table if row.name != board.control]
        return {board.control: 0} | {name: 1 + i % (SERIES - 1) for i, name in enumerate(others)}
