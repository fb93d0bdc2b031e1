"""What had to be decided to reproduce the paper, and how much each decision matters: a measured difference for each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imbench.contract.errors import DataError
from imbench.reproduce import imputation
from imbench.reproduce.context import PLUGIN
from imbench.reproduce.differences import RIVALS, Decision, Pairing, described, differences, floors, summary
from imbench.reproduce.paper_item import Numbers, PaperItem
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

DECISIONS = (
    Decision(
        "width",
        "Width of the hidden layers, more than two classes",
        "three layers, no width",
        "2(d + K)/0.75",
        "2(d + K)/3, as for two classes",
        "2(d + K)/0.75, four times as wide",
        _MULTICLASS,
        settings={"multiclass_width_divisor": "0.75"},
    ),
    Decision(
        "alpha",
        "α of ReMix",
        "0.1 in the tables; 0.3 “likely a good setting”",
        "0.1 for tables",
        "0.1",
        "0.3",
        _BOTH,
        swapped={"remix": "remix:alpha=0.3"},
    ),
    Decision(
        "last-batch",
        "The incomplete last batch of an epoch",
        "not said",
        "dropped",
        "dropped",
        "kept",
        # A training part of landsat_satellite at 0.1 is 23 batches to the row: it has no incomplete one.
        (*_BINARY, _MULTICLASS[2]),
        settings={"drop_last": "false"},
    ),
    Decision(
        IMPUTATION,
        "Missing values",
        "not said",
        "filled from the whole file, before it is split",
        "filled inside the fold",
        "filled from the whole file",
        ("ozone_onehr:ir=0.01", "ozone_onehr:ir=0.025", "aps_failure_head9000:ir=0.01", "segment:ir=0.05"),
        strategies=_PAIR,
    ),
    Decision(
        "draw",
        "How ReMix balances a batch",
        "B/C rows of each class (Algorithm 1)",
        "each class oversampled to the largest, then B rows drawn from all",
        "Algorithm 1",
        "the two steps of the code",
        _BOTH,
        swapped={"remix": "remix-two-step"},
    ),
    Decision(
        "loss",
        "The loss of binary tasks",
        "cross-entropy",
        "Keras's binary cross-entropy of the two-way softmax",
        "categorical cross-entropy",
        "Keras's binary cross-entropy",
        _BINARY,
        swapped={"baseline": "keras-loss", "remix": "keras-loss:inner=remix"},
        strategies=_PAIR,
    ),
    Decision(
        SCHEDULE,
        "The learning rate's schedule",
        "not said",
        "reduced when the training loss stalls",
        "reduced when the training loss stalls",
        "cosine over all epochs, whatever the loss does",
        _BOTH,
        settings={"schedule": "cosine"},
    ),
)


def decisions(context: ReproductionContext) -> PaperItem:
    """Every decision of `DECISIONS` both ways, on the same folds, with the differences in g-mean and BBS.

    Under ``smoke`` each decision has one configuration.
    """
    pairings, left_out = [], []
    for decision in DECISIONS:
        found, missing = _paired(context, decision)
        pairings += found
        left_out += missing
    table = differences(pairings)
    names = [decision for decision in DECISIONS if any(p.decision == decision.name for p in pairings)]
    rates = floors([p.ours for p in pairings if p.decision == SCHEDULE])
    return PaperItem(
        "decisions",
        "What had to be decided, and how much each decision matters",
        printed=tuple(f"{d.title}. In the paper: {d.paper}. In its authors' code: {d.code}." for d in DECISIONS),
        found=(*(described(decision, table) for decision in names), *_plateau(rates)),
        tables=(
            Numbers("decisions", "Each decision, the other way against ours", summary(names, table)),
            Numbers("differences", "Each configuration and strategy", table, shown=False),
            Numbers("floor", "The epoch at which the learning rate reaches its floor", rates),
        ),
        basis=(
            f"Protocol {context.protocol}.",
            "A difference is the other way's mean over folds minus ours, over the same folds, initial weights and "
            "batch order; intervals are 95 % by the t-test corrected for shared training rows (Nadeau and Bengio "
            "2003), p-values corrected by Holm over a decision's configurations and strategies.",
            f"segment has no missing values: {imputation.DELETED:.0%} of them were deleted at random.",
            "A strategy of the other way has random draws of its own: ReMix under Keras's loss mixes other rows, while "
            "the baseline, which draws nothing, trains on the very same batches.",
            f"The order is of {listed(RIVALS)}, or of {listed(_PAIR)} where only these were trained.",
            *left_out,
        ),
    )


def _paired(context: ReproductionContext, decision: Decision) -> tuple[list[Pairing], list[str]]:
    """The results of a decision both ways, a pairing for each configuration whose data are available."""
    found, left_out = [], []
    for spec in decision.configurations[: 1 if context.is_smoke else None]:
        try:
            ours, other = _both_ways(context, decision, spec)
        except DataError as error:
            left_out.append(f"Left out: {spec} of {decision.title!r}: {error}")
            continue
        found.append(Pairing(decision.name, spec, ours, other))
    return found, left_out


def _both_ways(context: ReproductionContext, decision: Decision, spec: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    if decision.name == IMPUTATION:
        return imputation.compared(context, spec, decision.strategies)
    ours = context.train(decision.strategies, datasets=[spec])
    # What is the same both ways is trained once.
    changed = decision.strategies if decision.settings else tuple(decision.swapped)
    known = context.request.replace(plugins=(PLUGIN,)).registry
    specs = {known.select(decision.swapped.get(name, name)).spec: name for name in changed}
    other = context.train(tuple(specs), datasets=[spec], settings=decision.settings, plugins=[PLUGIN]).rows
    return ours.rows, other.assign(strategy=other["strategy"].map(specs))


def _plateau(rates: pd.DataFrame) -> tuple[str, ...]:
    """Whether a mixed loss trips the plateau early, by the epochs measured."""
    sentences = []
    for where, rows in rates.groupby("configuration", sort=False):
        epochs = rows.set_index("strategy")["median_epoch"].dropna()
        if {"baseline", "remix"} <= set(epochs.index):
            sooner = "sooner" if epochs["remix"] < epochs["baseline"] else "no sooner"
            sentences.append(
                f"{where}: ReMix reaches the floor of the learning rate {sooner} than the baseline, at epoch "
                f"{number(epochs['remix'], 0)} against {number(epochs['baseline'], 0)} (medians over nets)."
            )
    return tuple(sentences)
