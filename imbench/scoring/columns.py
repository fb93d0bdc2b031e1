"""The columns of result rows: their names, types and order."""

from __future__ import annotations

import re
from collections.abc import Iterable

import pyarrow as pa

from imbench.scoring.metrics import METRICS, PER_CLASS
from imbench.scoring.rules import ARGMAX, RULES, ruled_columns

_WHAT = {
    "dataset": pa.string(),
    "variant": pa.string(),
    "task": pa.string(),
    "ir": pa.float64(),
    "strategy": pa.string(),
    "protocol": pa.string(),
    "repeat": pa.int64(),
    "fold": pa.int64(),
    "draw": pa.int64(),
    "train_seed": pa.int64(),
    "n_train": pa.int64(),
    "n_test": pa.int64(),
    "seconds": pa.float64(),
}
# The code that made a job; not part of its identity. It is `UNKNOWN` in older rows.
ORIGIN = ("package", "package_version", "package_source", "source_hash", "checks", "checks_version")
UNKNOWN = "unknown"
# Columns of the draw of the minority and of the training seed, which are 0 in older rows.
DRAWN = ("draw", "train_seed")
_HOW = {
    "epochs": pa.int64(),
    "steps": pa.int64(),
    "floor_epoch": pa.int64(),
    "loss": pa.float64(),
    "zero_recall": pa.int64(),
    "absent": pa.string(),
    "absent_validation": pa.string(),
    "empty_batches": pa.float64(),
    "minority_rows": pa.float64(),
    "minority_rows_trained": pa.float64(),
    "prior_inexact": pa.string(),
    "fallback_share": pa.float64(),
    "recalibrated_by": pa.string(),
    "recalibration_slope": pa.float64(),
    "key": pa.string(),
    "data_hash": pa.string(),
    "rows_hash": pa.string(),
    "strategy_version": pa.string(),
    "kind": pa.string(),
    **dict.fromkeys(ORIGIN, pa.string()),
    "schema": pa.int64(),
    "numbers": pa.int64(),
    "error": pa.string(),
    "protocol_fields": pa.string(),
    "trial": pa.int64(),
    "trial_strategy": pa.string(),
    "trial_protocol": pa.string(),
}
# Columns of one class each, `NAME[j]` or `NAME[j]@RULE`, in this order.
_PER_CLASS = (*PER_CLASS, "tuned_weight", "train_prior")
_PATTERN = re.compile(rf"({'|'.join(_PER_CLASS)})\[(\d+)\](?:@(.+))?")

# Columns that depend on the computer or the time of day; no score does.
TIMING = ("seconds",)


def schema() -> pa.Schema:
    """The columns that every store has, with their types, from the present tables of metrics and rules."""
    return pa.schema(_WHAT | dict.fromkeys([*METRICS, *ruled_columns()], pa.float64()) | _how())


def class_of(column: str) -> int | None:
    """The j of ``recall[j]``, ``brier[j]@prior-corrected`` and the like; None for other columns."""
    match = _PATTERN.fullmatch(column)
    return int(match[2]) if match else None


def column_order(names: Iterable[str]) -> list[str]:
    """These columns in the order of results: job, metrics, metrics of each class, training, then facts by name."""
    given = set(names)
    per_class = sorted((n for n in given if class_of(n) is not None), key=_place)
    known = [*_WHAT, *METRICS, *ruled_columns(), *per_class, *_how()]
    return [n for n in known if n in given] + sorted(given - set(known))


def _how() -> dict[str, pa.DataType]:
    found: dict[str, pa.DataType] = {}
    for name, kind in _HOW.items():
        found[name] = kind
        if name == "zero_recall":
            found |= {f"zero_recall@{rule}": kind for rule in RULES if rule != ARGMAX}
    return found


def _place(column: str) -> tuple[int, int, int]:
    match = _PATTERN.fullmatch(column)
    assert match is not None
    rules = list(RULES)
    rule = match[3] or ARGMAX
    return rules.index(rule) if rule in rules else len(rules), _PER_CLASS.index(match[1]), int(match[2])
