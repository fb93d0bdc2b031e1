import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from imbench.contract.errors import UsageError
from imbench.data.data_sources import card_of
from imbench.data.variants import parse_variant
from imbench.runs.registry import dataset
from tests.data import made
from tests.data.made import fetch, hash_on_disk

CHURN = "age,plan,churn\n" + "".join(
    f"{20 + i},{'gold' if i % 3 else 'basic'},{'no' if i % 5 else 'yes'}\n" for i in range(60)
)


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "churn.csv").write_text(CHURN)


def test_a_csv_is_a_dataset_at_its_natural_ratio():
    found = dataset("churn.csv:target=churn")
    assert found.class_names == ("no", "yes")
    assert found.class_counts.tolist() == [48, 12]
    assert found.feature_names == ("age", "plan=basic", "plan=gold")
    assert found.x[:3, 0].tolist() == [20, 21, 22]
    assert found.card.missing == 0


def test_it_can_be_downsampled_like_any_other():
    assert dataset("churn.csv:target=churn,ir=0.1").class_counts.tolist() == [48, 4]


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("t.csv", lambda f, p: f.to_csv(p, index=False)),
        ("t.tsv", lambda f, p: f.to_csv(p, index=False, sep="\t")),
        ("t.parquet", lambda f, p: f.to_parquet(p, index=False)),
    ],
)
def test_every_format_gives_the_same_arrays(name, write):
    write(made.frame(), name)
    found = dataset(f"{name}:target=target,task=multiclass")
    assert found.class_names == ("a", "b", "c")
    assert found.feature_kinds == ("numeric", "numeric", "categorical", "categorical", "categorical")
    assert found.feature_names[-1] == "u=missing"
    np.testing.assert_array_equal(found.x[:, 0], made.frame()["u"].astype(np.float32))
    write(made.frame(), "same-" + name)
    assert dataset(f"same-{name}:target=target").data_hash == found.data_hash


def test_equal_meanings_are_equal_variants():
    specs = ["churn.csv:target=churn", "./churn.csv:target=churn,minority=yes", "churn.csv:seed=0,target=churn"]
    variants = {parse_variant(s, card_of(s)) for s in specs}
    assert len(variants) == 1
    (variant,) = variants
    assert parse_variant(variant.spec, card_of(variant.spec)) == variant


def test_three_classes_are_a_multiclass_task_and_one_of_them_a_binary_one():
    made.frame().to_csv("t.csv", index=False)
    assert dataset("t.csv:target=target").variant.task == "multiclass"
    binary = dataset("t.csv:target=target,minority=c")
    assert (binary.variant.task, binary.class_names) == ("binary", ("a+b", "c"))
    several = dataset("t.csv:target=target,minority=b+c,ir=0.2")
    assert several.class_counts.tolist() == [35, 7, 7]


def test_columns_can_be_dropped_and_numbers_be_categories():
    found = dataset("churn.csv:target=churn,drop=age")
    assert found.feature_names == ("plan=basic", "plan=gold")
    made.frame().to_csv("t.csv", index=False)
    assert dataset("t.csv:target=target,categorical=v").feature_names[1:6] == ("v=0", "v=1", "v=2", "v=3", "v=4")


def test_question_marks_and_empty_cells_are_missing_in_features_but_a_class_may_be_called_na():
    rows = "".join(f"{'?' if i == 3 else i},{'' if i == 5 else i},{'NA' if i % 2 else 'none'}\n" for i in range(20))
    Path("t.csv").write_text("a,b,y\n" + rows)
    found = dataset("t.csv:target=y")
    assert np.argwhere(np.isnan(found.x)).tolist() == [[3, 0], [5, 1]]
    assert set(found.class_names) == {"NA", "none"}


def test_moving_a_file_changes_neither_hash_nor_rows_and_changing_it_does():
    before = dataset("churn.csv:target=churn,ir=0.1")
    os.mkdir("elsewhere")
    shutil.copy("churn.csv", "elsewhere/moved.csv")
    after = dataset("elsewhere/moved.csv:target=churn,ir=0.1")
    assert after.data_hash == before.data_hash
    assert after.rows.tolist() == before.rows.tolist()
    assert after.stream_key == before.stream_key
    card = card_of("churn.csv:target=churn")
    assert hash_on_disk(card) == fetch(card).data_hash == before.data_hash
    Path("churn.csv").write_text(CHURN + "99,gold,no\n")
    assert hash_on_disk(card) != before.data_hash


