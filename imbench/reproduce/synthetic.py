"""Figures 2 and 3: samples of batch-SMOTE and ReMix in the plane."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from imbench import strategy
from imbench.contract.streams import stream
from imbench.reproduce.drawing import bare, blank, limits_of, saved, soft_colours
from imbench.reproduce.mini_batches import Fed, draw, feed
from imbench.reproduce.paper_item import Numbers, PaperItem, RenderedFigure
from imbench.reproduce.spread import HALF, Spread, percent, readable, spreads
from imbench.reproduce.verdicts import verdict_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.colors import LinearSegmentedColormap

    from imbench.reproduce.context import ReproductionContext

MAJORITY, MINORITY, BATCH = 400, 40, 64
SMOTE, SHOWN = "batch-smote", "remix:alpha=0.3"
REMIX = ("remix", SHOWN, "remix:alpha=0.5")
# A sample belongs to the class with the larger label; a label between `SOFT` is soft.
MINORITY_FROM, SOFT = 0.5, (0.1, 0.9)
# Two points of a batch nearer than this count as the same; the classes have a spread of about 1.
SAME = 0.01
# A smaller share of repeats is rare.
RARE = 0.1
PANEL = 2.7  # inches
TITLES = {"baseline": "original", SMOTE: "batch-SMOTE", SHOWN: "ReMix, α = 0.3"}


# With single-precision rounding, a point on an edge of the hull may lie on either side of it.
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
        self.area = float(hull.volume)  # SciPy calls the area in two dimensions the volume
        self._normals, self._offsets = hull.equations[:, :2], hull.equations[:, 2]

    def outside(self, x: np.ndarray) -> np.ndarray:
        """``(points,)`` bool: outside the hull by more than rounding."""
        beyond = x.astype(np.float64) @ self._normals.T + self._offsets
        return np.asarray(beyond.max(axis=1) > TOLERANCE, dtype=bool)

    def draw(self, axes: Axes, label: str | None = None) -> None:
        """Draw the outline."""
        ring = np.concatenate([self.corners, self.corners[:1]])
        axes.plot(ring[:, 0], ring[:, 1], color="#111111", linewidth=1, linestyle=(0, (4, 2)), label=label, zorder=4)


@dataclass(frozen=True)
class _Amount:
    """Numbers of random datasets and of mini-batches from each; the figure shows ``drawn`` of the first dataset."""

    seeds: int
    batches: int
    drawn: int

    @classmethod
    def of(cls, context: ReproductionContext) -> _Amount:
        return cls(3, 12, 12) if context.is_smoke else cls(20, 120, 12)


def clouds(seed: int) -> Points:
    """Touching normal clouds: 400 majority points at (0, 0), SD 1, and 40 minority points at (2.2, 1.6), SD 0.6."""
    rng = stream("figure2", "points", seed)
    return points(rng.normal(size=(MAJORITY, 2)), np.array([2.2, 1.6]) + rng.normal(scale=0.6, size=(MINORITY, 2)))


def moons(seed: int) -> Points:
    """Two interleaved half circles of radius 1.5, normal noise 0.2: 400 majority points and 40 minority points."""
    rng = stream("figure3", "points", seed)
    turns = rng.uniform(0, np.pi, MAJORITY), rng.uniform(0, np.pi, MINORITY)
    upper, lower = (1.5 * np.column_stack([np.cos(t), np.sin(t)]) for t in turns)
    majority, minority = upper, np.array([1.5, 0.6]) - lower
    return points(
        majority + rng.normal(scale=0.2, size=majority.shape), minority + rng.normal(scale=0.2, size=minority.shape)
    )


def figure2(context: ReproductionContext) -> PaperItem:
    """Samples of batch-SMOTE and ReMix, compared with the convex hull of the minority."""
    amount = _Amount.of(context)
    specs = (SMOTE, *REMIX)
    frame = _measured("figure2", clouds, specs, amount)
    return PaperItem(
        "figure2",
        "Samples of batch-SMOTE and of ReMix, and the convex hull of the minority",
        (
            "SMOTE makes samples with hard labels, and only inside the convex hull of the minority class.",
            "ReMix spreads samples with soft labels smoothly over the joint distribution of the classes.",
        ),
        found_of_hulls(frame),
        _tables(frame),
        (_figure_of_hulls(amount, frame),),
        (
            f"{clouds.__doc__} {_basis(amount)}",
            _UNSTATED,
            _DEFINED,
        ),
    )


def figure3(context: ReproductionContext) -> PaperItem:
    """Mini-batches of batch-SMOTE and ReMix, compared with the original ones."""
    amount = _Amount.of(context)
    frame = _measured("figure3", moons, ("baseline", SMOTE, *REMIX), amount)
    return PaperItem(
        "figure3",
        "Mini-batches of batch-SMOTE and of ReMix beside the original data",
        (
            "ReMix expands the minority's region, which helps to reduce the bias of the net.",
            "Mixing with soft labels adds structure between the classes.",
            "In another section: the same features are unlikely to be drawn several times, so ReMix overfits less.",
        ),
        found_of_batches(frame),
        _tables(frame),
        (_figure_of_batches(amount, frame),),
        (
            f"{moons.__doc__} {_basis(amount)}",
            _UNSTATED,
            _DEFINED,
        ),
    )


_READABLE = {
    "strategy": "strategy",
    "minority": "mean label of the minority",
    "soft": "share soft",
    "outside": "minority samples outside the hull",
    "spread": "their spread, relative",
    "area": "their area, relative",
    "repeats": "share of repeats among them",
}


def _tables(frame: pd.DataFrame) -> tuple[Numbers, ...]:
    title = "Measures of the mini-batches, by strategy"
    return (
        Numbers("summary", f"{title}, with 95 % intervals over datasets", readable(frame, _READABLE)),
        Numbers("samples", title, frame, shown=False),
    )


_UNSTATED = (
    "The paper states neither its data nor its α. SMOTE works inside each mini-batch, as in the paper's experiments."
)
_DEFINED = (
    f"A minority sample has a minority label of at least {MINORITY_FROM:g}; a soft label lies between {SOFT[0]:g} and "
    f"{SOFT[1]:g}. The spread of samples is their root mean square distance from the mean, their area that of the "
    f"convex hull. A repeat lies within {SAME:g} of another minority sample in its mini-batch."
)


def _basis(amount: _Amount) -> str:
    return (
        f"{amount.seeds} such datasets are drawn, with {amount.batches} mini-batches of {BATCH} rows from each. Values "
        "are means over datasets, with 95 % intervals."
    )


def made(figure: str, data: Points, spec: str, batches: int, seed: int) -> Fed:
    """A strategy's output for mini-batches of the data; all strategies get the same mini-batches."""
    numbers = draw(len(data.y), BATCH, batches, stream(figure, "order", seed))
    return feed(strategy(spec), data.x, data.y, numbers, 2, figure, seed)


