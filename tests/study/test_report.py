"""The report says the same in every form, and the same bytes for the same store."""

from __future__ import annotations

import io
import json
import shutil

import pandas as pd
import pytest

from imbench.contract.errors import StoreError
from imbench.study.report import write_report
from imbench.study.results import load
from tests.study.made import FACTS, fill, job

STRATEGIES = ["baseline", "mixup", "remix"]
NAMES = ["leaderboard.md", "leaderboard.csv", "leaderboard.json", "scores.csv"]


@pytest.fixture
def results(store):
    fill(store, ["a", "b"], STRATEGIES)
    fill(store, ["a"], STRATEGIES, task="multiclass")
    store.fail(job("c", "remix"), "Traceback:\n  line 3\nValueError: x | y\n", FACTS)
    store.note(["partial: 3 of 27 configurations", "aps_failure is represented by its first 9,000 rows"])
    return load(store.path)


def test_a_report_is_four_files(results, tmp_path):
    written = write_report(results, tmp_path / "deep" / "report")
    assert [file.name for file in written] == NAMES
    assert sorted(file.name for file in (tmp_path / "deep" / "report").iterdir()) == sorted(NAMES)


def test_equal_stores_give_equal_bytes(results, tmp_path):
    shutil.copytree(results.store, tmp_path / "copy")
    first, second = (
        write_report(load(path), tmp_path / name) for path, name in ((results.store, "one"), (tmp_path / "copy", "two"))
    )
    assert [file.read_bytes() for file in first] == [file.read_bytes() for file in second]


def test_the_markdown_states_coverage_direction_failures_and_versions(results, tmp_path):
    text = write_report(results, tmp_path)[0].read_text("utf-8")
    for statement in (
        "- partial: 3 of 27 configurations",
        "- aps_failure is represented by its first 9,000 rows",
        "- 10 jobs of 4 configurations, 1 failed",
        "1 is best",
        "## binary, protocol quick",
        "### G-mean (higher is better)",
        "### Balanced Brier score (lower is better)",
        "- c ir=0.05: no result of baseline, mixup, remix",
        "| c | ir=0.05 | remix | quick | ValueError: x \\| y |",
        "| imbench | 0.1.0 |",
        "| threads | 1 |",
        "Friedman's test needs at least 2 complete configurations, there is 1.",
    ):
        assert statement in text


def test_csv_and_json_hold_the_leaderboards_numbers(results, tmp_path):
    _, csv, js, _ = write_report(results, tmp_path)
    boards = results.leaderboards()
    table = pd.read_csv(csv)
    said = json.loads(js.read_text("utf-8"))["leaderboards"]
    for board, told in zip(boards, said, strict=True):
        mine = (table["task"] == board.task) & (table["metric"] == board.metric.name)
        same = table[mine].drop(columns=["protocol", "task", "metric"]).reset_index(drop=True)
        pd.testing.assert_frame_equal(same, board.table, check_exact=True, check_dtype=False)
        rows = pd.DataFrame(told["rows"]).astype(board.table.dtypes.to_dict())
        pd.testing.assert_frame_equal(rows, board.table, check_exact=True)


def test_undefined_numbers_are_null_in_json_and_empty_in_csv(results, tmp_path):
    _, csv, js, _ = write_report(results, tmp_path)
    single = next(b for b in json.loads(js.read_text())["leaderboards"] if b["task"] == "multiclass")
    assert single["rows"][0]["p"] is None
    assert "NaN" not in js.read_text()
    first = next(line for line in csv.read_text().splitlines() if line.startswith("quick,multiclass,gmean"))
    assert first.endswith(",,"), "Friedman's statistic and its p are the last"


def test_scores_are_mean_and_standard_deviation_over_folds(results, tmp_path):
    scores = pd.read_csv(write_report(results, tmp_path)[3])
    frame = results.frame()
    for row in scores.to_dict("records"):
        same = (frame["task"] == row["task"]) & (frame["dataset"] == row["dataset"])
        folds = frame[same & (frame["strategy"] == row["strategy"]) & (frame["error"] == "")]
        assert row["folds"] == len(folds)
        assert row["gmean_mean"] == pytest.approx(folds["gmean"].mean(), nan_ok=True)
        assert row["brier[1]_sd"] == pytest.approx(folds["brier[1]"].std(), nan_ok=True)
    assert set(zip(scores["dataset"], scores["strategy"], strict=True)) >= {("c", "remix")}


def test_an_empty_store_makes_an_empty_report(store, tmp_path):
    written = write_report(load(store.path), tmp_path / "report")
    assert "0 jobs of 0 configurations" in written[0].read_text()
    assert json.loads(written[2].read_text())["leaderboards"] == []
    assert pd.read_csv(io.StringIO(written[3].read_text())).empty


def test_a_folder_that_cannot_be_written_is_named(results, tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match=f"cannot write in {tmp_path / 'file'}"):
        write_report(results, tmp_path / "file")
