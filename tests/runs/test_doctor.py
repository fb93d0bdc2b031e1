"""The doctor finds each fault, really made, and says how to mend it."""

import hashlib
import os
import resource
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from imbench.runs.doctor import FAILED, NOTE, OK, Finding, Setup, examine
from imbench.runs.registry import Registry

# A folder in which not even root can write.
NOT_WRITABLE = "/proc/imbench"
linux = pytest.mark.skipif(sys.platform != "linux", reason="faults are made as Linux has them")


def finding(name, **setup) -> Finding:
    return examine(Setup(**setup), [name])[name]


def finding_elsewhere(name, before="", **environment) -> Finding:
    """The finding of a process of its own, which sees this environment and runs these lines first."""
    program = "import sys\nfrom imbench.runs.doctor import Finding, Setup, examine\n"
    program += f"{before}\nprint(examine(Setup(), [{name!r}])[{name!r}])"
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=True)
    found: Finding = eval(done.stdout)
    return found


@pytest.mark.parametrize("name", ["Python", "packages", "Numba", "threads", "cores", "memory", "open files", "plugins"])
def test_here_all_is_well(name):
    assert finding(name).state == OK, finding(name)


# Name of the check, what a run is told, environment, state, and words of the finding and the fix.
FAULTS = {
    "cache not writable": ("cache", {}, {"IMBENCH_CACHE": NOT_WRITABLE}, FAILED, "cannot write", "IMBENCH_CACHE"),
    "store not writable": ("store", {"store": Path(NOT_WRITABLE)}, {}, FAILED, "cannot write", "--store"),
    "no mirror there": ("mirror", {}, {"IMBENCH_DATA_MIRROR": "nowhere"}, FAILED, "does not exist; give", ""),
    "not a number": ("threads", {}, {"OMP_NUM_THREADS": "many"}, FAILED, "OMP_NUM_THREADS=many", "unset OMP_NUM"),
    "no threads": ("threads", {}, {"MKL_NUM_THREADS": "0"}, FAILED, "MKL_NUM_THREADS=0", "unset MKL_NUM"),
    "another kernel": ("BLAS", {}, {"OPENBLAS_CORETYPE": "Nehalem"}, NOTE, "Nehalem", "unset OPENBLAS_CORETYPE"),
    "no such device": ("device", {"device": "cuda:99"}, {}, FAILED, "does not exist", ""),
    "a device of no kind": ("device", {"device": "tpu"}, {}, FAILED, "unknown device 'tpu'; choose", ""),
    "no plugin file": ("plugins", {"registry": Registry(("nowhere.py",))}, {}, FAILED, "not a Python file; give", ""),
}


@linux
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found(fault, monkeypatch):
    name, setup, environment, state, words, fix = FAULTS[fault]
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    found = finding(name, **setup)
    assert found.state == state
    assert words in found.found
    assert fix in found.fix


@linux
def test_compiling_that_is_switched_off_is_found():
    found = finding_elsewhere("Numba", NUMBA_DISABLE_JIT="1")
    assert (found.state, found.fix) == (FAILED, "unset NUMBA_DISABLE_JIT")


@linux
def test_a_folder_for_compiled_code_that_is_not_writable_is_a_note():
    # Without the folders of the package and the user, which may be writable here.
    alone = {"NUMBA_CACHE_LOCATOR_CLASSES": "UserProvidedCacheLocator"}
    found = finding_elsewhere("Numba", NUMBA_CACHE_DIR=NOT_WRITABLE, **alone)
    assert (found.state, found.fix) == (NOTE, "set NUMBA_CACHE_DIR to a writable folder")


def test_without_numba_there_is_a_note(monkeypatch):
    monkeypatch.setitem(sys.modules, "numba", None)
    found = finding("Numba")
    assert (found.state, found.fix) == (NOTE, "pip install --force-reinstall numba")


def test_a_limit_on_open_files_is_found():
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (60, limits[1]))
    try:
        found = finding("open files")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert (found.state, found.found.partition(";")[0]) == (FAILED, "60 open files at most")
    assert found.fix.startswith("ulimit -n ")


