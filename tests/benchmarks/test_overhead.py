"""Overhead per job: 10,000 tasks that do nothing, through each executor, and the memory of this process over them.

The aim is 10 ms a task in the pool and under Dask, and memory that does not grow with the number of tasks. Processes
start before the clock does.
"""

import os
from contextlib import contextmanager
from functools import partial

import pytest

from imbench.runs.cluster import Needs
from imbench.runs.dask_cluster import DaskExecutor
from imbench.runs.execution import InProcess, LocalPool, Outcome, Task
from imbench.runs.machine import available_cores
from imbench.runs.memory import children_of, memory_of
from imbench.runs.registry import Registry
from tests.runs import chores
from tests.runs.dask_processes import DaskProcesses

TASKS, WARM = 10_000, 100
# Bytes that this process may grow by over the last nine tenths of the tasks.
GROWTH = 20e6


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


@pytest.mark.parametrize("executor", [in_process, pool, dask], ids=lambda make: make.__name__)
def test_overhead(benchmark, tmp_path, executor):
    memory = []

    def run(given, count):
        done = 0
        for event in given.run([Task(i, 1.0, partial(chores.square, i)) for i in range(count)]):
            if isinstance(event, Outcome):
                assert event.value == event.index**2
                done += 1
                if count == TASKS and done in (TASKS // 10, TASKS):
                    memory.append(own_memory(os.getpid()))
        return done

    with executor(tmp_path) as given:
        assert run(given, WARM) == WARM
        assert benchmark.pedantic(run, (given, TASKS), rounds=1) == TASKS
    growth = memory[-1] - memory[-2]
    benchmark.extra_info["growth_mb"] = growth / 1e6
    if benchmark.stats is not None:
        benchmark.extra_info["ms_a_task"] = benchmark.stats["mean"] / TASKS * 1e3
    assert growth < GROWTH


def own_memory(process):
    """Memory of this process without its children's."""
    return memory_of(process) - sum(memory_of(child) for child in children_of(process))
