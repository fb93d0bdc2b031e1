"""The answer for one task in a sentence, which claims no more than a test says."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from imbench.contract.protocol import caveat
from imbench.report.verdict import split
from imbench.scoring.outcome import Floats
from imbench.scoring.rules import ARGMAX, ruled_column
from imbench.stats.board import Board, make_board
from imbench.stats.names import BASELINE, competitor
from imbench.stats.pairwise import wilcoxon
from imbench.stats.ranks import TRAINED
from imbench.stats.score_table import ScoreTable
from imbench.stats.smallest_p import undecidable
from imbench.stats.words import counted, listed

TUNED = "tuned"

# An answer has a clause for each of the first leading metrics; more would have to be read twice.
MOST_CLAUSES = 2


def answer(scores: ScoreTable, boards: Sequence[Board]) -> str:
    """The answer of one protocol and task.

    A metric of decisions is answered against the baseline with a tuned threshold, if the results have one: every other
    strategy, plain and tuned, is compared with it by Wilcoxon's test with Holm's correction over these pairs. Any other
    metric is answered by the tests of its board. What is shown over configurations alone, and not with datasets as
    blocks, is said to be so.

    Parameters
    ----------
    boards : the leading boards of the protocol and task that rank strategies under one decision rule
    """
    clauses = [_against_tuned(scores, board) or _leader(board) for board in boards[:MOST_CLAUSES]]
    sentence = "; ".join(dict.fromkeys(clause for clause in clauses if clause)) or "nothing to compare yet"
    return " ".join(f"{_capitalized(text)}." for text in (caveat(scores.protocol), sentence) if text)


def _capitalized(text: str) -> str:
    """A sentence with a capital letter, unless it begins with the name of a strategy."""
    begins = text.startswith(("no ", "nothing ", "whether ", "smoke "))
    return f"{text[0].upper()}{text[1:]}" if begins else text


def _against_tuned(scores: ScoreTable, board: Board) -> str:
    """Which strategies beat the baseline with a tuned threshold; "" if the board does not have it."""
    metric, tuned = board.metric, competitor(BASELINE, TUNED)
    if not metric.of_decisions or ruled_column(metric, TUNED) not in scores.mean or BASELINE not in scores.strategies:
        return ""
    both = make_board(scores, metric, [ARGMAX, TUNED], "each", board.alpha)
    others = [entrant.name for entrant in both.entrants if entrant.strategy != BASELINE]
    if tuned not in both.names or not others or not both.configurations:
        return ""
    opponent = "a tuned threshold" if scores.task == "binary" else "tuned class weights"
    blocks = len(both.configurations)
    if undecidable("control", blocks, len(others) + 1, board.alpha):
        return f"whether a strategy beats {opponent} {_undecided(blocks, 'configuration')}"
    better = _better(both, others, tuned, both.merit)
    if not better:
        return f"no strategy is shown to beat {opponent}"
    means = _by_dataset(both)
    sure = better if len(means) == blocks else _better(both, better, tuned, means, of=len(others))
    beat = "beats" if len(sure or better) == 1 else "beat"
    return f"{listed(sure or better)} {beat} {opponent}{'' if sure else _unconfirmed(both, len(others))}"


def _better(board: Board, names: Sequence[str], other: str, merit: Floats, of: int = 0) -> list[str]:
    """The competitors that the test finds better than the other one, over ``(blocks, competitors)`` merits.

    ``of``: pairs that the p-values are corrected for, if more than these names.
    """
    at, against = [board.names.index(name) for name in names], board.names.index(other)
    if len(merit) < 2:
        return []
    tests = wilcoxon(merit, at, [against] * len(at), TRAINED)
    # Corrected over all pairs of the family, as if none were smaller, if only some of them are tested.
    p = tests["p"].to_numpy() * of if of else tests["p_holm"].to_numpy()
    sure = (p < board.alpha) & (tests["effect"].to_numpy() > 0)
    return [name for name, there in zip(names, sure, strict=True) if there]


def _leader(board: Board) -> str:
    """Which strategy leads a board, and whether its tests show that it does."""
    names, blocks, title = [row.name for row in board.table], len(board.configurations), in_text(board.metric.title)
    if not blocks or len(names) < 2:
        return ""
    best, tests = board.table[0], board.tests
    if tests.undecidable.get("omnibus"):
        return f"whether strategies differ in {title} {_undecided(blocks, 'configuration')}"
    if tests.undefined or not tests.p < board.alpha:
        return f"no difference in {title} is shown"
    equals = [row.name for row in board.table if abs(row.average_rank - best.average_rank) < 1e-9]
    if len(equals) > 1:
        return f"{listed(equals)} share the best average rank in {title}"
    lead = f"{best.name} has the best average rank in {title}"
    if tests.undecidable.get("pairs"):
        return f"{lead}, but which strategies differ {_undecided(blocks, 'configuration')}"
    _, open_ = split(tests, best.name, names[1:], board.alpha)
    if open_:
        return f"{lead}, but is not shown to differ from {listed(open_)}"
    shown = f"{best.name} has the best {title}"
    by = board.tests_by_dataset
    sure = by.blocks == blocks or (by.p < board.alpha and not split(by, best.name, names[1:], board.alpha)[1])
    return shown if sure else f"{shown}{_unconfirmed(board, len(names) * (len(names) - 1) // 2)}"


def _unconfirmed(board: Board, pairs: int) -> str:
    datasets = len(set(board.datasets))
    over = f" over {counted(len(board.configurations), 'configuration')}"
    if undecidable("control", datasets, pairs + 1, board.alpha):
        return f"{over}, which {counted(datasets, 'dataset')} are too few to confirm"
    return f"{over}, which a test over {counted(datasets, 'dataset')} does not confirm"


def _undecided(blocks: int, what: str) -> str:
    return f"cannot be decided with {counted(blocks, what)}"


def _by_dataset(board: Board) -> Floats:
    """``(datasets, competitors)`` mean merits."""
    means: Floats = pd.DataFrame(board.merit).groupby(list(board.datasets), sort=True).mean().to_numpy()
    return means


def in_text(title: str) -> str:
    """A title as it reads inside a sentence: ``Balanced Brier score`` in lower case, ``AUROC`` as it is."""
    return title if title[1:2].isupper() else f"{title[:1].lower()}{title[1:]}"
