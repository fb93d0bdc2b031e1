"""Jobs on a Dask cluster of real processes: workers are killed, join late, and differ."""

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import closing
from functools import partial
from pathlib import Path

import pandas as pd
import pytest

import imbench
from imbench.contract.errors import UsageError
from imbench.runs.cluster import Needs
from imbench.runs.dask_cluster import DaskExecutor
from imbench.runs.execution import Note, Outcome, Started, Task
from imbench.runs.registry import Registry
from imbench.runs.worker import Limits
from tests.runs import chores
from tests.runs.dask_processes import DaskProcesses

pytest.importorskip("distributed")

NEEDS = Needs(Registry(), ())


@pytest.fixture
def cluster(tmp_path):
    (folder := tmp_path / "cluster").mkdir()
    cluster = DaskProcesses(folder)
    yield cluster
    cluster.stop()


@pytest.fixture
def pair(cluster):
    """A cluster of two workers."""
    cluster.start_worker("one")
    cluster.start_worker("two")
    cluster.wait_for_workers(2)
    return cluster


@pytest.fixture
def other_source(tmp_path):
    """The environment of a worker whose imbench has another source."""
    folder = tmp_path / "other"
    home = Path(imbench.__file__).parent
    shutil.copytree(home, folder / "imbench", ignore=shutil.ignore_patterns("__pycache__"))
    with open(folder / "imbench" / "runs" / "sweeping.py", "a") as file:
        file.write("# changed\n")
    return {"PYTHONPATH": os.pathsep.join([str(folder), *filter(None, sys.path)])}


def squares(count, pause=0.0):
    return [Task(i, 1.0, partial(chores.slow_square, i, pause)) for i in range(count)]


def check_once(events, count):
    """One start and one outcome for each task, with its value."""
    for i in range(count):
        assert [type(event) for event in events if getattr(event, "index", None) == i] == [Started, Outcome]
    values = {event.index: event.value for event in events if isinstance(event, Outcome)}
    assert values == {i: i * i for i in range(count)}


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def observed(events, outcomes, change):
    """All events; once there are so many outcomes, the cluster is changed."""
    found = []
    for event in events:
        found.append(event)
        if isinstance(event, Outcome) and sum(isinstance(one, Outcome) for one in found) == outcomes:
            change()
    return found


def test_one_worker_is_killed_half_way_and_one_joins_late(pair):
    def change():
        pair.kill("one")
        pair.start_worker("three")

    with DaskExecutor(pair.address).connect(NEEDS) as (run, at_once):
        assert at_once == 2
        check_once(observed(run.run(squares(60, 0.1)), 10, change), 60)


def test_a_worker_that_is_ended_in_order_leaves_its_jobs_to_others(pair):
    # As a batch system ends it at its time limit, or an adaptive cluster that shrinks.
    def change():
        pair.workers["one"].send_signal(signal.SIGTERM)
        pair.workers["one"].wait(300)

    with DaskExecutor(pair.address).connect(NEEDS) as (run, _):
        check_once(observed(run.run(squares(40, 0.1)), 10, change), 40)


def test_all_workers_die_and_others_take_over(pair):
    def change():
        pair.kill("one")
        pair.kill("two")

    def replaced(events):
        for event in events:
            if isinstance(event, Note) and "three" not in pair.workers:
                pair.start_worker("three")
            yield event

    with DaskExecutor(pair.file).connect(NEEDS) as (run, _):
        events = observed(replaced(run.run(squares(30, 0.1))), 5, change)
    check_once(events, 30)
    assert Note("waiting for Dask workers; none is there at present") in events


def test_calls_that_hang_swell_or_crash_cost_only_themselves(pair, tmp_path):
    tasks = [
        Task(0, 9.0, partial(chores.sleep, tmp_path / "pid0"), limits=Limits(seconds=0.5)),
        Task(1, 9.0, partial(chores.swell, tmp_path / "pid1"), limits=Limits(memory=4e8)),
        Task(2, 9.0, partial(chores.kill_self, signal.SIGKILL)),
        Task(3, 9.0, chores.segfault),
        Task(4, 9.0, chores.refuse),
        Task(5, 9.0, partial(chores.square, chores.Unreadable())),
        Task(6, 9.0, partial(chores.kill_self_at_first, 1, tmp_path), limits=Limits(retries=1)),
        Task(7, 1.0, partial(chores.square, 7)),
    ]
    with DaskExecutor(pair.address).connect(NEEDS) as (run, _):
        found = {event.index: event for event in run.run(tasks) if isinstance(event, Outcome)}
    reasons = ["time limit of 0.5 s", "memory limit of 400 MB", "SIGKILL", "SIGSEGV", "not today", "invalid literal"]
    for i, reason in enumerate(reasons):
        assert reason in found[i].error
    assert (found[6].value, found[7].value) == (2, 49)


