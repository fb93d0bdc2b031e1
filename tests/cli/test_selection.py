"""Every verb that reads a store takes the same options to choose what of it, and says what smoke is worth."""

from __future__ import annotations

import json
import re

import pytest

from imbench.contract.protocol import CAVEATS, Protocol
from imbench.store.store import Store
from tests.made_results import fill

SMOKE = CAVEATS["smoke"]


@pytest.fixture
def store(tmp_path):
    """Three datasets of the suite natural, a stand-in of the suite tabular, and one ReMix beside the default."""
    made = Store.open(tmp_path / "mine", create=True)
    fill(made, ["ecoli", "us_crime", "letter"], ["baseline", "remix"], ir=None)
    fill(made, ["aps_failure_head9000"], ["baseline", "remix"], ir=0.01)
    fill(made, ["ecoli"], ["remix:alpha=0.3"], ir=None)
    return str(made.path)


def told(imbench, store, tmp_path, *chosen):
    """The configurations and strategies that a report is of."""
    answer = imbench("report", store, "--to", tmp_path / "out", *chosen)
    assert answer.code == 0, answer.err
    found = json.loads((tmp_path / "out" / "leaderboard.json").read_text())
    return {row["strategy"] for row in found["coverage"]}, found["configurations"], found["notes"]


@pytest.mark.parametrize(
    ("chosen", "strategies", "configurations"),
    [
        ([], {"baseline", "remix", "remix:alpha=0.3"}, 4),
        (["--strategy", "remix"], {"remix", "remix:alpha=0.3"}, 4),
        (["--strategy", "remix:alpha=0.1", "--strategy", "baseline"], {"baseline", "remix"}, 4),
        (["--dataset", "ecoli"], {"baseline", "remix", "remix:alpha=0.3"}, 1),
        (["--suite", "natural", "--strategy", "baseline"], {"baseline"}, 3),
        (["--suite", "tabular"], {"baseline", "remix"}, 1),
        (["--suite", "tabular", "--dataset", "ecoli:", "--strategy", "remix:"], {"remix"}, 2),
        (["--protocol", "quick"], {"baseline", "remix", "remix:alpha=0.3"}, 4),
    ],
)
def test_a_report_is_of_what_was_asked_for(imbench, store, tmp_path, chosen, strategies, configurations):
    assert told(imbench, store, tmp_path, *chosen)[:2] == (strategies, configurations)


def test_a_report_says_which_suites_it_covers_and_what_stands_in(imbench, store, tmp_path):
    *_, notes = told(imbench, store, tmp_path)
    assert "suite natural: results on 3 of 14 configurations, none on abalone_19, aps_failure, coil2000" in "\n".join(
        notes
    )
    assert "aps_failure_head9000:ir=0.01 replaces aps_failure:ir=0.01" in notes


def test_status_and_evaluate_choose_alike(imbench, store):
    counts = json.loads(imbench("status", store, "--suite", "natural", "--strategy", "remix", "--json").out)
    assert counts["done"] == 4
    options = ["--metric", "gmean", "--suite", "natural", "--strategy", "remix:", "--strategy", "baseline", "--json"]
    (found,) = json.loads(imbench("evaluate", store, *options).out)["evaluations"]
    assert set(found["configurations"]["average_ranks"]) == {"baseline", "remix"}
    assert "ranks over 3 blocks" in imbench("evaluate", store, *options[:-1]).out


@pytest.mark.parametrize("verb", ["report STORE --to out", "status STORE", "publish STORE --to out",
                                  "compare STORE STORE", "evaluate STORE --metric gmean"])  # fmt: skip
@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        (("--strategy", "remx"), "no results of strategy 'remx'; did you mean remix"),
        (("--dataset", "eclo"), "no results of dataset 'eclo'; did you mean ecoli?"),
        (("--suite", "longtail"), "no results on a dataset of suite 'longtail'; there are aps_failure_head9000"),
        (("--suite", "natral"), "unknown suite 'natral'; did you mean natural"),
    ],
)
def test_a_name_that_is_not_in_the_store_is_refused_everywhere(imbench, store, tmp_path, verb, chosen, message):
    answer = imbench(*verb.replace("STORE", store).split(), *chosen)
    assert (answer.code, answer.out) == (2, "")
    assert message in answer.err
    assert not (tmp_path / "out").exists()


