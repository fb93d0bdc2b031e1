"""Tests of the claim that ReMix is the best: with and without cost-adjusted, and within a margin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from imbench.reproduce.boards import raised, without
from imbench.reproduce.second_baseline import COST_ADJUSTED
from imbench.reproduce.verdicts import MARGINS, NO_RESULTS, Verdict, better_than_all

if TYPE_CHECKING:
    from imbench.stats.board import Board

REMIX = "remix"
EQUIVALENT, WITHOUT, AGAIN = "equivalent or better", "without cost-adjusted", "second baseline"
OWN_PAIRS = "over ReMix's pairs only"
_NO_VERDICT = Verdict(NO_RESULTS, "too few results")


def by_configurations(board: Board | None, *, own_pairs: bool = False) -> Verdict:
    """Whether ReMix is better than every other strategy, with configurations as blocks."""
    return better_than_all(board.evaluation, REMIX, own_pairs=own_pairs) if board else _NO_VERDICT


def by_datasets(board: Board | None) -> Verdict:
    """Whether ReMix is better than every other strategy, with datasets as blocks."""
    return better_than_all(board.evaluation_by_dataset, REMIX) if board else _NO_VERDICT


def equivalent_or_better(board: Board | None) -> Verdict:
    """Whether ReMix is at most the metric's margin worse than every other strategy, with configurations as blocks.

    ReMix's scores are raised by the margin of `MARGINS` and tested as before. The verdict is *supported* if they are
    then better than those of each other strategy, and *contradicted* if another one is better still.
    """
    if board is None or REMIX not in board.names:
        return _NO_VERDICT
    return by_configurations(raised(board, REMIX, MARGINS[board.metric.name]))


def further_tests(board: Board | None, again: Board | None, metric: str) -> dict[str, Any]:
    """Columns beside the verdict by configurations.

    Parameters
    ----------
    board : the board of all strategies
    again : the board with a second baseline in place of cost-adjusted; None if it was not trained
    metric : the metric of both
    """
    verdict, equivalent = by_configurations(board), equivalent_or_better(board)
    left_out = by_configurations(without(board, COST_ADJUSTED) if board else None)
    own = by_configurations(board, own_pairs=True)
    second, second_equivalent = by_configurations(again), equivalent_or_better(again)
    return {
        "smallest p": verdict.smallest_p,
        "smallest p of one pair": verdict.smallest_pair,
        OWN_PAIRS: own.word,
        f"{OWN_PAIRS}: numbers": own.statistic,
        "margin": MARGINS[metric],
        EQUIVALENT: equivalent.word,
        f"{EQUIVALENT}: numbers": equivalent.statistic,
        WITHOUT: left_out.word,
        f"{WITHOUT}: numbers": left_out.statistic,
        AGAIN: second.word,
        f"{AGAIN}: numbers": second.statistic,
        f"{AGAIN}, {EQUIVALENT}": second_equivalent.word,
        f"{AGAIN}, {EQUIVALENT}: numbers": second_equivalent.statistic,
    }
