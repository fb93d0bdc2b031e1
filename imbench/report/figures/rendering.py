"""Figures as SVG and PDF files for papers, with embedded fonts; equal figures give equal bytes."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from imbench.report.figures.fonts import fewer_subsets
from imbench.report.figures.spec import COLOURS, FigureSpec, Line, Mark, Point, Text, colour_of, polygon, shape_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FORMATS = ("svg", "pdf")

_COLORS = {"text": "#111111", "muted": "#555555", "grid": "#dddddd"}
_ANCHORS = {"start": "left", "middle": "center", "end": "right"}

# TrueType fonts in PDF, as publishers require; text as outlines in SVG, so that no font file is needed. The fixed salt
# and the omitted dates make equal figures equal files.
_SETTINGS: dict[str, Any] = {
    "pdf.fonttype": 42,
    "svg.fonttype": "path",
    "svg.hashsalt": "imbench",
    "font.family": "DejaVu Sans",
}
METADATA: dict[str, dict[str, Any]] = {
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None},
    "png": {"Software": None},
}
PNG_DPI = 160

# Points on paper per pixel of a figure: 520 pixels are 5.4 inches, text of 12 pixels is 9 points.
POINTS = 0.75


def settings() -> Any:
    """Matplotlib's settings for figures. A user's settings must not change the bytes; the backend is kept."""
    import matplotlib as mpl

    plain = {name: value for name, value in mpl.rcParamsDefault.items() if not name.startswith("backend")}
    return {**plain, **_SETTINGS}


def render(spec: FigureSpec, formats: Sequence[str] = FORMATS) -> dict[str, bytes]:
    """The files of a figure, by format: those of `FORMATS`, or ``png``."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with mpl.rc_context(settings()), fewer_subsets():
        figure = Figure(figsize=(spec.width * POINTS / 72, spec.height * POINTS / 72))
        FigureCanvasAgg(figure)
        axes = figure.add_axes((0, 0, 1, 1), xlim=(0, spec.width), ylim=(spec.height, 0))
        axes.set_axis_off()
        for mark in spec.marks:
            _DRAW[type(mark)](axes, mark)
        written = {}
        for kind in formats:
            sink = io.BytesIO()
            figure.savefig(sink, format=kind, metadata={**METADATA[kind], "Title": spec.title}, dpi=PNG_DPI)
            written[kind] = sink.getvalue()
    return written


def _line(axes: Axes, mark: Line) -> None:
    style: Any = (0, tuple(d * POINTS for d in mark.dash)) if mark.dash else "-"
    _stroke(
        axes,
        mark.points,
        color=_color(mark.color),
        linewidth=mark.width * POINTS,
        linestyle=style,
        solid_capstyle="butt",
    )


def _mark(axes: Axes, mark: Mark) -> None:
    from matplotlib.patches import Circle, Polygon

    shape, color = shape_of(mark.series), _color(mark.series)
    if shape in ("circle", "ring"):
        axes.add_artist(
            Circle((mark.x, mark.y), mark.size, fill=shape == "circle", color=color, linewidth=POINTS, zorder=3)
        )
    for ring in polygon(mark):
        if len(ring) == 2:
            _stroke(axes, ring, color=color, linewidth=2 * POINTS, zorder=3)
        else:
            axes.add_artist(Polygon(ring, closed=True, color=color, linewidth=0, zorder=3))


def _stroke(axes: Axes, points: Sequence[Point], **style: Any) -> None:
    """A polyline; unlike ``axes.plot`` it does not measure what it adds, since the limits are fixed."""
    from matplotlib.lines import Line2D

    x, y = zip(*points, strict=True)
    axes.add_artist(Line2D(x, y, **style))


def _text(axes: Axes, mark: Text) -> None:
    axes.text(
        mark.x,
        mark.y,
        mark.text,
        color=_color(mark.color),
        fontsize=mark.size * POINTS,
        ha=_ANCHORS[mark.anchor],
        va="baseline",
        parse_math=False,
        zorder=4,
    )


def _color(color: str | int) -> str:
    return COLOURS[colour_of(color)] if isinstance(color, int) else _COLORS[color]


_DRAW: dict[type, Any] = {Line: _line, Mark: _mark, Text: _text}
