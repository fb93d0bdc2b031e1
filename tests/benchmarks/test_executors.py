"""The tabular suite under ``smoke`` in each way to run it: equal rows, wall-clock time, and overhead per job.

Overhead is the time of all processes that is not training: (wall-clock time x workers - seconds of training as stored)
/ jobs. It contains reading data, folds, preprocessing, scoring and storing. Without startup, time counts from the first
finished job on, so that planning, the start of processes and their imports are left out.
"""

import pytest

from tests.runs import everywhere

pytest.importorskip("distributed")

WAYS = {**everywhere.WAYS, "steady_dask": everywhere.steady_dask}


@pytest.fixture(scope="module", autouse=True)
def _timed(pytestconfig):
    """Skips before a fixture trains the suite; each test would skip only after that."""
    if pytestconfig.getoption("benchmark_disable") and not pytestconfig.getoption("benchmark_enable"):
        pytest.skip("timings are taken by tox -e benchmark")


@pytest.fixture(scope="module")
def suite(tmp_path_factory):
    return everywhere.tabular_suite(tmp_path_factory.mktemp("plan"))


@pytest.fixture(scope="module")
def plain(suite, tmp_path_factory):
    folder = tmp_path_factory.mktemp("warm")
    everywhere.in_process(suite | {"strategies": ["baseline"]}, folder)  # compiles what later runs reuse
    return everywhere.in_process(suite, tmp_path_factory.mktemp("plain"))


@pytest.mark.data
@pytest.mark.parametrize("way", WAYS)
def test_the_suite(benchmark, suite, plain, tmp_path, capsys, monkeypatch, way):
    if way == "dask":  # jobs must be left for the worker that joins late
        monkeypatch.setattr("imbench.runs.dask_run.WINDOW", 6)
    run = benchmark.pedantic(WAYS[way], (suite, tmp_path), rounds=1)
    everywhere.check_complete(run, suite, tmp_path / "again")
    everywhere.check_equal(run, plain)
    jobs = len(run.finished)
    whole, later = ((seconds * run.workers - run.trained) / jobs for seconds in (run.seconds, run.after_first))
    benchmark.extra_info |= {"overhead_ms": 1e3 * whole, "overhead_without_startup_ms": 1e3 * later}
    with capsys.disabled():
        print(
            f"\n{way}: {jobs} jobs, {run.seconds:.1f} s with {run.workers} at a time, {run.trained:.1f} s of training; "
            f"overhead {1e3 * whole:.0f} ms a job, {1e3 * later:.0f} ms without startup"
        )
