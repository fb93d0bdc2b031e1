"""The frozen encoding of a table gives the inputs of training, for that table and row by row."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import imbench
from imbench.model.encoding import Encoding, encoding_of, frame_like_file, read_new_table

ROWS = 24


def column(kind, rng):
    """A column of one kind as text or typed values, with missing values now and then."""
    made = {
        "number": lambda: [f"{v:.3f}" for v in rng.normal(size=ROWS)],
        "comma": lambda: [f"{v:.2f}".replace(".", ",") for v in rng.normal(size=ROWS)],
        "far": lambda: [str(1_700_000_000 + i) for i in rng.integers(0, 99, ROWS)],
        "whole": lambda: [str(v) for v in rng.integers(0, 9, ROWS)],
        "truth": lambda: list(rng.choice(["yes", "No"], ROWS)),
        "zero-one": lambda: list(rng.choice(["0", "1"], ROWS)),
        "levels": lambda: list(rng.choice(["a", "b", "c", "d", "1.0"], ROWS, p=[0.4, 0.3, 0.2, 0.05, 0.05])),
        "digits": lambda: list(rng.choice(["01", "02", "1"], ROWS)),
        "day": lambda: [f"{d:02}.{m:02}.2024" for d, m in rng.integers(1, 13, (ROWS, 2))],
        "time": lambda: [f"2024-{m:02}-{d:02} 10:{d:02}" for d, m in rng.integers(1, 13, (ROWS, 2))],
        "size": lambda: list(rng.choice(["low", "medium", "high"], ROWS)),
        "constant": lambda: ["same"] * ROWS,
        "words": lambda: [f"note number {v} of the visit" for v in rng.permutation(ROWS)],
    }[kind]()
    gone = rng.random(ROWS) < rng.choice([0, 0.1, 0.5])
    return ["" if lost else value for value, lost in zip(made, gone, strict=True)]


KINDS = ("number", "comma", "far", "whole", "truth", "zero-one", "levels", "digits", "day", "time", "size",
         "constant", "words")  # fmt: skip


def mixed(kinds, seed):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({f"c{i} {kind}": column(kind, rng) for i, kind in enumerate(kinds)})
    return frame.assign(y=np.where(np.arange(ROWS) % 3, "no", "yes"))


def bits(x):
    return x.view(np.int32).tolist()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(KINDS), min_size=1, max_size=6), st.integers(0, 999))
def test_the_training_table_gets_the_inputs_of_training_to_the_bit(tmp_path_factory, kinds, seed):
    path = tmp_path_factory.mktemp("t") / "t.csv"
    mixed(kinds, seed).to_csv(path, index=False, sep=";")
    sizes = [f"c{i} {kind}" for i, kind in enumerate(kinds) if kind == "size"]
    spec = f"{path}:target=y,decimal=comma" + (f",ordinal={'+'.join(sizes)}" if sizes else "")
    try:
        dataset = imbench.dataset(spec)
    except imbench.DataError:  # all values of a column are missing, or no column is left
        return
    encoding = Encoding.from_json(json.loads(json.dumps(encoding_of(dataset).to_json())))
    assert encoding.inputs == dataset.feature_names
    frame, how = read_new_table(f"{path}:decimal=comma", encoding)
    assert bits(encoding.encode(frame, decimal=how.decimal, separator=how.separator).x) == bits(dataset.x)
    shuffled = frame[frame.columns[::-1]].drop(columns="y")
    alone = range(seed % 6, ROWS, 6)
    one_by_one = [encoding.encode(shuffled.iloc[[i]], decimal=",").x[0] for i in alone]
    assert bits(np.stack(one_by_one)) == bits(dataset.x[alone])


def test_years_beyond_nanoseconds_are_dates(tmp_path):
    frame = pd.DataFrame({"until": np.resize(["2024-03-01", "9999-12-31"], 30), "y": np.arange(30) % 3 == 0})
    frame["until"] = frame["until"].astype("datetime64[ms]")
    frame.to_parquet(tmp_path / "t.parquet", index=False)
    dataset = imbench.dataset(f"{tmp_path}/t.parquet:target=y")
    assert bits(encoding_of(dataset).encode(frame_like_file(frame)).x) == bits(dataset.x)


def typed_frame():
    rng = np.random.default_rng(3)
    frame = pd.DataFrame(
        {
            "amount": rng.normal(1e9, 1, 60),
            "count": pd.array([None, *rng.integers(0, 9, 59)], dtype="Int64"),
            "member": rng.choice([True, False], 60),
            "when": pd.date_range("2024-01-01", periods=60, freq="37h"),
            "took": pd.to_timedelta(rng.integers(1, 900, 60), unit="s"),
            "kind": pd.Categorical(rng.choice(["a", "b"], 60)),
            "size": pd.Categorical(rng.choice(["s", "m", "l"], 60), categories=["s", "m", "l"], ordered=True),
            "y": np.arange(60) % 4 == 0,
        }
    )
    frame.loc[3, "when"] = pd.NaT
    return frame


def test_a_data_frame_gets_the_inputs_of_its_parquet_file(tmp_path):
    frame = typed_frame()
    frame.to_parquet(tmp_path / "t.parquet", index=False)
    dataset = imbench.dataset(f"{tmp_path}/t.parquet:target=y")
    encoding = encoding_of(dataset)
    assert bits(encoding.encode(frame_like_file(frame)).x) == bits(dataset.x)


@pytest.fixture(scope="module")
def fitted_once(tmp_path_factory):
    """The encoding of a table with a column of each kind."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "age": rng.integers(20, 60, 40).astype(str),
            "member": rng.choice(["yes", "no"], 40),
            "town": ["Bonn"] * 18 + ["Kiel"] * 19 + ["Ulm"] * 3,
            "since": [f"{d:02}.03.2024" for d in rng.integers(13, 29, 40)],
            "size": rng.choice(["small", "medium", "large"], 40),
            "id": [f"k{i}" for i in range(40)],
            "y": np.where(np.arange(40) % 4, "no", "yes"),
        }
    )
    path = tmp_path_factory.mktemp("kinds") / "t.csv"
    frame.to_csv(path, index=False)
    return encoding_of(imbench.dataset(f"{path}:target=y,ordinal=size:small/medium/large"))


