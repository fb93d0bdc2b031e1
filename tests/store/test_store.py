"""The store keeps whole jobs, whatever happens to it."""

from __future__ import annotations

import dataclasses
import errno
import io
import json
import os
import pickle
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from imbench.contract.errors import StoreError, UsageError
from imbench.scoring.columns import ORIGIN
from imbench.scoring.metrics import METRICS, score
from imbench.scoring.rules import ARGMAX, RULES
from imbench.store import parquet
from imbench.store.marker import MARKER, STORE_SCHEMA
from imbench.store.parquet import DamagedError, from_parquet
from imbench.store.store import Store
from tests.made_results import FACTS, fill, job, predictions

LEADING = [
    *("dataset", "variant", "task", "ir", "strategy", "protocol", "repeat", "fold", "draw", "train_seed"),
    *("n_train", "n_test", "seconds"),
]
ZERO = ["zero_recall", *(f"zero_recall@{rule}" for rule in RULES if rule != ARGMAX)]
EXPOSURE = ["empty_batches", "minority_rows", "minority_rows_trained", "prior_inexact", "fallback_share"]
RECALIBRATION = ["recalibrated_by", "recalibration_slope"]
TRAINED = ["epochs", "steps", "floor_epoch", "loss", *ZERO, "absent", "absent_validation", *EXPOSURE, *RECALIBRATION]
TRAILING = [
    *TRAINED,
    "key",
    "data_hash",
    "rows_hash",
    "strategy_version",
    "kind",
    *ORIGIN,
    "schema",
    "numbers",
    "error",
]


def files(store):
    return sorted(str(file.relative_to(store.path)) for file in store.path.rglob("*") if file.is_file())


def test_a_job_is_a_row_for_each_fold_with_every_metric(store):
    one = job()
    folds = predictions(one)
    store.write(one, folds, FACTS)
    frame = store.frame()
    metrics = [*METRICS, "recall[0]", "recall[1]", "brier[0]", "brier[1]"]
    others = [name for name in frame.columns if "@" in name or name.startswith(("tuned_weight", "train_prior"))]
    assert [name for name in frame.columns if name not in others or name in ZERO] == [
        *LEADING,
        *metrics,
        *TRAILING,
        "protocol_fields",
        "trial",
        "trial_strategy",
        "trial_protocol",
        "imbench",
        "threads",
    ]
    assert frame[["repeat", "fold"]].to_numpy().tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]
    for row, fold in zip(frame.to_dict("records"), folds, strict=True):
        assert {m: row[m] for m in metrics} == score(fold.test.y, fold.test.proba)
    row = frame.iloc[0]
    assert (row["dataset"], row["variant"], row["ir"], row["strategy"]) == ("segment", "ir=0.05", 0.05, "remix")
    assert (row["n_train"], row["n_test"], row["seconds"], row["loss"]) == (14, 20, 0.25, 0.1 + 0.2)
    assert (row["key"], row["error"], row["threads"]) == (one.key, "", 1)
    assert frame["floor_epoch"].to_numpy() == pytest.approx([2, np.nan, 2, np.nan], nan_ok=True)


@pytest.mark.parametrize("classes", [2, 3])
def test_predictions_come_back_bit_for_bit(store, classes):
    one = job()
    given = predictions(one, classes=classes)
    store.write(one, list(reversed(given)), FACTS)
    for found, fold in zip(store.predictions(one.key), given, strict=True):
        for field in dataclasses.fields(fold):
            a, b = getattr(found, field.name), getattr(fold, field.name)
            if field.name == "exposure":
                for part in dataclasses.fields(b):
                    np.testing.assert_array_equal(getattr(a, part.name), getattr(b, part.name))
            elif field.name in ("validation", "test"):
                assert b.proba.dtype == a.proba.dtype == np.float32
                np.testing.assert_array_equal(a.proba, b.proba)
                np.testing.assert_array_equal(a.rows, b.rows)
                np.testing.assert_array_equal(a.y, b.y)
            else:
                np.testing.assert_array_equal(a, b)


