"""Metrics, checked against scikit-learn, imbalanced-learn, torchmetrics and plain loops."""

from __future__ import annotations

import dataclasses
import math
import warnings

import numpy as np
import pytest
import statsmodels.api as sm
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from imblearn.metrics import geometric_mean_score
from sklearn import metrics as sk
from sklearn.utils.class_weight import compute_sample_weight

from imbench.contract.errors import UsageError
from imbench.scoring.metrics import METRICS, score

CASES = {
    "two classes": (2, [40, 60]),
    "rare class": (2, [990, 10]),
    "three classes": (3, [50, 30, 20]),
    "ten classes": (10, [100, 5, 5, 5, 100, 100, 100, 100, 100, 100]),
    "an absent class": (3, [50, 0, 20]),
    "a single class": (3, [0, 25, 0]),
    "a single row": (2, [0, 1]),
}


def made(classes, counts, seed=0, dtype=np.float32):
    """Rows of these classes with probabilities that lean towards the truth."""
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.repeat(np.arange(classes), counts))
    logits = rng.normal(size=(len(y), classes)) + 1.5 * np.eye(classes)[y]
    exp = np.exp(logits)
    return y, (exp / exp.sum(axis=1, keepdims=True)).astype(dtype)


@pytest.fixture(params=[(case, dtype) for case in CASES for dtype in (np.float32, np.float64)], ids=str)
def predictions(request):
    case, dtype = request.param
    return made(*CASES[case], dtype=dtype)


def one_vs_rest(function, y, proba, keep):
    found = [function(y == j, proba[:, j]) for j in range(proba.shape[1]) if keep(y == j)]
    return np.mean(found) if found else math.nan


def average_precision(y, proba):
    """Of class 1 where there are two, as the field has it; for more, the mean over the classes present."""
    if proba.shape[1] > 2:
        return one_vs_rest(sk.average_precision_score, y, proba, np.any)
    return sk.average_precision_score(y, proba[:, 1]) if y.any() else math.nan


SKLEARN = {
    "balanced_accuracy": lambda y, p: sk.balanced_accuracy_score(y, p.argmax(1)),
    "macro_f1": lambda y, p: sk.f1_score(y, p.argmax(1), average="macro"),
    "mcc": lambda y, p: sk.matthews_corrcoef(y, p.argmax(1)),
    "log_loss": lambda y, p: sk.log_loss(y, p.astype(float), labels=range(p.shape[1])),
    "balanced_log_loss": lambda y, p: sk.log_loss(
        y, p.astype(float), labels=range(p.shape[1]), sample_weight=compute_sample_weight("balanced", y)
    ),
    "auroc": lambda y, p: one_vs_rest(sk.roc_auc_score, y, p, lambda own: own.any() and not own.all()),
    "auprc": lambda y, p: average_precision(y, p),
    "auprc_macro": lambda y, p: one_vs_rest(sk.average_precision_score, y, p, np.any),
    "gmean": lambda y, p: geometric_mean_score(y, p.argmax(1), labels=np.unique(y)),
    "brier": lambda y, p: sk.brier_score_loss(y, p.astype(float), scale_by_half=True, labels=range(p.shape[1])),
}


@pytest.mark.parametrize("name", SKLEARN)
def test_a_metric_equals_scikit_learns(name, predictions):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = SKLEARN[name](*predictions)
    assert score(*predictions)[name] == pytest.approx(expected, rel=1e-6, abs=1e-9, nan_ok=True)


def test_recalls_equal_scikit_learns_and_are_nan_for_absent_classes(predictions):
    y, proba = predictions
    expected = sk.recall_score(y, proba.argmax(1), average=None, labels=range(proba.shape[1]), zero_division=np.nan)
    found = score(y, proba)
    np.testing.assert_allclose([found[f"recall[{j}]"] for j in range(proba.shape[1])], expected)


