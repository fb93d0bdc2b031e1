"""Protocol: the settings of nets, training and cross-validation, as in a protocol file."""

from __future__ import annotations

import dataclasses
import itertools
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from imbench.contract.errors import UsageError
from imbench.contract.modality import net_names
from imbench.contract.names import suggest
from imbench.contract.spec import convert, format_spec
from imbench.contract.text import shown

SCHEDULES = ("plateau", "constant", "cosine")
CHECKPOINTS = ("last", "best")
# Caveats that are shown with all results of a protocol, by its name.
CAVEATS: Mapping[str, str] = {"smoke": "smoke checks that everything works; it ranks nothing"}
# Fields added after results were first stored: with these values they are not part of a job's identity.
ADDED_LATER = {
    **{"net": "paper", "width": 1.0, "weight_decay": 0.0, "checkpoint": "last"},
    **{"split": "stratified", "draws": 1, "train_seeds": 1},
}
# For each split, the column of the data that it needs, ``group`` or ``time``; "" for none.
SPLITS: Mapping[str, str] = {"stratified": "", "grouped": "group", "ordered": "time"}


def caveat(protocol: str) -> str:
    """The caveat of a protocol, from its name alone; "" for most protocols.

    >>> caveat("smoke:epochs=5"), caveat("paper")
    ('smoke checks that everything works; it ranks nothing', '')
    >>> caveat(derived_name("mine", "smoke"))
    'smoke checks that everything works; it ranks nothing'
    """
    return CAVEATS.get(re.split(r"[:/\s]", protocol, maxsplit=1)[0], "")


def derived_name(name: str, base: str) -> str:
    """The name of a protocol that extends another one; it contains the base's name if the base has a caveat.

    >>> derived_name("mine", "smoke"), derived_name("mine", "paper")
    ('smoke/mine', 'mine')
    """
    return f"{base.partition('/')[0]}/{name}" if caveat(base) else name


def caveats(protocols: Iterable[str]) -> list[str]:
    """The caveats of these protocols, without repeats."""
    return list(dict.fromkeys(filter(None, map(caveat, sorted(set(protocols))))))


class Place(NamedTuple):
    """The place of a net in its job: the draw of the minority, repeat, fold and training seed, each from 0."""

    draw: int
    repeat: int
    fold: int
    train_seed: int

    @property
    def key(self) -> tuple[int, ...]:
        """Key of the net's random streams; draw and training seed 0 are left out, as results of one of each were."""
        return (self.repeat, self.fold) if not (self.draw or self.train_seed) else (*self[1:3], *self[::3])

    def __str__(self) -> str:
        others = {"draw": self.draw, "training seed": self.train_seed}
        return ", ".join(
            [
                f"repeat {self.repeat}, fold {self.fold}",
                *(f"{name} {number}" for name, number in others.items() if number),
            ]
        )


def net_places(draws: int, repeats: int, folds: int, train_seeds: int) -> list[Place]:
    """The place of each net of a job with these numbers, in order."""
    return [Place(*numbers) for numbers in itertools.product(*map(range, (draws, repeats, folds, train_seeds)))]


