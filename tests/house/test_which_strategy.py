"""Every number of "which strategy when" and of "rows or molecules apart", from the published data files."""

import re
from itertools import combinations
from pathlib import Path

import pandas as pd
import pytest

from imbench.stats.board_changes import kendall_tau

REPORTS = Path(__file__).parents[2] / "reports"
SENTENCES = re.split(r"^\d+\. ", (REPORTS / "which-strategy.md").read_text(), flags=re.MULTILINE)[1:]


def overview(page, strategy, column, task="binary", protocol=None):
    table = pd.read_csv(REPORTS / page / "overview.csv")
    table = table if protocol is None else table[table["protocol"] == protocol]
    (value,) = table.loc[(table["task"] == task) & (table["strategy"] == strategy), column]
    return value


def shown(page, first, second, metric="gmean", rule="argmax", blocks="configurations", task="binary"):
    """Whether the published pairs show a difference between two strategies, and which of them is better."""
    table = pd.read_csv(REPORTS / page / "pairs.csv")
    names = [f"{name}+{rule}" for name in (first, second)] if rule == "tuned" else [first, second]
    where = (table["metric"] == metric) & (table["blocks"] == blocks) & (table["task"] == task)
    where &= table["rule"] == ("each" if rule == "tuned" else rule)
    pair = table[where & table["first"].isin(names) & table["second"].isin(names)]
    (row,) = pair.itertuples()
    if row.p_holm > 0.05:
        return None
    better = row.first if row.effect > 0 else row.second
    return better.partition("+")[0]


def friedman(page, metric, rule, task="binary"):
    table = pd.read_csv(REPORTS / page / "leaderboard.csv")
    rows = table[(table["metric"] == metric) & (table["rule"] == rule) & (table["task"] == task)]
    return rows["p"].iloc[0]


NUMBERS = [
    (1, "tabular-paper", "baseline", "gmean@tuned"),
    (1, "tabular-paper", "baseline", "gmean"),
    (2, "natural", "manifold-mixup", "gmean@tuned"),
    (2, "natural", "remix", "gmean@tuned"),
    (3, "keel", "batch-smote", "gmean@tuned"),
    (3, "keel", "baseline", "gmean@tuned"),
    (5, "natural", "remix", "bbs"),
    (5, "natural", "random-under", "bbs"),
    (5, "natural", "manifold-remix", "bbs"),
    (5, "natural", "balanced-softmax", "bbs"),
    (5, "keel", "batch-smote", "bbs"),
    (3, "keel", "sqrt-sampling", "gmean@tuned"),
    (3, "keel", "imblearn:sampler=SMOTE", "gmean@tuned"),
    (5, "keel", "remix", "bbs"),
    (5, "keel", "cost-adjusted", "bbs"),
    (5, "keel", "random-over", "bbs"),
    (6, "natural", "baseline", "brier"),
    (6, "natural", "manifold-mixup", "brier"),
    (6, "natural", "random-over", "brier"),
    (6, "natural", "balanced-softmax", "brier"),
    (8, "tabular-paper", "balanced-random-forest", "gmean"),
    (8, "tabular-paper", "balanced-logistic-regression", "gmean"),
    (8, "tabular-paper", "cost-adjusted", "gmean"),
    (8, "natural", "balanced-random-forest", "gmean"),
    (8, "natural", "balanced-logistic-regression", "gmean"),
    (8, "keel", "balanced-random-forest", "gmean"),
    (8, "keel", "balanced-logistic-regression", "gmean"),
    (8, "natural", "balanced-softmax", "gmean"),
    (8, "keel", "cost-adjusted", "gmean"),
]


def test_there_are_ten_sentences():
    assert len(SENTENCES) == 10


@pytest.mark.parametrize(("number", "page", "strategy", "column"), NUMBERS)
def test_a_number_is_that_of_the_page(number, page, strategy, column):
    assert f"{overview(page, strategy, column):.3f}" in SENTENCES[number - 1]
    assert page in SENTENCES[number - 1]


def overview_of(page):
    table = pd.read_csv(REPORTS / page / "overview.csv")
    table = table[table["task"] == "binary"].set_index("strategy")
    return table[~table["reference"]], table[table["reference"]]


@pytest.mark.parametrize(
    ("page", "best"), [("tabular-paper", "cost-adjusted"), ("natural", "balanced-softmax"), ("keel", "cost-adjusted")]
)
def test_no_other_strategy_is_better_than_those_that_are_named_best(page, best):
    strategies, references = overview_of(page)
    assert strategies["gmean"].idxmax() == best
    two = references["gmean"].nlargest(2)
    assert list(two.index) == ["balanced-random-forest", "balanced-logistic-regression"]
    assert two.min() > strategies["gmean"].max()


def test_the_numbers_named_on_natural_data_are_its_extremes():
    strategies, _ = overview_of("natural")
    assert len(strategies) == 19
    assert (strategies["gmean@tuned"].idxmax(), strategies["gmean@tuned"].idxmin()) == ("remix", "manifold-mixup")
    assert list(strategies["bbs"].nsmallest(4).index) == ["random-under", "manifold-remix", "remix", "balanced-softmax"]
    assert strategies["brier"].idxmin() == "manifold-mixup"
    eight = strategies.loc[strategies["gmean"].nlargest(8).index, "brier"]
    assert (eight.idxmin(), eight.idxmax()) == ("random-over", "balanced-softmax")


