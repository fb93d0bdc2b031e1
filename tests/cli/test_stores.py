"""`imbench merge`, `compare` and `publish`: what they print, and what they refuse before any work."""

from __future__ import annotations

import json
import re
import shutil

import pandas as pd
import pytest

import imbench as library
from imbench.store.parquet import identity_of, to_parquet
from imbench.store.predictions import to_table
from imbench.store.store import Store


@pytest.fixture
def store(finished, tmp_path):
    """A copy of a finished run that may be changed, without what other tests added to the run."""
    return parted(finished[0], tmp_path / "mine", "baseline", "remix")


def parted(store, folder, *strategies):
    """A store of these strategies' jobs, parted from another by copying files."""
    shutil.copytree(store, folder)
    frame = library.load(store).frame()
    for key in set(frame.loc[~frame["strategy"].isin(strategies), "key"]):
        for kind in ("jobs", "predictions"):
            (folder / kind / f"{key}.parquet").unlink()
    return folder


def test_two_halves_of_a_run_are_merged_into_the_whole(store, imbench, tmp_path):
    halves = [parted(store, tmp_path / name, name) for name in ("baseline", "remix")]
    answer = imbench("merge", *halves, "--into", tmp_path / "both", "--json")
    told = json.loads(answer.out)
    assert (answer.code, told["jobs"], told["added"], told["conflicts"]) == (0, 6, 6, [])
    pd.testing.assert_frame_equal(library.load(tmp_path / "both").frame(), library.load(store).frame())
    again = imbench("merge", *halves, "--into", tmp_path / "both")
    assert "6 jobs done (0 new" in again.out


def other_numbers(store, tmp_path):
    """A copy of the store in which the predictions of one fold are other ones."""
    liar = shutil.copytree(store, tmp_path / "liar")
    key = Store.open(liar).keys()[0]
    rows = Store.open(liar).rows(key)
    folds = Store.open(liar).predictions(key)
    folds[0].test.proba[:] = folds[0].test.proba[::-1].copy()
    (liar / "predictions" / f"{key}.parquet").write_bytes(to_parquet(to_table(folds), identity_of(rows)))
    return liar


def test_a_conflict_is_told_and_decided_by_prefer(store, imbench, tmp_path):
    liar = other_numbers(store, tmp_path)
    refused = imbench("merge", store, liar, "--into", tmp_path / "both")
    assert (refused.code, refused.out) == (2, "")
    assert "stores disagree on 1 job; nothing was merged" in refused.err
    assert not (tmp_path / "both").exists()
    told = imbench("merge", store, liar, "--into", tmp_path / "both", "--prefer", store)
    assert told.code == 0
    assert "resolved by --prefer" in told.out
    (line,) = (line for line in told.out.splitlines() if line.startswith("left out"))
    assert re.fullmatch(rf"left out by --prefer: 1 job of \w+ \(version \d\) in {re.escape(str(liar))}", line)
    again = json.loads(imbench("merge", store, liar, "--into", tmp_path / "other", "--prefer", liar, "--json").out)
    (left_out,) = again["left_out"]
    assert (left_out["store"], left_out["jobs"], left_out["missing"]) == (str(store), 1, 0)


def test_two_boards_of_equal_results_agree(store, imbench):
    told = json.loads(imbench("compare", store, store, "--boards", "--metric", "gmean", "--json").out)
    for board in told["boards"]:
        assert (board["changes"], board["pairs"]) == ([], 1)
        assert board["tau"] in (1.0, None)
        assert {row["strategy"] for row in board["rows"]} == {"baseline", "remix"}
    text = imbench("compare", store, store, "--boards", "--protocol-a", board["protocol_a"]).out
    assert "0 conclusions of 1 changed" in text
    assert "place A" in text


def test_a_protocol_that_one_store_lacks_is_refused(store, imbench):
    answer = imbench("compare", store, store, "--boards", "--protocol-b", "paper")
    assert answer.code == 2
    assert "paper" in answer.err


