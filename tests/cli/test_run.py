"""`imbench run`: its result, what it says beside it, and its exit codes."""

import json
import re

import pandas as pd
import pytest

import imbench as library
from imbench.contract.errors import UsageError


def test_a_run_ends_with_a_table_for_each_task_and_metric(finished):
    _, _, answer = finished
    assert answer.code == 0
    titles = re.findall(r"^(binary|multiclass), (G-mean|Balanced Brier score)", answer.out, flags=re.MULTILINE)
    assert titles == [(t, m) for t in ("binary", "multiclass") for m in ("G-mean", "Balanced Brier score")]


def test_stdout_holds_the_result_and_stderr_how_it_went(finished):
    _, _, answer = finished
    assert "jobs" not in answer.out
    for said in ("6 jobs to do (12 nets", "6/6 jobs", "6 jobs done, 0 failed"):
        assert said in answer.err
    assert answer.out.rstrip().endswith("Data ready: 3 datasets")


def test_the_tables_show_the_numbers_of_the_store(finished):
    store, _, answer = finished
    frame = library.load(store).frame()
    binary = frame[frame["task"] == "binary"]
    means = binary.groupby(["dataset", "strategy"])["gmean"].mean().groupby("strategy").mean()
    shown = dict(re.findall(r"^(baseline|remix) +(\d\.\d{4})", answer.out, flags=re.MULTILINE)[:2])
    assert shown == {name: f"{value:.4f}" for name, value in means.items()}


def test_running_again_trains_nothing_and_gives_the_same_tables(finished, imbench):
    _, command, first = finished
    again = imbench(*command)
    assert "0 jobs to do (0 nets" in again.err
    assert "6 already stored" in again.err
    assert again.out == first.out


def test_json_holds_the_same_leaderboards(finished, imbench):
    store, command, _ = finished
    result = json.loads(imbench(*command, "--json").out)
    boards = library.load(store).leaderboards()
    assert [(b["task"], b["metric"]) for b in result["leaderboards"]] == [(b.task, b.metric.name) for b in boards]
    for shown, board in zip(result["leaderboards"], boards, strict=True):
        rows = pd.DataFrame(shown["rows"]).astype(board.table.dtypes)
        pd.testing.assert_frame_equal(rows, board.table)
    assert result["failures"] == []


def test_a_rule_decides_the_leaderboards_of_the_same_nets(finished, imbench):
    store, command, _ = finished
    answer = imbench(*command, "--rule", "tuned", "--json")
    assert "0 jobs to do" in answer.err
    boards = json.loads(answer.out)["leaderboards"]
    assert {board["rule"] for board in boards} == {"tuned"}
    rows = library.load(store).rows.query("task == 'binary'")
    means = rows.groupby(["strategy", "dataset", "variant"])["gmean@tuned"].mean().groupby("strategy").mean()
    (shown,) = [board for board in boards if (board["task"], board["metric"]) == ("binary", "gmean")]
    assert {row["strategy"]: row["mean"] for row in shown["rows"]} == pytest.approx(means.to_dict())
    assert "rule tuned" in imbench(*command, "--rule", "tuned").out
    assert "baseline+recalibrated" in imbench(*command, "--rule", "each").out


def test_an_added_strategy_trains_that_strategy_only(finished, imbench):
    store, command, _ = finished
    before = library.load(store).frame()
    answer = imbench(*command, "--strategy", "mixup:alpha=0.4")
    assert "3 jobs to do (6 nets" in answer.err
    after = library.load(store).frame()
    pd.testing.assert_frame_equal(after[after["key"].isin(before["key"])].reset_index(drop=True), before)


def test_a_dry_run_says_what_would_be_trained_and_trains_nothing(table, imbench, tmp_path):
    answer = imbench("run", "--dry-run", "--dataset", table, "--protocol", "smoke", "--strategy", "remix")
    assert answer.code == 0
    assert "1 of 1 job to do, 2 nets" in answer.out
    assert not (tmp_path / "imbench-store").exists()


def test_a_dry_run_as_json_has_the_numbers_of_the_plan(table, imbench):
    answer = imbench("run", "--dry-run", "--dataset", table, "--protocol", "smoke", "--set", "repeats=3", "--json")
    plan = library.plan(datasets=[table], protocol="smoke", settings={"repeats": "3"})
    shown = json.loads(answer.out)
    assert (shown["nets"], shown["steps"], len(shown["jobs"])) == (plan.nets, plan.steps, len(plan.jobs))


def test_without_a_suite_or_a_dataset_the_tabular_suite_is_meant(imbench):
    shown = json.loads(imbench("run", "--dry-run", "--strategy", "baseline", "--json").out)
    assert len(shown["jobs"]) == 27


