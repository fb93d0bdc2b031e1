"""``imbench advise`` on a small table."""

import json
import re

import numpy as np
import pandas as pd
import pytest

import imbench
from imbench.cli import main


@pytest.fixture
def table(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    y = np.arange(160) % 8 // 7
    frame = pd.DataFrame(rng.normal(size=(160, 3)), columns=list("abc")).assign(patient=np.arange(160) // 2)
    frame["a"] += 2 * y
    frame.assign(ill=np.where(y, "yes", "no")).to_csv("visits.csv", index=False)
    return "visits.csv"


QUICK = ["--protocol", "smoke", "--jobs", "1", "--strategy", "remix", "--reference", "logistic-regression"]


def asked(capsys, *arguments):
    code = main(["advise", *arguments])
    return code, capsys.readouterr()


def test_the_answer_comes_first_and_the_evidence_below(table, capsys):
    code, printed = asked(capsys, table, "--target", "ill", *QUICK)
    assert code == 0
    first = printed.out.splitlines()[0]
    assert first.startswith(("Rebalancing", "Another model", "No model"))
    assert "What to do:" in printed.out
    assert printed.out.index("What to do:") < printed.out.index("Nadeau and Bengio")


def test_json_has_the_answer_and_its_evidence(table, capsys):
    code, printed = asked(capsys, f"{table}:target=ill", *QUICK, "--json", "--budget", "none", "--goal", "ranking")
    answer = json.loads(printed.out)
    assert code == 0
    assert isinstance(answer["rebalance"], bool)
    assert answer["folds"] == 20
    assert {"recipe", "effect", "interval", "p", "probabilities", "sentences"} <= set(answer)
    assert {one["name"] for one in answer["candidates"]} == {"remix", "logistic-regression"}


def test_costs_decide_what_is_minimised(table, capsys):
    code, printed = asked(capsys, table, "--target", "ill", *QUICK, "--cost-fn", "10", "--cost-fp", "1", "--json")
    assert code == 0
    assert json.loads(printed.out)["metric"] == "cost"


def test_the_page_has_the_answer_first_and_needs_nothing_else(table, capsys, tmp_path):
    code, printed = asked(capsys, f"{table}:target=ill", *QUICK, "--budget", "none", "--html", "answer.html")
    text = (tmp_path / "answer.html").read_text("utf-8")
    first = printed.out.split("\n\n")[0].replace("\n", " ")
    assert code == 0
    assert f"<h1>{first}</h1>" in text
    assert text.index("<h1>") < text.index("What was tried") < text.index("Nadeau and Bengio") < text.index("<svg")
    assert not re.findall(r"<script|<link|https?://(?!www\.w3\.org)", text)


def test_costs_of_more_than_two_classes_are_refused_before_training(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    pd.DataFrame({"a": np.arange(90.0) % 7, "y": np.arange(90) % 3}).to_csv("three.csv", index=False)
    code, printed = asked(capsys, "three.csv", "--target", "y", "--cost-fn", "1", "--cost-fp", "1")
    assert code == 2
    assert "costs are for two classes" in printed.err
    assert not list(tmp_path.glob("imbench-advice/jobs/*"))


def test_groups_are_kept_together(table, capsys):
    code, _ = asked(capsys, table, "--target", "ill", "--group", "patient", *QUICK, "--json")
    assert code == 0
    assert imbench.load("imbench-advice").rows["protocol"].str.contains("split=grouped").all()


def test_progress_is_shown_and_an_interrupted_command_says_how_to_resume(table, capsys, monkeypatch):
    code, printed = asked(capsys, table, "--target", "ill", *QUICK)
    assert code == 0
    assert "jobs" in printed.err

    def interrupted(*arguments, **fields):
        raise KeyboardInterrupt

    monkeypatch.setattr("imbench.advice.advise.run", interrupted)
    code, printed = asked(capsys, table, "--target", "ill", *QUICK)
    assert code == 130
    assert "imbench advise visits.csv --target ill" in printed.err


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["visits.csv", "--target", "il"], "ill"),
        (["visit.csv", "--target", "ill"], "visit.csv"),
        (["visits.csv:target=ill", "--target", "ill"], "target is given twice, as target=ill in visits.csv:target=ill"),
        (["visits.csv", "--target", "ill", "--budget", "soon"], "--budget 'soon' is not a duration"),
        (["visits.csv", "--target", "ill", "--goal", "winning"], "unknown goal 'winning'"),
        (["visits.csv", "--target", "ill", "--cost-fn", "3"], "--cost-fn needs --cost-fp"),
        (["visits.csv", "--target", "ill", "--html", "no/such.html"], "there is no folder no"),
        (["visits.csv", "--target", "ill", "--alpha", "2"], "alpha must lie between 0 and 1, got 2"),
    ],
)
def test_a_mistake_is_named_before_any_training(table, capsys, arguments, reason, tmp_path):
    code, printed = asked(capsys, *arguments)
    assert code == 2
    assert reason in printed.err
    assert not (tmp_path / "imbench-advice").exists()


