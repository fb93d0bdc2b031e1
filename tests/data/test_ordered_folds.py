import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import TimeSeriesSplit

from imbench.contract.errors import DataError
from imbench.contract.protocol import Protocol
from imbench.data.folds import PARTS, fold_hash, make_folds, training_share
from tests.data import made
from tests.data.test_grouped_folds import folds_or_refused

ORDERED = Protocol(repeats=1, split="ordered")


def ordered(counts, time, **variant):
    dataset = made.dataset(counts, task="multiclass", **variant)
    card = dataclasses.replace(dataset.card, time="day")
    return dataclasses.replace(dataset, card=card, time=np.asarray(time)[dataset.rows])


@given(
    counts=st.lists(st.integers(30, 80), min_size=2, max_size=3),
    times=st.integers(2, 400),
    folds=st.integers(1, 4),
    repeats=st.integers(1, 4),
    validation=st.floats(0.1, 0.7),
    seed=st.integers(0, 99),
)
def test_no_row_is_trained_on_that_is_later_than_one_predicted_or_the_split_is_refused(
    counts, times, folds, repeats, validation, seed
):
    dataset = ordered(counts, np.random.default_rng(seed).integers(0, times, sum(counts)))
    protocol = Protocol(repeats=repeats, folds=folds, validation=validation, split="ordered")
    found = folds_or_refused(dataset, protocol)
    assert len(found) in (0, repeats * folds)
    for fold in found:
        train, validation_part, test = (dataset.time[getattr(fold, name)] for name in PARTS)
        assert train.max() < validation_part.min()
        assert validation_part.max() < test.min()
        for name in PARTS:
            assert (np.bincount(dataset.y[getattr(fold, name)], minlength=dataset.classes) > 0).all()


@given(folds=st.integers(2, 5), rows=st.integers(60, 300), repeat=st.integers(0, 5))
def test_without_ties_a_repeat_is_scikit_learns_time_series_split(folds, rows, repeat):
    rng = np.random.default_rng(rows)
    dataset = ordered([rows // 2, rows - rows // 2], rng.permutation(rows))
    order = np.argsort(dataset.time)
    dataset = dataclasses.replace(dataset, y=(dataset.time % 2))
    block = rows // (folds + 2)
    back = int(block * [0, 1 / 2, 1 / 4, 3 / 4, 1 / 8, 5 / 8][repeat])
    found = make_folds(dataset, dataclasses.replace(ORDERED, folds=folds, repeats=repeat + 1))
    theirs = TimeSeriesSplit(folds, test_size=block).split(order[: rows - back])
    for fold, (training, test) in zip(found[repeat * folds :], theirs, strict=True):
        before = np.concatenate([fold.train, fold.validation])
        np.testing.assert_array_equal(np.sort(dataset.time[before]), training)
        np.testing.assert_array_equal(np.sort(dataset.time[fold.test]), test)
        assert len(fold.validation) == int(np.ceil(0.3 * len(training)))


def test_rows_of_one_time_stay_together_where_a_cut_falls_among_them():
    # Days of ten rows: cuts at 100, 150 and 70 of 200 rows move to whole days.
    dataset = ordered([100, 100], np.arange(200) // 10)
    dataset = dataclasses.replace(dataset, y=np.arange(200) % 2)
    (fold, _) = make_folds(dataset, dataclasses.replace(ORDERED, validation=0.27))
    assert set(dataset.time[fold.train]) == set(range(7))
    assert set(dataset.time[fold.validation]) == set(range(7, 10))
    assert set(dataset.time[fold.test]) == set(range(10, 15))


def test_more_repeats_leave_the_first_as_they_are():
    dataset = dataclasses.replace(ordered([100, 100], np.arange(200)), y=np.arange(200) % 2)
    few, many = (make_folds(dataset, dataclasses.replace(ORDERED, repeats=r)) for r in (2, 5))
    assert fold_hash(dataset, few) == fold_hash(dataset, many[:4])
    assert few[0].test.tolist() != few[2].test.tolist()


def test_a_downsampled_variant_is_ordered_among_the_rows_it_keeps():
    dataset = ordered([100, 200], np.arange(300), ir=0.2)
    for fold in make_folds(dataset, ORDERED):
        assert dataset.rows[fold.validation].max() < dataset.rows[fold.test].min()
        assert len(fold.test) == len(dataset.y) // 4


def test_the_expected_size_of_the_training_rows_is_their_mean_size():
    dataset = dataclasses.replace(ordered([300, 300], np.arange(600)), y=np.arange(600) % 2)
    protocol = dataclasses.replace(ORDERED, folds=3)
    sizes = [len(fold.train) for fold in make_folds(dataset, protocol)]
    assert np.mean(sizes) / 600 == pytest.approx(training_share(protocol), abs=0.01)


def test_a_part_without_rows_of_a_class_is_refused_with_the_fix():
    dataset = dataclasses.replace(ordered([50, 150], np.arange(200)), y=(np.arange(200) < 50).astype(int))
    message = (
        r"made:task=multiclass: class 'c1' has no validation row in repeat 0, fold 0 of the ordered split, among "
        r"30 rows; each part needs rows of every class: use fewer folds, or set split=stratified"
    )
    with pytest.raises(DataError, match=message):
        make_folds(dataset, ORDERED)


def test_a_dataset_without_times_is_refused():
    with pytest.raises(DataError, match="made: split=ordered needs a time column, which this dataset lacks"):
        make_folds(made.dataset([30, 100]), ORDERED)
