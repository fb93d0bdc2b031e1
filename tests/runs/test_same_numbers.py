"""The same command gives the same rows: to the bit on one machine, within a tolerance on another.

`docs/reliability.md` states both; the tolerance here is read from that page.
"""

import os
import platform
import random
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import imbench
from imbench.runs.execution import InProcess, LocalPool
from imbench.runs.shards import Shard
from imbench.scoring.columns import TIMING
from imbench.store.merge import merge
from imbench.store.store import Store
from tests.engine.test_processors import PROCESSORS
from tests.runs.test_parts import OWN_FORWARD

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
BUILT_IN = ("baseline", "batch-smote", "cost-adjusted", "mixup", "remix")
STRATEGIES = (*BUILT_IN, "staged")
SHARDS = 3
# Columns of text and counts: the same data, folds and jobs.
NAMES = ["key", "data_hash", "rows_hash", "strategy", "repeat", "fold", "n_train", "n_test", "epochs", "steps"]


class InOrder:
    """Every task in this process, in an order that the caller chooses."""

    def __init__(self, arrange):
        self.arrange = arrange

    def run(self, tasks):
        # Equal costs, so that the executor keeps the order it is given.
        tasks = [type(task)(task.index, 1.0, task.call, task.prepare) for task in tasks]
        yield from InProcess().run(self.arrange(tasks))


SAME_MACHINE = {
    "one worker": {"executor": LocalPool(1)},
    "two workers": {"executor": LocalPool(2)},
    "workers of two threads": {"executor": LocalPool(2, threads=2)},
    "jobs reversed": {"executor": InOrder(lambda tasks: tasks[::-1])},
    "jobs shuffled": {"executor": InOrder(lambda tasks: random.Random(0).sample(tasks, len(tasks)))},
}
# Libraries read these variables when they are imported, so these runs have processes of their own.
THREADS = {"OMP_NUM_THREADS": "3", "OPENBLAS_NUM_THREADS": "3", "MKL_NUM_THREADS": "3", "NUMBA_NUM_THREADS": "3"}
_OLD_PROCESSOR = {"OPENBLAS_CORETYPE": "Prescott", "ATEN_CPU_CAPABILITY": "default", "MKL_CBWR": "COMPATIBLE"}
OTHER_MACHINES = {
    "another BLAS kernel": {"OPENBLAS_CORETYPE": "Nehalem", "MKL_CBWR": "AVX2"},
    "a processor without AVX-512": PROCESSORS["no AVX-512"][0],
    "a processor without AVX": _OLD_PROCESSOR | PROCESSORS["no AVX"][0],
}
BLAS = "import numpy, threadpoolctl; print(*[one.get('architecture') for one in threadpoolctl.threadpool_info()])"
X86 = pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="the settings are those of x86-64")


@pytest.fixture(scope="module")
def suite(tmp_path_factory):
    """Two small tables, one with three classes, and a plugin that trains in the general engine."""
    folder = tmp_path_factory.mktemp("suite")
    rng = np.random.default_rng(0)
    specs = []
    for name, classes in (("two", {"no": 120, "yes": 30}), ("three", {"red": 90, "green": 40, "blue": 20})):
        y = np.repeat(list(classes), list(classes.values()))
        x = rng.normal(size=(len(y), 6)) + pd.Categorical(y, categories=list(classes)).codes[:, None]
        pd.DataFrame(x, columns=list("abcdef")).assign(kind=y).to_csv(folder / f"{name}.csv", index=False)
        specs.append(f"{folder / name}.csv:target=kind")
    (folder / "staged.py").write_text(OWN_FORWARD)
    return {"datasets": specs, "strategies": STRATEGIES, "plugins": [str(folder / "staged.py")], "protocol": "smoke"}


def run(suite, store, **changes):
    return imbench.run(**suite, store=store, checks=False, **changes)


def run_elsewhere(suite, store, environment):
    """The same command in a process of its own with this environment."""
    options = [f"--dataset={spec}" for spec in suite["datasets"]] + [f"--strategy={s}" for s in suite["strategies"]]
    options += [f"--plugin={plugin}" for plugin in suite["plugins"]]
    command = [sys.executable, "-m", "imbench", "run", *options, "--protocol", suite["protocol"], "--jobs", "1"]
    command += ["--no-references", "--no-checks", "--quiet", "--store", str(store)]
    python(command, environment)
    return imbench.load(store)


def python(command, environment):
    """What a command prints that succeeds in this environment."""
    settings = ("NUMBA_CPU", "PYTEST_", "OPENBLAS_", "MKL_", "ATEN_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(settings)}
    done = subprocess.run(command, env=kept | environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def usual(suite, tmp_path_factory):
    """The results of one process."""
    return run(suite, tmp_path_factory.mktemp("usual"), jobs=1)


def rows_of(results):
    rows = results.frame().drop(columns=list(TIMING))
    return rows.sort_values(["key", "repeat", "fold"], ignore_index=True)


def probabilities(results):
    """The predicted probabilities of all test rows, in the order of jobs and folds."""
    store = Store(results.store)
    return np.concatenate(
        [fold.test.proba.ravel() for key in sorted(set(results.frame()["key"])) for fold in store.predictions(key)]
    )


def assert_equal_to_the_bit(found, wanted):
    pd.testing.assert_frame_equal(rows_of(found), rows_of(wanted), check_exact=True)


@pytest.mark.parametrize("how", SAME_MACHINE)
def test_neither_workers_nor_order_change_a_bit(how, suite, usual, tmp_path):
    assert_equal_to_the_bit(run(suite, tmp_path / "store", **SAME_MACHINE[how]), usual)


def test_shards_merged_give_the_rows_of_one_run(suite, usual, tmp_path):
    parts = [tmp_path / str(i) for i in range(1, SHARDS + 1)]
    for i, part in enumerate(parts, 1):
        run(suite, part, jobs=1, shard=Shard(i, SHARDS))
    merge(parts, tmp_path / "whole")
    assert_equal_to_the_bit(imbench.load(tmp_path / "whole"), usual)


def test_threads_of_the_environment_change_no_bit(suite, usual, tmp_path):
    assert_equal_to_the_bit(run_elsewhere(suite, tmp_path / "store", THREADS), usual)


def tolerance(what):
    """A tolerance from the page."""
    (number,) = re.findall(rf"^\| {what} \|.*\| ([\d.e-]+) \|$", PAGE.read_text("utf-8"), re.MULTILINE)
    return float(number)


@X86
@pytest.mark.parametrize("machine", OTHER_MACHINES)
def test_another_machine_gives_the_same_rows_within_the_tolerance(machine, suite, usual, tmp_path):
    other = run_elsewhere(suite, tmp_path / "store", OTHER_MACHINES[machine])
    found, wanted = rows_of(other), rows_of(usual)
    assert found[NAMES].equals(wanted[NAMES])
    differences = np.abs(probabilities(other) - probabilities(usual))
    assert differences.max() <= tolerance("probability of a test row")
    for metric in ("bbs", "brier"):
        assert (found[metric] - wanted[metric]).abs().max() <= tolerance("Brier score, also of a single class")


@X86
@pytest.mark.parametrize("machine", [name for name, told in OTHER_MACHINES.items() if "OPENBLAS_CORETYPE" in told])
def test_the_settings_choose_another_blas_kernel(machine):
    command = [sys.executable, "-c", BLAS]
    here, there = python(command, {}), python(command, OTHER_MACHINES[machine])
    if "Haswell" in here or "SkylakeX" in here or "Zen" in here:  # kernels of today's processors in OpenBLAS
        assert here != there
