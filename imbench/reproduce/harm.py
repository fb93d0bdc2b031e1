"""Figure 8: mixtures of two classes that lie nearest to a third, drawn in the plane and counted on real data."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from imbench import dataset as load_dataset
from imbench import strategy
from imbench.contract.errors import DataError, UsageError
from imbench.contract.streams import stream
from imbench.data.folds import make_folds
from imbench.data.preprocess import apply, fit
from imbench.report.figures.spec import COLOURS
from imbench.reproduce.drawing import bare, blank, limits_of, saved
from imbench.reproduce.mini_batches import draw, feed
from imbench.reproduce.paper_item import Numbers, PaperItem
from imbench.reproduce.spread import HALF, Spread, percent, spreads
from imbench.runs.protocols import load_protocol
from imbench.stats.words import counted, listed

if TYPE_CHECKING:
    import pandas as pd

    from imbench.contract.protocol import Protocol
    from imbench.contract.records import Dataset, Preprocessing
    from imbench.reproduce.context import ReproductionContext
    from imbench.reproduce.paper_item import RenderedFigure

TABULAR = ("epileptic_seizure", "optdigits", "landsat_satellite")
IMAGES = "cifar10_10k"
IRS = (0.25, 0.1, 0.05)
# α of 1 draws λ uniformly.
ALPHAS = (0.1, 0.3, 0.5, 1.0)
STRATEGIES = ("remix", "mixup")
# λ between these is well in the middle.
MIDDLE = (0.25, 0.75)
# Of the samples of a mini-batch of images, whose distances take time, so many are looked at on average.
IMAGES_KEPT = 16


@dataclass(frozen=True)
class _Amount:
    """Datasets, ratios, repeats of the splits (on images ``image_repeats``), and mini-batches of each."""

    datasets: tuple[str, ...]
    irs: tuple[float, ...]
    repeats: int
    image_repeats: int
    batches: int

    @classmethod
    def of(cls, context: ReproductionContext) -> _Amount:
        if context.is_smoke:
            return cls(TABULAR[1:], IRS[1:2], 2, 0, 10)
        return cls((*TABULAR, IMAGES), IRS, 10, 5, 40)


@dataclass(frozen=True, eq=False)
class Mixed:
    """Samples that a strategy made.

    Parameters
    ----------
    x : ``(rows, features)``
    y : ``(rows, classes)`` soft labels
    parents : ``(rows, classes)`` bool, the classes of the two rows mixed, one class where both are of it
    """

    x: np.ndarray
    y: np.ndarray
    parents: np.ndarray

    @property
    def is_mixed(self) -> np.ndarray:
        """``(rows,)`` bool: of two different classes, however little of one of them."""
        return np.asarray(self.parents.sum(axis=1) == 2)

    def take(self, rows: np.ndarray) -> Mixed:
        """These samples of them."""
        return Mixed(self.x[rows], self.y[rows], self.parents[rows])


def figure8(context: ReproductionContext) -> PaperItem:
    """Harmful interpolation: the three-class illustration, and how often it happens on the real datasets."""
    amount = _Amount.of(context)
    counts, controls, lacking = _counted(context, amount)
    tables: tuple[Numbers, ...] = ()
    figures: tuple[RenderedFigure, ...] = (illustration(),)
    if len(counts):
        tables = (
            Numbers("summary", "ReMix's samples of two classes nearest to a third, in percent", summary(counts)),
            Numbers("third-class", "Mixed samples nearest to a third class", counts, shown=False),
            Numbers("real-rows", "Real rows held out whose nearest training row is of another class", controls),
        )
        figures = (*figures, shares_figure(counts))
    left_out = [f"{name} is left out: {reason}" for name, reason in lacking]
    if context.is_smoke:
        left_out.append("A smoke run counts on a few configurations only.")
    return PaperItem(
        "figure8",
        "Harmful interpolation between dispersed samples of opposing classes",
        (
            "In a three-class problem a mixture of two classes can lie among samples of the third, where its soft "
            "label contradicts the data.",
            "Such samples may be why ReMix's advantage is smaller on multi-class data.",
            "A small α keeps mixtures next to the rows they are made of, at some cost in calibration.",
        ),
        found_of(counts, controls) if len(counts) else ("No dataset could be reached, so nothing was counted.",),
        tables,
        figures,
        (
            "Training rows are those of the first fold of each repeat of the protocol's cross-validation, "
            "standardised as the net sees them (images: pixels / 255); mini-batches have the protocol's size. A sample "
            "is harmful if its nearest training row (Euclidean) is of neither class it is mixed of.",
            f"{counted(amount.repeats, 'repeat')} of each configuration, {amount.batches} mini-batches in each. 95 % "
            "intervals are over the repeats, whose training rows overlap.",
            *([_SUBSET.format(amount.image_repeats)] if IMAGES in set(counts.get("dataset", ())) else []),
            "The paper shows an illustration only and counts nothing.",
            *left_out,
        ),
    )


_SUBSET = (
    "CIFAR-10 is a subset, the first 1,000 training images of each class (cifar10_10k), with {} repeats, and "
    f"{IMAGES_KEPT} samples of a mini-batch on average."
)
_EVERYWHERE = "happens on every dataset, as the paper suspects"
_NOT_EVERYWHERE = "does not happen on every dataset, unlike what the paper suspects"


def mixtures(spec: str, x: np.ndarray, y: np.ndarray, classes: int, numbers: np.ndarray, *key: str | int) -> Mixed:
    """What a mixing strategy makes of these mini-batches of training rows, and which classes it mixes."""
    recipe = strategy(spec)
    features, labels = feed(recipe, x, y, numbers, classes, *key).rows()
    # What is mixed with what depends on no feature, so one will do.
    _, halves = feed(recipe, x[:, :1], y, numbers, classes, *key, halves=True).rows()
    return Mixed(features, labels, halves > MIDDLE[0])


def nearest_class(x: np.ndarray, training: np.ndarray, y: np.ndarray) -> np.ndarray:
    """``(rows,)`` class of the nearest training row, by Euclidean distance; the first of equally near ones."""
    from sklearn.metrics import pairwise_distances_argmin

    return np.asarray(y[pairwise_distances_argmin(x, training)])


def harmful(mixed: Mixed, training: np.ndarray, y: np.ndarray) -> np.ndarray:
    """``(rows,)`` bool: of two classes, and nearest to a training row of neither."""
    chosen = np.flatnonzero(mixed.is_mixed)
    bad = np.zeros(len(mixed.y), dtype=bool)
    if len(chosen):
        bad[chosen] = ~mixed.parents[chosen, nearest_class(mixed.x[chosen], training, y)]
    return bad


def shares(mixed: Mixed, training: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """What is counted of some samples; NaN for the share of none.

    ``mixed``: share of samples that are of two classes; ``of_mixed``, ``of_all``: share of those, and of all, that are
    harmful; ``of_middle``: share of those with λ in `MIDDLE`.
    """
    bad = harmful(mixed, training, y)
    largest = mixed.y.max(axis=1)
    middle = mixed.is_mixed & (largest <= MIDDLE[1])
    return {
        "mixed": float(mixed.is_mixed.mean()),
        "of_mixed": _share(bad, mixed.is_mixed),
        "of_all": float(bad.mean()),
        "of_middle": _share(bad, middle),
    }


def _share(what: np.ndarray, among: np.ndarray) -> float:
    return float(what[among].mean()) if among.any() else float("nan")


def _counted(context: ReproductionContext, amount: _Amount) -> tuple[pd.DataFrame, pd.DataFrame, list[tuple[str, str]]]:
    """Rows for every configuration, strategy and alpha; rows for real data; unavailable datasets, and why."""
    import pandas as pd

    rules = load_protocol(context.protocol, context.settings)
    rows: list[dict[str, Any]] = []
    controls: list[dict[str, Any]] = []
    lacking = []
    for name in amount.datasets:
        try:
            for ir in amount.irs:
                data = load_dataset(f"{name}:task=multiclass,ir={ir}", mirror=context.request.data_mirror)
                modality = data.card.modality
                protocol = dataclasses.replace(
                    rules.for_dataset(data.variant.dataset, data.variant.task, modality),
                    repeats=amount.image_repeats if modality == "image" else amount.repeats,
                )
                own, control = _of_variant(data, ir, protocol, amount.batches)
                rows += own
                controls.append(control)
        except (DataError, UsageError) as error:
            lacking.append((name, str(error).splitlines()[0]))
    return pd.DataFrame(rows), pd.DataFrame(controls), lacking


def _of_variant(
    data: Dataset, ir: float, protocol: Protocol, batches: int
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    found: dict[tuple[str, float], list[dict[str, float]]] = {}
    real = []
    for fold in make_folds(data, protocol):
        if fold.fold:
            continue  # one of each repeat: the other fold's training rows are this one's test rows
        seen = partial(_seen, data, fit(data, fold, protocol.clip))
        training, y = seen(fold.train), data.y[fold.train]
        real.append(float((nearest_class(seen(fold.validation), training, y) != data.y[fold.validation]).mean()))
        key = ("figure8", *data.stream_key, fold.repeat)
        numbers = draw(len(y), protocol.batch_size, batches, stream(*key, "order"))
        kept = np.arange(numbers.size)
        if data.card.modality == "image":
            kept = stream(*key, "kept").permutation(kept)[: IMAGES_KEPT * batches]
        for name in STRATEGIES:
            for alpha in ALPHAS:
                mixed = mixtures(f"{name}:alpha={alpha}", training, y, data.classes, numbers, *key).take(kept)
                found.setdefault((name, alpha), []).append(shares(mixed, training, y))
    about = {"dataset": data.variant.dataset, "ir": ir}
    rows = [{**about, "strategy": n, "alpha": a, **spreads(many)} for (n, a), many in found.items()]
    other = Spread.of(real)
    return rows, {**about, "other_class": other.mean, f"other_class{HALF}": other.half}


def _seen(data: Dataset, preprocessing: Preprocessing, rows: np.ndarray) -> np.ndarray:
    """``(rows, features)``, images flattened, as a net sees them."""
    return apply(data.x[rows], preprocessing).reshape(len(rows), -1)


def summary(counts: pd.DataFrame) -> pd.DataFrame:
    """ReMix's harmful share of the samples of two classes, in percent: a row a configuration, a column an alpha."""
    import pandas as pd

    remix = counts[counts["strategy"] == "remix"]
    rows = []
    for (name, ir), own in remix.groupby(["dataset", "ir"], sort=False):
        cells = zip(own["alpha"], 100 * own["of_mixed"], 100 * own[f"of_mixed{HALF}"], strict=True)
        row: dict[str, object] = {"dataset": name, "IR": ir}
        rows.append(row | {f"α = {alpha:g}": Spread(mean, half).text(1) for alpha, mean, half in cells})
    return pd.DataFrame(rows)


