"""Figure 8: mixtures of two classes that lie nearest to a third class, illustrated in the plane and counted on data."""

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
# With λ between these, a label is uncertain.
MIDDLE = (0.25, 0.75)
# Distances between images are slow: only this many samples of a mini-batch are examined, on average.
IMAGES_KEPT = 16


@dataclass(frozen=True)
class _Amount:
    """Datasets, imbalance ratios, repeats (``image_repeats`` on images), and mini-batches per repeat."""

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
    parents : ``(rows, classes)`` bool, True for the one or two classes of the rows that were mixed
    """

    x: np.ndarray
    y: np.ndarray
    parents: np.ndarray

    @property
    def is_mixed(self) -> np.ndarray:
        """``(rows,)`` bool: whether a sample mixes two different classes, in any proportion."""
        return np.asarray(self.parents.sum(axis=1) == 2)

    def take(self, rows: np.ndarray) -> Mixed:
        """The samples with these row numbers."""
        return Mixed(self.x[rows], self.y[rows], self.parents[rows])


def figure8(context: ReproductionContext) -> PaperItem:
    """Harmful interpolation: the three-class illustration, and how often it happens on real datasets."""
    amount = _Amount.of(context)
    counts, controls, unavailable = _counted(context, amount)
    tables: tuple[Numbers, ...] = ()
    figures: tuple[RenderedFigure, ...] = (illustration(),)
    if len(counts):
        tables = (
            Numbers("summary", "ReMix's harmful samples, in percent of its samples of two classes", summary(counts)),
            Numbers("third-class", "Harmful samples of ReMix and MixUp", counts, shown=False),
            Numbers("real-rows", "Held-out real rows whose nearest training row has another class", controls),
        )
        figures = (*figures, shares_figure(counts))
    skipped = [f"{name} was skipped: {reason}" for name, reason in unavailable]
    if context.is_smoke:
        skipped.append("A smoke run covers a few configurations only.")
    return PaperItem(
        "figure8",
        "Harmful interpolation between dispersed samples of opposing classes",
        (
            "In a three-class problem, a mixture of two classes can lie among samples of the third class, where its "
            "soft label contradicts the data.",
            "Such samples may be why ReMix's advantage is smaller on multi-class data.",
            "A small α keeps a mixture close to one of its two rows, at some cost in calibration.",
        ),
        found_of(counts, controls) if len(counts) else ("No dataset is available, so nothing was counted.",),
        tables,
        figures,
        (
            "A sample is harmful if it mixes two classes and its nearest training row, by Euclidean distance, belongs "
            "to neither.",
            "Training rows come from the first fold of each repeat of the protocol's cross-validation, standardised as "
            "for training (images: pixels / 255). Mini-batches have the protocol's size.",
            f"{counted(amount.repeats, 'repeat')} of each configuration with {amount.batches} mini-batches each. 95 % "
            "intervals are over repeats; the training rows of different repeats overlap.",
            *([_SUBSET.format(amount.image_repeats)] if IMAGES in set(counts.get("dataset", ())) else []),
            "The paper shows an illustration only and gives no counts.",
            *skipped,
        ),
    )


_SUBSET = (
    "CIFAR-10 is a subset, the first 1,000 training images of each class (cifar10_10k), with {} repeats and "
    f"{IMAGES_KEPT} samples per mini-batch on average."
)
_EVERYWHERE = "happens on every dataset, as the paper suspects"
_NOT_EVERYWHERE = "does not happen on every dataset, which contradicts the paper"


def mixtures(spec: str, x: np.ndarray, y: np.ndarray, classes: int, numbers: np.ndarray, *key: str | int) -> Mixed:
    """The samples that a mixing strategy makes from these mini-batches of training rows."""
    recipe = strategy(spec)
    features, labels = feed(recipe, x, y, numbers, classes, *key).rows()
    # The choice of rows depends on no feature, so one feature is enough.
    _, halves = feed(recipe, x[:, :1], y, numbers, classes, *key, halves=True).rows()
    return Mixed(features, labels, halves > MIDDLE[0])


def nearest_class(x: np.ndarray, training: np.ndarray, y: np.ndarray) -> np.ndarray:
    """``(rows,)`` class of the nearest training row by Euclidean distance, the first of equally near rows."""
    from sklearn.metrics import pairwise_distances_argmin

    return np.asarray(y[pairwise_distances_argmin(x, training)])


def harmful(mixed: Mixed, training: np.ndarray, y: np.ndarray) -> np.ndarray:
    """``(rows,)`` bool: whether a sample mixes two classes and its nearest training row belongs to neither."""
    chosen = np.flatnonzero(mixed.is_mixed)
    bad = np.zeros(len(mixed.y), dtype=bool)
    if len(chosen):
        bad[chosen] = ~mixed.parents[chosen, nearest_class(mixed.x[chosen], training, y)]
    return bad


def shares(mixed: Mixed, training: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """Shares of harmful samples; NaN for a share of no samples.

    ``mixed``: samples of two classes among all; ``of_mixed``: harmful ones among the samples of two classes;
    ``of_all``: harmful ones among all; ``of_middle``: harmful ones among the samples of two classes with λ in `MIDDLE`.
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
    """Rows for every configuration, strategy and alpha; rows for real data; unavailable datasets with the reason."""
    import pandas as pd

    rules = load_protocol(context.protocol, context.settings)
    rows: list[dict[str, Any]] = []
    controls: list[dict[str, Any]] = []
    unavailable = []
    for name in amount.datasets:
        try:
            for ir in amount.irs:
                data = load_dataset(f"{name}:task=multiclass,ir={ir}", mirror=context.request.data_mirror)
                modality = data.card.modality
                protocol = dataclasses.replace(
                    rules.for_dataset(data.variant.dataset, data.variant.task, modality, downsampled=False),
                    repeats=amount.image_repeats if modality == "image" else amount.repeats,
                )
                own, control = _of_variant(data, ir, protocol, amount.batches)
                rows += own
                controls.append(control)
        except (DataError, UsageError) as error:
            unavailable.append((name, str(error).splitlines()[0]))
    return pd.DataFrame(rows), pd.DataFrame(controls), unavailable


