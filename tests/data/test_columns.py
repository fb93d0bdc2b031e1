"""The kind of each column, what becomes of it, and that nothing is guessed in silence."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.feature_extraction.text import HashingVectorizer

from imbench.contract.columns import ColumnReading
from imbench.contract.errors import DataError
from imbench.data.columns import Asked, read_columns
from imbench.data.data_sources import card_of
from imbench.data.levels import LEAST_ROWS
from imbench.data.preprocess import apply, fit
from imbench.data.text_columns import WORD_INPUTS
from imbench.data.user_table import read_user_table
from imbench.data.variants import parse_variant
from imbench.runs.registry import dataset
from tests.data import made

ROWS = 200
RNG = np.random.default_rng(1)
Y = ["yes" if i % 4 == 0 else "no" for i in range(ROWS)]


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def written(name="t.csv", y=Y, **columns):
    pd.DataFrame({**columns, "y": y}).to_csv(name, index=False)
    return f"{name}:target=y"


def reading(spec, column="a"):
    return next(c for c in card_of(spec).columns if c.name == column)


NUMBERS = [f"{v:.3f}" for v in RNG.normal(size=ROWS)]
TOWNS = [("rome", "oslo", "bern")[i % 3] for i in range(ROWS)]
KINDS = {
    "numeric": NUMBERS,
    "boolean": ["Yes" if i % 3 else "no" for i in range(ROWS)],
    "categorical": TOWNS,
    "date": [f"{1 + i % 28:02}.{1 + i % 12:02}.2024" for i in range(ROWS)],
    "text": [f"the customer said {'ab'[i % 2]} {i}" for i in range(ROWS)],
    "id": [f"C{i:05}" for i in range(ROWS)],
    "constant": ["7"] * ROWS,
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_detected_and_what_becomes_of_it_is_said(kind):
    found = reading(written(a=KINDS[kind], b=NUMBERS))
    assert found.kind == kind
    assert found.inputs == {"categorical": 3, "text": 0, "id": 0, "constant": 0}.get(kind, 1)
    assert ("left out" in found.becomes) == (found.inputs == 0)
    assert (found.missing, found.distinct) == (0, len({v.casefold() for v in KINDS[kind]}))


@pytest.mark.parametrize("kind", [k for k in KINDS if k != "constant"])
def test_missing_values_are_a_level_or_an_input_in_every_kind(kind):
    values = [None if i % 4 == 0 else v for i, v in enumerate(KINDS[kind])]
    found = dataset(written(a=values, b=NUMBERS))
    says = [j for j, name in enumerate(found.feature_names) if name in ("a=missing", "a=(missing)")]
    assert len(says) == 1
    np.testing.assert_array_equal(found.x[:, says[0]], np.array(Y) == "yes")


def test_the_number_of_inputs_is_that_of_the_arrays():
    columns = {k: [None if i % 7 == 0 else v for i, v in enumerate(values)] for k, values in KINDS.items()}
    card, found = card_of(written(**columns)), dataset(written(**columns))
    assert card.inputs == sum(c.inputs for c in card.columns) == found.x.shape[1] == card.shape[0]
    assert [c.name for c in card.columns] == [*KINDS, "y"]


@pytest.mark.parametrize(
    ("values", "keys", "kind"),
    [
        (TOWNS, "id=a", "id"),
        (TOWNS, "text=a", "text"),
        (NUMBERS, "id=a", "id"),
        ([str(i % 5) for i in range(ROWS)], "categorical=a", "categorical"),
        ([f"{i % 5} rooms" for i in range(ROWS)], "ordinal=a", "ordinal"),
        ([str(i) for i in range(ROWS)], "numeric=a", "numeric"),
        ([f"C{i % 50}" for i in range(ROWS)], "categorical=a", "categorical"),
        (["x" if i < 40 else str(i) for i in range(ROWS)], "numeric=a", "numeric"),
    ],
)
def test_a_kind_can_be_replaced_and_is_part_of_the_jobs_identity(values, keys, kind):
    plain = written(a=values, b=NUMBERS)
    spec = f"{plain},{keys}"
    assert reading(spec).kind == kind
    variant = parse_variant(spec, card_of(spec))
    assert keys in variant.spec
    assert parse_variant(variant.spec, card_of(variant.spec)) == variant


def test_an_ordinal_column_has_the_order_of_the_spec_or_of_a_known_scale():
    sizes = [("high", "low", "medium")[i % 3] for i in range(ROWS)]
    assert dataset(written(a=sizes) + ",ordinal=a").x[:3, 0].tolist() == [2, 0, 1]
    assert dataset(written(a=TOWNS) + ",ordinal=a:bern/rome/oslo").x[:3, 0].tolist() == [1, 2, 0]
    with pytest.raises(
        DataError, match=r"order of 'rome', 'oslo', 'bern' is not known; write it .*ordinal=a:rome/oslo"
    ):
        card_of(written(a=TOWNS) + ",ordinal=a")
    with pytest.raises(DataError, match=r"'bern' \(line 4\) is not one of the levels rome < oslo; add it"):
        card_of(written(a=TOWNS) + ",ordinal=a:rome/oslo")
    ages = [("<18", "18-65", "65+")[i % 3] for i in range(ROWS)]
    assert dataset(written(a=ages) + ",ordinal=a").x[:3, 0].tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("name", "values", "kind"),
    [
        ("customer_id", [str(1000 + i % 150) for i in range(ROWS)], "id"),
        ("PatientID", [f"P{i // 2}" for i in range(ROWS)], "id"),
        ("store_id", [str(i % 4) for i in range(ROWS)], "numeric"),
        ("row", [str(i) for i in range(ROWS)], "id"),
        ("income", [str(700 + 13 * i) for i in range(ROWS)], "numeric"),
        ("paid", [str(i % 2) for i in range(ROWS)], "boolean"),
        ("postcode", [f"0{1000 + i % 9}" for i in range(ROWS)], "categorical"),
        ("when", [f"2024-01-{1 + i % 28:02}T12:30:00Z" for i in range(ROWS)], "date"),
        ("when", [f"{1 + i % 28:02}-Mar-2024" for i in range(ROWS)], "date"),
        ("share", [f"{i % 90}%" for i in range(ROWS)], "numeric"),
    ],
)
def test_names_and_notations_decide_too(name, values, kind):
    assert reading(written(**{name: values, "b": NUMBERS}), name).kind == kind


def test_a_date_that_fits_two_notations_says_so():
    found = reading(written(a=[f"{1 + i % 12}/{1 + i % 12}/2024" for i in range(ROWS)]))
    assert "read as day/month/year (month/day/year fits as well)" in found.becomes


@given(st.dates(min_value=pd.Timestamp("1700-01-01").date(), max_value=pd.Timestamp("2250-01-01").date()))
def test_a_date_is_its_number_of_days_since_1970(day):
    column = pd.Series([day.strftime("%d.%m.%Y"), "01.01.1970"], name="a")
    (found,) = read_columns(pd.DataFrame({"a": column}), Asked()) if day.isoformat() != "1970-01-01" else (None,)
    assert found is None or found.numbers_or_texts[0] == (day - pd.Timestamp(0).date()).days


def test_rare_levels_are_pooled_inside_the_fold():
    values = ["often"] * 150 + [f"rare{i % 20}" for i in range(40)] + ["half"] * 10
    spec = written(a=values, b=NUMBERS)
    assert "20 of fewer than 5 rows pooled" in reading(spec).becomes
    found = dataset(spec)
    assert found.feature_names == ("a=half", "a=often", "b")
    rows = np.r_[np.arange(150), np.arange(190, 190 + LEAST_ROWS - 1)]
    fold = made.Fold(0, 0, rows, np.array([150, 151]), np.arange(152, 200))
    half = apply(found.x, fit(found, fold, 5.0))[:, 0]
    assert (half == 0).all()  # of ten rows four train
    more = made.Fold(0, 0, np.arange(196), np.arange(196, 198), np.arange(198, 200))
    assert apply(found.x, fit(found, more, 5.0))[199, 0] > 0


@given(st.lists(st.sampled_from("abcdefgh"), min_size=30, max_size=90))
def test_pooling_before_the_folds_changes_nothing_that_a_fold_sees(letters):
    """The plain way: a column for each level, and those with too few training rows set to zero."""
    frame = pd.DataFrame({"a": letters, "b": np.arange(len(letters)) / 7, "y": np.arange(len(letters)) % 2})
    frame.to_csv("pool.csv", index=False)
    found = dataset("pool.csv:target=y,categorical=a")
    train = np.arange(0, len(letters), 2)
    fold = made.Fold(0, 0, train, np.array([1, 3]), np.arange(5, len(letters), 2))
    seen = apply(found.x, fit(found, fold, 5.0))
    half = np.sort(np.concatenate([train, fold.validation]))
    kept = [c for c in sorted(set(letters)) if sum(letters[i] == c for i in half) >= LEAST_ROWS]
    kept = [c for c in kept if sum(letters[i] == c for i in half) < len(half)]
    ones = np.array([[letter == c for c in kept] for letter in letters], dtype=float).reshape(len(letters), len(kept))
    expected = (ones - ones[half].mean(axis=0)) / ones[half].std(axis=0)
    used = seen[:, [j for j, n in enumerate(found.feature_names) if n.startswith("a=") and n[2:] in kept]]
    np.testing.assert_allclose(used, np.clip(expected, -5, 5), atol=1e-5)
    rest = [j for j, n in enumerate(found.feature_names) if n.startswith("a=") and n[2:] not in kept]
    assert not seen[:, rest].any()


def test_job_keys_of_tables_change_with_what_changes_inputs_and_not_with_names():
    hashes = {
        dataset(written(a=TOWNS, b=NUMBERS) + keys).data_hash
        for keys in ("", ",drop=a", ",ordinal=a:bern/rome/oslo", ",id=a")
    }
    assert len(hashes) == 3  # a column that is left out is no part of the data, however it was left out
    assert dataset(written(c=TOWNS, d=NUMBERS)).data_hash == dataset(written(a=TOWNS, b=NUMBERS)).data_hash


def test_a_row_of_the_table_has_a_kind_that_exists():
    with pytest.raises(ValueError, match="the kind 'number', which does not exist"):
        ColumnReading("a", "number", 0, 1, "")


MANY = [f"t{i % 1100}" for i in range(1500)]
MANY_Y = ["p", "q"] * 750


@pytest.mark.parametrize(
    ("columns", "keys", "message"),
    [
        ({"a": MANY, "b": MANY}, "", r"columns 'a' \(1,100 categories\), 'b' .*leave out .*drop=a\+b"),
        ({"a": [""] * 1500, "b": ["?"] * 1500}, "", r"columns 'a', 'b': all values are missing.* drop=a\+b"),
        ({"a": ["inf", *NUMBERS * 7, *NUMBERS[:99]]}, "", r"column 'a' \(inf in line 2\): values must be finite"),
        (
            {"a": [*NUMBERS * 7, *NUMBERS[:99], "see note"]},
            "",
            r"'a' \('see note' in line 1501\): 1,499 of 1,500 values are numbers; correct .* with numeric=a",
        ),
        (
            {"a": [f"2024-01-{1 + i % 28:02}" for i in range(1499)] + ["soon"]},
            "",
            r"'a' \('soon' in line 1501\): 1,499 of 1,500 values are dates in the notation year-month-day; correct the",
        ),
        ({"a": MANY}, "id=b", r"no column 'b' \(id=b\)"),
        ({"a": MANY}, "id=a,text=a", "column 'a' cannot be both id and text|text and id"),
        ({"a": MANY}, "id=a,drop=a", "column 'a' cannot be both dropped and id"),
        ({"a": MANY}, "numeric=a", "numeric=a: no value of the column is a number, such as 't0'"),
        ({"a": MANY}, "id=y", "column 'y' cannot be both target and id"),
        ({"Y": NUMBERS * 7 + NUMBERS[:100]}, "", "column 'Y' has the name of the target 'y' but for case"),
        ({"y.1": NUMBERS * 7 + NUMBERS[:100]}, "", "column 'y.1' has the name of the target 'y'.* drop=y.1"),
        ({"a": [f"C{i}" for i in range(1500)]}, "", "no column except the target 'y' that can be an input .*a: left"),
    ],
)
def test_columns_that_cannot_be_read_are_named_at_once_with_value_and_fix(columns, keys, message):
    spec = written(y=MANY_Y, **columns) + (f",{keys}" if keys else "")
    with pytest.raises(DataError, match=message) as caught:
        card_of(spec)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("labels", "keys", "message"),
    [
        (["p"] * 60, "", "the target 'y' has only one class, 'p'; a task needs at least two"),
        (["No", "no", "yes"] * 20, "", r"classes 'No' \(20\) and 'no' \(20\) of the target 'y' differ only in case"),
        (["very low", "very  low"] * 30, "", "differ only in case or blanks; write them the same"),
        (NUMBERS[:60], "", "60 distinct numbers, .*looks like a quantity.*cut it into classes.*task=multiclass"),
        ([str(i % 40) for i in range(60)], "", "has 40 distinct numbers, such as 0 and 1"),
    ],
)
def test_a_target_that_cannot_be_one_is_refused_before_training(labels, keys, message):
    with pytest.raises(DataError, match=message):
        card_of(written(y=labels, a=NUMBERS[:60]) + keys)


def test_numbers_are_classes_if_the_spec_says_so():
    spec = written(y=[str(i % 40) for i in range(200)], a=NUMBERS)
    assert len(card_of(f"{spec},task=multiclass").class_counts) == 40
    assert dataset(f"{spec},minority=7").class_names[1] == "7"


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (pd.period_range("2020-01-01", periods=60, freq="D"), "date"),
        (pd.arrays.IntervalArray.from_breaks([0, 1, 2, 3]).take(np.arange(60) % 3), "categorical"),
    ],
    ids=["periods", "intervals"],
)
def test_types_that_are_neither_numbers_nor_text_are_read_by_their_text(values, kind, tmp_path):
    frame = pd.DataFrame({"v": values, "w": np.arange(60) % 7 + 0.5, "y": np.arange(60) % 3 // 2})
    frame.to_parquet(tmp_path / "t.parquet")
    card, _ = read_user_table(f"{tmp_path}/t.parquet:target=y")
    assert {column.name: column.kind for column in card.columns}["v"] == kind


def test_words_of_a_text_column_are_inputs_only_if_asked_for():
    notes = [f"the customer was {'angry' if y == 'yes' else 'happy'} today {i}" for i, y in enumerate(Y)]
    plain = written(a=notes, b=NUMBERS)
    assert "text=a uses its words" in reading(plain).becomes
    found = dataset(f"{plain},text=a")
    assert reading(f"{plain},text=a").inputs == WORD_INPUTS == found.x.shape[1] - 1
    oracle = HashingVectorizer(n_features=WORD_INPUTS, token_pattern=r"(?u)\b\w+\b").transform(notes).toarray()
    np.testing.assert_allclose((found.x * found.unit + found.origin)[:, :WORD_INPUTS], oracle, atol=1e-7)
    with pytest.raises(DataError, match="text=a: no value has a word, such as '—'; drop the column"):
        card_of(written(a=["—"] * ROWS, b=NUMBERS) + ",text=a")


@pytest.mark.parametrize(
    ("values", "keys", "becomes"),
    [
        ([f"{1 + i % 12:02}/{1 + i % 28:02}/2024" for i in range(ROWS)], "date=a:%m/%d/%Y", "read as %m/%d/%Y"),
        ([f"{1 + i % 12:02}/{1 + i % 12:02}/2024" for i in range(ROWS)], "date=a:%m/%d/%Y", "read as %m/%d/%Y"),
        ([f"2024{1 + i % 12:02}{1 + i % 28:02}" for i in range(ROWS)], "date=a:%Y%m%d", "read as %Y%m%d"),
        (["-" if i == 3 else f"2024-01-{1 + i % 28:02}" for i in range(ROWS)], "", "'-' read as missing"),
        (["JN"[i % 2] for i in range(ROWS)], "boolean=a:J", "1 for J, 0 for N"),
        ([str(1 + i % 2) for i in range(ROWS)], "boolean=a:2", "1 for 2, 0 for 1"),
        (["Yes" if i % 3 else "NO" for i in range(ROWS)], "boolean=a", "1 for Yes, 0 for NO"),
    ],
)
def test_dates_and_booleans_can_be_asked_for_with_notation_and_true_word(values, keys, becomes):
    spec = written(a=values, b=NUMBERS) + (f",{keys}" if keys else "")
    assert becomes in reading(spec).becomes
    if "J" in keys:
        assert dataset(spec).x[:2, 0].tolist() == [1, 0]
    if "%m" in keys:
        days = pd.to_datetime(pd.Series(values), format=keys.partition(":")[2]) - pd.Timestamp(0)
        found = dataset(spec)
        np.testing.assert_array_equal(found.x[:, 0] * found.unit[0] + found.origin[0], days.dt.days)


@pytest.mark.parametrize(
    ("values", "keys", "message"),
    [
        (TOWNS, "boolean=a", "boolean=a: the column has 3 values, such as 'rome', 'oslo', 'bern', and two are needed"),
        (["JN"[i % 2] for i in range(ROWS)], "boolean=a", "which of 'J' and 'N' is true. Write it .* boolean=a:J"),
        (["JN"[i % 2] for i in range(ROWS)], "boolean=a:K", "boolean=a:K: the column has no value 'K'; there are J, N"),
        (TOWNS, "date=a", "date=a: no usual notation of dates fits values such as 'rome'; write the notation"),
        (["2024-01-31"] * ROWS, "date=a:%d/%m/%Y", "0 of 200 values are dates in the notation %d/%m/%Y"),
        (["2024-01-31"] * ROWS, "date=a:%Q", "'%Q' is no notation of dates"),
        (
            [f"{1 + i % 28:02}/{1 + i % 12:02}/2024" if i % 2 else f"{1 + i % 12:02}/{1 + i % 28:02}/2024"
             for i in range(ROWS)],
            "",
            "values are dates in the notation .*, others .*; correct the others, or",
        ),
        (
            [f"{1 + i % 28:02}.03.2024" if i % 2 else f"2024-03-{1 + i % 28:02}" for i in range(ROWS)],
            "",
            "100 of 200 values are dates in the notation year-month-day, others day.month.year",
        ),
    ],
)  # fmt: skip
def test_what_fits_no_kind_that_was_asked_for_is_refused(values, keys, message):
    spec = written(a=values, b=NUMBERS) + (f",{keys}" if keys else "")
    with pytest.raises(DataError, match=message):
        card_of(spec)


def test_levels_and_groups_that_differ_only_in_case_are_said():
    values = [("No", "no", "maybe", "may  be")[i % 4] for i in range(ROWS)]
    spec = written(a=values, b=NUMBERS, g=["p1", "P1"] * (ROWS // 2)) + ",group=g"
    assert "'No' and 'no' are different levels" in reading(spec).becomes
    assert reading(spec).inputs == 4
    assert "'P1' and 'p1' are different groups" in reading(spec, "g").becomes


@pytest.mark.parametrize("notation", ["%d.%m.%Y", "%m/%d/%Y", "%d %b %Y", "%Y-%m-%d %H:%M", "%d/%m/%Y %I:%M %p"])
def test_times_are_read_in_the_notations_of_date_columns(notation):
    when = pd.date_range("2024-01-05", periods=ROWS, freq="37h").to_series().sample(frac=1, random_state=0)
    found = dataset(written(a=NUMBERS, t=when.dt.strftime(notation).tolist()) + ",time=t")
    expected = pd.to_datetime(when.dt.strftime(notation), format=notation).rank(method="dense") - 1
    assert found.time.tolist() == expected.astype(int).tolist()
    other = dataset(written(a=NUMBERS, t=when.dt.strftime("%d~%m~%y").tolist()) + ",time=t:%d~%m~%y")
    assert other.time.tolist() == (when.dt.floor("D").rank(method="dense") - 1).astype(int).tolist()
