"""Results of a run or of a store."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from imbench.contract.errors import UsageError
from imbench.contract.names import counted
from imbench.contract.protocol import caveat
from imbench.contract.records import Predictions
from imbench.contract.spec import parse_spec
from imbench.scoring.metrics import METRICS, Metric
from imbench.stats.names import HEADLINE, by_label, rows_of_dataset, without_trials
from imbench.stats.scope import Scope
from imbench.store.contents import Contents
from imbench.store.selection import DATASET_DEFAULTS, dataset_specs, matching, select
from imbench.store.store import Store

if TYPE_CHECKING:
    import pandas as pd

    from imbench.stats.leaderboard import Leaderboard
    from imbench.store.trials import Tuning


@dataclass(frozen=True, eq=False)
class Results:
    """Rows of results, with their store and the notes of the run.

    Parameters
    ----------
    rows : rows of `Store.frame`
    store : the store's folder
    notes : sentences on the run, such as ``Data ready: 12 of 27 configurations``; for a loaded store only facts that
        are not in its rows, since reports derive the others (`imbench.store.completeness`)
    scope : the configurations that boards are over
    added : metrics of plugins with columns in the rows (`imbench.store.added.with_metrics`)
    """

    rows: pd.DataFrame
    store: Path
    notes: tuple[str, ...] = ()
    scope: Scope = field(default_factory=Scope)
    added: tuple[Metric, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "store", Path(self.store))
        object.__setattr__(self, "notes", tuple(self.notes))

    @property
    def metrics(self) -> Mapping[str, Metric]:
        """Every metric of these results by name: those of imbench, and those added from plugins."""
        return METRICS | {metric.name: metric for metric in self.added}

    def frame(self) -> pd.DataFrame:
        """A copy of the rows, one for each fold: the job, every metric, measurements of training."""
        return self.rows.copy()

    def failures(self) -> pd.DataFrame:
        """One row for each failed job: ``dataset, variant, strategy, protocol, error``."""
        columns = ["dataset", "variant", "strategy", "protocol", "error"]
        failed = self.rows[self.rows["error"] != ""].drop_duplicates("key")
        return failed[columns].reset_index(drop=True)

    def select(
        self,
        strategies: Sequence[str] = (),
        datasets: Sequence[str] = (),
        references: Sequence[str] | None = None,
    ) -> Results:
        """The results of these strategies and references on these datasets only.

        Without names, all are selected; ``references=()`` selects no reference. ``remix`` means ReMix with any
        parameters, ``remix:`` ReMix at its defaults, ``remix:alpha=0.3`` this one only; likewise ``segment`` means all
        its variants and ``segment:ir=0.05`` one.

        Raises
        ------
        UsageError
            For a name that matches nothing, with suggestions.
        """
        return replace(self, rows=select(self.rows, strategies, datasets, references=references))

    def leaderboards(
        self, metrics: Sequence[str] = HEADLINE, rule: str = "argmax", *, references: bool = False
    ) -> list[Leaderboard]:
        """A leaderboard of the strategies for each protocol, task and metric.

        ``rule`` is the decision rule of all strategies, a key of `imbench.scoring.rules.RULES`. With ``each`` every
        strategy competes under every rule. With ``references`` strategies and references are ranked together; without
        references there are then no leaderboards.
        """
        from imbench.stats.leaderboard import leaderboards

        return leaderboards(self.rows, metrics, rule, self.scope, self.metrics, references)

    def tuning(self, metric: str = "bbs") -> Tuning:
        """What selection among the trials of ``imbench run --tune`` gives: default, tuned and ensembled rows.

        Parameters
        ----------
        metric : the metric by which a trial is selected on the validation rows of a fold

        Raises
        ------
        UsageError for results without trials, and for an unknown metric.
        """
        from imbench.store.trials import tuning_of

        return tuning_of(self.rows, Store.open(self.store), metric, added=self.added, scope=self.scope)

    def predictions(self, dataset: str, strategy: str, protocol: str | None = None) -> list[Predictions]:
        """Predictions of every fold of one job, by the specs of its dataset and strategy.

        Trials of a tuned run are found by their protocol's name, default configurations also without it.

        Parameters
        ----------
        dataset : such as ``segment:ir=0.05``; omitted parameters match anything, as long as one job matches; a file by
            any of its paths or its label in reports
        strategy : such as ``remix:alpha=0.3``; ``remix`` is ReMix at its defaults if the store has it
        protocol : needed only if the store has several

        Raises
        ------
        UsageError
            If no finished job matches, or several do; the message lists them.
        """
        rows = self.rows if protocol else without_trials(self.rows)
        done = rows[rows["error"] == ""].drop_duplicates("key")
        among = done[done["strategy"].isin(matching(strategy, set(done["strategy"]), one=True))]
        among = among[among["protocol"] == (protocol or among["protocol"])]
        name, _ = parse_spec(dataset)
        # Data under another path or label gets the given name.
        mine = rows_of_dataset(among, name)
        among = mine.assign(dataset=name) if len(mine) else among
        specs = dataset_specs(among)
        keys = list(among["key"][specs.isin(matching(dataset, set(specs), DATASET_DEFAULTS, one=True))])
        if len(keys) != 1:
            listed = sorted(_called(*job) for job in (among if keys else done)[_NAMING].itertuples(index=False))
            raise UsageError(
                f"{len(keys) or 'no'} jobs match dataset {dataset!r} and strategy {strategy!r}; "
                f"the store has: {'; '.join(listed[:12]) or 'none'}{' …' if len(listed) > 12 else ''}"
            )
        return Store(self.store).predictions(keys[0])

    def __repr__(self) -> str:
        jobs, failed = self.rows["key"].nunique(), len(self.failures())
        configurations = by_label(self.rows)[["dataset", "variant"]].drop_duplicates().shape[0]
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
            + (f"<p>{escape(caveat(board.protocol))}</p>" if caveat(board.protocol) else "")
            + board.table.to_html(index=False, float_format="{:.4g}".format)
            for board in self.leaderboards()
        ]
        return f"<pre>{escape(repr(self))}</pre>" + "".join(tables)


_NAMING = ["dataset", "variant", "strategy", "protocol"]


def _called(dataset: str, variant: str, strategy: str, protocol: str) -> str:
    return f"{dataset if variant == 'natural' else f'{dataset}:{variant}'} with {strategy} under {protocol}"


def load(path: str | os.PathLike[str], keys: Collection[str] | None = None) -> Results:
    """The results in a store's folder.

    Parameters
    ----------
    path : the folder
    keys : keys of the jobs to read; None reads all jobs

    Returns
    -------
    Their rows, with every column; text is categorical in more than a million rows, to save memory.

    Raises
    ------
    StoreError
        If the folder is not a store, or a newer imbench wrote it.
    """
    from imbench.store.source_marks import READ_BY_NOTES, retrain_notes, source_notes

    store = Store.open(path)
    contents = store.contents()
    rows = contents.frame(keys)
    known = (*source_notes(contents.jobs(keys, READ_BY_NOTES)), *retrain_notes(store.failed_retrains(keys)))
    return Results(rows, store.path, (*known, *damage_notes(contents, keys)))


def damage_notes(contents: Contents, keys: Collection[str] | None = None) -> list[str]:
    """Notes on the jobs in a store, or those among `keys`, that have damaged or missing files."""
    among = None if keys is None else frozenset(keys)
    lost = [key for key in contents.incomplete() if among is None or key in among]
    notes = []
    if lost:
        their = "their" if len(lost) > 1 else "its"
        notes.append(
            f"{counted(len(lost), 'job is', 'jobs are')} omitted because {their} files in {contents.path} are damaged "
            "or missing; run these jobs again"
        )
    if stuck := contents.damaged_in_place():
        notes.append(
            f"{counted(len(stuck), 'damaged file')} cannot be set aside because {contents.path} is not writable: "
            f"{', '.join(f'{file.parent.name}/{file.name}' for file in list(stuck)[:3])}"
        )
    return notes
