"""The verdict in words: who leads, how sure that is, and nothing that the tests do not support."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from imbench.contract.protocol import caveat
from imbench.stats.board import Board
from imbench.stats.tests import TestResults
from imbench.stats.words import counted, level, listed, number, span


@dataclass(frozen=True)
class Verdict:
    """What one board says.

    Parameters
    ----------
    title : of the board; ``slug``: its anchor
    lead : the answer in one sentence
    support : sentences on how sure it is
    """

    title: str
    slug: str
    lead: str
    support: tuple[str, ...]


def verdict(board: Board) -> Verdict:
    """The verdict of a board. Differences are claimed only where Friedman's and the pairwise test both find them."""
    blocks, names = len(board.configurations), [row.name for row in board.table]
    if not blocks or len(names) < 2:
        reason = "no strategy has a result on every configuration" if not names else "there is a single competitor"
        if names and not blocks:
            reason = "the metric is defined for every competitor on no configuration"
        return _of(board, f"Nothing to compare: {reason}.", board.remarks and (f"{board.remarks[-1]}.",))
    best = board.table[0]
    standing, scope = board.standing, _scope(board)
    interval = span(best.rank_low, best.rank_high)
    rank = f"average rank {number(best.average_rank, 2)}" + (
        f" ({level(board.alpha)} interval {interval})" if interval else ""
    )
    if standing.undefined:
        return _of(
            board, f"No test is possible: {_lower(standing.undefined)}.", (f"Best here is {best.name} ({rank}).",)
        )
    if standing.undecidable.get("omnibus"):
        lead = f"Whether the {len(names)} competitors differ {standing.undecidable['omnibus']}, over {scope}."
        return _of(board, lead, (f"{best.name} has the best {rank}.",))
    if not standing.p < board.alpha:
        lead = f"No difference between the {len(names)} competitors is shown ({_friedman(standing)}, {scope})."
        return _of(board, lead, (f"{best.name} has the best {rank}; chance alone may explain that.",))
    beaten, open_ = _split(standing, best.name, names[1:], board.alpha)
    equals = [row.name for row in board.table if abs(row.average_rank - best.average_rank) < 1e-9]
    if len(equals) > 1:
        lead = f"{listed(equals)} share the best {rank}"
    elif standing.undecidable.get("pairs"):
        lead = f"{best.name} leads, {rank}; which pairs differ {standing.undecidable['pairs']}"
    elif not beaten:
        lead = f"{best.name} leads, {rank}, but no pairwise test shows a difference from any other"
    elif open_:
        lead = f"{best.name} leads, {rank}, but is not shown to differ from {listed(open_)}"
    else:
        lead = f"{best.name} leads, {rank}, better than every other"
    return _of(
        board,
        f"{lead}, over {scope}.",
        (*_pairwise(board, best.name, beaten), *_control(board, best.name, len(equals) == 1), _datasets(board)),
    )


def _of(board: Board, lead: str, support: Sequence[str]) -> Verdict:
    said = caveat(board.protocol)
    sentences = (f"{said[0].upper()}{said[1:]}." if said else "", *support)
    return Verdict(board.title, board.slug, lead, tuple(sentence for sentence in sentences if sentence))


def _pairwise(board: Board, best: str, beaten: Sequence[str]) -> list[str]:
    test = f"Friedman's test finds differences ({_friedman(board.standing)})"
    if not beaten:
        return [
            f"{test}." if board.standing.undecidable.get("pairs") else f"{test}; no pairwise test says between which."
        ]
    return [
        f"{test}. {best} is better than {listed(beaten)} by Wilcoxon's test with Holm's correction at {board.alpha:g}."
    ]


def _control(board: Board, best: str, said: bool) -> list[str]:
    """The others against the control; ``said``: the lead says so where not even all pairs can be decided."""
    if not board.control or board.control == best:
        return []
    if board.standing.undecidable.get("control"):
        # Fewer pairs than all of them, which so many blocks cannot decide either.
        return [] if said else [f"Which of them differ from {board.control} {board.standing.undecidable['control']}."]
    others = [row.name for row in board.table if row.name != board.control]
    better: list[str] = []
    worse: list[str] = []
    rest: list[str] = []
    for name in others:
        pair = board.standing.against_control.get(name)
        sure = pair is not None and pair.p_holm < board.alpha and pair.effect != 0
        (rest if not sure else better if pair is not None and pair.effect > 0 else worse).append(name)
    parts = [
        f"{word} {listed(names)}"
        for word, names in (("better:", better), ("worse:", worse), ("undecided:", rest))
        if names
    ]
    return [
        f"Against {board.control}, by Wilcoxon's test with Holm's correction over the {len(others)} pairs with it, "
        f"{'; '.join(parts)}."
    ]


def _datasets(board: Board) -> str:
    """The same question with datasets as blocks, since variants of one dataset are no independent evidence."""
    by = board.by_dataset
    if by.blocks == len(board.configurations):
        return ""
    if by.undefined:
        return f"With datasets as blocks ({by.blocks}) no test is possible."
    leader = by.names[int(by.average_ranks.argmin())]
    first = (
        "Caution: variants of one dataset are not independent. "
        f"With the {counted(by.blocks, 'dataset')} as blocks {leader} leads, {_friedman(by)}"
    )
    if by.undecidable.get("pairs"):
        if board.standing.undecidable.get("pairs"):
            return f"{first}; they are too few to decide it, too."
        return f"{first}; which pairs differ {by.undecidable['pairs']}."
    beaten, open_ = _split(by, leader, [n for n in by.names if n != leader], board.alpha)
    if not by.p < board.alpha or not beaten:
        return f"{first}: no difference is shown at that level."
    return f"{first}, better than {listed(beaten)}" + (f", not shown to differ from {listed(open_)}." if open_ else ".")


def _split(standing: TestResults, best: str, others: Sequence[str], alpha: float) -> tuple[list[str], list[str]]:
    """The others that the pairwise test finds worse than the best, and the rest."""
    beaten = []
    for name in others:
        pair = standing.pair(best, name)
        if pair is not None and pair.p_holm < alpha and pair.effect > 0:
            beaten.append(name)
    return beaten, [name for name in others if name not in beaten]


def _friedman(standing: TestResults) -> str:
    return f"χ² = {number(standing.friedman[0], 1)}, {standing.named}"


def _scope(board: Board) -> str:
    return f"{counted(len(board.configurations), 'configuration')} of {counted(board.standing.datasets, 'dataset')}"


def _lower(text: str) -> str:
    return text if text.startswith("Friedman") else text[:1].lower() + text[1:]