def test_folds_with_a_missing_class_say_so(store):
    one = job(task="multiclass")
    folds = predictions(one, classes=3)
    test = folds[0].test
    keep = test.y != 1
    proba = np.eye(3, dtype=np.float32)[np.zeros(keep.sum(), dtype=int)]
    cut = dataclasses.replace(test, rows=test.rows[keep], y=test.y[keep], proba=proba)
    store.write(one, [dataclasses.replace(folds[0], test=cut), *folds[1:]], FACTS)
    first = store.frame().iloc[0]
    assert (first["absent"], first["zero_recall"]) == ("1", 1)
    assert np.isnan(first["recall[1]"])


def test_equal_work_gives_equal_frames_in_any_order(tmp_path):
    frames = []
    for name, strategies in (("one", ["mixup", "remix"]), ("two", ["remix", "mixup"])):
        store = Store.open(tmp_path / name, create=True)
        for dataset in ("b", "a"):
            for strategy in strategies:
                one = job(dataset, strategy)
                store.write(one, predictions(one), FACTS)
        frames.append(store.frame())
    pd.testing.assert_frame_equal(*frames, check_exact=True)


def test_a_subset_of_keys_can_be_read(store):
    fill(store, ["a"], ["mixup", "remix"])
    assert set(store.frame([job("a", "mixup").key])["strategy"]) == {"mixup"}


def test_the_rows_hash_tells_which_rows_were_trained_on(store):
    one, other = job("a"), job("b")
    folds = predictions(one)
    first = folds[0]
    swapped = dataclasses.replace(first.validation, rows=first.validation.rows[::-1])
    store.write(one, folds, FACTS)
    store.write(other, [dataclasses.replace(first, validation=swapped), *folds[1:]], FACTS)
    frame = store.frame()
    assert frame["rows_hash"].nunique() == 4, "the order of rows does not matter, the fold does"


def test_stores_are_merged_by_copying_their_files(tmp_path):
    one, two = (Store.open(tmp_path / name, create=True) for name in ("one", "two"))
    fill(one, ["a"], ["mixup"])
    fill(two, ["a"], ["remix"], task="multiclass")
    for file in files(two):
        if "/" in file:
            (one.path / file).write_bytes((two.path / file).read_bytes())
    assert set(one.frame()["strategy"]) == {"mixup", "remix"}


def test_a_failed_job_is_rows_with_its_error_until_it_succeeds(store):
    one = job()
    store.fail(one, "the net diverged", {"threads": 1})
    frame = store.frame()
    assert len(frame) == 4
    assert set(frame["error"]) == {"the net diverged"}
    assert frame[list(METRICS)].isna().all(axis=None)
    assert not store.has(one.key)
    assert store.status().failed == 1
    store.write(one, predictions(one), FACTS)
    assert set(store.frame()["error"]) == {""}
    assert (store.status().failed, store.status().done) == (0, 1)
    assert not list((store.path / "failed").iterdir())


def test_a_success_hides_a_failure_that_was_copied_in(store):
    one = job()
    store.write(one, predictions(one), FACTS)
    store.fail(one, "elsewhere it failed", {})
    assert set(store.frame()["error"]) == {""}


def test_facts_of_different_kinds_live_together(store):
    for dataset, threads in (("a", 1), ("b", "all"), ("c", None)):
        one = job(dataset)
        store.write(one, predictions(one), {"threads": threads})
    assert store.frame().groupby("dataset")["threads"].first().tolist()[:2] == ["1", "all"]


@pytest.mark.parametrize("facts", [{"gmean": 1.0}, {"recall[0]": 1.0}, {"dataset": "x"}, {"versions": ["1"]}])
def test_facts_that_are_not_new_plain_columns_are_refused(store, facts):
    with pytest.raises(ValueError, match=next(iter(facts)).replace("[", r"\[")):
        store.write(job(), predictions(job()), facts)
    assert files(store) == [MARKER]


def test_a_job_is_stored_whole_or_not_at_all(store):
    folds = predictions(job())
    for wrong in (folds[:-1], [*folds, folds[0]], [*folds[:-1], folds[0]]):
        with pytest.raises(ValueError, match="4 folds"):
            store.write(job(), wrong, FACTS)
    assert files(store) == [MARKER]


