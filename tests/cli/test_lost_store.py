"""A store that is removed during a run: the run says so, and the same command begins a new one."""

import shutil
from pathlib import Path

import pytest

from imbench import StoreError
from imbench.store.store import Store

PLUGIN = '''
import os, shutil
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar
from imbench import BatchStrategy

@dataclass(frozen=True)
class Removing(BatchStrategy):
    """Removes the store once, after Nobody (2020)."""

    name: ClassVar[str] = "removing"

    def rebalance(self, batch, info, noise):
        try:
            os.mkdir("removed")
        except FileExistsError:
            return batch
        {removal}
        return batch
'''
REMOVALS = {
    "the folder": 'shutil.rmtree("store")',
    "the marker": 'os.unlink("store/imbench-store.json")',
    "all but a folder": 'shutil.rmtree("store"); Path("store/failed").mkdir(parents=True)',
}


@pytest.mark.parametrize(
    ("removal", "jobs"), [("the folder", 1), ("the folder", 2), ("the marker", 1), ("all but a folder", 1)]
)
def test_a_run_says_so_and_the_same_command_begins_a_new_store(imbench, table, removal, jobs):
    Path("removing.py").write_text(PLUGIN.format(removal=REMOVALS[removal]))
    command = ["run", "--dataset", table, "--strategy", "removing", "--strategy", "baseline", "--plugin", "removing.py"]
    command += ["--protocol", "smoke", "--no-checks", "--store", "store", "--jobs", jobs]
    answer = imbench(*command)
    assert answer.code == 1
    assert "store store was removed or moved during the run" in answer.err
    assert imbench(*command).code == 0
    assert Store.open("store").status().done == 2


def test_a_folder_with_other_files_is_still_no_store(tmp_path):
    for name in ("notes.txt", "jobs/notes.txt", "mine/0"):
        folder = tmp_path / "folder"
        (folder / name).parent.mkdir(parents=True)
        (folder / name).touch()
        with pytest.raises(StoreError, match="neither empty nor an imbench store"):
            Store.open(folder, create=True)
        shutil.rmtree(folder)
