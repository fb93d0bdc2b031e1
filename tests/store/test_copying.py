"""Many jobs are copied in groups: each job whole or not at all, and nothing else remains."""

import errno
import os
import time

import pytest

from imbench.contract.errors import StoreError
from imbench.store import copying, files, index
from imbench.store.copying import copy_jobs
from imbench.store.merge import merge
from imbench.store.store import Store
from tests.made_results import fill

JOBS = 14


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    store = Store.open(tmp_path_factory.mktemp("source"), create=True)
    fill(store, [f"d{n}" for n in range(JOBS // 2)], ["baseline", "remix"])
    return store


@pytest.fixture(autouse=True)
def groups(monkeypatch):
    """Groups of four jobs, so that one is moved while the next is written."""
    monkeypatch.setattr(copying, "_TOGETHER", 4)
    monkeypatch.setattr(copying, "_TRIED", 2)


def copied(source, target):
    contents = source.contents()
    return copy_jobs(target, dict.fromkeys(contents.keys(), contents))


def names(folder):
    return {file.name for file in folder.iterdir()} if folder.is_dir() else set()


def test_all_groups_arrive(source, tmp_path):
    target = Store.open(tmp_path / "target", create=True)
    done = copied(source, target)
    assert [*done] == source.keys() == target.keys()
    for folder in ("jobs", "predictions"):
        assert names(target.path / folder) == names(source.path / folder)


@pytest.mark.parametrize("at", [0, 5, 9, 2 * JOBS - 1])
@pytest.mark.parametrize("step", ["write", "durable", "move"])
def test_a_disk_that_fails_in_any_group_leaves_whole_jobs_and_no_other_file(source, tmp_path, monkeypatch, step, at):
    target, calls = Store.open(tmp_path / "target", create=True), iter(range(10**6))

    def failing(call):
        def wrapped(*given):
            if next(calls) == at:
                raise OSError(errno.EIO, "Input/output error")
            return call(*given)

        return wrapped

    if step == "write":
        opened = failing(open)
        monkeypatch.setattr(
            files, "open", lambda file, mode, **_: (opened if mode == "xb" else open)(file, mode), raising=False
        )
    elif step == "durable":
        monkeypatch.setattr(files, "_sync_disk", lambda _: False)
        monkeypatch.setattr(files.os, "fsync", failing(os.fsync))
    else:
        monkeypatch.setattr(files.os, "replace", failing(os.replace))
    with pytest.raises(StoreError, match="Input/output error"):
        copied(source, target)
    there = {folder: names(target.path / folder) for folder in ("jobs", "predictions")}
    assert not [name for found in there.values() for name in found if name.startswith(".")]
    # Rows exist only if their predictions do.
    assert there["jobs"] <= there["predictions"] <= names(source.path / "jobs")
    monkeypatch.undo()
    assert [*copied(source, target)] == target.keys()


def test_the_index_has_all_jobs_at_once_however_long_the_disk_takes(source, tmp_path, monkeypatch):
    monkeypatch.setattr(index, "FEWEST_JOBS", 4)
    monkeypatch.setattr(index, "SETTLED", 0.5)
    sync = files._sync_disk
    monkeypatch.setattr(files, "_sync_disk", lambda folder: time.sleep(0.4) or sync(folder))
    source.frame()  # which indexes it
    merge([source.path], tmp_path / "target")
    assert sum(block.jobs.num_rows for block in index.stored_blocks(tmp_path / "target")) == JOBS
