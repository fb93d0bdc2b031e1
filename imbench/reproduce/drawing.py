"""Figures from specs and from matplotlib figures: SVG, PDF and PNG, the same bytes each time."""

from __future__ import annotations

import io
from contextlib import contextmanager
from typing import TYPE_CHECKING

from imbench.report.figures import rendering
from imbench.report.figures.spec import COLOURS
from imbench.reproduce.paper_item import RenderedFigure

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.figure import Figure

    from imbench.report.figures.spec import FigureSpec

MAJORITY_COLOUR, MINORITY_COLOUR = COLOURS[1], COLOURS[2]


def of_spec(spec: FigureSpec) -> RenderedFigure:
    """Render a report figure."""
    return RenderedFigure(spec.name, spec.title, spec.description, rendering.render(spec, (*rendering.FORMATS, "png")))


@contextmanager
def blank(width: float, height: float) -> Iterator[Figure]:
    """An empty figure of this size in inches; draw and save it inside. Matplotlib settings of the user are ignored."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with mpl.rc_context(rendering.settings()):
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(figure)
        yield figure


def saved(figure: Figure, name: str, title: str, description: str) -> RenderedFigure:
    """Render a figure from `blank`, inside its ``with`` block."""
    files = {}
    for kind, metadata in rendering.METADATA.items():
        sink = io.BytesIO()
        figure.savefig(sink, format=kind, metadata={**metadata, "Title": title}, dpi=rendering.PNG_DPI)
        files[kind] = sink.getvalue()
    return RenderedFigure(name, title, description, files)


def soft_colours() -> LinearSegmentedColormap:
    """Colour map for soft labels: majority colour, light grey, minority colour; safe for colour-blind readers."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("soft", [MAJORITY_COLOUR, "#d4d4d4", MINORITY_COLOUR])


def bare(axes: Axes, title: str, limits: tuple[float, float, float, float]) -> None:
    """A panel of the plane: no ticks, equal scales, ``limits`` being left, right, bottom and top."""
    axes.set_title(title, fontsize=10)
    axes.set_xlim(limits[0], limits[1])
    axes.set_ylim(limits[2], limits[3])
    axes.set_aspect("equal")
    axes.set_xticks([])
    axes.set_yticks([])


def limits_of(x: np.ndarray, margin: float = 0.06) -> tuple[float, float, float, float]:
    """Left, right, bottom and top of the points, with a margin."""
    low, high = x.min(axis=0), x.max(axis=0)
    room = margin * (high - low)
    return (
        float(low[0] - room[0]),
        float(high[0] + room[0]),
        float(low[1] - room[1]),
        float(high[1] + room[1]),
    )
