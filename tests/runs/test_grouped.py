"""Jobs of a device that trains many at once: the numbers of one job at a time, each stored as it ends."""

import numpy as np
import pytest
import torch

import imbench
from imbench.data.shared import shared_arrays
from imbench.engine.stacked import StackedNets
from imbench.runs import bench, grouped, request
from imbench.runs.execution import InProcess, Outcome, Started
from imbench.runs.jobs import JobRunner, parts_of
from imbench.store.store import Store
from tests.runs.test_bench import FAILING

STRATEGIES = ["baseline", "remix", "mixup"]


@pytest.fixture
def general(monkeypatch):
    """The general engine, as on a GPU; how many nets each of its stacks has."""
    stacks, build = [], StackedNets.__init__

    def counted(self, widths, weights, *arguments, **named):
        stacks.append(len(weights))
        build(self, widths, weights, *arguments, **named)

    monkeypatch.setattr(StackedNets, "__init__", counted)
    monkeypatch.setattr("imbench.engine.group.engine_for", lambda *_: StackedNets)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield stacks
    torch.set_num_threads(threads)


@pytest.fixture
def planned(tmp_path, table):
    """Plan two variants of the table, with some arguments changed."""

    def make(**changes):
        datasets = [table, table.replace("ir=0.2", "ir=0.3")]
        given = {"datasets": datasets, "strategies": STRATEGIES, "protocol": "smoke", "store": tmp_path / "store"}
        made = imbench.plan(**{**given, **changes})
        Store.open(made.store, create=True)
        return made

    return make


def grouped_run(plan):
    """What the run of a GPU tells of a plan, on the CPU."""
    with shared_arrays() as arrays:
        place = JobRunner(plan.store, arrays, plan.registry, "cpu")
        yield from bench._stacked(parts_of(plan, 1, "cpu"), place, plan, InProcess())


def run(plan):
    return list(grouped_run(plan))


def test_the_jobs_of_a_dataset_are_one_stack_and_give_the_numbers_of_one_at_a_time(planned, general, tmp_path, table):
    plan = planned()
    events = run(plan)
    assert general == [2 * 3 * 2]  # variants, strategies, folds
    assert [type(e) for e in events] == [Started] * 6 + [Outcome] * 6
    assert {(e.index, e.error) for e in events[6:]} == {(i, None) for i in range(6)}
    ours, theirs = (
        imbench.load(plan.store),
        imbench.run(
            datasets=[table, table.replace("ir=0.2", "ir=0.3")],
            strategies=STRATEGIES,
            protocol="smoke",
            store=tmp_path / "alone",
            jobs=1,
        ),
    )
    order = ["variant", "strategy", "repeat", "fold"]
    a, b = (r.frame().sort_values(order).reset_index(drop=True) for r in (ours, theirs))
    assert (a[[*order, "rows_hash", "ir"]] == b[[*order, "rows_hash", "ir"]]).all().all()
    np.testing.assert_allclose(a[["log_loss", "bbs", "auroc"]], b[["log_loss", "bbs", "auroc"]], atol=1e-4)


def test_a_job_is_stored_when_its_end_is_told_and_not_before(planned, general, monkeypatch):
    plan = planned()
    for event in grouped_run(plan):
        held = len(list(plan.store.glob("jobs/*.parquet")))
        assert held == 0 if isinstance(event, Started) else held > 0


def test_a_strategy_that_fails_costs_only_its_jobs_and_says_where(planned, general, tmp_path):
    (tmp_path / "failing.py").write_text(FAILING.format(body="raise KeyError('the reason')"))
    plan = planned(strategies=[*STRATEGIES, "failing"], plugins=[str(tmp_path / "failing.py")])
    outcomes = {e.index: e for e in run(plan) if isinstance(e, Outcome)}
    failed = {i for i, e in outcomes.items() if e.error}
    assert {plan.pending[i].strategy for i in failed} == {"failing"}
    assert len(outcomes) == 8
    assert len(failed) == 2
    assert all("the reason" in outcomes[i].error and "failing.py" in outcomes[i].traceback for i in failed)


def test_a_job_whose_data_is_gone_costs_only_itself(planned, general, monkeypatch):
    request = JobRunner.request

    def gone(self, job, sources):
        if job.strategy == "mixup":
            raise imbench.DataError("the data is gone")
        return request(self, job, sources)

    monkeypatch.setattr(JobRunner, "request", gone)
    outcomes = [e for e in run(planned()) if isinstance(e, Outcome)]
    assert [e.error for e in outcomes if e.error] == ["DataError: the data is gone"] * 2
    assert len(outcomes) == 6


def test_a_device_that_fails_fails_what_was_under_way_and_nothing_that_was_told(planned, general, monkeypatch):
    train_group = grouped.train_group

    def failing(requests, **options):
        results = train_group(requests, **options)
        yield next(results)
        raise RuntimeError("the device is gone")

    monkeypatch.setattr(grouped, "train_group", failing)
    outcomes = [e for e in run(planned()) if isinstance(e, Outcome)]
    assert sorted(e.index for e in outcomes) == list(range(6))
    assert [e.error for e in outcomes if e.error] == ["RuntimeError: the device is gone"] * 5


def test_a_run_on_a_gpu_takes_this_path_and_tells_of_it_as_any_run(general, tmp_path, table, monkeypatch):
    # There is no GPU here, so the path is led to the CPU at its last step.
    real, devices, events = grouped.run_grouped, [], []

    def on_cpu(jobs, prepare, keep, device):
        devices.append(device)
        return real(jobs, prepare, keep, "cpu")

    monkeypatch.setattr(bench, "run_grouped", on_cpu)
    monkeypatch.setattr(request, "check_device", lambda device: None)
    results = imbench.run(
        datasets=[table],
        strategies=STRATEGIES,
        protocol="smoke",
        store=tmp_path / "store",
        device="cuda",
        progress=events.append,
    )
    assert devices == ["cuda"]
    assert [e.kind for e in events] == ["planned", *["started"] * 3, *["finished"] * 3, "done"]
    assert events[-1].nets == 6
    assert results.frame()["gmean"].notna().all()