def found_of(counts: pd.DataFrame, controls: pd.DataFrame) -> tuple[str, ...]:
    """What the numbers say, and whether they agree with the paper."""
    remix = counts[counts["strategy"] == "remix"]
    small, large = min(ALPHAS), max(ALPHAS)
    names = list(dict.fromkeys(counts["dataset"]))

    def of(column: str, alpha: float, what: pd.DataFrame = remix) -> str:
        means = what[what["alpha"] == alpha].groupby("dataset")[column].mean()
        return listed([f"{percent(means[name])} on {name}" for name in names])

    ends = remix.pivot_table("of_mixed", ["dataset", "ir"], "alpha")
    rising = int((ends[small] < ends[large]).sum())
    rises = rising == len(ends)
    happens = bool((remix["of_all"] > 0).all())
    control = controls.groupby("dataset")["other_class"].mean()
    wide = counts.pivot_table("of_mixed", ["dataset", "ir", "alpha"], "strategy")
    more = int((wide["remix"] > wide["mixup"]).sum())
    return (
        f"Harmful interpolation {_EVERYWHERE if happens else _NOT_EVERYWHERE}: "
        f"of ReMix's samples of two classes, {of('of_mixed', small)} lie nearest to a third class at α = {small:g} "
        f"(means over the ratios); with λ uniform, {of('of_mixed', large)}.",
        f"Of all of ReMix's samples they are {of('of_all', small)} at α = {small:g}.",
        f"With λ between {MIDDLE[0]:g} and {MIDDLE[1]:g}, where the label is least certain, they are "
        f"{of('of_middle', large)} of the samples of two classes (λ uniform).",
        f"The share at α = {small:g} is below that with λ uniform in {rising} of "
        f"{counted(len(ends), 'configuration')}: that a small α lessens the harm "
        f"{'agrees with' if rises else 'does not hold everywhere, unlike in'} the paper.",
        "For comparison, real rows held out lie nearest to a training row of another class in "
        + listed([f"{percent(control[name])} on {name}" for name in names])
        + " of the cases. Where that share is large, classes overlap as they are, and the class of the nearest row "
        "says little of a mixed one.",
        f"ReMix's share is larger than MixUp's in {more} of {counted(len(wide), 'comparison')} (dataset, ratio and α).",
    )


_SPEC, _PER_CLASS, _BATCH, _BATCHES = "remix:alpha=0.3", 30, 30, 20
# Class by class: left, right, and the one between them.
_COLOURS, _SHAPES = (COLOURS[2], COLOURS[1], COLOURS[3]), ("o", "s", "^")
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
                color=_COLOURS[c],
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
