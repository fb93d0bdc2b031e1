"""How long a command takes to begin, and what jobs cost besides the steps of their nets."""

import subprocess
import sys

import pytest

import imbench
from imbench.engine.train import compile_once
from imbench.runs.machine import available_cores
from tests.benchmarks.whole_runs import STRATEGIES, run_command, timed

STARTS = {
    "python": "pass",
    "import imbench": "import imbench",
    "imbench --help": "from imbench.cli import main; main(['--help'])",
    "imbench list datasets": "from imbench.cli import main; main(['list', 'datasets'])",
    "imbench run --dry-run": "from imbench.cli import main; main(['run', '--suite', 'tabular', '--dry-run'])",
}
# Milliseconds of a job's processor time that is not training, at most: half as much again as an idle machine takes.
MOST_MS = 1000


@pytest.mark.parametrize("code", STARTS.values(), ids=STARTS)
def test_start(benchmark, code):
    """A fresh Python each time, as a user's shell starts it."""
    command = [sys.executable, "-c", code]
    benchmark.pedantic(subprocess.run, (command,), {"check": True, "capture_output": True}, rounds=10, warmup_rounds=1)


@pytest.mark.data
def test_the_tabular_suite_outside_its_nets(benchmark, tmp_path, capsys):
    """What does not grow with the epochs: imports, planning, data, folds, predictions, scores, files."""
    if benchmark.disabled:
        pytest.skip("timings are taken by tox -e benchmark")
    compile_once()

    def run(epochs):
        store = tmp_path / f"{epochs}-epochs"
        options = {"jobs": available_cores(), "protocol": "paper", "epochs": epochs}
        return timed(run_command("tabular", STRATEGIES, store=store, **options))

    run(1)  # keeps the data
    again = run(1)  # nothing is left to do
    few, many = run(2), benchmark.pedantic(run, (4,), rounds=1)
    jobs = len(imbench.load(tmp_path / "2-epochs").frame()["key"].unique())
    outside = 1e3 * (2 * few.cpu - many.cpu) / jobs
    benchmark.extra_info["table"] = {"row": "tabular suite, 4 epochs", "outside": outside, "seconds": many.seconds}
    with capsys.disabled():
        print(
            f"\n{jobs} jobs: {outside:.0f} ms of processor time a job outside nets, {1e3 * again.cpu / jobs:.0f} of it "
            f"to start, plan and read a store where nothing is left to do"
        )
    assert outside < MOST_MS