def test_a_diverged_net_is_an_error_and_no_row(store):
    folds = predictions(job())
    folds[2].test.proba[3] = np.nan
    with pytest.raises(UsageError, match="row 3 is not finite"):
        store.write(job(), folds, FACTS)
    assert files(store) == [MARKER]


def damaged_copies(content):
    middle = len(content) // 3
    return {
        "cut short": content[: len(content) // 2],
        "cut by a byte": content[:-1],
        "empty": b"",
        "a few bytes": b"PAR1PAR1",
        "not Parquet": b"hello" * 100,
        "one bit flipped": content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :],
    }


@pytest.mark.parametrize("kind", damaged_copies(b"0123456789"))
def test_damaged_rows_are_set_aside_and_the_job_is_redone(store, kind):
    fill(store, ["a", "b"], ["remix"])
    key = job("a", "remix").key
    file = store.path / "jobs" / f"{key}.parquet"
    file.write_bytes(damaged_copies(file.read_bytes())[kind])
    store = Store.open(store.path, create=True)
    assert set(store.frame()["dataset"]) == {"b"}
    assert not store.has(key)
    assert not file.exists()
    assert store.status().quarantined == 1
    fill(store, ["a"], ["remix"])
    assert store.has(key)
    assert store.status().quarantined == 0


@pytest.mark.parametrize("kind", ["cut short", "cut by a byte", "empty", "a few bytes", "not Parquet"])
def test_predictions_cut_short_make_a_job_undone(store, kind):
    fill(store, ["a", "b"], ["remix"])
    key = job("a", "remix").key
    file = store.path / "predictions" / f"{key}.parquet"
    file.write_bytes(damaged_copies(file.read_bytes())[kind])
    assert store.keys() == [job("b", "remix").key]
    assert set(store.frame()["dataset"]) == {"b"}
    assert (store.path / "quarantine" / f"{key}.predictions.parquet").exists()


def test_damage_inside_predictions_is_found_when_they_are_read(store):
    fill(store, ["a"], ["remix"])
    key = job("a", "remix").key
    file = store.path / "predictions" / f"{key}.parquet"
    content = file.read_bytes()
    file.write_bytes(content[:100] + bytes(100) + content[200:])
    with pytest.raises(StoreError, match="damaged and moved to quarantine/; run the job again"):
        store.predictions(key)
    assert not store.has(key)


@pytest.mark.parametrize("folder", ["jobs", "predictions"])
def test_no_flipped_bit_changes_what_is_read(store, folder):
    fill(store, ["a"], ["remix"])
    key = job("a", "remix").key
    content = (store.path / folder / f"{key}.parquet").read_bytes()
    whole = from_parquet(content, key)
    unnoticed = 0
    for at in range(0, len(content), 23):
        flipped = content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]
        try:
            table = from_parquet(flipped, key)
        except DamagedError:
            continue
        assert table.schema.equals(whole.schema, check_metadata=True), f"byte {at} of {len(content)}"
        # pandas takes a NaN for equal to a NaN.
        assert table.to_pandas().equals(whole.to_pandas()), f"byte {at} of {len(content)}"
        unnoticed += 1
    # Page statistics and the like are read by nobody.
    assert unnoticed < len(content) / 23 / 2


def test_damage_that_comes_after_a_look_is_found_at_the_next(store):
    fill(store, ["a"], ["remix"])
    key = job("a", "remix").key
    assert store.has(key)
    os.truncate(store.path / "jobs" / f"{key}.parquet", 100)
    assert not store.has(key)


def test_a_file_under_another_jobs_name_is_set_aside(store):
    fill(store, ["a"], ["mixup", "remix"])
    mine, other = (store.path / "jobs" / f"{job('a', s).key}.parquet" for s in ("mixup", "remix"))
    mine.write_bytes(other.read_bytes())
    assert set(store.frame()["strategy"]) == {"remix"}