def test_calibration_errors_equal_torchmetrics(predictions):
    # Imported here: it takes longer than all tests of this file, and every process of the tests collects them.
    from torchmetrics.functional.classification import binary_calibration_error, multiclass_calibration_error

    y, proba = predictions
    p, truth = torch.tensor(proba), torch.tensor(y)
    top = multiclass_calibration_error(p, truth, num_classes=proba.shape[1], n_bins=15, norm="l1")
    each = [
        binary_calibration_error(p[:, j].contiguous(), (truth == j).int(), n_bins=15, norm="l1")
        for j in range(p.shape[1])
    ]
    found = score(y, proba)
    assert found["ece"] == pytest.approx(float(top), abs=1e-6)
    assert found["classwise_ece"] == pytest.approx(float(np.mean(each)), abs=1e-6)


def test_brier_scores_of_classes_equal_a_plain_loop(predictions):
    y, proba = predictions
    losses = {j: [] for j in range(proba.shape[1])}
    flat = {j: [] for j in range(proba.shape[1])}
    for label, p in zip(y.tolist(), proba.astype(float).tolist(), strict=True):
        losses[label].append(sum((float(j == label) - v) ** 2 for j, v in enumerate(p)) / 2)
        flat[label].append((1 - p[label]) ** 2)
    found = score(y, proba)
    for j, values in losses.items():
        assert found[f"brier[{j}]"] == pytest.approx(np.mean(values) if values else math.nan, nan_ok=True)
    assert found["bbs"] == pytest.approx(np.mean([np.mean(v) for v in losses.values() if v]))
    assert found["bbs_1d"] == pytest.approx(np.mean([np.mean(v) for v in flat.values() if v]))


def logit_slope(y, own):
    """Statsmodels' slope of one class's log-odds; None where the classes do not overlap."""
    yes, no = own[y], own[~y]
    if not len(yes) or not len(no) or yes.max() <= no.min() or no.max() <= yes.min():
        return None
    return sm.Logit(y.astype(float), sm.add_constant(own)).fit(disp=0, maxiter=200, method="newton").params[1]


@pytest.mark.parametrize("strength", [0.3, 1.0, 4.0])
@pytest.mark.parametrize("case", ["two classes", "rare class", "three classes", "ten classes", "an absent class"])
def test_the_calibration_slope_equals_statsmodels(case, strength):
    y, proba = made(*CASES[case], dtype=np.float64)
    proba = proba**strength / (proba**strength).sum(axis=1, keepdims=True)
    odds = np.log(proba / (1 - proba))
    slopes = [logit_slope(y == j, odds[:, j]) for j in range(proba.shape[1])]
    expected = np.mean([slope for slope in slopes if slope is not None])
    assert score(y, proba)["calibration_slope"] == pytest.approx(expected, rel=1e-6)


def test_probabilities_made_too_extreme_halve_the_calibration_slope():
    y, proba = made(2, [300, 100], dtype=np.float64)
    extreme = proba**2 / (proba**2).sum(axis=1, keepdims=True)
    slope = score(y, proba)["calibration_slope"]
    assert score(y, extreme)["calibration_slope"] == pytest.approx(slope / 2, rel=1e-9)
    assert METRICS["calibration_slope"].ranked(np.array([0.5, 1.0, 1.25])).tolist() == [0.5, 0.0, 0.25]


@pytest.mark.parametrize("hair", [0.0, 5e-17, 1e-16, -1e-16, 3e-8, -3e-8])
def test_probabilities_that_differ_by_rounding_alone_are_a_tie_to_the_calibration_slope(hair):
    # One positive and one negative row at 0.3 beside separated ones: without an overlap there is no slope.
    own = np.array([0.3 + hair, 0.6, 0.3, 0.1])
    found = score([1, 1, 0, 0], np.stack([1 - own, own], axis=1))
    assert math.isnan(found["calibration_slope"])
    alike = 0.3 + hair * np.arange(4)
    assert math.isnan(score([1, 0, 0, 1], np.stack([1 - alike, alike], axis=1))["calibration_slope"])


