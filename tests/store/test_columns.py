"""Columns of a frame that blocks fill one after another: what a plain list of the same values gives."""

import numpy as np
import pandas as pd
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from imbench.store.blocks import _filled

VALUES = {
    pa.int64(): st.integers(-(2**53), 2**53),
    pa.float64(): st.floats(allow_infinity=True, allow_nan=False),
    pa.string(): st.sampled_from(["", "a", "b", "ä", "longer text"]),
    pa.bool_(): st.booleans(),
}


@st.composite
def columns(draw):
    """A type, as many values as the column has rows, and the rows of each block that adds some of them."""
    kind = draw(st.sampled_from(list(VALUES)))
    values = draw(st.lists(st.none() | VALUES[kind], min_size=1, max_size=12))
    order = draw(st.permutations(range(len(values))))
    ends = sorted(draw(st.lists(st.integers(0, len(order)), max_size=3)))
    blocks = [order[start:end] for start, end in zip([0, *ends], [*ends, len(order)], strict=True)]
    lacking = draw(st.sets(st.integers(0, len(blocks) - 1)))
    return kind, values, [block for i, block in enumerate(blocks) if i not in lacking]


def filled(kind, values, blocks, *, categorical):
    column = _filled("any", {kind}, len(values))
    for rows in blocks:
        part = [values[row] for row in rows]
        of = pa.null() if all(value is None for value in part) else kind
        column.add(pa.chunked_array([pa.array(part, of)]), np.array(rows, dtype=np.int64))
    return pd.Series(column.made(categorical=categorical))


def expected(values, blocks):
    added = {row for rows in blocks for row in rows}
    return [value if row in added else None for row, value in enumerate(values)]


@given(columns(), st.booleans())
def test_a_column_is_what_its_blocks_add_and_missing_elsewhere(drawn, categorical):
    kind, values, blocks = drawn
    found, wanted = filled(kind, values, blocks, categorical=categorical), expected(values, blocks)
    assert [None if pd.isna(value) else value for value in found] == wanted
    if kind == pa.int64():
        assert found.dtype == (np.float64 if None in wanted else np.int64)
    if kind == pa.string() and categorical:
        assert list(found.cat.categories) == sorted({value for value in wanted if value is not None})
