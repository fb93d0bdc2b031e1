"""Columns of a frame that blocks fill one after another: what a plain list of the same values gives."""

import numpy as np
import pandas as pd
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from imbench.store.blocks import Chosen, InMemory, job_frame
from imbench.store.columns import Rows, filled_column
from imbench.store.rows import SORTED_BY

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


NAMES = SORTED_BY[: SORTED_BY.index("key")]
FEW = {name: st.sampled_from(["", "b", "ä", None]) for name in NAMES} | {"ir": st.sampled_from([0.05, 0.5, None])}
JOBS = st.lists(st.fixed_dictionaries(FEW), min_size=1, max_size=12)


@given(JOBS, st.randoms(use_true_random=False))
def test_jobs_are_sorted_by_their_labels_and_where_these_are_alike_by_their_keys(jobs, random):
    for number, job in enumerate(jobs):
        job |= {"key": f"{number:02}", "first": 0, "rows": 0, "layout": 0, "failed": False}
    random.shuffle(jobs)
    cut = random.randint(0, len(jobs) - 1)
    kinds = {"ir": pa.float64(), "failed": pa.bool_(), **dict.fromkeys(("first", "rows", "layout"), pa.int64())}
    schema = pa.schema([(name, kinds.get(name, pa.string())) for name in jobs[0]])
    parts = [pa.Table.from_pylist(part, schema) for part in (jobs[:cut], jobs[cut:])]
    chosen = [Chosen(InMemory(part, [], part), np.arange(part.num_rows)) for part in parts]

    def place(job):
        return [(job[name] is None, 0 if job[name] is None else job[name]) for name in (*NAMES, "key")]

    # Jobs without a label come after those with one.
    assert job_frame(chosen, ["key"])["key"].tolist() == [job["key"] for job in sorted(jobs, key=place)]
