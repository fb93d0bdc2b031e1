"""fit: train one recipe on a whole table, and keep what is needed to predict new rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from imbench.contract.errors import UsageError
from imbench.contract.names import suggest
from imbench.contract.spec import TABLE_SUFFIXES, is_table, parse_spec
from imbench.data.whole_split import split_whole
from imbench.model.card import Facts, Tried, about, card_text
from imbench.model.decision import OF_BATCHES, check_rule, decide_by
from imbench.model.encoding import encoding_of
from imbench.model.estimators import check_storable
from imbench.model.files import check_folder, save
from imbench.model.fitted import Model
from imbench.model.scores import rows_of, scores_of
from imbench.model.training import train_nets, train_reference
from imbench.runs.bench import Event, plan, run
from imbench.runs.own_table import FOLDS, path_of, spec_with, split_of, wide_enough
from imbench.runs.registry import Registry
from imbench.runs.request import RunRequest
from imbench.scoring.costs import costs_of
from imbench.scoring.recalibration import unchanged
from imbench.scoring.rules import fitted_recalibration
from imbench.stats.names import BASELINE

if TYPE_CHECKING:
    import pandas as pd

    from imbench.contract.records import Card

# Nets of a model: their mean varies less with the random numbers than one net does.
NETS, MOST_NETS = 5, 100
# Repeats of cross-validation, unless the user sets another number.
REPEATS = 2
# Where results of cross-validation are kept, together with those of `imbench advise`.
STORE = "imbench-advice"


def fit(
    table: str | Path | pd.DataFrame,
    *,
    target: str | None = None,
    group: str | None = None,
    time: str | None = None,
    strategy: str = BASELINE,
    out: str | Path | None = None,
    overwrite: bool = False,
    rule: str = "tuned",
    cost_fn: float | None = None,
    cost_fp: float | None = None,
    recalibrate: bool = True,
    nets: int = NETS,
    protocol: str = "standard",
    settings: Mapping[str, str] | None = None,
    store: str | Path = STORE,
    jobs: int | None = None,
    plugins: Sequence[str] = (),
    registry: Registry | None = None,
    progress: Callable[[Event], None] | None = None,
    read: Callable[[Card], None] | None = None,
    command: str = "",
    tried: Tried | None = None,
) -> Model:
    """Train a strategy on a whole table: a model that predicts new rows.

    The recipe is cross-validated first, for honest scores. Then ``nets`` nets are trained on the whole table except
    its validation rows. Their mean probabilities are recalibrated on these rows, and the decision rule is fitted on
    them (docs/model.md).

    Parameters
    ----------
    table : path of a table, its spec, such as ``visits.csv:target=ill,group=patient``, or a data frame, which is
        written beside the store as Parquet
    target, group, time : columns of the classes, of groups that no split divides, and of times (validation rows are
        the latest ones); instead of those in a spec
    strategy : spec of a strategy, or of a built-in reference
    out : folder to write the model to; None to write nothing
    overwrite : whether a model in that folder is replaced
    rule : decision rule, a key of `imbench.scoring.rules.RULES`
    cost_fn, cost_fp : costs of a missed row of the second class and of a false alarm, which decide instead of the rule
    recalibrate : whether probabilities are recalibrated
    nets : number of nets, which differ in their random numbers only; a reference is fitted once
    protocol, settings : protocol and changed fields, as for `imbench.run`
    store : folder of the cross-validation's results, which a second call reads
    jobs, plugins, registry, progress : as for `imbench.run`
    read : called with the card of the table before any training, to show how its columns were read
    command : the command that makes the model again, for the model card
    tried : what was compared with this recipe, for the model card

    Returns
    -------
    The model, whose ``card`` is the model card.

    Raises
    ------
    UsageError before any training, for a table, column or value that cannot be used.
    """
    costs = costs_of(cost_fn, cost_fp)
    if isinstance(nets, bool) or not isinstance(nets, int) or not 1 <= nets <= MOST_NETS:
        raise UsageError(f"a model has 1 to {MOST_NETS} nets, got {nets!r}")
    if out is not None:
        check_folder(out, overwrite)
    given = {"target": target, "group": group, "time": time}
    spec = spec_with(path_of(table, Path(store)), {key: name for key, name in given.items() if name is not None})
    known = registry or Registry(tuple(plugins))
    recipe, is_reference = _recipe(strategy, known, rule)
    request = RunRequest(
        datasets=(spec,), protocol=protocol, store=Path(store), jobs=jobs, plugins=tuple(plugins), registry=known
    )
    # A run needs a strategy; a reference is shown beside the plain net.
    request = RunRequest.of(
        request,
        {"strategies": [BASELINE if is_reference else recipe], "references": [recipe] if is_reference else ()},
    )
    fields = {"folds": str(FOLDS), "repeats": str(REPEATS), **split_of(spec), **(settings or {})}
    _check_table(spec)
    planned = plan(request, settings=fields)
    card = next(iter(planned.cards.values()))
    fields = {**wide_enough(card, planned.protocol), **fields}
    planned = plan(request, settings=fields)
    job = next(job for job in planned.jobs if job.strategy == recipe)
    dataset = known.dataset(job.variant.spec, request.sources, planned=True, column=job.protocol.split_column)
    check_rule(rule, dataset.classes, costs)
    split_whole(dataset, job.protocol)
    encoding = encoding_of(dataset)
    if read is not None:
        read(card)
    results = run(request, progress=progress, settings=fields)
    rows_of(results, recipe)  # raises if it failed
    if is_reference:
        trained = train_reference(dataset, planned.references[recipe], job.protocol)
    else:
        trained = train_nets(dataset, planned.strategies[recipe], job.protocol, nets)
    natural = trained.train_counts.astype(np.float64)
    decision = decide_by(rule, costs, trained.validation, trained.trained_prior, natural)
    model = Model(
        tuple(dataset.class_names),
        encoding,
        trained.scorer,
        fitted_recalibration(trained.validation) if recalibrate else unchanged(dataset.classes),
        decision,
        recipe,
    )
    scores = scores_of(results, recipe, decision, model.classes, recalibrate)
    asked = command or f"imbench.fit({spec!r}, strategy={recipe!r}, rule={rule!r}, …)"
    facts = Facts(dataset, job, trained, scores, asked, tried, planned.origins[recipe])
    model = replace(model, about=about(facts), card=card_text(facts, model))
    if out is not None:
        save(model, out, overwrite)
    return model


def _recipe(spec: str, registry: Registry, rule: str) -> tuple[str, bool]:
    """The canonical spec of a strategy or reference, and whether it is a reference.

    Raises `UsageError` for a name that is neither, and for a reference that a model folder cannot store.
    """
    name, _ = parse_spec(spec)
    strategies = [entry.name for entry in registry.entries("strategy")]
    references = [entry.name for entry in registry.entries("reference")]
    if name.rpartition("/")[2] in references and name not in strategies:
        reference = registry.reference(spec)
        check_storable(reference)
        if rule in OF_BATCHES:
            raise UsageError(f"--rule {rule} needs batches, which a reference does not have; use --rule recalibrated")
        return reference.spec, True
    if name.rpartition("/")[2] not in strategies:
        raise UsageError(f"unknown strategy {name!r}; {suggest(name, [*strategies, *references])}")
    return registry.select(spec).spec, False


def _check_table(spec: str) -> None:
    name, _ = parse_spec(spec)
    if not is_table(name):
        raise UsageError(
            f"a model is fitted to a table of your own, and {name!r} is no file of one ({', '.join(TABLE_SUFFIXES)}); "
            "for a dataset of imbench use imbench run"
        )