@dataclass(frozen=True)
class Protocol:
    """All settings that results depend on, apart from data and strategy.

    The defaults are those of the ReMix paper (see ``imbench info paper``).

    Parameters
    ----------
    name : name of the protocol file and the fields set by hand, for example ``paper:epochs=30``
    epochs : largest number of passes over the training rows
    repeats, folds : repeats and folds of cross-validation. With 1 fold, nets are tested on the dataset's official test
        part, and each repeat has other validation rows; an ordered split with 1 fold tests on the latest rows instead
    split : ``stratified``; ``grouped``, which keeps all rows of a group in one part; or ``ordered``, which trains on
        earlier rows and tests on later ones (see `imbench.data.folds`)
    draws : how often the minority of a downsampled variant is drawn; each draw has all repeats and folds. A variant
        that keeps all rows has a single draw
    train_seeds : nets of each fold, which differ in initial weights, order of the batches, dropout and the randomness
        of the strategy
    validation : share of the training rows of each fold that is held out, stratified, for validation; in (0, 1)
    batch_size : rows in a mini-batch; fewer training rows than that form one batch
    drop_last : whether an incomplete last batch is dropped
    net : ``paper`` (a dense net for tabular data, a small CNN for images), or ``resnet32`` for images
    hidden_layers : number of hidden layers of the dense net
    width_divisor, multiclass_width_divisor : the width of hidden layers is ``int(2 * (features + classes) / divisor)``,
        with the second divisor for more than two classes (the authors' multi-class code uses 0.75)
    width : factor of that width; 2 for hidden layers of twice as many units
    dropout : dropout rate in [0, 1) after each hidden layer except the last
    clip : standardised features are clipped to ``[-clip, clip]``
    learning_rate, beta1, beta2, epsilon : settings of Adam
    weight_decay : decoupled weight decay of all weights except biases and batch normalisation, as in AdamW (Loshchilov
        & Hutter 2019): a step first multiplies them by ``1 - learning rate * weight_decay``
    schedule : ``plateau`` (multiply the learning rate by ``plateau_factor`` after ``plateau_patience`` epochs in which
        the training loss did not improve by more than ``plateau_min_delta``, not below ``learning_rate_floor``),
        ``constant``, or ``cosine`` (from ``learning_rate`` to ``learning_rate_floor`` over all epochs)
    patience : early stopping. A net ends, at the end of an epoch, when its learning rate has been at the floor for this
        many gradient steps without the training loss improving by more than ``plateau_min_delta``. None trains all
        epochs. It is counted in steps, since an epoch has from ten to hundreds of them (docs/decisions/0003)
    checkpoint : the weights that a net predicts with: ``last``, or ``best``, those of the least validation loss, which
        is measured after the first epoch that ends after each 200 gradient steps
        (`imbench.engine.net_group.CHECKPOINT_STEPS`), and at the end of training
    exceptions : other field values for a dataset (``coil2000``), one of its tasks (``cifar10:task=multiclass``), or a
        modality (``image``, ``image:task=multiclass``). Exceptions of a dataset override those of its modality

    Raises
    ------
    UsageError for a value of the wrong type or out of range.
    """

    name: str = "paper"
    epochs: int = 500
    repeats: int = 10
    folds: int = 2
    split: str = "stratified"
    draws: int = 1
    train_seeds: int = 1
    validation: float = 0.3
    batch_size: int = 64
    drop_last: bool = True
    net: str = "paper"
    hidden_layers: int = 3
    width_divisor: float = 3.0
    multiclass_width_divisor: float = 3.0
    width: float = 1.0
    dropout: float = 0.1
    clip: float = 5.0
    learning_rate: float = 1e-3
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-7
    weight_decay: float = 0.0
    schedule: str = "plateau"
    plateau_factor: float = 0.2
    plateau_patience: int = 5
    plateau_min_delta: float = 1e-4
    learning_rate_floor: float = 1e-5
    patience: int | None = None
    checkpoint: str = "last"
    exceptions: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        for name, kind in _SETTABLE.items():
            value = getattr(self, name)
            is_valid, wanted = _CONSTRAINTS.get(name, (_any_value, ""))
            if not (_has_type(value, kind) and (value is None or is_valid(value))):
                raise UsageError(f"protocol {self.name}: {name} must be {wanted or _TYPE_NAMES[kind]}, got {value!r}")
            most, least = _AT_MOST.get(name, LARGEST), _AT_LEAST.get(name, -LARGEST)
            if isinstance(value, int | float) and not least <= value <= most:
                bound = f"at most {most:,}" if value > most else f"at least {least:g}"
                raise UsageError(f"protocol {self.name}: {name} must be {bound}, got {shown(repr(value))}")

    @classmethod
    def from_mapping(cls, name: str, values: Mapping[str, Any]) -> Protocol:
        """A protocol from the fields of its file. Raises `UsageError` for unknown fields and invalid values."""
        unknown = sorted(set(values) - set(_FIELDS))
        if unknown:
            raise UsageError(f"protocol {name} has no field {unknown[0]!r}; {suggest(unknown[0], _FIELDS)}")
        if not isinstance(values.get("exceptions", {}), Mapping):
            raise UsageError(f"protocol {name}: exceptions must be a table, got {values['exceptions']!r}")
        protocol = cls(**{"name": name, **values})
        for dataset, fields in protocol.exceptions.items():
            if not isinstance(fields, Mapping) or not set(fields) <= set(_SETTABLE):
                raise UsageError(
                    f"protocol {name}: exceptions for {dataset!r} must be a table of fields, got {fields!r}; "
                    f"the fields are {', '.join(_SETTABLE)}"
                )
            base, _, task = dataset.partition(":task=")
            protocol.for_dataset(base, task)
        return protocol

    def with_settings(self, settings: Mapping[str, str]) -> Protocol:
        """The protocol with these fields set (``--set epochs=50``); they override all exceptions."""
        if not settings:
            return self
        values: dict[str, Any] = {}
        for key, text in settings.items():
            if key not in _SETTABLE:
                raise UsageError(f"protocol {self.name} has no field {key!r} to set; {suggest(key, _SETTABLE)}")
            values[key] = convert(text, _SETTABLE[key], f"--set {key}")
        rest = {d: {k: v for k, v in fields.items() if k not in values} for d, fields in self.exceptions.items()}
        name = format_spec(self.name, dict(sorted(values.items())))
        return dataclasses.replace(self, name=name, exceptions={d: f for d, f in rest.items() if f}, **values)

    def for_dataset(self, dataset: str, task: str, modality: str = "tabular", *, downsampled: bool = True) -> Protocol:
        """The protocol for one task of a dataset, with its exceptions applied.

        ``downsampled``: whether the variant keeps only some rows; otherwise it has a single draw.
        """
        changes: dict[str, Any] = {}
        for name in (modality, f"{modality}:task={task}", dataset, f"{dataset}:task={task}"):
            changes |= self.exceptions.get(name, {})
        changes |= {} if downsampled else {"draws": 1}
        return dataclasses.replace(self, exceptions={}, **changes)

    @property
    def nets(self) -> int:
        """Nets of a job: draws × repeats × folds × training seeds."""
        return self.draws * self.repeats * self.folds * self.train_seeds

    def places(self) -> list[Place]:
        """The place of each net of a job, in order."""
        return net_places(self.draws, self.repeats, self.folds, self.train_seeds)

    @property
    def split_column(self) -> str:
        """The column of the data that the split needs, ``group`` or ``time``; "" for none."""
        return SPLITS[self.split]

    def identity(self) -> dict[str, Any]:
        """The fields that results depend on: all except name and exceptions, which are already applied."""
        fields = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return {k: v for k, v in fields.items() if k not in ("name", "exceptions") and ADDED_LATER.get(k, _UNSET) != v}


