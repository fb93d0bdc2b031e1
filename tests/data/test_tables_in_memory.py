"""Frames and arrays are the tables of their files: equal values have equal hashes, and bad ones are refused."""

from datetime import UTC, date, datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import imbench
from imbench.contract.errors import DataError
from imbench.data.data_sources import card_of
from imbench.runs.registry import dataset

ROWS = 60
Y = np.array(["no", "yes"])[(np.arange(ROWS) % 4 == 0).astype(int)]
SIZE = np.round(np.linspace(1, 9, ROWS), 3)
FRAME = pd.DataFrame({"size": SIZE, "town": [("rome", "oslo", "bern")[i % 3] for i in range(ROWS)], "y": Y})


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def hashed(spec):
    return dataset(spec).data_hash


def test_a_frame_has_the_hash_of_its_csv_by_whatever_route():
    FRAME.to_csv("t.csv", index=False)
    expected = hashed("t.csv:target=y")
    shuffled_index = FRAME.set_index(pd.Index(range(ROWS, 0, -1)))
    routes = [FRAME, shuffled_index, FRAME.convert_dtypes(), FRAME.astype({"town": "category"}), pa.table(dict(FRAME)),
              FRAME.astype(object), FRAME.convert_dtypes(dtype_backend="pyarrow")]  # fmt: skip
    assert {hashed(imbench.table(one, target="y")) for one in routes} == {expected}
    features = FRAME[["size", "town"]]
    for labels in (FRAME["y"], Y, Y.tolist(), FRAME["y"].astype("category"), pd.array(Y, dtype="string")):
        assert hashed(imbench.table(features, labels)) == expected
    assert imbench.table(FRAME, target="y") == imbench.table(FRAME.copy(), target="y")


def test_an_array_has_columns_x0_x1_and_so_on():
    x = np.random.default_rng(0).normal(size=(ROWS, 3))
    x[3, 1] = np.nan
    found = dataset(imbench.table(x, Y))
    assert found.feature_names == ("x0", "x1", "x2", "x1=missing")
    np.testing.assert_array_equal(found.x[:, :3], x.astype(np.float32))
    for kind in (np.float16, np.float32, np.longdouble, object):
        other = dataset(imbench.table(x.astype(kind), Y))
        np.testing.assert_array_equal(other.x[:, :3], x.astype(kind).astype(np.float32))


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (np.arange(ROWS) % 4 == 0, ("False", "True")),
        ((np.arange(ROWS) % 4 == 0).astype(np.int8), ("0", "1")),
        ((np.arange(ROWS) % 4 == 0).astype(float), ("0", "1")),
        (pd.array(np.arange(ROWS) % 4 == 0, dtype="boolean"), ("False", "True")),
        ([b"p" if i % 4 else b"q" for i in range(ROWS)], ("p", "q")),
    ],
)
def test_labels_may_be_truth_numbers_or_bytes(labels, names):
    found = dataset(imbench.table(FRAME[["size"]], labels))
    assert found.class_names == names
    assert found.class_counts.tolist() in ([45, 15], [15, 45])


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (pd.Categorical([("low", "high")[i % 2] for i in range(ROWS)], ["low", "high"], ordered=True), "ordinal"),
        (pd.array([True, None, False] * 20, dtype="boolean"), "boolean"),
        (pd.array([1, None, 3] * 20, dtype="Int64"), "numeric"),
        (pd.date_range("2024-01-01", periods=ROWS, tz="Europe/Rome"), "date"),
        ([datetime(2024, 1, 1 + i % 28, tzinfo=UTC) for i in range(ROWS)], "date"),
        ([date(2024, 1, 1 + i % 28) for i in range(ROWS)], "date"),
        (pd.timedelta_range("1h", periods=ROWS), "numeric"),
        ([Decimal(i) / 4 for i in range(ROWS)], "numeric"),
        (pd.cut(SIZE, 3), "ordinal"),
        (pd.arrays.SparseArray(np.arange(ROWS) % 7.0), "numeric"),
        ([1, "two", 3.5, None] * 15, "categorical"),
        ([True, False, None] * 20, "boolean"),
        ([i if i % 3 else str(i) for i in range(ROWS)], "numeric"),
        (pd.period_range("2024-01", periods=ROWS, freq="D"), "date"),
    ],
)
def test_columns_of_every_type_have_their_kind(values, kind):
    card = card_of(imbench.table(pd.DataFrame({"a": values, "b": SIZE}), Y))
    assert card.columns[0].kind == kind


def test_names_of_columns_that_are_no_text_are_written_as_text():
    frame = FRAME.set_axis([0, 2019, "y"], axis=1)
    found = dataset(imbench.table(frame, target="y", numeric=[0], categorical=2019))
    assert found.feature_names == ("0", "2019=bern", "2019=oslo", "2019=rome")


