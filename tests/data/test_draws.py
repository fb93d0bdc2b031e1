import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imbench.contract.errors import DataError
from imbench.contract.protocol import Protocol
from imbench.contract.records import Variant
from imbench.data.folds import PARTS, export_rows, fold_hash, make_folds
from imbench.data.variants import build
from tests.data import made


def drawn(counts, draws, **variant):
    table = made.table(counts)
    return build(table, made.table_card(table), Variant("made", **variant), "0" * 64, draws)


@given(st.integers(20, 60), st.integers(60, 120), st.integers(1, 4), st.floats(0.1, 0.16), st.integers(0, 9))
def test_the_first_draw_is_the_only_one_of_before_and_all_have_the_same_class_counts(few, many, draws, ir, seed):
    single, several = (drawn([few, many], d, ir=ir, seed=seed) for d in (1, draws))
    first, rows = several.of_draw(0)
    np.testing.assert_array_equal(first.rows, single.rows)
    np.testing.assert_array_equal(several.x[rows], single.x)
    np.testing.assert_array_equal(several.class_counts, single.class_counts)
    assert several.ir == single.ir
    for draw in range(draws):
        one, rows = several.of_draw(draw)
        np.testing.assert_array_equal(np.bincount(one.y), single.class_counts)
        np.testing.assert_array_equal(one.rows, several.rows[rows])


def test_draws_have_other_minority_rows_and_the_same_majority():
    dataset = drawn([60, 100], 3, ir=0.2)
    minority = [set(one.rows[one.y == 1]) for one, _ in map(dataset.of_draw, range(3))]
    assert len(set.union(*minority)) > 20
    assert minority[0] != minority[1] != minority[2]
    assert dataset.drawn[:, dataset.y == 0].all()


def test_a_smaller_ratio_keeps_some_of_the_rows_of_a_larger_one_in_each_draw():
    small, large = (drawn([60, 100], 3, ir=ir) for ir in (0.1, 0.2))
    for draw in range(3):
        assert set(small.of_draw(draw)[0].rows) < set(large.of_draw(draw)[0].rows)


@pytest.mark.parametrize("split", ["stratified", "grouped", "ordered"])
@given(draws=st.integers(1, 3), seeds=st.integers(1, 3), repeats=st.integers(1, 2))
def test_the_nets_of_draw_and_seed_0_are_those_of_before_and_seeds_share_rows(split, draws, seeds, repeats):
    def with_columns(dataset):
        columns = {"group": dataset.rows // 2, "time": dataset.rows}
        return dataclasses.replace(dataset, card=dataclasses.replace(dataset.card, group="g", time="t"), **columns)

    plain = Protocol(repeats=repeats, split=split)
    single, several = (with_columns(drawn([150, 250], d, ir=0.4)) for d in (1, draws))
    before = make_folds(single, plain)
    found = make_folds(several, dataclasses.replace(plain, draws=draws, train_seeds=seeds))
    assert [fold.place for fold in found] == dataclasses.replace(plain, draws=draws, train_seeds=seeds).places()
    first = [fold for fold in found if not (fold.draw or fold.train_seed)]
    for one, other in zip(first, before, strict=True):
        for name in PARTS:
            np.testing.assert_array_equal(several.rows[getattr(one, name)], single.rows[getattr(other, name)])
    for fold in found:
        assert several.drawn is None or several.drawn[fold.draw][np.concatenate([fold.train, fold.test])].all()
        (same,) = [one for one in found if one.place == fold.place._replace(train_seed=0)]
        np.testing.assert_array_equal(fold.train, same.train)
    assert len({fold.place.key for fold in found}) == len(found)
    if draws == 1:
        assert fold_hash(several, found) == fold_hash(single, before)


def test_folds_of_more_draws_than_the_arrays_have_are_refused():
    with pytest.raises(DataError, match=r"made:ir=0.2: draws=3 needs arrays of 3 draws, and these have 2; load"):
        make_folds(drawn([60, 100], 2, ir=0.2), Protocol(draws=3))


def test_exported_rows_name_the_draw_and_are_written_once_for_all_seeds(tmp_path):
    dataset = drawn([60, 100], 2, ir=0.2)
    folds = make_folds(dataset, Protocol(repeats=1, draws=2, train_seeds=3))
    table = made.pd.read_csv(export_rows(dataset, folds, tmp_path / "rows.csv"))
    assert len(table) == 2 * 2 * 120
    assert table.groupby("draw")["row"].nunique().tolist() == [120, 120]