def _positive(value: Any) -> bool:
    return bool(value > 0)


def _any_value(value: Any) -> bool:
    return True


def _has_type(value: Any, kind: Any) -> bool:
    """Whether a value has its field's type. Integers are valid floats, but booleans are not valid numbers."""
    if isinstance(value, bool) or kind is bool:
        return isinstance(value, bool) and kind is bool
    if kind is float:
        return (isinstance(value, int) and abs(value) < LARGEST) or (isinstance(value, float) and math.isfinite(value))
    return isinstance(value, kind)


# The largest and smallest values that can be meant: beyond them training never ends, or a net fits into no memory.
LARGEST = 10**9
_AT_MOST = {
    "epochs": 10**6,
    **dict.fromkeys(("repeats", "folds", "draws", "train_seeds"), 10**4),
    "hidden_layers": 1000,
    "batch_size": 10**8,
    "width": 1000,
}
_AT_LEAST = {"width_divisor": 1e-3, "multiclass_width_divisor": 1e-3}
_UNSET = object()
_TYPE_NAMES = {bool: "true or false", str: "text"}
_CONSTRAINTS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "epochs": (_positive, "a positive whole number"),
    "repeats": (_positive, "a positive whole number"),
    "folds": (lambda v: v >= 1, "at least 2, or 1 for the official test part"),
    "draws": (_positive, "a positive whole number"),
    "train_seeds": (_positive, "a positive whole number"),
    "split": (lambda v: v in SPLITS, "one of " + ", ".join(SPLITS)),
    "validation": (lambda v: 0 < v < 1, "between 0 and 1"),
    "batch_size": (_positive, "a positive whole number"),
    "hidden_layers": (_positive, "a positive whole number"),
    "width_divisor": (_positive, "positive"),
    "multiclass_width_divisor": (_positive, "positive"),
    "width": (_positive, "positive"),
    "dropout": (lambda v: 0 <= v < 1, "at least 0 and less than 1"),
    "clip": (_positive, "positive"),
    "learning_rate": (_positive, "positive"),
    "beta1": (lambda v: 0 <= v < 1, "at least 0 and less than 1"),
    "beta2": (lambda v: 0 <= v < 1, "at least 0 and less than 1"),
    "epsilon": (_positive, "positive"),
    "weight_decay": (lambda v: v >= 0, "at least 0"),
    "net": (lambda v: v in net_names(), "one of " + ", ".join(net_names())),
    "schedule": (lambda v: v in SCHEDULES, "one of " + ", ".join(SCHEDULES)),
    "plateau_factor": (lambda v: 0 < v < 1, "between 0 and 1"),
    "plateau_patience": (_positive, "a positive whole number"),
    "plateau_min_delta": (lambda v: v >= 0, "at least 0"),
    "learning_rate_floor": (lambda v: v >= 0, "at least 0"),
    "patience": (_positive, "a positive whole number or none"),
    "checkpoint": (lambda v: v in CHECKPOINTS, "one of " + ", ".join(CHECKPOINTS)),
}
_FIELDS = {f.name: f for f in dataclasses.fields(Protocol) if f.name != "name"}
_SETTABLE: dict[str, Any] = {
    name: {"int": int, "float": float, "bool": bool, "str": str, "int | None": int | None}[str(f.type)]
    for name, f in _FIELDS.items()
    if name != "exceptions"
}
