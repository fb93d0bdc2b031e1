"""Sample grids: a row of labelled images for each strategy, as the nets receive them, as PNG or SVG."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from imbench.contract.old_names import old_attributes
from imbench.report.figures.rendering import settings
from imbench.report.figures.spec import COLOURS

FORMATS = ("png", "svg")

# In pixels. Images are enlarged by a whole factor, so that their pixels stay visible and are never blurred.
_SIDE, _GAP, _NAMES, _MARGIN, _LINE = 96, 10, 150, 14, 13
_TEXT, _PLAIN, _MINORITY = 10, "#333333", COLOURS[2]

# A caption names the largest shares, and none below this.
_LEAST, _MOST = 0.005, 2


@dataclass(frozen=True, eq=False)
class SampleRow:
    """The images that one strategy feeds to the nets.

    Parameters
    ----------
    name : the strategy's spec
    images : ``(columns, height, width, channels)`` in [0, 1], one channel or three
    labels : ``(columns, classes)`` soft labels
    weights : ``(columns,)`` factor of each image in the loss, or None where all are 1
    """

    name: str
    images: np.ndarray
    labels: np.ndarray
    weights: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class SampleGrid:
    """A row for each strategy; the images of a column come from the same mini-batch.

    Parameters
    ----------
    title : printed above the rows
    class_names : the names of the labels; ``minority``: the numbers of the minority classes, printed in bold
    left_out : ``(strategy, reason)`` for each strategy that is not shown
    """

    title: str
    class_names: tuple[str, ...]
    minority: tuple[int, ...]
    rows: tuple[SampleRow, ...]
    left_out: tuple[tuple[str, str], ...] = ()

    if not TYPE_CHECKING:
        __getattr__ = old_attributes("SampleGrid")

    def label_texts(self, row: SampleRow) -> list[str]:
        """The label of each image of a row, such as ``cat 0.93, dog 0.07``, and its weight if it has one."""
        return [", ".join(text for text, _ in lines) for lines in self.captions(row)]

    @property
    def description(self) -> str:
        """The grid as text, for readers who cannot see it."""
        lines = [f"{row.name}: {'; '.join(self.label_texts(row))}." for row in self.rows]
        return f"{self.title}. " + " ".join(lines)

    def captions(self, row: SampleRow) -> list[list[tuple[str, bool]]]:
        """For each image of a row the lines printed below it, and whether each names a minority class."""
        columns = []
        for i, label in enumerate(row.labels):
            largest = [int(c) for c in np.argsort(-label, kind="stable")[:_MOST] if label[c] >= _LEAST]
            lines = [(self._share(c, float(label[c])), c in self.minority) for c in largest]
            if row.weights is not None:
                lines.append((f"weight {row.weights[i]:.2f}", False))
            columns.append(lines)
        return columns

    def _share(self, number: int, share: float) -> str:
        merged = self.class_names[number].count("+") + 1
        name = self.class_names[number] if merged == 1 else f"{merged} merged"
        return name if share > 1 - _LEAST else f"{name} {share:.2f}"


def draw(grid: SampleGrid, kind: str) -> bytes:
    """A grid as a file of one of the `FORMATS`; equal grids give equal bytes."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    height, width = grid.rows[0].images.shape[1:3]
    times = max(1, round(_SIDE / max(height, width)))
    captions = [grid.captions(row) for row in grid.rows]
    deep = [max(len(lines) for lines in columns) for columns in captions]
    wide, high = times * width + _GAP, times * height + _GAP
    total = 2 * _MARGIN + 2 * _LINE + sum(high + _LINE * lines for lines in deep)
    across = _NAMES + len(grid.rows[0].images) * wide + _MARGIN
    metadata: dict[str, Any] = {"Title": grid.title, "Description": grid.description}
    metadata |= {"png": {"Software": None}, "svg": {"Date": None, "Creator": None}}[kind]
    with mpl.rc_context(settings()):
        figure = Figure(figsize=(across / 72, total / 72), dpi=72)
        FigureCanvasAgg(figure)

        def write(x: float, y: float, text: str, **style: Any) -> None:
            """Write text at a place in pixels, y downwards."""
            place: dict[str, Any] = {"va": "top", "fontsize": _TEXT, "color": _PLAIN, "parse_math": False}
            figure.text(x / across, 1 - y / total, text, **(place | style))

        write(_MARGIN, _MARGIN, grid.title, fontsize=_TEXT + 2, color="#111111")
        top = _MARGIN + 2 * _LINE
        for row, columns, lines in zip(grid.rows, captions, deep, strict=True):
            write(_MARGIN, top + times * height / 2, _folded(row.name), va="center", color="#111111")
            for i, (image, column) in enumerate(zip(row.images, columns, strict=True)):
                left = _NAMES + i * wide
                figure.figimage(_enlarged(image, times), left, total - top - times * height, origin="upper")
                for line, (text, rare) in enumerate(column):
                    style = {"color": _MINORITY, "fontweight": "bold"} if rare else {}
                    write(left, top + times * height + 1 + line * _LINE, text, **style)
            top += high + _LINE * lines
        sink = io.BytesIO()
        figure.savefig(sink, format=kind, metadata=metadata, facecolor="white")
    return sink.getvalue()


def picture(image: np.ndarray) -> bytes:
    """One image, ``(height, width, channels)`` in [0, 1], as a PNG of the same size; equal images give equal bytes."""
    from PIL import Image

    sink = io.BytesIO()
    pixels = _bytes(image)
    Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels).save(sink, format="png", optimize=True)
    return sink.getvalue()


def _enlarged(image: np.ndarray, times: int) -> np.ndarray:
    """``(height, width, channels)`` in [0, 1] as red, green and blue bytes, each pixel repeated ``times`` each way."""
    colours = np.broadcast_to(_bytes(image), (*image.shape[:2], 3))
    return colours.repeat(times, axis=0).repeat(times, axis=1)


def _bytes(image: np.ndarray) -> np.ndarray:
    return np.asarray(np.round(255 * np.clip(image, 0, 1)), dtype=np.uint8)


def _folded(spec: str) -> str:
    """A spec on lines short enough for the space left of the images."""
    name, _, rest = spec.partition(":")
    parts: Sequence[str] = rest.split(",") if rest else ()
    return "\n".join([name, *(f"  {part}" for part in parts)])
