from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imbench.contract.errors import DataError
from imbench.data.canonical import Table, content_hash, data_hash, from_frame
from tests.data import made


def reordered(table: Table, order: np.ndarray) -> Table:
    return Table(table.x[order], table.names, table.categories, table.y[order], table.labels)


@given(seed=st.integers(0, 10_000))
def test_content_ignores_row_order_and_the_data_hash_does_not(seed):
    table = made.table([30, 7])
    order = np.random.default_rng(seed).permutation(37)
    assert content_hash(reordered(table, order)) == content_hash(table)
    assert (data_hash(reordered(table, order)) == data_hash(table)) == bool((order == np.arange(37)).all())


@pytest.mark.parametrize("change", ["a value", "a label", "a row twice"])
def test_content_sees_every_change(change):
    table = made.table([30, 7])
    x, y = table.x.copy(), table.y.copy()
    if change == "a value":
        x[3, 1] = np.nextafter(x[3, 1], 9)
    elif change == "a label":
        y[3] = 1 - y[3]
    else:
        x[3], y[3] = x[4], y[4]
    assert content_hash(Table(x, table.names, table.categories, y, table.labels)) != content_hash(table)


def test_content_sees_through_label_numbers_rounding_and_minus_zero():
    table = made.table([30, 7])
    relabelled = Table(table.x, table.names, table.categories, 1 - table.y, table.labels[::-1])
    printed = Table(table.x + 1e-9, table.names, table.categories, table.y, table.labels)
    assert content_hash(relabelled) == content_hash(table)
    assert content_hash(printed) != content_hash(table)
    assert content_hash(printed, decimals=4) == content_hash(table, decimals=4)
    zeros = [Table(np.array([[z], [1.0]]), ("f",), ((),), np.array([0, 1]), ("a", "b")) for z in (0.0, -0.0)]
    assert content_hash(zeros[0]) == content_hash(zeros[1])
    assert data_hash(zeros[0]) == data_hash(zeros[1])


def test_a_frame_keeps_row_order_missing_values_and_categories():
    frame = made.frame()
    table = from_frame(frame, "target", categorical=("w",), order=("a", "b", "c"))
    assert table.names == ("u", "v", "w")
    assert table.categories == ((), (), ("blue", "red"))
    np.testing.assert_array_equal(table.x[:, 0], frame["u"])
    assert [table.categories[2][int(c)] for c in table.x[:, 2]] == frame["w"].tolist()
    assert [table.labels[k] for k in table.y] == frame["target"].tolist()


@pytest.mark.parametrize("held", [[1, 2], [1.0, 2.0], ["1", "2"], [" 1", "2 "], [Decimal("1.0"), Decimal(2)]])
def test_a_whole_number_is_its_digits_however_it_is_held(held):
    frame = pd.DataFrame({"f": [0.0, 1.0], "target": held})
    assert from_frame(frame, "target").labels == ("1", "2")


def test_a_card_knows_its_labels_in_a_sources_spelling():
    frame = pd.DataFrame({"f": [0.0, 1.0], "target": ["1.", "+2"]})
    assert from_frame(frame, "target").labels == ("1.", "+2")
    assert from_frame(frame, "target", order=("1", "2")).labels == ("1", "2")
    assert from_frame(frame, "target", relabel={"1": "yes"}, other="no").labels == ("no", "yes")


def test_a_code_that_a_source_does_not_list_is_no_number_that_it_lists():
    frame = pd.DataFrame({"f": [0.0, 1.0, 2.0, 3.0], "target": ["3", "03", "3e0", "3.0"]})
    table = from_frame(frame, "target", relabel={"3": "yes"}, other="no")
    assert [table.labels[k] for k in table.y] == ["yes", "no", "no", "yes"]


def test_a_sources_labels_are_renamed_and_the_rest_can_merge():
    frame = pd.DataFrame({"f": [0.0, 1.0, 2.0], "target": [19, 3, 7]})
    table = from_frame(frame, "target", relabel={"19": "yes"}, other="no", order=("no", "yes"))
    assert [table.labels[k] for k in table.y] == ["yes", "no", "no"]


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        ({"f": [1.0], "goal": ["a"]}, "no column 'target'"),
        ({"f": [1.0, 2.0], "target": ["a", None]}, r"the target 'target' is missing in 1 row \(first: row 1\)"),
        ({"f": ["x", "y"], "target": ["a", "b"]}, "column 'f' is not numeric"),
        ({"f": [1.0, np.inf], "target": ["a", "b"]}, "column 'f' is infinite or outside the range of float32 in row 1"),
        ({"f": [1.0, 1e300], "target": ["a", "b"]}, "column 'f' is infinite or outside the range of float32 in row 1"),
        ({"target": ["a", "b"]}, "at least one feature"),
    ],
)
def test_a_bad_frame_names_column_and_row(frame, message):
    with pytest.raises(DataError, match=message):
        from_frame(pd.DataFrame(frame), "target")
