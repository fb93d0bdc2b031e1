"""Figure 1: decision surfaces of nets on the ring dataset, and what is measured of them."""

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
from imbench.runs.protocols import load_protocol
from imbench.stats.words import counted, number

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from imbench.contract.protocol import Protocol
    from imbench.reproduce.context import ReproductionContext
    from imbench.reproduce.paper_item import RenderedFigure

# Places: a square grid as far out as `REACH`, and rays from the centre.
REACH, SIDE, RAYS, STEPS = 2.6, 201, 60, 131
# By the paper's rule two features and two classes give 2 hidden units a layer, with which no ring can be drawn.
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
    """Where nets are asked for probabilities.

    Parameters
    ----------
    x : ``(places, 2)``: rows of both classes for the metrics, then the grid row by row, then the rays one by one
    y : ``(places,)`` class numbers, of the first rows only; 0 elsewhere
    """

    x: np.ndarray
    y: np.ndarray

    @classmethod
    def all(cls) -> Places:
        """Those of this figure."""
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
    """Decision surfaces of nets trained as they are, with SMOTE and with ReMix."""
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
            "The baseline is biased towards the majority; with SMOTE and with ReMix the decision boundary is pushed "
            "out from the minority, with ReMix slightly further.",
            "With ReMix the minority's probability falls smoothly and linearly between the classes; with the baseline "
            "and with SMOTE it falls sharply at the boundary, which goes with poor calibration.",
        ),
        found_of(measured, frame),
        (
            Numbers("summary", "Decision surfaces, with 95 % intervals over the nets", readable(frame, _READABLE)),
            Numbers("surfaces", "Decision surfaces, measured", frame, shown=False),
        ),
        (
            surfaces_figure(surfaces, balanced, data.dataset.x[first], data.dataset.y[first], frame),
            profiles_figure(surfaces, balanced, frame),
        ),
        (
            f"A ring of {MAJORITY} points (radius 1.5, normal noise 0.3) around a normal cloud of {MINORITY} (0.45), "
            "whose exact probabilities are known, for balanced classes and for the natural ones. The paper does not "
            "state its ring.",
            f"{counted(seeds, 'net')} of each kind, each with data of its own, under the protocol {protocol.name}: the "
            f"paper's nets, but 64 units wide. By the paper's rule they would have 2, too few to draw a ring.",
            "batch-smote is SMOTE inside the mini-batch, as in the paper's experiments; smote-before is SMOTE "
            "(imbalanced-learn) on the whole training set, as the figure's caption may be read, and takes about twice "
            "as many gradient steps. The paper does not state the figure's α: remix has that of its tables, 0.1.",
            f"The area is of p > 0.5 no further than {REACH:g} from the centre. On rays from the centre, the band is "
            f"the mean length of {BAND[0]:g} < p < {BAND[1]:g}, and the fall that of p between {percent(BAND[0], 0)} "
            f"and {percent(BAND[1], 0)} of its largest value on the ray, which is low for a net that is nowhere sure "
            "of the minority. The gradient is the mean of its norm along the boundary. Whether the fall is linear is "
            f"not measured. Metrics are on {sum(TESTED):,} further points, {TESTED[1]} of them of the minority. 95 % "
            "intervals over the nets.",
            *(["A smoke run trains for few epochs: its surfaces say nothing."] if context.is_smoke else []),
        ),
    )


def trained(name: str, data: Rings, protocol: Protocol, device: str = "cpu") -> list[Surface]:
    """The surfaces of one net a seed; ``smote-before`` is the baseline on rows that SMOTE levelled before."""
    before = name == BEFORE
    fitted = [fit(data.dataset, fold, protocol.clip) for fold in data.folds]  # of real rows alone
    recipe = strategy(BASELINE if before else name)
    nets = train(data.dataset, data.smoted if before else data.folds, fitted, recipe, protocol, device=device)
    return [Surface.of(net.test.proba[:, 1].astype(np.float64)) for net in nets]


