"""Spread: what the scores of nets vary with, and intervals of the means on leading boards over nets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from imbench.report.columns import Column
from imbench.scoring.rules import EACH
from imbench.stats.board import Board
from imbench.stats.components import NetInterval, component_table, missing_sources, net_intervals, with_places
from imbench.stats.names import by_label

# Intervals of more competitors would take longer than the rest of the report; the ranks of so many say little anyway.
MOST_COMPETITORS = 40
# Columns of rows that the spread is computed from, besides those of scores.
_READ = (
    *("protocol", "task", "dataset", "data_hash", "variant", "strategy", "error", "n_train", "n_test"),
    *("draw", "repeat", "fold", "train_seed"),
)


@dataclass(frozen=True)
class Spread:
    """What scores vary with besides the dataset.

    Parameters
    ----------
    intervals : of the competitors on each leading board of one decision rule, by its slug
    missing : sources of variance that no interval contains, a sentence each
    components : a row for each configuration, strategy and headline column under protocols with several draws or
        training seeds, as `imbench.stats.components.component_table` describes, with ``protocol`` and ``task``
    """

    intervals: Mapping[str, tuple[NetInterval, ...]]
    missing: tuple[str, ...]
    components: tuple[Mapping[str, object], ...]


def spread_of(rows: pd.DataFrame, boards: Sequence[Board], columns: Sequence[Column]) -> Spread:
    """The spread of these labelled rows; ``boards``: the leading ones, ``columns``: those of the headline."""
    names = [column.name for column in columns if column.name in rows]
    rows = rows[[name for name in (*_READ, *names) if name in rows]]
    rows = by_label(with_places(rows[rows["error"] == ""]))
    groups = {(str(p), str(t)): group for (p, t), group in rows.groupby(["protocol", "task"], observed=True)}
    intervals = {
        board.slug: tuple(net_intervals(board, groups[board.protocol, board.task]))
        for board in boards
        if board.rule != EACH and 0 < len(board.names) <= MOST_COMPETITORS and board.configurations
    }
    components = [
        component_table(group, names).assign(protocol=protocol, task=task)
        for (protocol, task), group in groups.items()
        if group[["draw", "train_seed"]].to_numpy().any()
    ]
    found = [{str(k): v for k, v in row.items()} for table in components for row in table.to_dict("records")]
    return Spread(intervals, missing_sources(intervals.values()), tuple(found))
