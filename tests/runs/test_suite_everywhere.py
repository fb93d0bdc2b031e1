"""The tabular suite in one process, in worker processes, on a Dask cluster that changes, and in shards: equal rows.

Here every fifth configuration of the suite is trained; `tests/benchmarks/test_executors.py` trains all of them.
"""

import pytest

from tests.runs import everywhere

pytest.importorskip("distributed")
pytestmark = pytest.mark.data


@pytest.fixture(scope="module")
def suite(tmp_path_factory):
    return everywhere.tabular_suite(tmp_path_factory.mktemp("plan"), every=5)


@pytest.fixture(scope="module")
def plain(suite, tmp_path_factory):
    return everywhere.in_process(suite, tmp_path_factory.mktemp("plain"))


@pytest.mark.parametrize("way", everywhere.WAYS)
def test_rows_are_equal_and_no_job_is_lost_or_doubled(way, suite, plain, tmp_path, monkeypatch):
    # So few tasks at a time that jobs are left for the worker that joins late.
    monkeypatch.setattr("imbench.runs.dask_run.WINDOW", 6)
    run = plain if way == "in_process" else everywhere.WAYS[way](suite, tmp_path)
    everywhere.check_complete(run, suite, tmp_path / "again")
    everywhere.check_equal(run, plain)