def _measured(figure: str, data_of: Callable[[int], Points], specs: Sequence[str], amount: _Amount) -> pd.DataFrame:
    """One row for each strategy: the mean over seeds of each of `facts`, with the half-width of its interval."""
    import pandas as pd

    rows = []
    for spec in specs:
        by_seed = []
        for seed in range(amount.seeds):
            data = data_of(seed)
            by_seed.append(facts(made(figure, data, spec, amount.batches, seed), data))
        rows.append({"strategy": spec, **spreads(by_seed)})
    return pd.DataFrame(rows)


def facts(fed: Fed, data: Points) -> dict[str, float]:
    """Measures of mini-batches made from these points.

    ``minority``: mean minority label; ``hard_majority``, ``soft``, ``hard_minority``: shares of samples by label;
    ``fallback``: share of mini-batches with too few rows for SMOTE to interpolate. For minority samples: ``outside``,
    the share outside the convex hull of the training minority; ``spread`` and ``area``, relative to the training
    minority; ``repeats``, the share of repeats.
    """
    x, y = fed.rows()
    label = y[:, 1].astype(np.float64)
    chosen, hull = x[label >= MINORITY_FROM], Hull(data.minority)
    return {
        "minority": float(label.mean()),
        "hard_majority": float((label <= SOFT[0]).mean()),
        "soft": float(((label > SOFT[0]) & (label < SOFT[1])).mean()),
        "hard_minority": float((label >= SOFT[1]).mean()),
        "outside": float(hull.outside(chosen).mean()),
        "spread": _spread(chosen) / _spread(data.minority),
        "area": Hull(chosen).area / hull.area,
        "repeats": _repeats(fed),
        "fallback": fed.fallback,
    }


