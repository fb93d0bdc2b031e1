"""The decisions behind the reproduction, each with the measured effect of the alternative."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imbench.contract.errors import DataError
from imbench.reproduce import imputation
from imbench.reproduce.context import PLUGIN
from imbench.reproduce.differences import RIVALS, Decision, Pairing, described, differences, floors, summary
from imbench.reproduce.paper_item import Numbers, PaperItem
from imbench.reproduce.second_baseline import BASELINE, COST_ADJUSTED
from imbench.reproduce.spread import percent
from imbench.stats.words import listed, number

if TYPE_CHECKING:
    import pandas as pd

    from imbench.reproduce.context import ReproductionContext

_PAIR = ("baseline", "remix")

_BINARY = ("segment:ir=0.05", "landsat_satellite:ir=0.025", "ozone_onehr:ir=0.025")
_MULTICLASS = (
    "landsat_satellite:task=multiclass,ir=0.1",
    "optdigits:task=multiclass,ir=0.1",
    "landsat_satellite:task=multiclass,ir=0.05",
)
_BOTH = (*_BINARY, _MULTICLASS[0])
SCHEDULE = "schedule"
IMPUTATION = "imputation"
CLASS_WEIGHTS = "class-weights"

DECISIONS = (
    Decision(
        "width",
        "Width of the hidden layers with more than two classes",
        "three layers, width not stated",
        "2(d + K)/0.75",
        "2(d + K)/3, as for two classes",
        "2(d + K)/0.75 (four times as wide)",
        _MULTICLASS,
        settings={"multiclass_width_divisor": "0.75"},
    ),
    Decision(
        "alpha",
        "α of ReMix",
        "0.1 in the tables; 0.3 is “likely a good setting”",
        "0.1 for the tables",
        "0.1",
        "0.3",
        _BOTH,
        swapped={"remix": "remix:alpha=0.3"},
    ),
    Decision(
        "last-batch",
        "Incomplete last batch of an epoch",
        "not stated",
        "dropped",
        "dropped",
        "kept",
        # The training rows of landsat_satellite at 0.1 make exactly 23 batches, so none is incomplete.
        (*_BINARY, _MULTICLASS[2]),
        settings={"drop_last": "false"},
    ),
    Decision(
        IMPUTATION,
        "Missing values",
        "not stated",
        "imputed from the whole file before it is split",
        "imputation inside the fold",
        "imputation from the whole file",
        ("ozone_onehr:ir=0.01", "ozone_onehr:ir=0.025", "aps_failure_head9000:ir=0.01", "segment:ir=0.05"),
        strategies=_PAIR,
    ),
    Decision(
        "draw",
        "How ReMix balances a batch",
        "B/C rows of each class (Algorithm 1)",
        "every class oversampled to the size of the largest, then B rows drawn from all classes",
        "Algorithm 1",
        "the two steps of the authors' code",
        _BOTH,
        swapped={"remix": "remix-two-step"},
    ),
    Decision(
        "loss",
        "Loss of binary tasks",
        "cross-entropy",
        "Keras's binary cross-entropy of the two-way softmax",
        "categorical cross-entropy",
        "Keras's binary cross-entropy",
        _BINARY,
        swapped={"baseline": "keras-loss", "remix": "keras-loss:inner=remix"},
        strategies=_PAIR,
    ),
    Decision(
        CLASS_WEIGHTS,
        "Class weights as the published code passes them",
        "cost adjustment, no formula",
        "class_weight as a NumPy array: Keras of TensorFlow 2.0 and 2.1 used class weights only if they were a dict, "
        "and later versions raise an error; so the printed column is most likely the baseline run again (the version "
        "is not stated)",
        "each class weighs n/(K n_class) in the loss",
        "class weights ignored",
        _BOTH,
        swapped={COST_ADJUSTED: BASELINE},
        strategies=(BASELINE, COST_ADJUSTED, "batch-smote", "remix"),
        changes=COST_ADJUSTED,
    ),
    Decision(
        SCHEDULE,
        "Learning-rate schedule",
        "not stated",
        "reduced when the training loss stalls",
        "reduction when the training loss stalls",
        "cosine decay over all epochs",
        _BOTH,
        settings={"schedule": "cosine"},
    ),
)


def decisions(context: ReproductionContext) -> PaperItem:
    """Compare our choice with the alternative for each of `DECISIONS`, on the same folds, by g-mean and BBS.

    Under ``smoke`` each decision has one configuration.
    """
    pairings, skipped = [], []
    for decision in DECISIONS:
        found, missing = _paired(context, decision)
        pairings += found
        skipped += missing
    table = differences(pairings)
    names = [decision for decision in DECISIONS if any(p.decision == decision.name for p in pairings)]
    rates = floors([p.ours for p in pairings if p.decision == SCHEDULE])
    return PaperItem(
        "decisions",
        "Decisions of the reproduction, and how much each matters",
        printed=tuple(f"{d.title}. Paper: {d.paper}. Authors' code: {d.code}." for d in DECISIONS),
        found=(*(described(decision, table) for decision in names), *_plateau(rates)),
        tables=(
            Numbers("decisions", "Each decision: the alternative compared with our choice", summary(names, table)),
            Numbers("differences", "Differences by configuration and strategy", table, shown=False),
            Numbers("floor", "Epoch at which the learning rate reaches its minimum", rates),
        ),
        basis=(
            f"Protocol {context.protocol}.",
            "A difference is the alternative's mean over folds minus ours, with the same folds, initial weights and "
            "batch order. Intervals are 95 % intervals of the t-test corrected for shared training rows (Nadeau and "
            "Bengio 2003). Holm's correction covers the configurations and strategies of a decision.",
            f"segment has no missing values, so {percent(imputation.DELETED, 0)} of its values were deleted at random.",
            "A replaced strategy draws its own random numbers: ReMix with Keras's loss mixes other rows than ReMix. "
            "The baseline draws nothing, so it trains on the same batches with either loss.",
            f"The best mean is that among {listed(RIVALS)}, or between {listed(_PAIR)} where only these were trained. "
            f"For class weights it is that among {listed([*RIVALS, COST_ADJUSTED])}. Without them cost-adjusted is the "
            "baseline: the same nets on the same folds.",
            *skipped,
        ),
    )


def _paired(context: ReproductionContext, decision: Decision) -> tuple[list[Pairing], list[str]]:
    """The results of our choice and of the alternative, a pairing for each configuration with available data."""
    found, skipped = [], []
    for spec in decision.configurations[: 1 if context.is_smoke else None]:
        try:
            ours, other = _both_ways(context, decision, spec)
        except DataError as error:
            skipped.append(f"Skipped {spec} for {decision.title!r}: {error}")
            continue
        found.append(Pairing(decision.name, spec, ours, other))
    return found, skipped


def _both_ways(context: ReproductionContext, decision: Decision, spec: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    if decision.name == IMPUTATION:
        return imputation.compared(context, spec, decision.strategies)
    ours = context.train(decision.strategies, datasets=[spec])
    # A strategy that is the same in both is trained once.
    changed = decision.strategies if decision.settings else tuple(decision.swapped)
    known = context.request.replace(plugins=(PLUGIN,)).registry
    specs = {known.select(decision.swapped.get(name, name)).spec: name for name in changed}
    other = context.train(tuple(specs), datasets=[spec], settings=decision.settings, plugins=[PLUGIN]).rows
    return ours.rows, other.assign(strategy=other["strategy"].map(specs))


def _plateau(rates: pd.DataFrame) -> tuple[str, ...]:
    """Whether ReMix's learning rate reaches its minimum earlier than the baseline's."""
    sentences = []
    for where, rows in rates.groupby("configuration", sort=False):
        epochs = rows.set_index("strategy")["median_epoch"].dropna()
        if {"baseline", "remix"} <= set(epochs.index):
            earlier = "earlier" if epochs["remix"] < epochs["baseline"] else "no earlier"
            sentences.append(
                f"{where}: the learning rate reaches its minimum {earlier} with ReMix than with the baseline, at epoch "
                f"{number(epochs['remix'], 0)} and {number(epochs['baseline'], 0)} respectively (medians over nets)."
            )
    return tuple(sentences)
