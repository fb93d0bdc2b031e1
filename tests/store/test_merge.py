"""Merging stores: a union by key, whatever the grouping, and never a silent choice between numbers."""

from __future__ import annotations

import dataclasses
import itertools
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imbench.contract.errors import StoreError, UsageError
from imbench.store.marker import MARKER
from imbench.store.merge import ConflictError, LeftOut, merge
from imbench.store.store import Store
from tests.made_results import FACTS, fill, job, predictions
from tests.store.test_old_stores import FIRST

JOBS = [job("a", "baseline"), job("a", "remix")]


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    """Stores of one job each to take files from: the same numbers, but seconds and threads that differ."""
    stores = {}
    for copy in (0, 1):
        for number, one in enumerate(JOBS):
            store = Store.open(tmp_path_factory.mktemp("shelf") / "s", create=True)
            folds = [dataclasses.replace(p, seconds=1.0 + copy) for p in predictions(one, seed=number)]
            store.write(one, folds, FACTS | {"threads": copy})
            stores[number, copy] = store.path
    return stores


def assembled(folder, shelf, chosen, failed=()):
    """A store of these jobs, put together by copying files."""
    store = Store.open(folder, create=True)
    for number, copy in chosen.items():
        for kind in ("jobs", "predictions"):
            (folder / kind).mkdir(exist_ok=True)
            name = f"{JOBS[number].key}.parquet"
            shutil.copy(shelf[number, copy] / kind / name, folder / kind / name)
    for number in failed:
        store.fail(JOBS[number], f"failed in {folder.name}", {})
    return folder


def content(folder):
    """What a store holds: bytes by file, without hidden files."""
    return {str(f.relative_to(folder)): f.read_bytes() for f in sorted(folder.rglob("*")) if f.is_file()}


STORES = st.tuples(
    st.dictionaries(st.integers(0, 1), st.integers(0, 1)),
    st.sets(st.integers(0, 1)),
)


@settings(max_examples=12, deadline=None)
@given(STORES, STORES, STORES)
def test_merging_is_associative_and_idempotent(shelf, a, b, c):
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)  # what a crash would leave is tested elsewhere, and slow
        root = Path(name)
        one, two, three = (assembled(root / n, shelf, *parts) for n, parts in zip("abc", (a, b, c), strict=True))
        left = merge([merge([one, two], root / "ab").into, three], root / "left").into
        right = merge([one, merge([two, three], root / "bc").into], root / "right").into
        flat = merge([one, two, three], root / "flat").into
        assert content(left) == content(right) == content(flat)
        again = merge([flat, one], root / "flat")
        assert content(flat) == content(left)
        assert (again.added, again.replaced) == (0, 0)
        union = {number for part in (a, b, c) for number in part[0]}
        assert set(Store.open(flat).keys()) == {JOBS[number].key for number in union}


def test_a_merged_store_has_the_rows_of_both(tmp_path):
    for name, strategies in (("one", ["mixup", "remix"]), ("two", ["remix", "baseline"]), ("all", None)):
        store = Store.open(tmp_path / name, create=True)
        fill(store, ["a", "b"], ["remix"])
        for strategy in strategies or ["mixup", "baseline"]:
            if strategy != "remix":
                one = job("a", strategy)
                store.write(one, predictions(one), FACTS)
    done = merge([tmp_path / "one", tmp_path / "two"], tmp_path / "both")
    assert (done.jobs, done.added, done.replaced, done.failed) == (4, 4, 0, 0)
    pd.testing.assert_frame_equal(Store.open(tmp_path / "both").frame(), Store.open(tmp_path / "all").frame())


@pytest.fixture
def disputed(tmp_path):
    """Two stores that agree on one job and not on another."""
    for name, seed in (("one", 1), ("two", 2)):
        store = Store.open(tmp_path / name, create=True)
        store.write(job("a"), predictions(job("a")), FACTS)
        store.write(job("b"), predictions(job("b"), seed=seed), FACTS)
    return tmp_path / "one", tmp_path / "two"


def test_other_numbers_of_one_job_are_reported_and_nothing_is_merged(disputed, tmp_path):
    with pytest.raises(ConflictError, match=r"b:ir=0.05 with remix under quick.*one and .*two differ") as refused:
        merge(disputed, tmp_path / "into")
    assert [conflict.key for conflict in refused.value.conflicts] == [job("b").key]
    assert not (tmp_path / "into").exists()


@pytest.mark.parametrize("winner", [0, 1])
def test_the_preferred_store_wins_a_conflict(disputed, tmp_path, winner):
    done = merge(disputed, tmp_path / "into", prefer=[disputed[winner]])
    assert [conflict.key for conflict in done.conflicts] == [job("b").key]
    pd.testing.assert_frame_equal(Store.open(done.into).frame(), Store.open(disputed[winner]).frame())


@pytest.mark.parametrize("winner", [0, 1])
def test_a_preference_counts_what_it_leaves_out(disputed, tmp_path, winner):
    done = merge(disputed, tmp_path / "into", prefer=[disputed[winner]])
    assert done.left_out == (LeftOut(disputed[1 - winner], "remix (version 1)", 1, 0),)
    assert merge(disputed[:1], tmp_path / "alone", prefer=[disputed[0]]).left_out == ()