def _spread(x: np.ndarray) -> float:
    return float(np.sqrt(x.astype(np.float64).var(axis=0).sum()))


def _repeats(fed: Fed) -> float:
    """Share of minority samples that lie within `SAME` of another one in their mini-batch."""
    chosen = fed.y[..., 1] >= MINORITY_FROM  # (batches, batch)
    repeated = 0
    for x, own in zip(fed.x, chosen, strict=True):
        apart = np.linalg.norm(x[own][:, None] - x[own][None], axis=-1)  # (chosen, chosen)
        repeated += int(((apart < SAME).sum(axis=1) > 1).sum())
    return repeated / int(chosen.sum())


def _at(frame: pd.DataFrame, spec: str, name: str) -> Spread:
    row = frame[frame["strategy"] == spec]
    return Spread(float(row[name].iloc[0]), float(row[f"{name}{HALF}"].iloc[0]))


def _by_alpha(frame: pd.DataFrame, name: str) -> str:
    return ", ".join(f"{percent(_at(frame, spec, name).mean)} at {_alpha(spec)}" for spec in REMIX)


def _alpha(spec: str) -> str:
    return f"α = {strategy(spec).params['alpha']:g}"


def found_of_hulls(frame: pd.DataFrame) -> tuple[str, ...]:
    """The findings of Figure 2, with verdicts on the paper's claims."""
    smote = _at(frame, SMOTE, "outside").mean
    # One sample outside is enough to contradict that SMOTE draws none.
    beyond = verdict_of([1 if smote == 0 else -1, *(_at(frame, spec, "outside").above(0.0) for spec in REMIX)])
    soft = [_at(frame, spec, "soft").mean for spec in REMIX]
    contracts = verdict_of([-_at(frame, SMOTE, "spread").above(1.0)])
    return (
        f"Minority samples outside the hull: {percent(smote)} with batch-SMOTE; with ReMix "
        f"{_by_alpha(frame, 'outside')}. The paper's claim that ReMix draws samples beyond the hull and SMOTE does "
        f"not: {beyond}.",
        f"Samples with soft labels: {percent(_at(frame, SMOTE, 'soft').mean)} with batch-SMOTE; with ReMix "
        f"{_by_alpha(frame, 'soft')}. "
        + (
            f"At {_alpha(REMIX[0])}, the value of the paper's tables, most samples are close to a real row, so the "
            "smooth spread between the classes is weak."
            if soft[0] < MINORITY_FROM / 2
            else f"Even at {_alpha(REMIX[0])}, the value of the paper's tables, many samples lie between the classes."
        ),
        f"Spread of the minority samples relative to the training minority: {_at(frame, SMOTE, 'spread').text()} with "
        "batch-SMOTE; with ReMix "
        + ", ".join(f"{_at(frame, spec, 'spread').text()} at {_alpha(spec)}" for spec in REMIX)
        + f". The result that the paper cites, that SMOTE contracts the minority: {contracts}.",
    )