def test_quiet_says_nothing_but_the_result(table, imbench):
    answer = imbench(
        "run", "--dataset", table, "--strategy", "baseline", "--protocol", "smoke", "--jobs", "1", "--quiet"
    )
    assert (answer.code, answer.err) == (0, "")
    assert "baseline" in answer.out


BROKEN = '''
from dataclasses import dataclass
from typing import ClassVar
from imbench import BatchStrategy

@dataclass(frozen=True)
class Broken(BatchStrategy):
    """Fails on every batch."""

    name: ClassVar[str] = "broken"

    def rebalance(self, batch, info, noise):
        raise RuntimeError("no batch is good enough")
'''


def test_a_failing_job_is_told_at_once_and_gives_exit_code_1_and_costs_no_other(table, imbench, tmp_path):
    (tmp_path / "broken.py").write_text(BROKEN)
    answer = imbench(
        *("run", "--dataset", table, "--plugin", "broken.py", "--strategy", "broken", "--strategy", "baseline"),
        *("--protocol", "smoke", "--jobs", "1"),
    )
    assert answer.code == 1
    assert "failed: " in answer.err
    assert "no batch is good enough" in answer.err
    assert "Traceback" not in answer.err
    frame = library.load("imbench-store").frame()
    assert frame.loc[frame["strategy"] == "baseline", "gmean"].notna().all()
    status = imbench("status")
    assert "1 job done, 1 failed" in status.out
    assert "no batch is good enough" in status.out


WRONG = {
    "strategy": (["--strategy", "remx"], "did you mean remix"),
    "strategy value": (["--strategy", "remix:alpha=0"], "ReMix.alpha must be positive, got 0.0"),
    "strategy text": (["--strategy", "remix:alpha=big"], "'big'"),
    "dataset": (["--dataset", "segmnt"], "did you mean segment"),
    "ratio": (["--dataset", "segment:ir=0.9"], "ir=0.9"),
    "file": (["--dataset", "nowhere.csv:target=y"], "nowhere.csv"),
    "suite": (["--suite", "tabula"], "did you mean tabular"),
    "protocol": (["--protocol", "papr"], "unknown protocol 'papr'"),
    "field": (["--set", "epoch=3"], "no field 'epoch'"),
    "field value": (["--set", "epochs=0"], "epochs must be a positive whole number, got 0"),
    "field form": (["--set", "epochs"], "--set epochs=50"),
    "field twice": (["--set", "epochs=3", "--set", "epochs=4"], "given twice"),
    "mirror": (["--data-mirror", "nowhere"], "'nowhere' does not exist"),
    "plugin": (["--plugin", "nowhere.py"], "nowhere.py"),
    "jobs": (["--jobs", "0"], "--jobs must be at least 1, got 0"),
    "rule": (["--rule", "tunde"], "'tunde' is not a decision rule; did you mean tuned"),
    "option": (["--jbos", "2"], "--jobs"),
}


@pytest.mark.parametrize(("arguments", "said"), WRONG.values(), ids=WRONG)
def test_a_mistake_is_one_error_with_exit_code_2_before_any_work(arguments, said, imbench, tmp_path):
    answer = imbench("run", *arguments)
    assert answer.code == 2
    assert answer.out == ""
    assert answer.err.startswith("error: ")
    assert said in answer.err
    assert "Traceback" not in answer.err
    assert not (tmp_path / "imbench-store").exists()


def test_a_gpu_that_is_not_there_is_refused_before_any_work(table, imbench, monkeypatch):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    answer = imbench("run", "--dataset", table, "--device", "cuda")
    assert answer.code == 2
    assert "error: device 'cuda' does not exist" in answer.err


def test_a_store_that_is_a_file_is_refused(table, imbench, tmp_path):
    (tmp_path / "taken").write_text("")
    answer = imbench("run", "--dataset", table, "--store", "taken")
    assert answer.code == 2
    assert "taken" in answer.err


@pytest.mark.parametrize("device", ["gpu", "cuda", "cuda:", "cuda:x", "cpu:1", "CPU", ""])
@pytest.mark.parametrize("dry", [[], ["--dry-run"]])
@pytest.mark.parametrize("verb", [["run"], ["sweep", "--param", "alpha=0.1,0.3"]])
def test_a_device_that_is_not_there_is_refused_in_a_dry_run_too(
    verb, dry, device, table, imbench, monkeypatch, tmp_path
):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    answer = imbench(*verb, "--dataset", table, "--strategy", "remix", "--device", device, *dry)
    assert (answer.code, answer.out) == (2, "")
    assert f"device {device!r}" in answer.err
    assert not (tmp_path / "imbench-store").exists()


def test_the_library_refuses_a_device_before_it_fetches_anything(table, monkeypatch):
    monkeypatch.setattr("imbench.runs.bench.plan", lambda **_: pytest.fail("data was looked up first"))
    with pytest.raises(UsageError, match="unknown device 'gpu'"):
        library.run(datasets=[table], device="gpu")
