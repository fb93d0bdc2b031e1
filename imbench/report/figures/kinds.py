"""The kinds of figures in a report: one table entry each. A new figure is a module, an entry here and a test."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from imbench.report.figures import tuning
from imbench.report.figures.cost import quality_against_time
from imbench.report.figures.critical_difference import critical_difference
from imbench.report.figures.gain_by_ratio import gain_by_ratio
from imbench.report.figures.reliability import reliability
from imbench.report.figures.spec import FigureSpec
from imbench.report.model import Model
from imbench.scoring.rules import EACH
from imbench.stats.board import Board
from imbench.stats.score_table import ScoreTable


@dataclass(frozen=True)
class FigureKind:
    """One kind of figure.

    Parameters
    ----------
    subjects : the subjects of the figures in a model: `Board` objects, or a `ScoreTable` for each protocol and task
    draw : the figure of a model's subject; None if there is nothing to draw
    heading, text : title and opening paragraph of the page section that shows this kind; "" if the page's template
        places the figures
    """

    subjects: Callable[[Model], Iterable[Any]]
    draw: Callable[[Model, Any], FigureSpec | None]
    heading: str = ""
    text: str = ""


def _cost(model: Model, board: Board) -> FigureSpec | None:
    if board.rule == EACH:  # decision rules take no training time
        return None
    costs = [c for c in model.costs if (c.protocol, c.task) == (board.protocol, board.task)]
    return quality_against_time(board, costs, model.series)


def _gain(model: Model, board: Board) -> FigureSpec | None:
    return gain_by_ratio(board, model.gains[board.slug], model.series)


def _image_gain(model: Model, board: Board) -> FigureSpec | None:
    spec = gain_by_ratio(board, model.images.gains[board.slug], model.series) if model.images else None
    return replace(spec, name=f"image-{spec.name}") if spec else None


def _reliability(model: Model, scores: ScoreTable) -> FigureSpec | None:
    curves = [c for c in model.curves if (c.protocol, c.task) == (scores.protocol, scores.task)]
    return reliability(curves, model.series)


FIGURES: dict[str, FigureKind] = {
    "cd": FigureKind(lambda model: model.leading, lambda model, board: critical_difference(board)),
    "gain": FigureKind(lambda model: model.leading, _gain),
    "cost": FigureKind(lambda model: model.leading, _cost),
    "image-gain": FigureKind(lambda model: model.images.boards if model.images else (), _image_gain),
    "reliability": FigureKind(lambda model: model.score_tables, _reliability),
    "regret": FigureKind(lambda model: model.budgets, lambda model, one: tuning.regret(model.tuned, one, model.series)),
    "budget": FigureKind(
        lambda model: model.budgets, lambda model, one: tuning.budget(model.tuned, one, model.series, model.references)
    ),
}


@dataclass(frozen=True, eq=False)
class Figures:
    """The figures of a model; a strategy keeps its colour and shape across them."""

    model: Model

    def draw(self, kind: str, subject: Any) -> FigureSpec | None:
        """The figure of one kind, a key of `FIGURES`, for one of its subjects."""
        if (kind, subject) not in self._made:
            self._made[kind, subject] = FIGURES[kind].draw(self.model, subject)
        return self._made[kind, subject]

    @cached_property
    def _made(self) -> dict[tuple[str, Any], FigureSpec | None]:
        """The page and the files show the same figures."""
        return {}

    @cached_property
    def drawn(self) -> Mapping[str, tuple[tuple[Any, FigureSpec], ...]]:
        """Subjects with their figures, by kind."""
        found = {}
        for name, kind in FIGURES.items():
            pairs = [(subject, self.draw(name, subject)) for subject in kind.subjects(self.model)]
            found[name] = tuple((subject, spec) for subject, spec in pairs if spec is not None)
        return found

    @property
    def files(self) -> tuple[FigureSpec, ...]:
        """The figures that are written as files."""
        return tuple(spec for pairs in self.drawn.values() for _, spec in pairs)

    @property
    def sections(self) -> Mapping[str, FigureKind]:
        """The kinds that have a separate page section and a figure, by anchor."""
        return {name: kind for name, kind in FIGURES.items() if kind.heading and self.drawn[name]}
