"""Contact sheets: what each strategy feeds the nets, a line of labelled images each, as PNG or SVG."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from imbench.report.figures.rendering import settings
from imbench.report.figures.spec import COLOURS

FORMATS = ("png", "svg")

# In pixels. Images are enlarged by a whole number of times, so that theirs stay visible and are never blurred.
_SIDE, _GAP, _NAMES, _MARGIN, _LINE = 96, 10, 150, 14, 13
_TEXT, _PLAIN, _MINORITY = 10, "#333333", COLOURS[2]

# Shares of less are left out of what is printed; the largest few stand for the rest.
_LEAST, _MOST = 0.005, 2


@dataclass(frozen=True, eq=False)
class SampleRow:
    """What one strategy feeds the nets.

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
    """Strips under one another; the images of a column come from the same mini-batch.

    Parameters
    ----------
    title : a line above all
    class_names : of the labels; ``minority``: the numbers of those that are rare, set off in print
    left_out : ``(strategy, reason)`` of strategies that could not be shown
    """

    title: str
    class_names: tuple[str, ...]
    minority: tuple[int, ...]
    rows: tuple[SampleRow, ...]
    left_out: tuple[tuple[str, str], ...] = ()

    def words(self, strip: SampleRow) -> list[str]:
        """The label of each image of a strip, such as ``cat 0.93, dog 0.07``; its weight follows if it has one."""
        return [", ".join(text for text, _ in parts) for parts in self.parts(strip)]

    @property
    def description(self) -> str:
        """The sheet told in words, for those who do not see it."""
        lines = [f"{strip.name}: {'; '.join(self.words(strip))}." for strip in self.rows]
        return f"{self.title}. " + " ".join(lines)

    def parts(self, strip: SampleRow) -> list[list[tuple[str, bool]]]:
        """For each image of a strip the texts printed under one another, and whether each names a rare class."""
        columns = []
        for i, label in enumerate(strip.labels):
            largest = [int(c) for c in np.argsort(-label, kind="stable")[:_MOST] if label[c] >= _LEAST]
            parts = [(self._share(c, float(label[c])), c in self.minority) for c in largest]
            if strip.weights is not None:
                parts.append((f"weight {strip.weights[i]:.2f}", False))
            columns.append(parts)
        return columns

    def _share(self, number: int, share: float) -> str:
        merged = self.class_names[number].count("+") + 1
        name = self.class_names[number] if merged == 1 else f"{merged} merged"
        return name if share > 1 - _LEAST else f"{name} {share:.2f}"


def draw(sheet: SampleGrid, kind: str) -> bytes:
    """The file of a sheet, ``kind`` being one of `FORMATS`: the same sheet gives the same bytes."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    height, width = sheet.rows[0].images.shape[1:3]
    times = max(1, round(_SIDE / max(height, width)))
    parts = [sheet.parts(strip) for strip in sheet.rows]
    deep = [max(len(column) for column in columns) for columns in parts]
    wide, high = times * width + _GAP, times * height + _GAP
    total = 2 * _MARGIN + 2 * _LINE + sum(high + _LINE * lines for lines in deep)
    across = _NAMES + len(sheet.rows[0].images) * wide + _MARGIN
    metadata: dict[str, Any] = {"Title": sheet.title, "Description": sheet.description}
    metadata |= {"png": {"Software": None}, "svg": {"Date": None, "Creator": None}}[kind]
    with mpl.rc_context(settings()):
        figure = Figure(figsize=(across / 72, total / 72), dpi=72)
        FigureCanvasAgg(figure)

        def write(x: float, y: float, text: str, **style: Any) -> None:
            """Text from pixels counted downwards."""
            place: dict[str, Any] = {"va": "top", "fontsize": _TEXT, "color": _PLAIN, "parse_math": False}
            figure.text(x / across, 1 - y / total, text, **(place | style))

        write(_MARGIN, _MARGIN, sheet.title, fontsize=_TEXT + 2, color="#111111")
        top = _MARGIN + 2 * _LINE
        for strip, columns, lines in zip(sheet.rows, parts, deep, strict=True):
            write(_MARGIN, top + times * height / 2, _folded(strip.name), va="center", color="#111111")
            for i, (image, column) in enumerate(zip(strip.images, columns, strict=True)):
                left = _NAMES + i * wide
                figure.figimage(_enlarged(image, times), left, total - top - times * height, origin="upper")
                for line, (text, set_off) in enumerate(column):
                    style = {"color": _MINORITY, "fontweight": "bold"} if set_off else {}
                    write(left, top + times * height + 1 + line * _LINE, text, **style)
            top += high + _LINE * lines
        sink = io.BytesIO()
        figure.savefig(sink, format=kind, metadata=metadata, facecolor="white")
    return sink.getvalue()


def picture(image: np.ndarray) -> bytes:
    """One image, ``(height, width, channels)`` in [0, 1], as a PNG file of as many pixels: the same bytes each time."""
    from PIL import Image

    sink = io.BytesIO()
    pixels = _bytes(image)
    Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels).save(sink, format="png", optimize=True)
    return sink.getvalue()


def _enlarged(image: np.ndarray, times: int) -> np.ndarray:
    """``(height, width, channels)`` in [0, 1] as bytes of red, green and blue, every pixel ``times`` as large."""
    colours = np.broadcast_to(_bytes(image), (*image.shape[:2], 3))
    return colours.repeat(times, axis=0).repeat(times, axis=1)


def _bytes(image: np.ndarray) -> np.ndarray:
    return np.asarray(np.round(255 * np.clip(image, 0, 1)), dtype=np.uint8)


def _folded(spec: str) -> str:
    """A spec on lines that fit beside the images."""
    name, _, rest = spec.partition(":")
    parts: Sequence[str] = rest.split(",") if rest else ()
    return "\n".join([name, *(f"  {part}" for part in parts)])
