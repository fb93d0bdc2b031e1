"""Whether a column can be the target of a classification, checked before any training."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pandas as pd

from imbench.contract.errors import DataError
from imbench.data.labels import label_codes, natural_order

# More distinct numbers than this are a quantity, unless the spec says that they are classes.
_MOST_NUMBERS, _MOST_FRACTIONS = 30, 10


def check_target(column: pd.Series, params: Mapping[str, str]) -> None:
    """Raise `DataError` for a single class, classes that differ only in case or blanks, and a continuous target.

    Numbers are classes whatever their number if the spec names a ``minority``, or the ``task``.
    """
    codes, labels = label_codes(column)
    if len(labels) == 1:
        raise DataError(f"the target {column.name!r} has only one class, {labels[0]!r}; a task needs at least two")
    alike: dict[str, list[str]] = {}
    for label in sorted(labels, key=natural_order):
        alike.setdefault(" ".join(label.split()).casefold(), []).append(label)
    for same in alike.values():
        if len(same) > 1:
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


def _number(label: str) -> float | None:
    try:
        number = float(label)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