def test_smoke_says_beside_every_board_that_it_ranks_nothing(finished, imbench, tmp_path):
    store, _, answer = finished
    assert answer.out.count(SMOKE) == answer.out.count(", protocol smoke\n") == 4
    evaluated = imbench("evaluate", store, "--metric", "gmean", "--task", "binary").out
    assert evaluated.count(SMOKE) == evaluated.count("as blocks\n") > 0
    assert imbench("report", store, "--to", tmp_path / "out").code == 0
    page = (tmp_path / "out" / "index.html").read_text("utf-8")
    assert page.count('<article class="board"') == page.count(f'<p class="basis">{SMOKE[0].upper()}{SMOKE[1:]}.</p>')
    markdown = (tmp_path / "out" / "leaderboard.md").read_text("utf-8")
    boards = json.loads((tmp_path / "out" / "leaderboard.json").read_text())["leaderboards"]
    assert SMOKE.capitalize() in markdown
    assert {board["caveat"] for board in boards} == {SMOKE}


def test_other_protocols_do_not_say_so(imbench, store, tmp_path):
    told(imbench, store, tmp_path)
    for file in ("index.html", "leaderboard.md"):
        assert SMOKE not in (tmp_path / "out" / file).read_text("utf-8").lower()


@pytest.mark.parametrize("protocol", ["smoke", "smoke:epochs=9,repeats=2", "smoke (epochs=3)", "smoke/mine"])
def test_smoke_with_settings_is_smoke(protocol, tmp_path, imbench):
    store = Store.open(tmp_path / "smoke", create=True)
    fill(store, ["a", "b"], ["baseline", "remix"], protocol=Protocol(protocol, repeats=2, epochs=9))
    refused = imbench("publish", store.path, "--to", tmp_path / "site")
    assert (refused.code, SMOKE in refused.err) == (2, True)


def test_a_protocol_that_extends_smoke_ranks_as_little(table, imbench, tmp_path):
    (tmp_path / "mine.toml").write_text('extends = "smoke"\n')
    (tmp_path / "paper.toml").write_text('extends = "mine.toml"\nepochs = 2\n')
    options = ("--dataset", table, "--strategy", "baseline", "--strategy", "mixup", "--store", "s")
    ran = imbench("run", *options, "--protocol", "paper.toml:dropout=0.2")
    assert ran.code == 0
    assert ran.out.count(SMOKE) == ran.out.count(", protocol smoke/paper:dropout=0.2\n") == 2
    refused = imbench("publish", "s", "--protocol", "paper", "--to", "site")
    assert (refused.code, SMOKE in refused.err) == (2, True)


EMPTY = "is empty; imbench run --store"


@pytest.mark.parametrize(
    ("verb", "code", "message"),
    [
        ("status empty", 0, "store empty is empty"),
        ("report empty --to out", 2, EMPTY),
        ("compare empty empty", 2, EMPTY),
        ("publish empty --to out", 2, "no finished job"),
        ("evaluate empty --metric gmean", 2, "the store has no results"),
    ],
)
def test_an_empty_folder_is_an_empty_store(imbench, tmp_path, verb, code, message):
    (tmp_path / "empty").mkdir()
    answer = imbench(*verb.split())
    assert answer.code == code
    assert message in answer.out + answer.err
    assert not (tmp_path / "out").exists()
    assert list((tmp_path / "empty").iterdir()) == []


@pytest.mark.parametrize("dry", [["--dry-run"], []])
@pytest.mark.parametrize("verb", [["run"], ["sweep", "--param", "alpha=0.1,0.3"]])
def test_an_empty_folder_is_filled(imbench, table, tmp_path, verb, dry):
    (tmp_path / "empty").mkdir()
    asked = ["--dataset", table, "--strategy", "remix", "--protocol", "smoke", "--jobs", "1", "--store", "empty", *dry]
    answer = imbench(*verb, *asked)
    assert answer.code == 0, answer.err
    assert (tmp_path / "empty" / "imbench-store.json").exists() != bool(dry)


def test_stores_are_merged_into_an_empty_folder(imbench, finished, tmp_path):
    (tmp_path / "empty").mkdir()
    assert re.match(r"store empty: \d+ jobs done", imbench("merge", finished[0], "--into", "empty").out)


def test_a_folder_of_other_files_is_no_store(imbench, table, tmp_path):
    answer = imbench("run", "--dataset", table, "--dry-run", "--store", tmp_path)
    assert answer.code == 2
    assert "is not an imbench store" in answer.err