def test_a_store_compared_with_itself_differs_in_nothing(store, imbench):
    answer = imbench("compare", store, store)
    assert answer.code == 0
    assert "0 of 12 comparisons (6 pairs of jobs) differ beyond noise at alpha = 0.05" in answer.out


def test_a_comparison_as_json_has_every_row(store, imbench, tmp_path):
    half = parted(store, tmp_path / "half", "remix")
    told = json.loads(imbench("compare", store, half, "--metric", "brier", "--json").out)
    assert {row["metric"] for row in told["rows"]} == {"brier"}
    assert [row["p"] for row in told["rows"]] == [1.0] * 3
    assert {(job["store"], job["strategy"]) for job in told["unpaired"]} == {("A", "baseline")}


def test_a_store_is_published_and_its_files_listed(ranked, imbench, tmp_path):
    answer = imbench("publish", ranked, "--to", tmp_path / "site", "--author", "Curie, Marie", "--title", "Mine")
    assert answer.code == 0
    for line in answer.out.splitlines():
        assert (tmp_path / "site").joinpath(line).exists()
    index = (tmp_path / "site" / "index.html").read_text()
    assert "Mine" in index
    assert str(tmp_path) not in "".join(f.read_text("utf-8", "replace") for f in (tmp_path / "site").rglob("*.*"))


def test_a_smoke_store_is_not_published(store, imbench, tmp_path):
    answer = imbench("publish", store, "--to", tmp_path / "site")
    assert (answer.code, answer.out) == (2, "")
    assert "smoke checks that everything works; it ranks nothing; run another protocol first" in answer.err
    assert not (tmp_path / "site").exists()


def test_a_part_of_a_store_is_published(ranked, imbench, tmp_path):
    answer = imbench("publish", ranked, "--to", tmp_path / "site", "--dataset", "two.csv", "--strategy", "remix")
    assert answer.code == 0, answer.err
    (rows,) = (pd.read_parquet(file) for file in (tmp_path / "site").glob("*/results.parquet"))
    assert (set(rows["dataset"]), set(rows["strategy"])) == ({"two.csv"}, {"remix"})


def test_jobs_without_a_partner_are_counted_in_a_line_and_named_on_demand(store, imbench, tmp_path):
    half = parted(store, tmp_path / "half", "remix")
    lines = imbench("compare", store, half).out.splitlines()
    assert [line for line in lines if "not paired" in line] == [
        "3 jobs not paired (3 of A); --all or --json lists them"
    ]
    named = [line for line in imbench("compare", store, half, "--all").out.splitlines() if "not paired" in line]
    assert len(named) == 3
    assert all("baseline" in line for line in named)


def test_a_comparison_is_of_what_was_asked_for(store, imbench, tmp_path):
    half = parted(store, tmp_path / "half", "remix")
    told = json.loads(imbench("compare", store, half, "--strategy", "remix", "--dataset", "two.csv", "--json").out)
    assert {row["strategy"] for row in told["rows"]} == {"remix"}
    assert told["unpaired"] == []
    one_sided = json.loads(imbench("compare", store, half, "--strategy", "baseline", "--json").out)
    assert len(one_sided["unpaired"]) == 3


def test_terminal_tables_say_how_a_tuned_baseline_would_rank(finished):
    _, _, answer = finished
    lines = re.findall(r"^baseline\+tuned, .*would rank \d of 3: mean \d\.\d{4}", answer.out, flags=re.MULTILINE)
    assert len(lines) == 2, "once for each task, under the g-mean"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("merge", "nowhere", "--into", "both"), "nowhere is not an imbench store"),
        (("compare", "nowhere", "nowhere"), "nowhere is not an imbench store"),
        (("publish", "nowhere", "--to", "site"), "nowhere is not an imbench store"),
        (("merge", "--into", "both"), "Missing argument"),
        (("compare", "one"), "Missing argument"),
    ],
)
def test_what_is_no_store_is_an_error_of_usage(imbench, tmp_path, arguments, message):
    answer = imbench(*arguments)
    assert (answer.code, answer.out) == (2, "")
    assert message in answer.err
    assert [f.name for f in tmp_path.iterdir() if f.name != "cache"] == []
