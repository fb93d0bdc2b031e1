"""Create tables of images from arrays, coded classes, or columns of pixels."""

from __future__ import annotations

import numpy as np

from imbench.contract.errors import DataError
from imbench.contract.names import counted
from imbench.contract.records import Card, Pixels
from imbench.data.canonical import Table

GRAY, RGB = ("gray",), ("red", "green", "blue")
_NAMES = {len(names): names for names in (GRAY, RGB)}


def channel_names(channels: int) -> tuple[str, ...]:
    """Names of 1 channel (gray) or 3 channels (red, green, blue); raises `DataError` for other numbers."""
    if channels not in _NAMES:
        raise DataError(f"images must have 1 channel (gray) or 3 channels (red, green, blue), got {channels}")
    return _NAMES[channels]


def image_table(x: np.ndarray, y: np.ndarray, labels: tuple[str, ...]) -> Table:
    """A table of images ``(rows, channels, height, width)`` uint8 with classes ``(rows,)`` as indices of ``labels``."""
    names = channel_names(x.shape[1])
    return Table(x, names, ((),) * len(names), y.astype(np.int64), labels)


def coded_table(x: np.ndarray, codes: np.ndarray, card: Card) -> Table:
    """A table of images with classes as numbers ``(rows,)``, where k is the k-th class of the card, from 0.

    Raises `DataError` for a number that is not a class of the card.
    """
    labels = tuple(card.class_counts)
    codes = codes.astype(np.int64).ravel()
    wrong = codes[(codes < 0) | (codes >= len(labels))]
    if len(wrong):
        raise DataError(f"{card.name}: class number {wrong[0]} is out of range; the card has {len(labels)} classes")
    return image_table(x, codes, labels)


def from_columns(table: Table, pixels: Pixels) -> Table:
    """Convert columns of pixels to gray images: ``(rows, features)`` -> ``(rows, 1, height, width)`` uint8.

    Values become ``rint(value * 255 / brightest)``: for ``brightest=16``, 0, 16, 32, … 239, 255, all distinct.

    Raises `DataError` for a number of columns other than ``height * width``, and for values that are missing or not in
    ``[0, brightest]``.
    """
    count = pixels.height * pixels.width
    if table.x.shape[1] != count:
        raise DataError(
            f"{counted(table.x.shape[1], 'column')} cannot form {count} pixels ({pixels.height} x {pixels.width})"
        )
    outside = np.argwhere(~((table.x >= 0) & (table.x <= pixels.brightest)))
    if len(outside):
        row, column = outside[0]
        value = table.x[row, column]
        raise DataError(
            f"row {row}, column {table.names[column]!r}: {value} is not a pixel in 0 … {pixels.brightest:g}"
        )
    gray = np.rint(table.x * (255.0 / pixels.brightest)).astype(np.uint8)
    image = gray.reshape(-1, 1, pixels.height, pixels.width)
    return image_table(image.repeat(pixels.enlarge, axis=2).repeat(pixels.enlarge, axis=3), table.y, table.labels)


def first_of_each(y: np.ndarray, rows: int) -> np.ndarray:
    """Sorted numbers of the first ``rows`` rows of each class; all rows of a class with fewer."""
    return np.sort(np.concatenate([np.flatnonzero(y == k)[:rows] for k in np.unique(y)]))
