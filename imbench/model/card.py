"""The model card: what a model was made of, how well it does, and what that does not say."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any

import numpy as np

from imbench.contract.names import counted
from imbench.contract.records import Dataset, Job
from imbench.data.folds import training_share
from imbench.model.fitted import PREDICTED, PROBABILITY, Model
from imbench.model.scores import Score
from imbench.model.training import Trained
from imbench.runs.jobs import facts_of
from imbench.runs.plan import Origin
from imbench.scoring.recalibration import ASKED

_VERSIONS = ("imbench", "numpy", "pandas", "scikit-learn", "torch")
# How each rule decides, in a model that also recalibrates.
_RULES = {
    "argmax": "the class of the largest probability of the nets, before recalibration",
    "tuned": "the class of the largest weighted probability, with the weights (for two classes: a threshold) that have "
    "the largest g-mean on the validation rows",
    "prior-corrected": "the class of the largest probability after correction from the class frequencies in the "
    "batches to those of the training rows",
    "recalibrated": "the class of the largest recalibrated probability",
    "balanced-prior": "the class of the largest probability after correction from the class frequencies in the "
    "batches to equal ones",
}
_SPLITS = {
    "stratified": "each part has its share of every class",
    "grouped": "all rows of a group are in one part",
    "ordered": "training rows precede validation rows, which precede test rows",
}


@dataclass(frozen=True)
class Tried:
    """What was compared with the recipe.

    Parameters
    ----------
    sentences : the comparison in words
    header, rows : a table of all models
    """

    sentences: tuple[str, ...]
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, eq=False)
class Facts:
    """What a card is about.

    Parameters
    ----------
    dataset, job : the table, and the job of the cross-validation
    trained : what was trained on the whole table
    scores : of the cross-validation
    command : the command that makes the model again
    tried : what else was compared; None for nothing
    origin : package and source of the strategy
    """

    dataset: Dataset
    job: Job
    trained: Trained
    scores: tuple[Score, ...]
    command: str
    tried: Tried | None
    origin: Origin


def versions() -> dict[str, str]:
    """Versions of what the numbers depend on."""
    return {**{name: version(name) for name in _VERSIONS}, "python": str(facts_of("cpu")["python"])}


def about(facts: Facts) -> dict[str, Any]:
    """The facts as plain values."""
    dataset, job, trained = facts.dataset, facts.job, facts.trained
    return {
        "command": facts.command,
        "data": {
            "name": dataset.card.title,
            "spec": job.variant.spec,
            "hash": dataset.data_hash,
            "rows": len(dataset.y),
            "class_rows": dict(zip(dataset.class_names, dataset.class_counts.tolist(), strict=True)),
            "reading": dataset.card.reading,
            "columns": [column.to_json() for column in dataset.card.columns],
        },
        "split": {
            "kind": job.protocol.split,
            "train_rows": len(trained.fold.train),
            "validation_rows": len(trained.fold.validation),
        },
        "strategy": f"{job.strategy_name}@{job.strategy_version}",
        "package": f"{facts.origin.package} {facts.origin.package_version}",
        "protocol": {"name": job.protocol.name, **job.protocol.identity()},
        "epochs": list(trained.epochs),
        "scores": [{name: _finite(value) for name, value in asdict(one).items()} for one in facts.scores],
        "versions": versions(),
    }


def card_text(facts: Facts, model: Model) -> str:
    """The card as Markdown."""
    parts = (_data, _training, _scores, _probabilities, _decision, _tried, _limits, _again)
    lines = [f"# Model of `{facts.dataset.card.target}` in {facts.dataset.card.title}", ""]
    for part in parts:
        found = list(part(facts, model))
        lines += [*found, ""] if found else []
    return "\n".join(lines).rstrip() + "\n"


def _data(facts: Facts, model: Model) -> Iterator[str]:
    dataset = facts.dataset
    card = dataset.card
    yield "## Data"
    yield ""
    rows = counted(len(dataset.y), "row")
    yield f"{rows} of `{card.title}` ({card.reading}). SHA-256 of the values: {dataset.data_hash}."
    yield ""
    yield from _table(
        ("class", "rows", "share"),
        [
            (label, f"{count:,}", f"{count / len(dataset.y):.1%}")
            for label, count in zip(dataset.class_names, dataset.class_counts.tolist(), strict=True)
        ],
    )
    yield ""
    yield "How the columns were read:"
    yield ""
    yield from _table(
        ("column", "kind", "missing", "distinct", "what becomes of it", "inputs"),
        [tuple(map(str, column.row)) for column in card.columns],
    )


def _training(facts: Facts, model: Model) -> Iterator[str]:
    job, trained = facts.job, facts.trained
    yield "## Training"
    yield ""
    train, validation = len(trained.fold.train), len(trained.fold.validation)
    how = _SPLITS[job.protocol.split]
    if trained.epochs:
        what = counted(len(trained.epochs), "dense net")
        yield (
            f"Strategy `{model.recipe}`, protocol `{job.protocol.name}`. {what}, trained on the same {train:,} rows "
            f"with other random numbers ({', '.join(map(str, trained.epochs))} epochs). Their probabilities are "
            "averaged."
        )
    else:
        yield f"Reference `{model.recipe}`, fitted once on {train:,} rows."
    yield (
        f"No training used the other {counted(validation, 'row')}: recalibration and decision rule were fitted on "
        "them. The standardisation of the inputs used all rows, without their classes. "
        f"The split is {job.protocol.split}: {how}."
    )


def _scores(facts: Facts, model: Model) -> Iterator[str]:
    protocol = facts.job.protocol
    yield "## Scores"
    yield ""
    yield (
        f"{protocol.repeats} x {protocol.folds} cross-validation of the same recipe, each fold with a single net and "
        "its own recalibration and decision rule, scored on rows that the fold did not see. Intervals have 95 % and "
        "are corrected for folds that share training rows (Nadeau and Bengio 2003)."
    )
    yield ""
    yield from _table(
        ("metric", "of", "mean", "interval"), [_row(one) for one in facts.scores if one.of[:6] != "before"]
    )


def _probabilities(facts: Facts, model: Model) -> Iterator[str]:
    found = {(one.name, one.of): one for one in facts.scores}
    yield "## Probabilities"
    yield ""
    fit = model.recalibration
    yield f"Recalibrated by {fit.method}, slope {fit.slope:.3g}." if fit.method != ASKED else "Not recalibrated."
    for name, what in (("ece", "Stated and observed frequencies differ by"), ("calibration_slope", "The slope is")):
        after, before = found.get((name, "probabilities")), found.get((name, "before recalibration"))
        if after:
            end = " on average" if name == "ece" else " (1 is right, below 1 is too extreme)"
            then = f"; before recalibration {_number(before.mean)}" if before else ""
            yield f"{what} {_number(after.mean)}{_interval(after)}{end}{then}."


def _decision(facts: Facts, model: Model) -> Iterator[str]:
    decision, validation = model.decision, facts.trained.validation
    yield "## Decision"
    yield ""
    if decision.costs is not None:
        missed, alarm = decision.costs
        yield (
            f"By costs: {missed:g} for a missed row of `{model.classes[1]}`, {alarm:g} for a false alarm. The class "
            "with the smaller expected cost is decided."
        )
    else:
        yield f"Rule `{decision.rule}`: {_RULES[decision.rule]}."
    threshold = decision.threshold(model.recalibration)
    if threshold is not None:
        yield (
            f"So `{PREDICTED}` is `{model.classes[1]}` where `{PROBABILITY}{model.classes[1]}` is above "
            f"{threshold:.4g}."
        )
    decided = decision(validation.proba, model.recalibration(validation.proba))
    yield "On the validation rows, on which the rule was fitted, it decided:"
    yield ""
    header = ("class", *(f"decided {label}" for label in model.classes))
    counts = np.zeros((len(model.classes),) * 2, dtype=int)
    np.add.at(counts, (validation.y, decided), 1)
    yield from _table(
        header, [(label, *map(str, row)) for label, row in zip(model.classes, counts.tolist(), strict=True)]
    )
    if decision.costs is not None:
        missed, alarm = decision.costs
        total = missed * counts[1, 0] + alarm * counts[0, 1]
        yield ""
        yield f"That costs {total:g} in all, {total / counts.sum():.3g} for each row."


def _tried(facts: Facts, model: Model) -> Iterator[str]:
    yield "## What was tried"
    yield ""
    if facts.tried is None:
        yield "Only this recipe. `imbench advise` compares it with others."
        return
    yield from facts.tried.sentences
    if facts.tried.rows:
        yield ""
        yield from _table(facts.tried.header, facts.tried.rows)


def _limits(facts: Facts, model: Model) -> Iterator[str]:
    yield "## Limits"
    yield ""
    if facts.trained.epochs:
        nets, share = len(facts.trained.epochs), training_share(facts.job.protocol)
        own = len(facts.trained.fold.train) / len(facts.dataset.y)
        yield (
            f"- The scores are of single nets that train on {share:.0%} of the rows; this model averages "
            f"{counted(nets, 'net')} that trained on {own:.0%} of them, so its own scores differ, and are not measured."
        )
    yield "- They hold for rows like these: other times, places, or ways of measuring may give other scores."
    if facts.job.protocol.split == "stratified":
        yield (
            "- Rows were split at random. If several rows belong to one person or thing, or time matters, give --group "
            "or --time: otherwise scores are too good."
        )
    yield (
        "- Probabilities hold for the class frequencies of this table. Where a class is rarer or more frequent, they "
        "are wrong, and so is the threshold."
    )
    rarest = int(np.bincount(facts.trained.validation.y, minlength=len(model.classes)).min())
    yield f"- The rarest class has {counted(rarest, 'validation row')}: so few rows decide recalibration and threshold."
    if facts.tried is not None:
        yield "- The recipe was chosen by the same folds that score it, so its scores are slightly too good."


def _again(facts: Facts, model: Model) -> Iterator[str]:
    yield "## Made by"
    yield ""
    yield f"    {facts.command}"
    yield ""
    yield ", ".join(f"{name} {number}" for name, number in versions().items()) + "."
    yield f"Strategy from {facts.origin.package} {facts.origin.package_version}."


def _row(one: Score) -> tuple[str, ...]:
    return one.title, one.of, _number(one.mean), _interval(one).strip(" ()") or "too few folds"


def _interval(one: Score) -> str:
    return "" if math.isnan(one.low) else f" ({_number(one.low)} to {_number(one.high)})"


def _number(value: float) -> str:
    return "undefined" if math.isnan(value) else f"{value:.3f}"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    for cells in (header, ["---"] * len(header), *rows):
        yield "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
