"""Whether a column can be the target of a classification, checked before any training."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pandas as pd

from imbench.contract.errors import DataError
from imbench.contract.names import list_known
from imbench.data.labels import alike, label_codes

# More distinct numbers than this are a quantity, unless the spec says that they are classes.
_MOST_NUMBERS, _MOST_FRACTIONS = 30, 10
# Rows that each class of a likely target has.
_LEAST_ROWS = 4


def check_target(column: pd.Series, params: Mapping[str, str]) -> None:
    """Raise `DataError` for a single class, classes that differ only in case or blanks, and a continuous target.

    Numbers are classes whatever their number if the spec names a ``minority``, or the ``task``.
    """
    codes, labels = label_codes(column)
    if len(labels) == 1:
        raise DataError(f"the target {column.name!r} has only one class, {labels[0]!r}; a task needs at least two")
    for same in alike(labels):
        rows = [int((codes == labels.index(label)).sum()) for label in same]
        shown = " and ".join(f"{label!r} ({count:,})" for label, count in zip(same, rows, strict=True))
        raise DataError(
            f"classes {shown} of the target {column.name!r} differ only in case or blanks; write them the same, or "
            "rename one of them"
        )
    if "minority" in params or "task" in params:
        return
    numbers = [_number(label) for label in labels]
    fractions = any(number is not None and number != int(number) for number in numbers)
    if None not in numbers and len(labels) > (_MOST_FRACTIONS if fractions else _MOST_NUMBERS):
        raise DataError(
            f"the target {column.name!r} has {len(labels):,} distinct numbers, such as {labels[0]} and {labels[1]}, "
            "and looks like a quantity, not a class: cut it into classes, name the rare class with minority=, or add "
            "task=multiclass if each number is a class"
        )


def no_target(frame: pd.DataFrame, name: str, fix: str = "") -> str:
    """The error for a table whose target is not named: the columns that are likely to be it, and how to name one.

    ``fix`` is how to name it, by default on the command line and in a spec with this ``name``.
    """
    names = list(frame.columns)
    likely = [column for column in names[::-1] if _is_likely(frame[column])]
    two = [column for column in likely if frame[column].nunique() == 2]
    shown = ", ".join(map(repr, [*two, *(column for column in likely if column not in two)][:5]))
    those = f"likely {'is' if len(likely) == 1 else 'are'} {shown}" if likely else list_known(map(repr, names))
    fix = fix or f"--target COLUMN, or {name}:target=COLUMN"
    return f"which column contains the class? Name it with {fix}; {those}"


def _is_likely(column: pd.Series) -> bool:
    """Whether a column has few values, each in several rows."""
    try:
        rows = column.value_counts()
    except TypeError:  # lists
        return False
    return 2 <= len(rows) <= _MOST_NUMBERS and bool(rows.min() >= _LEAST_ROWS)


def _number(label: str) -> float | None:
    try:
        number = float(label)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
