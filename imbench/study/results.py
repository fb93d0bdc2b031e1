"""Results: what a run gives back, and what a store holds."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from imbench.contract.errors import UsageError
from imbench.contract.records import Predictions
from imbench.contract.spec import parse_spec
from imbench.study.store import Store

if TYPE_CHECKING:
    import pandas as pd

    from imbench.study.leaderboard import Leaderboard


@dataclass(frozen=True, eq=False)
class Results:
    """Rows of results, the store they are in, and what the reader must know of how they came about.

    Parameters
    ----------
    rows : of `Store.frame`
    store : the store's folder
    notes : coverage and substitutions, one sentence each, for example ``partial: 12 of 27 configurations``
    """

    rows: pd.DataFrame
    store: Path
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "store", Path(self.store))
        object.__setattr__(self, "notes", tuple(self.notes))

    def frame(self) -> pd.DataFrame:
        """One row for each fold: what was trained, every metric, how training went; the caller's own copy."""
        return self.rows.copy()

    def failures(self) -> pd.DataFrame:
        """One row for each failed job: ``dataset, variant, strategy, protocol, error``."""
        columns = ["dataset", "variant", "strategy", "protocol", "error"]
        failed = self.rows[self.rows["error"] != ""].drop_duplicates("key")
        return failed[columns].reset_index(drop=True)

    def leaderboards(self, metrics: Sequence[str] = ("gmean", "bbs"), rule: str = "argmax") -> list[Leaderboard]:
        """A leaderboard for each protocol, task and metric.

        ``rule`` decides for all strategies: ``argmax``, ``tuned`` or ``prior-corrected`` (see
        `imbench.study.rules.RULES`). With ``each``, every strategy under every rule competes.
        """
        from imbench.study.leaderboard import leaderboards

        return leaderboards(self.rows, metrics, rule)

    def predictions(self, dataset: str, strategy: str, protocol: str | None = None) -> list[Predictions]:
        """Predictions of every fold of one job, by the specs of its dataset and strategy.

        Parameters
        ----------
        dataset : such as ``segment:ir=0.05``; parameters left out match anything, as long as one job is meant
        strategy : such as ``remix:alpha=0.3``, in full
        protocol : needed only where the store holds several

        Raises
        ------
        UsageError
            If no job that is done matches, or several do; it lists them.
        """
        done = self.rows[self.rows["error"] == ""].drop_duplicates("key")
        name, params = parse_spec(dataset)
        wanted = {f"{key}={value}" for key, value in params.items() if (key, value) not in _DEFAULTS}
        among = done[(done["dataset"] == name) & (done["strategy"] == strategy)]
        among = among[among["protocol"] == (protocol or among["protocol"])]
        found = {key: set(v.split(",")) - {"natural"} for key, v in zip(among["key"], among["variant"], strict=True)}
        keys = [key for key, has in found.items() if has == wanted] or [k for k, has in found.items() if wanted <= has]
        if len(keys) != 1:
            listed = sorted(_called(*job) for job in (among if keys else done)[_NAMING].itertuples(index=False))
            raise UsageError(
                f"{len(keys) or 'no'} jobs match dataset {dataset!r} and strategy {strategy!r}; "
                f"there are: {'; '.join(listed[:12]) or 'none'}{' …' if len(listed) > 12 else ''}"
            )
        return Store(self.store).predictions(keys[0])

    def __repr__(self) -> str:
        jobs, failed = self.rows["key"].nunique(), len(self.failures())
        configurations = self.rows[["dataset", "variant"]].drop_duplicates().shape[0]
        parts = [
            f"{jobs} jobs{f' ({failed} failed)' if failed else ''}: {configurations} configurations, "
            f"{self.rows['strategy'].nunique()} strategies, protocol {', '.join(sorted(set(self.rows['protocol'])))}",
            f"store {self.store}",
            *self.notes,
        ]
        return "Results of " + "\n  ".join(parts)

    def _repr_html_(self) -> str:
        from html import escape

        tables = [
            f"<h4>{escape(f'{board.task}, {board.metric.title}, {board.protocol}')}</h4>"
            + board.table.to_html(index=False, float_format="{:.4g}".format)
            for board in self.leaderboards()
        ]
        return f"<pre>{escape(repr(self))}</pre>" + "".join(tables)


_NAMING = ["dataset", "variant", "strategy", "protocol"]
_DEFAULTS = (("task", "binary"), ("seed", "0"), ("ir", "none"))


def _called(dataset: str, variant: str, strategy: str, protocol: str) -> str:
    return f"{dataset if variant == 'natural' else f'{dataset}:{variant}'} with {strategy} under {protocol}"


def load(
    path: str | os.PathLike[str], keys: Collection[str] | None = None, notes: Sequence[str] | None = None
) -> Results:
    """The results in a store's folder.

    Parameters
    ----------
    path : the folder
    keys : of the jobs to read; None reads all
    notes : what the reader must know; None gives the notes that the last run left in the store, and what is to be
        said of the strategies' source

    Raises
    ------
    StoreError
        If the folder is no store, or a newer imbench wrote it.
    """
    from imbench.study.source_marks import source_notes

    store = Store.open(path)
    rows = store.frame(keys)
    return Results(rows, store.path, (*store.notes(), *source_notes(rows)) if notes is None else tuple(notes))