def test_jobs_of_another_source_are_counted_by_store_and_strategy(tmp_path):
    made = {"one": ("x", "a"), "two": ("y", "ab"), "three": ("z", "c")}
    for name, (source, datasets) in made.items():
        store = Store.open(tmp_path / name, create=True)
        for dataset, strategy in itertools.product(datasets, ("remix", "mixup")):
            of = job(dataset, strategy)
            store.write(of, predictions(of), FACTS | {"source_hash": source if strategy == "remix" else "same"})
    done = merge([tmp_path / name for name in made], tmp_path / "into", prefer=[tmp_path / "one"])
    assert done.jobs == 4  # mixup of a, b and c, and remix of a
    assert done.left_out == (
        LeftOut(tmp_path / "two", "remix (version 1)", 2, 1),
        LeftOut(tmp_path / "three", "remix (version 1)", 1, 1),
    )


def test_a_preferred_store_decides_what_it_holds_and_no_more(disputed, tmp_path):
    third = Store.open(tmp_path / "third", create=True)
    third.write(job("a"), predictions(job("a")), FACTS)
    with pytest.raises(ConflictError):
        merge([*disputed, third.path], tmp_path / "into", prefer=[third.path])


def test_a_store_to_prefer_must_be_one_of_those_merged(disputed, tmp_path):
    with pytest.raises(UsageError, match=r"--prefer .*nowhere is not among the stores to merge"):
        merge(disputed, tmp_path / "into", prefer=[tmp_path / "nowhere"])


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda p: dataclasses.replace(p, loss=0.5), "loss 0.30000000000000004 and 0.5"),
        (lambda p: dataclasses.replace(p, epochs=4), "epochs 3 and 4"),
        (
            lambda p: dataclasses.replace(
                p, validation=dataclasses.replace(p.validation, proba=p.validation.proba[:, ::-1])
            ),
            "validation probabilities, by up to",
        ),
    ],
)
def test_what_differs_is_named(tmp_path, change, named):
    folds = predictions(job())
    for name, given_folds in (("one", folds), ("two", [*folds[:3], change(folds[3])])):
        Store.open(tmp_path / name, create=True).write(job(), given_folds, FACTS)
    with pytest.raises(ConflictError, match=f"repeat 1, fold 1: {named}"):
        merge([tmp_path / "one", tmp_path / "two"], tmp_path / "into")


def test_times_and_hardware_are_no_conflict(shelf, tmp_path):
    done = merge([shelf[0, 0], shelf[0, 1]], tmp_path / "into")
    assert done.conflicts == ()
    assert set(Store.open(done.into).frame()["seconds"]) == {1.0}, "the first copy is taken"


def test_a_job_done_anywhere_is_done(shelf, tmp_path):
    failed = assembled(tmp_path / "failed", shelf, {}, failed=[0, 1])
    done = merge([failed, shelf[0, 0]], tmp_path / "into")
    assert (done.jobs, done.failed) == (1, 1)
    assert set(Store.open(done.into).frame()["error"]) == {"", "failed in failed"}


def test_a_store_may_be_merged_into_itself(shelf, tmp_path):
    mine = assembled(tmp_path / "mine", shelf, {0: 0})
    done = merge([shelf[1, 0]], mine)
    assert (done.jobs, done.added) == (2, 1)


def test_a_damaged_file_does_not_spread_and_is_counted(shelf, tmp_path):
    broken = assembled(tmp_path / "broken", shelf, {0: 0})
    file = broken / "predictions" / f"{JOBS[0].key}.parquet"
    content = file.read_bytes()
    file.write_bytes(content[:100] + bytes(100) + content[200:])
    done = merge([broken], tmp_path / "into")
    assert (done.jobs, done.damaged) == (0, ((broken, 1),))
    assert Store.open(tmp_path / "into").keys() == []


def test_a_folder_that_is_no_store_is_named(tmp_path):
    with pytest.raises(StoreError, match="is not an imbench store"):
        merge([tmp_path / "none"], tmp_path / "into")
    assert not (tmp_path / "into" / MARKER).exists()


def test_the_copy_of_the_newer_schema_is_taken(tmp_path):
    old = shutil.copytree(FIRST, tmp_path / "old")
    rewritten = Store.open(tmp_path / "new", create=True)
    again = merge([old], rewritten.path)
    assert (again.jobs, again.added) == (6, 6)
    (old / "notes.json").unlink()  # which stores had before reports derived what they say
    assert content(old) == {n: c for n, c in content(rewritten.path).items() if not n.startswith(("derived", "failed"))}


def test_equal_numbers_make_equal_predictions_whatever_the_grouping(shelf, tmp_path):
    done = merge([shelf[0, 0], shelf[1, 1]], tmp_path / "into")
    store = Store.open(done.into)
    for number, one in enumerate(JOBS):
        for found, given_fold in zip(store.predictions(one.key), predictions(one, seed=number), strict=True):
            np.testing.assert_array_equal(found.test.proba, given_fold.test.proba)


def made_by(folder, sources):
    """A store of ReMix on datasets by their names, each with the hash of the source that trained it."""
    store = Store.open(folder, create=True)
    for dataset, source in sources.items():
        one = job(dataset, "remix")
        store.write(one, predictions(one), FACTS | {"source_hash": source * 64})
    return store.path


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))), ids=str)
def test_two_sources_of_a_strategy_are_a_conflict_whatever_the_order_of_the_stores(tmp_path, order):
    stores = [
        made_by(tmp_path / "one", {"a": "1"}),
        made_by(tmp_path / "two", {"b": "2"}),
        made_by(tmp_path / "both", {"a": "1", "b": "2"}),
    ]
    with pytest.raises(ConflictError, match="1 strategy"):
        merge([stores[i] for i in order], tmp_path / "merged")
    assert not (tmp_path / "merged").exists()