def test_a_damaged_failure_is_set_aside(store):
    store.fail(job(), "boom", {})
    (store.path / "failed" / f"{job().key}.json").write_text('{"rows": [')
    assert store.frame().empty


def test_rows_without_predictions_are_not_done(store):
    fill(store, ["a"], ["remix"])
    (store.path / "predictions" / f"{job('a', 'remix').key}.parquet").unlink()
    assert not store.keys()
    assert store.frame().empty


def test_the_identity_of_a_job_is_in_both_of_its_files(store):
    fill(store, ["a"], ["remix"])
    for folder in ("jobs", "predictions"):
        metadata = pq.read_metadata(store.path / folder / f"{job('a', 'remix').key}.parquet").metadata
        assert json.loads(metadata[b"imbench.identity"]) == job("a", "remix").identity()


def test_rows_are_renamed_into_place_after_their_predictions_and_each_after_its_sync(store, monkeypatch):
    done = []
    sync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (done.append("sync"), sync(handle)))
    monkeypatch.setattr(os, "replace", lambda a, b: (done.append(Path(b).parent.name), replace(a, b)))
    store.write(job(), predictions(job()), FACTS)
    assert done == ["sync", "predictions", "sync", "sync", "jobs", "sync"]


def test_many_writers_of_one_job_do_no_harm(store):
    folds = predictions(job())
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: store.write(job(), folds, FACTS), range(24)))
    assert len(store.frame()) == 4
    assert len(files(store)) == 3


def no_space(*_, **__):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_full_disk_is_an_error_that_names_the_folder_and_loses_nothing(store, monkeypatch, call):
    fill(store, ["a"], ["remix"])
    before, frame = files(store), store.frame()
    with monkeypatch.context() as full:
        full.setattr(os, call, no_space)
        with pytest.raises(StoreError, match=rf"no space left in {store.path}.*run again"):
            fill(store, ["b"], ["remix"])
    assert files(store) == before
    pd.testing.assert_frame_equal(store.frame(), frame)


@pytest.mark.skipif(sys.platform != "linux", reason="file size limits are asked of Linux")
def test_a_write_that_the_system_stops_midway_leaves_nothing(store):
    fill(store, ["a"], ["remix"])
    before = files(store)
    script = f"""
import resource, signal
from imbench.contract.errors import StoreError
from imbench.store.store import Store
from tests.made_results import fill
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1500, 1500))
try:
    fill(Store({str(store.path)!r}), ["b"], ["remix"])
except StoreError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert str(store.path) in done.stdout
    assert files(store) == before


def test_a_process_killed_in_mid_write_leaves_a_file_that_the_next_run_removes(store):
    fill(store, ["a"], ["remix"])
    before = files(store)
    script = f"""
import os, signal
from imbench.store.store import Store
from tests.made_results import fill
calls = []
def killed(handle):
    calls.append(handle)
    if len(calls) == 3:  # the predictions and their folder are synced, the rows not yet
        os.kill(os.getpid(), signal.SIGKILL)