@pytest.fixture
def fitted(fitted_once):
    return fitted_once


ROW = {"age": "30", "member": "yes", "town": "Kiel", "since": "20.03.2024", "size": "small"}


@pytest.mark.parametrize(
    ("changes", "reasons"),
    [
        ({"age": "old"}, ["'age' ('old'", "numbers"]),
        ({"age": "inf"}, ["'age' (inf", "finite"]),
        ({"member": "maybe"}, ["'member' ('maybe'", "no or yes"]),
        ({"town": "Rom"}, ["'town' ('Rom'", "--unknown-levels pooled"]),
        ({"since": "2024-03-20"}, ["'since' ('2024-03-20'", "%d.%m.%Y"]),
        ({"size": "huge"}, ["'size' ('huge'", "small < medium < large"]),
        ({"age": None}, ["column 'age' of the model is missing"]),
        ({"age": None, "Age": "3"}, ["did you mean Age?"]),
        ({"age": "old", "town": "Rom"}, ["'age'", "'town'"]),
    ],
)
def test_a_table_that_does_not_fit_is_refused_with_the_column_and_the_fix(fitted, changes, reasons):
    row = {name: value for name, value in {**ROW, **changes}.items() if value is not None}
    with pytest.raises(imbench.DataError) as caught:
        fitted.encode(pd.DataFrame([row]))
    assert all(reason in str(caught.value) for reason in reasons), str(caught.value)


def test_two_columns_of_one_name_are_refused(fitted):
    twice = pd.DataFrame([[*ROW.values(), "30"]], columns=[*ROW, "age"])
    with pytest.raises(imbench.DataError, match="two columns named 'age'"):
        fitted.encode(twice)


def test_rare_levels_are_known_and_unknown_ones_can_be_read_like_them(fitted):
    rare = fitted.encode(pd.DataFrame([{**ROW, "town": "Ulm"}])).x
    new = fitted.encode(pd.DataFrame([{**ROW, "town": "Rom"}]), unknown="pooled").x
    assert bits(rare) == bits(new)


