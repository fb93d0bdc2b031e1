"""Tables for papers: LaTeX with booktabs."""

from __future__ import annotations

import math
from collections.abc import Sequence

from imbench.report.columns import Column
from imbench.report.model import Model
from imbench.scoring.rules import EACH
from imbench.stats.board import Board, merit
from imbench.stats.ranks import TRAINED
from imbench.stats.score_table import ScoreTable
from imbench.stats.words import counted, level, number, p_value, span

# More strategies or configurations than these do not fit on the page of a paper.
MOST_STRATEGIES, MOST_CONFIGURATIONS = 10, 60

# With these, a table of five strategies is as wide as the text of the class article, the narrowest one.
_SMALL, _SMALLER = r"\footnotesize\setlength{\tabcolsep}{3pt}", r"\scriptsize\setlength{\tabcolsep}{2pt}"

# Written by hand, not by pandas' Styler: see docs/decisions/0010-latex-tables.md.
_SPECIAL = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "&": r"\&",
        "%": r"\%",
        "$": r"\$",
        "#": r"\#",
        "_": r"\_",
        "{": r"\{",
        "}": r"\}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "−": r"\textminus{}",
        "–": "--",
        "±": r"\textpm{}",
        "χ": r"$\chi$",
        "α": r"$\alpha$",
        "∞": r"$\infty$",
        "≤": r"$\le$",
        "≥": r"$\ge$",
        "²": r"\textsuperscript{2}",
        "×": r"\texttimes{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
    }
)


def latex(model: Model) -> str:
    """A table for each leading board, and its scores by configuration if they fit on a page."""
    parts = ["% Made by imbench; needs \\usepackage{booktabs} and \\usepackage{textcomp}."]
    for board in model.leading:
        if not board.configurations:
            continue
        parts.append(_leaderboard(board))
        scores = next(c for c in model.score_tables if (c.protocol, c.task) == (board.protocol, board.task))
        if board.rule != EACH and len(scores.configurations) <= MOST_CONFIGURATIONS:
            parts.append(_scores(board, scores))
    return "\n\n".join(parts) + "\n"


def escape(text: str) -> str:
    """Text with the special characters of LaTeX escaped."""
    return text.translate(_SPECIAL)


def _leaderboard(board: Board) -> str:
    header = [
        "Strategy",
        "Avg. rank",
        level(board.alpha).replace(" %", "\\,\\%") + " interval",
        "Rank sum",
        "Mean",
        "Gain",
        "W--T--L",
        "$p$",
    ]
    rows = [
        [
            escape(row.name),
            number(row.average_rank, 2),
            span(row.rank_low, row.rank_high),
            f"{row.rank_sum:g}",
            escape(number(row.mean, 4)),
            escape(number(row.gain, 4, sign=True)),
            "--" if row.wins is None else f"{row.wins}--{row.ties}--{row.losses}",
            escape(p_value(row.p_best)),
        ]
        for row in board.table
    ]
    test = board.tests.undefined or (
        f"Friedman χ² = {number(board.tests.friedman[0], 2)}, p {_equals(p_value(board.tests.friedman[1]))}; "
        f"Nemenyi CD {number(board.tests.cd, 2)}"
    )
    caption = (
        f"{board.title}, protocol {board.protocol}, {counted(len(board.configurations), 'configuration')} of "
        f"{counted(board.tests.datasets, 'dataset')}. Rank 1 is best; {board.metric.better} scores are better. "
        f"{test}. "
        "p: Wilcoxon signed-rank test against the best, Holm's correction over all pairs. Gain and wins, ties and "
        f"losses are against {board.control or 'no baseline'}."
    )
    return _table(escape(caption), f"tab:{board.slug}", "l" + "r" * (len(header) - 1), header, rows)


def _scores(board: Board, scores: ScoreTable) -> str:
    names = [row.name for row in board.table][:MOST_STRATEGIES]
    column = Column(board.metric, board.rule).name
    at = [scores.strategies.index(name) for name in names]
    rows = []
    for i, c in enumerate(scores.configurations):
        means, sds = scores.mean[column][i, at], scores.sd[column][i, at]
        worth = merit(board.metric, means)
        best = max((w for w in worth.tolist() if not math.isnan(w)), default=math.nan) - TRAINED.absolute
        cell = [_cell(float(m), float(s), bool(w >= best)) for m, s, w in zip(means, sds, worth, strict=True)]
        rows.append([escape(c.dataset), number(c.ir, 3) if not math.isnan(c.ir) else "--", *cell])
    of = f" The best {len(names)} of {len(board.table)} strategies are shown." if len(names) < len(board.table) else ""
    caption = (
        f"{board.title}, protocol {board.protocol}: mean ± standard deviation over folds, {board.metric.better} is "
        f"better, the best score of each row in bold.{of}"
    )
    header = ["Dataset", "IR", *map(escape, names)]
    return _table(escape(caption), f"tab:{board.slug}-scores", "lr" + "r" * len(names), header, rows, _SMALLER)


def _cell(mean: float, sd: float, best: bool) -> str:
    if math.isnan(mean):
        return "--"
    text = escape(number(mean, 3))
    spread = "" if math.isnan(sd) else f"{{\\tiny{escape('±' + number(sd, 3))}}}"
    return (f"\\textbf{{{text}}}" if best else text) + spread


def _table(
    caption: str, label: str, layout: str, header: Sequence[str], rows: Sequence[Sequence[str]], size: str = _SMALL
) -> str:
    lines = [" & ".join(row) + r" \\" for row in rows]
    return "\n".join(
        [
            r"\begin{table}",
            rf"\centering{size}",
            rf"\caption{{{caption}}}",
            rf"\label{{{label}}}",
            rf"\begin{{tabular}}{{{layout}}}",
            r"\toprule",
            " & ".join(header) + r" \\",
            r"\midrule",
            *lines,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
        ]
    )


def _equals(p: str) -> str:
    return p if p.startswith("<") else f"= {p}"
