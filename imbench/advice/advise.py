"""advise: train what a budget allows on one table, and read the verdict."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from imbench.advice.goals import Goal, goal_of
from imbench.advice.verdict import Advice, advise_rows
from imbench.advice.words import sentences
from imbench.contract.errors import UsageError
from imbench.data.variants import class_names, task_of
from imbench.model.card import Tried
from imbench.model.estimators import check_storable
from imbench.model.files import check_folder
from imbench.model.fit import fit
from imbench.runs.bench import Event, plan, run
from imbench.runs.machine import available_cores
from imbench.runs.own_table import FOLDS, path_of, spec_with, split_of, wide_enough
from imbench.runs.registry import Registry
from imbench.runs.request import RunRequest
from imbench.scoring.costs import costs_of
from imbench.scoring.rules import ARGMAX
from imbench.store.added import with_metrics
from imbench.store.results import Results

if TYPE_CHECKING:
    import pandas as pd

    from imbench.contract.records import Card
    from imbench.model.fitted import Model

# More repeats of five folds narrow an interval little, since all folds share their rows.
MOST_REPEATS = 4
# Seconds of training if none are given.
BUDGET = 120.0
# A baseline with fewer epochs than this is no baseline.
FEWEST_EPOCHS = 10


@dataclass(frozen=True, eq=False, repr=False)
class Advised:
    """Advice with what it rests on.

    Parameters
    ----------
    advice, goal : the answer and the question
    table : spec of the table
    results : the results behind it, for `imbench report`
    settings : protocol fields that the budget led to
    protocol : protocol that they change
    costs : costs of a missed row of the second class and of a false alarm; None without
    model : the model of the recipe; None if none was asked for
    unsaved : why there is no model although one was asked for
    """

    advice: Advice
    goal: Goal
    table: str
    results: Results
    settings: Mapping[str, str]
    protocol: str = "standard"
    costs: tuple[float, float] | None = None
    model: Model | None = None
    unsaved: str = ""

    @property
    def sentences(self) -> list[str]:
        """The answer in words, the most important one first."""
        return sentences(self.advice, self.goal)

    @property
    def tried(self) -> Tried:
        """The answer in words, and the table of all that was tried, for the terminal and for model cards."""
        header = ("model", "rule", self.goal.metric.title, "gain", "interval", "p")
        rows = tuple(
            (
                *(one.name, one.rule, f"{one.mean:.4f}", f"{one.effect:+.4f}"),
                *(f"{one.low:+.4f} to {one.high:+.4f}", f"{one.p:.2g}"),
            )
            for one in self.advice.candidates
        )
        return Tried(tuple(self.sentences), header, rows)

    def __str__(self) -> str:
        return "\n".join(self.sentences)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """The answer and what was tried, as notebooks show it."""
        from imbench.advice.page import cell

        return cell(self)


def advise(
    table: str | Path | pd.DataFrame,
    *,
    target: str | None = None,
    group: str | None = None,
    time: str | None = None,
    goal: str = "decisions",
    cost_fn: float | None = None,
    cost_fp: float | None = None,
    alpha: float = 0.05,
    budget: float | None = BUDGET,
    strategies: Sequence[str] | None = None,
    references: Sequence[str] | None = None,
    protocol: str = "standard",
    settings: Mapping[str, str] | None = None,
    store: str | Path = "imbench-advice",
    jobs: int | None = None,
    plugins: Sequence[str] = (),
    registry: Registry | None = None,
    progress: Callable[[Event], None] | None = None,
    read: Callable[[Card], None] | None = None,
    out: str | Path | None = None,
    overwrite: bool = False,
) -> Advised:
    """Whether rebalancing helps on one table, whether the probabilities may be trusted, and what to do.

    Trains the built-in strategies and references on repeated folds of the table and compares each with a plain net: for
    decisions with a tuned threshold, else as it is.

    Parameters
    ----------
    table : path of a table, its spec, such as ``visits.csv:target=ill,group=patient`` or that of `imbench.table`, or a
        data frame, which is written beside the store as Parquet
    target, group, time : columns of the classes, of groups that no fold splits, and of times (train on earlier rows,
        test on later ones); instead of those in a spec
    goal : ``decisions``, ``ranking`` or ``probabilities``
    cost_fn, cost_fp : costs of a missed row of the second class and of a false alarm; decisions then minimise the cost
    alpha : the largest chance that the recipe is no better than doing nothing, in (0, 1)
    budget : seconds of training, from 1 up; None for the full number of repeats and epochs. It is met roughly: the
        baseline of one repeat is trained first to estimate the rest
    strategies, references : what to compare; default: all built-in ones
    protocol, settings : protocol and changed fields, as for `imbench.run`
    store : folder of the results, which a second call reads
    registry : what is installed; default: a new one, with the strategies of the files ``plugins``
    jobs, plugins, progress : as for `imbench.run`
    read : called with the card of the table before any training, to show how its columns were read
    out : folder to write a model of the recipe to (see `imbench.fit`); None for no model
    overwrite : whether a model in that folder is replaced

    Raises
    ------
    UsageError before any training, for a table, column or value that cannot be used.
    """
    question = goal_of(goal, cost_fn, cost_fp)
    given = {"target": target, "group": group, "time": time}
    if not 0 < alpha < 1:
        raise UsageError(f"alpha must lie between 0 and 1, got {alpha:g}; 0.05 is usual")
    if budget is not None and not budget >= 1:
        raise UsageError(f"the budget must be at least 1 second, got {budget:g}")
    costs = costs_of(cost_fn, cost_fp)
    if out is not None:
        check_folder(out, overwrite)
    table = spec_with(path_of(table, Path(store)), {key: name for key, name in given.items() if name is not None})
    fields = {"folds": str(FOLDS), **split_of(table), **(settings or {})}
    request = RunRequest(
        datasets=(table,),
        protocol=protocol,
        store=Path(store),
        jobs=jobs,
        plugins=tuple(plugins),
        registry=registry or Registry(tuple(plugins)),
    )
    chosen = _built_in_strategies(request.registry) if strategies is None else list(strategies)
    chosen = chosen if "baseline" in chosen else ["baseline", *chosen]

    def trained(names: Sequence[str], others: Sequence[str] | None, fields: Mapping[str, str]) -> Results:
        return run(request, progress=progress, strategies=names, references=others, settings=fields)

    planned = plan(request, strategies=["baseline"], references=(), settings=fields)
    if question.metric.name == "cost" and any(job.variant.task != "binary" for job in planned.jobs):
        raise UsageError("costs are for two classes, and this table has more; use --goal decisions without costs")
    (card,) = planned.cards.values()
    if read is not None:
        read(card)
    fields = {**wide_enough(card, planned.protocol), **fields}
    if budget is None:
        fields = {"repeats": str(MOST_REPEATS), **fields}
    elif not {"repeats", "epochs"} & set(fields):
        first = trained(["baseline"], (), {"repeats": "1", "epochs": str(FEWEST_EPOCHS), **fields})
        fields = {**_affordable(budget, first, len(chosen), jobs), **fields}
    results = trained(chosen, references, fields)
    if question.metric.name not in results.metrics:
        results = with_metrics(results, [question.metric, *question.found])
    classes = _class_names(card, planned.jobs[0].variant.task)
    advice = advise_rows(results.rows, question, test_share=1 / int(fields["folds"]), alpha=alpha, classes=classes)
    found = Advised(advice, question, table, results, fields, protocol, costs)
    if out is None:
        return found
    try:
        model = fit_advised(
            found, out, overwrite=overwrite, jobs=jobs, plugins=plugins, registry=request.registry, progress=progress
        )
    except UsageError as error:
        return replace(found, unsaved=str(error))
    return replace(found, model=model)


def fit_advised(
    found: Advised,
    out: str | Path | None,
    *,
    overwrite: bool = False,
    jobs: int | None = None,
    plugins: Sequence[str] = (),
    registry: Registry | None = None,
    progress: Callable[[Event], None] | None = None,
    command: str = "",
) -> Model:
    """Fit the advised recipe to the whole table; the parameters and errors are those of `imbench.fit`.

    Its card lists all that was tried.
    """
    advice = found.advice
    as_it_is = found.goal.name == "probabilities" and advice.rule == ARGMAX
    return fit(
        found.table,
        strategy=advice.recipe,
        out=out,
        overwrite=overwrite,
        rule=advice.rule,
        cost_fn=None if found.costs is None else found.costs[0],
        cost_fp=None if found.costs is None else found.costs[1],
        recalibrate=not as_it_is,
        protocol=found.protocol,
        settings=found.settings,
        store=found.results.store,
        jobs=jobs,
        plugins=plugins,
        registry=registry,
        progress=progress,
        command=command or f"imbench.advise({found.table!r}, goal={found.goal.name!r}, out=…)",
        tried=found.tried,
    )


def not_storable(registry: Registry, references: Sequence[str] | None) -> list[str]:
    """For each reference that a model folder cannot store, a sentence that says so."""
    own = registry.built_in_references() if references is None else [registry.reference(spec) for spec in references]
    found = []
    for reference in own:
        try:
            check_storable(reference)
        except UsageError as error:
            found.append(f"{error}; if the advice is to use it, no model is written")
    return found


def _class_names(card: Card, task: str) -> tuple[str, ...]:
    return class_names(list(card.class_counts), task, task_of(card, task).minority)


def _built_in_strategies(registry: Registry) -> list[str]:
    """The built-in strategies for tables that compare with others: no wrappers."""
    from imbench.contract.modality import TABULAR

    found = []
    for entry in registry.entries("strategy"):
        if entry.package == "imbench":
            cls = entry.load()
            if cls.run_by_default and TABULAR.name in cls.modalities:
                found.append(entry.name)
    return found


def _affordable(budget: float, first: Results, strategies: int, jobs: int | None) -> dict[str, str]:
    """Repeats and epochs that fit the budget, from the time of a baseline of few epochs."""
    cores = max(1, jobs or available_cores())
    # References take about as long as the strategies, and strategies up to twice as long as the baseline.
    an_epoch = 3 * strategies * len(first.rows) * float(first.rows["seconds"].min()) / FEWEST_EPOCHS / cores
    for repeats in range(MOST_REPEATS, 0, -1):
        if an_epoch * repeats * _EXPECTED_EPOCHS <= budget:
            return {"repeats": str(repeats)}
    return {"repeats": "1", "epochs": str(max(FEWEST_EPOCHS, int(budget / an_epoch)))}


# Epochs that a net of `standard` trains for on a table of middle size, before it ends early.
_EXPECTED_EPOCHS = 300