def test_columns_that_the_model_ignores_are_named_unless_training_had_them(fitted):
    found = fitted.encode(pd.DataFrame([{**ROW, "id": "k1", "y": "no", "weight": "3"}]))
    assert len(found.notes) == 1
    assert "'weight'" in found.notes[0]


def test_a_missing_value_where_training_had_none_is_said(fitted):
    found = fitted.encode(pd.DataFrame([{**ROW, "age": ""}]))
    assert found.notes == ("'age' has 1 missing value, and had none in training: read as the mean",)
    assert np.isnan(found.x[0, 0])


def test_the_decimal_mark_of_a_new_file_is_its_own(tmp_path):
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"a": rng.normal(size=30).round(2), "b": rng.normal(size=30).round(2), "y": np.arange(30) % 2})
    frame.to_csv(tmp_path / "point.csv", index=False)
    frame.drop(columns="y").to_csv(tmp_path / "comma.csv", index=False, sep=";", decimal=",")
    encoding = encoding_of(imbench.dataset(f"{tmp_path}/point.csv:target=y"))
    new, how = read_new_table(f"{tmp_path}/comma.csv", encoding)
    assert np.allclose(encoding.encode(new, separator=how.separator).x, frame[["a", "b"]], atol=1e-6)


def test_a_model_of_one_column_reads_a_file_of_one_column(tmp_path):
    pd.DataFrame({"when": [f"2024-01-{d:02} 10:00" for d in range(1, 29)], "y": np.arange(28) % 2}).to_csv(
        tmp_path / "t.csv", index=False
    )
    encoding = encoding_of(imbench.dataset(f"{tmp_path}/t.csv:target=y"))
    (tmp_path / "new.csv").write_text("when\n2024-01-03 10:00\n2024-01-04 12:00\n")
    assert len(read_new_table(f"{tmp_path}/new.csv", encoding)[0]) == 2


CELLS = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(), st.text(max_size=6), st.dates(),
    st.datetimes(), st.timedeltas(), st.decimals(allow_nan=False), st.binary(max_size=3),
    st.sampled_from(["yes", "small", "Bonn", "20.03.2024", "30", "1,5", "NaN", "inf", "n/a", "1e999"]),
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(CELLS, min_size=5, max_size=5), min_size=0, max_size=3), st.sampled_from(["refuse", "pooled"]))
def test_any_table_is_read_whole_or_refused(fitted_once, cells, unknown):
    frame = pd.DataFrame(cells, columns=list(ROW))
    try:
        found = fitted_once.encode(frame_like_file(frame), unknown=unknown)
    except imbench.DataError:
        return
    assert found.x.shape == (len(frame), len(fitted_once.inputs))
    assert not np.isinf(found.x).any()


@pytest.mark.parametrize("name", list(ROW))
@pytest.mark.parametrize(
    "values",
    [
        pd.Series([True]), pd.Series([3]), pd.Series([2.5]), pd.Series([None], dtype=object), pd.Series([np.nan]),
        pd.Series(pd.to_datetime(["2024-03-20"])), pd.Series(pd.to_timedelta([5], unit="s")), pd.Series(["x"]),
        pd.Series(["x"], dtype="category"), pd.Series(pd.array([None], dtype="Int64")), pd.Series([b"x"]),
        pd.Series(pd.period_range("2024-01", periods=1, freq="M")), pd.Series([[1, 2]]), pd.Series([{"a": 1}]),
        pd.Series([1 + 2j]), pd.Series(pd.arrays.IntervalArray.from_breaks([0, 1])),
    ],
)  # fmt: skip
def test_a_column_of_any_type_is_read_or_refused_by_its_name(fitted_once, name, values):
    frame = pd.DataFrame([ROW]).astype(object).assign(**{name: values})
    try:
        found = fitted_once.encode(frame_like_file(frame)).x.shape
    except imbench.DataError as error:
        found = str(error)
    assert found == (1, len(fitted_once.inputs)) or name in found
