"""The verdict in words: which strategy leads, and what the tests support."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from imbench.contract.protocol import caveat
from imbench.stats.board import Board
from imbench.stats.tests import TestResults
from imbench.stats.words import counted, level, listed, number, span


@dataclass(frozen=True)
class Verdict:
    """The conclusion of one board.

    Parameters
    ----------
    title, slug : title and anchor of the board
    lead : the conclusion in one sentence
    support : sentences with the tests behind it
    """

    title: str
    slug: str
    lead: str
    support: tuple[str, ...]


def verdict(board: Board) -> Verdict:
    """The verdict of a board. It claims a difference only if Friedman's test and the pairwise test both find it."""
    blocks, names = len(board.configurations), [row.name for row in board.table]
    if not blocks or len(names) < 2:
        reason = "no strategy has a result on every configuration" if not names else "there is only one competitor"
        if names and not blocks:
            reason = "on every configuration, the metric is undefined for some competitor"
        return _of(board, f"Nothing to compare: {reason}.", board.remarks and (f"{board.remarks[-1]}.",))
    best = board.table[0]
    tests, scope = board.tests, _scope(board)
    interval = span(best.rank_low, best.rank_high)
    rank = f"average rank {number(best.average_rank, 2)}" + (
        f" ({level(board.alpha)} interval {interval})" if interval else ""
    )
    leader = f"{best.name} has the best {rank}"
    if tests.undefined:
        return _of(board, f"No test is possible: {_lower(tests.undefined)}.", (f"{leader}.",))
    if tests.undecidable.get("omnibus"):
        lead = f"Whether the {len(names)} competitors differ on {scope} {tests.undecidable['omnibus']}."
        return _of(board, lead, (f"{leader}.",))
    if not tests.p < board.alpha:
        lead = f"No difference between the {len(names)} competitors is shown ({_friedman(tests)}, {scope})."
        return _of(board, lead, (f"{leader}, which chance alone may explain.",))
    beaten, open_ = split(tests, best.name, names[1:], board.alpha)
    equals = [row.name for row in board.table if abs(row.average_rank - best.average_rank) < 1e-9]
    lead = f"{best.name} leads, {rank} over {scope}"
    if len(equals) > 1:
        lead = f"{listed(equals)} share the best {rank} over {scope}"
    elif tests.undecidable.get("pairs"):
        lead = f"{lead}; which pairs differ {tests.undecidable['pairs']}"
    elif not beaten:
        lead = f"{lead}, but no pairwise test shows a difference from another competitor"
    elif open_:
        lead = f"{lead}, but is not shown to differ from {listed(open_)}"
    else:
        lead = f"{lead}, and is better than every other competitor"
    alone = len(equals) == 1
    support = (*_pairwise(board, best.name, beaten, alone), *_control(board, best.name, alone), _datasets(board))
    return _of(board, f"{lead}.", support)


def _of(board: Board, lead: str, support: Sequence[str]) -> Verdict:
    note = caveat(board.protocol)
    sentences = (f"{note[0].upper()}{note[1:]}." if note else "", *support)
    return Verdict(board.title, board.slug, lead, tuple(sentence for sentence in sentences if sentence))


def _pairwise(board: Board, best: str, beaten: Sequence[str], alone: bool) -> list[str]:
    """Friedman's test and the competitors that the best one beats; omitted if the lead says it."""
    test = f"Friedman's test finds differences ({_friedman(board.tests)})."
    if beaten:
        level_ = f"{board.alpha:g}"
        return [f"{test} {best} is better than {listed(beaten)} by Wilcoxon's test with Holm's correction at {level_}."]
    if alone or board.tests.undecidable.get("pairs"):
        return [test]
    return [f"{test} No pairwise test shows {best} to be better than another competitor."]


def _control(board: Board, best: str, alone: bool) -> list[str]:
    """The others against the control; omitted if undecidable and the verdict of a single leader says so."""
    tests = board.tests
    if not board.control or board.control == best:
        return []
    if tests.undecidable.get("control"):
        # All pairs are more than those with the control, so they cannot be decided either.
        return [] if alone else [f"Which competitors differ from {board.control} {tests.undecidable['control']}."]
    others = [row.name for row in board.table if row.name != board.control]
    better: list[str] = []
    worse: list[str] = []
    rest: list[str] = []
    for name in others:
        pair = tests.against_control.get(name)
        sure = pair is not None and pair.p_holm < board.alpha and pair.effect != 0
        (rest if not sure else better if pair is not None and pair.effect > 0 else worse).append(name)
    groups = (("better: ", better), ("worse: ", worse), ("no difference shown: ", rest))
    found = "; ".join(f"{label}{listed(names)}" for label, names in groups if names)
    return [f"Compared with {board.control} (Wilcoxon's test, Holm's correction over {len(others)} pairs), {found}."]


def _datasets(board: Board) -> str:
    """The same tests with datasets as blocks, since variants of one dataset are not independent."""
    by = board.tests_by_dataset
    if by.blocks == len(board.configurations):
        return ""
    if by.undefined:
        return f"With datasets as blocks ({counted(by.blocks, 'dataset')}), no test is possible."
    leader = by.names[int(by.average_ranks.argmin())]
    first = (
        "Caution: variants of one dataset are not independent. "
        f"With the {counted(by.blocks, 'dataset')} as blocks {leader} leads, {_friedman(by)}"
    )
    if by.undecidable.get("pairs"):
        if board.tests.undecidable.get("pairs"):
            return f"{first}; {by.blocks} blocks are also too few to decide which pairs differ."
        return f"{first}; which pairs differ {by.undecidable['pairs']}."
    beaten, open_ = split(by, leader, [n for n in by.names if n != leader], board.alpha)
    if not by.p < board.alpha or not beaten:
        return f"{first}; no difference is shown at that level."
    return f"{first}, better than {listed(beaten)}" + (f", not shown to differ from {listed(open_)}." if open_ else ".")


def split(tests: TestResults, best: str, others: Sequence[str], alpha: float) -> tuple[list[str], list[str]]:
    """The competitors that the pairwise test finds worse than the best, and the rest."""
    beaten = []
    for name in others:
        pair = tests.pair(best, name)
        if pair is not None and pair.p_holm < alpha and pair.effect > 0:
            beaten.append(name)
    return beaten, [name for name in others if name not in beaten]


def _friedman(tests: TestResults) -> str:
    return f"χ² = {number(tests.friedman[0], 1)}, {tests.named}"


def _scope(board: Board) -> str:
    return f"{counted(len(board.configurations), 'configuration')} of {counted(board.tests.datasets, 'dataset')}"


def _lower(text: str) -> str:
    return text if text.startswith("Friedman") else text[:1].lower() + text[1:]
