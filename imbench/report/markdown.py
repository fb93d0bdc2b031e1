"""The report as Markdown, in the order of the page."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence

from imbench.contract.protocol import caveat
from imbench.report.coverage import PROCESS, zero_recall_title
from imbench.report.gains import ALL, Gain
from imbench.report.model import Model
from imbench.report.overview import UNRANKED, Overview, overviews
from imbench.report.page import MOST_MATRIX
from imbench.report.provenance import SHOWN_VALUES
from imbench.report.tuned import about_tuning, budget_tables
from imbench.stats.board import Board
from imbench.stats.ranks import TRAINED
from imbench.stats.tests import TestResults
from imbench.stats.words import counted, level, number, p_in_text, p_value, span

# Longer tables are left to the data files.
MOST_ROWS, MOST_FAILURES = 50, 200

_ARROWS = {"higher": "↑", "lower": "↓"}


def markdown(model: Model) -> str:
    """The whole report as one page."""
    sections = [
        "# Leaderboard",
        _facts(model),
        *(_overview(one) for one in overviews(model)),
        _verdicts(model),
        *(_board(board) for board in model.leading),
        *(_board(board, ", strategies and references") for board in model.reference_boards.values()),
        *(_gains(model, board) for board in model.leading),
        _images(model),
        *(_wins(board) for board in model.leading),
        _means(model),
        _costs(model),
        *_budgets(model),
        _coverage(model),
        _failures(model),
        _provenance(model),
    ]
    return _without_tags("\n\n".join(section for section in sections if section) + "\n")


def _facts(model: Model) -> str:
    facts = [
        *([f"results of {model.date}"] if model.date else []),
        *model.notes,
        f"{counted(model.jobs, 'job')} on {counted(model.configurations, 'configuration')}, "
        f"{len(model.failures)} failed",
        "rank: 1 is best on a configuration, so lower average ranks and rank sums are better; scores within "
        f"{TRAINED.absolute:g} are tied, because nets compute in float32",
        "mean: over configurations, each the mean over its folds; a strategy without a result on every configuration "
        "is not ranked",
        f"interval: {level(model.alpha)} interval over datasets",
        "p vs best: Wilcoxon signed-rank test against the best strategy, Holm-corrected over all pairs",
        *model.lacking,
    ]
    return "\n".join(f"- {_plain(fact)}" for fact in facts)


def _verdicts(model: Model) -> str:
    verdicts = [f"- **{v.title}**: {v.lead} {' '.join(v.support)}".rstrip() for v in model.verdicts]
    return "\n".join(["## Tests and cautions", "", *verdicts]) if verdicts else ""


def _overview(one: Overview) -> str:
    """The answer of a task and its table, as on the first screen of the page."""
    heads = ["strategy"]
    for board in one.boards:
        heads += [f"{board.metric.name} rank", "interval"]
    heads += [column.name for column in one.columns]
    facts = [name for name in ("seconds", "fallback") if one.knows(name)]
    rows = []
    for row in (*one.rows[:MOST_ROWS], *one.references):
        cells = [f"{row.name} (reference)" if row in one.references else row.name]
        for i in range(len(one.boards)):
            at = row.standings[i] if row.standings else UNRANKED
            cells += [number(at.rank, 2), span(at.low, at.high)]
        cells += [number(mean, 3) for mean in row.means]
        rows.append([*cells, *(number(getattr(row, name), 2) for name in facts), row.mark])
    heads += [{"seconds": "s/net", "fallback": "fallback share"}[name] for name in facts]
    return f"## {one.title}, protocol {one.protocol}\n\n{one.answer}\n\n{_table([*heads, 'checks'], rows)}"


def _title(board: Board) -> str:
    return f"{board.title}, protocol {board.protocol} ({board.metric.better} is better)"


def _board(board: Board, of: str = "") -> str:
    """A board; ``of`` ends its title and says what it ranks."""
    header = ["#", "strategy", "average rank", "interval", "rank sum", f"mean {board.metric.name}"]
    header += [f"gain over {board.control}", "interval", "won–tied–lost"] if board.control else []
    rows = []
    for place, row in enumerate(board.table[:MOST_ROWS], 1):
        cells = [place, row.name, number(row.average_rank, 3), span(row.rank_low, row.rank_high)]
        cells += [f"{row.rank_sum:g}", number(row.mean, 4)]
        if board.control:
            cells += [number(row.gain, 4, sign=True), span(row.gain_low, row.gain_high, 3, sign=True)]
            cells += ["–" if row.wins is None else f"{row.wins}–{row.ties}–{row.losses}"]
        rows.append([*cells, p_value(row.p_best)])
    tests = board.tests
    result = tests.undefined or (
        f"Friedman's test with tie correction: χ² = {number(tests.friedman[0], 4)}, "
        f"asymptotic {p_in_text(tests.friedman[1])}{_small_sample(tests)}; "
        f"Iman-Davenport F = {number(tests.iman_davenport[0], 3)}, "
        f"{p_in_text(tests.iman_davenport[1])}; Nemenyi's critical difference {number(tests.cd, 3)}"
    )
    gaps = ["\n".join(f"- {_plain(remark)}" for remark in board.remarks)] if board.remarks else []
    basis = f"Over {board.over} of {counted(tests.datasets, 'dataset')}. {result}."
    note = caveat(board.protocol)
    basis = f"{basis} {note[0].upper()}{note[1:]}." if note else basis
    return "\n\n".join([f"## {_title(board)}{of}", _table([*header, "p vs best"], rows), basis, *gaps])


def _small_sample(tests: TestResults) -> str:
    p, method = tests.small_sample
    return f", {method} {p_in_text(p)}" if method not in ("", "asymptotic") else ""


def _gains(model: Model, board: Board) -> str:
    table = _gain_table(board, model.gains[board.slug])
    return f"## Gain over {board.control} by imbalance ratio: {board.title}\n\n{table}" if table else ""


def _gain_table(board: Board, gains: Sequence[Gain]) -> str:
    if not gains:
        return ""
    names = [row.name for row in board.table if row.name != board.control][:MOST_ROWS]
    ratios = list(dict.fromkeys(gain.ir for gain in gains))
    by = {(gain.ir, gain.name): gain for gain in gains}
    rows = []
    for name in names:
        cells = [by[ratio, name] for ratio in ratios]
        rows.append(
            [name]
            + [f"{number(g.gain, 3, sign=True)} ({span(g.low, g.high, 3, sign=True) or 'one dataset'})" for g in cells]
        )
    return _table(["strategy", *("all ratios" if ratio == ALL else f"IR {ratio}" for ratio in ratios)], rows)


def _images(model: Model) -> str:
    """Gains on images only, and the labels of the samples; the pictures are separate files."""
    images = model.images
    if images is None:
        return ""
    parts = ["## Images"]
    for board in images.boards:
        table = _gain_table(board, images.gains[board.slug])
        if table:
            parts.append(f"### Gain over {board.control} on images only: {board.title}\n\n{table}")
    for samples in images.samples:
        parts.append(f"### Sample images as each strategy feeds them to the nets: {samples.dataset}")
        if samples.grid is None:
            reason = f"No samples are shown: {_plain(samples.reason)}. This command draws them:"
            parts.append(f"{reason}\n\n```sh\n{samples.command}\n```")
            continue
        grid = samples.grid
        header = ["strategy", *(f"mini-batch {i}" for i in range(1, len(grid.rows[0].images) + 1))]
        rows = [[row.name, *grid.label_texts(row)] for row in grid.rows]
        parts.append(f"![{_plain(grid.title)}]({samples.file}.png)\n\n{_table(header, rows)}")
    return "\n\n".join(parts)


def _wins(board: Board) -> str:
    names = [row.name for row in board.table][:MOST_MATRIX]
    if not board.configurations or len(names) < 2:
        return ""
    rates = zip(names, board.win_rates(names).tolist(), strict=True)
    rows = [
        [a, *("–" if a == b else f"{100 * rate:.0f}" for b, rate in zip(names, of, strict=True))] for a, of in rates
    ]
    basis = "Percentage of configurations on which the row beats the column; a tie counts half."
    return f"## Win rates: {board.title}\n\n{basis}\n\n{_table(['', *names], rows)}"


def _means(model: Model) -> str:
    """The means of every metric."""
    parts = []
    for scores in model.score_tables:
        rows = []
        for i, name in enumerate(scores.strategies[:MOST_ROWS]):
            means = [scores.mean[c.name][:, i] for c in model.columns]
            known = [[v for v in column.tolist() if not math.isnan(v)] for column in means]
            rows.append([name, *(number(sum(k) / len(k) if k else None, 4) for k in known)])
        heads = [f"{c.name} {_ARROWS.get(c.metric.better, c.metric.better)}" for c in model.columns]
        parts.append(f"### {scores.task}, protocol {scores.protocol}\n\n" + _table(["strategy", *heads], rows))
    title = (
        "## Every metric\n\n"
        "Means over the configurations on which a strategy has results; ↑ higher is better, ↓ lower is better."
    )
    return "\n\n".join([title, *parts]) if parts else ""


def _costs(model: Model) -> str:
    rows = [
        [c.protocol, c.task, c.strategy, number(c.seconds, 3), number(c.ratio, 2), c.configurations]
        for c in model.costs[: 4 * MOST_ROWS]
    ]
    header = ["protocol", "task", "strategy", "seconds per net", "times the baseline", "configurations"]
    return "## Training time\n\n" + _table(header, rows) if rows else ""


def _budgets(model: Model) -> list[str]:
    """Boards of default, tuned and ensembled configurations, in one table for each protocol and task."""
    if not model.budgets:
        return []
    parts = [f"## Equal budgets\n\n{about_tuning(model.budgets, model.selected_by)}"]
    for one in budget_tables(model.budgets, model.references):
        heads = ["strategy"]
        for of, selection in one.heads:
            heads += [f"{of.column.name} {selection}", "rank"]
        rows = [
            [name, *(text for cell in cells for text in (number(cell.mean, 4), number(cell.rank, 2)))]
            for name, cells in (
                *one.rows[:MOST_ROWS],
                *((f"{name} (reference)", cells) for name, cells in one.references),
            )
        ]
        sentences = "\n".join(f"- {sentence}" for sentence in one.conclusions)
        parts.append(f"### {one.first.task}, protocol {one.first.protocol}\n\n{sentences}\n\n{_table(heads, rows)}")
    return parts


def _coverage(model: Model) -> str:
    known = [name for name in PROCESS if any(not math.isnan(c.process.get(name, math.nan)) for c in model.covered)]
    rows = [
        [c.protocol, c.task, c.strategy, c.done, c.failed, c.wanted - c.done - c.failed, c.folds]
        + [c.zero_recall.get(rule, "–") for rule in model.zero_rules]
        + [number(c.process.get(name), 3) for name in known]
        for c in model.covered[: 4 * MOST_ROWS]
    ]
    header = ["protocol", "task", "strategy", "done", "failed", "missing", "nets"]
    header += [zero_recall_title(rule) for rule in model.zero_rules]
    return "## Coverage\n\n" + _table([*header, *(PROCESS[name][0] for name in known)], rows) if rows else ""


def _failures(model: Model) -> str:
    if not model.failures:
        return "## Failures\n\nNone."
    # leaderboard.json has the whole error message.
    rows = [[f.dataset, f.variant, f.strategy, f.protocol, f.last_line] for f in model.failures[:MOST_FAILURES]]
    return "## Failures\n\n" + _table(["dataset", "variant", "strategy", "protocol", "error"], rows)


def _provenance(model: Model) -> str:
    if not model.commands:
        return ""
    rows = [["SHA-256 of all job keys", model.fingerprint]]
    for name, values in model.facts.items():
        more = f" … ({len(values)} values)" if len(values) > SHOWN_VALUES else ""
        rows.append([name, ", ".join(values[:SHOWN_VALUES]) + more])
    commands = "\n".join(["```sh", *model.commands, "```"])
    code = [
        [o.strategy, o.package, o.package_version, o.version, o.short_hash, o.checks, o.jobs] for o in model.origins
    ]
    made = _table(["strategy", "package", "version", "strategy version", "source hash", "checks", "jobs"], code)
    again = f"## Provenance\n\nTo reproduce these results:\n\n{commands}\n\n"
    return f"{again}Source code of the strategies:\n\n{made}\n\n" + _table(["fact", "value"], rows)


def _table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(_plain(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)


def _without_tags(text: str) -> str:
    """Markdown in which names and errors begin no HTML; nothing else of a report does.

    >>> _without_tags("p < 0.05 <script>")
    'p < 0.05 &lt;script>'
    """
    return re.sub(r"<(?=[A-Za-z/!?])", "&lt;", text)


def _plain(cell: object) -> str:
    """One line of text, as tables and lists need."""
    return " ".join(str(cell).split())
