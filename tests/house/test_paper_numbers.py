"""The numbers on the paper in README.md and docs/reproduction.md are those of the published pages."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from imbench.reproduce.printed import TABLE2
from imbench.stats.words import number, p_value

ROOT = Path(__file__).parents[2]
REMIX = ROOT / "reports" / "remix"
WORDS = {"supported", "undecided", "contradicted"}
NETS = {"dense nets": "Dense nets", "CNNs": "CNNs"}
TASKS = {"binary": "binary", "multi-class": "multiclass"}
METRICS = {"g-mean": "g-mean", "BBS": "balanced Brier score"}
TITLES = {"g-mean": "gmean", "BBS": "bbs"}


def published(item: str, table: str) -> list[dict[str, object]]:
    return json.loads((REMIX / item / f"{table}.json").read_bytes())


def readme_rows() -> list[list[str]]:
    """The cells of README's table of claims."""
    lines = (ROOT / "README.md").read_text("utf-8").splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("| claim | paper"))
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


def test_readme_has_every_claim_of_the_published_table():
    assert len(readme_rows()) == len(published("claims", "claims")) == 8


@pytest.mark.parametrize("cells", readme_rows(), ids=lambda cells: cells[0])
def test_a_claim_in_readme_is_as_published(cells):
    claim, paper, ours, verdict, equivalent, second, smallest = cells
    nets, task, metric = claim.split(", ")
    (row,) = [
        row
        for row in published("claims", "claims")
        if str(row["claim"]).startswith(f"{NETS[nets]}, {TASKS[task]}:") and METRICS[metric] in str(row["claim"])
    ]
    assert (verdict, equivalent, second) == (row["verdict"], row["equivalent or better"], row["second baseline"])
    assert {verdict, equivalent} <= WORDS
    assert smallest == p_value(float(str(row["smallest p"])))
    assert [float(n) for n in re.findall(r"[\d.]+", ours)] == [
        float(n) for n in re.findall(r"(?<![\w-])\d+\.\d", str(row["ours"]))
    ]
    if nets == "dense nets":
        sums = TABLE2[TASKS[task], TITLES[metric]]
        assert paper == f"{sums['remix']}, next {min(total for name, total in sums.items() if name != 'remix')}"


def pairs_in_the_printed_order(suffix: str) -> list[int]:
    """For each column of Table 2, the pairs of strategies in the printed order, counted from the published sums."""
    sums = pd.read_csv(REMIX / "table2" / "rank-sums.csv").set_index("strategy")
    counts = []
    for task, metric in TABLE2:
        printed, ours = sums[f"{task} {metric} printed"], sums[f"{task} {metric}{suffix}"]
        pairs = [(a, b) for i, a in enumerate(sums.index) for b in sums.index[i + 1 :]]
        counts.append(sum((printed[a] - printed[b]) * (ours[a] - ours[b]) > 0 for a, b in pairs))
    return counts


@pytest.mark.parametrize("page", ["README.md", "docs/reproduction.md"])
def test_pairs_in_the_printed_order_are_those_of_the_published_sums(page):
    text = " ".join((ROOT / page).read_text("utf-8").split())
    ours, second = (
        "{}, {}, {} and {}".format(*pairs_in_the_printed_order(suffix)) for suffix in ("", " second baseline")
    )
    assert ours in text
    assert second in text


def test_no_published_claim_has_another_verdict_than_the_three_words():
    for item, column in (("claims", "verdict"), ("table2", "by configurations"), ("table2", "by datasets")):
        assert {row[column] for row in published(item, "claims")} <= WORDS | {"not tested"}


def test_a_claim_is_contradicted_only_where_a_published_p_value_says_so():
    pairs = pd.DataFrame(published("table2", "pairs"))
    for row in published("table2", "claims"):
        title = str(row["claim"])
        task = "multiclass" if "multiclass" in title else "binary"
        own = pairs[pairs["column"] == f"{task} {'gmean' if 'G-mean' in title else 'bbs'}"]
        for verdict, suffix in (("by configurations", ""), ("second baseline", ", second baseline")):
            shown = own[f"Wilcoxon-Holm p{suffix}"] < 0.05
            worse = (shown & (own[f"effect{suffix}"] < 0)).any()
            better = (shown & (own[f"effect{suffix}"] > 0)).all()
            assert row[verdict] == ("contradicted" if worse else "supported" if better else "undecided")


def numbers_of(section: str) -> str:
    """The text of a section of docs/reproduction.md, in one line."""
    text = (ROOT / "docs" / "reproduction.md").read_text("utf-8").split(f"## {section}\n")[1].split("\n## ")[0]
    return " ".join(text.split())


def test_the_answers_to_a_sceptical_reader_are_those_of_the_published_tables():
    text = numbers_of("What a sceptical reader asks")
    constant = pd.DataFrame(published("questions", "constant-probability")).query("task == 'binary'")
    beaten = constant[constant["worse than the constant"] == constant["strategies"]]
    assert f"on {len(beaten)} of {len(constant)} binary configurations" in text
    gains = pd.DataFrame(published("questions", "gains")).query("task == 'binary' and metric == 'gmean'")
    row = gains.loc[gains["mean"].idxmax()]
    assert f"{100 * row['share of the largest']:.0f} %" in text
    assert f"mean {number(row['mean'], 3, sign=True)}, median {number(row['median'], 3, sign=True)}" in text
    rows = pd.DataFrame(published("questions", "training-rows"))
    trained = rows[rows["dataset"] + ":" + rows["variant"] == row["largest"]].iloc[0]
    assert f"{trained['rarest class, fewest']} or {trained['rarest class, most']} minority rows" in text
    assert f"{rows.loc[rows['task'] == 'binary', 'dataset'].nunique()} datasets" in text
    draws = pd.DataFrame(published("questions", "draws")).pivot_table("gmean", "draw", "strategy")
    moves = draws.max() - draws.min()
    assert f"{number(moves.max(), 3)}" in text
    for gap in np.diff(np.sort(draws.loc[0])):
        assert number(gap, 3) in text
