import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedKFold, train_test_split

from imbench.contract.errors import DataError
from imbench.contract.protocol import Protocol
from imbench.data.folds import export_rows, fold_hash, make_folds
from tests.data import made

COUNTS = st.lists(st.integers(10, 60), min_size=2, max_size=4)
FEW = Protocol(repeats=2)


@given(counts=COUNTS, folds=st.integers(2, 4), validation=st.floats(0.05, 0.9))
def test_parts_are_disjoint_and_cover_and_every_row_is_tested_once_a_repeat(counts, folds, validation):
    dataset = made.dataset(counts, task="multiclass")
    made_folds = make_folds(dataset, Protocol(repeats=2, folds=folds, validation=validation))
    for fold in made_folds:
        together = np.concatenate([fold.train, fold.validation, fold.test])
        np.testing.assert_array_equal(np.sort(together), np.arange(len(dataset.y)))
    for repeat in range(2):
        tested = np.concatenate([f.test for f in made_folds if f.repeat == repeat])
        assert len(tested) == len(dataset.y)


@given(counts=COUNTS, folds=st.integers(2, 4), validation=st.floats(0.05, 0.9))
def test_every_part_is_as_stratified_as_scikit_learns(counts, folds, validation):
    dataset = made.dataset(counts, task="multiclass")
    splits = StratifiedKFold(folds).split(dataset.x, dataset.y)
    ours = make_folds(dataset, Protocol(repeats=1, folds=folds, validation=validation))
    for fold, (training, test) in zip(ours, splits, strict=True):
        theirs = np.bincount(dataset.y[test])
        assert np.abs(np.bincount(dataset.y[fold.test]) - theirs).max() <= 1
        half = np.bincount(dataset.y[np.concatenate([fold.train, fold.validation])])
        # Every class is held out in its share, to one row, unless that would leave none to train on.
        exact = np.minimum(half * validation, half - 1)
        assert (np.abs(np.bincount(dataset.y[fold.validation], minlength=len(half)) - exact) <= 1.5).all()
        assert (np.bincount(dataset.y[fold.train], minlength=len(half)) >= 1).all()
        assert abs(len(fold.test) - len(dataset.y) / folds) < 1
        assert len(training) >= 1


def test_the_validation_part_has_the_class_counts_of_train_test_split():
    dataset = made.dataset([37, 410])
    for fold in make_folds(dataset, Protocol(repeats=3)):
        half = np.concatenate([fold.train, fold.validation])
        _, theirs = train_test_split(half, test_size=0.3, stratify=dataset.y[half], random_state=0)
        np.testing.assert_array_equal(np.bincount(dataset.y[fold.validation]), np.bincount(dataset.y[theirs]))


def test_four_minority_rows_are_enough_for_two_folds():
    dataset = made.dataset([4, 400])
    for fold in make_folds(dataset, Protocol()):
        assert (np.bincount(dataset.y[fold.test]) > 0).all()
        assert (np.bincount(dataset.y[fold.train]) > 0).all()


def test_more_repeats_leave_the_first_as_they_are():
    dataset = made.dataset([30, 100])
    few, many = (make_folds(dataset, Protocol(repeats=r)) for r in (2, 5))
    assert fold_hash(dataset, few) == fold_hash(dataset, many[:4])


def test_repeats_seeds_and_ratios_have_splits_of_their_own():
    first, second = make_folds(made.dataset([30, 100]), FEW)[::2]
    assert first.test.tolist() != second.test.tolist()
    hashes = [fold_hash(d, make_folds(d, FEW)) for d in (made.dataset([30, 100]), made.dataset([30, 100], seed=1))]
    assert hashes[0] != hashes[1]


def test_the_hash_tells_of_every_row():
    dataset = made.dataset([30, 100])
    folds = make_folds(dataset, FEW)
    before = fold_hash(dataset, folds)
    assert fold_hash(dataset, make_folds(dataset, FEW)) == before
    folds[1].test[0], folds[1].train[0] = folds[1].train[0], folds[1].test[0]
    assert fold_hash(dataset, folds) != before


def test_too_few_rows_of_a_class_are_refused():
    dataset = made.dataset([5, 100])
    with pytest.raises(
        DataError, match=r"class 'c0' has 5 rows; 6 are needed for 3 folds: merge it .*, or use fewer folds"
    ):
        make_folds(dataset, Protocol(folds=3))


@pytest.mark.parametrize(("suffix", "read"), [(".csv", pd.read_csv), (".parquet", pd.read_parquet)])
def test_exported_rows_are_the_rows_of_the_source(tmp_path, suffix, read):
    dataset = made.dataset([30, 100], ir=0.1)
    folds = make_folds(dataset, FEW)
    table = read(export_rows(dataset, folds, tmp_path / f"rows{suffix}"))
    assert len(table) == 4 * len(dataset.y)
    one = table.query("repeat == 1 and fold == 0 and part == 'validation'")
    assert one["row"].tolist() == dataset.rows[folds[2].validation].tolist()
    assert set(one["label"]) == set(dataset.class_names)
    assert set(table["variant"]) == {"ir=0.1"}


def test_rows_are_exported_to_known_formats_only(tmp_path):
    dataset = made.dataset([30, 100])
    with pytest.raises(DataError, match=r"end the name in \.csv or \.parquet"):
        export_rows(dataset, make_folds(dataset, FEW), tmp_path / "rows.xlsx")


@pytest.mark.parametrize(
    ("counts", "variant", "message"),
    [
        ([1, 30], {}, "class 'c0' has 1 row; 4 are needed: merge it into another class or remove it"),
        ([3, 30], {"task": "multiclass"}, "class 'c0' has 3 rows; 4 are needed: merge it"),
    ],
)
def test_a_class_with_too_few_rows_is_named_with_what_to_do(counts, variant, message):
    with pytest.raises(DataError, match=message):
        make_folds(made.dataset(counts, **variant), FEW)