def test_closing_the_run_ends_its_calls(pair, tmp_path):
    tasks = [Task(i, 1.0, partial(chores.sleep, tmp_path / f"pid{i}")) for i in range(3)]
    with DaskExecutor(pair.address).connect(NEEDS) as (connected, _), closing(connected.run(tasks)) as run:
        for _ in tasks:
            next(run)  # asking for the third makes the first two begin
        deadline = time.monotonic() + 300
        while len(pids := [file for file in tmp_path.glob("pid*") if file.read_text()]) < 2:
            time.sleep(0.05) if time.monotonic() < deadline else pytest.fail("the calls did not start")
        running = [int(file.read_text()) for file in pids]
    deadline = time.monotonic() + 20
    while any(map(is_alive, running)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(map(is_alive, running))


def test_a_worker_with_other_source_is_named_at_the_start(cluster, other_source):
    cluster.start_worker("other", environment=other_source)
    cluster.wait_for_workers(1)
    with pytest.raises(UsageError) as refused, DaskExecutor(cluster.address).connect(NEEDS):
        pass
    assert "has source of imbench" in str(refused.value)
    assert "install the same source of imbench there" in str(refused.value)


def test_a_worker_that_joins_with_other_source_gets_no_jobs(cluster, other_source):
    cluster.start_worker("one")
    cluster.wait_for_workers(1)
    events = []
    with DaskExecutor(cluster.address).connect(NEEDS) as (run, _):
        cluster.start_worker("other", environment=other_source)
        cluster.wait_for_workers(2)
        events += run.run(squares(40, 0.2))
    check_once(events, 40)
    assert ["gets no jobs" in event.text for event in events if isinstance(event, Note)] == [True]


def test_jobs_go_to_workers_that_offer_the_resource(cluster):
    cluster.start_worker("plain")
    cluster.start_worker("equipped", "--resources", "GPU=1")
    cluster.wait_for_workers(2)
    with DaskExecutor(cluster.address, {"GPU": 1}).connect(NEEDS) as (run, at_once):
        assert at_once == 1
        places = {e.value for e in run.run([Task(i, 1.0, chores.where) for i in range(20)]) if isinstance(e, Outcome)}
    assert {Path(place).name for place in places} == {"equipped"}


@pytest.mark.parametrize("shared", [True, False], ids=["shared folder", "no shared folder"])
def test_rows_equal_those_of_one_process(pair, table, plugin, tmp_path, monkeypatch, shared):
    """Whichever way the results come back, with one worker killed half-way and one joining late.

    Paths under /proc/self/cwd name another folder in every process.
    """
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    root = Path("/proc/self/cwd") if not shared else tmp_path / "here"
    if not shared:
        (tmp_path / "here" / "temporary").mkdir()
        monkeypatch.setattr("tempfile.tempdir", "/proc/self/cwd/temporary")
    request = {"datasets": [table, table.replace(",ir=0.2", ",ir=0.1")], "protocol": "smoke", "plugins": [str(plugin)]}
    request |= {"strategies": ["baseline", "remix", "mixup", "mine"], "checks": False}
    done = []

    def watch(event):
        if event.kind == "finished":
            done.append(event.job.key)
            if len(done) == 2:
                pair.kill("one")
                pair.start_worker("three")

    found = imbench.run(**request, store=root / "dask", executor=DaskExecutor(pair.address), progress=watch)
    plain = imbench.run(**request, store=tmp_path / "plain", jobs=1)
    assert len(done) == len(set(done)) == 8
    pd.testing.assert_frame_equal(found.frame().drop(columns="seconds"), plain.frame().drop(columns="seconds"))
    assert not list((tmp_path / "here" / "dask").glob(".seen*"))


def test_an_adaptive_cluster_starts_workers_for_the_jobs():
    from distributed import Client, LocalCluster

    empty = LocalCluster(n_workers=0, threads_per_worker=1, dashboard_address="127.0.0.1:0")
    with empty, Client(empty, set_as_default=False) as client:
        empty.adapt(minimum=0, maximum=2, interval="200ms")
        with DaskExecutor(client).connect(NEEDS) as (run, _):
            events = list(run.run(squares(12, 0.05)))
    check_once(events, 12)


def test_local_workers_need_no_cluster():
    with DaskExecutor("local:2").connect(NEEDS) as (run, at_once):
        assert at_once == 2
        check_once(list(run.run(squares(20))), 20)


def test_no_scheduler_is_an_error_that_says_so(monkeypatch):
    monkeypatch.setattr("imbench.runs.dask_cluster.ANSWER", 0.5)
    with (
        pytest.raises(UsageError, match="no Dask scheduler answers there"),
        DaskExecutor("tcp://127.0.0.1:9").connect(NEEDS),
    ):
        pass


@pytest.mark.parametrize("address", ["", "host", "host:8786", "local", "local:0", "local:x", "http://host", "tcp://"])
def test_other_texts_are_no_address(address):
    with pytest.raises(UsageError, match="is not a scheduler; write tcp://HOST:PORT"):
        DaskExecutor(address)


def test_without_dask_the_command_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(UsageError, match=r"pip install 'imbench\[dask\]'"), DaskExecutor("local:2").connect(NEEDS):
        pass


def test_imbench_imports_no_dask():
    code = "import sys, imbench, imbench.runs.bench, imbench.cli; print('distributed' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
