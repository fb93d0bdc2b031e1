"""Leaderboards as text for a terminal, and as plain values for JSON."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from imbench.cli.output import paragraph, table
from imbench.contract.protocol import caveat

if TYPE_CHECKING:
    from imbench.stats.leaderboard import Leaderboard
    from imbench.store.results import Results
    from imbench.store.trials import Tuning

# Header and number format of each column.
_COLUMNS = {
    "strategy": ("strategy", "{}"),
    "mean": ("mean", "{:.4f}"),
    "rank_sum": ("rank sum", "{:g}"),
    "average_rank": ("avg rank", "{:.2f}"),
    "zero_folds": ("missed-class folds", "{:.0f}"),
}


def boards_text(results: Results, metrics: Sequence[str] = (), rule: str = "argmax") -> str:
    """A table for each protocol, task and metric, those of references and tuned strategies last, then notes."""
    from imbench.stats.references import references_in
    from imbench.store.source_marks import row_marks

    found, together = _boards(results, metrics, rule), _boards(results, metrics, rule, references=True)
    tuning = _tuning(results)
    marked = row_marks(results.rows)
    marked_together = marked | dict.fromkeys(references_in(results.rows), "reference")
    boards = [_board_text(board, marked) for board in found]
    boards += [_board_text(board, marked_together, ", strategies and references") for board in together]
    for references, marks, of in ((False, marked, ""), (True, marked_together, ", strategies and references")):
        tuned = _tuned_boards(tuning, metrics, rule, references=references)
        boards += [_board_text(board, marks, f", {name}{of}") for name, several in tuned.items() for board in several]
    about = [_SELECTED.format(metric=SELECT_BY)] if tuning else []
    notes = "\n".join(map(paragraph, [*_fallbacks(found), *about, *results.notes]))
    return "\n\n".join([*boards, notes] if notes else boards)


# The metric by which `imbench.Results.tuning` selects by default.
SELECT_BY = "bbs"
_SELECTED = (
    "tuned@k: the trial of the first k that is best on the validation rows of a fold, by {metric}; ensemble@K: greedy "
    "selection among all K trials on the same rows; test rows select nothing"
)


def _tuning(results: Results) -> Tuning | None:
    from imbench.store.trials import has_trials

    return results.tuning(SELECT_BY) if has_trials(results.rows) else None


def _tuned_boards(
    tuning: Tuning | None, metrics: Sequence[str], rule: str, *, references: bool = False
) -> dict[str, list[Leaderboard]]:
    """The leaderboards of the selections among trials, by selection; the default one is that of all results."""
    from imbench.stats.names import HEADLINE

    if tuning is None:
        return {}
    names = [name.rpartition("/")[2] for name in metrics] or HEADLINE
    shown = [name for name in tuning.shown if name != "default"]
    return {name: tuning.leaderboards(name, names, rule, references=references) for name in shown}


def boards_json(results: Results, metrics: Sequence[str] = (), rule: str = "argmax") -> dict[str, Any]:
    """The leaderboards and the failed jobs as plain values."""
    from imbench.stats.references import references_in

    tuning = _tuning(results)

    def tuned(*, references: bool) -> dict[str, Any]:
        found = _tuned_boards(tuning, metrics, rule, references=references)
        return {name: [_board_json(board) for board in boards] for name, boards in found.items()}

    return {
        "store": str(results.store),
        "notes": list(results.notes),
        "leaderboards": [_board_json(board) for board in _boards(results, metrics, rule)],
        "references": sorted(references_in(results.rows)),
        "reference_leaderboards": [_board_json(board) for board in _boards(results, metrics, rule, references=True)],
        "tuned": tuned(references=False),
        "tuned_with_references": tuned(references=True),
        "failures": results.failures().to_dict("records"),
    }


def _boards(results: Results, metrics: Sequence[str], rule: str, *, references: bool = False) -> list[Leaderboard]:
    """The leaderboards of these metrics (``name`` or ``package/name``); default: the leading metrics."""
    from imbench.stats.names import HEADLINE

    names = [name.rpartition("/")[2] for name in metrics] or HEADLINE
    return results.leaderboards(names, rule=rule, references=references)


def _board_text(board: Leaderboard, marked: Mapping[str, str], of: str = "") -> str:
    """The table of a board; ``of`` says what it ranks, after the protocol."""
    rule = "" if board.rule == "argmax" else f", rule {board.rule}"
    title = f"{board.task}, {board.metric.title} ({board.metric.better} is better), protocol {board.protocol}{rule}{of}"
    warning = [caveat(board.protocol)] if caveat(board.protocol) else []
    if not board.configurations:
        return "\n".join(
            map(paragraph, [title, *warning, "no strategy has a result on every configuration", *board.remarks])
        )
    # Folds that missed a class are meaningful only for metrics of decisions.
    columns = {name: how for name, how in _COLUMNS.items() if name != "zero_folds" or _has_zero_folds(board)}
    headers = [header for header, _ in columns.values()]
    rows = [
        [_written(value, pattern) for value, (_, pattern) in zip(row, columns.values(), strict=True)]
        for row in board.table[list(columns)].itertuples(index=False, name=None)
    ]
    for row in rows:
        mark = marked.get(row[0]) or marked.get(row[0].rpartition("+")[0])  # the decision rule follows the plus
        row[0] += f" ({mark})" if mark else ""
    below = [*warning, _basis(board), *_tuned_baseline(board), *board.remarks]
    return "\n".join([table(headers, rows, title=title, right=headers[1:]), *map(paragraph, below)])


def _has_zero_folds(board: Leaderboard) -> bool:
    return board.metric.of_decisions and bool(board.table["zero_folds"].notna().any())


def _tuned_baseline(board: Leaderboard) -> list[str]:
    tuned = board.tuned_baseline
    if tuned is None:
        return []
    return [
        f"{tuned.name}, the baseline with a threshold tuned on validation rows, would rank "
        f"{tuned.place} of {tuned.competitors}: mean {tuned.mean:.4f}, "
        f"average rank {tuned.average_rank:.2f}"
    ]


def _fallbacks(boards: Sequence[Leaderboard]) -> list[str]:
    """The share of batches that each strategy could not rebalance; the same for every metric of a task."""
    notes = {
        f"{board.task}, {board.protocol}: {name} could not rebalance {100 * share:.1f} % of its batches"
        for board in boards
        for name, share in board.fallbacks
    }
    return sorted(notes)


def _written(value: Any, pattern: str) -> str:
    return "-" if isinstance(value, float) and math.isnan(value) else pattern.format(value)


def _basis(board: Leaderboard) -> str:
    if board.undefined:
        return f"over {board.over}; no Friedman test: {board.undefined}"
    first = board.table.iloc[0]
    return f"over {board.over}; Friedman χ² = {first['friedman']:.3f}, asymptotic p = {first['p']:.2g}"


def _board_json(board: Leaderboard) -> dict[str, Any]:
    return {
        "protocol": board.protocol,
        "caveat": caveat(board.protocol) or None,
        "task": board.task,
        "metric": board.metric.name,
        "higher_is_better": board.metric.higher_is_better,
        "rule": board.rule,
        "challenger": None if board.tuned_baseline is None else dataclasses.asdict(board.tuned_baseline),
        "configurations": [{"dataset": d, "variant": v} for d, v in board.configurations],
        "dropped": [{"dataset": d.dataset, "variant": d.variant, "missing": list(d.missing)} for d in board.dropped],
        "over": board.over,
        "partial": [{"strategy": name, "lacks": lacks} for name, lacks in board.partial],
        "unranked": list(board.unranked),
        "same_predictions": [list(group) for group in board.same],
        "remarks": list(board.remarks),
        "undefined": board.undefined,
        "fallbacks": dict(board.fallbacks),
        "rows": board.table.to_dict("records"),
    }
