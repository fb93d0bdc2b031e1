"""Every number of README's leaderboards, computed again from the published CSV files."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest
from scipy.stats import friedmanchisquare

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "reports" / "tabular-paper"
TASKS = {"binary": "binary", "multi-class": "multiclass"}
METRICS = {"gmean": -1, "bbs": 1}  # the sign that makes smaller better
HEADER = re.compile(r"^\| (binary|multi-class), (\d+) configurations \| g-mean")


def readme_tables() -> list[tuple[str, int, dict[str, list[str]]]]:
    """Task, configurations, and the cells of each row by its name."""
    lines = (ROOT / "README.md").read_text().splitlines()
    found = []
    for at, line in enumerate(lines):
        if match := HEADER.match(line):
            rows: dict[str, list[str]] = {}
            for row in lines[at + 2 :]:
                if not row.startswith("|"):
                    break
                name, *cells = (cell.strip() for cell in row.strip("|").split("|"))
                rows[name] = cells
            found.append((TASKS[match[1]], int(match[2]), rows))
    return found


def scores(task: str, metric: str, names: list[str]) -> pd.DataFrame:
    """Configurations × strategies of the published scores."""
    rows = pd.read_csv(PAGE / "scores.csv")
    rows = rows[(rows["task"] == task) & rows["strategy"].isin(names)]
    return rows.pivot_table(index=["dataset", "variant"], columns="strategy", values=f"{metric}_mean")[names]


def test_both_leaderboards_are_there():
    assert [task for task, _, _ in readme_tables()] == ["binary", "multiclass"]


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(("task", "count", "rows"), readme_tables(), ids=TASKS.values())
def test_numbers_follow_from_the_published_scores(task, count, rows, metric):
    names = [name for name in rows if name != "Friedman p"]
    at = 3 * list(METRICS).index(metric)
    table = scores(task, metric, names)
    ranks = (METRICS[metric] * table).round(6).rank(axis=1)
    assert len(table) == count
    for name in names:
        mean, rank_sum, average = rows[name][at : at + 3]
        assert mean == f"{table[name].mean():.4f}"
        assert float(rank_sum) == ranks[name].sum()
        assert average == f"{ranks[name].mean():.2f}"
    assert rows["Friedman p"][at + 1] == f"{friedmanchisquare(*ranks.to_numpy().T).pvalue:.2g}"


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(("task", "count", "rows"), readme_tables(), ids=TASKS.values())
def test_numbers_are_those_of_the_published_leaderboard(task, count, rows, metric):
    board = pd.read_csv(PAGE / "leaderboard.csv").set_index("strategy")
    board = board[(board["task"] == task) & (board["metric"] == metric) & (board["rule"] == "argmax")]
    at = 3 * list(METRICS).index(metric)
    for name in board.index:
        mean, rank_sum, average = rows[name][at : at + 3]
        assert mean == f"{board.loc[name, 'mean']:.4f}"
        assert float(rank_sum) == board.loc[name, "rank_sum"]
        assert average == f"{board.loc[name, 'average_rank']:.2f}"
    assert set(board["configurations"]) == {count}
    assert rows["Friedman p"][at + 1] == f"{board['p'].iloc[0]:.2g}"
