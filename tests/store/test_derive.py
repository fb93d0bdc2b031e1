"""A metric or a decision rule is one entry of a table: stores have its columns from then on."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from imbench.contract.errors import StoreError
from imbench.scoring.metrics import METRICS, Metric
from imbench.scoring.outcome import Outcome
from imbench.scoring.rules import RULES, Rule
from imbench.stats.leaderboard import leaderboards
from imbench.store.derive import lacking, versions_of
from imbench.store.merge import merge
from imbench.store.parquet import ROWS_SCHEMA, from_parquet
from imbench.store.results import load
from imbench.store.store import Store
from tests.made_results import FACTS, fill, job, predictions


def worst_recall(outcome):
    return float(outcome.recalls[outcome.present].min())


def turned(p):
    """The classes decided for the wrong way round."""
    return Outcome(p.test.y, p.test.proba, p.test.proba.argmin(axis=1))


WORST = Metric("worst_recall", "Worst recall", worst_recall, True, "Smallest recall.", of_decisions=True)
TURNED = Rule("turned", "the least probable", "The class of least probability.", turned, of_decisions_only=True)


@pytest.fixture
def store(tmp_path):
    """A store of the schema of today, written before the entries below are made."""
    store = Store.open(tmp_path / "store", create=True)
    fill(store, ["a", "b"], ["mixup", "remix"])
    fill(store, ["c"], ["remix"], task="multiclass")
    return store


@pytest.fixture
def entered(store, monkeypatch):
    monkeypatch.setitem(METRICS, "worst_recall", WORST)
    monkeypatch.setitem(RULES, "turned", TURNED)


def unread(*_):
    raise AssertionError("nothing is lacking, so predictions are not read")


def test_a_store_lacks_nothing_of_what_was_known_when_it_was_written(store, monkeypatch):
    monkeypatch.setattr(Store, "predictions", unread)
    frame = store.frame()
    assert set(frame["schema"]) == {ROWS_SCHEMA}
    assert not (store.path / "derived").exists() or not list((store.path / "derived").iterdir())


def test_a_new_metric_and_a_new_rule_are_there_in_a_store_of_todays_schema(store, entered):
    frame = store.frame()
    assert len(frame) == 20
    for row in frame.to_dict("records"):
        (fold,) = [p for p in store.predictions(row["key"]) if (p.repeat, p.fold) == (row["repeat"], row["fold"])]
        y, decided = fold.test.y, fold.test.proba.argmin(axis=1)
        recalls = [np.mean(decided[y == j] == j) for j in range(fold.test.proba.shape[1])]
        assert row["worst_recall"] == min(row[f"recall[{j}]"] for j in range(len(recalls)))
        assert row["worst_recall@turned"] == pytest.approx(min(recalls))
        assert row["balanced_accuracy@turned"] == pytest.approx(np.mean(recalls))
        assert row["recall[1]@turned"] == pytest.approx(recalls[1])
        assert row["zero_recall@turned"] == sum(recall == 0 for recall in recalls)
        assert row["worst_recall@tuned"] == min(row[f"recall[{j}]@tuned"] for j in range(len(recalls)))
    assert not [name for name in frame if name.startswith("brier") and name.endswith("@turned")]


def test_boards_rank_by_a_new_metric_under_a_new_rule(store, entered):
    board = leaderboards(store.frame(), ["worst_recall"], "turned")[0]
    assert board.table["mean"].notna().all()


def test_what_is_lacking_is_derived_once_and_only_when_asked_for(store, entered, monkeypatch):
    with monkeypatch.context() as nothing:
        nothing.setattr(Store, "predictions", unread)
        store.frame(columns=["strategy", "gmean", "recall[0]", "worst"])
    first = store.frame(columns=["worst_recall@turned"])
    assert first["worst_recall@turned"].notna().all()
    monkeypatch.setattr(Store, "predictions", unread)
    pd.testing.assert_frame_equal(store.frame(columns=["worst_recall@turned"]), first)
    assert "bbs" in store.frame()


def test_an_entry_that_is_gone_leaves_no_column(store, monkeypatch):
    before = store.frame()
    with monkeypatch.context() as entered:
        entered.setitem(METRICS, "worst_recall", WORST)
        assert "worst_recall@tuned" in store.frame()
    with monkeypatch.context() as other:
        other.setitem(RULES, "turned", TURNED)
        assert "worst_recall" not in store.frame()
    pd.testing.assert_frame_equal(store.frame(), before)


def test_a_metric_of_another_version_is_computed_anew_and_files_say_their_versions(store, monkeypatch):
    def halved(outcome):
        return METRICS["brier"].function(outcome) / 2

    key = job("c", task="multiclass").key
    written = from_parquet((store.path / "jobs" / f"{key}.parquet").read_bytes(), key)
    assert versions_of(written) == {metric.name: metric.version for metric in METRICS.values() if metric.version != 1}
    monkeypatch.setitem(METRICS, "mcc", Metric("mcc", "Half of Brier", halved, False, "Brier / 2.", version=7))
    assert {"mcc", "mcc@recalibrated"} <= set(lacking(written))
    frame = store.frame([key])
    np.testing.assert_allclose(frame["mcc"], frame["brier"] / 2)
    np.testing.assert_allclose(frame["mcc@recalibrated"], frame["brier@recalibrated"] / 2)


def test_copies_of_a_job_with_metrics_of_different_versions_are_no_conflict(tmp_path, monkeypatch):
    one, other = (Store.open(tmp_path / name, create=True) for name in ("one", "other"))
    fill(one, ["a"], ["remix"])
    flipped = Metric("mcc", "Minus", lambda outcome: -1.0, False, "-1.", of_decisions=True, version=2)
    with monkeypatch.context() as later:
        later.setitem(METRICS, "mcc", flipped)
        fill(other, ["a"], ["remix"])
    assert merge([one.path, other.path], tmp_path / "both").conflicts == ()
    merged = Store.open(tmp_path / "both").frame()
    pd.testing.assert_series_equal(merged["mcc"], one.frame()["mcc"])


@pytest.mark.parametrize("harm", ["cut", "changed", "removed"])
def test_a_job_whose_predictions_are_damaged_is_left_out_and_said(store, entered, harm):
    key = store.keys()[0]
    file = store.path / "predictions" / f"{key}.parquet"
    content = file.read_bytes()
    if harm == "removed":
        file.unlink()
    else:
        middle = len(content) // 2
        file.write_bytes(content[:middle] + (b"" if harm == "cut" else b"\0" * 40 + content[middle + 40 :]))
    results = load(store.path)
    assert key not in set(results.rows["key"])
    assert results.rows["worst_recall"].notna().all()
    (note,) = results.notes
    assert "1 job" in note
    assert "run these jobs again" in note
    with pytest.raises(StoreError):
        store.predictions(key)


def test_the_columns_of_old_files_are_not_in_the_way(store, entered):
    frame = store.frame()
    again = Store.open(store.path).frame()
    pd.testing.assert_frame_equal(frame, again)
    written = [pq.read_table(file).column_names for file in sorted((store.path / "jobs").iterdir())]
    assert all("worst_recall" not in names for names in written)


def test_rows_of_jobs_without_a_measured_prior_have_no_column_that_is_derived_again_and_again(tmp_path, monkeypatch):
    store = Store.open(tmp_path / "store", create=True)
    one = job()
    store.write(one, [dataclasses.replace(p, exposure=None) for p in predictions(one)], FACTS)
    monkeypatch.setattr(Store, "predictions", unread)
    assert store.frame()["bbs@prior-corrected"].isna().all()
