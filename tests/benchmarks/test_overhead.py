"""Overhead per task and per job, and the memory of this process over them.

10,000 tasks that do nothing go through each executor, whose processes start before the clock does. The aim is 10 ms a
task in the pool and under Dask, and memory that does not grow with the number of tasks. Then 2,000 real jobs of two
tiny nets each are planned, trained, scored, stored and read back.
"""

import os
import time
from contextlib import contextmanager
from functools import partial

import numpy as np
import pandas as pd
import pytest

import imbench
from imbench.runs.cluster import Needs
from imbench.runs.dask_cluster import DaskExecutor
from imbench.runs.execution import InProcess, LocalPool, Outcome, Task
from imbench.runs.machine import available_cores
from imbench.runs.memory import children_of, memory_of
from imbench.runs.registry import Registry
from tests.runs import chores
from tests.runs.dask_processes import DaskProcesses

TASKS, WARM, JOBS = 10_000, 100, 2_000
# Tasks where nothing is timed.
FEW = 1_000
# Bytes that this process may grow by over the last nine tenths of the tasks.
GROWTH = 20e6
MOST_MS = 10.0


@contextmanager
def in_process(folder):
    yield InProcess()


@contextmanager
def pool(folder):
    yield LocalPool(available_cores())


@contextmanager
def dask(folder):
    cluster = DaskProcesses(folder)
    try:
        for i in range(available_cores()):
            cluster.start_worker(f"worker{i}")
        cluster.wait_for_workers(available_cores())
        with DaskExecutor(cluster.address).connect(Needs(Registry(), ())) as (run, _):
            yield run
    finally:
        cluster.stop()


@pytest.fixture
def table(tmp_path):
    """The spec of a table of 60 rows."""
    y = np.repeat([0, 1], [45, 15])
    x = np.random.default_rng(0).normal(size=(60, 4)) + y[:, None]
    pd.DataFrame(x, columns=list("abcd")).assign(y=y).to_csv(tmp_path / "t.csv", index=False)
    return f"{tmp_path / 't.csv'}:target=y"


@pytest.mark.parametrize("executor", [in_process, pool, dask], ids=lambda make: make.__name__)
def test_tasks(benchmark, tmp_path, capsys, executor):
    memory, tasks = [], FEW if benchmark.disabled else TASKS

    def run(given, count):
        done = 0
        for event in given.run([Task(i, 1.0, partial(chores.square, i)) for i in range(count)]):
            if isinstance(event, Outcome):
                assert event.value == event.index**2
                done += 1
                if count == tasks and done in (tasks // 10, tasks):
                    memory.append(own_memory())
        return done

    with executor(tmp_path) as given:
        assert run(given, WARM) == WARM
        assert benchmark.pedantic(run, (given, tasks), rounds=1) == tasks
    growth = memory[-1] - memory[-2]
    if benchmark.stats is not None:
        each = 1e3 * benchmark.stats["mean"] / tasks
        benchmark.extra_info.update(ms_a_task=each, growth_mb=growth / 1e6)
        with capsys.disabled():
            print(f"\n{executor.__name__}: {each:.2f} ms a task, memory {memory[-1] / 1e6:.0f} MB, +{growth / 1e6:.1f}")
        assert each < MOST_MS
    assert growth < GROWTH


@pytest.mark.parametrize("workers", [1, 2])
def test_jobs(benchmark, table, tmp_path, capsys, workers):
    if benchmark.disabled:
        pytest.skip("timings are taken by tox -e benchmark")
    request = {"datasets": [table], "protocol": "paper:epochs=1,repeats=1", "checks": False}
    imbench.run(**request, strategies=["remix"], store=tmp_path / "warm", jobs=1)
    specs, ends, memory = [f"remix:alpha={0.1 + 1e-4 * i:.4f}" for i in range(JOBS)], [], []

    def see(event):
        if event.kind == "finished":
            ends.append(time.perf_counter())
            if event.done in (JOBS // 10, JOBS):
                memory.append(own_memory())

    def run():
        start = time.perf_counter()
        results = imbench.run(**request, strategies=specs, store=tmp_path / "store", jobs=workers, progress=see)
        return start, time.perf_counter(), results.frame()["seconds"].sum()

    before = sum(os.times()[:4])
    start, end, trained = benchmark.pedantic(run, rounds=1)
    whole, training = workers * (end - start) - trained, workers * (ends[-1] - ends[0]) - trained
    cpu, growth = sum(os.times()[:4]) - before, memory[1] - memory[0]
    with capsys.disabled():
        print(
            f"\n{JOBS} jobs, {workers} at a time: {1e3 * trained / JOBS:.1f} ms of training a job; overhead "
            f"{1e3 * whole / JOBS:.1f} ms a job, {1e3 * training / JOBS:.1f} of it from the first job to the last, "
            f"{1e3 * workers * (end - ends[-1]) / JOBS:.1f} to read all results; {1e3 * cpu / JOBS:.1f} ms of "
            f"processor time a job in all; memory +{growth / 1e6:.1f} MB"
        )
    benchmark.extra_info.update(overhead_ms=1e3 * whole / JOBS, growth_mb=growth / 1e6)
    assert growth < GROWTH


def own_memory():
    """Memory of this process without its children's."""
    return memory_of(os.getpid()) - sum(memory_of(child) for child in children_of(os.getpid()))
