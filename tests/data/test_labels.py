"""Labels and categories: what was text stays the text that it was, and whole numbers stay whole."""

import csv
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from imbench.data.canonical import from_frame
from imbench.data.data_sources import card_of
from imbench.data.labels import label_codes, matching_label, natural_order, read_floats
from imbench.data.variants import parse_variant
from imbench.runs.registry import dataset

BIG = [9007199254740992, 9007199254740993, 5]
SPELLINGS = ["1_0", "10", "0_1", "01", "1"]
CODES = ["1e2", "100", "0100", "abc"]

TEXTS = st.text(st.characters(blacklist_categories=("Cs", "Cc")), min_size=1).filter(lambda text: text == text.strip())
SEVERAL = st.lists(
    st.one_of(TEXTS, st.sampled_from([*SPELLINGS, *CODES, "1.0", "-0.0", "0.0", "nan", "inf", "1e9999", "NA"])),
    min_size=2,
    max_size=8,
    unique=True,
)


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def labels_of(column, **options):
    """The labels of a target, found in its rows."""
    table = from_frame(pd.DataFrame({"f": np.arange(float(len(column))), "y": column}), "y", **options)
    assert all(table.class_counts.values())
    return table.labels


def written(texts, rows=20, name="t.csv"):
    """A CSV file with so many rows of each of these texts as ``y`` and as ``c``."""
    with open(name, "w", newline="", encoding="utf-8") as file:
        lines = [(i / 8, text, text) for i, text in enumerate(list(texts) * rows)]
        csv.writer(file, quoting=csv.QUOTE_ALL).writerows([("a", "c", "y"), *lines])
    return name


@pytest.mark.parametrize(
    ("classes", "count"),
    [(list(map(str, BIG)), 3), (SPELLINGS, 5), (CODES, 4), (["1.0", "1"], 2), (["0.0", "-0.0"], 2), (["nan", "-1"], 2)],
)
def test_every_text_of_a_file_is_a_class(classes, count):
    found = dataset(f"{written(classes)}:target=y,task=multiclass,drop=c")
    assert len(found.card.class_counts) == count
    assert set(found.card.class_counts.values()) == {20}


@pytest.mark.parametrize("categories", [SPELLINGS, CODES, list(map(str, BIG)), ["007", "7", "70"]])
def test_every_text_of_a_column_named_categorical_is_a_category(categories):
    with open("t.csv", "w") as file:
        file.write("c,y\n" + "".join(f"{c},{'ab'[i % 2]}\n" for i in range(8) for c in [*categories, ""]))
    found = dataset("t.csv:target=y,categorical=c")
    assert set(found.feature_names) == {f"c={text}" for text in [*categories, "(missing)"]}


@pytest.mark.parametrize("kind", ["int64", "uint64", object])
def test_whole_numbers_beyond_a_floats_digits_are_classes_and_categories(kind):
    numbers = np.array([18446744073709551615, *BIG] if kind == "uint64" else BIG, dtype=kind)
    frame = pd.DataFrame({"c": np.tile(numbers, 8), "y": np.tile(numbers, 8)})
    table = from_frame(frame, "y", categorical=("c",))
    assert table.labels == tuple(map(str, sorted(numbers.tolist()))) == table.categories[0]


@pytest.mark.parametrize("missing", [False, True])
def test_whole_numbers_in_parquet_stay_whole_beside_missing_ones(missing):
    numbers = [*BIG, None if missing else 7] * 6
    frame = pd.DataFrame({"c": pd.array(numbers, dtype="Int64"), "y": ["a", "b"] * 12})
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table({name: pa.array(frame[name].tolist(), from_pandas=True) for name in frame})
    pq.write_table(table.replace_schema_metadata(None), "t.parquet")
    names = dataset("t.parquet:target=y,categorical=c").feature_names
    assert set(names) == {f"c={n}" for n in BIG} | {"c=(missing)" if missing else "c=7"}


