"""Long-tailed variants and official test parts."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from imbench.contract.errors import DataError
from imbench.contract.protocol import Protocol
from imbench.contract.records import Card, Task, Variant
from imbench.data.cards import load_card
from imbench.data.folds import fold_hash, make_folds
from imbench.data.suites import load_suite
from imbench.data.variants import build, expected_counts, parse_variant
from imbench.runs.protocols import load_protocol
from tests.data import made

# As printed in the field's papers and code for an imbalance factor of 100.
CIFAR_10_LT = (5000, 2997, 1796, 1077, 645, 387, 232, 139, 83, 50)
# Images of CIFAR-10-LT and CIFAR-100-LT in all, by imbalance factor.
TOTALS = {
    ("cifar10_lt", 100): 12406,
    ("cifar10_lt", 10): 20431,
    ("cifar100_lt", 100): 10847,
    ("cifar100_lt", 10): 19573,
}


def cao_et_al(img_max: int, cls_num: int, imb_factor: float) -> list[int]:
    """The profile as the code published with Cao et al. (2019) computes it."""
    return [int(img_max * (imb_factor ** (i / (cls_num - 1.0)))) for i in range(cls_num)]


def counts_of(spec: str) -> tuple[int, ...]:
    card = load_card(spec.partition(":")[0])
    return expected_counts(card, parse_variant(spec, card))


def test_cifar_10_lt_has_the_published_counts():
    assert counts_of("cifar10_lt:ir=0.01") == CIFAR_10_LT


@pytest.mark.parametrize(("name", "factor"), TOTALS)
def test_long_tailed_sets_have_the_published_sizes(name, factor):
    assert sum(counts_of(f"{name}:ir={1 / factor}")) == TOTALS[name, factor]


@pytest.mark.parametrize(("name", "most", "classes"), [("cifar10_lt", 5000, 10), ("cifar100_lt", 500, 100)])
@pytest.mark.parametrize("factor", [10, 50, 100])
def test_every_class_has_the_rows_that_cao_et_al_give_it(name, most, classes, factor):
    assert list(counts_of(f"{name}:ir={1 / factor}")) == cao_et_al(most, classes, 1 / factor)


def long_tailed(classes: int, rows: int, tested: int) -> tuple:
    """A table whose last rows, ``tested`` of each class, are its official test part, and its card."""
    table = made.table([rows - tested] * classes)
    test = made.table([tested] * classes, seed=1)
    x, y = np.concatenate([table.x, test.x]), np.concatenate([table.y, test.y])
    table = type(table)(x, table.names, table.categories, y, table.labels)
    task = Task("multiclass", table.labels[1:], (), longtail=True)
    card = Card("made", "made", "tabular", "target", len(x), 2, 0, table.class_counts, (task,), test_per_class=tested)
    return table, card


def made_variant(ir: float | None, classes=4, rows=60, tested=10, seed=0):
    table, card = long_tailed(classes, rows, tested)
    return build(table, card, Variant("made", "multiclass", ir, seed), "0" * 64)


@given(ir=st.floats(0.09, 0.99), classes=st.integers(2, 6), tested=st.integers(1, 20))
def test_the_test_part_is_whole_and_the_rest_decays_from_the_first_class(ir, classes, tested):
    assume(int(50 * ir) >= 4)
    dataset = made_variant(ir, classes, 50 + tested, tested)
    assert dataset.class_counts.tolist() == cao_et_al(50, classes, ir)
    assert tuple(dataset.class_counts) == expected_counts(dataset.card, dataset.variant)
    assert np.bincount(dataset.y[dataset.official_test]).tolist() == [tested] * classes
    assert dataset.rows[dataset.official_test].tolist() == list(range(50 * classes, (50 + tested) * classes))
    assert dataset.minority == tuple(range(1, classes))
    assert dataset.ir == dataset.class_counts.min() / 50


def test_a_longer_tail_is_made_of_rows_of_a_shorter_one_and_a_seed_draws_others():
    assert set(made_variant(0.1).rows) < set(made_variant(0.5).rows)
    assert set(made_variant(0.1).rows) != set(made_variant(0.1, seed=1).rows)


OFFICIAL = Protocol(folds=1, repeats=3, validation=0.2)


def test_one_fold_trains_on_the_training_part_and_tests_on_the_official_one():
    dataset = made_variant(0.2)
    folds = make_folds(dataset, OFFICIAL)
    assert [(f.repeat, f.fold) for f in folds] == [(0, 0), (1, 0), (2, 0)]
    for fold in folds:
        assert fold.test.tolist() == np.flatnonzero(dataset.official_test).tolist()
        rest = np.sort(np.concatenate([fold.train, fold.validation]))
        assert rest.tolist() == np.flatnonzero(~dataset.official_test).tolist()
        assert (np.bincount(dataset.y[fold.train], minlength=4) >= 1).all()
        held_out = np.bincount(dataset.y[fold.validation], minlength=4)
        assert (np.abs(held_out - 0.2 * dataset.class_counts) <= 1).all()
    assert folds[0].validation.tolist() != folds[1].validation.tolist()
    assert fold_hash(dataset, folds) == fold_hash(dataset, make_folds(dataset, OFFICIAL))


def test_several_folds_cross_validate_the_training_part_and_never_touch_the_official_test_rows():
    dataset = made_variant(0.2)
    folds = make_folds(dataset, Protocol(repeats=1, folds=2))
    seen = np.concatenate([part for f in folds for part in (f.train, f.validation, f.test)])
    assert set(seen) == set(np.flatnonzero(~dataset.official_test))
    assert sum(len(f.test) for f in folds) == len(set(seen))


def test_one_fold_of_a_dataset_without_a_test_part_is_refused():
    with pytest.raises(DataError, match="folds=1 needs an official test part, which this dataset lacks; use 2 or more"):
        make_folds(made.dataset([30, 100]), Protocol(folds=1))


def test_the_longtail_suite_follows_the_field():
    suite = load_suite("longtail")
    rules = load_protocol(suite.protocol)
    assert len(suite.entries) == 6
    for entry in suite.entries:
        card = load_card(entry.spec.partition(":")[0])
        variant = parse_variant(entry.spec, card)
        resolved = rules.for_dataset(variant.dataset, variant.task, card.modality)
        assert (resolved.folds, resolved.repeats, resolved.batch_size) == (1, 3, 128)
        assert round(1 / variant.ir) in (10, 50, 100)
    assert counts_of("cifar10_lt") == (5000,) * 10


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("longtail = true\nminority = ['b']", "longtail requires name = 'multiclass' and no minority"),
        ("", "lacks the field 'minority'; add a list of classes, or longtail = true"),
    ],
)
def test_a_card_says_either_a_minority_or_a_long_tail(tmp_path, change, message):
    text = 'title = "t"\ntarget = "y"\nrows = 30\nfeatures = 2\n{}[class_counts]\na = 20\nb = 10\n'
    task = f'[[task]]\nname = "multiclass"\n{change}\n'
    (tmp_path / "mine.toml").write_text(text.format("") + task)
    with pytest.raises(DataError, match=message):
        load_card(str(tmp_path / "mine.toml"))
    (tmp_path / "mine.toml").write_text(
        text.format("test_per_class = 10\n") + "[[task]]\nname = 'multiclass'\nlongtail = true"
    )
    with pytest.raises(DataError, match="test_per_class must lie between 0 and the rows of the smallest class, got 10"):
        load_card(str(tmp_path / "mine.toml"))
