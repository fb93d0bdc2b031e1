"""Files are durable and whole, one by one or many together."""

from __future__ import annotations

import errno
import io
import os

import pytest

from imbench.contract.errors import StoreError
from imbench.store import beside, files
from imbench.store.files import put_in_place, write_temporary


@pytest.fixture(params=["the disk at once", "file by file"])
def system(request, monkeypatch):
    """A system that can wait for a whole disk, and one that cannot."""
    if request.param == "file by file":
        monkeypatch.setattr(files.sys, "platform", "darwin")


def hidden(folder):
    return [file.name for file in folder.iterdir() if file.name.startswith(".")]


@pytest.mark.usefixtures("system")
def test_files_appear_together_and_replace_older_ones(tmp_path):
    (tmp_path / "a").write_bytes(b"old")
    staged = [write_temporary(str(tmp_path / name), name.encode()) for name in ("a", "b")]
    assert (tmp_path / "a").read_bytes() == b"old"
    put_in_place(staged)
    assert [(tmp_path / name).read_bytes() for name in ("a", "b")] == [b"a", b"b"]
    facts = (tmp_path / "a").stat()
    assert staged[0].facts == (facts.st_size, facts.st_mtime_ns, facts.st_ino)
    assert not hidden(tmp_path)


@pytest.mark.usefixtures("system")
def test_no_file_is_replaced_before_all_are_durable(tmp_path, monkeypatch):
    moved, synced = [], []
    staged = [write_temporary(str(tmp_path / name), b"x") for name in ("a", "b")]
    replace, sync, disk = os.replace, os.fsync, files._sync_disk
    monkeypatch.setattr(files.os, "replace", lambda *paths: moved.append(len(synced)) or replace(*paths))
    monkeypatch.setattr(files.os, "fsync", lambda handle: synced.append(handle) or sync(handle))
    monkeypatch.setattr(files, "_sync_disk", lambda folder: disk(folder) and not synced.extend("ab"))
    put_in_place(staged)
    assert moved == [2, 2]


@pytest.mark.parametrize("when", ["write", "close"])
def test_a_full_disk_is_named_and_nothing_remains(tmp_path, monkeypatch, when):
    class Full(io.FileIO):
        def write(self, content):
            if when == "write":
                raise OSError(errno.ENOSPC, "No space left on device")
            return super().write(content)

        def __exit__(self, *error):
            super().__exit__(*error)
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(beside.io, "FileIO", Full)
    with pytest.raises(StoreError, match="no space left"):
        write_temporary(str(tmp_path / "a"), b"x")
    assert not hidden(tmp_path)


def test_a_system_that_writes_a_little_at_a_time_writes_all(tmp_path, monkeypatch):
    class Slow(io.FileIO):
        def write(self, content):
            return super().write(content[:7])

    monkeypatch.setattr(beside.io, "FileIO", Slow)
    content = bytes(range(100))
    staged = write_temporary(str(tmp_path / "a"), content)
    assert staged.facts[0] == len(content)
    monkeypatch.undo()
    put_in_place([staged])
    assert (tmp_path / "a").read_bytes() == content
