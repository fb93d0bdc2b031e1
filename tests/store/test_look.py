"""What is seen of the files of a store, here or by other processes, is what the system says of each."""

from __future__ import annotations

import gc
import os
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imbench.contract.errors import StoreError
from imbench.store import beside, look
from imbench.store.layout import LISTED, SUFFIXES
from imbench.store.look import Look
from imbench.store.stamps import NO_STAMP, Stamps, stamp_of, stamps_in

# A file system takes any byte in names besides these.
_CHARACTERS = st.characters(exclude_characters="/\0", exclude_categories=("Cs",))
_NAMES = st.text(_CHARACTERS, min_size=1, max_size=20).filter(lambda name: name not in (".", ".."))
_FILES = st.dictionaries(
    st.builds("{}{}".format, _NAMES, st.sampled_from(["", ".parquet", ".json", ".parquet.tmp", ".PARQUET"])),
    st.one_of(st.integers(0, 2000), st.sampled_from(["folder", "link", "broken link"])),
    max_size=12,
)


def fill(folder, files):
    folder.mkdir(parents=True)
    (folder.parent / "target").write_bytes(b"linked")
    for name, content in files.items():
        if content == "folder":
            (folder / name).mkdir()
        elif isinstance(content, str):
            (folder / name).symlink_to(folder.parent / ("target" if content == "link" else "nothing"))
        else:
            (folder / name).write_bytes(bytes(content))


def expected(folder, suffix):
    """By a plain loop: the stamp of each file with this suffix, and the bytes of all files."""
    stamps, size = {}, 0
    for name in os.listdir(folder) if folder.exists() else ():
        path = os.path.join(folder, name)
        if os.path.isfile(path):
            facts = os.stat(path)
            size += facts.st_size
            if name.endswith(suffix):
                key = name[: len(name) - len(suffix)]
                stamps[key] = (facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns, facts.st_ino)
    return stamps, size


def said(stamps):
    return {name: stamps.get(name) for name in stamps}, stamps.bytes


@given(_FILES, st.sampled_from([".parquet", ".json"]))
def test_files_are_seen_as_the_system_states_them(tmp_path_factory, files, suffix):
    folder = tmp_path_factory.mktemp("files") / "jobs"
    fill(folder, files)
    stamps = stamps_in(folder, suffix)
    found, size = said(stamps)
    assert (found, size) == expected(folder, suffix)
    listed = [*map(list, found.values()), list(NO_STAMP)]
    assert [one.tolist() for one in stamps.of([*found, "not there"])] == [listed]
    assert all(stamps.get(name) == stamp_of(folder / (name + suffix)) for name in found)


@given(st.lists(_NAMES, unique=True, max_size=6), st.lists(_NAMES, unique=True, max_size=6), st.booleans())
def test_stamps_of_two_folders_are_each_folders_own(one, other, alike):
    other = one if alike else other
    first = Stamps((one, np.arange(4 * len(one)).tobytes(), 0))
    second = Stamps((other, np.arange(99, 99 + 4 * len(other)).tobytes(), 0), like=first)
    asked = [*one, *other, "\0"]
    found = first.of(asked, second)
    for stamps, got in zip((first, second), found, strict=True):
        assert got.tolist() == [list(stamps.get(name) or NO_STAMP) for name in asked]
    assert [second.get(name)[0] - 99 for name in other] == list(range(0, 4 * len(other), 4))


@pytest.fixture
def store(tmp_path, monkeypatch):
    """A folder that looks like a large store."""
    monkeypatch.setattr(look, "_MANY", 1)
    fill(tmp_path / "jobs", {"a.parquet": 10, "ä\n\udcff.parquet": 7, "b.json": 3, ".c.parquet~1~2~3.tmp": 5})
    fill(tmp_path / "failed", {"f.json": 20})
    fill(tmp_path / "index", {"x.jobs.arrow": 1})
    return tmp_path


def test_other_processes_see_the_same(store):
    seen = Look(store)
    assert seen.elsewhere
    stamps = list(map(Stamps, seen.found()))
    assert [said(one) for one in stamps] == [expected(store / name, SUFFIXES[name]) for name in LISTED]
    assert seen.found() == seen.found()  # without the process that is gone


def test_only_at_a_large_store_other_processes_look(store, monkeypatch):
    monkeypatch.setattr(look, "_MANY", 2)
    assert not Look(store).elsewhere
    assert not Look(store / "nothing").elsewhere
    fill(store / "other" / "index", {"x.jobs.arrow": 1, "y.jobs.arrow": 1, "z.rows.arrow": 1})
    assert Look(store / "other").elsewhere


@pytest.mark.parametrize(
    "program",
    [
        "raise SystemExit(1)",
        "import os; os.kill(os.getpid(), 9)",
        "print('hello')",
        "import marshal, sys; sys.stdout.buffer.write(marshal.dumps((['a'], b'', 0))[:-5])",
        "import marshal, sys; marshal.dump((['a'], b'', 0), sys.stdout.buffer); sys.stdout.flush(); sys.exit(3)",
    ],
)
def test_a_process_that_fails_is_not_believed(store, monkeypatch, program):
    (store / "program.py").write_text(program)
    monkeypatch.setattr(beside, "__file__", str(store / "program.py"))
    seen = Look(store)
    assert seen.elsewhere
    found = [said(Stamps(one)) for one in seen.found()]
    assert found == [expected(store / name, SUFFIXES[name]) for name in LISTED]


@pytest.mark.parametrize(("name", "value"), [("executable", ""), ("executable", "/bin/server"), ("frozen", True)])
def test_a_program_that_contains_python_is_not_started(store, monkeypatch, name, value):
    monkeypatch.setattr(sys, name, value, raising=False)
    seen = Look(store)
    assert not seen.elsewhere
    assert said(Stamps(seen.found()[0])) == expected(store / "jobs", ".parquet")


def test_python_that_cannot_be_started_does_no_harm(store, monkeypatch):
    monkeypatch.setattr(sys, "executable", str(store / "python-that-was-removed"))
    assert not Look(store).elsewhere


def test_a_folder_that_cannot_be_read_is_named_whoever_looks(store, monkeypatch):
    (store / "predictions").write_text("a file")
    for many in (1, 2):
        monkeypatch.setattr(look, "_MANY", many)
        seen = Look(store)
        assert seen.elsewhere == (many == 1)
        with pytest.raises(StoreError, match=r"cannot read .*predictions: Not a directory"):
            seen.found()


def test_a_look_that_nobody_waits_for_ends_its_process(store, monkeypatch):
    (store / "program.py").write_text("import time; time.sleep(600)")
    monkeypatch.setattr(beside, "__file__", str(store / "program.py"))
    seen = Look(store)
    processes = list(seen._processes.values())
    assert [process.poll() for process in processes] == [None, None]
    del seen
    gc.collect()
    assert [process.returncode for process in processes] == [-9, -9]


def test_numbers_of_files_of_64_bits_are_taken():
    numbered = [SimpleNamespace(st_size=5, st_mtime_ns=1, st_ctime_ns=2, st_ino=2**64 - place) for place in (1, 2)]
    stamps = list(map(beside.facts, numbered))
    assert np.array(stamps, dtype=np.int64).tolist() == list(map(list, stamps))
    assert stamps[0] != stamps[1]
