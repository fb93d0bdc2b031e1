"""Two-class data in the plane, made here, and what its figures share: convex hulls, colours and frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from imbench.report.figures.spec import COLOURS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import LinearSegmentedColormap

MAJORITY_INK, MINORITY_INK = COLOURS[1], COLOURS[2]

# Rounding of single precision may leave a point of a hull's face on either side of it.
TOLERANCE = 1e-5


@dataclass(frozen=True, eq=False)
class Points:
    """Labelled points: x ``(rows, 2)`` float32, y ``(rows,)`` class numbers, 1 being the minority."""

    x: np.ndarray
    y: np.ndarray

    @property
    def minority(self) -> np.ndarray:
        """``(rows, 2)`` points of the minority."""
        return np.asarray(self.x[self.y == 1])


def points(majority: np.ndarray, minority: np.ndarray) -> Points:
    """Labelled points of both classes, the majority first."""
    x = np.concatenate([majority, minority]).astype(np.float32)
    return Points(x, np.repeat([0, 1], [len(majority), len(minority)]))


class Hull:
    """The convex hull of ``(points, 2)``, at least three of them and not on one line."""

    def __init__(self, of: np.ndarray) -> None:
        from scipy.spatial import ConvexHull

        hull = ConvexHull(of.astype(np.float64))
        self.corners = of[hull.vertices]  # (corners, 2), counter-clockwise
        self.area = float(hull.volume)  # SciPy's word for the content in any dimension
        self._normals, self._offsets = hull.equations[:, :2], hull.equations[:, 2]

    def outside(self, x: np.ndarray) -> np.ndarray:
        """``(points,)`` bool: further than rounding beyond some edge."""
        beyond = x.astype(np.float64) @ self._normals.T + self._offsets
        return np.asarray(beyond.max(axis=1) > TOLERANCE, dtype=bool)

    def draw(self, axes: Axes, label: str | None = None) -> None:
        """Its outline."""
        ring = np.concatenate([self.corners, self.corners[:1]])
        axes.plot(ring[:, 0], ring[:, 1], color="#111111", linewidth=1, linestyle=(0, (4, 2)), label=label, zorder=4)


def soft_colours() -> LinearSegmentedColormap:
    """From the majority's colour by light grey to the minority's, for soft labels; told apart by the colour-blind."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("soft", [MAJORITY_INK, "#d4d4d4", MINORITY_INK])


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
