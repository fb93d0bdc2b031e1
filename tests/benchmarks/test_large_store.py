"""Seconds and peak memory of status, load, a run's check, report and merge on a store of many jobs; cost a job.

Run by ``tox -e benchmark``, for 5,000 jobs, or as many as IMBENCH_BENCHMARK_JOBS says: 100,000 take 7 GB of disk, and
making them takes some 10 minutes. Jobs are made from those of `tests.made_results`, or from those of the store in
IMBENCH_BENCHMARK_STORE, which must have `baseline` and `remix` on every configuration.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from imbench.contract.protocol import Protocol
from imbench.store.store import Store
from tests.benchmarks.large_store import fill_large
from tests.made_results import fill

JOBS, STRATEGIES = int(os.environ.get("IMBENCH_BENCHMARK_JOBS", "5000")), 200
# 20 folds a job, as `paper` has.
FOLDS = Protocol("quick", repeats=10)
SMALL = os.environ.get("IMBENCH_BENCHMARK_STORE")

LOAD = "import sys; from imbench import load; print(len(load(sys.argv[1]).rows))"
CHECK = "import sys; from imbench.store.store import Store; now = Store.open(sys.argv[1]).contents(); "
CHECK += "print(len(now.intact_sources(now.keys())))"
COMMANDS = {
    "status": "-m imbench status {store}",
    "load": "-c {load} {store}",
    "check of stored jobs by a run": "-c {check} {store}",
    "report": "-m imbench report {store} --to {out}/report",
    "merge": "-m imbench merge {store} --into {out}/merged",
    "status without an index": "-m imbench status {bare}",
}


@pytest.fixture(scope="module")
def made(request, tmp_path_factory):
    """A folder with a large store, and with one of 500 of its jobs without an index."""
    folder = tmp_path_factory.mktemp("large")
    small = Path(SMALL) if SMALL else folder / "small"
    if not SMALL:
        names = [f"d{n}" for n in range(5)]
        fill(Store.open(small, create=True), names, ["baseline", "remix"], protocol=FOLDS)
    # With --benchmark-disable, in the ordinary tests, a few jobs show that it runs.
    jobs, strategies = (JOBS, STRATEGIES) if request.config.getoption("benchmark_enable") else (16, 4)
    fill_large(small, folder / "store", jobs, strategies=strategies)
    Store.open(folder / "bare", create=True)
    for name in ("jobs", "predictions"):
        (folder / "bare" / name).mkdir()
        for file in sorted((folder / "store" / name).iterdir())[:500]:
            shutil.copy2(file, folder / "bare" / name)
    return folder


def run(folder, command):
    """CPU seconds, peak memory in GB and output of a command."""
    names = {"store": folder / "store", "out": folder, "bare": folder / "bare", "load": LOAD, "check": CHECK}
    parts = [part.format_map(names) for part in command.split()]
    script = "import resource, subprocess, sys; done = subprocess.run(sys.argv[1:]); "
    script += "print(*resource.getrusage(resource.RUSAGE_CHILDREN)[:3], done.returncode)"
    done = subprocess.run([sys.executable, "-c", script, sys.executable, *parts], capture_output=True, text=True)
    *output, last = done.stdout.splitlines()
    user, system, peak, status = last.split()
    assert status == "0", done.stderr
    return float(user) + float(system), float(peak) * 1024 / 1e9, output


@pytest.mark.parametrize("name", COMMANDS)
def test_command_on_a_large_store(benchmark, made, name):
    if benchmark.disabled and name == "report":
        pytest.skip("other tests write reports")
    seconds, gigabytes, _ = benchmark.pedantic(run, (made, COMMANDS[name]), rounds=1)
    jobs = sum(1 for _ in (made / ("bare" if "bare" in COMMANDS[name] else "store") / "jobs").iterdir())
    benchmark.extra_info |= {"jobs": jobs, "cpu_seconds": seconds, "gigabytes": gigabytes}
    print(f"\n{name}, {jobs:,} jobs: {seconds:.1f} s CPU, {1e3 * seconds / jobs:.3f} ms a job, {gigabytes:.2f} GB")
