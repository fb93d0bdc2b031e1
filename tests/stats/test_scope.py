"""Boards over a declared set of configurations: who has only some of them is listed, and changes no number."""

from __future__ import annotations

import dataclasses
import shutil

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imbench.report.model import Options, gather
from imbench.report.plain import to_json
from imbench.scoring.metrics import METRICS
from imbench.scoring.rules import ARGMAX
from imbench.stats.board import make_board
from imbench.stats.names import BASELINE
from imbench.stats.scope import Scope
from imbench.stats.score_table import Configuration, ScoreTable
from imbench.store.results import Results, load
from imbench.store.store import Store
from tests.made_results import FACTS, fill, job

SUITE = ("ecoli", "musk", "ozone", "segment")
STRATEGIES = (BASELINE, "mixup", "remix")


def suite(folder) -> Store:
    """A store in which every strategy has every configuration."""
    store = Store.open(folder, create=True)
    fill(store, SUITE, STRATEGIES)
    return store


def numbers(results: Results) -> list[dict]:
    """Every number of every board: the table, the tests with both kinds of blocks."""
    return [
        {
            "rows": [dataclasses.astuple(row) for row in board.table],
            "over": board.over,
            "tests": board.evaluation.to_dict(),
            "by dataset": board.evaluation_by_dataset.to_dict(),
        }
        for board in gather(results, Options(metrics=("gmean", "bbs", "calibration_slope"))).boards
    ]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The folder of such a store, and every number of it."""
    store = suite(tmp_path_factory.mktemp("whole") / "store")
    return store.path, numbers(load(store.path))


def sweep(store):
    """One strategy at two values, with the baseline, on two datasets of which one is not of the suite."""
    fill(store, ("iris", "musk"), (BASELINE, "remix:alpha=0.1", "remix:alpha=0.4"))


def partial(store):
    """A strategy on one configuration."""
    fill(store, ("ozone",), ("smote",))


def failing(store):
    """A strategy that fails everywhere, and one that fails on one configuration."""
    for dataset in SUITE:
        store.fail(job(dataset, "broken"), "ValueError: no", FACTS)
    fill(store, SUITE[:-1], ("batch-smote",))
    store.fail(job(SUITE[-1], "batch-smote"), "ValueError: no", FACTS)


@pytest.mark.parametrize("additions", [(sweep,), (partial,), (failing,), (sweep, partial, failing)])
def test_boards_over_a_complete_suite_are_unchanged_to_the_last_digit(whole, tmp_path, additions):
    path, before = whole
    store = Store.open(shutil.copytree(path, tmp_path / "store"))
    for add in additions:
        add(store)
    np.testing.assert_equal(numbers(load(store.path)), before)


def test_a_partial_entrant_is_listed_with_what_it_lacks(tmp_path):
    store = suite(tmp_path / "store")
    partial(store)
    board = load(store.path).leaderboards(["gmean"])[0]
    assert "smote" not in set(board.table["strategy"])
    assert board.partial == (("smote", 3),)
    assert any(remark.startswith("not ranked: smote lacks 3 of 4 configurations") for remark in board.remarks)


@given(st.lists(st.sets(st.integers(0, 3), min_size=1), min_size=2, max_size=4))
def test_a_board_counts_what_each_entrant_lacks_and_names_what_all_have(has):
    names = [BASELINE, "mixup", "remix", "smote"][: len(has)]
    configurations = tuple(Configuration(f"d{i}", "natural", 0.1, "tabular") for i in range(4))
    folds = np.array([[5 * (i in of) for of in has] for i in range(4)])
    scores = np.where(folds > 0, np.arange(4)[:, None] / 4 + np.arange(len(has)) / 40, np.nan)
    table = ScoreTable("paper", "binary", configurations, tuple(names), {"gmean": scores}, {"gmean": scores}, folds)
    remarks = " ".join(make_board(table, METRICS["gmean"], [ARGMAX], ARGMAX).remarks)
    for lacking in {len(of) for of in has} - {4}:
        assert f" {4 - lacking} of 4 configurations" in remarks
    common = set.intersection(*has)
    if sum(len(of) == 4 for of in has) < 2:
        assert ("no configuration has results of all of them" in remarks) == (not common)
        assert all((f"--dataset d{i}" in remarks) == (i in common) for i in range(4)) or not remarks


def test_a_title_says_what_a_board_is_over(tmp_path):
    store = suite(tmp_path / "store")
    whole = dataclasses.replace(load(store.path), scope=Scope("suite tabular", whole=True))
    assert whole.leaderboards(["gmean"])[0].over == "suite tabular, 4 configurations"
    assert load(store.path).leaderboards(["gmean"])[0].over == "4 configurations"


def test_a_run_is_over_all_its_configurations(tmp_path):
    store = suite(tmp_path / "store")
    fill(store, ("iris",), (BASELINE,))
    run = dataclasses.replace(load(store.path), scope=Scope(whole=True))
    board = run.leaderboards(["gmean"])[0]
    assert list(board.table["strategy"]) == [BASELINE]
    assert {name for name, _ in board.partial} == {"mixup", "remix"}


def test_a_few_strategies_with_more_configurations_do_not_push_the_others_out():
    # Five strategies have four configurations, two of them a fifth.
    done = np.ones((5, 5), dtype=bool)
    done[4, 2:] = False
    names = ["baseline", "remix", "mixup", "cost-adjusted", "batch-smote"]
    chosen, _ = Scope().choose("binary", list("abcde"), names, done)
    assert chosen.tolist() == [True, True, True, True, False]


def test_equal_predictions_compete_once(tmp_path):
    store = Store.open(tmp_path / "store", create=True)
    fill(store, SUITE, STRATEGIES)
    rows = load(store.path).rows
    twin = rows[rows["strategy"] == BASELINE].assign(strategy="no-op", key=lambda r: r["key"] + "x")
    both = dataclasses.replace(load(store.path), rows=pd.concat([rows, twin], ignore_index=True))
    alone, board = load(store.path).leaderboards(["gmean"])[0], both.leaderboards(["gmean"])[0]
    assert board.same == ((BASELINE, "no-op"),)
    assert board.table.equals(alone.table)
    assert f"same predictions, ranked once as {BASELINE}: {BASELINE} and no-op" in board.remarks


def test_means_that_differ_by_rounding_of_nets_are_tied(tmp_path):
    store = suite(tmp_path / "store")
    results = load(store.path)
    rows = results.rows.copy()
    base = rows.loc[rows["strategy"] == BASELINE, "gmean"].to_numpy()
    rows.loc[rows["strategy"] == "mixup", "gmean"] = base + 4e-8
    ranks = dataclasses.replace(results, rows=rows).leaderboards(["gmean"])[0].table.set_index("strategy")
    assert ranks.loc["mixup", "average_rank"] == ranks.loc[BASELINE, "average_rank"]


def test_the_page_and_json_carry_the_scope(tmp_path):
    results = dataclasses.replace(load(suite(tmp_path / "s").path), scope=Scope("suite tabular", whole=True))
    assert "suite tabular, 4 configurations" in to_json(gather(results, Options()))
