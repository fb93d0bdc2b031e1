"""The report: leaderboards and scores as Markdown, CSV and JSON files."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from imbench.study.files import write_durably
from imbench.study.leaderboard import CONFIGURATION, Leaderboard, labelled
from imbench.study.markdown import markdown
from imbench.study.metrics import METRICS
from imbench.study.results import Results
from imbench.study.rows import column_order, fact_values


def write_report(results: Results, to: str | os.PathLike[str]) -> list[Path]:
    """Write every file of `FILES` into a folder, made if need be; equal results give equal bytes.

    Returns
    -------
    The files written, in the order of `FILES`.

    Raises
    ------
    StoreError
        If the folder is full or cannot be written.
    """
    written = []
    for name, content in FILES.items():
        write_durably(Path(to) / name, content(results).encode("utf-8"))
        written.append(Path(to) / name)
    return written


def summary(results: Results) -> dict[str, Any]:
    """All that the report says, in plain JSON values; None where a number is undefined."""
    rows = results.rows
    return {
        "notes": list(results.notes),
        "configurations": len(rows[CONFIGURATION].drop_duplicates()),
        "jobs": int(rows["key"].nunique()),
        "ranks": "1 is best, so smaller sums and averages are better",
        "leaderboards": [_board(board) for board in results.leaderboards()],
        "failures": _records(results.failures()),
        "facts": fact_values(rows),
    }


def scores(results: Results) -> pd.DataFrame:
    """One row for each configuration and strategy: ``<metric>_mean`` and ``<metric>_sd`` over the folds that define it.

    ``folds`` counts those trained, 0 for a failed job; the standard deviation (n − 1) is that of the folds, which share
    rows, so it is no standard error. ``seconds`` are of training, per net.
    """
    rows = labelled(results.rows)
    what = ["protocol", "task", *CONFIGURATION[:2], "ir", "strategy", CONFIGURATION[2]]
    per_fold = [c for c in column_order(rows.columns) if c in METRICS or "[" in c] + ["seconds"]
    groups = rows.groupby(what, dropna=False, sort=True)
    mean, sd = groups[per_fold].mean().add_suffix("_mean"), groups[per_fold].std().add_suffix("_sd")
    paired = [f"{name}_{kind}" for name in per_fold for kind in ("mean", "sd")]
    folds = groups["n_test"].count().rename("folds")
    return pd.concat([folds, pd.concat([mean, sd], axis=1)[paired]], axis=1).reset_index()


def _board(board: Leaderboard) -> dict[str, Any]:
    return {
        "protocol": board.protocol,
        "task": board.task,
        "metric": board.metric.name,
        "higher_is_better": board.metric.higher_is_better,
        "rows": _records(board.table),
        "configurations": [list(pair) for pair in board.configurations],
        "dropped": [{"dataset": d.dataset, "variant": d.variant, "missing": list(d.missing)} for d in board.dropped],
        "unranked": list(board.unranked),
        "undefined": board.undefined,
    }


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    columns = {str(name): table[name].tolist() for name in table.columns}
    return [{name: _json(values[row]) for name, values in columns.items()} for row in range(len(table))]


def _json(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value


def _leaderboard_json(results: Results) -> str:
    return json.dumps(summary(results), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _leaderboard_csv(results: Results) -> str:
    boards = results.leaderboards()
    columns = ["protocol", "task", "metric"]
    tables = [b.table.assign(protocol=b.protocol, task=b.task, metric=b.metric.name) for b in boards]
    whole = pd.concat(tables) if tables else pd.DataFrame(columns=columns)
    return _csv(whole[columns + [name for name in whole.columns if name not in columns]])


def _scores_csv(results: Results) -> str:
    return _csv(scores(results))


def _csv(table: pd.DataFrame) -> str:
    return table.to_csv(index=False, lineterminator="\n")


FILES: dict[str, Callable[[Results], str]] = {
    "leaderboard.md": markdown,
    "leaderboard.csv": _leaderboard_csv,
    "leaderboard.json": _leaderboard_json,
    "scores.csv": _scores_csv,
}
