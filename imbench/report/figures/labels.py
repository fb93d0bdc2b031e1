"""Names beside the points of a chart, placed so that no text is printed over another or over a point."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from imbench.report.figures.spec import Line, Text, text_width

SIZE, HEIGHT = 11.0, 13.5
_GAP = 9.0


@dataclass(frozen=True)
class Box:
    """A rectangle of pixels, y downwards."""

    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: Box) -> bool:
        """Whether the two share any area."""
        return (
            self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom
        )

    def contains(self, other: Box) -> bool:
        """Whether the other lies inside."""
        return (
            self.left <= other.left
            and other.right <= self.right
            and self.top <= other.top
            and other.bottom <= self.bottom
        )


@dataclass(frozen=True)
class Labels:
    """The names of some points.

    Parameters
    ----------
    marks : texts, and lines from points to the names in the margin
    keys : (number of the point, x, y) where the shape of a point is repeated before its name in the margin
    right, bottom : the ends of the marks
    """

    marks: tuple[Line | Text, ...]
    keys: tuple[tuple[int, float, float], ...]
    right: float
    bottom: float


def place_labels(points: Sequence[tuple[float, float]], names: Sequence[str], frame: Box, radius: float) -> Labels:
    """Each name right of, left of, above or below its point if that is free, else in the margin with a line to it.

    Parameters
    ----------
    points, names : one name for each point
    frame : the area of the chart, which names beside points stay in; the margin begins at its right edge
    radius : of the points
    """
    dots = [Box(x - radius, y - radius, x + radius, y + radius) for x, y in points]
    marks: list[Line | Text] = []
    taken: list[Box] = []
    left_over: list[int] = []
    for i, (x, y) in enumerate(points):
        free = (
            text
            for text in _beside(x, y, names[i])
            if frame.contains(box_of(text))
            and not any(box_of(text).meets(other) for other in (*taken, *dots[:i], *dots[i + 1 :]))
        )
        text = next(free, None)
        if text is None:
            left_over.append(i)
        else:
            marks.append(text)
            taken.append(box_of(text))
    keys: list[tuple[int, float, float]] = []
    right, below, start = frame.right, frame.top, frame.right + 34
    for i in sorted(left_over, key=lambda i: points[i][::-1]):
        x, y = points[i]
        below = max(below + HEIGHT, y + 4)
        marks.append(Line(((x, y), (frame.right + 8, below - 4), (start - 14, below - 4)), "grid"))
        keys.append((i, start - 8, below - 4))
        marks.append(Text(start, below, names[i], size=SIZE))
        right = max(right, start + text_width(names[i], SIZE))
    return Labels(tuple(marks), tuple(keys), right, max(frame.bottom, below + 4))


def _beside(x: float, y: float, name: str) -> list[Text]:
    """The texts beside a point, the most readable first."""
    places = ((x + _GAP, y + 4, "start"), (x - _GAP, y + 4, "end"), (x, y - 9, "middle"), (x, y + 17, "middle"))
    return [Text(at, below, name, anchor, size=SIZE) for at, below, anchor in places]


def box_of(text: Text) -> Box:
    """The rectangle that a text fills."""
    width = text_width(text.text, text.size)
    left = {"start": text.x, "middle": text.x - width / 2, "end": text.x - width}[text.anchor]
    return Box(left, text.y - 10, left + width, text.y + 3)