os.fsync = killed
fill(Store({str(store.path)!r}), ["b"], ["remix"])
"""
    killed = subprocess.run([sys.executable, "-c", script], check=False)
    assert killed.returncode == -9
    left = [file for file in files(store) if file.endswith(".tmp")]
    assert len(left) == 1
    store = Store.open(store.path, create=True)
    assert not [file for file in files(store) if file.endswith(".tmp")]
    assert store.keys() == [job("a", "remix").key]
    assert set(before) <= set(files(store))


def test_a_living_writers_temporary_file_stays_and_an_old_one_goes(store, monkeypatch):
    names = []
    monkeypatch.setattr(os, "replace", lambda a, _: names.append(Path(a)))
    store.write(job(), predictions(job()), FACTS)
    monkeypatch.undo()
    mine, elsewhere = names[0], store.path / "jobs" / ".x.parquet~otherhost~999999999~0123abcd.tmp"
    old = store.path / "jobs" / ".y.parquet~otherhost~1~0123abcd.tmp"
    for file in (mine, elsewhere, old):
        file.write_bytes(b"part")
    two_days_ago = time.time() - 2 * 24 * 3600
    os.utime(old, (two_days_ago, two_days_ago))
    Store.open(store.path, create=True)
    assert [file.exists() for file in (mine, elsewhere, old)] == [True, True, False]


def test_a_folder_that_is_something_else_is_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    for create in (True, False):
        with pytest.raises(StoreError, match=r"(is not|nor) an imbench store"):
            Store.open(tmp_path, create=create)
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_folder_where_the_first_run_was_killed_may_be_begun_again(tmp_path):
    (tmp_path / f".{MARKER}~otherhost~1~0123abcd.tmp").write_text("{")
    assert Store.open(tmp_path, create=True).keys() == []


def test_reading_makes_no_store(tmp_path):
    with pytest.raises(StoreError, match="is not an imbench store"):
        Store.open(tmp_path / "none")
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("below", ["", "deeper/store"])
def test_a_file_in_the_place_of_a_folder_is_named(tmp_path, below):
    file = tmp_path / "file"
    file.write_text("x")
    with pytest.raises(StoreError, match=str(file)):
        Store.open(file / below, create=True)


def test_a_folder_that_cannot_be_written_is_found_before_any_work(store, monkeypatch):
    def denied(*_, **__):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(os, "replace", denied)
    with pytest.raises(StoreError, match=f"cannot write in {store.path}: Permission denied"):
        Store.open(store.path, create=True)
    Store.open(store.path)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_found_before_any_work(store):
    store.path.chmod(0o500)
    with pytest.raises(StoreError, match="cannot write in"):
        Store.open(store.path, create=True)


@pytest.mark.parametrize(
    ("marker", "message"),
    [
        (json.dumps({"schema": STORE_SCHEMA + 1}), "install a newer imbench"),
        (json.dumps({"schema": "x"}), "install a newer imbench"),
        ("{}", "does not state the schema of the store"),
        ("{", "does not state the schema of the store"),
    ],
)
@pytest.mark.parametrize("create", [True, False])
def test_a_store_of_another_schema_is_refused(store, marker, message, create):
    (store.path / MARKER).write_text(marker)
    with pytest.raises(StoreError, match=message):
        Store.open(store.path, create=create)


@pytest.mark.parametrize("known", ["NUMBERS_VERSION", "ROWS_SCHEMA"])
def test_results_of_a_newer_schema_are_refused_and_kept(store, monkeypatch, known):
    fill(store, ["a"], ["remix"])
    before = files(store)
    monkeypatch.setattr(parquet, known, 0)
    with pytest.raises(StoreError, match="install a newer imbench"):
        store.frame()
    assert files(store) == before


def test_a_disk_error_while_reading_sets_nothing_aside(store, monkeypatch):
    fill(store, ["a"], ["remix"])
    before = files(store)

    class Broken(io.FileIO):
        def readall(self):
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr("imbench.store.store.open", lambda file, mode, buffering: Broken(file, mode), raising=False)
    with pytest.raises(StoreError, match="cannot read"):
        store.frame()
    assert files(store) == before


def test_an_empty_store_has_all_columns_and_a_size(store):
    frame = store.frame()
    assert frame.empty
    assert set(LEADING + TRAILING) <= set(frame.columns)
    status = store.status()
    assert (status.done, status.failed, status.quarantined) == (0, 0, 0)
    assert status.bytes == (store.path / MARKER).stat().st_size


def test_a_store_travels_to_workers(store):
    assert pickle.loads(pickle.dumps(store)) == store


def test_scores_boards_stores_and_reports_need_no_torch():
    script = """
import sys
sys.modules["torch"] = None
import pkgutil, importlib
for room in ("scoring", "stats", "store", "report", "data"):
    package = importlib.import_module(f"imbench.{room}")
    for module in pkgutil.walk_packages(package.__path__, f"imbench.{room}."):
        importlib.import_module(module.name)
from imbench.scoring.metrics import score
print(score([0, 1], [[1, 0], [0, 1]])["gmean"])
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.returncode) == ("1.0", 0), done.stderr
