"""Decision rules: from a net's probabilities to decisions, or to other probabilities, without training again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from imbench.contract.errors import UsageError
from imbench.contract.names import suggest
from imbench.contract.records import Predictions
from imbench.scoring.metrics import METRICS, Metric
from imbench.scoring.outcome import Floats, Integers, Outcome
from imbench.scoring.recalibration import recalibration
from imbench.scoring.tuning import tuned_weights, weighted_decisions

ARGMAX = "argmax"
# Not a rule: every strategy under every rule competes, `baseline+tuned` beside `baseline`.
EACH = "each"


@dataclass(frozen=True)
class Rule:
    """A way to decide from probabilities.

    Parameters
    ----------
    name : as in columns (``gmean@tuned``) and ``--rule``
    title, definition : for people
    apply : from what a net predicted to the outcome on the test rows; None where the rule needs what is not known
    of_decisions_only : whether it leaves probabilities as they are, so that only metrics of decisions differ
    needs : what results must have for it, where some have not, and what to do without; "" where all have it
    """

    name: str
    title: str
    definition: str
    apply: Callable[[Predictions], Outcome | None]
    of_decisions_only: bool
    needs: str = ""


def by_argmax(p: Predictions) -> Outcome:
    """The test rows with the class of largest probability, the first of equals."""
    return Outcome(p.test.y, p.test.proba)


def by_tuned_weights(p: Predictions) -> Outcome:
    """The test rows with the class of largest w_j · p_j; the weights are chosen on the validation rows."""
    weights = tuned_weights(p.validation.y, p.validation.proba)
    return Outcome(p.test.y, p.test.proba, weighted_decisions(p.test.proba, weights))


def by_corrected_prior(p: Predictions) -> Outcome | None:
    """The test rows with probabilities as under the natural prior; None where the prior trained towards is unknown."""
    if p.exposure is None:
        return None
    return Outcome(p.test.y, corrected(p.test.proba, p.exposure.prior, p.train_counts))


def by_recalibration(p: Predictions) -> Outcome:
    """The test rows with probabilities recalibrated on the validation rows."""
    return Outcome(p.test.y, recalibration(p.validation.y, p.validation.proba)(p.test.proba))


def corrected(proba: Floats, trained: Floats, natural: Floats | Integers) -> Floats:
    """Probabilities of a net trained under one class prior, as they are under another.

    p'_j ∝ p_j · π_j / π̃_j: M. Saerens, P. Latinne and C. Decaestecker, "Adjusting the outputs of a classifier to new a
    priori probabilities", Neural Computation 14 (2002), equation 2.4; for undersampling with two classes it is A. Dal
    Pozzolo et al., "Calibrating probability with undersampling" (2015), equation 4. Exact where the rows trained on
    differ from the natural ones in how frequent the classes are and in nothing else.

    Parameters
    ----------
    proba : ``(rows, classes)``
    trained : ``(classes,)`` the prior π̃ trained towards, positive where ``natural`` is
    natural : ``(classes,)`` the prior π to correct to, or counts in proportion to it

    Returns
    -------
    ``(rows, classes)`` float64, each row summing to one. A class of which nothing was trained on keeps its
    probability as it is, before rows are made to sum to one again.

    Raises
    ------
    UsageError
        For priors of another length than classes, negative, or zero altogether.
    """
    values = np.asarray(proba, dtype=np.float64)
    before, after = (np.asarray(prior, dtype=np.float64) for prior in (trained, natural))
    for name, prior in (("trained", before), ("natural", after)):
        if prior.shape != values.shape[1:] or not np.isfinite(prior).all() or prior.min() < 0 or prior.sum() <= 0:
            raise UsageError(
                f"the {name} prior must be one non-negative number for each of {values.shape[1]} classes, "
                f"not all zero, got {prior.tolist()}"
            )
    before, after = before / before.sum(), after / after.sum()
    factor = np.divide(after, before, out=np.ones_like(after), where=before > 0)
    raised = values * factor
    total = raised.sum(axis=1, keepdims=True)
    # A row that is all in classes of no natural frequency has nothing to be corrected to.
    moved: Floats = np.divide(raised, total, out=values.copy(), where=total > 0)
    return moved


RULES: Mapping[str, Rule] = {
    rule.name: rule
    for rule in (
        Rule(
            ARGMAX,
            "largest probability",
            "The class of largest probability, the first of equals.",
            by_argmax,
            of_decisions_only=False,
        ),
        Rule(
            "tuned",
            "tuned on validation rows",
            "The class of largest w_j · p_j, with class weights (for two classes: a threshold) that maximise the "
            "g-mean of the fold's validation rows; probabilities stay as they are. A class without a validation row "
            "keeps the weight 1.",
            by_tuned_weights,
            of_decisions_only=True,
        ),
        Rule(
            "prior-corrected",
            "corrected for the prior trained towards",
            "Probabilities times natural over trained class prior (Saerens 2002), then the largest. The trained prior "
            "is measured on the batches; for soft labels, made-up rows or a loss of its own the formula is no more "
            "than an approximation, and the column prior_inexact says so: read `recalibrated` there.",
            by_corrected_prior,
            of_decisions_only=False,
            needs="the class prior trained towards, which results of schema 1 did not measure; `recalibrated` does "
            "without, or train anew",
        ),
        Rule(
            "recalibrated",
            "recalibrated on validation rows",
            "Probabilities mapped to what the fold's validation rows say, then the largest: Platt scaling of the "
            "log-odds for two classes (Platt 1999); for more, one slope and a bias for each class (bias-corrected "
            "temperature scaling, Alexandari 2020); with Platt's targets, so that separable rows have a fit. It needs "
            "no formula of what training did to the prior, so it serves soft labels and made-up rows too. A class "
            "without a validation row keeps its probability (column absent_validation).",
            by_recalibration,
            of_decisions_only=False,
        ),
    )
}


def ruled_column(metric: Metric, rule: str) -> str:
    """The column of a metric under a rule: ``gmean@tuned``; the plain name where the rule does not change the metric.

    Raises
    ------
    UsageError
        For a rule that does not exist.
    """
    if rule not in RULES:
        raise UsageError(f"unknown decision rule {rule!r}; {suggest(rule, RULES)}")
    changes = rule != ARGMAX and (metric.of_decisions or not RULES[rule].of_decisions_only)
    return f"{metric.name}@{rule}" if changes else metric.name


def ruled_columns() -> list[str]:
    """The columns ``METRIC@RULE`` of every metric under every rule that changes it."""
    pairs = (ruled_column(metric, rule) for rule in RULES for metric in METRICS.values())
    return list(dict.fromkeys(column for column in pairs if "@" in column))
