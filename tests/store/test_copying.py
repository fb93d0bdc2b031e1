"""Many jobs are copied in groups: each job whole or not at all, and nothing else remains."""

import errno
import hashlib
import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imbench.contract.errors import StoreError
from imbench.store import beside, copiers, copying, files, index
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


def read(source):
    """Contents whose files were all read, as those of a merge are."""
    contents = source.contents()
    contents.frame()
    return contents


def copied(source, target):
    contents = read(source)
    return copy_jobs(target, dict.fromkeys(contents.keys(), contents))


def names(folder):
    return {file.name for file in folder.iterdir()} if folder.is_dir() else set()


def test_all_groups_arrive(source, tmp_path):
    target = Store.open(tmp_path / "target", create=True)
    done = copied(source, target)
    assert [*done] == source.keys() == target.keys()
    for folder in ("jobs", "predictions"):
        assert names(target.path / folder) == names(source.path / folder)


def leaves_whole_jobs(source, target):
    """Nothing but whole jobs, and then all of them by copying again."""
    there = {folder: names(target.path / folder) for folder in ("jobs", "predictions")}
    assert not [name for found in there.values() for name in found if name.startswith(".")]
    # Rows exist only if their predictions do.
    assert there["jobs"] <= there["predictions"] <= names(source.path / "jobs")
    assert [*copied(source, target)] == target.keys() == source.keys()


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
        monkeypatch.setattr(copiers, "started", lambda *_: None)
        monkeypatch.setattr(beside, "write", failing(beside.write))
    elif step == "durable":
        monkeypatch.setattr(files, "_sync_disk", lambda _: False)
        monkeypatch.setattr(files.os, "fsync", failing(os.fsync))
    else:
        monkeypatch.setattr(files.os, "replace", failing(os.replace))
    with pytest.raises(StoreError, match="Input/output error"):
        copied(source, target)
    monkeypatch.undo()
    leaves_whole_jobs(source, target)


@pytest.fixture
def by_processes(monkeypatch):
    """Jobs are copied by processes only: the files that were written here nevertheless."""
    here, ways, write = [], copying._ways, beside.write

    def written(path, content):
        facts = write(path, content)
        here.append(path)
        return facts

    monkeypatch.setattr(copying, "_ways", lambda *given: ways(*given)[1:])
    monkeypatch.setattr(beside, "write", written)
    return here


def test_processes_copy_what_is_known_and_nothing_else_remains(source, tmp_path, by_processes):
    target = Store.open(tmp_path / "target", create=True)
    done = copied(source, target)
    assert [*done] == source.keys() == target.keys()
    # The folder is made for the first file of each process.
    assert len(by_processes) <= 2 * 2 * 2
    for folder in ("jobs", "predictions"):
        assert names(target.path / folder) == names(source.path / folder)
        for key, one in done.items():
            file, other = (store.path / folder / f"{key}.parquet" for store in (source, target))
            assert file.read_bytes() == other.read_bytes()
            facts, place = other.stat(), ("jobs", "predictions").index(folder)
            assert one.files[place] == (facts.st_size, facts.st_mtime_ns, facts.st_ino)
            assert one.digests[place] == hashlib.sha256(file.read_bytes()).digest()