@linux
@pytest.mark.parametrize(("free", "state"), [(2**28, FAILED), (2**29 + 2**26, NOTE)])
def test_too_little_memory_is_found(free, state):
    if state == NOTE and len(os.sched_getaffinity(0)) == 1:
        pytest.skip("one core needs one worker's memory")
    before = (
        f"import resource\nuse = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize() + {free}\n"
    )
    found = finding_elsewhere("memory", before + "resource.setrlimit(resource.RLIMIT_AS, (use, use))")
    assert found.state == state
    assert found.fix == (
        "free memory: a worker needs about 537 MB" if state == FAILED else "start fewer workers: --jobs 1"
    )


@linux
def test_a_disk_that_is_nearly_full_is_a_note(tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "imbench", small], capture_output=True).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        nearly = finding("store", store=small / "store")
        with pytest.raises(OSError, match="No space"):
            (small / "filler").write_bytes(bytes(2**21))
        full = finding("store", store=small / "store")
    finally:
        subprocess.run(["umount", "-l", small], check=True)
    assert (nearly.state, nearly.found) == (NOTE, f"{small / 'store'}: 1 MB free")
    assert full.state in (NOTE, FAILED)  # an empty file may still be made


def test_no_temporary_folder_is_found(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "gone"))
    found = finding("temporary files")
    assert found.state == FAILED
    assert "set TMPDIR" in found.found


def test_a_folder_that_is_no_store_is_found_and_an_empty_place_is_not_touched(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "one.png").touch()
    assert finding("store", store=tmp_path / "photos").state == FAILED
    assert finding("store", store=tmp_path / "new" / "store").state == OK
    assert [path.name for path in tmp_path.iterdir()] == ["photos"]


@pytest.fixture
def mirror(tmp_path):
    """A mirror with one file."""
    folder = tmp_path / "mirror"
    folder.mkdir()
    pd.DataFrame({"a": [1.0, 2.0], "target": ["x", "y"]}).to_parquet(folder / "some.parquet")
    digest = hashlib.sha256((folder / "some.parquet").read_bytes()).hexdigest()
    (folder / "MANIFEST.toml").write_text(f'[dataset.some]\nfile = "some.parquet"\nsha256 = "{digest}"\n')
    return folder


MIRROR_FAULTS = {
    "truncated": (lambda folder: os.truncate(folder / "some.parquet", 100), "some.parquet has SHA-256"),
    "missing": (lambda folder: (folder / "some.parquet").unlink(), "some.parquet cannot be read"),
    "no manifest": (lambda folder: (folder / "MANIFEST.toml").unlink(), "no readable MANIFEST.toml"),
    "no TOML": (lambda folder: (folder / "MANIFEST.toml").write_text("[["), "cannot read MANIFEST.toml"),
}


@pytest.mark.parametrize("fault", MIRROR_FAULTS)
def test_a_mirror_that_is_wrong_is_found(fault, mirror):
    assert finding("mirror", data_mirror=str(mirror)) == Finding(OK, f"{mirror}: 1 dataset")
    make, words = MIRROR_FAULTS[fault]
    make(mirror)
    found = finding("mirror", data_mirror=str(mirror))
    assert found.state == FAILED
    assert words in found.found


def test_a_package_whose_plugin_does_not_load_is_named(install):
    install("broken", {"imbench.strategies": {"lost": "broken:Lost"}}, "raise RuntimeError('half installed')")
    found = finding("plugins")
    assert found.state == FAILED
    assert "half installed; repair or uninstall broken" in found.found


def test_a_dependency_older_than_needed_is_found(install):
    install("platformdirs", {})  # found before the installed one, as an old copy on PYTHONPATH is
    found = finding("packages")
    assert found.state == FAILED
    assert "platformdirs 1.0 (imbench needs platformdirs>=" in found.found
    assert 'pip install "platformdirs>=' in found.fix
