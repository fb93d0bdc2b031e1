"""Means over seeds with their intervals, and their text in sentences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from imbench.stats.intervals import student_half
from imbench.stats.words import number

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

# Suffix of the column of half-widths.
HALF = "_half"


@dataclass(frozen=True)
class Spread:
    """A mean over seeds and the half-width of its 95 % interval (Student's t), which is NaN for one seed.

    >>> Spread.of([1.0, 2.0, 3.0]).text(1)
    '2.0 ± 2.5'
    """

    mean: float
    half: float

    @classmethod
    def of(cls, values: ArrayLike) -> Spread:
        """The spread of ``(seeds,)`` numbers, without NaN."""
        numbers = np.asarray(values, dtype=np.float64)
        numbers = numbers[~np.isnan(numbers)]
        count = len(numbers)
        if count < 2:
            return cls(float(numbers[0]) if count else float("nan"), float("nan"))
        error = numbers.std(ddof=1) / np.sqrt(count)
        return cls(float(numbers.mean()), float(student_half(error, count - 1, 0.05)))

    @property
    def low(self) -> float:
        """Lower end of the interval."""
        return self.mean - self.half

    @property
    def high(self) -> float:
        """Upper end of the interval."""
        return self.mean + self.half

    def above(self, other: Spread | float) -> int:
        """1 if the interval lies above a number or another interval, −1 if below, 0 if neither or undefined.

        >>> Spread(2.0, 0.5).above(1.0), Spread(2.0, 0.5).above(Spread(3.0, 0.4)), Spread(2.0, float("nan")).above(1.0)
        (1, -1, 0)
        """
        low, high = (other.low, other.high) if isinstance(other, Spread) else (other, other)
        return int(self.low > high) - int(self.high < low)

    def text(self, digits: int = 2) -> str:
        """The mean with the half-width, if defined: ``0.83 ± 0.02``."""
        if np.isnan(self.half):
            return number(self.mean, digits)
        return f"{number(self.mean, digits)} ± {number(self.half, digits)}"


def spreads(many: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The mean over seeds of each number, and its half-width under the name with suffix `HALF`."""
    row: dict[str, float] = {}
    for name in many[0]:
        spread = Spread.of([one[name] for one in many])
        row |= {name: spread.mean, f"{name}{HALF}": spread.half}
    return row


def readable(frame: pd.DataFrame, names: Mapping[str, str]) -> pd.DataFrame:
    """Select and rename columns; means become text with their half-widths."""
    import pandas as pd

    columns = {}
    for name, called in names.items():
        if f"{name}{HALF}" in frame:
            pairs = zip(frame[name], frame[f"{name}{HALF}"], strict=True)
            columns[called] = pd.Series([Spread(*pair).text(3) for pair in pairs])
        else:
            columns[called] = frame[name]
    return pd.DataFrame(columns)


def percent(share: float, digits: int = 1) -> str:
    """A share in percent: ``12.3 %``; an en dash for NaN."""
    return "–" if np.isnan(share) else f"{number(100 * share, digits)} %"
