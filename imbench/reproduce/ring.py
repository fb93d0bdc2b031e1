"""The ring dataset of Figure 1: its points, its exact probabilities, and its folds for the engine."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from imbench.contract.records import Card, Dataset, Fold, Task, Variant
from imbench.contract.streams import stream

# The majority lies around a circle of this radius, the minority around its centre, both with normal noise.
RADIUS, RING_NOISE, CENTRE_NOISE = 1.5, 0.3, 0.45
MAJORITY, MINORITY = 600, 30
# Validation rows, a share of 0.3 as in the paper's protocol, and test rows for the metrics, drawn once for all nets.
HELD_OUT = (257, 13)
TESTED = (4000, 200)


def points(majority: int, minority: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Points with this many rows of each class: x ``(rows, 2)`` float32 and y ``(rows,)``, 1 being the minority."""
    angle = rng.uniform(0, 2 * np.pi, majority)
    ring = RADIUS * np.column_stack([np.cos(angle), np.sin(angle)])
    ring += rng.normal(scale=RING_NOISE, size=(majority, 2))
    centre = rng.normal(scale=CENTRE_NOISE, size=(minority, 2))
    return np.concatenate([ring, centre]).astype(np.float32), np.repeat([0, 1], [majority, minority])


def posterior(x: np.ndarray, share: float = 0.5) -> np.ndarray:
    """``(points,)`` exact probability of the minority class, whose prior probability is ``share``.

    The minority's density is normal. The majority's is a circle convolved with a normal density: in polar coordinates
    ``exp(-(r² + R²) / 2s²) I0(rR / s²) / 2πs²``, as in the Rice distribution.
    """
    from scipy.special import i0e

    r = np.linalg.norm(x.astype(np.float64), axis=-1)
    centre = np.exp(-(r**2) / (2 * CENTRE_NOISE**2)) / (2 * np.pi * CENTRE_NOISE**2)
    variance = RING_NOISE**2
    # i0e(z) is exp(-z) I0(z), which takes the mixed term of the square.
    ring = np.exp(-((r - RADIUS) ** 2) / (2 * variance)) * i0e(r * RADIUS / variance) / (2 * np.pi * variance)
    return np.asarray(share * centre / (share * centre + (1 - share) * ring))


@dataclass(frozen=True, eq=False)
class Rings:
    """Ring data for several nets that share their test points.

    Parameters
    ----------
    dataset : all rows: the test points, then for each seed its training rows, validation rows and SMOTE's rows
    folds : one fold for each seed, which is its ``repeat``
    smoted : the same folds with training rows balanced by SMOTE
    """

    dataset: Dataset
    folds: list[Fold]
    smoted: list[Fold]


def rings(seeds: int, places: np.ndarray, y: np.ndarray) -> Rings:
    """Draw the data of this many seeds, with test points ``(places, 2)`` and their ``(places,)`` class numbers."""
    from imblearn.over_sampling import SMOTE

    parts, labels = [places.astype(np.float32)], [y]
    folds, smoted = [], []
    at, test = len(places), np.arange(len(places))
    for seed in range(seeds):
        rng = stream("figure1", "points", seed)
        x_train, y_train = points(MAJORITY, MINORITY, rng)
        x_held, y_held = points(*HELD_OUT, rng)
        x_both, y_both = SMOTE(random_state=int(rng.integers(2**31))).fit_resample(x_train, y_train)
        added = x_both[len(x_train) :].astype(np.float32), y_both[len(y_train) :]  # synthetic rows come last
        parts += [x_train, x_held, added[0]]
        labels += [y_train, y_held, added[1]]
        first, second, third = (np.arange(len(part)) for part in parts[-3:])
        train, held = at + first, at + len(first) + second
        synthetic = at + len(first) + len(second) + third
        folds.append(Fold(seed, 0, train, held, test))
        smoted.append(Fold(seed, 0, np.concatenate([train, synthetic]), held, test))
        at += len(first) + len(second) + len(third)
    x, numbers = np.concatenate(parts), np.concatenate(labels).astype(np.int64)
    names = ("ring", "centre")
    counts = {name: int((numbers == c).sum()) for c, name in enumerate(names)}
    card = Card("ring", "A ring around a cloud", "tabular", "class", len(x), 2, 0, counts, (Task("binary", names[1:]),))
    dataset = Dataset(
        variant=Variant("ring", "binary", MINORITY / MAJORITY),
        card=card,
        x=x,
        y=numbers,
        rows=np.arange(len(x)),
        feature_names=("x1", "x2"),
        feature_kinds=("numeric", "numeric"),
        class_names=names,
        minority=(1,),
        data_hash="",
    )
    return Rings(dataset, folds, smoted)
