import dataclasses

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedGroupKFold

from imbench.contract.errors import DataError
from imbench.contract.protocol import Protocol
from imbench.data.folds import PARTS, fold_hash, make_folds
from imbench.data.split_columns import group_numbers
from tests.data import made

GROUPED = Protocol(repeats=2, split="grouped")
DRAWN = {
    "counts": st.lists(st.integers(10, 60), min_size=2, max_size=4),
    "groups": st.integers(2, 80),
    "folds": st.integers(2, 4),
    "validation": st.floats(0.1, 0.7),
    "seed": st.integers(0, 99),
}


def grouped(counts, group, **variant):
    """A made dataset whose rows belong to these groups, by row number in the source."""
    dataset = made.dataset(counts, task="multiclass", **variant)
    return with_groups(dataset, np.asarray(group)[dataset.rows])


def with_groups(dataset, group):
    return dataclasses.replace(dataset, card=dataclasses.replace(dataset.card, group="patient"), group=group)


def drawn(counts, groups, seed):
    """Groups of unequal sizes, some of which have rows of one class only."""
    rng = np.random.default_rng(seed)
    return rng.choice(groups, size=sum(counts), p=rng.dirichlet(np.ones(groups)))


def folds_or_refused(dataset, protocol):
    """The folds, or none if they are refused with the dataset and a fix."""
    try:
        return make_folds(dataset, protocol)
    except DataError as error:
        if dataset.variant.spec in str(error) and "split=stratified" in str(error):
            return []
        raise


def class_counts(dataset, rows):
    return np.bincount(dataset.y[rows], minlength=dataset.classes)


@given(**DRAWN)
def test_no_group_is_in_two_parts_and_every_part_has_every_class_or_the_split_is_refused(
    counts, groups, folds, validation, seed
):
    dataset = grouped(counts, drawn(counts, groups, seed))
    protocol = dataclasses.replace(GROUPED, folds=folds, validation=validation)
    for fold in folds_or_refused(dataset, protocol):
        parts = [getattr(fold, name) for name in PARTS]
        np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.arange(len(dataset.y)))
        groups_of = [set(dataset.group[rows]) for rows in parts]
        assert sum(map(len, groups_of)) == len(set.union(*groups_of))
        assert all((class_counts(dataset, rows) > 0).all() for rows in parts)


@given(**DRAWN)
def test_every_row_is_tested_once_a_repeat(counts, groups, folds, validation, seed):
    dataset = grouped(counts, drawn(counts, groups + 30, seed))
    found = folds_or_refused(dataset, dataclasses.replace(GROUPED, folds=folds, validation=validation))
    for repeat in range(2 if found else 0):
        tested = np.concatenate([fold.test for fold in found if fold.repeat == repeat])
        assert len(np.unique(tested)) == len(tested) == len(dataset.y)


@given(**DRAWN)
def test_enough_groups_with_rows_of_each_class_are_never_refused(counts, groups, folds, validation, seed):
    groups += 12
    dataset = grouped(counts, drawn(counts, groups, seed))
    of_class = [len(np.unique(dataset.group[dataset.y == c])) for c in range(dataset.classes)]
    assume(min(of_class) >= 2 * folds + dataset.classes)
    assert make_folds(dataset, dataclasses.replace(GROUPED, folds=folds, validation=validation))


@pytest.mark.parametrize("counts", [[60, 540], [40, 90, 300]])
def test_test_rows_are_about_as_stratified_as_scikit_learns(counts):
    ours, theirs = [], []
    for seed in range(20):
        dataset = grouped(counts, drawn(counts, 40, seed))
        exact = class_counts(dataset, np.arange(len(dataset.y))) / 3
        found = make_folds(dataset, Protocol(repeats=1, folds=3, split="grouped"))
        splits = StratifiedGroupKFold(3).split(dataset.x, dataset.y, dataset.group)
        ours += [np.abs(class_counts(dataset, fold.test) / exact - 1).mean() for fold in found]
        theirs += [np.abs(class_counts(dataset, test) / exact - 1).mean() for _, test in splits]
    assert np.mean(ours) < np.mean(theirs) + 0.05


def test_validation_rows_have_their_share_of_each_class():
    counts = [60, 540]
    shares = []
    for seed in range(20):
        dataset = grouped(counts, drawn(counts, 60, seed))
        for fold in make_folds(dataset, Protocol(repeats=1, split="grouped", validation=0.3)):
            training = class_counts(dataset, np.concatenate([fold.train, fold.validation]))
            shares.append(class_counts(dataset, fold.validation) / training)
    np.testing.assert_allclose(np.mean(shares, axis=0), 0.3, atol=0.03)


