"""What this process may use of the machine, by affinity, container and limits."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imbench.runs import machine
from imbench.runs.machine import available_cores, available_memory, cache_sizes

GIB = 2**30


@pytest.fixture
def cgroup(tmp_path, monkeypatch):
    """The folder of control groups, of which this process sees only the root."""
    monkeypatch.setattr(machine, "CGROUPS", tmp_path)
    return tmp_path


def test_available_cores_are_within_this_process_affinity():
    assert 1 <= available_cores() <= len(os.sched_getaffinity(0))


@pytest.mark.skipif(sys.platform != "linux", reason="needs an affinity")
def test_cores_follow_the_affinity():
    program = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); "
    program += "from imbench.runs.machine import available_cores; print(available_cores())"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout == b"1\n"


@pytest.mark.parametrize(
    "files",
    [
        {"cpu.max": "150000 100000"},
        {"cpu.max": "50000 100000"},
        {"cpu.cfs_quota_us": "100000", "cpu.cfs_period_us": "100000"},
    ],
)
def test_a_containers_quota_limits_the_cores(files, cgroup):
    for name, text in files.items():
        (cgroup / name).write_text(text + "\n")
    assert available_cores() == 1


@pytest.mark.parametrize("text", ["max 100000", "", "garbage", "100000 0", "\x00"])
def test_a_quota_that_says_nothing_is_none(text, cgroup):
    (cgroup / "cpu.max").write_text(text)
    assert available_cores() == len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("limit", "use"), [("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes")]
)
def test_a_containers_memory_is_what_is_left_of_its_limit(limit, use, cgroup):
    everything = available_memory()
    (cgroup / limit).write_text(str(GIB // 2))
    (cgroup / use).write_text(str(GIB // 8))
    assert available_memory() == GIB // 2 - GIB // 8
    (cgroup / limit).write_text("max" if limit == "memory.max" else str(2**63 - 4096))
    assert available_memory() == pytest.approx(everything, rel=0.5)


@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit on address space")
def test_memory_follows_the_limit_on_address_space():
    program = f"import resource; resource.setrlimit(resource.RLIMIT_AS, ({GIB}, {GIB})); "
    program += "from imbench.runs.machine import available_memory; print(available_memory())"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout
    assert 0 < int(found) < GIB


@given(st.dictionaries(st.integers(1, 4), st.integers(1, 10**6), max_size=4))
def test_caches_of_data_are_those_that_the_system_names(sizes):
    with tempfile.TemporaryDirectory() as folder, mock.patch.object(machine, "CACHES", Path(folder)):
        described = [(level, "Unified", f"{size}K") for level, size in sizes.items()]
        for i, files in enumerate([*described, (1, "Instruction", "32K"), (2, "Data", "")]):
            index = Path(folder, f"index{i}")
            index.mkdir()
            for name, text in zip(("level", "type", "size"), files, strict=True):
                (index / name).write_text(f"{text}\n")
        assert cache_sizes() == {f"L{level}": size * 1024 for level, size in sizes.items()}


def test_where_the_system_names_no_caches_there_are_none(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "CACHES", tmp_path / "nowhere")
    assert cache_sizes() == {}