def _of_variant(
    data: Dataset, ir: float, protocol: Protocol, batches: int
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    found: dict[tuple[str, float], list[dict[str, float]]] = {}
    real = []
    for fold in make_folds(data, protocol):
        if fold.fold:
            continue  # the first of each repeat only: the second fold trains on the first one's test rows
        seen = partial(_seen, data, fit(data, fold, protocol.clip))
        training, y = seen(fold.train), data.y[fold.train]
        real.append(float((nearest_class(seen(fold.validation), training, y) != data.y[fold.validation]).mean()))
        key: tuple[str | int, ...] = ("figure8", *data.stream_key, fold.repeat)
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
    """``(rows, features)`` preprocessed as for training, images flattened."""
    return apply(data.x[rows], preprocessing).reshape(len(rows), -1)


def summary(counts: pd.DataFrame) -> pd.DataFrame:
    """ReMix's harmful share of samples of two classes, in percent: a row for each configuration, a column by alpha."""
    import pandas as pd

    remix = counts[counts["strategy"] == "remix"]
    rows = []
    for (name, ir), own in remix.groupby(["dataset", "ir"], sort=False):
        cells = zip(own["alpha"], 100 * own["of_mixed"], 100 * own[f"of_mixed{HALF}"], strict=True)
        row: dict[str, object] = {"dataset": name, "IR": ir}
        rows.append(row | {f"α = {alpha:g}": Spread(mean, half).text(1) for alpha, mean, half in cells})
    return pd.DataFrame(rows)


def found_of(counts: pd.DataFrame, controls: pd.DataFrame) -> tuple[str, ...]:
    """The findings, and whether they agree with the paper."""
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
        f"Harmful interpolation {_EVERYWHERE if happens else _NOT_EVERYWHERE}. The harmful share of ReMix's samples of "
        f"two classes is {of('of_mixed', small)} at α = {small:g}, and {of('of_mixed', large)} with uniform λ (means "
        "over the imbalance ratios).",
        f"The harmful share of all of ReMix's samples is {of('of_all', small)} at α = {small:g}.",
        f"The harmful share of samples of two classes with λ between {MIDDLE[0]:g} and {MIDDLE[1]:g}, whose labels are "
        f"the least certain, is {of('of_middle', large)} (λ drawn uniformly).",
        f"The harmful share of samples of two classes is smaller at α = {small:g} than with uniform λ in {rising} of "
        f"{counted(len(ends), 'configuration')}. "
        + (
            "This agrees with the paper: a small α reduces the harm."
            if rises
            else "A small α does not reduce the harm everywhere, which contradicts the paper."
        ),
        "For comparison, the nearest training row has another class for "
        + listed([f"{percent(control[name])} of the held-out real rows on {name}" for name in names])
        + ". Where this share is large, the classes overlap, and the class of the nearest row says little about a "
        "mixed sample.",
        f"ReMix's harmful share is larger than MixUp's in {more} of {counted(len(wide), 'comparison')} (one for each "
        "dataset, imbalance ratio and α).",
    )


