"""Where a column's zero lies and how long its unit is, so that float32 keeps what tells its values apart.

Float32 has 24 binary digits. Of a time in seconds, 1,700,000,000 and a little, none is left for the little. Such a
column is shifted by one of its middle values, in float64, before it becomes float32. A column of tiny or huge values,
beyond the range in which float32 works, is divided by a power of two as well. Standardisation inside the folds is
the same whatever the shift and the unit are, so these may be of all rows, test rows too: nothing of them leaks.
"""

from __future__ import annotations

import numpy as np

from imbench.data.canonical import Table

# A middle value needs no more rows than this; they are drawn, since every so many-th row may well be a special one.
_MOST_ROWS = 65_536
# How many times its spread a column may lie from zero: rounding to float32 then moves no standardised value by 1e-5.
_FAR = 16.0
# A spread outside these has a reciprocal near the ends of float32's range; no value may come out beyond the last.
_SMALLEST, _LARGEST, _END = 2.0**-60, 2.0**60, 2.0**126


def origin_and_unit(table: Table) -> tuple[np.ndarray, np.ndarray]:
    """``(columns,)`` float64 each: ``(x - origin) / unit`` is what becomes float32; 0 and 1 where x itself can.

    The origin is a value of the column, so that whole numbers stay whole, and the unit a power of two, which rounds
    nothing. A column that is far from zero for the middle half of its values is shifted by the middle one; outliers
    count for neither.
    """
    columns = table.x.shape[1]
    origin, unit = np.zeros(columns), np.ones(columns)
    rows = len(table.x)
    some = slice(None) if rows <= _MOST_ROWS else np.sort(np.random.default_rng(0).choice(rows, _MOST_ROWS, False))
    for j in (j for j in range(columns) if not table.categories[j]):
        values = table.x[some, j]
        values = np.sort(values[~np.isnan(values)])
        if not len(values):
            continue
        low, middle, high = (values[(len(values) - 1) * part // 4] for part in (1, 2, 3))
        if abs(middle) > _FAR * (high - low):
            origin[j] = middle
        unit[j] = _unit(
            high - low, max(abs(end(table.x[:, j]) - origin[j]) for end in (np.fmin.reduce, np.fmax.reduce))
        )
    return origin, unit


def _unit(spread: float, largest: float) -> float:
    """The power of two to divide by, of the spread of the middle half and the distance of the furthest value."""
    size = spread or largest
    if not size or (_SMALLEST <= size <= _LARGEST and largest < _END):
        return 1.0
    return float(2.0 ** np.floor(np.log2(max(size, largest / _END))))


def constant_columns(table: Table) -> tuple[str, ...]:
    """The names of the columns that hold one value at most, missing ones left out."""
    if table.modality.storage != "columns" or not len(table.x):
        return ()
    low, high = np.fmin.reduce(table.x, axis=0), np.fmax.reduce(table.x, axis=0)
    return tuple(name for name, a, b in zip(table.names, low, high, strict=True) if not a < b)
