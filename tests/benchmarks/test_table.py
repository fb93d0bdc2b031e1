"""The table of what was measured."""

import math
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.benchmarks.table import COLUMNS, FILES, MISSING, Measured, commit, machine, markdown, read, rows_of, write

names = st.text(st.characters(categories=["L", "N"], include_characters=" ,.-"), min_size=1).filter(str.strip)
numbers = st.dictionaries(st.sampled_from(list(COLUMNS)), st.floats(0, 1e9), max_size=len(COLUMNS))
tables = st.builds(Measured, st.dictionaries(names, names), st.dictionaries(names, numbers, max_size=6))


def cells(line):
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def table_lines(text):
    return [line for line in text.splitlines() if line.startswith("|")]


@given(tables)
def test_what_is_written_as_json_is_read_back_equal(measured):
    with tempfile.TemporaryDirectory() as folder:
        paths = write(measured, Path(folder, "new", "folder"))
        assert [path.name for path in paths] == list(FILES)
        assert read(paths[1]) == measured
        assert paths[0].read_text("utf-8") == markdown(measured)


@given(tables)
def test_every_row_has_a_cell_for_every_column_and_a_dash_where_nothing_was_measured(measured):
    head, _, *lines = table_lines(markdown(measured))
    shown = [name for name in COLUMNS if COLUMNS[name][0] in cells(head)[1:]]
    assert len(lines) == len(measured.rows)
    for line, found in zip(lines, measured.rows.values(), strict=True):
        expected = [COLUMNS[name][1].format(found[name]) if name in found else MISSING for name in shown]
        assert cells(line)[1:] == (expected or [""])
        assert set(found) <= set(shown)


@given(st.lists(numbers), st.lists(numbers))
def test_parts_of_one_name_are_one_row(first, second):
    parts = [{"row": "musk"} | one for one in first] + [{"row": "coil"} | one for one in second]
    musk, coil = (dict(pair for one in some for pair in one.items()) for some in (first, second))
    assert rows_of(parts) == ({"musk": musk} if first else {}) | ({"coil": coil} if second else {})


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_a_number_that_is_not_finite_was_not_measured(number):
    rows = rows_of([{"row": "musk", "step": number, "ratio": 2}])
    assert rows == {"musk": {"ratio": 2.0}}


def test_the_machine_is_described_by_what_changes_its_times():
    found = machine(0.5)
    for name, words in {
        "Python": "Python 3.",
        "packages": "torch",
        "processor": "Numba",
        "cores": "",
        "memory": "",
        "load average at the start": "0.50",
        "commit": "",
    }.items():
        assert words in found[name], name
        assert found[name]


def test_outside_a_checkout_the_commit_is_unknown(tmp_path):
    assert commit(tmp_path) == "unknown"
