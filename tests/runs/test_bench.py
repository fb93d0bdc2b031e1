"""A run trains what is missing, stores it, and survives what happens to it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import imbench
from imbench.contract.errors import UsageError
from imbench.runs.bench import run_plan
from imbench.runs.execution import InProcess
from imbench.strategies.remix import ReMix

# What a clock or the machine decides.
MACHINE = ["seconds"]
COLUMNS = [
    "dataset",
    "variant",
    "task",
    "ir",
    "strategy",
    "protocol",
    "repeat",
    "fold",
    "draw",
    "train_seed",
    "n_train",
    "n_test",
    "seconds",
]


def numbers(results):
    return results.frame().drop(columns=MACHINE)


@pytest.fixture
def run(tmp_path, table):
    """Run the table under the smoke protocol, with some arguments changed."""

    def make(**changes):
        given = {"datasets": [table], "strategies": ["baseline", "remix"], "protocol": "smoke", "jobs": 1}
        return imbench.run(**{**given, "store": tmp_path / "store", **changes})

    return make


def test_a_sweep_takes_a_strategy_itself_and_any_option_of_a_run(table, tmp_path):
    options = {"datasets": [table], "protocol": "smoke", "store": tmp_path / "store", "jobs": 1, "checks": False}
    sweep = imbench.sweep(ReMix(), "alpha", [0.1, 0.3], **options)
    assert [setting.strategy for setting in sweep.settings] == ["remix", "remix:alpha=0.3"]
    assert set(sweep.results.frame()["strategy"]) == {"baseline", "remix", "remix:alpha=0.3"}
    assert (
        imbench.sweep("remix", "alpha", [0.1, 0.3], strict=True, **options)
        .results.frame()
        .equals(sweep.results.frame())
    )
    with pytest.raises(UsageError, match="no option 'strickt'; did you mean strict"):
        imbench.sweep("remix", "alpha", [0.1, 0.3], strickt=True, **options)


def test_an_executor_of_the_callers_own_runs_every_job(run, tmp_path):
    class Counting:
        def __init__(self):
            self.tasks = 0

        def run(self, tasks):
            self.tasks += len(tasks)
            yield from InProcess().run(tasks)

    executor = Counting()
    own = run(executor=executor, checks=False, store=tmp_path / "own").frame()
    usual = run(checks=False).frame()
    assert executor.tasks == own["key"].nunique() == 2
    assert own["gmean"].tolist() == usual["gmean"].tolist()


def test_an_executor_for_a_gpu_is_refused_before_any_work(run, tmp_path):
    with pytest.raises(
        UsageError, match=r"executor=.*InProcess.* runs jobs on a CPU, and the device is 'cuda:0'.*omit"
    ):
        run(executor=InProcess(), device="cuda:0")
    assert not (tmp_path / "store").exists()


def test_an_official_test_part_is_tested_on_whole_and_trained_on_never(run, tmp_path, monkeypatch):
    monkeypatch.setenv("IMBENCH_CACHE", str(tmp_path / "cache"))
    y = np.concatenate([np.tile(list("abc"), 200), np.tile(list("abc"), 50)])
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(750, 4)), columns=list("uvwx")).assign(y=y)
    frame.to_csv(tmp_path / "t.csv", index=False)
    (tmp_path / "tail.toml").write_text(
        'title = "t"\ntarget = "y"\nrows = 750\nfeatures = 4\ntest_per_class = 50\n'
        "[class_counts]\na = 250\nb = 250\nc = 250\n[[task]]\nname = 'multiclass'\nlongtail = true\n"
        "[[source]]\nkind = 'file'\npath = 't.csv'\nheader = true\n"
    )
    found = run(datasets=[f"{tmp_path}/tail.toml:ir=0.1"], settings={"folds": "1", "repeats": "2"}).frame()
    # 200, 63 and 20 rows, of which 30 % are held out; all 150 of the test part.
    assert found[["fold", "n_train", "n_test", "ir"]].drop_duplicates().to_numpy().tolist() == [[0, 198, 150, 0.1]]
    assert sorted(found["repeat"]) == [0, 0, 1, 1]
    assert len(set(found["rows_hash"])) == 1  # strategies are paired


def test_a_row_a_fold_with_every_metric(run, table):
    frame = run().frame()
    assert list(frame.columns[: len(COLUMNS)]) == COLUMNS
    assert len(frame) == 2 * 2
    assert {"gmean", "bbs", "bbs_1d", "brier", "macro_f1", "mcc", "log_loss", "auroc", "auprc", "ece"} <= set(frame)
    assert {"recall[0]", "recall[1]", "brier[0]", "brier[1]", "classwise_ece", "balanced_accuracy"} <= set(frame)
    assert set(frame["ir"]) == {0.2}
    assert (frame["n_train"] + frame["n_test"] < 216).all()


def test_a_table_by_another_path_is_the_same_dataset_in_results(run, table, tmp_path, monkeypatch):
    path, _, options = table.partition(":")
    monkeypatch.chdir(tmp_path)
    run(strategies=["remix"])
    results = run(datasets=[f"{Path(path).name}:{options}"], strategies=["remix", "baseline"])
    assert set(results.frame()["dataset"]) == {"table.csv"}  # as it was asked for now
    results = imbench.load(tmp_path / "store")
    assert "2 jobs: 1 configurations, 2 strategies" in repr(results)
    for name in (path, Path(path).name, f"./{Path(path).name}"):
        assert len(results.predictions(f"{name}:{options}", "baseline")) == 2
        assert len(results.predictions(f"{name}:{options}", "remix")) == 2


def test_what_is_stored_equals_the_score_of_the_stored_predictions(run, table):
    results = run(strategies=["remix"])
    for fold, row in zip(results.predictions(table, "remix"), results.frame().itertuples(), strict=True):
        assert imbench.score(fold.test.y, fold.test.proba)["bbs"] == pytest.approx(row.bbs, abs=1e-12)


def test_running_again_trains_nothing_and_changes_nothing(run):
    first, events = run(), []
    second = run(progress=events.append)
    pd.testing.assert_frame_equal(first.frame(), second.frame())
    assert [e.kind for e in events] == ["planned", "done"]


def test_adding_a_strategy_trains_only_that_one(run, plugin):
    first, events = run(), []
    second = run(strategies=["baseline", "remix", "mine"], plugins=[str(plugin)], progress=events.append)
    assert [e.job.strategy for e in events if e.kind == "finished"] == ["mine"]
    old = second.frame()[lambda f: f["strategy"] != "mine"].reset_index(drop=True)
    pd.testing.assert_frame_equal(old, first.frame())


def test_a_strategy_in_its_own_run_gets_the_same_numbers(run, tmp_path):
    together = numbers(run())
    alone = numbers(run(strategies=["remix"], store=tmp_path / "alone"))
    pd.testing.assert_frame_equal(together[together["strategy"] == "remix"].reset_index(drop=True), alone)


def test_worker_processes_give_the_numbers_of_one_process(run, tmp_path):
    here = run(jobs=1)
    there = run(jobs=2, store=tmp_path / "pool")
    pd.testing.assert_frame_equal(numbers(here), numbers(there))


def test_the_strategies_of_a_fold_are_a_paired_design(run):
    frame = run(strategies=["baseline", "remix"]).frame()
    assert frame.groupby(["repeat", "fold"])["rows_hash"].nunique().eq(1).all()


FAILING = '''
from dataclasses import dataclass
from typing import ClassVar
from imbench import BatchStrategy

@dataclass(frozen=True)
class Failing(BatchStrategy):
    """Fails."""

    name: ClassVar[str] = "failing"

    def rebalance(self, batch, info, noise):
        {body}
'''


@pytest.mark.parametrize(
    ("body", "jobs", "message"),
    [
        ("raise KeyError('the reason')", 1, "the reason"),
        ("raise KeyError('the reason')", 2, "the reason"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", 2, "SIGKILL"),
    ],
)
def test_a_failing_job_costs_only_itself_and_stays_a_row(run, tmp_path, body, jobs, message):
    path = tmp_path / "failing.py"
    path.write_text(FAILING.format(body=body))
    results = run(strategies=["baseline", "failing"], plugins=[str(path)], jobs=jobs)
    frame = results.frame().set_index("strategy")
    assert frame.loc["baseline", "gmean"].notna().all()
    assert frame.loc["failing", "gmean"].isna().all()
    assert message in results.failures()["error"].item()
    path.write_text(FAILING.format(body="return batch"))


def test_a_failed_job_is_tried_again(run, tmp_path):
    path = tmp_path / "failing_once.py"
    flag = tmp_path / "flag"
    body = f"import pathlib; p = pathlib.Path({str(flag)!r}); assert p.exists() or p.touch(), 'once'; return batch"
    path.write_text(FAILING.format(body=body))
    assert len(run(strategies=["failing"], plugins=[str(path)], checks=False).failures()) == 1
    assert run(strategies=["failing"], plugins=[str(path)], checks=False).failures().empty


def test_a_truncated_result_is_done_again_with_the_same_numbers(run, tmp_path):
    before = numbers(run())
    victim = next((tmp_path / "store" / "jobs").glob("*.parquet"))
    victim.write_bytes(victim.read_bytes()[:100])
    events = []
    after = numbers(run(progress=events.append))
    assert len([e for e in events if e.kind == "finished"]) == 1
    pd.testing.assert_frame_equal(before, after)


SCRIPT = """
import sys, imbench
strategies = ["baseline", "batch-smote", "cost-adjusted", "mixup", "remix", "remix:alpha=0.3"]
options = {"strategies": strategies, "references": ["uniform"], "protocol": "smoke:epochs=40,repeats=2"}
imbench.run(datasets=[sys.argv[1]], store=sys.argv[2], jobs=2, **options)
"""


def test_a_run_killed_half_way_and_run_again_equals_an_undisturbed_one(tmp_path, table):
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    process = subprocess.Popen([sys.executable, "-c", SCRIPT, table, str(killed)], start_new_session=True)
    deadline = time.monotonic() + 600
    while len(list(killed.glob("jobs/*.parquet"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    time.sleep(1.0)  # its workers notice
    left = len(list(killed.glob("jobs/*.parquet")))
    for store in (killed, whole):
        subprocess.run([sys.executable, "-c", SCRIPT, table, str(store)], check=True)
    assert 2 <= left < len(list(whole.glob("jobs/*.parquet")))
    pd.testing.assert_frame_equal(numbers(imbench.load(killed)), numbers(imbench.load(whole)))


def test_notes_of_the_plan_come_with_the_results(run, tmp_path):
    assert run().notes == ("Data ready: 1 dataset",)
    assert imbench.load(tmp_path / "store").notes == (), "what a store covers is derived from its rows"


def test_progress_adds_up(run):
    events = []
    run(progress=events.append)
    assert [e.kind for e in events] == ["planned", "started", "finished", "started", "finished", "done"]
    assert events[-1].done == events[-1].total == 2
    assert events[-1].work_done == pytest.approx(events[-1].work_total)
    assert events[-1].work_total > 0
    assert events[-1].nets == 4


def test_the_device_must_exist(run):
    with pytest.raises(imbench.UsageError, match="cuda"):
        run(device="cuda:9")


def test_a_plan_can_be_looked_at_and_then_run(tmp_path, table):
    plan = imbench.plan(datasets=[table], strategies=["baseline"], protocol="smoke", store=tmp_path / "store", jobs=1)
    assert len(run_plan(plan).frame()) == plan.nets == 2


def test_labels_of_pure_noise_score_at_chance(tmp_path):
    # A canary: rows resampled, scaled or mixed before the split would let nets recognise them in the test part.
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(600, 8)), columns=list("abcdefgh"))
    frame["kind"] = np.where(rng.random(600) < 0.2, "rare", "common")
    frame.to_csv(tmp_path / "noise.csv", index=False)
    settings = {"epochs": "60", "repeats": "3", "validation": "0.1"}
    results = imbench.run(
        datasets=[f"{tmp_path}/noise.csv:target=kind"], protocol="paper", settings=settings, store=tmp_path / "store"
    )
    scores = results.frame().groupby("strategy")[["balanced_accuracy", "auroc"]].mean()
    assert len(scores) >= 5
    assert scores.to_numpy() == pytest.approx(0.5, abs=0.06)