_SPEC, _PER_CLASS, _BATCH, _BATCHES = "remix:alpha=0.3", 30, 30, 20
# By class: left, right, and between them.
_COLOURS, _SHAPES = (COLOURS[2], COLOURS[1], COLOURS[3]), ("o", "s", "^")
_NAMES = ("class A", "class B", "class C")


def three_classes() -> tuple[np.ndarray, np.ndarray]:
    """x ``(rows, 2)``, y ``(rows,)``: dispersed classes 0 and 1 at the left and right, a compact class 2 between."""
    rng = stream("figure8", "illustration")
    clouds = [
        np.array([side, 0.0]) + rng.normal(size=(_PER_CLASS, 2)) * spread
        for side, spread in ((-2.6, [0.45, 1.0]), (2.6, [0.45, 1.0]), (0.0, [0.5, 0.5]))
    ]
    return np.concatenate(clouds).astype(np.float32), np.repeat([0, 1, 2], _PER_CLASS)


def illustration() -> RenderedFigure:
    """Three classes in the plane, ReMix's samples of the outer two, and one harmful sample with its parents."""
    x, y = three_classes()
    numbers = draw(len(y), _BATCH, _BATCHES, stream("figure8", "illustration", "order"))
    key = ("figure8", "illustration")
    mixed = mixtures(_SPEC, x, y, 3, numbers, *key)
    bad = harmful(mixed, x, y)
    outer = mixed.parents[:, 0] & mixed.parents[:, 1]
    parents = _parents(x, y, numbers, *key)
    # The harmful sample nearest to the middle.
    chosen = np.flatnonzero(outer & bad)
    shown = int(chosen[np.argmin(np.abs(mixed.x[chosen]).sum(axis=1))])
    share = float(mixed.y[shown, 0])
    description = (
        "Three classes in the plane: circles at the left, squares at the right, triangles between them. Crosses are "
        f"ReMix's mixtures of circles and squares ({_SPEC}). For {percent(float(bad[outer].mean()))} of them, shown "
        "in black, the nearest row is a triangle; the others are grey. Lines connect one black cross with the circle "
        f"and the square that it mixes; its label is {share:.2f} circle, {1 - share:.2f} square and no triangle."
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
            (outer & ~bad, "#9a9a9a", "mixture of A and B"),
            (outer & bad, "#111111", "mixture of A and B, nearest to C"),
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
        title = "A mixture of two classes among samples of a third class"
        return saved(figure, "figure8-illustration", title, description)


def _parents(x: np.ndarray, y: np.ndarray, numbers: np.ndarray, *key: str | int) -> list[np.ndarray]:
    """The numbers of the one or two rows that each sample is made from."""
    tagged = np.concatenate([x, np.eye(len(x), dtype=np.float32)], axis=1)
    made, _ = feed(strategy(_SPEC), tagged, y, numbers, 3, *key, halves=True).rows()
    return [np.flatnonzero(row > 0) for row in made[:, x.shape[1] :]]


def shares_figure(counts: pd.DataFrame) -> RenderedFigure:
    """The harmful share by alpha: a panel for each dataset, a line for each ratio and strategy."""
    names = list(dict.fromkeys(counts["dataset"]))
    irs = sorted(set(counts["ir"]))
    few, many = min(ALPHAS), max(ALPHAS)
    remix = counts[counts["strategy"] == "remix"].groupby(["dataset", "alpha"])["of_mixed"].mean()
    ends = [
        f"{name} from {percent(remix[name, few])} at α = {few:g} to {percent(remix[name, many])} at α = {many:g}"
        for name in names
    ]
    description = (
        "One panel per dataset shows the harmful share of samples of two classes against α, with 95 % intervals. Each "
        "line is one imbalance ratio, solid for ReMix and dashed for MixUp. ReMix's share, mean over the ratios: "
        f"{'; '.join(ends)}."
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
        axes[0].set_ylabel("harmful share, %", fontsize=9)
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, fontsize=8, loc="outside lower center", ncols=len(irs) * 2, frameon=False)
        title = "How often a mixture of two classes lies nearest to a third class"
        return saved(figure, "figure8-shares", title, description)
