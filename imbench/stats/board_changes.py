"""Two boards side by side, such as of row-wise and grouped splits: their rankings, and the conclusions that change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from imbench.contract.errors import UsageError
from imbench.contract.names import suggest
from imbench.scoring.metrics import METRICS, Metric
from imbench.scoring.rules import ARGMAX, ruled_column
from imbench.stats.board import Board, make_board
from imbench.stats.leaderboard import rules_of
from imbench.stats.names import HEADLINE, called_alike, labelled
from imbench.stats.score_table import make_score_tables

NOT_SHOWN = "no difference shown"


@dataclass(frozen=True)
class Change:
    """A pair of competitors on which two boards conclude differently: ``a`` and ``b`` say who is better."""

    first: str
    second: str
    a: str
    b: str


@dataclass(frozen=True, eq=False)
class BoardChanges:
    """The boards of one task and metric in two sets of results, over the configurations and strategies of both.

    Parameters
    ----------
    a, b : the boards
    tau : Kendall's τ-b of the average ranks; NaN for fewer than two competitors, or if all ranks are tied
    changes : pairs of competitors with another conclusion. A conclusion is that one is better, by Wilcoxon's p after
        Holm's correction over all pairs, or that no difference is shown
    """

    a: Board
    b: Board
    tau: float
    changes: tuple[Change, ...]

    @property
    def pairs(self) -> int:
        """Number of pairs of competitors."""
        return len(self.table) * (len(self.table) - 1) // 2

    @property
    def table(self) -> pd.DataFrame:
        """A row for each competitor, in the order of A: average rank, place and mean in both."""
        ranks = [dict(zip(board.names, board.tests.average_ranks, strict=True)) for board in (self.a, self.b)]
        means = [dict(zip(board.names, board.means, strict=True)) for board in (self.a, self.b)]
        places = [{board.names[i]: place for place, i in enumerate(board.order, 1)} for board in (self.a, self.b)]
        return pd.DataFrame(
            [
                {"strategy": name}
                | {f"place_{side}": of[name] for side, of in zip("ab", places, strict=True)}
                | {f"rank_{side}": float(of[name]) for side, of in zip("ab", ranks, strict=True)}
                | {f"mean_{side}": float(of[name]) for side, of in zip("ab", means, strict=True)}
                for name in (self.a.names[i] for i in self.a.order)
                if name in ranks[1]
            ],
            columns=["strategy", *(f"{what}_{side}" for what in ("place", "rank", "mean") for side in "ab")],
        )


def kendall_tau(first: ArrayLike, second: ArrayLike) -> float:
    """Kendall's τ-b of two rankings ``(competitors,)``; NaN for fewer than two values or if all are tied in one.

    τ-b = (concordant − discordant) / √((pairs − ties in the first) (pairs − ties in the second)).

    >>> kendall_tau([1, 2, 3], [1, 3, 2])
    0.3333333333333333
    """
    signs = [np.sign(np.subtract.outer(ranks, ranks)) for ranks in map(np.asarray, (first, second))]
    untied = float(np.sqrt((signs[0] ** 2).sum() * (signs[1] ** 2).sum()))
    return float((signs[0] * signs[1]).sum() / untied) if untied else float("nan")


def board_changes(
    a: pd.DataFrame,
    b: pd.DataFrame,
    metrics: Sequence[str] = HEADLINE,
    rule: str = ARGMAX,
    alpha: float = 0.05,
    known_metrics: Mapping[str, Metric] = METRICS,
) -> list[BoardChanges]:
    """Compare the boards of two sets of rows (see `Store.frame`), for each task and metric that both have.

    Only configurations (dataset and variant) and strategies that both have are ranked.

    Raises
    ------
    UsageError
        For an unknown metric or rule, rows of several protocols, and rows without a common configuration.
    """
    for name in metrics:
        if name not in known_metrics:
            raise UsageError(f"unknown metric {name!r}; {suggest(name, known_metrics)}")
    rows = called_alike(*(labelled(frame[frame["error"] == ""]) for frame in (a, b)))
    for side, frame in zip("AB", rows, strict=True):
        protocols = sorted(set(frame["protocol"].astype(str)))
        if len(protocols) > 1:
            raise UsageError(
                f"{side} has results of {len(protocols)} protocols ({', '.join(protocols)}); choose one with "
                f"--protocol-{side.lower()}; {protocols[0].partition(':')[0]}: with a colon is that protocol alone"
            )
    wanted = [known_metrics[name] for name in metrics]
    found = []
    for task in sorted(set(rows[0]["task"].astype(str)) & set(rows[1]["task"].astype(str))):
        of_task = _shared([frame[frame["task"].astype(str) == task] for frame in rows])
        for metric in wanted if len(of_task[0]) else ():
            rules = rules_of(list(of_task[0].columns), metric, rule)
            boards = [_board(frame, metric, rules, rule, alpha) for frame in of_task]
            found.append(compared(*boards))
    if not found:
        raise UsageError("A and B have no configuration and strategy in common; compare results of the same datasets")
    return found


def _shared(frames: Sequence[pd.DataFrame]) -> list[pd.DataFrame]:
    """The rows of the configurations and strategies that both have."""
    shared = []
    for names in (["dataset", "variant"], ["strategy"]):
        keys = [pd.MultiIndex.from_frame(frame[names].astype("str")) for frame in frames]
        shared.append([keys[0].isin(keys[1]), keys[1].isin(keys[0])])
    return [frame[shared[0][i] & shared[1][i]] for i, frame in enumerate(frames)]


def _board(rows: pd.DataFrame, metric: Metric, rules: Sequence[str], rule: str, alpha: float) -> Board:
    columns = list(dict.fromkeys(ruled_column(metric, each) for each in rules))
    (score_table,) = make_score_tables(rows, columns)
    return make_board(score_table, metric, rules, rule, alpha)


def compared(a: Board, b: Board) -> BoardChanges:
    """The changes between two boards of the same metric, over the competitors that both rank."""
    names = [name for name in a.names if name in b.names]
    ranks = [[float(board.tests.average_ranks[board.names.index(name)]) for name in names] for board in (a, b)]
    changes = []
    for i, first in enumerate(names):
        for second in names[i + 1 :]:
            verdicts = [_conclusion(board, first, second) for board in (a, b)]
            if verdicts[0] != verdicts[1]:
                changes.append(Change(first, second, *verdicts))
    return BoardChanges(a, b, kendall_tau(*ranks), tuple(changes))


def _conclusion(board: Board, first: str, second: str) -> str:
    pair = board.tests.pair(first, second)
    if pair is None or not pair.p_holm <= board.alpha:
        return NOT_SHOWN
    better = first if pair.effect > 0 else second
    return f"{better} is better"