def found_of_batches(frame: pd.DataFrame) -> tuple[str, ...]:
    """The findings of Figure 3, with verdicts on the paper's claims."""
    smote, shown = _at(frame, SMOTE, "area"), _at(frame, SHOWN, "area")
    expands = verdict_of([shown.above(smote), shown.above(1.0)])
    rare = verdict_of([-_at(frame, spec, "repeats").above(RARE) for spec in (REMIX[0], SHOWN)])
    return (
        f"The mean minority label is {percent(_at(frame, 'baseline', 'minority').mean)} in the original mini-batches, "
        f"{percent(_at(frame, SMOTE, 'minority').mean)} after batch-SMOTE and "
        f"{percent(_at(frame, SHOWN, 'minority').mean)} after ReMix ({_alpha(SHOWN)}).",
        f"Area of the minority samples relative to the training minority: {smote.text()} after batch-SMOTE and "
        f"{shown.text()} after ReMix ({_alpha(SHOWN)}). The paper's claim that ReMix expands the minority's region: "
        f"{expands}.",
        f"Samples with soft labels, between the classes: {percent(_at(frame, SMOTE, 'soft').mean)} after batch-SMOTE; "
        f"after ReMix {_by_alpha(frame, 'soft')}.",
        f"Minority samples that repeat another one in their mini-batch: "
        f"{percent(_at(frame, SMOTE, 'repeats').mean)} after batch-SMOTE; after ReMix {_by_alpha(frame, 'repeats')}. "
        f"The paper's claim that repeats are rare (here below {percent(RARE, 0)}): {rare}. The few minority rows are "
        "drawn with replacement, and a small α leaves many of them nearly unchanged.",
    )


def _figure_of_hulls(amount: _Amount, frame: pd.DataFrame) -> RenderedFigure:
    data = clouds(0)
    hull = Hull(data.minority)
    beyond = {spec: percent(_at(frame, spec, "outside").mean) for spec in (SMOTE, SHOWN)}
    return _panels(
        "figure2",
        "samples",
        "Samples of batch-SMOTE and of ReMix",
        "Two panels of one dataset: a cloud of the majority, and the dashed convex hull of the minority at its upper "
        f"right. Left, batch-SMOTE's minority samples fill the hull ({beyond[SMOTE]} lie outside); their labels are "
        f"hard. Right, ReMix's samples lie in both clouds and between them; {beyond[SHOWN]} of its minority samples "
        "lie outside the hull, and labels change gradually from one class to the other.",
        data,
        [(spec, made("figure2", data, spec, amount.drawn, 0)) for spec in (SMOTE, SHOWN)],
        hull,
    )


def _figure_of_batches(amount: _Amount, frame: pd.DataFrame) -> RenderedFigure:
    data = moons(0)
    minority = {s: percent(_at(frame, s, "minority").mean, 0) for s in ("baseline", SMOTE, SHOWN)}
    return _panels(
        "figure3",
        "batches",
        "Mini-batches: original, batch-SMOTE and ReMix",
        "Three panels of the same mini-batches of two interleaved half moons. First, the original rows, "
        f"{minority['baseline']} of them minority. Second, after batch-SMOTE: {minority[SMOTE]} are minority, and new "
        f"rows lie on lines between minority rows. Third, after ReMix: the mean minority label is {minority[SHOWN]}, "
        "and samples with soft labels lie in the gap between the moons.",
        data,
        [(spec, made("figure3", data, spec, amount.drawn, 0)) for spec in ("baseline", SMOTE, SHOWN)],
        None,
    )


def _panels(
    figure_name: str,
    name: str,
    title: str,
    description: str,
    data: Points,
    panels: Sequence[tuple[str, Fed]],
    hull: Hull | None,
) -> RenderedFigure:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    colours, limits = soft_colours(), limits_of(data.x)
    height = PANEL * (limits[3] - limits[2]) / (limits[1] - limits[0])
    with blank(1.0 + PANEL * len(panels), 0.4 + height) as figure:
        axes = figure.subplots(1, len(panels), squeeze=False)[0]
        for ax, (spec, fed) in zip(axes, panels, strict=True):
            bare(ax, TITLES[spec], limits)
            _scatter(ax, fed, colours)
            if hull is not None:
                hull.draw(ax)
        bar = figure.colorbar(ScalarMappable(Normalize(0, 1), colours), ax=list(axes), aspect=20)
        bar.set_label("minority label", fontsize=9)
        bar.ax.tick_params(labelsize=8)
        return saved(figure, f"{figure_name}-{name}", title, description)


def _scatter(ax: Axes, fed: Fed, colours: LinearSegmentedColormap) -> None:
    x, y = fed.rows()
    order = np.argsort(y[:, 1], kind="stable")  # the minority on top
    ax.scatter(
        x[order, 0], x[order, 1], c=y[order, 1], cmap=colours, vmin=0, vmax=1, s=9, linewidths=0, alpha=0.85, zorder=3
    )
