"""The whole report as JSON."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from imbench.contract.protocol import caveat
from imbench.report.evidence import Evidence, basis
from imbench.report.images import Images
from imbench.report.model import Model
from imbench.report.tables import costs as cost_table
from imbench.report.tables import (
    coverage,
    evidence,
    gains,
    gains_of,
    intervals,
    leaderboard,
    reference_leaderboard,
    reliability,
    tuned_leaderboard,
    tuned_reference_leaderboard,
    variance_components,
)
from imbench.report.tuned import TunedBoards, conclusions
from imbench.stats.board import Board

# Columns of the table of leaderboards that identify one.
_BOARD = ["protocol", "task", "metric", "rule"]


def summary(model: Model) -> dict[str, Any]:
    """The report without the scores of single configurations and pairs; None for undefined numbers."""
    return {
        "notes": list(model.notes),
        "lacking": list(model.lacking),
        "configurations": model.configurations,
        "jobs": model.jobs,
        "ranks": "1 is best, so smaller sums and averages are better",
        "alpha": model.alpha,
        "verdicts": [dataclasses.asdict(verdict) for verdict in model.verdicts],
        "leaderboards": _boards(model.boards, leaderboard(model), model.evidence),
        "references": sorted(model.references),
        "reference_leaderboards": _boards(
            tuple(model.reference_boards.values()), reference_leaderboard(model), model.evidence
        ),
        "gains": _records(gains(model)),
        "images": _images(model.images) if model.images else None,
        "reliability": _records(reliability(model)),
        "costs": _records(cost_table(model)),
        "coverage": _records(coverage(model)),
        "intervals": _records(intervals(model)),
        "intervals_lack": list(model.spread.missing),
        "variance_components": _records(variance_components(model)),
        "evidence": _records(evidence(model)),
        "tuning": _records(model.tuned),
        **(_budgets(model) if model.budgets else {}),
        "failures": [dataclasses.asdict(failure) for failure in model.failures],
        "facts": {name: list(values) for name, values in model.facts.items()},
        "data": dict(model.data),
        "fingerprint": model.fingerprint,
        "commands": list(model.commands),
        "origins": [dataclasses.asdict(origin) for origin in model.origins],
    }


def _boards(boards: Sequence[Board], rows: pd.DataFrame, found: Sequence[Evidence]) -> list[dict[str, Any]]:
    """These boards, with their rows in the table of leaderboards."""
    of_board: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in _records(rows):
        board_of_row = tuple(row.pop(name) for name in _BOARD)
        row.pop("higher_is_better")
        of_board.setdefault(board_of_row, []).append(row)
    return [
        {
            "protocol": board.protocol,
            "caveat": caveat(board.protocol) or None,
            "task": board.task,
            "metric": board.metric.name,
            "rule": board.rule,
            "higher_is_better": board.metric.higher_is_better,
            "control": board.control,
            "rows": of_board.get((board.protocol, board.task, board.metric.name, board.rule), []),
            "groups": [list(group) for group in board.tests.groups],
            "configurations": [[c.dataset, c.variant] for c in board.configurations],
            "dropped": [
                {"dataset": c.dataset, "variant": c.variant, "missing": list(names)} for c, names in board.dropped
            ],
            "over": board.over,
            "basis": basis(board, found),
            "partial": [
                {"strategy": one.name, "lacks": [[c.dataset, c.variant] for c in one.lacks]} for one in board.partial
            ],
            "unranked": list(board.absent),
            "same_predictions": [list(group) for group in board.same],
            "remarks": list(board.remarks),
            "undefined": board.tests.undefined,
        }
        for board in boards
    ]


def _budgets(model: Model) -> dict[str, Any]:
    """Boards of default, tuned and ensembled configurations, and the conclusions that tuning changes."""
    selections = list(dict.fromkeys(name for one in model.budgets for name in one.boards))

    def boards(of: Callable[[TunedBoards], Mapping[str, Board]], table: pd.DataFrame) -> list[dict[str, Any]]:
        return [
            {"selection": name} | board
            for name in selections
            for board in _boards(
                [of(one)[name] for one in model.budgets if name in of(one)],
                table[table["selection"] == name].drop(columns="selection"),
                model.evidence,
            )
        ]

    return {
        "tuned_leaderboards": boards(lambda one: one.boards, tuned_leaderboard(model)),
        "tuned_reference_leaderboards": boards(lambda one: one.reference_boards, tuned_reference_leaderboard(model)),
        "tuned_conclusions": [
            {
                "protocol": one.protocol,
                "task": one.task,
                "metric": one.column.metric.name,
                "rule": one.column.rule,
                "selection": one.selection,
                "sentence": conclusions(one),
                "tau": _json(one.changes.tau) if one.changes else None,
                "changes": [dataclasses.asdict(change) for change in one.changes.changes] if one.changes else [],
            }
            for one in model.budgets
        ],
    }


def to_json(model: Model) -> str:
    """`summary` as text."""
    return json.dumps(summary(model), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _images(images: Images) -> dict[str, Any]:
    return {
        "pooled": [list(group) for group in sorted(images.pooled)],
        "gains": _records(gains_of(images.boards, images.gains)),
        "samples": [
            {
                "dataset": samples.dataset,
                "command": samples.command,
                "reason": samples.reason,
                "title": grid.title if grid else None,
                "labels": {row.name: grid.label_texts(row) for row in grid.rows} if grid else {},
            }
            for samples, grid in ((samples, samples.grid) for samples in images.samples)
        ],
    }


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    columns = {str(name): table[name].tolist() for name in table.columns}
    return [{name: _json(values[row]) for name, values in columns.items()} for row in range(len(table))]


def _json(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
