"""Stores of older schemas open, report and take part in what stores do, for ever."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import average_precision_score, balanced_accuracy_score

from imbench.contract.protocol import Protocol
from imbench.contract.records import NUMBERS_VERSION, Job, Variant
from imbench.report import write_report
from imbench.scoring.metrics import score
from imbench.scoring.recalibration import PLATT, SCALING, recalibration
from imbench.scoring.rules import RULES
from imbench.scoring.tuning import tuned_weights, weighted_decisions
from imbench.stats.leaderboard import leaderboards
from imbench.store.merge import ROUNDING, merge
from imbench.store.parquet import ROWS_SCHEMA
from imbench.store.results import load
from imbench.store.store import Store

FIRST = Path(__file__).parent / "fixtures" / "store-schema-1"


def file_facts(folder):
    """Bytes and time of every file that the first schema knew."""
    kept = [file for file in folder.rglob("*") if file.is_file() and file.parent.name != "derived"]
    return {str(file.relative_to(folder)): (file.read_bytes(), file.stat().st_mtime_ns) for file in kept}


@pytest.fixture
def old(tmp_path):
    """A copy that may be written to."""
    return shutil.copytree(FIRST, tmp_path / "old")


def test_every_job_of_the_first_schema_is_done_and_has_its_predictions(old):
    store = Store.open(old)
    files = sorted(file.stem for file in (old / "jobs").iterdir())
    assert store.keys() == files
    assert len(files) == 6
    for key in files:
        assert [(p.repeat, p.fold) for p in store.predictions(key)] == [(0, 0), (0, 1)]


def test_the_rows_of_the_first_schema_are_what_was_written(old):
    frame = Store.open(old).frame().sort_values(["key", "fold"], ignore_index=True)
    written = pd.concat([pq.read_table(file).to_pandas() for file in sorted((old / "jobs").iterdir())])
    written = written.sort_values(["key", "fold"], ignore_index=True)
    same = [name for name in written if not name.startswith("auprc")]
    pd.testing.assert_frame_equal(frame[same], written[same], check_dtype=False)


def test_the_scores_of_the_first_schema_follow_from_its_predictions(old):
    store = Store.open(old)
    for row in store.frame().to_dict("records"):
        (fold,) = [p for p in store.predictions(row["key"]) if p.fold == row["fold"]]
        again = score(fold.test.y, fold.test.proba)
        # NumPy's logarithm differs in the last digit from one kind of processor to another.
        names = ("gmean", "bbs", "log_loss")
        assert {m: row[m] for m in names} == pytest.approx({m: again[m] for m in names}, abs=ROUNDING)


def test_a_report_of_the_first_schema_ranks_its_three_strategies(old, tmp_path):
    results = load(old)
    assert {tuple(sorted(board.table["strategy"])) for board in results.leaderboards()} == {
        ("baseline", "cost-adjusted", "remix")
    }
    assert all(path.stat().st_size for path in write_report(results, tmp_path / "report"))


@pytest.fixture
def _numbers_of_version_1(monkeypatch):
    monkeypatch.setattr("imbench.contract.records.NUMBERS_VERSION", 1)
    monkeypatch.setattr("imbench.store.rows.NUMBERS_VERSION", 1)


@pytest.mark.usefixtures("_numbers_of_version_1")
def test_the_version_of_the_numbers_is_all_that_changed_of_a_jobs_key_since_the_first_schema(old):
    row = load(old).rows.query("strategy == 'remix' and dataset == 'ecoli'").iloc[0]
    protocol = Protocol.from_mapping("smoke", json.loads(row["protocol_fields"]))
    job = Job(Variant("ecoli"), "remix", "remix", "1", {"alpha": 0.1}, protocol, row["data_hash"])
    assert (old / "jobs" / f"{job.key}.parquet").exists()


def test_decision_rules_are_derived_from_the_predictions(old):
    store = Store.open(old)
    before = file_facts(old)
    for row in store.frame().to_dict("records"):
        (fold,) = [p for p in store.predictions(row["key"]) if p.fold == row["fold"]]
        decided = weighted_decisions(fold.test.proba, tuned_weights(fold.validation.y, fold.validation.proba))
        assert row["balanced_accuracy@tuned"] == pytest.approx(balanced_accuracy_score(fold.test.y, decided))
        assert (row["schema"], row["numbers"]) == (1, 1)
        assert math.isnan(row["bbs@prior-corrected"]), "the prior trained towards was not measured"
        assert math.isnan(row["minority_rows"])
    assert file_facts(old) == before


def test_what_was_derived_is_read_the_next_time(old, monkeypatch):
    first = Store.open(old).frame()
    monkeypatch.setattr(Store, "predictions", lambda *_: pytest.fail("derived again"))
    pd.testing.assert_frame_equal(Store.open(old).frame(), first)


def test_what_was_derived_is_kept_and_rebuilt_when_lost_damaged_or_outdated(old):
    first = Store.open(old).frame()
    kept = sorted((old / "derived").iterdir())
    assert [file.stem for file in kept] == Store.open(old).keys()
    kept[0].unlink()
    kept[1].write_bytes(kept[1].read_bytes()[:-9])
    kept[2].write_bytes(kept[3].read_bytes())
    pd.testing.assert_frame_equal(Store.open(old).frame(), first)
    assert sorted((old / "derived").iterdir()) == kept
    assert len({file.read_bytes() for file in kept}) == len(kept)


@pytest.mark.parametrize("fixture", ["old", "second"])
def test_a_metric_of_an_older_version_is_computed_anew_from_the_predictions(fixture, request):
    store = Store.open(request.getfixturevalue(fixture))
    frame = store.frame(columns=["key", "fold", "task", "auprc", "auprc_macro"])
    for row in frame.to_dict("records"):
        (fold,) = [p for p in store.predictions(row["key"]) if p.fold == row["fold"]]
        y, proba = fold.test.y, fold.test.proba
        each = [average_precision_score(y == j, proba[:, j]) for j in range(proba.shape[1]) if (y == j).any()]
        assert row["auprc_macro"] == pytest.approx(sum(each) / len(each))
        assert row["auprc"] == pytest.approx(each[1] if row["task"] == "binary" else row["auprc_macro"])


def test_columns_that_need_nothing_derived_derive_nothing(old):
    frame = Store.open(old).frame(columns=["strategy", "gmean", "numbers"])
    assert list(frame.columns) == ["strategy", "gmean", "numbers"]
    assert set(frame["numbers"]) == {1}
    assert not (old / "derived").exists()


def with_a_new_job(store):
    """The rows of the store after one more job of today."""
    row = store.frame().query("strategy == 'remix' and dataset == 'ecoli'").iloc[0]
    protocol = Protocol.from_mapping("smoke", json.loads(row["protocol_fields"]))
    new = Job(Variant("ecoli"), "mixup", "mixup", "1", {"alpha": 0.1}, protocol, row["data_hash"])
    store.write(new, store.predictions(row["key"]), {"ir": row["ir"]})
    return store.frame()


def test_numbers_of_two_versions_are_not_ranked_together(old):
    frame = with_a_new_job(Store.open(old))
    assert set(frame["numbers"]) == {1, NUMBERS_VERSION}
    board = leaderboards(frame.assign(protocol="smoke"), ["gmean"])[0]
    assert set(board.table["strategy"]) == {"mixup"}


@pytest.mark.usefixtures("_numbers_of_version_1")
def test_old_and_new_rows_stand_in_one_leaderboard(old):
    frame = with_a_new_job(Store.open(old))
    assert set(frame["schema"]) == {1, ROWS_SCHEMA}
    board = leaderboards(frame.assign(protocol="smoke"), ["gmean"])[0]
    assert set(board.table["strategy"]) == {"baseline", "cost-adjusted", "mixup"}
    # The new job was written with the predictions of ReMix, and is ranked once.
    assert board.same == (("mixup", "remix"),)


@pytest.fixture
def second(tmp_path):
    """A copy of a store of the second schema, which knew every rule but ``recalibrated``."""
    return shutil.copytree(FIRST.with_name("store-schema-2"), tmp_path / "second")


def test_the_rows_of_the_second_schema_are_what_was_written_and_recalibrated_beside(second):
    written = pd.concat([pq.read_table(file).to_pandas() for file in sorted((second / "jobs").iterdir())])
    written = written.sort_values(["key", "fold"], ignore_index=True)
    assert set(written["schema"]) == {2}
    assert not [name for name in written if "recalibrat" in name]
    before = file_facts(second)
    store = Store.open(second)
    frame = store.frame().sort_values(["key", "fold"], ignore_index=True)
    same = [name for name in written if not name.startswith("auprc")]
    pd.testing.assert_frame_equal(frame[same], written[same], check_dtype=False)
    for row in frame.to_dict("records"):
        (fold,) = [p for p in store.predictions(row["key"]) if p.fold == row["fold"]]
        moved = recalibration(fold.validation.y, fold.validation.proba)(fold.test.proba)
        assert row["log_loss@recalibrated"] == pytest.approx(score(fold.test.y, moved)["log_loss"])
        assert row["recalibrated_by"] == (PLATT if row["task"] == "binary" else SCALING)
    assert file_facts(second) == before


def test_a_report_of_the_second_schema_has_every_rule(second, tmp_path):
    write_report(load(second), tmp_path / "report")
    rules = set(pd.read_csv(tmp_path / "report" / "leaderboard.csv")["rule"])
    assert rules == {*RULES, "each"}


def test_stores_of_every_schema_merge(old, second, tmp_path):
    merged = merge([old, second], tmp_path / "all")
    # Three jobs are in both, with the same numbers.
    assert (merged.jobs, merged.conflicts) == (9, ())
    rows = load(tmp_path / "all").rows
    assert set(rows["schema"]) == {1, 2}
    assert rows["log_loss@recalibrated"].notna().all()
    assert rows.loc[rows["schema"] == 2, "bbs@prior-corrected"].notna().all()
