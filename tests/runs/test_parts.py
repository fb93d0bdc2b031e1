"""A job is cut among workers without a number changing."""

import pickle
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

import imbench
from imbench.runs import bench, jobs
from imbench.runs.execution import InProcess
from imbench.runs.jobs import parts_of
from imbench.runs.registry import Registry

MACHINE = ["seconds"]

OWN_FORWARD = '''
from dataclasses import dataclass
from typing import ClassVar
from imbench import BatchStrategy

@dataclass(frozen=True)
class Staged(BatchStrategy):
    """Has a forward pass of its own."""

    name: ClassVar[str] = "staged"

    def rebalance(self, batch, info, noise):
        return batch

    def forward(self, net, batch, noise):
        return net(batch.x), batch.y
'''

SICKLY = '''
from dataclasses import dataclass, replace
from typing import ClassVar
from imbench import BatchStrategy

@dataclass(frozen=True)
class Sickly(BatchStrategy):
    """Gives values that are not finite once the epoch is 1."""

    name: ClassVar[str] = "sickly"

    def rebalance(self, batch, info, noise):
        return replace(batch, x=batch.x / (info.epoch < 1))
'''


@pytest.fixture
def request_of(table, tmp_path):
    def make(**changes):
        given = {"datasets": [table], "strategies": ["baseline", "remix"], "protocol": "smoke:repeats=3"}
        return {**given, "store": tmp_path / "store", **changes}

    return make


@pytest.fixture
def cut_finely(monkeypatch):
    monkeypatch.setattr(jobs, "_LEAST_SECONDS", 0.0)


def test_a_job_in_parts_gives_the_numbers_of_a_whole_one(request_of, tmp_path, cut_finely):
    whole = imbench.run(**request_of(), jobs=1)
    plan = bench.plan(**request_of(store=tmp_path / "parts"), jobs=2)
    assert len(parts_of(plan, 2, "cpu")) > len(plan.jobs)
    parts = bench.run_plan(plan)
    pd.testing.assert_frame_equal(
        whole.frame().drop(columns=MACHINE), parts.frame().drop(columns=MACHINE), check_exact=True
    )


@pytest.mark.parametrize("count", [2, 200])
def test_a_task_is_as_small_with_many_strategies_as_with_few(count, request_of):
    sizes = []

    class Measured(InProcess):
        def run(self, tasks):
            sizes.extend(len(pickle.dumps(task.call)) for task in tasks)
            return iter(())

    strategies = [f"remix:alpha={0.2 + 0.001 * i:.3f}" for i in range(count)]
    imbench.run(**request_of(strategies=strategies, executor=Measured()), checks=False)
    assert len(sizes) == count
    assert max(sizes) < 10_000


def test_the_folds_of_a_job_are_each_in_one_part(request_of, cut_finely):
    plan = bench.plan(**request_of())
    for workers in (2, 3, 100):
        for job in plan.jobs:
            parts = [part for part in parts_of(plan, workers, "cpu") if part.job is job]
            assert [fold for part in parts for fold in range(part.first, part.end)] == list(range(6))
            assert sum(part.cost for part in parts) == pytest.approx(plan.size(job).cost)


def test_one_worker_is_given_whole_jobs_and_so_is_everyone_where_cutting_does_not_pay(request_of):
    plan = bench.plan(**request_of())
    assert all(part.is_whole for part in parts_of(plan, 1, "cpu"))
    assert all(part.is_whole for part in parts_of(plan, 8, "cpu"))  # these take no two seconds


def test_a_job_longer_than_its_share_is_cut_and_a_short_one_is_not(request_of):
    plan = bench.plan(**request_of())
    long, short = plan.jobs
    costs = {long.key: 1000.0, short.key: 5.0}
    sizes = {key: replace(size, cost=costs[key]) for key, size in plan.sizes.items()}
    parts = parts_of(replace(plan, sizes=sizes), 2, "cpu")
    assert sum(part.job is long for part in parts) == 4
    assert sum(part.job is short for part in parts) == 1


def test_of_a_single_job_each_worker_gets_an_equal_part(request_of, cut_finely):
    plan = bench.plan(**request_of(strategies=["remix"]))
    assert [(part.first, part.end) for part in parts_of(plan, 2, "cpu")] == [(0, 3), (3, 6)]
    assert len(parts_of(plan, 3, "cpu")) == 3


def test_what_rounds_with_its_neighbours_is_left_whole(request_of, tmp_path, cut_finely):
    path = tmp_path / "staged.py"
    path.write_text(OWN_FORWARD)
    plan = bench.plan(**request_of(strategies=["staged"], plugins=[str(path)]))
    assert not jobs.is_independent(Registry((str(path),)).strategy("staged"))
    assert all(part.is_whole for part in parts_of(plan, 4, "cpu"))


def test_a_job_whose_parts_fail_fails_once_and_costs_no_other(request_of, tmp_path, cut_finely):
    path = tmp_path / "sickly.py"
    path.write_text(SICKLY)
    events = []
    given = request_of(strategies=["baseline", "sickly"], plugins=[str(path)])
    results = imbench.run(**given, jobs=2, progress=events.append)
    ends = [(e.kind, e.job.strategy, e.done) for e in events if e.kind in ("finished", "failed")]
    assert sorted(kind for kind, *_ in ends) == ["failed", "finished"]
    assert sorted(done for *_, done in ends) == [1, 2]
    assert "rebalance returned features with the value" in results.failures()["error"].item()
    assert results.frame().groupby("strategy")["gmean"].count().to_dict() == {"baseline": 6, "sickly": 0}
    last = events[-1]
    assert (last.kind, last.nets, last.work_done) == ("done", 12, pytest.approx(last.work_total))


def test_data_that_changed_after_planning_fails_its_jobs_and_says_so(request_of, table):
    plan = bench.plan(**request_of(), jobs=2)
    path = Path(table.partition(":")[0])
    header, first, *rest = path.read_text().splitlines()
    path.write_text("\n".join([header, *rest, first]) + "\n")
    results = bench.run_plan(plan)
    assert len(results.failures()) == 2
    assert results.failures()["error"].str.contains("changed since the run was planned; run again").all()


def test_what_was_looked_up_for_a_plan_is_handed_on_and_not_looked_up_again(request_of, cut_finely, monkeypatch):
    plan = bench.plan(**request_of())
    monkeypatch.setattr(bench, "remembered", lambda strategy: "passed")
    for name in ("find", "resolve"):
        monkeypatch.setattr(Registry, name, lambda *_: pytest.fail("looked up again"))
    assert len(parts_of(plan, 2, "cpu")) > len(plan.jobs)
    assert bench._modalities(plan) == {"tabular"}
    assert bench._outcomes(plan, ["baseline", "remix"], InProcess()) == {"baseline": "passed", "remix": "passed"}
