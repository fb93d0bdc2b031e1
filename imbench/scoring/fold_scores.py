"""The row of results of one fold: metrics under every decision rule, and how training went."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np

from imbench.contract.entry_points import translated_errors
from imbench.contract.protocol import Place
from imbench.contract.records import Predictions
from imbench.scoring.metrics import METRICS, PER_CLASS, Metric
from imbench.scoring.outcome import Outcome
from imbench.scoring.rules import ARGMAX, RULES, fitted_recalibration, fitted_weights, ruled_column


def scored(p: Predictions) -> dict[str, Any]:
    """The columns of one fold: those that follow from its predictions, and those of its training.

    Metrics under ``argmax`` have their plain names, those that another rule changes are called ``NAME@RULE``; NaN where
    a rule needs the trained prior and it was not measured.
    """
    return (
        {
            "repeat": p.repeat,
            "fold": p.fold,
            "draw": p.draw,
            "train_seed": p.train_seed,
            "n_train": int(np.sum(p.train_counts)),
            "n_test": len(p.test.y),
            "seconds": float(p.seconds),
            "epochs": p.epochs or None,
            "steps": p.steps or None,
            "floor_epoch": p.floor_epoch,
            "loss": float(p.loss),
        }
        | derived(p, derivable(p.test.proba.shape[1]))
        | _exposure(p)
    )


def derivable(classes: int) -> list[str]:
    """The columns that follow from predictions of this many classes: metrics × rules, and further ones."""
    of_rules = (name for rule in RULES for name in _under(rule, tuple(METRICS.values()), classes))
    return [*of_rules, *(name for names, _, _ in _BESIDE for name in names(classes))]


def metric_columns(metrics: Iterable[Metric]) -> list[str]:
    """The columns of these metrics under every rule that changes them."""
    return list(dict.fromkeys(ruled_column(metric, rule) for metric in metrics for rule in RULES))


def rule_columns(rule: str, classes: int) -> list[str]:
    """The columns of a decision rule: metrics under it, and the values that it fits on validation rows."""
    beside = (name for of_classes, _, of in _BESIDE if of == rule for name in of_classes(classes))
    return [*_under(rule, tuple(METRICS.values()), classes), *beside]


def derived(p: Predictions, names: Collection[str], metrics: Iterable[Metric] | None = None) -> dict[str, Any]:
    """The columns among ``names`` that follow from the predictions of a fold; nothing else is computed.

    A rule that needs a missing measurement gives NaN. ``metrics``: default all of `METRICS`.
    """
    wanted, classes = frozenset(names), p.test.proba.shape[1]
    known = tuple(METRICS.values() if metrics is None else metrics)
    found: dict[str, Any] = {}
    for rule in RULES:
        columns = {name: of for name, of in _under(rule, known, classes).items() if name in wanted}
        if columns:
            outcome = RULES[rule].apply(p)
            found |= {name: of(outcome) if outcome else _UNKNOWN.get(of, np.nan) for name, of in columns.items()}
    for of_classes, values, _ in _BESIDE:
        if not wanted.isdisjoint(of_classes(classes)):
            found |= {name: value for name, value in values(p).items() if name in wanted}
    return found


def added_columns(metrics: Sequence[Metric], p: Predictions) -> dict[str, float]:
    """The values of these metrics on one fold, by column."""
    return derived(p, metric_columns(metrics), [replace(metric, function=_guarded(metric, p)) for metric in metrics])


def _guarded(metric: Metric, p: Predictions) -> Callable[[Outcome], float]:
    def function(outcome: Outcome) -> float:
        what = f"metric {metric.name} failed on {p.place} of a job"
        with translated_errors(what, "fix the metric or omit it", passing=()):
            return float(metric.function(outcome))

    return function


def rows_hashes(predictions: Sequence[Predictions]) -> dict[Place, str]:
    """For each net, SHA-256 over the rows of the variant, of the validation part and of the test part."""
    tested: dict[Place, list[np.ndarray]] = {}
    for p in predictions:
        tested.setdefault(p.place._replace(fold=0), []).append(p.test.rows)
    hashes = {}
    for p in predictions:
        digest = hashlib.sha256()
        # The folds of a repeat test every row of the variant once.
        for rows in (np.concatenate(tested[p.place._replace(fold=0)]), p.validation.rows, p.test.rows):
            digest.update(len(rows).to_bytes(8, "little") + np.sort(rows).astype("<i8").tobytes())
        hashes[p.place] = digest.hexdigest()
    return hashes


# Every fold of a run asks for the same few.
@lru_cache
def _under(rule: str, metrics: tuple[Metric, ...], classes: int) -> Mapping[str, Callable[[Outcome], float]]:
    """The columns that a rule adds, each with its function of the outcome under the rule."""
    suffix = "" if rule == ARGMAX else f"@{rule}"
    named = ((ruled_column(metric, rule), metric) for metric in metrics)
    found: dict[str, Callable[[Outcome], float]] = {n: m.function for n, m in named if not suffix or n.endswith(suffix)}
    for name, per_class in PER_CLASS.items():
        if per_class.of_decisions or not RULES[rule].of_decisions_only:
            found |= {f"{name}[{j}]{suffix}": _of_class(per_class.function, j) for j in range(classes)}
    return found | {f"zero_recall{suffix}": _never_hit}


def _of_class(function: Callable[[Outcome], np.ndarray], j: int) -> Callable[[Outcome], float]:
    return lambda outcome: float(function(outcome)[j])


def _never_hit(outcome: Outcome) -> int:
    return int((outcome.recalls == 0).sum())


# Missing values that are not NaN, where a rule cannot give an outcome.
_UNKNOWN: Mapping[Callable[[Outcome], float], None] = {_never_hit: None}


def _tuned_weights(p: Predictions) -> dict[str, Any]:
    return {f"tuned_weight[{j}]": float(weight) for j, weight in enumerate(fitted_weights(p.validation))}


def _recalibration(p: Predictions) -> dict[str, Any]:
    fitted = fitted_recalibration(p.validation)
    return {"recalibrated_by": fitted.method, "recalibration_slope": fitted.slope}


def _absences(p: Predictions) -> dict[str, Any]:
    classes = p.test.proba.shape[1]
    return {"absent": _absent(p.test.y, classes), "absent_validation": _absent(p.validation.y, classes)}


# Further columns that follow from predictions: their names by the number of classes, their values, and the rule
# that decides them.
_BESIDE: Sequence[tuple[Callable[[int], Sequence[str]], Callable[[Predictions], dict[str, Any]], str]] = (
    (lambda classes: [f"tuned_weight[{j}]" for j in range(classes)], _tuned_weights, "tuned"),
    (lambda classes: ("absent", "absent_validation"), _absences, ""),
    (lambda classes: ("recalibrated_by", "recalibration_slope"), _recalibration, "recalibrated"),
)


def _absent(y: np.ndarray, classes: int) -> str:
    counts = np.bincount(np.asarray(y, dtype=np.int64), minlength=classes)
    return "+".join(str(j) for j in range(classes) if counts[j] == 0)


def _exposure(p: Predictions) -> dict[str, Any]:
    if p.exposure is None:
        return {}
    return {
        "empty_batches": p.exposure.empty,
        "minority_rows": p.exposure.before,
        "minority_rows_trained": p.exposure.after,
        "prior_inexact": p.exposure.inexact,
        "fallback_share": p.exposure.fallback,
    } | {f"train_prior[{j}]": float(share) for j, share in enumerate(p.exposure.prior)}