def test_numbers_held_as_floats_show_as_whole_where_they_are():
    assert labels_of([1.0, 2.5, 0.0]) == ("0", "1", "2.5")
    assert labels_of(np.array([1, 0], dtype=np.float32)) == ("0", "1")
    assert dataset(f"{written(['1.0', '0.0'])}:target=y").class_names == ("0", "1")


def test_truth_and_numbers_in_one_column_are_apart_and_numbers_meet_their_text():
    assert labels_of([True, False, True]) == ("False", "True")
    assert labels_of(pd.Series([True, 1, "1", 0, False], dtype=object)) == ("0", "1", "False", "True")
    assert labels_of(pd.Series([1.0, 1, "1", "01"], dtype=object)) == ("01", "1")
    assert labels_of(pd.Categorical(["01", "1", "01"])) == ("01", "1")


def test_a_minority_is_the_class_of_that_text():
    written(["01", "1", "b"])
    for text in ("01", "1"):
        assert dataset(f"t.csv:target=y,minority={text},drop=c").class_names[1] == text
    assert dataset("t.csv:target=y,minority=01+1,drop=c").minority == (0, 1)
    spec = "t.csv:target=y,minority=01,drop=c"
    variant = parse_variant(spec, card_of(spec))
    assert parse_variant(variant.spec, card_of(variant.spec)) == variant


def test_folders_of_images_are_classes_by_their_names():
    from PIL import Image

    for name in ("01", "1", "1_0"):
        Path("photos", name).mkdir(parents=True)
        for i in range(8):
            Image.new("L", (4, 4), i).save(f"photos/{name}/{i}.png")
    assert dataset("photos/:minority=01").class_names == ("1+1_0", "01")


def test_a_card_of_a_file_tells_its_labels_and_categories_apart():
    written(SPELLINGS)
    counts = "\n".join(f'"{label}" = 20' for label in SPELLINGS)
    Path("mine.toml").write_text(
        'title = "Mine"\ntarget = "y"\nrows = 100\nfeatures = 2\ncategorical = ["c"]\n'
        f'[class_counts]\n{counts}\n[[task]]\nname = "multiclass"\nminority = ["01"]\n'
        '[[source]]\nkind = "file"\npath = "t.csv"\nheader = true\n'
    )
    found = dataset("mine.toml:task=multiclass")
    assert found.class_names == tuple(SPELLINGS)
    assert {name for name in found.feature_names if name != "a"} == {f"c={text}" for text in SPELLINGS}


@given(SEVERAL)
def test_distinct_texts_are_as_many_classes_in_one_order(texts):
    found = labels_of(texts)
    assert sorted(found) == sorted(texts)
    assert labels_of(texts[::-1]) == found


@given(SEVERAL)
def test_distinct_texts_of_a_file_are_as_many_classes(texts):
    assume(len({" ".join(text.split()).casefold() for text in texts}) == len(texts))
    card = card_of(f"{written(texts, rows=4)}:target=y,drop=c")
    assert len(card.class_counts) == len(texts)


@given(SEVERAL)
def test_no_two_labels_tie(texts):
    keys = [natural_order(text) for text in texts]
    assert all((a < b) + (b < a) == (i != j) for i, a in enumerate(keys) for j, b in enumerate(keys))
    assert all(matching_label(text, texts) == text for text in texts)


def test_numbers_are_ordered_by_size():
    assert sorted(["10", "9", "-1", "b", "1e1", "2.5", "a", "nan"], key=natural_order) == [
        *("-1", "2.5", "9", "10", "1e1", "a", "b", "nan")
    ]


def test_missing_values_have_no_label():
    codes, texts = label_codes(pd.Series(["b", None, "a", np.nan, "b"], dtype=object))
    assert (codes.tolist(), texts) == ([0, -1, 1, -1, 0], ["b", "a"])
    assert read_floats(pd.Series(["1.0", None])).tolist()[0] == 1.0
