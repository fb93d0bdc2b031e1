"""The index is never trusted over the files: with it, without it or with any other, a store reads alike."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from hashlib import sha256
from random import Random

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imbench.scoring.columns import UNKNOWN
from imbench.store import beside, blocks, files, index, layout, look
from imbench.store.merge import merge
from imbench.store.parquet import digest_of_predictions
from imbench.store.results import load
from imbench.store.store import Store
from tests.benchmarks.large_store import fill_large
from tests.made_results import FACTS, fill, job, predictions

JOBS = [job("a", "mixup"), job("a", "remix"), job("b", "mixup"), job("c", "remix", task="multiclass")]
FAILED = job("b", "remix")


@pytest.fixture(autouse=True)
def eager():
    """Every job is worth a block, also one that was just written."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(index, "FEWEST_JOBS", 1)
        patch.setattr(index, "SETTLED", -60.0)
        patch.setattr(index, "MOST_SMALL", 2)
        yield


def made(path):
    store = Store.open(path, create=True)
    fill(store, ["a", "b"], ["mixup"])
    fill(store, ["a"], ["remix"])
    # Facts of other types, and one that only these jobs have.
    store.write(JOBS[3], predictions(JOBS[3], classes=3), {**FACTS, "threads": "two", "gpu": True})
    store.fail(FAILED, "boom", {"ir": 0.05})
    return store


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shelf")
    return made(folder / "one").path, made(folder / "other").path


def seen(path):
    """All that a store says of its contents."""
    store = Store.open(path)
    columns = ["gmean", "strategy", "recall[2]", "threads", "gpu"]
    frames = [store.frame(), store.frame([JOBS[0].key, FAILED.key]), store.frame(columns=columns)]
    loaded = load(path)
    jobs = store.contents().jobs
    frames += [
        loaded.rows,
        jobs(),
        jobs(columns=("key", "error"), failed=[JOBS[0].key]),
        store.frame(failed=[JOBS[0].key]),
    ]
    notes = [note.replace(str(path), "") for note in loaded.notes]
    return frames, (store.keys(), store.failed_keys(), store.incomplete(), notes), store.status()


def assert_alike(path, tmp):
    """The store reads as its copy without an index, twice: the first time may renew the index."""
    plain = shutil.copytree(path, tmp / "plain", ignore=shutil.ignore_patterns("index"))
    frames, lists, status = seen(plain)
    for _ in range(2):
        others, other_lists, other_status = seen(path)
        for one, other in zip(frames, others, strict=True):
            pd.testing.assert_frame_equal(one, other, check_exact=True)
        assert (lists, status) == (other_lists, other_status)
    shutil.rmtree(plain)


def files_of(path):
    return sorted((path / "index").glob("*"))


def corrupted(path, _, random):
    for file in files_of(path):
        content = bytearray(file.read_bytes())
        for _ in range(random.randint(1, 3)):
            content[random.randrange(len(content))] ^= random.randint(1, 255)
        if random.random() < 0.7:
            file.write_bytes(content[: random.choice([len(content), random.randrange(len(content))])])


def deleted(path, _, random):
    for file in files_of(path):
        if random.random() < 0.5:
            file.unlink()


def of_another_store(path, other, _):
    shutil.copytree(other / "index", path / "index", dirs_exist_ok=True)


def of_another_version(path, _, random):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(index, "VERSION", index.VERSION + random.randint(1, 9))
        Store.open(path).frame()


def half_written(path, _, random):
    """What a process leaves that was killed while it wrote the index."""
    for file in files_of(path):
        if random.random() < 0.5:
            file.rename(file.with_name(f".{file.name}~000000000000~1~00000000.tmp"))


def merged_into(path, other, _):
    merge([other], path, prefer=[other])


def rewritten(path, _, random):
    one = random.choice(JOBS)
    classes = 3 if one.variant.task == "multiclass" else 2
    Store.open(path).write(one, predictions(one, classes=classes, seed=random.randint(0, 9)), FACTS)


def swapped(path, _, random):
    """The files of two jobs exchange their names, with their times."""
    one, other = (path / "jobs" / f"{of.key}.parquet" for of in random.sample(JOBS, 2))
    if one.exists() and other.exists():
        os.rename(one, path / "x")
        os.rename(other, one)
        os.rename(path / "x", other)