def measures(surface: Surface, y: np.ndarray) -> dict[str, float]:
    """What is measured of a surface, ``y`` being the ``(rows,)`` classes of its test rows.

    ``gmean``, ``bbs``, ``brier``: the metrics; ``area``: where p > 0.5; on rays, ``band``: mean length of
    0.1 < p < 0.9, and ``fall``: of p between these shares of its largest value on the ray; ``gradient``: mean norm of
    the gradient of p along the boundary, NaN where there is none.
    """
    scores = score(y, np.column_stack([1 - surface.test, surface.test]))
    step = 2 * REACH / (SIDE - 1)
    axis = np.linspace(-REACH, REACH, SIDE)
    near = axis[:, None] ** 2 + axis[None] ** 2 <= REACH**2
    inside = surface.grid > 0.5
    # Places whose right or upper neighbour is on the other side.
    edge = np.zeros_like(inside)
    edge[:, :-1] |= inside[:, :-1] != inside[:, 1:]
    edge[:-1] |= inside[:-1] != inside[1:]
    edge &= near
    norm = np.hypot(*np.gradient(surface.grid, step))
    return {
        **{name: scores[name] for name in ("gmean", "bbs", "brier")},
        "area": float((inside & near).sum() * step**2),
        "band": _length(surface.rays),
        "fall": _length(surface.rays / surface.rays.max(axis=1, keepdims=True)),
        "gradient": float(norm[edge].mean()) if edge.any() else float("nan"),
    }


def _length(rays: np.ndarray) -> float:
    """Mean length on the rays of the values within `BAND`."""
    return float(((rays > BAND[0]) & (rays < BAND[1])).mean() * REACH)


def table(measured: dict[str, list[dict[str, float]]], exact: dict[str, dict[str, float]]) -> pd.DataFrame:
    """One row a kind of net with means over seeds and half widths, then the exact probabilities."""
    import pandas as pd

    rows: list[dict[str, object]] = [{"net": name, **spreads(many)} for name, many in measured.items()]
    rows += [{"net": name, **values} for name, values in exact.items()]
    return pd.DataFrame(rows)


def cell(frame: pd.DataFrame, net: str, key: str) -> float:
    """One number of `table`."""
    return float(frame.loc[frame["net"] == net, key].iloc[0])


def found_of(measured: dict[str, list[dict[str, float]]], frame: pd.DataFrame) -> tuple[str, ...]:
    """What the numbers say, and whether they agree with the paper; differences are paired, seed by seed."""
    balanced, natural = EXACT
    seeds = counted(len(measured[BASELINE]), "net")

    def is_above(name: str, other: str, key: str) -> bool:
        """Whether the difference is above zero by more than its interval."""
        pairs = zip(measured[name], measured[other], strict=True)
        return Spread.of([a[key] - b[key] for a, b in pairs]).low > 0

    def times(name: str, other: str, key: str) -> int:
        return sum(a[key] > b[key] for a, b in zip(measured[name], measured[other], strict=True))

    def each(key: str, digits: int = 2) -> str:
        return ", ".join(f"{Spread.of([one[key] for one in measured[name]]).text(digits)} {name}" for name in NETS)

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
        f"Area of p > 0.5: {each('area')}. batch-smote is above the baseline in {times(SMOTE, BASELINE, 'area')} "
        f"and remix in {times(REMIX, BASELINE, 'area')} of {seeds}; {_verdict(pushed, 'both push the boundary out')}. "
        f"The exact boundary of balanced classes has {exact('area')}, of the natural ones {exact('area', natural)}.",
        f"remix has a larger area than batch-smote in {times(REMIX, SMOTE, 'area')} of {seeds}; "
        f"{_verdict([is_above(REMIX, SMOTE, 'area')], 'ReMix pushes slightly further')}.",
        f"Length of the fall: {each('fall')}; exact, of balanced classes, {exact('fall')}, to which {closest} comes "
        f"closest. Gradient at the boundary: {each('gradient')}; exact {exact('gradient')}. "
        + " ".join(
            f"{_sentence(_verdict(holds, f'ReMix falls more smoothly than {_CALLED[other]}'))}"
            for other, holds in smooth.items()
        ),
        f"Balanced Brier score: {each('bbs', 3)}; exact {exact('bbs', digits=3)}; "
        f"{_verdict(calibrated, 'ReMix is better calibrated than the baseline and batch-smote')}, in that score. Plain "
        f"Brier score, under the natural prior: {each('brier', 3)}; exact {exact('brier', natural, 3)}: there {best} "
        "is best.",
        f"G-mean: {each('gmean')}; exact, of balanced classes, {exact('gmean')}.",
    )


_CALLED = {BASELINE: "the baseline", SMOTE: "batch-smote"}


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _verdict(holds: Sequence[bool], claim: str) -> str:
    """Whether a claim agrees, which it does where each of its comparisons holds beyond its interval."""
    if all(holds):
        return f"that {claim} agrees with the paper"
    if any(holds):
        return f"that {claim}, as the paper says, is seen in {sum(holds)} of {len(holds)} comparisons only"
    return f"that {claim}, as the paper says, is not seen here"


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
            ax.scatter(*x[y == 1].T, s=9, color=MINORITY_COLOUR, edgecolors="white", linewidths=0.3, zorder=3)
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
