"""The figures of Figure 8."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from imbench.contract.streams import stream
from imbench.report.figures.spec import COLOURS
from imbench.reproduce.drawing import blank, saved
from imbench.reproduce.harm import ALPHAS, harmful, mixtures
from imbench.reproduce.mini_batches import draw, feed
from imbench.reproduce.planes import bare, limits_of
from imbench.reproduce.spread import percent
from imbench.runs.registry import strategy

if TYPE_CHECKING:
    import pandas as pd

    from imbench.reproduce.paper_item import RenderedFigure

_SPEC, _PER_CLASS, _BATCH, _BATCHES = "remix:alpha=0.3", 30, 30, 20
# Class by class: left, right, and the one between them.
_INKS, _SHAPES = (COLOURS[2], COLOURS[1], COLOURS[3]), ("o", "s", "^")
_NAMES = ("class A", "class B", "class C")


def three_classes() -> tuple[np.ndarray, np.ndarray]:
    """x ``(rows, 2)``, y ``(rows,)``: classes 0 and 1 at left and right, dispersed, and class 2 in a clump between."""
    rng = stream("figure8", "illustration")
    clouds = [
        np.array([side, 0.0]) + rng.normal(size=(_PER_CLASS, 2)) * spread
        for side, spread in ((-2.6, [0.45, 1.0]), (2.6, [0.45, 1.0]), (0.0, [0.5, 0.5]))
    ]
    return np.concatenate(clouds).astype(np.float32), np.repeat([0, 1, 2], _PER_CLASS)


def illustration() -> RenderedFigure:
    """Three classes in the plane, ReMix's samples of the outer two, and one of the harmful ones with its parents."""
    x, y = three_classes()
    numbers = draw(len(y), _BATCH, _BATCHES, stream("figure8", "illustration", "order"))
    key = ("figure8", "illustration")
    mixed = mixtures(_SPEC, x, y, 3, numbers, *key)
    bad = harmful(mixed, x, y)
    outer = mixed.parents[:, 0] & mixed.parents[:, 1]
    parents = _parents(x, y, numbers, *key)
    # Of the harmful ones the nearest to the middle, in place and label.
    chosen = np.flatnonzero(outer & bad)
    shown = int(chosen[np.argmin(np.abs(mixed.x[chosen]).sum(axis=1))])
    share = float(mixed.y[shown, 0])
    description = (
        "Three classes in the plane: circles at the left, squares at the right, triangles between them. Crosses are "
        f"ReMix's samples of circles and squares ({_SPEC}): {percent(float(bad[outer].mean()))} of them lie nearest to "
        "a triangle, shown black, the others grey. Lines lead from one of those among the triangles to the circle and "
        f"the square it is made of; its label says {share:.2f} circle, {1 - share:.2f} square and no triangle."
    )
    with blank(6.2, 3.6) as figure:
        ax = figure.subplots()
        left, right, bottom, top = limits_of(x)
        bare(ax, "", (left, right, bottom - 0.5, top))
        for row in parents[shown]:
            ends = np.stack([mixed.x[shown], x[row]])
            ax.plot(ends[:, 0], ends[:, 1], color="#111111", linewidth=1, zorder=2)
        for c in range(3):
            ax.scatter(
                x[y == c, 0],
                x[y == c, 1],
                s=26,
                marker=_SHAPES[c],
                color=_INKS[c],
                linewidths=0,
                label=_NAMES[c],
                zorder=3,
            )
        for which, color, label in (
            (outer & ~bad, "#9a9a9a", "mixed of A and B"),
            (outer & bad, "#111111", "of those, nearest to C"),
        ):
            ax.scatter(
                mixed.x[which, 0], mixed.x[which, 1], s=20, marker="x", color=color, linewidths=1, label=label, zorder=4
            )
        ax.scatter(
            mixed.x[shown, 0],
            mixed.x[shown, 1],
            s=110,
            facecolors="none",
            edgecolors="#111111",
            linewidths=1.4,
            zorder=5,
        )
        ax.legend(fontsize=8, loc="lower center", ncols=5, frameon=False, columnspacing=1.0, handletextpad=0.3)
        return saved(figure, "figure8-illustration", "A mixture of two classes among samples of a third", description)


def _parents(x: np.ndarray, y: np.ndarray, numbers: np.ndarray, *key: str | int) -> list[np.ndarray]:
    """The row numbers of the two rows, or the one, that each sample is made of."""
    tagged = np.concatenate([x, np.eye(len(x), dtype=np.float32)], axis=1)
    made, _ = feed(strategy(_SPEC), tagged, y, numbers, 3, *key, halves=True).rows()
    return [np.flatnonzero(row > 0) for row in made[:, x.shape[1] :]]


def shares_figure(counts: pd.DataFrame) -> RenderedFigure:
    """The harmful share by alpha: a panel a dataset, a line for each ratio of each strategy."""
    names = list(dict.fromkeys(counts["dataset"]))
    irs = sorted(set(counts["ir"]))
    few, many = min(ALPHAS), max(ALPHAS)
    remix = counts[counts["strategy"] == "remix"].groupby(["dataset", "alpha"])["of_mixed"].mean()
    ends = [
        f"{name} from {percent(remix[name, few])} at α = {few:g} to {percent(remix[name, many])} at α = {many:g}"
        for name in names
    ]
    description = (
        "A panel for each dataset: the share of mixed samples of two classes that lie nearest to a third, against α, "
        "a line for each imbalance ratio, ReMix's solid and MixUp's dashed, with 95 % intervals. ReMix, mean over the "
        f"ratios: {'; '.join(ends)}."
    )
    with blank(0.8 + 2.1 * len(names), 3.0) as figure:
        axes = figure.subplots(1, len(names), squeeze=False)[0]
        for ax, name in zip(axes, names, strict=True):
            for i, ir in enumerate(irs):
                for kind, dash, fill in (("remix", "-", "full"), ("mixup", (0, (3, 2)), "none")):
                    own = counts[(counts["dataset"] == name) & (counts["ir"] == ir) & (counts["strategy"] == kind)]
                    ax.errorbar(
                        own["alpha"],
                        100 * own["of_mixed"],
                        100 * own["of_mixed_half"],
                        color=COLOURS[i + 1],
                        linestyle=dash,
                        linewidth=1.4,
                        marker="osD"[i % 3],
                        markersize=3.5,
                        fillstyle=fill,
                        elinewidth=0.8,
                        label=f"{'ReMix' if kind == 'remix' else 'MixUp'}, IR {ir:g}",
                    )
            ax.set_title(name, fontsize=9)
            ax.set_xlabel("α", fontsize=9)
            ax.set_xticks(ALPHAS)
            ax.tick_params(labelsize=8)
            ax.set_ylim(0, None)
            ax.spines[["top", "right"]].set_visible(False)
        axes[0].set_ylabel("nearest to a third class, %", fontsize=9)
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, fontsize=8, loc="outside lower center", ncols=len(irs) * 2, frameon=False)
        return saved(figure, "figure8-shares", "How often a mixture lies nearest to a third class", description)
