"""Figure 1: decision surfaces of nets on the ring dataset, and their measures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from imbench import score, strategy
from imbench.contract.streams import stream
from imbench.data.preprocess import fit
from imbench.engine.train import train
from imbench.report.figures.spec import COLOURS
from imbench.reproduce.drawing import MINORITY_COLOUR, bare, blank, saved
from imbench.reproduce.paper_item import Numbers, PaperItem
from imbench.reproduce.ring import MAJORITY, MINORITY, TESTED, Rings, points, posterior, rings
from imbench.reproduce.spread import Spread, percent, readable, spreads
from imbench.reproduce.verdicts import verdict_of
from imbench.runs.protocols import load_protocol
from imbench.stats.words import counted, number

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from imbench.contract.protocol import Protocol
    from imbench.reproduce.context import ReproductionContext
    from imbench.reproduce.paper_item import RenderedFigure

# Places: a square grid of half-width `REACH`, and rays from the centre.
REACH, SIDE, RAYS, STEPS = 2.6, 201, 60, 131
# The paper's width rule gives two features and two classes 2 hidden units per layer, too few to enclose a ring.
WIDTH_DIVISOR = 0.125
BASELINE, SMOTE, BEFORE, REMIX, SMOOTH = "baseline", "batch-smote", "smote-before", "remix", "remix:alpha=0.3"
NETS = (BASELINE, SMOTE, BEFORE, REMIX, SMOOTH)
EXACT = {"exact, balanced": 0.5, "exact, natural": MINORITY / (MAJORITY + MINORITY)}
BAND = (0.1, 0.9)
_READABLE = {
    "net": "net",
    "area": "area of p > 0.5",
    "fall": "length of the fall",
    "band": "length of the band",
    "gradient": "gradient at the boundary",
    "gmean": "g-mean",
    "bbs": "BBS",
    "brier": "Brier",
}


@dataclass(frozen=True, eq=False)
class Places:
    """The points at which nets predict probabilities.

    Parameters
    ----------
    x : ``(places, 2)``: rows of both classes for the metrics, then the grid row by row, then the rays one by one
    y : ``(places,)`` class numbers of the rows for the metrics; 0 elsewhere
    """

    x: np.ndarray
    y: np.ndarray

    @classmethod
    def all(cls) -> Places:
        """The places of this figure."""
        x, y = points(*TESTED, stream("figure1", "test"))
        axis = np.linspace(-REACH, REACH, SIDE)
        grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)  # rows of equal second coordinate
        angle = np.arange(RAYS) * 2 * np.pi / RAYS
        out = np.linspace(0, REACH, STEPS)[None, :, None]
        rays = (out * np.stack([np.cos(angle), np.sin(angle)], axis=-1)[:, None]).reshape(-1, 2)
        x = np.concatenate([x, grid, rays]).astype(np.float32)
        return cls(x, np.concatenate([y, np.zeros(len(x) - len(y), dtype=np.int64)]))


@dataclass(frozen=True, eq=False)
class Surface:
    """Probabilities of the minority at all places: ``test`` ``(rows,)``, ``grid`` ``(side, side)``, ``rays``
    ``(rays, steps)`` from the centre outwards.
    """

    test: np.ndarray
    grid: np.ndarray
    rays: np.ndarray

    @classmethod
    def of(cls, p: np.ndarray) -> Surface:
        """From ``(places,)`` probabilities in the order of `Places`."""
        tested = sum(TESTED)
        grid, rays = p[tested : tested + SIDE**2], p[tested + SIDE**2 :]
        return cls(p[:tested], grid.reshape(SIDE, SIDE), rays.reshape(RAYS, STEPS))


def figure1(context: ReproductionContext) -> PaperItem:
    """Decision surfaces of nets trained without rebalancing, with SMOTE and with ReMix."""
    seeds = 2 if context.is_smoke else 30
    protocol = load_protocol(context.protocol, {**context.settings, "width_divisor": str(WIDTH_DIVISOR)})
    protocol = protocol.for_dataset("ring", "binary")
    places = Places.all()
    data = rings(seeds, places.x, places.y)
    surfaces = {name: trained(name, data, protocol, context.request.device) for name in NETS}
    exact = {name: Surface.of(posterior(places.x, share)) for name, share in EXACT.items()}
    y = places.y[: sum(TESTED)]
    measured = {name: [measures(s, y) for s in many] for name, many in surfaces.items()}
    frame = table(measured, {name: measures(s, y) for name, s in exact.items()})
    first = data.folds[0].train
    balanced = next(iter(exact.values()))
    return PaperItem(
        "figure1",
        "Decision surfaces on the ring dataset",
        (
            "The baseline is biased towards the majority. SMOTE and ReMix push the decision boundary away from the "
            "minority, ReMix slightly further.",
            "With ReMix, the minority's probability falls smoothly and linearly between the classes. With the baseline "
            "and SMOTE it falls sharply at the boundary, a sign of poor calibration.",
        ),
        found_of(measured, frame),
        (
            Numbers("summary", "Measures of the surfaces, with 95 % intervals over nets", readable(frame, _READABLE)),
            Numbers("surfaces", "Measures of the surfaces", frame, shown=False),
        ),
        (
            surfaces_figure(surfaces, balanced, data.dataset.x[first], data.dataset.y[first], frame),
            profiles_figure(surfaces, balanced, frame),
        ),
        (
            f"A ring of {MAJORITY} majority points (radius 1.5, normal noise 0.3) around a cloud of {MINORITY} "
            "minority points (normal noise 0.45). The paper does not state its ring data.",
            "The exact class probabilities are known, both for balanced classes and for the natural class shares.",
            f"{counted(seeds, 'net')} of each kind under protocol {protocol.name}, each trained on its own random "
            "data. The nets have 64 units per layer; the paper's rule gives 2, too few to enclose a ring.",
            "batch-smote applies SMOTE inside each mini-batch, as in the paper's experiments. smote-before applies "
            "SMOTE (imbalanced-learn) to the whole training set, another possible reading of the figure's caption; it "
            "trains for about twice as many steps. The paper does not state α for this figure; remix uses 0.1, the "
            "value of the paper's tables.",
            f"Area: where p > 0.5, up to {REACH:g} from the centre. Band: mean length with {BAND[0]:g} < p < "
            f"{BAND[1]:g} on rays from the centre. Fall: mean length on these rays with p between "
            f"{percent(BAND[0], 0)} and {percent(BAND[1], 0)} of its maximum on the ray, which is low for a net that "
            "is unsure everywhere. Gradient: mean norm of the gradient of p along the boundary. Whether the fall is "
            "linear was not measured.",
            f"Metrics use {sum(TESTED):,} further points, {TESTED[1]} of them minority. Intervals are 95 % intervals "
            "over nets.",
            *(["A smoke run trains for too few epochs to judge the surfaces."] if context.is_smoke else []),
        ),
    )


def trained(name: str, data: Rings, protocol: Protocol, device: str = "cpu") -> list[Surface]:
    """The surface of one net for each seed; ``smote-before`` is the baseline on rows that SMOTE balanced beforehand."""
    before = name == BEFORE
    fitted = [fit(data.dataset, fold, protocol.clip) for fold in data.folds]  # on real rows only
    recipe = strategy(BASELINE if before else name)
    nets = train(data.dataset, data.smoted if before else data.folds, fitted, recipe, protocol, device=device)
    return [Surface.of(net.test.proba[:, 1].astype(np.float64)) for net in nets]


def measures(surface: Surface, y: np.ndarray) -> dict[str, float]:
    """Measures of a surface; ``y`` are the ``(rows,)`` classes of its test rows.

    ``gmean``, ``bbs``, ``brier``: the metrics; ``area``: area with p > 0.5; ``band``: mean length with 0.1 < p < 0.9 on
    the rays; ``fall``: the same with p between these shares of its maximum on the ray; ``gradient``: mean norm of the
    gradient of p along the boundary, NaN without a boundary.
    """
    scores = score(y, np.column_stack([1 - surface.test, surface.test]))
    step = 2 * REACH / (SIDE - 1)
    axis = np.linspace(-REACH, REACH, SIDE)
    within_reach = axis[:, None] ** 2 + axis[None] ** 2 <= REACH**2
    inside = surface.grid > 0.5
    # Places whose right or upper neighbour is on the other side.
    edge = np.zeros_like(inside)
    edge[:, :-1] |= inside[:, :-1] != inside[:, 1:]
    edge[:-1] |= inside[:-1] != inside[1:]
    edge &= within_reach
    norm = np.hypot(*np.gradient(surface.grid, step))
    return {
        **{name: scores[name] for name in ("gmean", "bbs", "brier")},
        "area": float((inside & within_reach).sum() * step**2),
        "band": _length(surface.rays),
        "fall": _length(surface.rays / surface.rays.max(axis=1, keepdims=True)),
        "gradient": float(norm[edge].mean()) if edge.any() else float("nan"),
    }


def _length(rays: np.ndarray) -> float:
    """Mean length of the rays with values within `BAND`."""
    return float(((rays > BAND[0]) & (rays < BAND[1])).mean() * REACH)


def table(measured: dict[str, list[dict[str, float]]], exact: dict[str, dict[str, float]]) -> pd.DataFrame:
    """One row for each kind of net with means over seeds and half-widths, then rows for the exact probabilities."""
    import pandas as pd

    rows: list[dict[str, object]] = [{"net": name, **spreads(many)} for name, many in measured.items()]
    rows += [{"net": name, **values} for name, values in exact.items()]
    return pd.DataFrame(rows)


def cell(frame: pd.DataFrame, net: str, key: str) -> float:
    """One number of `table`."""
    return float(frame.loc[frame["net"] == net, key].iloc[0])


def found_of(measured: dict[str, list[dict[str, float]]], frame: pd.DataFrame) -> tuple[str, ...]:
    """The findings, with verdicts on the paper's claims; differences are paired by seed."""
    balanced, natural = EXACT
    seeds = counted(len(measured[BASELINE]), "net")

    def is_above(name: str, other: str, key: str) -> int:
        """1 if the 95 % interval of the mean difference is above zero, −1 if it is below, else 0."""
        pairs = zip(measured[name], measured[other], strict=True)
        return Spread.of([a[key] - b[key] for a, b in pairs]).above(0.0)

    def times(name: str, other: str, key: str) -> int:
        return sum(a[key] > b[key] for a, b in zip(measured[name], measured[other], strict=True))

    def each(key: str, digits: int = 2) -> str:
        return ", ".join(f"{name} {Spread.of([one[key] for one in measured[name]]).text(digits)}" for name in NETS)

    def exact(key: str, prior: str = balanced, digits: int = 2) -> str:
        return number(cell(frame, prior, key), digits)

    pushed = [is_above(name, BASELINE, "area") for name in (SMOTE, REMIX)]
    smooth = {
        other: [is_above(REMIX, other, "fall"), is_above(other, REMIX, "gradient")] for other in (BASELINE, SMOTE)
    }
    calibrated = [is_above(other, REMIX, "bbs") for other in (BASELINE, SMOTE)]
    best = min(NETS, key=lambda net: cell(frame, net, "brier"))
    closest = min(NETS, key=lambda net: abs(cell(frame, net, "fall") - cell(frame, balanced, "fall")))
    return (
        f"Area of p > 0.5: {each('area')}; exact {exact('area')} for balanced classes and {exact('area', natural)} for "
        f"natural class shares. The area is larger than the baseline's with batch-smote in "
        f"{times(SMOTE, BASELINE, 'area')} of {seeds} and with remix in {times(REMIX, BASELINE, 'area')}. "
        + _verdict(pushed, "both push the boundary out"),
        f"The area is larger with remix than with batch-smote in {times(REMIX, SMOTE, 'area')} of {seeds}. "
        + _verdict([is_above(REMIX, SMOTE, "area")], "ReMix pushes the boundary slightly further than SMOTE"),
        f"Length of the fall: {each('fall')}; exact {exact('fall')} for balanced classes. {closest} is the closest to "
        f"the exact length. Gradient at the boundary: {each('gradient')}; exact {exact('gradient')}. "
        + " ".join(
            _verdict(signs, f"the probability falls more smoothly with ReMix than with {_CALLED[other]}")
            for other, signs in smooth.items()
        ),
        f"Balanced Brier score: {each('bbs', 3)}; exact {exact('bbs', digits=3)}. "
        + _verdict(calibrated, "ReMix is better calibrated than the baseline and batch-smote")
        + f" By the plain Brier score, under the natural class shares, {best} is best: {each('brier', 3)}; exact "
        f"{exact('brier', natural, 3)}.",
        f"G-mean: {each('gmean')}; exact {exact('gmean')} for balanced classes.",
    )


