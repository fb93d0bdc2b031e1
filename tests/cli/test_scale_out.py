"""docs/scale-out.md: its scripts do what they say, with stand-ins for the programs of a batch system."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import imbench

PAGE = Path(__file__).parents[2] / "docs" / "scale-out.md"
# `srun` runs a command on a node, `ssh` on a host, which is a folder here, and `rsync` copies a folder from one.
PROGRAMS = {
    "srun": 'exec "$@"',
    "ssh": 'mkdir -p "$HOSTS/$1" && cd "$HOSTS/$1" && shift && exec bash -c "$*"',
    "rsync": 'exec cp -r "$HOSTS/${2/://}" "$3"',
}


@pytest.fixture
def machine(tmp_path, table):
    """The environment of the scripts, and the options of a small run."""
    (tmp_path / "bin").mkdir()
    python = f'exec {sys.executable} -c "from imbench.cli import script; script()" "$@"'
    for name, content in {**PROGRAMS, "imbench": python}.items():
        (tmp_path / "bin" / name).write_text(f"#!/bin/bash\n{content}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    strategies = [f"--strategy {name}" for name in ("baseline", "remix", "mixup")]
    options = " ".join(["--dataset", table, *strategies, "--no-references --protocol smoke --jobs 1 --no-checks"])
    (tmp_path / "bin" / "activate").touch()
    return os.environ | {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "HOSTS": str(tmp_path)}, options


def script(title):
    """The last example of bash under this title."""
    page = PAGE.read_text("utf-8").split(f"### {title}\n")[-1]
    return re.search(r"```bash\n(.*?)```", page, re.DOTALL)[1]


def bash(content, folder, environment):
    done = subprocess.run(["bash", "-c", content], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="the scripts are for bash")
def test_each_task_of_the_slurm_array_trains_its_shard(machine, tmp_path):
    environment, options = machine
    content = script("A Slurm array")
    assert len(content.splitlines()) <= 20
    content = content.replace("/shared/venv/bin/activate", str(tmp_path / "bin" / "activate"))
    content = content.replace("/shared", str(tmp_path))
    (prepare,) = re.findall(r"imbench plan .*", content)
    bash(prepare.replace("--suite tabular", options).replace("--shards 20", "--shards 2"), tmp_path, environment)
    environment.pop("IMBENCH_CACHE", None)
    for task in ("1", "2"):
        bash(content, tmp_path, environment | {"SLURM_ARRAY_TASK_ID": task})
    assert stored(tmp_path / "results") == ["baseline", "mixup", "remix"]


@pytest.mark.skipif(sys.platform == "win32", reason="the scripts are for bash")
def test_the_machines_train_shards_that_are_merged(machine, tmp_path):
    environment, options = machine
    (tmp_path / "here").mkdir()
    bash(script("A handful of ssh machines").replace("--suite tabular", options), tmp_path / "here", environment)
    assert stored(tmp_path / "here" / "imbench-store") == ["baseline", "mixup", "remix"]


def stored(store: Path) -> list[str]:
    rows: pd.DataFrame = imbench.load(store).frame()
    assert not rows["error"].any()
    return sorted(set(rows["strategy"]))
