"""Missing values filled from the whole file look at test rows, and nothing else changes; deleted ones are random."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.impute import SimpleImputer

from imbench import RunRequest
from imbench.contract.protocol import Protocol
from imbench.contract.records import Dataset, Variant
from imbench.data.folds import PARTS, make_folds
from imbench.data.preprocess import apply, fit
from imbench.reproduce.context import ReproductionContext
from imbench.reproduce.imputation import DELETED, compared, filled, punctured

settled = settings(deadline=None, derandomize=True, max_examples=20)
PROTOCOL = Protocol("quick", repeats=2)


def dataset_of(x, kept=None):
    """A variant with these rows of a file, half of them of the minority."""
    rows = np.arange(len(x)) if kept is None else np.asarray(kept)
    return Dataset(
        Variant("made", "binary", 0.5),
        SimpleNamespace(rows=len(x), test_start=len(x), test_per_class=0, name="made", modality="tabular"),
        x[rows].astype(np.float32),
        rows % 2,
        rows,
        tuple("abcdef"[: x.shape[1]]),
        ("numeric",) * x.shape[1],
        ("no", "yes"),
        (1,),
        "hash",
    )


def with_gaps(seed, rows=60, columns=3):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, columns)) * 10
    x[rng.random(x.shape) < 0.2] = np.nan
    x[0] = 1.0  # a column without any value has no mean
    return x


@settled
@given(st.integers(0, 999))
def test_missing_values_take_the_mean_of_the_whole_file_as_scikit_learn_has_it(seed):
    x = with_gaps(seed)
    kept = np.arange(0, 60, 2)
    found = filled(dataset_of(x, kept), dataset_of(x)).x
    expected = SimpleImputer().fit(x.astype(np.float32)).transform(x[kept].astype(np.float32))
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@settled
@given(st.integers(0, 999))
def test_only_missing_values_change_and_folds_and_streams_stay(seed):
    whole = dataset_of(with_gaps(seed))
    after = filled(whole, whole)
    present = ~np.isnan(whole.x)
    assert np.array_equal(after.x[present], whole.x[present])
    assert after.stream_key == whole.stream_key
    for one, other in zip(make_folds(after, PROTOCOL), make_folds(whole, PROTOCOL), strict=True):
        assert all(np.array_equal(getattr(one, part), getattr(other, part)) for part in PARTS)
    assert after.data_hash != whole.data_hash


def test_a_test_row_changes_what_training_rows_are_filled_with_and_never_inside_the_fold():
    x = with_gaps(3)
    whole = dataset_of(x)
    fold = make_folds(whole, PROTOCOL)[0]
    other = x.copy()
    other[fold.test[~np.isnan(x[fold.test, 0])][0], 0] += 1000.0
    moved = dataset_of(other)
    half = np.concatenate([fold.train, fold.validation])
    inside = [apply(d.x[half], fit(d, fold, 5.0)) for d in (whole, moved)]
    outside = [apply(d.x[half], fit(d, fold, 5.0)) for d in (filled(whole, whole), filled(moved, moved))]
    assert np.array_equal(*inside)
    assert not np.array_equal(*outside)


def test_without_missing_values_nothing_changes():
    whole = dataset_of(np.random.default_rng(0).normal(size=(20, 2)))
    assert np.array_equal(filled(whole, whole).x, whole.x)


def test_the_share_deleted_is_as_said_and_the_same_values_go_in_every_variant():
    x = np.random.default_rng(1).normal(size=(4000, 3))
    whole, kept = punctured(dataset_of(x)), np.arange(0, 4000, 3)
    gone = np.isnan(whole.x)
    assert gone.mean() == pytest.approx(DELETED, abs=0.01)
    assert np.array_equal(np.isnan(punctured(dataset_of(x, kept)).x), gone[kept])
    # At random: neither the class nor another column tells what is missing.
    assert abs(np.corrcoef(gone[:, 0], whole.y)[0, 1]) < 0.06
    assert abs(np.corrcoef(gone[:, 0], gone[:, 1])[0, 1]) < 0.06
    assert np.array_equal(whole.x[~gone], x.astype(np.float32)[~gone])


@pytest.mark.data
def test_both_ways_share_rows_and_are_read_again(tmp_path, mirror, monkeypatch):
    monkeypatch.setenv("IMBENCH_CACHE", str(tmp_path / "cache"))
    context = ReproductionContext(RunRequest(store=tmp_path / "store", protocol="smoke", data_mirror=mirror, jobs=1))
    inside, outside = compared(context, "ozone_onehr:ir=0.025", ["baseline"])
    assert inside["rows_hash"].tolist() == outside["rows_hash"].tolist()
    assert (inside["bbs"] != outside["bbs"]).any()
    monkeypatch.setattr("imbench.reproduce.imputation.train", None)  # nothing is trained again
    again = compared(context, "ozone_onehr:ir=0.025", ["baseline"])
    assert again[0].equals(inside)
    assert again[1].equals(outside)


@pytest.mark.data
def test_inside_the_fold_a_store_of_the_benchmark_has_the_same_numbers(tmp_path, mirror, monkeypatch):
    monkeypatch.setenv("IMBENCH_CACHE", str(tmp_path / "cache"))
    context = ReproductionContext(RunRequest(store=tmp_path / "store", protocol="smoke", data_mirror=mirror, jobs=1))
    inside, _ = compared(context, "ozone_onehr:ir=0.025", ["remix"])
    rows = context.train(["remix"], datasets=["ozone_onehr:ir=0.025"]).rows
    assert rows["gmean"].tolist() == inside["gmean"].tolist()
    assert rows["bbs"].tolist() == inside["bbs"].tolist()
