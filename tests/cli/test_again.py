"""The printed commands, typed in an empty folder, make the same jobs again; --plugin reaches every verb."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from imbench import load

PLUGIN = '''
from dataclasses import dataclass
from typing import ClassVar
from imbench import BatchStrategy

@dataclass(frozen=True)
class Mine(BatchStrategy):
    """Leaves every batch as it is, after Nobody (2020)."""

    name: ClassVar[str] = "mine"
    strength: float = 1.0

    def rebalance(self, batch, info, noise):
        return batch
'''
NOT_AGAIN = ["seconds", "dataset"]


@pytest.fixture
def plugin(tmp_path) -> Path:
    path = tmp_path / "plugins" / "mine.py"
    path.parent.mkdir()
    path.write_text(PLUGIN)
    return path


def typed(commands: list[str], folder: Path) -> pd.DataFrame:
    """The rows of the store that these commands make in a shell in this folder; what they install is there."""
    shim = f'pip() {{ :; }}; imbench() {{ "{sys.executable}" -m imbench "$@"; }}'
    script = "\n".join(["set -e", shim, *commands])
    done = subprocess.run(["sh", "-c", script], cwd=folder, env=dict(os.environ), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return load(folder / "imbench-store").frame()


def again(imbench_command, store: Path, tmp_path: Path, beside: list[Path]) -> tuple[list[str], pd.DataFrame]:
    assert imbench_command("report", store, "--to", tmp_path / "report").code == 0
    folder = tmp_path / "empty"
    folder.mkdir()
    for file in beside:
        shutil.copy(file, folder)
    commands = json.loads((tmp_path / "report" / "leaderboard.json").read_text())["commands"]
    return commands, typed(commands, folder)


def same(one: pd.DataFrame, other: pd.DataFrame) -> None:
    by = ["key", "repeat", "fold"]
    one, other = (f.drop(columns=NOT_AGAIN).sort_values(by).reset_index(drop=True) for f in (one, other))
    pd.testing.assert_frame_equal(one, other)


def test_a_plugin_file_partial_entrants_and_settings_are_made_again(imbench, table, tmp_path, plugin):
    store, csv = tmp_path / "store", Path(table.partition(":")[0])
    common = ["--plugin", plugin, "--protocol", "smoke", "--set", "epochs=2", "--store", store, "--jobs", "1"]
    mine = ["--strategy", "mine:strength=2", "--strategy", "baseline"]
    assert imbench("run", "--dataset", table, "--dataset", f"{table},ir=0.2", *mine, *common).code == 0
    assert imbench("run", "--dataset", table, "--strategy", "remix:alpha=0.3", *common).code == 0
    commands, rows = again(imbench, store, tmp_path, [plugin, csv])
    assert re.fullmatch(r"pip install imbench==\S+", commands[0])
    assert any(line.startswith("# needs the file mine.py (SHA-256 ") for line in commands)
    same(load(store).frame(), rows)


def test_a_protocol_file_is_spelt_out_in_settings(imbench, table, tmp_path):
    store, csv = tmp_path / "store", Path(table.partition(":")[0])
    (tmp_path / "own.toml").write_text('extends = "smoke"\nepochs = 3\nhidden_layers = 1\n')
    request = ["--dataset", table, "--strategy", "baseline", "--protocol", tmp_path / "own.toml", "--jobs", "1"]
    assert imbench("run", *request, "--store", store).code == 0
    _, rows = again(imbench, store, tmp_path, [csv])
    assert set(rows["key"]) == set(load(store).frame()["key"])


@pytest.mark.parametrize(
    "words",
    [
        ("list", "strategies"),
        ("info", "mine"),
        ("plugin", "check", "mine"),
        ("run", "--strategy", "mine", "--protocol", "smoke", "--jobs", "1"),
        ("run", "--strategy", "mine", "--protocol", "smoke", "--dry-run"),
        ("sweep", "--strategy", "mine", "--param", "strength=1,2", "--protocol", "smoke", "--jobs", "1"),
        ("sweep", "--strategy", "mine", "--param", "strength=1,2", "--dry-run"),
    ],
    ids=" ".join,
)
def test_a_plugin_file_reaches_every_verb(imbench, table, plugin, words):
    data = ["--dataset", table] if words[0] in ("run", "sweep") else []
    answer = imbench(*words, *data, "--plugin", plugin)
    assert answer.code in (0, 1)
    assert "unknown strategy" not in answer.err
    assert "mine" in answer.out or "--dry-run" in words or words[0] == "sweep"
