"""Leaderboards as Markdown, with what a reader must know to judge them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

from imbench.study.leaderboard import Leaderboard
from imbench.study.results import Results
from imbench.study.rows import fact_values

# A fact of many values, such as a time, would bury the others.
SHOWN_VALUES = 8


def markdown(results: Results) -> str:
    """The whole report as one page: coverage, a table for each task and metric, failures, and versions."""
    boards = results.leaderboards()
    sections = [
        "# Leaderboard",
        _coverage(results),
        *(
            _task(f"## {task}, protocol {protocol}", list(group))
            for (protocol, task), group in groupby(boards, key=lambda board: (board.protocol, board.task))
        ),
        _failures(results),
        _provenance(results),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _coverage(results: Results) -> str:
    rows = results.rows
    configurations = rows[["dataset", "variant"]].drop_duplicates().shape[0]
    facts = [
        *results.notes,
        f"{rows['key'].nunique()} jobs of {configurations} configurations, {len(results.failures())} failed",
        "ranks: 1 is best in each configuration, so smaller rank sums and average ranks are better; "
        "scores within 1e-12 are tied",
        "mean: over configurations, each the mean over its folds; "
        "only configurations that have every ranked strategy count",
    ]
    return "\n".join(f"- {_plain(fact)}" for fact in facts)


def _task(heading: str, boards: Sequence[Leaderboard]) -> str:
    return "\n\n".join([heading, *(_board(board) for board in boards), *_gaps(boards[0])])


def _board(board: Leaderboard) -> str:
    direction = "higher" if board.metric.higher_is_better else "lower"
    rows = board.table.itertuples(index=False)
    table = _table(
        ["strategy", f"mean {board.metric.name}", "rank sum", "average rank", "configurations"],
        [(r.strategy, f"{r.mean:.4f}", f"{r.rank_sum:g}", f"{r.average_rank:.3f}", r.configurations) for r in rows],
    )
    test = board.table[["friedman", "p"]].drop_duplicates().itertuples(index=False)
    verdict = board.undefined or "".join(
        f"Friedman's test with tie correction: χ² = {t.friedman:.4f}, p = {t.p:.3g}" for t in test
    )
    return f"### {board.metric.title} ({direction} is better)\n\n{table}\n\n{verdict}."


def _gaps(board: Leaderboard) -> list[str]:
    """What is not in the ranking, and why; the same for every metric of a task, as a job has all or none."""
    dropped = [f"- {d.dataset} {d.variant}: no result of {', '.join(d.missing)}" for d in board.dropped]
    unranked = [f"- {name}: no result at all" for name in board.unranked]
    return [
        f"{title}:\n\n" + "\n".join(map(_plain, lines))
        for title, lines in (("Configurations left out", dropped), ("Strategies left out", unranked))
        if lines
    ]


def _failures(results: Results) -> str:
    failures = results.failures()
    if failures.empty:
        return "## Failures\n\nNone."
    # The last line of a traceback names the error; the JSON file has it in full.
    rows = [(*what, error.strip().splitlines()[-1]) for *what, error in failures.itertuples(index=False, name=None)]
    return "## Failures\n\n" + _table(list(failures.columns), rows)


def _provenance(results: Results) -> str:
    rows = []
    for name, values in fact_values(results.rows).items():
        more = f" … ({len(values)} values)" if len(values) > SHOWN_VALUES else ""
        rows.append((name, ", ".join(values[:SHOWN_VALUES]) + more))
    return "## Versions and hardware\n\n" + _table(["fact", "value"], rows) if rows else ""


def _table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(_plain(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)


def _plain(cell: object) -> str:
    """One line of text, as tables and lists need."""
    return " ".join(str(cell).split())
