"""A dataset is its data: a path is only what somebody called it."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imbench.stats.names import by_label, dataset_labels, file_name, labelled, rows_of_dataset

A, B = "a1" * 32, "b2" * 32


def rows_of(*pairs):
    """Rows of these datasets and data hashes."""
    return pd.DataFrame(pairs, columns=["dataset", "data_hash"])


def labels_of(*pairs):
    """The label of each row."""
    return list(by_label(rows_of(*pairs))["dataset"])


def test_one_table_by_several_paths_is_one_dataset():
    assert labels_of(("my.csv", A), ("/data/my.csv", A), ("../my.csv", A)) == ["my.csv"] * 3


def test_other_tables_of_one_file_name_are_other_datasets():
    assert labels_of(("one/my.csv", A), ("two/my.csv", B)) == ["my.csv (a1a1a1)", "my.csv (b2b2b2)"]


def test_a_file_that_changed_in_its_place_is_another_dataset():
    assert len(set(labels_of(("my.csv", A), ("my.csv", B)))) == 2


def test_equal_data_under_two_file_names_have_one_label():
    assert labels_of(("zebra.csv", A), ("old/apple.csv", A)) == ["apple.csv", "apple.csv"]


def test_a_registered_dataset_is_its_name_and_its_data():
    found = dataset_labels(rows_of(("segment", A), ("ecoli", A)))
    assert [one.label for one in found.values()] == ["segment", "ecoli"]
    assert len({one.identity for one in found.values()}) == 2


def test_two_copies_of_a_registered_dataset_that_differ_have_two_labels():
    assert labels_of(("segment", A), ("segment", B)) == ["segment (a1a1a1)", "segment (b2b2b2)"]


def test_a_folder_called_like_a_registered_dataset_gives_way_to_it():
    assert labels_of(("/photos/cifar10/", A), ("cifar10", B)) == ["cifar10 (file a1a1a1)", "cifar10"]


def test_hashes_that_begin_alike_are_given_to_where_they_differ():
    one, other = "abcdef0" + "0" * 57, "abcdef1" + "0" * 57
    assert labels_of(("a/x.csv", one), ("b/x.csv", other)) == ["x.csv (abcdef0)", "x.csv (abcdef1)"]


def test_rows_without_a_data_hash_go_by_their_path():
    assert len(set(labels_of(("a/x.csv", ""), ("b/x.csv", "")))) == 2


@pytest.mark.parametrize(
    ("dataset", "shown"),
    [
        ("segment", "segment"),
        ("/home/me/my.csv", "my.csv"),
        (r"C:\data\my.csv", "my.csv"),
        ("photos/", "photos"),
        ("../a/photos/", "photos"),
        ("cards/mine.toml", "mine.toml"),
        ("/", "/"),
    ],
)
def test_readers_see_the_last_part_of_a_path(dataset, shown):
    assert file_name(dataset) == shown


def test_categories_and_missing_rows_of_a_big_store_are_labelled_as_text_is():
    rows = rows_of(("a/x.csv", A), ("b/x.csv", A), ("b/x.csv", B))
    assert list(by_label(rows.astype("category"))["dataset"]) == list(by_label(rows)["dataset"])


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("one/x.csv", [0, 2]),  # the data, whatever the path that it was trained under
        ("./one/x.csv", [0, 2]),
        ("three/x.csv", [0, 2]),
        ("two/x.csv", [1]),
        ("x.csv (b2b2b2)", [1]),  # as reports call it
        ("x.csv", []),  # which one?
        ("elsewhere/x.csv", []),
        ("elsewhere/z.csv", [3]),
        ("z.csv", [3]),
        ("segment", [4]),
        ("ecoli", []),
    ],
)
def test_rows_of_a_dataset_are_found_by_any_of_its_names(name, found):
    rows = rows_of(("one/x.csv", A), ("two/x.csv", B), ("three/x.csv", A), ("z.csv", "c3" * 32), ("segment", "d4" * 32))
    assert rows_of_dataset(rows, name).index.tolist() == found


PAIRS = st.lists(
    st.tuples(
        st.sampled_from(["segment", "x", "x.csv", "a/x.csv", "b/x.csv", "b/y.csv", "x/", "a/x/"]),
        st.sampled_from(["", *(f"{n:064x}" for n in range(4)), A, B]),
    ),
    min_size=1,
    unique=True,
)


@given(PAIRS, st.randoms(use_true_random=False))
def test_labels_are_one_for_each_identity_whatever_the_order(pairs, random):
    found = dataset_labels(rows_of(*pairs))
    shuffled = random.sample(pairs, len(pairs))
    assert dataset_labels(rows_of(*shuffled)) == found
    assert len({one.label for one in found.values()}) == len({one.identity for one in found.values()})


FIELDS = st.sampled_from([None, '{"epochs": 3}', '{"epochs": 4}', '{"epochs": 5}'])


@given(st.lists(st.tuples(st.sampled_from(["quick", "smoke"]), FIELDS), min_size=1), st.booleans())
def test_each_protocol_has_its_label_and_a_row_that_states_no_fields_has_one_too(protocols, categorical):
    rows = pd.DataFrame(protocols, columns=["protocol", "protocol_fields"])
    rows = rows.assign(task="binary", dataset="a", variant="natural", strategy="remix", strategy_version="1")
    labels = labelled(rows.astype("category") if categorical else rows)["protocol"].tolist()
    pairs = dict(zip(protocols, labels, strict=True))
    assert [pairs[pair] for pair in protocols] == labels
    stated = {pair: label for pair, label in pairs.items() if pair[1]}
    assert len(set(stated.values())) == len(stated)
    assert all(str(label).startswith(name) for (name, _), label in pairs.items())
