"""Decision rules: from a net's probabilities to decisions, or to corrected probabilities, without retraining."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from imbench.contract.errors import UsageError
from imbench.contract.names import suggest
from imbench.contract.records import Predictions, Split
from imbench.scoring.metrics import METRICS, Metric
from imbench.scoring.outcome import Floats, Integers, Outcome
from imbench.scoring.recalibration import Recalibration, recalibration
from imbench.scoring.tuning import tuned_weights, weighted_decisions

ARGMAX = "argmax"
# Not a decision rule: ranks every strategy under every rule, such as `baseline+tuned` and `baseline`.
EACH = "each"


@dataclass(frozen=True)
class Rule:
    """A decision rule: how a class is chosen from probabilities.

    Parameters
    ----------
    name : name in columns (``gmean@tuned``) and for ``--rule``
    title, definition : text for readers
    apply : function from predictions to the outcome on the test rows; None if they lack a required measurement
    of_decisions_only : whether the rule keeps the probabilities, so that it changes only metrics of decisions
    needs : the measurement that some results lack, and the alternative; "" if no result lacks any
    version : raised with every change of its decisions or probabilities: stored numbers of another version are
        computed again from the stored predictions
    """

    name: str
    title: str
    definition: str
    apply: Callable[[Predictions], Outcome | None]
    of_decisions_only: bool
    needs: str = ""
    version: int = 1


# The other rules make their outcomes from this one.
@lru_cache(maxsize=1)
def by_argmax(p: Predictions) -> Outcome:
    """The test rows with the class of largest probability, the first if tied."""
    return Outcome(p.test.y, p.test.proba)


def by_tuned_weights(p: Predictions) -> Outcome:
    """The test rows with the class of largest w_j · p_j; the weights are chosen on the validation rows."""
    outcome = by_argmax(p)
    return outcome.under(decided=weighted_decisions(outcome.proba, fitted_weights(p.validation)))


def by_corrected_prior(p: Predictions) -> Outcome | None:
    """The test rows with probabilities corrected to the natural prior; None if the trained prior is unknown."""
    if p.exposure is None:
        return None
    outcome = by_argmax(p)
    return outcome.under(proba=corrected(outcome.proba, p.exposure.prior, p.train_counts))


def by_balanced_prior(p: Predictions) -> Outcome | None:
    """The test rows with probabilities corrected to equal class frequencies; None if the trained prior is unknown."""
    if p.exposure is None:
        return None
    outcome = by_argmax(p)
    return outcome.under(proba=corrected(outcome.proba, p.exposure.prior, np.ones(outcome.classes)))


def by_recalibration(p: Predictions) -> Outcome:
    """The test rows with probabilities recalibrated on the validation rows."""
    outcome = by_argmax(p)
    return outcome.under(proba=fitted_recalibration(p.validation)(outcome.proba))


# What is fitted on the validation rows decides metrics and is a column itself, so it is needed twice for each fold.
@lru_cache(maxsize=1)
def fitted_weights(validation: Split) -> Floats:
    """The weights of `by_tuned_weights`; see `imbench.scoring.tuning.tuned_weights`."""
    return tuned_weights(validation.y, validation.proba)


@lru_cache(maxsize=1)
def fitted_recalibration(validation: Split) -> Recalibration:
    """The map of `by_recalibration`; see `imbench.scoring.recalibration.recalibration`."""
    return recalibration(validation.y, validation.proba)


def corrected(proba: Floats, trained: Floats, natural: Floats | Integers) -> Floats:
    """Correct probabilities of a net trained under one class prior to another prior.

    p'_j ∝ p_j · π_j / π̃_j: M. Saerens, P. Latinne and C. Decaestecker, "Adjusting the outputs of a classifier to new a
    priori probabilities", Neural Computation 14 (2002), equation 2.4; for undersampling with two classes it is A. Dal
    Pozzolo et al., "Calibrating probability with undersampling" (2015), equation 4. Exact if the trained rows
    differ from the natural ones only in class frequencies.

    Parameters
    ----------
    proba : ``(rows, classes)``
    trained : ``(classes,)`` the trained prior π̃, positive where ``natural`` is
    natural : ``(classes,)`` the prior π to correct to, or counts in proportion to it

    Returns
    -------
    ``(rows, classes)`` float64, each row summing to one. A class without trained rows keeps its probability
    until rows are normalised.

    Raises
    ------
    UsageError
        For priors with another length than classes, negative values, or only zeros.
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
    # A row with probability only for classes of natural frequency 0 stays.
    moved: Floats = np.divide(raised, total, out=values.copy(), where=total > 0)
    return moved


RULES: Mapping[str, Rule] = {
    rule.name: rule
    for rule in (
        Rule(
            ARGMAX,
            "largest probability",
            "The class of largest probability, the first if tied.",
            by_argmax,
            of_decisions_only=False,
        ),
        Rule(
            "tuned",
            "tuned on validation rows",
            "The class of largest w_j · p_j, with class weights (for two classes: a threshold) that maximise the "
            "g-mean of the fold's validation rows; probabilities stay unchanged. A class without a validation row "
            "keeps the weight 1.",
            by_tuned_weights,
            of_decisions_only=True,
        ),
        Rule(
            "prior-corrected",
            "corrected for the trained prior",
            "Probabilities times natural over trained class prior (Saerens 2002), then the largest. The trained prior "
            "is measured on the batches. For soft labels, synthetic rows or a custom loss the formula is an "
            "approximation (see the column prior_inexact): prefer `recalibrated` for them.",
            by_corrected_prior,
            of_decisions_only=False,
            needs="the trained class prior, which results of schema 1 lack; use `recalibrated`, or retrain",
        ),
        Rule(
            "recalibrated",
            "recalibrated on validation rows",
            "Probabilities fitted to the fold's validation rows, then the largest: Platt scaling of the "
            "log-odds for two classes (Platt 1999); for more, one slope and a bias for each class (bias-corrected "
            "temperature scaling, Alexandari 2020). Platt's targets give separable rows a finite fit. The rule needs "
            "no trained prior, so it also suits soft labels and synthetic rows. A class without a validation row keeps "
            "its probability (column absent_validation).",
            by_recalibration,
            of_decisions_only=False,
        ),
        Rule(
            "balanced-prior",
            "corrected to equal class frequencies",
            "Probabilities divided by the trained class prior and normalised, then the largest: post-hoc logit "
            "adjustment (Menon et al. 2021, equation 9 with τ = 1; Saerens 2002). It is what a rebalanced net aims at, "
            "without rebalancing. The trained prior is measured on the batches, so a strategy that already trains "
            "towards equal frequencies changes little.",
            by_balanced_prior,
            of_decisions_only=False,
            needs="the trained class prior, which results of schema 1 lack; retrain",
        ),
    )
}


def ruled_column(metric: Metric, rule: str) -> str:
    """The column of a metric under a rule: ``gmean@tuned``; the plain name if the rule does not change the metric.

    Raises
    ------
    UsageError
        For an unknown rule.
    """
    if rule not in RULES:
        raise UsageError(f"unknown decision rule {rule!r}; {suggest(rule, RULES)}")
    changes = rule != ARGMAX and (metric.of_decisions or not RULES[rule].of_decisions_only)
    return f"{metric.name}@{rule}" if changes else metric.name


def ruled_columns() -> list[str]:
    """The columns ``METRIC@RULE`` of every metric under every rule that changes it."""
    pairs = (ruled_column(metric, rule) for rule in RULES for metric in METRICS.values())
    return list(dict.fromkeys(column for column in pairs if "@" in column))
