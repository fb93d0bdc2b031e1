"""What is found damaged is set aside and pending again, whoever finds it."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil

import pyarrow as pa
import pytest

from imbench.contract.errors import StoreError
from imbench.report.publish import check_whole
from imbench.store.merge import merge
from imbench.store.parquet import from_parquet, identity_of, to_parquet
from imbench.store.results import load
from imbench.store.store import Store
from tests.made_results import FACTS, fill, job, predictions

MINE, OTHER = job("a", "mixup"), job("a", "remix")

FILES = {"jobs": "jobs/{}.parquet", "predictions": "predictions/{}.parquet"}


def flipped(content):
    middle = len(content) // 3
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


HARMS = {
    "one bit flipped": flipped,
    "truncated": lambda content: content[: len(content) // 2],
    "empty": lambda _: b"",
    "missing": None,
}


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    store = Store.open(tmp_path_factory.mktemp("kept") / "store", create=True)
    fill(store, ["a"], ["mixup", "remix"])
    return store.path


@pytest.fixture
def filled(kept, tmp_path):
    """A store of its own with two finished jobs."""
    return Store.open(shutil.copytree(kept, tmp_path / "store"), create=True)


def damage(store, folder, harm, key=MINE.key):
    file = store.path / FILES[folder].format(key)
    if HARMS[harm] is None:
        file.unlink()
    else:
        file.write_bytes(HARMS[harm](file.read_bytes()))
    return Store.open(store.path)


FINDERS = {
    "run": lambda store, _: store.contents().intact_sources([MINE.key]),
    "status --check": lambda store, _: store.check(),
    "merge": lambda store, folder: merge([store.path], folder / "merged"),
    "publish": lambda store, _: check_whole(store, load(store.path).rows),
}


@pytest.mark.parametrize("harm", HARMS)
@pytest.mark.parametrize("folder", FILES)
@pytest.mark.parametrize("finder", FINDERS)
def test_damage_is_pending_again_whoever_finds_it(kept, filled, tmp_path, finder, folder, harm):
    store = damage(filled, folder, harm)
    # Without its rows a job is as one that was never run.
    unknown = (folder, harm) == ("jobs", "missing")
    with pytest.raises(StoreError) if finder == "publish" and not unknown else contextlib.nullcontext():
        FINDERS[finder](store, tmp_path)
    found = Store.open(store.path)
    assert found.keys() == [OTHER.key]
    if HARMS[harm] is not None:
        aside = store.path / "quarantine" / f"{MINE.key}.{folder}.parquet"
        assert aside.exists()
        assert "is damaged: " in aside.with_suffix(".txt").read_text()
    assert found.status().quarantined == (0 if unknown else 1)
    for name in FILES.values():
        shutil.copy(kept / name.format(MINE.key), store.path / name.format(MINE.key))
    assert found.status().quarantined == 0


def test_a_merge_takes_the_intact_copy_of_another_store(filled, tmp_path):
    other = Store.open(shutil.copytree(filled.path, tmp_path / "other"), create=True)
    damage(filled, "predictions", "one bit flipped")
    done = merge([filled.path, other.path], tmp_path / "into")
    assert (done.jobs, done.damaged) == (2, ((filled.path, 1),))
    assert Store.open(tmp_path / "into").intact_files(MINE.key)


def test_a_store_that_cannot_be_written_says_so_and_is_read(filled, monkeypatch):
    store = damage(filled, "predictions", "one bit flipped")

    def refuse(*_):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(os, "replace", refuse)
    store.check()
    assert store.keys() == [OTHER.key]
    notes = " ".join(load(store.path).notes)
    assert "1 job is omitted because its files" in notes
    assert "1 damaged file cannot be set aside" in notes


def relabelled(store, job_key, /, **labels):
    """Change labels of a job's rows, and seal the file again."""
    file = store.path / "jobs" / f"{job_key}.parquet"
    rows = from_parquet(file.read_bytes(), job_key)
    for name, value in labels.items():
        at = rows.schema.get_field_index(name)
        rows = rows.set_column(at, name, pa.array([value] * rows.num_rows, rows.schema.field(name).type))
    file.write_bytes(to_parquet(rows, identity_of(rows)))
    return Store.open(store.path)


@pytest.mark.parametrize(
    ("label", "value"),
    [
        ("strategy", "remix"),
        ("strategy", "mixup:alpha=0.3"),
        ("strategy_version", "2"),
        ("dataset", "b"),
        ("variant", "ir=0.1"),
        ("task", "multiclass"),
        ("protocol", "quick:epochs=7"),
        ("protocol_fields", json.dumps(OTHER.protocol.identity() | {"epochs": 7})),
        ("data_hash", "e"),
        ("key", OTHER.key),
        ("numbers", 1),
        ("error", "failed"),
        ("repeat", 0),
    ],
)
def test_a_label_that_disagrees_with_the_hashed_identity_is_damage(filled, label, value):
    store = relabelled(filled, MINE.key, **{label: value})
    assert set(store.frame()["key"]) == {OTHER.key}
    note = (store.path / "quarantine" / f"{MINE.key}.jobs.txt").read_text()
    assert label in note or "one for each fold" in note


def test_rows_swapped_between_two_strategies_are_not_read(filled):
    relabelled(filled, MINE.key, strategy="remix")
    store = relabelled(filled, OTHER.key, strategy="mixup")
    assert store.frame().empty
    assert store.status().quarantined == 2


@pytest.mark.parametrize("version", ["1", "1+baseline@1", "2+augment@1+remix@3"])
def test_a_version_may_contain_that_of_an_inner_strategy(store, version):
    one = job(version=version)
    store.write(one, predictions(one), FACTS)
    assert set(Store.open(store.path).frame()["strategy_version"]) == {version}
    assert Store.open(relabelled(store, one.key, strategy_version="1@1").path).keys() == []


def test_parameters_in_a_label_are_those_of_the_identity():
    from imbench.store.labels import _agrees

    values = {"alpha": 0.3, "sizes": [1, 2], "inner": "remix:alpha=0.1,tau=0.5", "on": True, "none": None}
    for spec in ("x", "x:alpha=0.3", "x:sizes=1+2,on=true", "x:inner=(remix:alpha=0.1,tau=0.5),none=None"):
        assert _agrees(spec, "x", values), spec
    for spec in ("y", "x:alpha=0.1", "x:beta=0.3", "x:sizes=1", "x:inner=remix", "x:alpha"):
        assert not _agrees(spec, "x", values), spec


@pytest.mark.parametrize("change", [{"rows": []}, {"identity": None}, {"rows": [{"repeat": "x"}]}, {"rows": [{}] * 4}])
def test_a_failure_that_lacks_something_is_set_aside(store, change):
    store.fail(MINE, "boom", {})
    file = store.path / "failed" / f"{MINE.key}.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    assert store.frame().empty
    assert (store.path / "quarantine" / f"{MINE.key}.failed.txt").exists()


def test_a_failed_record_nested_too_deep_is_set_aside(store):
    (store.path / "failed").mkdir()
    (store.path / "failed" / f"{MINE.key}.json").write_text("[" * 100_000)
    assert store.frame().empty
    assert store.status().quarantined == 1