@given(st.lists(st.text(st.sampled_from("ab+,:=/\\()' \""), min_size=1, max_size=5).map(str.strip).filter(bool),
                min_size=3, max_size=5, unique=True))  # fmt: skip
def test_columns_of_any_name_get_their_kind(tmp_path_factory, names):
    folder = tmp_path_factory.mktemp("tables")
    target, sizes, when, *others = names
    data = {target: Y, sizes: ["a/b" if i % 2 else "c+d" for i in range(ROWS)],
            when: [f"{1 + i % 28:02}~2024~03" for i in range(ROWS)],
            **{n: SIZE + j for j, n in enumerate(others)}}  # fmt: skip
    spec = imbench.table(
        pd.DataFrame(data), target=target, minority="yes", ordinal={sizes: ["c+d", "a/b"]}, date={when: "%d~%Y~%m"},
        drop=others[:1], folder=folder,
    )  # fmt: skip
    try:
        kinds = {c.name: c.kind for c in card_of(spec).columns}
    except DataError as error:  # such as "a" beside the target "a "
        if "has the name of the target" not in str(error):
            raise
        return
    assert (kinds[target], kinds[sizes], kinds[when]) == ("target", "ordinal", "date")
    assert all(kinds[name] == "dropped" for name in others[:1])


LEVELS = pd.MultiIndex.from_tuples([("a", "b"), ("a", "c"), ("y", "")])
OTHER = pd.Series(Y, index=range(1, ROWS + 1))


@pytest.mark.parametrize(
    ("data", "labels", "keys", "reason"),
    [
        (FRAME.set_axis(LEVELS, axis=1), None, {"target": "y"}, "the names of the columns have 2 levels, such as"),
        (FRAME.set_axis(["a", "a", "y"], axis=1), None, {"target": "y"}, "two columns named 'a'; rename one"),
        (FRAME.set_axis([1, "1", "y"], axis=1), None, {"target": "y"}, "two columns named '1'"),
        (FRAME.iloc[:0], None, {"target": "y"}, "the table has 0 rows and 3 columns; it needs at least one row"),
        (np.zeros((3, 0)), ["p", "q", "p"], {}, "3 rows and 0 columns"),
        (np.zeros(3), ["p", "q", "p"], {}, r"the array has the shape \(3,\); give \(rows, features\)"),
        (np.zeros((3, 2, 2)), ["p", "q", "p"], {}, r"the array has the shape \(3, 2, 2\)"),
        (np.zeros((ROWS, 2)), Y[:5], {}, "the data has 60 rows, and y 5 labels; give one for each row"),
        (np.zeros((ROWS, 2)), Y[:, None], {}, r"y has the shape \(60, 1\); give one label for each row"),
        (FRAME[["size"]], OTHER, {}, "have different indexes, and rows belong together by position; align them"),
        (FRAME, Y, {}, "the data has a column 'y' already; name that of y with target="),
        (FRAME, None, {}, "which column contains the class. Name it with target=; likely are 'y', 'town'"),
        (FRAME[["size"]], [None, *Y[1:]], {}, r"the target 'y' is missing in 1 row \(first: row 1\)"),
        (FRAME.assign(z=1j), None, {"target": "y"}, "column 'z' has complex numbers; give real and imaginary parts"),
        (FRAME.assign(z=[[1]] * ROWS), None, {"target": "y"}, "column 'z' contains lists or tables; split"),
        (FRAME.assign(z=np.inf), None, {"target": "y"}, "'z' .*values must be finite"),
        (
            FRAME.assign(z=[object()] * ROWS),
            None,
            {"target": "y", "numeric": "z"},
            "no value of the column is a number",
        ),
        (3, None, {"target": "y"}, "int is no table; give a path, a pandas.DataFrame, or a dense NumPy array"),
        ("t.csv", Y, {}, "y is for data in memory, and 't.csv' is a path"),
        (FRAME, None, {"target": "why"}, "there is no column 'why'; did you mean|there are"),
        (FRAME, None, {"target": "y", "numeric": ["siez"]}, "there is no column 'siez'.*did you mean size"),
    ],
)
def test_what_is_no_table_is_refused_in_one_sentence(data, labels, keys, reason):
    with pytest.raises(DataError, match=reason) as caught:
        card_of(imbench.table(data, labels, **keys))
    assert "\n" not in str(caught.value)


def test_a_frame_is_trained_on_like_a_file():
    FRAME.to_csv("t.csv", index=False)
    of = {"strategies": ["baseline"], "references": (), "protocol": "smoke", "jobs": 1}
    (one,) = imbench.plan(datasets=[imbench.table(FRAME, target="y")], **of).jobs
    (other,) = imbench.plan(datasets=["t.csv:target=y"], **of).jobs
    assert one.key == other.key
