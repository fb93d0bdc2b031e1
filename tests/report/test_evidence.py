"""The evidence beside a board: rows of the rarest class, and how much of a mean gain one configuration makes."""

from __future__ import annotations

import json
import re
from html import escape

import numpy as np
import pandas as pd
import pytest

from imbench.report import Options, write_report
from imbench.report.evidence import basis
from imbench.report.model import gather
from imbench.report.tables import TABLES
from imbench.scoring.rules import EACH
from imbench.stats.names import by_label
from imbench.store.store import Store
from tests.report.made import filled


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return filled(
        Store.open(tmp_path_factory.mktemp("made") / "store", create=True), datasets=("iris", "musk", "ozone")
    )


@pytest.fixture(scope="module")
def model(results):
    return gather(results, Options(metrics=("gmean",), rules=("argmax",)))


def test_rows_of_the_rarest_class_are_those_of_the_predictions(results, model):
    assert len(model.evidence) == model.configurations
    store, labels = Store(results.store), by_label(results.rows)["dataset"]
    for one in model.evidence:
        same = (labels == one.dataset) & (results.rows["variant"] == one.variant)
        same &= (results.rows["task"] == one.task) & (results.rows["error"] == "")
        if not one.folds:  # every job failed
            assert not same.any()
            assert np.isnan(one.train_low)
            continue
        folds = store.predictions(results.rows[same]["key"].iloc[0])
        rarest = [int(np.argmin(fold.train_counts)) for fold in folds]
        for part, counts in {
            "train": [fold.train_counts[c] for fold, c in zip(folds, rarest, strict=True)],
            "validation": [(fold.validation.y == c).sum() for fold, c in zip(folds, rarest, strict=True)],
            "test": [(fold.test.y == c).sum() for fold, c in zip(folds, rarest, strict=True)],
        }.items():
            ends = getattr(one, f"{part}_low"), getattr(one, f"{part}_high")
            assert ends == (min(counts), max(counts)), (one.dataset, part)


def test_medians_and_the_largest_share_are_those_of_the_gains(model):
    board = model.boards[0]
    for row in board.table:
        gains = board.gains[:, board.names.index(row.name)]
        assert row.median == np.median(board.scores[:, board.names.index(row.name)])
        if row.name == board.control:
            assert np.isnan(row.largest_share)
            continue
        assert row.gain_median == np.median(gains)
        at = [c.label for c in board.configurations].index(row.largest)
        assert row.largest_share == pytest.approx(gains[at] / gains.sum())
        assert row.largest_share == pytest.approx(max(gains / gains.sum()))


def test_the_files_have_it(results, model, tmp_path):
    write_report(results, tmp_path, Options(metrics=("gmean", "bbs")))
    table = pd.read_csv(tmp_path / "leaderboard.csv")
    assert {"median", "largest", "largest_share", "fallback_share", "elo", "signed_rank_better"} <= set(table)
    leads = table["rule"].isin(["argmax", "each"])
    assert table.loc[leads & (table["strategy"] == "baseline"), "elo"].tolist() == [1000.0] * int(
        (leads & (table["strategy"] == "baseline")).sum()
    )
    assert table.loc[~leads, "elo"].isna().all()
    shares = table.loc[leads, ["signed_rank_better", "signed_rank_equivalent", "signed_rank_worse"]].dropna()
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    assert len(pd.read_csv(tmp_path / "evidence.csv")) == model.configurations
    written = json.loads((tmp_path / "leaderboard.json").read_text("utf-8"))
    assert written["leaderboards"][0]["basis"][1].startswith("Rows of the rarest class, median over configurations:")
    assert len(written["evidence"]) == model.configurations
    page = (tmp_path / "index.html").read_text("utf-8")
    (section,) = re.findall(r'<section id="evidence".*?</section>', page, flags=re.DOTALL)
    for board in written["leaderboards"]:
        if (board["metric"], board["rule"]) in (("gmean", "argmax"), ("bbs", "argmax")):
            assert escape(" ".join(board["basis"]), quote=False) in section


def test_the_hierarchical_test_is_not_made_for_boards_that_do_not_show_it(results):
    model = gather(results, Options(metrics=("gmean",)))
    TABLES["leaderboard"](model)
    made = {board.rule: "hierarchical" in vars(board.supplement_by_dataset) for board in model.leading}
    assert made == {"argmax": True, EACH: False}


def test_without_predictions_the_rows_are_unknown(results, model):
    bare = [type(one)(one.protocol, one.task, one.dataset, one.variant, one.ir, one.folds) for one in model.evidence]
    assert not any("rarest class" in sentence for sentence in basis(model.boards[0], bare))
