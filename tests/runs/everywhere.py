"""One run in each of four ways: in this process, in worker processes, on a Dask cluster that changes, in shards."""

import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

import imbench
from imbench.runs.execution import InProcess, LocalPool
from imbench.runs.machine import available_cores
from imbench.runs.shards import Shard
from imbench.scoring.columns import TIMING
from imbench.store.merge import merge
from imbench.store.store import Store
from tests.runs.dask_processes import DaskProcesses

DASK_WORKERS, SHARDS = 3, 4
STRATEGIES = ["baseline", "batch-smote", "cost-adjusted", "mixup", "remix"]


def tabular_suite(folder, every=1):
    """A run of every n-th configuration of the tabular suite, of those whose data is available, under ``smoke``."""
    fields = {"strategies": STRATEGIES, "protocol": "smoke"}
    found = imbench.plan(suite="tabular", store=folder, **fields).configurations
    return fields | {"datasets": [variant.spec for variant in found[::every]]}


@dataclass
class Observed:
    """A run and what was seen of it.

    Parameters
    ----------
    store : folder of its results
    workers : processes that train at a time
    finished : keys of the jobs that finished, one for each event
    seconds : wall-clock time from the first call to the last result
    after_first : wall-clock time from the first finished job to the last result; of shards, the sum of theirs
    """

    store: Path
    workers: int
    finished: list[str] = field(default_factory=list)
    seconds: float = 0.0
    after_first: float = 0.0

    @property
    def rows(self) -> pd.DataFrame:
        """The rows of the store without times."""
        return imbench.load(self.store).frame().drop(columns=list(TIMING))

    @property
    def trained(self) -> float:
        """Seconds of training, as stored."""
        return imbench.load(self.store).frame()["seconds"].sum()

    def do(self, request, watch=lambda done: None, **fields):
        """Run and watch; ``watch`` is called after each finished job with the number of them."""
        start, first = time.perf_counter(), []

        def see(event):
            if event.kind == "finished":
                first.append(time.perf_counter())
                self.finished.append(event.job.key)
                watch(len(self.finished))

        imbench.run(**request, **{"checks": False, "store": self.store} | fields, progress=see)
        end = time.perf_counter()
        self.seconds += end - start
        self.after_first += end - first[0] if first else 0.0


def in_process(request, folder):
    run = Observed(folder / "store", 1)
    run.do(request, executor=InProcess())
    return run


def pool(request, folder):
    run = Observed(folder / "store", available_cores())
    run.do(request, executor=LocalPool(run.workers))
    return run


@contextmanager
def cluster_of(count, folder):
    """A Dask scheduler and so many worker processes."""
    folder.mkdir()
    cluster = DaskProcesses(folder)
    try:
        for i in range(count):
            cluster.start_worker(f"worker{i}")
        cluster.wait_for_workers(count)
        yield cluster
    finally:
        cluster.stop()


def dask(request, folder):
    """Three workers, of which one is killed after a third of the jobs, and another joins then."""
    with cluster_of(DASK_WORKERS, folder / "cluster") as cluster:
        run, jobs = Observed(folder / "store", DASK_WORKERS), len(imbench.plan(**request, store=folder / "plan").jobs)

        def change(done):
            if done == jobs // 3:
                cluster.kill("worker0")
                cluster.start_worker("late")
                cluster.wait_for_workers(DASK_WORKERS)

        run.do(request, watch=change, executor=imbench.DaskExecutor(cluster.address))
        assert calls_of(cluster)["late"] > 0
    return run


def steady_dask(request, folder):
    """As many workers as cores, from beginning to end."""
    with cluster_of(available_cores(), folder / "cluster") as cluster:
        run = Observed(folder / "store", available_cores())
        run.do(request, executor=imbench.DaskExecutor(cluster.address))
    return run


def shards(request, folder):
    """Four shards, one after another in this process, and merged."""
    run, parts = Observed(folder / "store", 1), [folder / f"shard{i}" for i in range(1, SHARDS + 1)]
    for i, part in enumerate(parts, 1):
        run.do(request, store=part, shard=Shard(i, SHARDS), executor=InProcess())
    start = time.perf_counter()
    merge(parts, run.store)
    run.seconds += time.perf_counter() - start
    return run


WAYS = {way.__name__: way for way in (in_process, pool, dask, shards)}


def calls_of(cluster):
    """How many tasks each worker of a cluster has finished, by its name."""
    from distributed import Client

    with Client(cluster.address, set_as_default=False, timeout=120) as client:
        return dict(client.run(_calls).values())


def _calls(dask_worker):
    return dask_worker.name, dask_worker.state.executed_count


def check_complete(run, request, folder):
    """Every job of the plan is stored once, and finished once."""
    plan = imbench.plan(**request, store=folder)
    planned = sorted(job.key for job in plan.jobs)
    assert sorted(run.finished) == planned  # none lost, none doubled
    store = Store(run.store)
    assert store.keys() == planned
    assert not store.failed_keys()
    for name in ("jobs", "predictions"):
        assert sorted(file.stem for file in (run.store / name).iterdir()) == planned
    rows = imbench.load(run.store).frame()
    assert not rows.duplicated(["key", "repeat", "fold"]).any()
    assert len(rows) == sum(job.protocol.repeats * job.protocol.folds for job in plan.jobs)


def check_equal(run, other):
    """Rows of both are equal to the bit, times aside."""
    pd.testing.assert_frame_equal(run.rows, other.rows, check_exact=True)
