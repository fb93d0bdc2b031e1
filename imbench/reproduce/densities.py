"""Figure 4: densities of ReMix's features and soft labels, by α."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from imbench import strategy
from imbench.contract.streams import stream
from imbench.report.figures.spec import COLOURS
from imbench.reproduce.drawing import blank, saved
from imbench.reproduce.mini_batches import draw, feed
from imbench.reproduce.paper_item import Numbers, PaperItem, RenderedFigure
from imbench.reproduce.spread import HALF, Spread, percent
from imbench.reproduce.verdicts import verdict_of
from imbench.stats.words import number

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from imbench.reproduce.context import ReproductionContext

ALPHAS = (0.1, 0.2, 0.3, 0.4, 0.5)
MAJORITY, MINORITY, BATCH = 1000, 100, 64
CENTRES, SPREADS = (0.0, 4.0), (1.0, 0.7)
# Labels between these are soft; features between those lie in the gap between the classes.
SOFT, GAP = (0.1, 0.9), (2.0, 3.0)
# Standard deviations of the normal kernels, the same for all curves.
FEATURE_KERNEL, LABEL_KERNEL = 0.15, 0.025
_ORIGINAL, _GREEN = COLOURS[0], COLOURS[3]


def line(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """x ``(rows, 1)`` float32 and y ``(rows,)``: 1000 points of N(0, 1), class 0, and 100 of N(4, 0.7²), class 1."""
    rng = stream("figure4", "points", seed)
    parts = [rng.normal(m, s, n) for m, s, n in zip(CENTRES, SPREADS, (MAJORITY, MINORITY), strict=True)]
    return np.concatenate(parts).astype(np.float32)[:, None], np.repeat([0, 1], [MAJORITY, MINORITY])


def figure4(context: ReproductionContext) -> PaperItem:
    """Kernel densities of ReMix's features and labels for five values of alpha."""
    batches = 200 if context.is_smoke else 20_000
    x, y = line()
    numbers = draw(len(y), BATCH, batches, stream("figure4", "order"))
    fed = {alpha: feed(strategy(f"remix:alpha={alpha}"), x, y, numbers, 2, "figure4") for alpha in ALPHAS}
    labels = {alpha: f.y[..., 1].astype(np.float64) for alpha, f in fed.items()}
    features = {alpha: f.x[..., 0].astype(np.float64) for alpha, f in fed.items()}
    frame = measured(features, labels, x[:, 0], both_present(y, BATCH))
    return PaperItem(
        "figure4",
        "Densities of ReMix's features and soft labels by α",
        (
            "The higher α is, from 0.1 to 0.5, the more features and labels are mixed.",
            "That adds structure between the classes.",
        ),
        found_of(frame),
        (Numbers("labels", "Soft labels and features between the classes, by α", frame),),
        (_figure(x[:, 0], y, features, labels, frame),),
        (
            f"{MAJORITY} majority points from N(0, 1) and {MINORITY} minority points from N(4, 0.7²), in {batches:,} "
            f"mini-batches of {BATCH} rows. The paper does not state its data.",
            f"The curves are kernel density estimates with normal kernels of standard deviation {FEATURE_KERNEL:g} for "
            f"features and {LABEL_KERNEL:g} for labels, so the label curves extend slightly beyond 0 and 1.",
            "The expected share of soft labels is P(both classes in the mini-batch) · ½ · [F(0.9) − F(0.1)], where F "
            "is the distribution function of Beta(α, α). The factor ½ is the probability that a row is mixed with a "
            "row of the other class, since ReMix draws equally many rows of each class. Intervals are for the mean "
            "over mini-batches; each mini-batch has one λ.",
        ),
    )


def expected_soft(alpha: float, both: float, low: float = SOFT[0], high: float = SOFT[1]) -> float:
    """Expected share of ReMix's labels in ``(low, high)``, for two classes with equally many rows in a batch.

    ``both`` is the probability that a mini-batch has rows of both classes before ReMix. A random permutation sends a
    row to one of the B/2 rows of the other class with probability (B/2)/B, itself being among the candidates; its
    label is then λ or 1 − λ, both of Beta(alpha, alpha).
    """
    from scipy.special import betainc

    return both * 0.5 * float(betainc(alpha, alpha, high) - betainc(alpha, alpha, low))


def both_present(y: np.ndarray, size: int) -> float:
    """Probability that ``size`` rows, drawn without replacement, contain both classes (hypergeometric)."""
    from scipy.stats import hypergeom

    law = hypergeom(len(y), int(y.sum()), size)
    return float(1.0 - law.pmf(0) - law.pmf(size))


def measured(
    features: dict[float, np.ndarray], labels: dict[float, np.ndarray], original: np.ndarray, both: float
) -> pd.DataFrame:
    """The measured and expected shares of soft labels, and the share of features in the gap between the classes.

    One row for the ``(rows,)`` original features, then one for each alpha's ``(batches, batch)`` features and labels.
    """
    import pandas as pd

    hard = {"alpha": float("nan"), "soft": 0.0, "soft_half": 0.0, "expected": 0.0}
    rows = [{**hard, "gap": float(_within(original, GAP).mean()), "gap_half": float("nan")}]
    for alpha, label in labels.items():
        soft, gap = (
            Spread.of(_within(values, limits).mean(axis=1))
            for values, limits in ((label, SOFT), (features[alpha], GAP))
        )
        rows.append(
            {
                "alpha": alpha,
                "soft": soft.mean,
                "soft_half": soft.half,
                "expected": expected_soft(alpha, both),
                "gap": gap.mean,
                "gap_half": gap.half,
            }
        )
    frame = pd.DataFrame(rows)
    frame.insert(0, "data", ["original", *["ReMix"] * len(labels)])
    return frame