def damaged(path, _, random):
    file = path / random.choice(["jobs", "predictions"]) / f"{random.choice(JOBS).key}.parquet"
    if file.exists():
        content = file.read_bytes()
        facts = file.stat()
        at = random.randrange(len(content) // 3)
        file.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        os.utime(file, ns=(facts.st_atime_ns, facts.st_mtime_ns))


def removed(path, _, random):
    (path / random.choice(["jobs", "predictions"]) / f"{random.choice(JOBS).key}.parquet").unlink(missing_ok=True)


def finished(path, _, __):
    Store.open(path).write(FAILED, predictions(FAILED), FACTS)


def failed_again(path, _, random):
    Store.open(path).fail(random.choice([FAILED, *JOBS]), f"boom {random.random()}", {"source_hash": "f" * 64})


CHANGES = [
    *(corrupted, deleted, of_another_store, of_another_version, rewritten, swapped, damaged, removed, finished),
    *(failed_again, half_written, merged_into),
]


@settings(max_examples=8)
@given(changes=st.lists(st.sampled_from(CHANGES), min_size=1, max_size=3), seed=st.integers(0, 99))
def test_a_store_reads_alike_with_any_index(shelf, tmp_path_factory, changes, seed):
    random = Random(seed)  # what it draws depends on the files
    tmp = tmp_path_factory.mktemp("drawn")
    path, other = (shutil.copytree(store, tmp / store.name) for store in shelf)
    for store in (path, other):
        Store.open(store).frame()
    for change in changes:
        change(path, other, random)
        assert_alike(path, tmp)
    shutil.rmtree(tmp)


def test_jobs_in_the_index_are_not_read_again(tmp_path, monkeypatch):
    store = made(tmp_path / "store")
    before = seen(store.path)
    monkeypatch.setattr(Store, "_read", None)
    for one, other in zip(before[0][:3], seen_frames(store), strict=True):
        pd.testing.assert_frame_equal(one, other, check_exact=True)


def seen_frames(store):
    columns = ["gmean", "strategy", "recall[2]", "threads", "gpu"]
    return [store.frame(), store.frame([JOBS[0].key, FAILED.key]), store.frame(columns=columns)]


def test_a_file_that_changed_a_moment_ago_is_not_indexed(tmp_path, monkeypatch):
    monkeypatch.setattr(index, "SETTLED", 3600.0)
    store = made(tmp_path / "store")
    store.frame()
    assert not (store.path / "index").exists()


def test_small_blocks_are_joined_and_outdated_ones_deleted(tmp_path):
    store = Store.open(tmp_path / "store", create=True)
    for number in range(8):
        fill(store, [f"d{number}"], ["remix"])
        store.frame()
    assert len(files_of(store.path)) <= 2 * (index.MOST_SMALL + 1)
    assert_alike(store.path, tmp_path)
    shutil.rmtree(store.path / "jobs")
    store.frame()
    fill(store, ["e"], ["remix"])
    store.frame()
    assert len(files_of(store.path)) == 2


def test_a_store_that_cannot_be_written_is_read_without_an_index(tmp_path, monkeypatch):
    store = made(tmp_path / "store")
    monkeypatch.setattr(index, "write_durably", refuse)
    assert_alike(store.path, tmp_path)
    assert not (store.path / "index").exists()


def refuse(path, _):
    from imbench.contract.errors import StoreError

    raise StoreError(f"cannot write in {path.parent}")


def test_the_index_counts_neither_as_a_foreign_file_nor_as_size(tmp_path):
    store = made(tmp_path / "store")
    before = store.status().bytes
    store.frame()
    assert files_of(store.path)
    assert store.status().bytes == before
    assert np.isfinite(Store.open(store.path, create=True).frame()["gmean"]).any()


def test_rows_state_the_hash_of_their_predictions(tmp_path):
    store = made(tmp_path / "store")
    for key in (one.key for one in JOBS):
        content = (store.path / "predictions" / f"{key}.parquet").read_bytes()
        assert digest_of_predictions(store.rows(key)) == sha256(content).digest()


def parse_only(patch, *allowed):
    parsed = Store._parsed

    def checked(self, folder, *rest):
        assert folder in allowed
        return parsed(self, folder, *rest)

    patch.setattr(Store, "_parsed", checked)


def test_a_run_parses_no_file_that_was_checked(tmp_path, monkeypatch):
    store = made(tmp_path / "store")
    store.frame()
    parse_only(monkeypatch)
    wanted = [FAILED.key, *(job.key for job in JOBS)]
    assert Store.open(store.path).contents().intact_sources(wanted) == dict.fromkeys(wanted[1:], UNKNOWN)


def test_of_a_job_outside_the_index_only_the_rows_are_parsed(tmp_path, monkeypatch):
    store = made(tmp_path / "store")
    parse_only(monkeypatch, "jobs")
    assert Store.open(store.path).contents().intact_files(JOBS[0].key)


def test_a_job_without_rows_or_predictions_has_no_source(tmp_path):
    store = made(tmp_path / "store")
    store.frame()
    (store.path / "jobs" / f"{JOBS[0].key}.parquet").unlink()
    (store.path / "predictions" / f"{JOBS[1].key}.parquet").unlink()
    assert set(Store.open(store.path).contents().intact_sources([job.key for job in JOBS])) == {
        job.key for job in JOBS[2:]
    }
    assert Store.open(store.path).contents().intact_sources([JOBS[0].key]) == {}


def test_a_merge_parses_no_file_that_was_checked_and_indexes_what_it_copies(tmp_path, monkeypatch):
    store = made(tmp_path / "store")
    keys = store.keys()
    expected = store.frame(keys)
    with monkeypatch.context() as patch:
        parse_only(patch, "failed")
        merge([store.path], tmp_path / "into")
        again = merge([store.path, tmp_path / "into"], tmp_path / "third")
    assert again.jobs == len(keys)
    (tmp_path / "third" / "failed" / f"{FAILED.key}.json").unlink()  # failures are not indexed by a merge
    monkeypatch.setattr(Store, "_read", None)
    for path in (tmp_path / "into", tmp_path / "third"):
        pd.testing.assert_frame_equal(Store.open(path).frame(keys), expected, check_exact=True)


@pytest.mark.parametrize("folder", ["jobs", "predictions"])
@pytest.mark.parametrize("finder", ["a run", "a merge"])
def test_damage_is_found_that_no_size_time_or_number_shows(tmp_path, monkeypatch, finder, folder):
    store = made(tmp_path / "store")
    store.frame()
    folders = {name: str(store.path / name) for name in layout.LISTED}
    before = {of: beside.scan(of, layout.SUFFIXES[name]) for name, of in folders.items()}
    file = store.path / folder / f"{JOBS[0].key}.parquet"
    content = bytearray(file.read_bytes())
    content[len(content) // 3] ^= 1
    file.write_bytes(content)
    listed = beside.scan
    monkeypatch.setattr(beside, "scan", lambda folder, suffix: before.get(folder) or listed(folder, suffix))
    if finder == "a run":
        sources = Store.open(store.path).contents().intact_sources([job.key for job in JOBS])
        assert set(sources) == {job.key for job in JOBS[1:]}
    else:
        assert merge([store.path], tmp_path / "into").jobs == len(JOBS) - 1
        assert not (tmp_path / "into" / folder / file.name).exists()
    assert (store.path / "quarantine" / f"{JOBS[0].key}.{folder}.parquet").exists()


def test_a_store_reads_alike_if_another_process_looks_at_its_files(tmp_path, monkeypatch):
    store = made(tmp_path / "store")
    store.frame()
    expected = seen(store.path)
    monkeypatch.setattr(look, "_MANY", 0)
    assert look.Look(store.path).elsewhere
    frames, *others = seen(store.path)
    for one, other in zip(frames, expected[0], strict=True):
        pd.testing.assert_frame_equal(one, other, check_exact=True)
    assert others == list(expected[1:])
    (store.path / "predictions" / f"{JOBS[0].key}.parquet").unlink()
    store.write(JOBS[1], predictions(JOBS[1], seed=5), FACTS)
    assert_alike(store.path, tmp_path)


def test_a_merge_takes_rows_of_a_store_whose_index_cannot_be_written(tmp_path, monkeypatch):
    store = made(tmp_path / "store")

    def write(path, content):
        if path.is_relative_to(store.path):
            refuse(path, content)
        files.write_durably(path, content)

    monkeypatch.setattr(index, "write_durably", write)
    merge([store.path], tmp_path / "into")
    assert not (store.path / "index").exists()
    assert files_of(tmp_path / "into")
    assert_alike(tmp_path / "into", tmp_path)


WRITER = """
import sys
from imbench.store import index
from imbench.store.store import Store
from tests.made_results import fill
index.FEWEST_JOBS, index.SETTLED, index.MOST_SMALL = 1, -60.0, 2
store = Store.open(sys.argv[1], create=True)
for number in range(5):
    fill(store, [f"{sys.argv[2]}{number}"], ["mixup", "remix"])
    store.frame()
"""


def test_two_processes_that_write_jobs_and_the_index_lose_nothing(tmp_path):
    path = tmp_path / "store"
    running = [subprocess.Popen([sys.executable, "-c", WRITER, str(path), name]) for name in "ab"]
    assert [process.wait(600) for process in running] == [0, 0]
    assert len(Store.open(path).keys()) == 20
    assert_alike(path, tmp_path)


def test_a_made_large_store_has_the_index_that_reading_its_files_gives(tmp_path):
    fill(Store.open(tmp_path / "small", create=True), ["a", "b"], ["baseline", "remix"])
    fill_large(tmp_path / "small", tmp_path / "large", 8, strategies=4, repeats=1, workers=1)
    assert files_of(tmp_path / "large")
    assert Store.open(tmp_path / "large").status().done == 8
    assert_alike(tmp_path / "large", tmp_path)


def test_text_of_many_rows_is_categorical(tmp_path, monkeypatch):
    store = made(tmp_path / "store")
    plain = store.frame()
    monkeypatch.setattr(blocks, "MANY_ROWS", len(plain) - 1)
    many = store.frame()
    texts = ["key", "dataset", "strategy", "protocol_fields", "error", "source_hash"]
    assert all(isinstance(many[name].dtype, pd.CategoricalDtype) for name in texts)
    pd.testing.assert_frame_equal(many.astype(plain.dtypes), plain, check_exact=True)


def test_pandas_is_imported_by_the_index_and_not_by_pyarrow_which_drops_interrupts():
    code = "import imbench.store.index, sys; sys.exit('pandas' not in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