@pytest.mark.parametrize(
    ("text", "spec", "message"),
    [
        (CHURN, "gone.csv:target=churn", "the file 'gone.csv' does not exist"),
        (CHURN, "churm.csv:target=churn", "did you mean churn.csv"),
        (CHURN, "t.csv", "which column contains the class.* t.csv:target=COLUMN"),
        (CHURN, "t.csv:target=chrn", "no column 'chrn'; did you mean churn"),
        (CHURN, "t.csv:target=churn,minority=maybe", "minority 'maybe' is not a class of 'churn'; did you mean yes"),
        (CHURN, "t.csv:target=churn,minority=yes+no", "must not repeat a class or include all classes"),
        (CHURN, "t.csv:target=churn,drop=plam", "no column 'plam'; did you mean plan"),
        (CHURN, "t.csv:target=churn,drop=churn", "the target 'churn' cannot be dropped"),
        (CHURN, "t.csv:target=churn,colour=red", "no parameter 'colour'"),
        (CHURN, "t.csv:target=churn,ir=0.01", "keeps 0 rows at ir=0.01; 4 are needed"),
        (CHURN, "t.csv:target=churn,ir=0.5", "has 12 rows, but ir=0.5 needs 24"),
        ("a,y\n1,\n2,b\n3,c\n", "t.csv:target=y", r"the target 'y' is missing in 1 row \(first: line 2\)"),
        ("a,y\n1,b\n2,b\n", "t.csv:target=y", "only one class, 'b'"),
        ("", "t.csv:target=y", r"t\.csv is empty"),
        ("a,y\n", "t.csv:target=y", r"t\.csv has no rows"),
        ("a,y\n1,b\n1,2,3,4\n", "t.csv:target=y", r"cannot read t\.csv"),
        ("y\nb\nc\n", "t.csv:target=y", "t.csv has one column, 'y'"),
        ("a,y\ninf,b\n1,c\n", "t.csv:target=y", r"column 'a' \(inf in line 2\): values must be finite"),
        (
            "a,y\n" + "".join(f"t{i},{i % 2}\n" for i in range(1001)),
            "t.csv:target=y,categorical=a",
            r"'a' \(1,001 categories\): at most 1,000",
        ),
        ("a,y\n" + "1,a\n2,b\n3,c\n" * 9, "t.csv:target=y,ir=0.5", "ir=0.5 needs the classes to downsample"),
    ],
)
def test_a_bad_table_or_spec_names_the_thing_the_value_and_the_fix(text, spec, message):
    Path("t.csv").write_text(text)
    with pytest.raises(UsageError, match=message) as caught:
        dataset(spec)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_parquet_is_said():
    Path("t.parquet").write_text(CHURN)
    with pytest.raises(UsageError, match=r"cannot read t\.parquet"):
        dataset("t.parquet:target=churn")


def test_columns_of_lists_and_two_columns_of_one_name_are_refused():
    single, nested = ["a", "b"], [[1], [2]]
    for columns, message in (
        ([single, nested], "column 'y' contains lists or tables; split"),
        ([nested, single], "column 'x' contains lists or tables; split"),
        ([single, single, single], "two columns named 'y'; rename one"),
    ):
        pq.write_table(pa.table(columns, names=["x", "y", "y"][: len(columns)]), "t.parquet")
        with pytest.raises(UsageError, match=message):
            dataset("t.parquet:target=y")


def test_a_card_of_ones_own_is_a_dataset_by_its_path():
    frame = pd.read_csv("churn.csv")
    Path("mine.toml").write_text(
        'title = "Mine"\ntarget = "churn"\nrows = 60\nfeatures = 2\nmissing = 0\ncategorical = ["plan"]\n'
        "[class_counts]\nno = 48\nyes = 12\n"
        '[[task]]\nname = "binary"\nminority = ["yes"]\n'
        '[[source]]\nkind = "file"\npath = "churn.csv"\nheader = true\n'
    )
    found = dataset("mine.toml:ir=0.2")
    assert found.class_counts.tolist() == [48, 9]
    assert found.variant.is_file
    assert found.x[:, 0].tolist() == frame["age"][found.rows].tolist()
    Path("churn.csv").write_text(CHURN + "99,gold,no\n")
    with pytest.raises(UsageError, match="has 61 rows, the card says 60"):
        dataset("mine.toml", cache=Path("fresh"))
