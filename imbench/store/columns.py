"""Columns of a frame that are filled block by block."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from imbench.contract.records import STRATEGY
from imbench.scoring.outcome import Integers

# Values of columns that rows of earlier versions lack.
_FORMERLY = {"kind": STRATEGY}


class Rows:
    """Rows of a frame that one block fills.

    Parameters
    ----------
    numbers : the number of each row, in the order of the block
    size : rows of the whole frame
    """

    def __init__(self, numbers: Integers, size: int) -> None:
        self.numbers = numbers
        # The rows of a job stay together. Where all runs of rows begin and end at multiples of one number, that many
        # are copied as one piece: with 20 rows in a third of the time.
        breaks = np.flatnonzero(np.diff(numbers) != 1) + 1
        ends = np.concatenate([breaks, [len(numbers), size], numbers[:1], numbers[breaks]])
        self._together = max(1, int(np.gcd.reduce(ends)))
        self._pieces = numbers[:: self._together] // self._together

    def __len__(self) -> int:
        return len(self.numbers)

    def put(self, values: npt.NDArray[Any], into: npt.NDArray[Any]) -> None:
        """Set these rows of an array."""
        values = np.ascontiguousarray(values, dtype=into.dtype)
        piece = np.dtype((np.void, into.itemsize * self._together))
        into.view(piece)[self._pieces] = values.view(piece)


class Filled(Protocol):
    """A column of a frame that is filled block by block; where nothing is added it is empty."""

    def add(self, values: pa.ChunkedArray, to: Rows) -> None:
        """Set these rows."""

    def made(self, *, categorical: bool) -> Any:
        """The column for pandas."""


class _Numbers:
    """Numbers; whole numbers become floats if any is missing."""

    def __init__(self, size: int, kind: type[np.int64 | np.float64]) -> None:
        # Most columns are filled whole, so that what nothing is added to is set in the end.
        self.values, self.filled = np.empty(size, dtype=kind), _Places(size)
        self.missing: list[Integers] = []

    def add(self, values: pa.ChunkedArray, to: Rows) -> None:
        if pa.types.is_null(values.type):
            return
        self.filled.add(to)
        if values.null_count and self.values.dtype == np.int64:
            self.missing.append(to.numbers[~values.is_valid().to_numpy()])
            values = values.fill_null(0)
        to.put(values.to_numpy(), self.values)

    def made(self, *, categorical: bool) -> Any:
        if len(self.values) and not self.filled.parts:
            return np.full(len(self.values), np.nan)
        missing = np.concatenate([*self.missing, self.filled.rest()])
        if len(missing):
            self.values = self.values.astype(np.float64, copy=False)
            self.values[missing] = np.nan
        return self.values


class _Places:
    """Which rows of a column were added."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.parts: list[Integers] = []

    def add(self, to: Rows) -> None:
        self.parts.append(to.numbers)

    def rest(self) -> Integers:
        """The other rows."""
        if sum(map(len, self.parts)) == self.size:
            return np.zeros(0, dtype=np.int64)
        empty = np.ones(self.size, dtype=bool)
        for part in self.parts:
            empty[part] = False
        return np.flatnonzero(empty)


class _Text:
    """Text, by the number of each different text; ``missing`` is the text of rows without any, None for none."""

    def __init__(self, size: int, missing: str | None = None) -> None:
        self.known: dict[str, int] = {} if missing is None else {missing: 0}
        self.missing = len(self.known) - 1
        # Few texts differ in most columns: a byte is then enough for each row.
        self.numbers: Integers = np.full(size, self.missing, dtype=np.int8)

    def add(self, values: pa.ChunkedArray, to: Rows) -> None:
        if pa.types.is_null(values.type):
            return
        if not pa.types.is_dictionary(values.type):
            values = values.cast(pa.string()).dictionary_encode()
        encoded = values.combine_chunks()
        encoded = encoded.chunk(0) if isinstance(encoded, pa.ChunkedArray) else encoded
        numbers = [self.known.setdefault(text, len(self.known)) for text in encoded.dictionary.to_pylist()]
        found = encoded.indices.fill_null(len(numbers)).to_numpy(zero_copy_only=False)
        self.numbers = self.numbers.astype(_type_for(len(self.known)), copy=False)
        to.put(np.array([*numbers, self.missing], dtype=self.numbers.dtype)[found], self.numbers)

    def made(self, *, categorical: bool) -> Any:
        import pandas as pd

        if categorical:
            known = list(self.known)
            used = np.flatnonzero(np.bincount(self.numbers.astype(np.int64) + 1, minlength=len(known) + 1)[1:])
            # Sorted like text: the order in which files were read must not show.
            listed = sorted(used.tolist(), key=known.__getitem__)
            places = np.full(len(known) + 1, -1, dtype=_type_for(len(known)))  # the last is that of -1, for no text
            places[listed] = np.arange(len(listed))
            return pd.Categorical.from_codes(places[self.numbers], pd.Index([known[i] for i in listed], dtype="str"))
        texts = pa.array(self.known, pa.large_string())
        column = texts.take(pa.array(self.numbers, mask=self.numbers < 0))
        return pa.table({"": column}).to_pandas()[""].array


class _Others:
    """Values of any other type, such as true and false."""

    def __init__(self, size: int) -> None:
        self.filled = _Places(size)
        self.parts: list[pa.ChunkedArray] = []

    def add(self, values: pa.ChunkedArray, to: Rows) -> None:
        self.parts.append(values)
        self.filled.add(to)

    def made(self, *, categorical: bool) -> Any:
        rest = self.filled.rest()
        tables = [pa.table({"": values}) for values in (*self.parts, pa.nulls(len(rest)))]
        order = np.argsort(np.concatenate([*self.filled.parts, rest]))
        whole = pa.concat_tables(tables, promote_options="permissive").take(pa.array(order))
        return whole.to_pandas()[""].array


def _type_for(texts: int) -> type[np.signedinteger[Any]]:
    """The type that numbers below this, and -1, take least memory in."""
    return next(kind for kind in (np.int8, np.int16, np.int32, np.int64) if texts <= np.iinfo(kind).max + 1)


def filled_column(name: str, kinds: set[pa.DataType], size: int) -> Filled:
    """A column with values of these types.

    Parameters
    ----------
    name : its name, which says what rows have where nothing is added
    size : rows of the frame
    """
    known = kinds - {pa.null()}
    if known == {pa.int64()}:
        return _Numbers(size, np.int64)
    if known and known <= {pa.int64(), pa.float64()}:
        return _Numbers(size, np.float64)
    return _Text(size, _FORMERLY.get(name)) if known == {pa.string()} else _Others(size)
