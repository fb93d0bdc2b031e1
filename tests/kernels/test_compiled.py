"""Compiled code on disk: found by the next process, and compiled again once any file of the room has changed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import imbench.kernels

PROGRAM = """
from imbench.kernels.row_kernels import between
print(sum(between.stats.cache_hits.values()), sum(between.stats.cache_misses.values()))
"""


def test_a_change_of_any_file_of_the_room_is_noticed(tmp_path):
    shutil.copytree(Path(imbench.kernels.__file__).parent, tmp_path / "imbench/kernels")
    (tmp_path / "imbench/__init__.py").touch()
    environment = os.environ | {"PYTHONPATH": str(tmp_path), "NUMBA_CACHE_DIR": str(tmp_path / "cache")}

    def hits_and_misses():
        command = [sys.executable, "-c", PROGRAM]
        return subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=True).stdout

    assert [hits_and_misses(), hits_and_misses()] == ["0 1\n", "1 0\n"]
    helpers = tmp_path / "imbench/kernels/simd.py"  # imported by other kernels than this one
    helpers.write_text(helpers.read_text() + "\n# changed\n")
    assert [hits_and_misses(), hits_and_misses()] == ["0 1\n", "1 0\n"]
