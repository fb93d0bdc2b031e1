"""What one row of results says of one fold: its metrics under every decision rule, and how training went."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np

from imbench.contract.records import Predictions
from imbench.study.metrics import METRICS, score_of
from imbench.study.recalibration import recalibration
from imbench.study.rules import ARGMAX, RULES, by_argmax, ruled_column
from imbench.study.tuning import tuned_weights


def scored(p: Predictions) -> dict[str, Any]:
    """The columns of one fold that follow from its predictions.

    Metrics of ``argmax`` under their plain names, those that another rule changes as ``NAME@RULE``; NaN where a rule
    needs the prior trained towards and it was not measured.
    """
    metrics = score_of(by_argmax(p))
    return (
        metrics
        | {
            "repeat": p.repeat,
            "fold": p.fold,
            "n_train": int(np.sum(p.train_counts)),
            "n_test": len(p.test.y),
            "seconds": float(p.seconds),
            "epochs": p.epochs,
            "steps": p.steps,
            "floor_epoch": p.floor_epoch,
            "loss": float(p.loss),
            "zero_recall": _never_hit(metrics),
            "absent": _absent(p.test.y, p.test.proba.shape[1]),
        }
        | derived(p, ())
        | _exposure(p)
    )


def derived(p: Predictions, known: Collection[str]) -> dict[str, Any]:
    """The columns that rows of an older schema lack and their predictions give, but those known already."""
    rules = [rule for rule in RULES if rule != ARGMAX and f"zero_recall@{rule}" not in known]
    found = {name: value for rule in rules for name, value in _under(rule, p).items()}
    for name, others in _DERIVED.items():
        if name not in known:
            found |= others(p)
    return found


def rows_hashes(predictions: Sequence[Predictions]) -> dict[tuple[int, int], str]:
    """For each repeat and fold, SHA-256 over the rows of the variant, of the validation part and of the test part."""
    tested: dict[int, list[np.ndarray]] = {}
    for p in predictions:
        tested.setdefault(p.repeat, []).append(p.test.rows)
    hashes = {}
    for p in predictions:
        digest = hashlib.sha256()
        # The folds of a repeat test every row of the variant once.
        for rows in (np.concatenate(tested[p.repeat]), p.validation.rows, p.test.rows):
            digest.update(len(rows).to_bytes(8, "little") + np.sort(rows).astype("<i8").tobytes())
        hashes[p.repeat, p.fold] = digest.hexdigest()
    return hashes


def _calibration_slope(p: Predictions) -> dict[str, Any]:
    return {"calibration_slope": METRICS["calibration_slope"].function(by_argmax(p))}


def _tuned_weights(p: Predictions) -> dict[str, Any]:
    weights = tuned_weights(p.validation.y, p.validation.proba)
    return {f"tuned_weight[{j}]": float(weight) for j, weight in enumerate(weights)}


def _recalibration(p: Predictions) -> dict[str, Any]:
    fitted = recalibration(p.validation.y, p.validation.proba)
    return {"recalibrated_by": fitted.method, "recalibration_slope": fitted.slope}


def _absent_validation(p: Predictions) -> dict[str, Any]:
    return {"absent_validation": _absent(p.validation.y, p.validation.proba.shape[1])}


# What follows from predictions beside metrics, by a column that shows whether rows have it.
_DERIVED: Mapping[str, Callable[[Predictions], dict[str, Any]]] = {
    "calibration_slope": _calibration_slope,
    "tuned_weight[0]": _tuned_weights,
    "absent_validation": _absent_validation,
    "recalibrated_by": _recalibration,
}
DERIVABLE = frozenset({*_DERIVED, "recalibration_slope"})


def _under(rule: str, p: Predictions) -> dict[str, Any]:
    outcome = RULES[rule].apply(p)
    if outcome is None:
        columns = (ruled_column(metric, rule) for metric in METRICS.values())
        return {name: float("nan") for name in columns if "@" in name}
    metrics = score_of(outcome, of_decisions_only=RULES[rule].of_decisions_only)
    return {f"{name}@{rule}": value for name, value in metrics.items()} | {f"zero_recall@{rule}": _never_hit(metrics)}


def _never_hit(metrics: dict[str, float]) -> int:
    return sum(value == 0 for name, value in metrics.items() if name.startswith("recall["))


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