def test_a_target_and_higher_is_better_do_not_go_together():
    with pytest.raises(UsageError, match="set higher_is_better to false"):
        dataclasses.replace(METRICS["gmean"], target=1.0)


def plain_ece(confidence, hit):
    total = 0.0
    for b in range(15):
        lo, hi = b / 15, (b + 1) / 15
        inside = [i for i, c in enumerate(confidence) if lo <= c < hi or (b == 14 and c >= 1)]
        if inside:
            gap = np.mean([hit[i] for i in inside]) - np.mean([confidence[i] for i in inside])
            total += len(inside) / len(confidence) * abs(gap)
    return total


# Edges of bins, each with a value inside the bins that it divides.
EDGES_AND_INSIDES = [0.0, 0.05, 0.15, 0.2, 0.25, 0.3, 1 / 3, 0.35, 0.55, 0.6, 0.65, 0.75, 0.8, 0.85, 0.95, 1.0]


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(EDGES_AND_INSIDES), st.booleans()), min_size=1),
)
def test_calibration_bins_are_half_open_and_the_last_one_closed(rows):
    proba = np.array([[1 - p, p] for p, _ in rows])
    y = np.array([int(label) for _, label in rows])
    top = plain_ece(proba.max(axis=1).tolist(), (proba.argmax(axis=1) == y).tolist())
    each = [plain_ece(proba[:, j].tolist(), (y == j).tolist()) for j in (0, 1)]
    found = score(y, proba)
    assert found["ece"] == pytest.approx(top, abs=1e-12)
    assert found["classwise_ece"] == pytest.approx(np.mean(each), abs=1e-12)


@pytest.mark.parametrize("classes", [2, 3, 10])
def test_a_perfect_classifier_has_the_best_of_every_metric(classes):
    y = np.arange(classes).repeat(4)
    found = score(y, np.eye(classes)[y])
    # A slope needs an overlap of the classes' log-odds; a perfect classifier leaves none.
    assert math.isnan(found["calibration_slope"])
    best = {m.name: 1.0 if m.higher_is_better else 0.0 for m in METRICS.values() if m.target is None}
    assert {name: found[name] for name in best} == pytest.approx(best, abs=1e-12)


@pytest.mark.parametrize("name", METRICS)
def test_every_score_is_within_its_metrics_bounds(name):
    low, high = METRICS[name].bounds
    for predictions in (([0, 0, 1], [[0, 1], [0, 1], [1, 0]]), ([0, 1], [[1, 0], [0, 1]]), made(3, [9, 5, 2])):
        value = score(*predictions)[name]
        assert math.isnan(value) or low <= value <= high


def test_bounds_that_enclose_nothing_are_refused():
    with pytest.raises(UsageError, match="metric gmean has bounds"):
        dataclasses.replace(METRICS["gmean"], bounds=(1.0, 0.0))


def test_an_always_wrong_classifier_has_the_worst():
    found = score([0, 0, 1], [[0, 1], [0, 1], [1, 0]])
    expected = {"gmean": 0, "bbs": 1, "bbs_1d": 1, "brier": 1, "balanced_accuracy": 0, "macro_f1": 0, "mcc": -1}
    expected |= {"auroc": 0, "ece": 1, "classwise_ece": 1, "log_loss": -math.log(np.finfo(float).eps)}
    assert {name: found[name] for name in expected} == pytest.approx(expected)


@pytest.mark.parametrize("classes", [2, 3, 10])
def test_ties_go_to_the_first_class(classes):
    y = np.arange(classes)
    found = score(y, np.full((classes, classes), 1 / classes, dtype=np.float32))
    assert found["recall[0]"] == 1
    assert found["gmean"] == found["recall[1]"] == 0
    assert found["auroc"] == pytest.approx(0.5)
    assert found["bbs"] == pytest.approx((1 - 1 / classes) / 2)


