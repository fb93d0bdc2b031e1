"""The figures of Figure 1."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from imbench.report.figures.spec import COLOURS
from imbench.reproduce.drawing import blank, saved
from imbench.reproduce.planes import MINORITY_INK, bare
from imbench.reproduce.surfaces import BASELINE, BEFORE, EXACT, REACH, REMIX, SMOOTH, SMOTE, STEPS, Surface, cell
from imbench.stats.words import number

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from imbench.reproduce.paper_item import RenderedFigure

TITLES = {
    BASELINE: "baseline",
    SMOTE: "batch-SMOTE",
    BEFORE: "SMOTE beforehand",
    REMIX: "ReMix, α = 0.1",
    SMOOTH: "ReMix, α = 0.3",
}
_EXACT = "exact, balanced classes"
_DASHES = {BASELINE: (4, 2), SMOTE: (1, 0), BEFORE: (1, 1.5), REMIX: (6, 2), SMOOTH: (5, 1.5, 1, 1.5)}
_INKS = {BASELINE: COLOURS[0], SMOTE: COLOURS[1], BEFORE: COLOURS[4], REMIX: COLOURS[2], SMOOTH: COLOURS[3]}


def surfaces_figure(
    surfaces: Mapping[str, Sequence[Surface]], exact: Surface, x: np.ndarray, y: np.ndarray, frame: pd.DataFrame
) -> RenderedFigure:
    """The surface of each kind's first net over its training rows ``x, y``, and the exact one."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    named = {**TITLES, next(iter(EXACT)): "exact"}
    said = "; ".join(
        f"{title}: area {number(cell(frame, name, 'area'), 2)}, fall {number(cell(frame, name, 'fall'), 2)}"
        for name, title in named.items()
    )
    description = (
        "Six panels of one data set, a ring of the majority, grey, around a cloud of the minority, orange. Blue is "
        "darker where the minority is more probable; the dashed line is the decision boundary, p = 0.5. Means over all "
        "nets, of the area within the boundary and of the length on which p falls from 90 % to 10 % of its peak: "
        f"{said}."
    )
    panels = [(title, surfaces[name][0]) for name, title in TITLES.items()] + [(_EXACT, exact)]
    axis = np.linspace(-REACH, REACH, len(exact.grid))
    with blank(7.4, 5.0) as figure:
        axes = figure.subplots(2, 3)
        for ax, (title, surface) in zip(axes.flat, panels, strict=True):
            bare(ax, title, (-REACH, REACH, -REACH, REACH))
            shading = ax.pcolormesh(axis, axis, surface.grid, cmap="Blues", vmin=0, vmax=1, shading="nearest")
            shading.set_rasterized(True)  # else 40,000 cells each in SVG and PDF
            ax.scatter(*x[y == 0].T, s=2.5, color="#7d7d7d", linewidths=0, zorder=2)
            ax.scatter(*x[y == 1].T, s=9, color=MINORITY_INK, edgecolors="white", linewidths=0.3, zorder=3)
            if surface.grid.min() < 0.5 < surface.grid.max():
                ax.contour(axis, axis, surface.grid, [0.5], colors="#111111", linewidths=1.2, linestyles="dashed")
        bar = figure.colorbar(ScalarMappable(Normalize(0, 1), "Blues"), ax=axes, aspect=30)
        bar.set_label("probability of the minority", fontsize=9)
        bar.ax.tick_params(labelsize=8)
        return saved(figure, "figure1-surfaces", "Decision surfaces on the ring dataset", description)


def profiles_figure(surfaces: Mapping[str, Sequence[Surface]], exact: Surface, frame: pd.DataFrame) -> RenderedFigure:
    """The mean probability by the distance from the centre, with the spread over nets."""
    named = {**TITLES, next(iter(EXACT)): "exact"}
    said = ", ".join(f"{title} {number(cell(frame, name, 'gradient'), 2)}" for name, title in named.items())
    description = (
        "The probability of the minority falls with the distance from the centre of the ring, a line for each kind of "
        "net, the mean over directions and nets; the shade holds the middle 80 % of the nets. The exact probability of "
        f"balanced classes is dotted. Mean gradient at the decision boundary: {said}."
    )
    out = np.linspace(0, REACH, STEPS)
    with blank(6.4, 3.6) as figure:
        ax = figure.subplots()
        for name, title in TITLES.items():
            nets = np.stack([surface.rays.mean(axis=0) for surface in surfaces[name]])  # (nets, steps)
            low, high = np.quantile(nets, [0.1, 0.9], axis=0)
            ax.fill_between(out, low, high, color=_INKS[name], alpha=0.12, linewidth=0)
            ax.plot(out, nets.mean(axis=0), color=_INKS[name], dashes=_DASHES[name], linewidth=1.6, label=title)
        ax.plot(out, exact.rays.mean(axis=0), ":", color="#111111", linewidth=1.4, label=_EXACT)
        ax.axhline(0.5, color="#bbbbbb", linewidth=0.8, zorder=0)
        ax.set_xlabel("distance from the centre")
        ax.set_ylabel("probability of the minority")
        ax.set_xlim(0, REACH)
        ax.set_ylim(0, 1)
        ax.spines[["top", "right"]].set_visible(False)
        ax.legend(fontsize=8, frameon=False)
        return saved(figure, "figure1-profiles", "Probability of the minority from the centre outwards", description)