def test_with_tuned_thresholds_no_difference_is_shown_on_natural_data():
    p = friedman("natural", "gmean", "tuned")
    assert p > 0.05
    assert f"p = {p:.2f}".replace("0.", ".") in SENTENCES[1]
    assert friedman("tabular-paper", "gmean", "tuned") > 0.05


REBALANCING = ["cost-adjusted", "remix", "batch-smote"]


@pytest.mark.parametrize("page", ["tabular-paper", "keel", "natural"])
def test_rebalancing_beats_the_baseline_in_plain_g_mean(page):
    assert [shown(page, "baseline", name) for name in REBALANCING] == REBALANCING


@pytest.mark.parametrize("page", ["keel", "natural"])
def test_the_rebalancing_strategies_are_not_shown_to_differ(page):
    pairs = [(a, b) for i, a in enumerate(REBALANCING) for b in REBALANCING[i + 1 :]]
    assert [shown(page, *pair) for pair in pairs] == [None] * 3


def test_eight_beat_the_baseline_with_tuned_thresholds_on_keel_and_none_over_datasets():
    table = pd.read_csv(REPORTS / "keel" / "overview.csv")
    own = table[~table["reference"]].set_index("strategy")
    others = own.index.drop("baseline")
    better = [name for name in others if shown("keel", "baseline", name, rule="tuned") == name]
    assert (len(better), len(others)) == (8, 18)
    assert {"batch-smote", "sqrt-sampling", "imblearn:sampler=SMOTE"} < set(better)
    assert own["gmean@tuned"].idxmax() == "batch-smote"
    over_datasets = [shown("keel", "baseline", name, rule="tuned", blocks="datasets") for name in others]
    assert set(over_datasets) <= {None, "baseline"}


@pytest.mark.parametrize(("page", "best"), [("keel", "random-over"), ("natural", "balanced-softmax")])
def test_the_strategy_that_ranks_best_is_not_shown_to_differ_from_two(page, best):
    table = pd.read_csv(REPORTS / page / "leaderboard.csv")
    board = table[(table["metric"] == "gmean") & (table["rule"] == "argmax")]
    assert board.loc[board["average_rank"].idxmin(), "strategy"] == best
    assert [shown(page, best, name) for name in ("batch-smote", "cost-adjusted")] == [None, None]


def test_probabilities_are_as_the_fifth_sentence_says():
    named = ["random-under", "manifold-remix", "remix", "balanced-softmax"]
    assert [shown("natural", *pair, "bbs") for pair in combinations(named, 2)] == [None] * 6
    named = ["batch-smote", "remix", "cost-adjusted", "random-over"]
    assert [shown("keel", *pair, "bbs") for pair in combinations(named, 2)] == [None] * 6


ROWS, MOLECULES = "standard", "standard:split=grouped"
PAGE = (REPORTS / "row-wise-or-grouped.md").read_text()
TABLE = [[cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if line.startswith("| ")]


@pytest.mark.parametrize("cells", [row for row in TABLE if len(row) == 7 and row[0]], ids=lambda row: row[0])
def test_a_row_of_the_split_table_is_that_of_the_page(cells):
    name, *values = cells
    columns = [(column, protocol) for column in ("gmean", "bbs", "brier") for protocol in (ROWS, MOLECULES)]
    assert values == [f"{overview('grouped', name, column, protocol=p):.3f}" for column, p in columns]


TAUS = {"g-mean": "gmean", "BBS": "bbs", "Brier score": "brier", "AUPRC": "auprc"}


@pytest.mark.parametrize("cells", [row for row in TABLE if len(row) == 3 and row[0]], ids=lambda row: row[0])
def test_a_tau_is_that_of_the_published_scores(cells):
    table = pd.read_csv(REPORTS / "grouped" / "overview.csv")
    sign = -1 if TAUS[cells[0]] in ("gmean", "auprc") else 1
    wide = table.pivot_table(index="strategy", columns="protocol", values=TAUS[cells[0]])
    own = set(table.loc[~table["reference"], "strategy"])
    found = []
    for part in (wide, wide[wide.index.isin(own)]):
        ranks = [(sign * part[protocol].round(12)).rank().tolist() for protocol in (ROWS, MOLECULES)]
        found.append(f"{kendall_tau(*ranks):.2f}")
    assert cells[1:] == found


def test_the_words_on_splits_are_so():
    falls = [
        overview("grouped", row[0], "gmean", protocol=ROWS) - overview("grouped", row[0], "gmean", protocol=MOLECULES)
        for row in TABLE
        if len(row) == 7 and row[0] not in ("", "uniform")
    ]
    assert f"{min(falls):.2f} to {max(falls):.2f}" in PAGE
    for name in ("baseline", "cost-adjusted", "batch-smote"):
        assert overview("grouped", name, "bbs", protocol=MOLECULES) > 0.25
    pairs = pd.read_csv(REPORTS / "grouped" / "pairs.csv")
    assert pairs.empty  # one configuration: no pair can be tested
    for text in ("0.957", "0.704", "0.270", "0.250"):
        assert text in SENTENCES[6]