def test_a_column_that_decides_everything_is_found_by_the_net_itself(tmp_path, monkeypatch, capsys):
    """With the two hidden units of the paper's rule the plain net had an AUROC of .52 here."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(1)
    y = np.arange(400) % 5 // 4
    pd.DataFrame({"a": rng.normal(size=400), "note": np.where(y, "", "seen"), "y": y}).to_csv("t.csv", index=False)
    quick = ["--jobs", "1", "--strategy", "baseline", "--reference", "logistic-regression", "--budget", "20s"]
    code, printed = asked(capsys, "t.csv", "--target", "y", *quick, "--goal", "ranking", "--json")
    answer = json.loads(printed.out)
    assert code == 0
    assert answer["control"] > 0.95
    assert (answer["recipe"], answer["rebalance"]) == ("baseline", False)
    assert "How your columns were read" in printed.err


def test_the_recipe_can_be_taken_home_as_a_model(table, capsys, tmp_path):
    quick = ["--protocol", "smoke", "--jobs", "1", "--strategy", "remix", "--reference", "uniform"]
    code, printed = asked(capsys, table, "--target", "ill", *quick, "--out", "model")
    assert code == 0, printed.err
    model = imbench.load_model(tmp_path / "model")
    assert model.recipe in ("baseline", "remix")
    assert all(said in model.card for said in ("imbench advise visits.csv", "| remix | tuned |", "chosen by the same"))
    assert main(["predict", "model", "visits.csv", "-o", "scored.csv"]) == 0


def test_costs_of_the_question_are_those_of_the_model(table, capsys, tmp_path):
    costs = ["--cost-fn", "10", "--cost-fp", "1"]
    code, printed = asked(capsys, table, "--target", "ill", *QUICK, *costs, "--out", "model")
    assert code == 0, printed.err
    assert imbench.load_model(tmp_path / "model").decision.costs == (10, 1)


def test_a_folder_that_cannot_be_written_is_refused_before_training(table, capsys, tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "thesis.tex").touch()
    code, printed = asked(capsys, table, "--target", "ill", *QUICK, "--out", "model", "--overwrite")
    assert code == 2
    assert "thesis.tex" in printed.err
    assert not (tmp_path / "imbench-advice").exists()


@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize("error", [KeyboardInterrupt(), imbench.UsageError("the disk is full")])
def test_no_verdict_is_lost_when_the_model_fails(table, capsys, tmp_path, monkeypatch, error, as_json):
    def failing(*arguments, **fields):
        raise error

    monkeypatch.setattr("imbench.advice.advise.fit", failing)
    extra = ["--json"] if as_json else []
    code, printed = asked(capsys, table, "--target", "ill", *QUICK, "--out", "model", *extra)
    assert code == (130 if isinstance(error, KeyboardInterrupt) else 1)
    assert ("recipe" in json.loads(printed.out)) if as_json else ("What to do:" in printed.out)
    assert not (tmp_path / "model").exists()


def test_in_python_the_advice_carries_its_model(table, tmp_path):
    found = imbench.advise(
        table, target="ill", protocol="smoke", jobs=1, strategies=["remix"], references=(), out=tmp_path / "model"
    )
    assert found.unsaved == ""
    assert found.model.predict_proba(pd.read_csv(table)).shape == (160, 2)
