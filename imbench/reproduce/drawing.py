"""Figures from specs and from matplotlib figures: SVG, PDF and PNG, the same bytes each time."""

from __future__ import annotations

import io
from contextlib import contextmanager
from typing import TYPE_CHECKING

from imbench.report.figures import rendering
from imbench.reproduce.paper_item import RenderedFigure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.figure import Figure

    from imbench.report.figures.spec import FigureSpec


def of_spec(spec: FigureSpec) -> RenderedFigure:
    """A figure of a report, rendered."""
    return RenderedFigure(spec.name, spec.title, spec.description, rendering.render(spec, (*rendering.FORMATS, "png")))


@contextmanager
def blank(width: float, height: float) -> Iterator[Figure]:
    """An empty figure of this size in inches, under settings that no user's own can change; draw and save inside."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with mpl.rc_context(rendering.settings()):
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(figure)
        yield figure


def saved(figure: Figure, name: str, title: str, description: str) -> RenderedFigure:
    """A figure of a figure that `blank` gave, inside its ``with``."""
    files = {}
    for kind, metadata in rendering.METADATA.items():
        sink = io.BytesIO()
        figure.savefig(sink, format=kind, metadata={**metadata, "Title": title}, dpi=rendering.PNG_DPI)
        files[kind] = sink.getvalue()
    return RenderedFigure(name, title, description, files)