def test_groups_of_one_row_are_split_as_evenly_as_rows():
    dataset = grouped([30, 100], np.arange(130))
    for fold in make_folds(dataset, GROUPED):
        assert class_counts(dataset, fold.test).tolist() == [15, 50]
        assert np.abs(class_counts(dataset, fold.validation) - [4.5, 15]).max() <= 1


def test_scarce_groups_are_dealt_to_the_parts_that_need_them():
    # Four groups with rows of the minority, one of them with nearly all: two go to each fold.
    group = np.r_[np.arange(4), np.full(16, 3), np.arange(4, 44)]
    y = np.r_[np.zeros(20, dtype=int), np.ones(40, dtype=int)]
    dataset = dataclasses.replace(grouped([20, 40], group), y=y, group=group)
    assert len(make_folds(dataset, dataclasses.replace(GROUPED, repeats=10))) == 20


def test_names_of_groups_do_not_matter_and_repeats_do():
    group = drawn([40, 200], 30, 0)
    one, other = (grouped([40, 200], group_numbers(made.pd.Series(values))) for values in (group, -group))
    folds = make_folds(one, GROUPED)
    assert fold_hash(one, folds) == fold_hash(other, make_folds(other, GROUPED))
    assert folds[0].test.tolist() not in [folds[2].test.tolist(), folds[3].test.tolist()]
    assert fold_hash(one, folds) == fold_hash(one, make_folds(one, dataclasses.replace(GROUPED, repeats=5))[:4])


def test_a_downsampled_variant_keeps_its_groups_apart():
    dataset = grouped([100, 200], np.arange(300) // 4, ir=0.2)
    assert class_counts(dataset, np.arange(len(dataset.y))).tolist() == [40, 200]
    for fold in make_folds(dataset, GROUPED):
        assert not set(dataset.group[fold.train]) & set(dataset.group[fold.test])


@pytest.mark.parametrize(
    ("group", "folds", "message"),
    [
        (
            np.r_[np.arange(3), np.full(17, 2), np.arange(3, 43)],
            2,
            r"made:task=multiclass: a grouped split with 2 folds needs at least 4 groups of 'patient' with rows of "
            r"each class; class 'c0' is in 3 of 43 groups: add groups, or set split=stratified",
        ),
        (
            np.r_[np.arange(4), np.full(16, 3), np.arange(4, 44)],
            5,
            "class 'c0' is in 4 of 44 groups: use fewer folds, or",
        ),
    ],
)
def test_too_few_groups_are_refused_with_the_fix(group, folds, message):
    y = np.r_[np.zeros(20, dtype=int), np.ones(40, dtype=int)]
    dataset = dataclasses.replace(grouped([20, 40], group), y=y, group=group)
    with pytest.raises(DataError, match=message):
        make_folds(dataset, dataclasses.replace(GROUPED, folds=folds))


def test_groups_that_cannot_be_divided_are_refused_although_each_class_is_in_enough():
    # Each class is in four groups of two classes. Each fold gets one of each kind, and two parts of them lack a class.
    pairs = np.array([(0, 1), (1, 2), (0, 2)] * 2)
    dataset = dataclasses.replace(grouped([4, 4, 4], np.repeat(np.arange(6), 2)), y=pairs.ravel())
    dataset = dataclasses.replace(dataset, group=np.repeat(np.arange(6), 2))
    message = (
        "no grouped split with 2 folds was found in which each part has rows of every class; class 'c0' is in 4 of 6"
    )
    with pytest.raises(DataError, match=message):
        make_folds(dataset, GROUPED)


def test_a_dataset_without_groups_is_refused():
    with pytest.raises(DataError, match="made: split=grouped needs a group column, which this dataset lacks; leave"):
        make_folds(made.dataset([30, 100]), GROUPED)


def test_a_group_on_both_sides_of_the_official_test_part_is_refused():
    dataset = grouped([30, 30], np.arange(60) // 3)
    card = dataclasses.replace(dataset.card, test_per_class=5)
    assert make_folds(
        dataclasses.replace(dataset, card=card, group=np.r_[np.arange(50) // 5, np.full(10, 99)]),
        dataclasses.replace(GROUPED, folds=1),
    )
    with pytest.raises(DataError, match="1 group of 'patient' have rows both in the official test part"):
        make_folds(
            dataclasses.replace(dataset, card=card, group=np.arange(60) // 4), dataclasses.replace(GROUPED, folds=1)
        )