def test_what_a_single_class_cannot_tell_is_nan():
    found = score([1, 1], [[0.4, 0.6, 0.0], [0.7, 0.3, 0.0]])
    undefined = {"auroc", "calibration_slope", "recall[0]", "brier[0]", "recall[2]", "brier[2]"}
    assert {name for name, value in found.items() if math.isnan(value)} == undefined
    assert found["gmean"] == pytest.approx(0.5)


def test_brier_for_two_classes_is_the_papers_formula():
    y, proba = made(2, [30, 70], dtype=np.float64)
    found = score(y, proba)
    assert found["bbs"] == pytest.approx(found["bbs_1d"], rel=1e-12)
    assert found["brier"] == pytest.approx(sk.brier_score_loss(y, proba[:, 1]))


@settings(max_examples=50, deadline=None)
@given(st.integers(2, 6), st.lists(st.integers(0, 30), min_size=6, max_size=6), st.integers(0, 2**32 - 1))
def test_renaming_classes_and_shuffling_rows_change_nothing(classes, counts, seed):
    counts = [*counts[: classes - 1], 1 + counts[-1]]
    y, proba = made(classes, counts, seed, np.float64)
    rng = np.random.default_rng(seed + 1)
    order, renamed = rng.permutation(len(y)), rng.permutation(classes)
    before = score(y, proba)
    after = score(np.argsort(renamed)[y][order], proba[order][:, renamed])
    same = [name for name in METRICS if name != "auprc" or classes > 2]  # of two classes it is that of class 1
    assert {m: after[m] for m in same} == pytest.approx({m: before[m] for m in same}, abs=1e-9, nan_ok=True)
    for j in range(classes):
        assert after[f"recall[{j}]"] == pytest.approx(before[f"recall[{renamed[j]}]"], nan_ok=True)


BAD = {
    "no rows": ([], np.empty((0, 2)), r"at least 1 row"),
    "one column": ([0], [[1.0]], r"2 classes.*\(1, 1\)"),
    "probabilities of one class only": ([0, 1], [0.2, 0.7], r"\(rows, classes\)"),
    "logits": ([0, 1], [[0.5, 0.5], [2.0, 3.0]], r"row 1 does not sum to one; apply softmax"),
    "a negative probability": ([0, 1], [[1.2, -0.2], [0.5, 0.5]], r"row 0 has a negative"),
    "nan": ([0, 1], [[0.5, 0.5], [math.nan, 0.5]], r"row 1 is not finite"),
    "text": ([0], [["a", "b"]], r"must be numbers"),
    "too few labels": ([0], [[0.5, 0.5]] * 2, r"each of proba's 2 rows"),
    "a class without a column": ([0, 2], [[0.5, 0.5]] * 2, r"0 to 1.*got 0 to 2"),
    "a negative class": ([0, -1], [[0.5, 0.5]] * 2, r"got -1 to 0"),
    "half a class": ([0, 0.5], [[0.5, 0.5]] * 2, r"whole class numbers"),
    "class names": (["a", "b"], [[0.5, 0.5]] * 2, r"encode labels"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_scored_is_named(case):
    y, proba, message = BAD[case]
    with pytest.raises(UsageError, match=message):
        score(y, proba)


def test_rows_may_miss_one_by_what_float32_rounds():
    assert score([0, 1], [[0.50004, 0.5], [0.4, 0.6]])["gmean"] == 1


def test_guessing_has_an_auprc_of_the_minoritys_share():
    y = np.repeat([0, 1], [950, 50])
    found = score(y, np.full((1000, 2), 0.5))
    assert found["auprc"] == pytest.approx(0.05)
    assert found["auprc_macro"] == pytest.approx(0.5)


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_a_metric_called_alone_equals_its_entry_in_the_score(metric):
    y, proba = made(3, [20, 10, 5])
    assert metric(y, proba) == score(y, proba)[metric.name]
    assert metric.definition.endswith(".")
