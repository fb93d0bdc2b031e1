"""Equal budgets: tables equal pandas on the selected rows, and a store without trials has none of it."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import imbench.store.trials
from imbench.cli.boards import boards_json, boards_text
from imbench.contract.protocol import Protocol
from imbench.contract.records import REFERENCE, STRATEGY, Trial
from imbench.report import Options, write_report
from imbench.report.columns import Column
from imbench.report.figures.kinds import Figures
from imbench.report.figures.spec import Line, Mark
from imbench.report.model import gather
from imbench.report.page import page
from imbench.report.tuned import TunedBoards, budget_tables, conclusions
from imbench.scoring.metrics import METRICS
from imbench.stats.board import make_board
from imbench.stats.board_changes import board_changes
from imbench.stats.names import labelled
from imbench.stats.score_table import make_score_tables
from imbench.store.results import load
from imbench.store.store import Store
from tests.made_results import FACTS, fill, job, predictions
from tests.report.made import plain_means, plain_ranks, scored_rows

OPTIONS = Options(metrics=("gmean", "bbs"), rules=("argmax",))
STRATEGIES = ("baseline", "mixup", "remix")
REFERENCES = ("forest", "logistic")
HIGHER = {"gmean": True, "bbs": False}


def trial(number, dataset, strategy, kind=STRATEGY, task="binary"):
    """Job of a trial; the learning rate makes it another job."""
    one = job(dataset, strategy, kind=kind, task=task)
    if number == 1:
        return one
    protocol = Protocol(f"quick:learning_rate=0.{number}", repeats=2, learning_rate=number / 10)
    return dataclasses.replace(one, protocol=protocol, trial=Trial(number, strategy, "quick"))


def tuned_store(folder, seed=0, trials=3, datasets=4, references=REFERENCES, tasks=("binary",), failed=(), lacks=()):
    """Results of a tuned run.

    Parameters
    ----------
    failed : numbers of trials that failed
    lacks : (dataset, strategy, trial) that is not trained yet
    """
    store, rng = Store.open(folder, create=True), np.random.default_rng(seed)
    kinds = {**dict.fromkeys(STRATEGIES, STRATEGY), **dict.fromkeys(references, REFERENCE)}
    for place, ((name, kind), number) in enumerate(itertools.product(kinds.items(), range(1, trials + 1))):
        for task, of in itertools.product(tasks, range(datasets)):
            one = trial(number, f"data-{of}", name, kind, task)
            skill, classes = rng.uniform(0, 1.5), 2 if task == "binary" else 3
            folds = predictions(one, skill=skill, classes=classes, rows=60, seed=of)
            folds = [dataclasses.replace(p, seconds=0.1 * (place + 1)) for p in folds]
            if number in failed:
                store.fail(one, "TrainingError: it diverged", {"ir": 0.05})
            elif (f"data-{of}", name, number) not in lacks:
                store.write(one, folds, FACTS)
    return load(folder)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return tuned_store(tmp_path_factory.mktemp("tuned") / "store", tasks=("binary", "multiclass"))


@pytest.fixture(scope="module")
def model(results):
    return gather(results, OPTIONS)


@pytest.fixture(scope="module")
def folder(results, tmp_path_factory):
    to = tmp_path_factory.mktemp("report")
    write_report(results, to, OPTIONS)
    return to


def section_of(html):
    found = re.search(r'<section id="tuning".*?</section>', html, flags=re.DOTALL)
    return found[0] if found else ""


@settings(max_examples=4, deadline=None)
@given(seed=st.integers(0, 10**6), trials=st.integers(2, 4), datasets=st.integers(2, 4))
def test_means_and_ranks_are_those_of_pandas(tmp_path_factory, seed, trials, datasets):
    results = tuned_store(tmp_path_factory.mktemp("s") / "store", seed, trials, datasets)
    model, tuning = gather(results, OPTIONS), results.tuning()
    (table,) = budget_tables(model.budgets, model.references)
    names = ["default", f"tuned@{trials}", f"ensemble@{trials}"]
    assert [(of.column.name, name) for of, name in table.heads] == list(itertools.product(HIGHER, names))
    for i, (metric, name) in enumerate(itertools.product(HIGHER, names)):
        rows = tuning.select(name)
        means = plain_means(rows, metric).mean()
        own = means.drop(list(REFERENCES))
        assert {who: cells[i].mean for who, cells in (*table.rows, *table.references)} == pytest.approx(means.to_dict())
        ranks = plain_ranks(rows[rows["kind"] == STRATEGY], metric, HIGHER[metric])
        assert {who: cells[i].rank for who, cells in table.rows} == pytest.approx(ranks.to_dict())
        assert {own[who] for who, cells in table.rows if cells[i].best} == {own.max() if HIGHER[metric] else own.min()}
        together = pd.DataFrame(
            [vars(row) for row in model.budgets[list(HIGHER).index(metric)].reference_boards[name].table]
        ).set_index("name")
        assert together["average_rank"].to_dict() == pytest.approx(plain_ranks(rows, metric, HIGHER[metric]).to_dict())
    assert [who for who, _ in table.references] == sorted(REFERENCES)
    assert all(math.isnan(cell.rank) for _, cells in table.references for cell in cells)
    assert {who for who, _ in table.rows} == set(STRATEGIES)


def test_the_files_have_every_board_of_the_table(model, folder):
    found = pd.read_csv(folder / "tuned-leaderboard.csv")
    assert list(found.columns[:4]) == ["selection", "protocol", "task", "metric"]
    found["largest"] = found["largest"].fillna("")
    pd.testing.assert_frame_equal(found, pd.read_parquet(folder / "tuned-leaderboard.parquet"), check_dtype=False)
    assert len(found) == 2 * 2 * 3 * len(STRATEGIES)  # tasks, metrics, selections
    for table in budget_tables(model.budgets, model.references):
        for i, (of, name) in enumerate(table.heads):
            about = (found["task"] == of.task) & (found["metric"] == of.column.name) & (found["selection"] == name)
            rows = found[about].set_index("strategy")
            for who, cells in table.rows:
                assert rows.loc[who, ["mean", "average_rank"]].tolist() == pytest.approx([cells[i].mean, cells[i].rank])
    plain = pd.read_csv(folder / "leaderboard.csv")
    plain["largest"] = plain["largest"].fillna("")
    default = found[found["selection"] == "default"].drop(columns="selection").reset_index(drop=True)
    shared = [name for name in default if name in plain]
    key = ["task", "metric", "place"]
    both = [
        rows[shared].sort_values(key).reset_index(drop=True) for rows in (default, plain[plain["rule"] == "argmax"])
    ]
    pd.testing.assert_frame_equal(*both, check_dtype=False)
    together = pd.read_csv(folder / "tuned-reference-leaderboard.csv")
    assert set(together["strategy"][together["kind"] == "reference"]) == set(REFERENCES)
    assert len(together) == 2 * 2 * 3 * (len(STRATEGIES) + len(REFERENCES))


def test_json_and_markdown_have_the_boards_in_short(model, folder):
    written = json.loads((folder / "leaderboard.json").read_text("utf-8"))
    boards = written["tuned_leaderboards"]
    assert [(b["selection"], b["task"], b["metric"]) for b in boards] == list(
        itertools.product(["default", "tuned@3", "ensemble@3"], ["binary", "multiclass"], ["gmean", "bbs"])
    )
    for board in boards:
        (of,) = [o for o in model.budgets if (o.task, o.column.name) == (board["task"], board["metric"])]
        assert [row["strategy"] for row in board["rows"]] == [row.name for row in of.boards[board["selection"]].table]
        assert [row["mean"] for row in board["rows"]] == [row.mean for row in of.boards[board["selection"]].table]
    assert len(written["tuned_reference_leaderboards"]) == len(boards)
    assert [one["sentence"] for one in written["tuned_conclusions"]] == [conclusions(one) for one in model.budgets]
    text = (folder / "leaderboard.md").read_text("utf-8").partition("## Equal budgets")[2]
    for one in budget_tables(model.budgets, model.references):
        (name, cells), *_ = one.rows
        assert f"| {name} | " + " | ".join(f"{c.mean:.4f} | {c.rank:.2f}" for c in cells) in text
    assert "| forest (reference) | " in text


def test_the_page_has_a_section_that_is_complete_without_javascript(model, folder):
    html = (folder / "index.html").read_text("utf-8")
    section = section_of(html)
    assert '<a href="#tuning">Equal budgets</a>' in html
    assert html.index('id="cost"') < html.index('id="tuning"') < html.index('id="spread"')
    assert "Every strategy gets the same budget, 3 trials" in section
    assert "tuned@3 is the trial with the best balanced Brier score on validation rows" in section
    assert section.count('<table class="budgets">') == 2
    assert section.count("<svg") == len(model.budgets) * 2 == 8
    for name in ("tuned-leaderboard", "tuning"):
        assert f'<a href="{name}.csv" download>' in section
        assert (folder / f"{name}.csv").exists()
    tables = re.findall(r'<table class="budgets">.*?</table>', section, flags=re.DOTALL)
    for table, one in zip(tables, budget_tables(model.budgets, model.references), strict=True):
        for name, cells in one.rows:
            (row,) = re.findall(rf'<tr><th scope="row">{name}</th>.*?</tr>', table)
            texts = re.findall(r"<td[^>]*>(?:<b>)?([^<]*)", row)
            assert texts == [text for c in cells for text in (f"{c.mean:.3f}", f"{c.rank:.2f}")]
        strategies, _, references = table.partition("References, not ranked with the strategies")
        assert [name for name in REFERENCES if f">{name}<" in strategies] == []
        assert [name for name in REFERENCES if f">{name}<" in references] == list(REFERENCES)


def test_charts_have_a_line_for_each_strategy_in_its_colour_of_the_page(model):
    figures = Figures(model)
    for one in model.budgets:
        rows = model.tuned[(model.tuned["task"] == one.task) & (model.tuned["metric"] == one.column.name)]
        for kind, names in (("regret", STRATEGIES), ("budget", (*STRATEGIES, *REFERENCES))):
            figure = figures.draw(kind, one)
            lines = [m for m in figure.marks if isinstance(m, Line) and isinstance(m.color, int) and m.width > 1]
            assert sorted(line.color for line in lines) == sorted(model.series[name] for name in names)
            assert all(len(line.points) == 3 for line in lines)  # tuned@1 to tuned@3
            large = [m.series for m in figure.marks if isinstance(m, Mark) and m.size == 6]
            assert sorted(large) == ([] if kind == "regret" else sorted(model.series[name] for name in names))
            dashed = [line.color for line in lines if line.dash]
            assert sorted(dashed) == ([] if kind == "regret" else sorted(model.series[name] for name in REFERENCES))
        of = rows[(rows["strategy"] == "remix") & rows["selection"].str.startswith("tuned@")].set_index("k")
        # A higher line has less regret below it: pixels grow downwards.
        (remix,) = [
            m
            for m in figures.draw("regret", one).marks
            if isinstance(m, Line) and m.color == model.series["remix"] and m.width > 1
        ]
        heights = [-y for _, y in remix.points]
        assert np.argsort(heights).tolist() == np.argsort(of.loc[[1, 2, 3], "regret"].to_numpy()).tolist()
    assert model.series["baseline"] == 0


@settings(max_examples=3, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_changed_conclusions_are_those_of_compare_boards(tmp_path_factory, seed):
    results = tuned_store(tmp_path_factory.mktemp("s") / "store", seed, 2, 7, references=())
    model, tuning = gather(results, OPTIONS), results.tuning()
    wanted = board_changes(tuning.select("default"), tuning.select("tuned@2"), ["gmean", "bbs"])
    assert [one.changes.changes for one in model.budgets] == [one.changes for one in wanted]
    assert [one.changes.tau for one in model.budgets] == pytest.approx([one.tau for one in wanted], nan_ok=True)


def made(default, tuned):
    """Boards of two sets of scores, each the merit of every strategy; configurations differ by 1."""
    boards = {}
    for name, merits in (("default", default), ("tuned@9", tuned)):
        results = scored_rows(len(merits), 14, 2, tasks=("binary", "binary"))
        rows = results.rows
        place = rows["strategy"].map({who: i for i, who in enumerate(rows["strategy"].unique())})
        noise = np.random.default_rng(0).uniform(0, 1e-3, len(rows))
        (scores,) = make_score_tables(
            labelled(rows.assign(gmean=0.1 + np.asarray(merits)[place] / 20 + noise)), ["gmean"]
        )
        boards[name] = make_board(scores, METRICS["gmean"], ["argmax"], "argmax")
    return TunedBoards("paper", "binary", Column(METRICS["gmean"], "argmax"), boards)


def test_sentences_say_what_tuning_changes():
    assert conclusions(made([0, 0, 1], [0, 1, 0])) == (
        "G-mean: tuning changes 3 of 3 conclusions. Shown with tuned@9 only: strategy-001 is better than baseline. "
        "Shown by default only: strategy-002 is better than baseline. "
        "Reversed, with tuned@9: strategy-001 is better than strategy-002."
    )
    assert conclusions(made([0, 0], [0, 0])).endswith("differ, neither by default nor with tuned@9.")
    same = "G-mean: tuning changes no conclusion; the same {}."
    assert conclusions(made([0, 1], [0, 2])) == same.format("pair of strategies differs")
    assert conclusions(made([0, 1, 2], [0, 1, 3])) == same.format("3 pairs of strategies differ")


def test_a_sentence_names_at_most_four_strategies():
    text = conclusions(made([0] * 5, [0, 1, 2, 3, 4]))
    assert text == (
        "G-mean: tuning changes 10 of 10 conclusions. Shown with tuned@9 only: strategy-001 is better than baseline, "
        "strategy-002 is better than baseline and 8 others."
    )


def test_too_few_configurations_decide_nothing(model):
    assert conclusions(model.budgets[0]) == "G-mean: which strategies differ cannot be decided with 4 configurations."


def test_without_trials_there_is_no_section_and_no_file(store, tmp_path):
    fill(store, ["a", "b"], ["baseline", "remix"])
    files = {file.name for file in write_report(load(store.path), tmp_path, OPTIONS)}
    assert not [name for name in files if "tun" in name or "regret" in name or "budget" in name]
    html = (tmp_path / "index.html").read_text("utf-8")
    assert section_of(html) == ""
    assert "budgets" not in html
    assert "Equal budgets" not in html + (tmp_path / "leaderboard.md").read_text("utf-8")
    assert not [name for name in json.loads((tmp_path / "leaderboard.json").read_text("utf-8")) if "tuned" in name]


def test_trials_without_a_default_configuration_are_no_tuned_run(tmp_path):
    results = tuned_store(tmp_path / "store", failed=[1])
    assert results.rows["trial"].notna().any()
    model = gather(results, OPTIONS)
    assert model.budgets == ()
    assert section_of(page(model, Figures(model))) == ""
    assert "tuned@" not in boards_text(results)
    assert boards_json(results)["tuned"] == {}


def test_trials_are_selected_once_for_a_report(results, tmp_path, monkeypatch):
    calls, plain = [], imbench.store.trials.tuning_of
    monkeypatch.setattr(imbench.store.trials, "tuning_of", lambda *a, **b: calls.append(a) or plain(*a, **b))
    write_report(results, tmp_path, OPTIONS)
    assert len(calls) == 1


def test_a_strategy_that_lacks_a_trial_is_not_ranked_and_the_page_says_so(tmp_path):
    model = gather(tuned_store(tmp_path / "store", lacks=[("data-1", "remix", 3)]), OPTIONS)
    one = model.budgets[0]
    assert one.boards["default"].names == STRATEGIES
    assert one.tuned.names == ("baseline", "mixup")
    assert one.changes.a.names == one.changes.b.names == ("baseline", "mixup")
    section = section_of(page(model, Figures(model)))
    assert "Not ranked: remix lacks 1 of 4 configurations (data-1 ir=0.05)" in section


def test_another_rule_and_metric_give_their_boards_and_charts(results):
    model = gather(results, Options(metrics=("gmean",), rules=("tuned",)))
    assert [(one.task, one.column.name) for one in model.budgets] == [
        ("binary", "gmean@tuned"),
        ("multiclass", "gmean@tuned"),
    ]
    rows = results.tuning().select("tuned@3")
    for one in model.budgets:
        own = rows[(rows["task"] == one.task) & (rows["kind"] == STRATEGY)]
        means = plain_means(own, "gmean@tuned").mean().to_dict()
        assert dict(zip(one.tuned.names, one.tuned.means, strict=True)) == pytest.approx(means)
        curve = model.tuned[(model.tuned["task"] == one.task) & (model.tuned["selection"] == "tuned@3")]
        curve = curve[curve["strategy"].isin(STRATEGIES)].set_index("strategy")["mean"].to_dict()
        assert curve == pytest.approx(means)


def test_trials_of_references_alone_have_a_file_and_no_boards(results):
    rows = results.rows
    own = rows["trial"].isna() | (rows["kind"] == REFERENCE)
    model = gather(dataclasses.replace(results, rows=rows[own].reset_index(drop=True)), OPTIONS)
    assert model.budgets == ()
    assert section_of(page(model, Figures(model))) == ""


def test_without_references_with_trials_nothing_is_beside(tmp_path):
    results = tuned_store(tmp_path / "store", references=())
    model = gather(results, OPTIONS)
    assert not any(one.reference_boards for one in model.budgets)
    assert "References" not in section_of(page(model, Figures(model)))