@pytest.mark.parametrize("folder", ["jobs", "predictions"])
def test_a_file_that_changed_since_it_was_known_is_not_copied_by_processes(source, tmp_path, by_processes, folder):
    mine = Store(tmp_path / "source")
    shutil.copytree(source.path, mine.path)
    contents = read(mine)
    key = contents.keys()[5]
    content = bytearray((mine.path / folder / f"{key}.parquet").read_bytes())
    content[len(content) // 3] ^= 1
    (mine.path / folder / f"{key}.parquet").write_bytes(content)
    target = Store.open(tmp_path / "target", create=True)
    done = copy_jobs(target, dict.fromkeys(contents.keys(), contents))
    assert done[key] is None
    leaves_whole_jobs(source, target)


# Programs that take the first list of files and fail.
FAIL = """
import marshal, os, sys
wanted = marshal.load(sys.stdin.buffer)
for _, _, path in wanted[::2]:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    open(path, "wb").write(b"a part")
"""


@pytest.mark.parametrize(
    "program",
    [
        "raise SystemExit(1)",
        FAIL,
        f"{FAIL}\nos.kill(os.getpid(), 9)",
        f"{FAIL}\nprint('hello', flush=True)",
        f"{FAIL}\nmarshal.dump(3, sys.stdout.buffer)",
        f"{FAIL}\nmarshal.dump([(1, 2, 3)] * (len(wanted) - 1), sys.stdout.buffer)",
        f"{FAIL}\nsys.stdout.buffer.write(marshal.dumps([None] * len(wanted))[:-3])",
    ],
)
def test_a_process_that_fails_is_not_believed(source, tmp_path, monkeypatch, by_processes, program):
    (tmp_path / "program.py").write_text(program)
    monkeypatch.setattr(beside, "__file__", str(tmp_path / "program.py"))
    target = Store.open(tmp_path / "target", create=True)
    assert [*copied(source, target)] == source.keys()
    assert len(by_processes) == 2 * JOBS
    leaves_whole_jobs(source, target)


def test_an_interrupt_ends_the_processes_and_deletes_what_they_wrote(source, tmp_path, monkeypatch, by_processes):
    started, running = copiers.started, []
    monkeypatch.setattr(copiers, "started", lambda *given: running.append(started(*given)) or running[-1])

    def interrupted(process, number):
        if len(names(target.path / "jobs")) > 6:
            raise KeyboardInterrupt
        return answer(process, number)

    answer = copiers._answer
    monkeypatch.setattr(copiers, "_answer", interrupted)
    target = Store.open(tmp_path / "target", create=True)
    with pytest.raises(KeyboardInterrupt):
        copied(source, target)
    assert [process.poll() for process in running] == [-9] * len(running)
    monkeypatch.setattr(copiers, "_answer", answer)
    leaves_whole_jobs(source, target)


@pytest.mark.parametrize("at", range(0, 20, 3))
@pytest.mark.parametrize("way", [0, 1])
def test_an_interrupt_at_any_time_leaves_whole_jobs_and_no_other_file(source, tmp_path, monkeypatch, way, at):
    ways, calls = copying._ways, iter(range(10**6))

    class Interrupted(ThreadPoolExecutor):
        def submit(self, *given):
            future = super().submit(*given)
            if next(calls) == at:  # what was begun goes on meanwhile
                raise KeyboardInterrupt
            return future

    monkeypatch.setattr(copying, "_ways", lambda *given: ways(*given)[way:][:1])
    monkeypatch.setattr(copying if way == 0 or at % 2 else copiers, "ThreadPoolExecutor", Interrupted)
    target = Store.open(tmp_path / "target", create=True)
    try:
        copied(source, target)
    except KeyboardInterrupt:
        pass
    else:
        assert next(calls) <= at, "it was not interrupted"
    monkeypatch.undo()
    leaves_whole_jobs(source, target)


@given(st.lists(st.tuples(st.integers(0, 70), st.sampled_from(["right", "other", "missing", "there"])), max_size=6))
def test_files_are_copied_whole_or_not_at_all(tmp_path_factory, drawn):
    folder, wanted, expected = tmp_path_factory.mktemp("files"), [], {}
    for number, (size, how) in enumerate(drawn):
        file, to, content = folder / f"{number}", folder / f"{number}.copy", bytes(range(size))
        if how != "missing":
            file.write_bytes(content)
        if how == "there":
            to.write_bytes(b"of another")
        expected[to.name] = {"right": content, "there": b"of another"}.get(how)
        wanted.append((str(file), hashlib.sha256(b"other" if how == "other" else content).digest(), str(to)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(beside, "_BUFFER", 16)
        found = beside.copy(wanted)
    there = {file.name: file.read_bytes() for file in folder.glob("*.copy")}
    assert there == {name: content for name, content in expected.items() if content is not None}
    for (_, _, to), (_, how), facts in zip(wanted, drawn, found, strict=True):
        if how == "right":
            known = os.stat(to)
            assert facts == (known.st_size, known.st_mtime_ns, known.st_ino)
        else:
            assert facts is None


def test_processes_copy_files_of_the_index_too(source, tmp_path, monkeypatch, by_processes):
    monkeypatch.setattr(index, "FEWEST_JOBS", 4)
    monkeypatch.setattr(index, "SETTLED", 0.0)
    source.frame()  # which indexes it
    (block,) = index.stored_blocks(source.path)
    written, write = [], index.write_durably
    monkeypatch.setattr(index, "write_durably", lambda path, content: written.append(path.name) or write(path, content))
    merge([source.path], tmp_path / "target")
    (taken,) = index.stored_blocks(tmp_path / "target")
    assert taken.rows == block.rows not in written
    assert (taken.folder / taken.rows).read_bytes() == (block.folder / block.rows).read_bytes()


def test_the_index_has_all_jobs_at_once_however_long_the_disk_takes(source, tmp_path, monkeypatch):
    monkeypatch.setattr(index, "FEWEST_JOBS", 4)
    monkeypatch.setattr(index, "SETTLED", 0.5)
    sync = files._sync_disk
    monkeypatch.setattr(files, "_sync_disk", lambda folder: time.sleep(0.4) or sync(folder))
    source.frame()  # which indexes it
    merge([source.path], tmp_path / "target")
    assert sum(block.jobs.num_rows for block in index.stored_blocks(tmp_path / "target")) == JOBS
