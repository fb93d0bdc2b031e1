"""Origin and unit of each column: a shift and a scale that keep the digits of its values in float32.

Float32 has 24 binary digits. Times in seconds, near 1,700,000,000, would lose all digits that distinguish them. Such a
column is shifted by its median in float64 before conversion to float32. A column of tiny or huge values, outside the
working range of float32, is also divided by a power of two. Standardisation inside the folds removes shift and scale,
so computing them from all rows, including test rows, leaks no information.
"""

from __future__ import annotations

import numpy as np

from imbench.data.canonical import Table

# Quartiles are computed from at most this many rows, drawn at random, since evenly spaced rows may be special.
_MAX_ROWS = 65_536
# A column is shifted if its median is further from zero than this many interquartile ranges. Without a shift, rounding
# to float32 then changes standardised values by less than 1e-5.
_FAR = 16.0
# Smallest and largest spread whose reciprocal is well within the range of float32; largest value after scaling.
_SMALLEST, _LARGEST, _MAX_VALUE = 2.0**-60, 2.0**60, 2.0**126


def origin_and_unit(table: Table) -> tuple[np.ndarray, np.ndarray]:
    """Origin and unit of each column, ``(columns,)`` float64 each; ``(x - origin) / unit`` is converted to float32.

    They are 0 and 1 for columns that can be converted directly. The origin is a value of the column, so that whole
    numbers stay whole, and the unit is a power of two, so that dividing is exact. A column is shifted by its median if
    that is far from zero compared with the interquartile range, which ignores outliers.
    """
    columns = table.x.shape[1]
    origin, unit = np.zeros(columns), np.ones(columns)
    rows = len(table.x)
    sample = slice(None) if rows <= _MAX_ROWS else np.sort(np.random.default_rng(0).choice(rows, _MAX_ROWS, False))
    for j in (j for j in range(columns) if not table.categories[j]):
        values = table.x[sample, j]
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
    """The power of two to divide by, from the interquartile range and the largest distance from the origin."""
    size = spread or largest
    if not size or (_SMALLEST <= size <= _LARGEST and largest < _MAX_VALUE):
        return 1.0
    return float(2.0 ** np.floor(np.log2(max(size, largest / _MAX_VALUE))))


def constant_columns(table: Table) -> tuple[str, ...]:
    """Names of the columns with at most one distinct value, not counting missing values."""
    if table.modality.storage != "columns" or not len(table.x):
        return ()
    low, high = np.fmin.reduce(table.x, axis=0), np.fmax.reduce(table.x, axis=0)
    return tuple(name for name, a, b in zip(table.names, low, high, strict=True) if not a < b)