def _within(values: np.ndarray, limits: tuple[float, float]) -> np.ndarray:
    return (values > limits[0]) & (values < limits[1])


def found_of(frame: pd.DataFrame) -> tuple[str, ...]:
    """The findings, with verdicts on the paper's claims."""
    remix = frame[frame["data"] == "ReMix"]
    soft, gap = remix["soft"].to_numpy(), remix["gap"].to_numpy()
    at = [f"α = {alpha:g}" for alpha in remix["alpha"]]
    original = float(frame.loc[frame["data"] == "original", "gap"].iloc[0])
    off = (np.abs(soft - remix["expected"]) / remix["soft_half"]).max()
    rises = verdict_of(_steps(remix, "soft"))
    fills = verdict_of([Spread(gap[0], float(remix["gap_half"].iloc[0])).above(original), *_steps(remix, "gap")])
    return (
        f"Share of labels between {SOFT[0]:g} and {SOFT[1]:g}: "
        + ", ".join(f"{percent(share)} at {name}" for share, name in zip(soft, at, strict=True))
        + f". The paper's claim that it rises with α: {rises}.",
        f"The expected shares in closed form are {', '.join(percent(e) for e in remix['expected'])}. The largest "
        f"difference between a measured and an expected share is {number(off, 1)} times the half-width of the 95 % "
        "interval.",
        f"Share of features between {GAP[0]:g} and {GAP[1]:g}, in the gap between the classes: {percent(original)} of "
        "the original rows, "
        + ", ".join(f"{percent(share)} at {name}" for share, name in zip(gap, at, strict=True))
        + f". The paper's claim that a higher α puts more structure between the classes: {fills}.",
    )


def _steps(remix: pd.DataFrame, name: str) -> list[int]:
    """For each step of α 1 if the share rises, −1 if it falls, and 0 if the intervals before and after overlap."""
    spreads = [Spread(*pair) for pair in zip(remix[name], remix[f"{name}{HALF}"], strict=True)]
    return [after.above(before) for before, after in pairwise(spreads)]


def density(values: np.ndarray, kernel: float, at: np.ndarray) -> np.ndarray:
    """``(points,)`` kernel density estimate of the ``(values,)`` with normal kernels of this standard deviation.

    Values are first counted in bins of a fiftieth of the kernel's standard deviation.
    """
    step = kernel / 50
    bins = np.round(values / step).astype(np.int64)
    first = int(bins.min())
    counts = np.bincount(bins - first)
    filled = np.flatnonzero(counts)
    apart = (at[:, None] - (first + filled) * step) / kernel  # (points, bins)
    weights = counts[filled] / (len(values) * kernel * np.sqrt(2 * np.pi))
    return np.asarray(np.exp(-0.5 * apart**2) @ weights)


def _shade(step: int) -> tuple[float, ...]:
    """The green of this step of alpha, from light to dark."""
    from matplotlib.colors import to_rgb

    share = 0.30 + 0.70 * step / (len(ALPHAS) - 1)
    return tuple(1 - share * (1 - part) if step < len(ALPHAS) - 1 else 0.75 * part for part in to_rgb(_GREEN))


def _figure(
    x: np.ndarray,
    y: np.ndarray,
    features: dict[float, np.ndarray],
    labels: dict[float, np.ndarray],
    frame: pd.DataFrame,
) -> RenderedFigure:
    soft = frame.loc[frame["data"] == "ReMix", "soft"].to_numpy()
    description = (
        "Two panels: the original data in grey, ReMix in green, darker for larger α from 0.1 to 0.5. Left, features: "
        "two peaks, which ReMix makes equally large; a larger α puts more density between them. Right, minority "
        f"labels: peaks at 0 and 1 and a plateau between them with {percent(float(soft[0]))} of the labels at α = 0.1 "
        f"and {percent(float(soft[-1]))} at α = 0.5. Ticks at the bottom mark samples: blue for the majority, orange "
        "for the minority."
    )
    with blank(8.2, 3.3) as figure:
        left, right = figure.subplots(1, 2)
        _curves(left, x, features, FEATURE_KERNEL, np.linspace(-3.6, 6.8, 400))
        _curves(right, y.astype(np.float64), labels, LABEL_KERNEL, np.linspace(-0.08, 1.08, 400))
        left.set_ylim(-0.05, None)
        left.set_yticks([tick for tick in left.get_yticks() if tick >= 0])
        # The peaks of hard labels are many times as high as what lies between them.
        right.set_yscale("log")
        right.set_ylim(0.008, 40)
        rows = stream("figure4", "rug").permutation(len(y))[:220]
        for ax, values in ((left, x), (right, y)):
            for c, color in enumerate((COLOURS[1], COLOURS[2])):
                own = values[rows][y[rows] == c]
                height = np.full(len(own), 0.07 - 0.04 * c)  # in parts of the panel
                ax.plot(own, height, "|", color=color, markersize=6, alpha=0.7, transform=ax.get_xaxis_transform())
        left.set_xlabel("feature")
        right.set_xlabel("minority label")
        left.set_ylabel("density")
        right.set_ylabel("density (logarithmic)")
        right.legend(fontsize=8, loc="upper center", frameon=False)
        return saved(figure, "figure4-densities", "Densities of ReMix's features and soft labels", description)


def _curves(ax: Axes, original: np.ndarray, made: dict[float, np.ndarray], kernel: float, at: np.ndarray) -> None:
    ax.plot(at, density(original, kernel, at), color=_ORIGINAL, linewidth=1.6, dashes=(4, 2), label="original")
    for step, (alpha, values) in enumerate(made.items()):
        ax.plot(at, density(values.ravel(), kernel, at), color=_shade(step), linewidth=1.5, label=f"α = {alpha:g}")
    ax.spines[["top", "right"]].set_visible(False)