_CALLED = {BASELINE: "the baseline", SMOTE: "batch-smote"}


def _verdict(signs: Sequence[int], claim: str) -> str:
    """A sentence on the paper's claim, from the sign of each comparison whose interval excludes zero."""
    counts = f" ({signs.count(1)} of {len(signs)} comparisons support it)" if len(signs) > 1 else ""
    return f"The paper's claim that {claim}: {verdict_of(signs)}{counts}."


TITLES = {
    BASELINE: "baseline",
    SMOTE: "batch-SMOTE",
    BEFORE: "SMOTE beforehand",
    REMIX: "ReMix, α = 0.1",
    SMOOTH: "ReMix, α = 0.3",
}
_EXACT = "exact, balanced classes"
_DASHES = {BASELINE: (4, 2), SMOTE: (1, 0), BEFORE: (1, 1.5), REMIX: (6, 2), SMOOTH: (5, 1.5, 1, 1.5)}
_COLOURS = {BASELINE: COLOURS[0], SMOTE: COLOURS[1], BEFORE: COLOURS[4], REMIX: COLOURS[2], SMOOTH: COLOURS[3]}


def surfaces_figure(
    surfaces: Mapping[str, Sequence[Surface]], exact: Surface, x: np.ndarray, y: np.ndarray, frame: pd.DataFrame
) -> RenderedFigure:
    """The surfaces of the first net of each kind with its training rows ``x, y``, and the exact surface."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    named = {**TITLES, next(iter(EXACT)): "exact"}
    numbers = "; ".join(
        f"{title}: area {number(cell(frame, name, 'area'), 2)}, fall {number(cell(frame, name, 'fall'), 2)}"
        for name, title in named.items()
    )
    description = (
        "Six panels of one dataset: a grey ring of the majority around an orange cloud of the minority. Darker blue "
        "means a higher probability of the minority; the dashed line is the decision boundary, p = 0.5. Area within "
        "the boundary and length over which p falls from 90 % to 10 % of its maximum, means over all nets: "
        f"{numbers}."
    )
    panels = [(title, surfaces[name][0]) for name, title in TITLES.items()] + [(_EXACT, exact)]
    axis = np.linspace(-REACH, REACH, len(exact.grid))
    with blank(7.4, 5.0) as figure:
        axes = figure.subplots(2, 3)
        for ax, (title, surface) in zip(axes.flat, panels, strict=True):
            bare(ax, title, (-REACH, REACH, -REACH, REACH))
            shading = ax.pcolormesh(axis, axis, surface.grid, cmap="Blues", vmin=0, vmax=1, shading="nearest")
            shading.set_rasterized(True)  # as vectors, 40,000 cells in each panel
            ax.scatter(*x[y == 0].T, s=2.5, color="#7d7d7d", linewidths=0, zorder=2)
            ax.scatter(*x[y == 1].T, s=9, color=MINORITY_COLOUR, edgecolors="white", linewidths=0.3, zorder=3)
            if surface.grid.min() < 0.5 < surface.grid.max():
                ax.contour(axis, axis, surface.grid, [0.5], colors="#111111", linewidths=1.2, linestyles="dashed")
        bar = figure.colorbar(ScalarMappable(Normalize(0, 1), "Blues"), ax=axes, aspect=30)
        bar.set_label("probability of the minority", fontsize=9)
        bar.ax.tick_params(labelsize=8)
        return saved(figure, "figure1-surfaces", "Decision surfaces on the ring dataset", description)


def profiles_figure(surfaces: Mapping[str, Sequence[Surface]], exact: Surface, frame: pd.DataFrame) -> RenderedFigure:
    """The mean probability by distance from the centre, with the spread over nets."""
    named = {**TITLES, next(iter(EXACT)): "exact"}
    numbers = ", ".join(f"{title} {number(cell(frame, name, 'gradient'), 2)}" for name, title in named.items())
    description = (
        "Probability of the minority against the distance from the centre of the ring. Each line is the mean over "
        "directions and nets of one kind; the shaded area covers the middle 80 % of the nets. The dotted line is the "
        f"exact probability for balanced classes. Mean gradient at the decision boundary: {numbers}."
    )
    out = np.linspace(0, REACH, STEPS)
    with blank(6.4, 3.6) as figure:
        ax = figure.subplots()
        for name, title in TITLES.items():
            nets = np.stack([surface.rays.mean(axis=0) for surface in surfaces[name]])  # (nets, steps)
            low, high = np.quantile(nets, [0.1, 0.9], axis=0)
            ax.fill_between(out, low, high, color=_COLOURS[name], alpha=0.12, linewidth=0)
            ax.plot(out, nets.mean(axis=0), color=_COLOURS[name], dashes=_DASHES[name], linewidth=1.6, label=title)
        ax.plot(out, exact.rays.mean(axis=0), ":", color="#111111", linewidth=1.4, label=_EXACT)
        ax.axhline(0.5, color="#bbbbbb", linewidth=0.8, zorder=0)
        ax.set_xlabel("distance from the centre")
        ax.set_ylabel("probability of the minority")
        ax.set_xlim(0, REACH)
        ax.set_ylim(0, 1)
        ax.spines[["top", "right"]].set_visible(False)
        ax.legend(fontsize=8, frameon=False)
        return saved(figure, "figure1-profiles", "Probability of the minority from the centre outwards", description)
