"""Columns of a frame that blocks fill one after another: what a plain list of the same values gives."""

import numpy as np
import pandas as pd
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from imbench.store.columns import Rows, filled_column

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
    # The rows of each job stay together; a job has one row, all have as many, or each has its own number.
    jobs = draw(st.integers(1, 6))
    counts = draw(
        st.integers(1, 4).map(lambda most: [most] * jobs) | st.lists(st.integers(1, 6), min_size=jobs, max_size=jobs)
    )
    values = draw(st.lists(st.none() | VALUES[kind], min_size=sum(counts), max_size=sum(counts)))
    first = [sum(counts[:job]) for job in range(jobs)]
    order = draw(st.permutations(range(jobs)))
    ends = sorted(draw(st.lists(st.integers(0, jobs), max_size=3)))
    parts = [order[start:end] for start, end in zip([0, *ends], [*ends, jobs], strict=True)]
    blocks = [[row for job in part for row in range(first[job], first[job] + counts[job])] for part in parts]
    lacking = draw(st.sets(st.integers(0, len(blocks) - 1)))
    return kind, values, [block for i, block in enumerate(blocks) if i not in lacking]


def filled(kind, values, blocks, *, categorical):
    column = filled_column("any", {kind}, len(values))
    for rows in blocks:
        part = [values[row] for row in rows]
        of = pa.null() if all(value is None for value in part) else kind
        column.add(pa.chunked_array([pa.array(part, of)]), Rows(np.array(rows, dtype=np.int64), len(values)))
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
