"""One copy of a variant's arrays, shared by all processes of a run and gone with it."""

import dataclasses
import os
import shutil
import subprocess
import sys
import tempfile

import numpy as np
import pytest

from imbench.contract.errors import DataError
from imbench.contract.records import Variant
from imbench.data import shared
from imbench.data.shared import SharedArrays, shared_arrays
from imbench.data.variants import build
from tests.data import made


@pytest.fixture(autouse=True)
def temporary_files(tmp_path, monkeypatch):
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def dataset():
    table = made.table([40, 20])
    return build(table, made.table_card(table, ("c1",)), VARIANT, "0")


VARIANT = Variant("made")


def test_what_is_got_is_what_was_put():
    original = dataset()
    with shared_arrays() as arrays:
        arrays.put("made", lambda: original)
        got = arrays.get("made")
        for name in ("x", "y", "rows"):
            np.testing.assert_array_equal(getattr(got, name), getattr(original, name))
        assert (got.variant, got.class_names, got.data_hash) == (original.variant, original.class_names, "0")


def test_arrays_are_mapped_not_read_and_loaded_once():
    loads = []
    with shared_arrays() as arrays:
        for _ in range(3):
            arrays.put("made", lambda: loads.append(1) or dataset())
        assert isinstance(arrays.get("made").x, np.memmap)
    assert len(loads) == 1


def test_images_stay_bytes_in_one_mapped_file(temporary_files):
    pixels = np.random.default_rng(0).integers(0, 256, (60, 3, 6, 5), dtype=np.uint8)
    original = dataclasses.replace(dataset(), x=pixels)
    with shared_arrays() as arrays:
        arrays.put("made", lambda: original)
        got = arrays.get("made").x
        assert isinstance(got, np.memmap)
        assert got.dtype == np.uint8
        np.testing.assert_array_equal(got, pixels)
        (file,) = temporary_files.rglob("*.npy")
        assert file.stat().st_size == pixels.nbytes + 128  # NumPy's head


def test_what_one_writes_no_other_sees():
    with shared_arrays() as arrays:
        arrays.put("made", dataset)
        first, second = arrays.get("made"), arrays.get("made")
        first.x[:] = 7
        assert not (second.x == 7).any()


def test_the_folder_goes_with_the_run_even_if_it_fails(temporary_files):
    def interrupt():
        assert list(temporary_files.iterdir())
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), shared_arrays() as arrays:
        arrays.put("made", interrupt)
    assert not list(temporary_files.iterdir())


def test_what_a_killed_run_left_goes_with_the_next_and_a_living_run_keeps_its_own(temporary_files):
    dead = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True)
    left = temporary_files / f"imbench-arrays-{dead.stdout.strip()}-abc"
    living = temporary_files / f"imbench-arrays-{os.getppid()}-abc"
    left.mkdir()
    living.mkdir()
    with shared_arrays():
        assert living.exists()
        assert not left.exists()


def test_a_folder_that_a_cleaner_removed_is_created_again():
    with shared_arrays() as arrays:
        arrays.put("first", dataset)
        shutil.rmtree(arrays.folder)
        arrays.put("second", dataset)
        assert len(arrays.get("second").x) == 60


def test_a_run_of_another_container_keeps_its_folder(temporary_files):
    """Here no process has its id, but the folder is locked."""
    dead = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True)
    folder = temporary_files / f"imbench-arrays-{dead.stdout.strip()}-abc"
    folder.mkdir()
    with shared._locked(folder), shared_arrays():
        assert folder.exists()
    with shared_arrays():
        assert not folder.exists()


def test_a_container_removes_what_an_earlier_process_of_its_id_left(temporary_files):
    left = temporary_files / f"imbench-arrays-{os.getpid()}-abc"
    left.mkdir()
    with shared_arrays() as living, shared_arrays():
        assert not left.exists()
        assert living.folder.exists()


def test_a_folder_that_cannot_be_written_is_named_with_the_way_out(tmp_path):
    with pytest.raises(DataError, match=r"made cannot be written to .*nowhere.*TMPDIR"):
        SharedArrays(tmp_path / "nowhere" / "arrays").put("made", dataset)


def test_a_failed_load_leaves_nothing_that_looks_whole():
    with shared_arrays() as arrays:
        with pytest.raises(ValueError, match="no data"):
            arrays.put("made", lambda: (_ for _ in ()).throw(ValueError("no data")))
        arrays.put("made", dataset)
        assert len(arrays.get("made").x) == 60
