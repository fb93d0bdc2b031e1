import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from imbench.contract.errors import DataError, UsageError
from imbench.contract.records import Variant
from imbench.data.canonical import Table, from_frame
from imbench.data.cards import load_card
from imbench.data.variants import build, expected_counts, parse_variant
from tests.data import made

COUNTS = st.lists(st.integers(5, 120), min_size=2, max_size=5)
RATIOS = st.floats(0.01, 0.99)


def made_or_refused(table: Table, variant: Variant, minority=("c0",)):
    try:
        return build(table, made.table_card(table, minority), variant, "0" * 64)
    except DataError:
        return None


@given(counts=COUNTS, ir=RATIOS, seed=st.integers(0, 5))
def test_binary_keeps_the_majority_and_int_of_majority_times_ir(counts, ir, seed):
    majority = sum(counts[1:])
    wanted = int(majority * ir)
    dataset = made_or_refused(made.table(counts), Variant("made", "binary", ir, seed))
    if 4 <= wanted <= counts[0]:
        assert dataset.class_counts.tolist() == [majority, wanted]
        assert dataset.minority == (1,)
    else:
        assert dataset is None


@given(counts=st.lists(st.integers(5, 120), min_size=4, max_size=5), ir=RATIOS)
def test_multiclass_downsamples_the_listed_classes_to_the_largest_times_ir(counts, ir):
    wanted = int(max(counts) * ir)
    dataset = made_or_refused(made.table(counts), Variant("made", "multiclass", ir), ("c0", "c2"))
    if 4 <= wanted <= min(counts[0], counts[2]):
        assert dataset.class_counts.tolist() == [wanted, counts[1], wanted, *counts[3:]]
        assert dataset.minority == (0, 2)
        assert dataset.class_names == tuple(f"c{k}" for k in range(len(counts)))
    else:
        assert dataset is None


@given(counts=COUNTS, ir=RATIOS, task=st.sampled_from(["binary", "multiclass"]))
def test_the_card_alone_tells_the_counts(counts, ir, task):
    table, variant = made.table(counts), Variant("made", task, ir)
    dataset = made_or_refused(table, variant)
    assume(dataset is not None)
    assert expected_counts(made.table_card(table), variant) == tuple(dataset.class_counts)


@given(counts=COUNTS, irs=st.tuples(RATIOS, RATIOS), task=st.sampled_from(["binary", "multiclass"]))
def test_rows_of_a_smaller_ratio_are_among_those_of_a_larger_one(counts, irs, task):
    small, large = (made_or_refused(made.table(counts), Variant("made", task, ir)) for ir in sorted(irs))
    assume(small is not None and large is not None)
    assert set(small.rows) <= set(large.rows)


@given(counts=COUNTS, ir=RATIOS, task=st.sampled_from(["binary", "multiclass"]))
def test_rows_point_into_the_source_in_its_order(counts, ir, task):
    table = made.table(counts)
    dataset = made_or_refused(table, Variant("made", task, ir))
    assume(dataset is not None)
    assert (np.diff(dataset.rows) > 0).all()
    np.testing.assert_array_equal(dataset.x, table.x[dataset.rows].astype(np.float32))
    names = np.array(dataset.class_names)[dataset.y]
    assert all(table.labels[k] in n.split("+") for k, n in zip(table.y[dataset.rows], names, strict=True))


def test_the_natural_ratio_keeps_every_row():
    dataset = made.dataset([8, 40, 3])
    assert dataset.class_counts.tolist() == [43, 8]
    assert dataset.class_names == ("c1+c2", "c0")


def test_another_seed_draws_other_rows_and_another_name_too():
    table = made.table([60, 100])
    rows = [
        build(table, made.table_card(table, name=name), Variant(name, ir=0.2, seed=seed), "0" * 64).rows.tolist()
        for name, seed in [("made", 0), ("made", 1), ("other", 0), ("made", 0)]
    ]
    assert rows[0] == rows[3]
    assert rows[0] != rows[1]
    assert rows[0] != rows[2]


def test_a_file_draws_by_its_content_wherever_it_lies():
    table = made.table([60, 100])
    variants = [Variant(path, ir=0.2) for path in ("here/t.csv", "there/t.csv")]
    here, there = (build(table, made.table_card(table, name=v.dataset), v, "1" * 64) for v in variants)
    np.testing.assert_array_equal(here.rows, there.rows)


def test_each_category_becomes_a_column_of_zeros_and_ones():
    frame = made.frame()
    table = from_frame(frame, "target", categorical=("w",))
    dataset = build(table, made.card(), Variant("made"), "0" * 64)
    assert dataset.feature_names == ("u", "v", "w=blue", "w=red")
    assert dataset.feature_kinds == ("numeric", "numeric", "categorical", "categorical")
    np.testing.assert_array_equal(dataset.x[:, 3], frame["w"] == "red")
    np.testing.assert_array_equal(dataset.x[:, 2:].sum(axis=1), 1)
    assert dataset.x.dtype == np.float32


def test_a_missing_category_is_missing_in_all_its_columns():
    frame = made.frame()
    frame.loc[4, "w"] = None
    dataset = build(from_frame(frame, "target", categorical=("w",)), made.card(), Variant("made"), "0" * 64)
    assert np.isnan(dataset.x[4, 2:]).all()
    assert not np.isnan(dataset.x[5, 2:]).any()


@pytest.mark.parametrize(
    "specs",
    [
        ["segment:ir=0.05", "segment:ir=0.050,task=binary", "segment:seed=0,ir=5e-2"],
        ["optdigits:ir=0.1", "optdigits:task=multiclass,ir=0.10"],
        ["segment", "segment:ir=none", "segment:task=binary,seed=0"],
    ],
)
def test_equal_meanings_are_equal_variants(specs):
    card = load_card(specs[0].partition(":")[0])
    assert len({parse_variant(s, card) for s in specs}) == 1


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("segment:ir=0", "ir must lie between 0 and 1"),
        ("segment:ir=1", "ir must lie between 0 and 1"),
        ("segment:ir=-0.1", "ir must lie between 0 and 1"),
        ("segment:ir=nan", "ir must be a finite number"),
        ("segment:ir=few", "ir must be a number, got 'few'"),
        ("segment:seed=-1", "seed must be 0 or more, got -1"),
        ("segment:seed=1.5", "seed must be a whole number"),
        ("segment:task=multiclass", "no task 'multiclass'; there is binary"),
        ("segment:irr=0.1", "no parameter 'irr'; did you mean ir"),
        ("segment:target=x", "no parameter 'target'"),
        ("segment:ir=0.002", "keeps 3 rows at ir=0.002; 4 are needed: use an ir of at least 0.00202"),
        ("segment:ir=0.5", "has 330 rows, but ir=0.5 needs 990; use an ir of at most 0.1667"),
        ("cifar10:ir=0.25", "has 5,000 rows, but ir=0.25 needs 11250"),
    ],
)
def test_a_bad_spec_is_refused_before_any_data_is_fetched(spec, message):
    with pytest.raises(UsageError, match=message):
        parse_variant(spec, load_card(spec.partition(":")[0]))


def test_one_class_is_no_task():
    table = Table(np.zeros((5, 1)), ("f",), ((),), np.zeros(5, dtype=np.int64), ("only",))
    with pytest.raises(DataError, match="only one class, 'only'"):
        build(table, made.card(), Variant("made"), "0" * 64)
