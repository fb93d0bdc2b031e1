"""Rows agree with the identity that their key is the hash of: no label can be changed without being noticed."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from imbench.contract.errors import UsageError
from imbench.contract.names import counted
from imbench.contract.protocol import ADDED_LATER, net_places
from imbench.contract.records import Variant
from imbench.contract.spec import format_value, is_own_data, parse_spec
from imbench.contract.text import shown
from imbench.scoring.columns import schema
from imbench.store.derive import outdated, places
from imbench.store.parquet import DamagedError, Identity, identity_parts

# The columns that rows of every schema have.
_ALWAYS: tuple[str, ...] = (
    *("dataset", "variant", "task", "strategy", "protocol", "repeat", "fold", "key", "data_hash"),
    *("strategy_version", "error"),
)
# The fields of a protocol that say how many nets a job has; older ones lack those with a default.
_SIZES: Mapping[str, int | None] = {"repeats": None, "folds": None, "draws": 1, "train_seeds": 1}
_MEASURED = ("ir", "n_train", "n_test", "seconds")


def check_rows(rows: pa.Table, key: str, error: bool = False) -> pa.Table:
    """The rows of a job, checked to have every fold once, columns of the right types, and the labels of its identity.

    Parameters
    ----------
    rows : with the identity in their metadata (`imbench.store.parquet.from_parquet`)
    key : of the job
    error : whether the rows are those of a failure

    Raises
    ------
    DamagedError
        Names what differs.
    """
    identity = identity_parts(rows)
    outdated(rows.schema)  # the versions of metrics and decision rules can be read
    _check_columns(rows, filled=_ALWAYS if error else (*_ALWAYS, *_MEASURED))
    check_labels(rows, identity, key)
    found, sizes = places(rows), {name: _size(identity, name) for name in _SIZES}
    if math.prod(sizes.values()) != len(found) or sorted(found) != net_places(**sizes):
        named = " x ".join(f"{size} {name}" for name, size in sizes.items() if size > 1 or name in ("repeats", "folds"))
        raise DamagedError(f"it has {counted(len(found), 'row')}, not one for each of {named}")
    if any(bool(text) != error for text in rows["error"].to_pylist()):
        raise DamagedError("its column error does not fit a " + ("failed" if error else "finished") + " job")
    return rows


def _size(identity: Identity, name: str) -> int:
    size = identity.protocol.get(name, _SIZES[name])
    if not isinstance(size, int) or size < 1:
        raise DamagedError(f"its protocol has {name} = {shown(repr(size))}, which is no positive whole number")
    return size


def check_labels(rows: pa.Table, identity: Identity, key: str) -> None:
    """Raise `DamagedError` unless every row is labelled as the job of this identity."""
    variant = _variant(identity)
    name, _, version = identity.strategy.partition("@")  # a version may name those of inner strategies
    expected = {
        "key": key,
        "data_hash": identity.data,
        "variant": variant.name,
        "task": variant.task,
        "strategy_version": version,
        "numbers": identity.schema,
    }
    expected |= {} if identity.dataset is None else {"dataset": identity.dataset}
    there = frozenset(rows.column_names)
    labels = {n: list(dict.fromkeys(rows[n].to_pylist())) for n in (*expected, *_CHECKED) if n in there}
    for column, value in expected.items():
        if labels.get(column, [value]) != [value]:
            raise DamagedError(f"its {column} is {_listed(labels[column])}, but its job's is {shown(repr(value))}")
    for column, agrees in _CHECKED.items():
        if column in labels and not (len(labels[column]) == 1 and agrees(labels[column][0], identity, name)):
            raise DamagedError(f"its {column} {_listed(labels[column])} is not that of its job")


def _variant(identity: Identity) -> Variant:
    options = {k: v for k, v in identity.variant.items() if k not in ("task", "ir", "seed")}
    task, ir, seed = (identity.variant.get(name) for name in ("task", "ir", "seed"))
    if not (isinstance(task, str) and isinstance(ir, float | int | None) and isinstance(seed, int)):
        raise DamagedError(f"its variant is {shown(repr(identity.variant))}, which is none")
    return Variant("", task, ir, seed, tuple((k, str(v)) for k, v in options.items()))


def _is_dataset(label: str, identity: Identity, _: str) -> bool:
    return identity.dataset is not None or is_own_data(label)


def _is_strategy(label: str, identity: Identity, name: str) -> bool:
    """Whether a spec is of this strategy with these parameters; those at their defaults are left out of a spec."""
    return label == name or _agrees(label, name, identity.params)


def _is_protocol(label: str, identity: Identity, _: str) -> bool:
    """Whether the settings in a protocol's name are those of the job."""
    head, colon, _ = label.partition(":")
    return not colon or _agrees(label, head, {**ADDED_LATER, **identity.protocol})


def _is_fields(label: str | None, identity: Identity, _: str) -> bool:
    try:
        return label is None or bool(json.loads(label) == identity.protocol)
    except (ValueError, RecursionError):
        return False


# Labels that are not copied from the identity, and whether one agrees with it.
_CHECKED = {
    "dataset": _is_dataset,
    "strategy": _is_strategy,
    "protocol": _is_protocol,
    "protocol_fields": _is_fields,
}


def _agrees(spec: str, name: str, values: Mapping[str, Any]) -> bool:
    try:
        called, params = parse_spec(spec)
    except UsageError:
        return False
    return called == name and all(
        key in values and text in (_written(values[key]), _written(values[key]).removeprefix("(").removesuffix(")"))
        for key, text in params.items()
    )


def _written(value: Any) -> str:
    """A parameter of an identity as its spec writes it; JSON has lists where Python has tuples."""
    return format_value(tuple(map(_written, value)) if isinstance(value, list) else value)


def _check_columns(rows: pa.Table, filled: Sequence[str]) -> None:
    types = dict(zip(rows.column_names, rows.schema.types, strict=True))
    lacking = [name for name in filled if name not in types]
    if lacking:
        raise DamagedError(f"it has no column {lacking[0]!r}")
    if len(types) < rows.num_columns:
        raise DamagedError("it has two columns of one name")
    for known in schema():
        found = types.get(known.name, known.type)
        if found != known.type and not pa.types.is_null(found):
            raise DamagedError(f"its column {known.name!r} is of type {found}, not {known.type}")
    for name in filled:
        if rows[name].null_count:
            raise DamagedError(f"its column {name!r} has an empty cell")


def _listed(values: list[Any]) -> str:
    return shown(" and ".join(map(repr, values[:3])))
