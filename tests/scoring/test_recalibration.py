"""Recalibration, checked against scikit-learn's and statsmodels' own fits, a known truth and properties."""

from __future__ import annotations

import dataclasses
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.calibration import _sigmoid_calibration
from sklearn.linear_model import LogisticRegression
from statsmodels.discrete.conditional_models import ConditionalLogit

from imbench.scoring.fold_scores import scored
from imbench.scoring.logistic import fit_scaling
from imbench.scoring.metrics import score
from imbench.scoring.recalibration import NONE, PLATT, SCALING, recalibration
from imbench.scoring.rules import RULES
from tests.made_results import job, predictions, split


def softmax(scores):
    e = np.exp(scores - scores.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def overlapping(classes, rows, seed):
    """Rows of a skewed mixture, every class present, and probabilities that are too extreme and of another prior."""
    rng = np.random.default_rng(seed)
    y = np.concatenate(
        [np.arange(classes), rng.choice(classes, rows, p=np.arange(classes, 0, -1) / np.arange(1, classes + 1).sum())]
    )
    return y, softmax(2.5 * (rng.normal(size=(len(y), classes)) + 0.8 * np.eye(classes)[y]) + np.arange(classes))


def log_odds(proba):
    return np.log(proba[:, 1]) - np.log(proba[:, 0])


@pytest.mark.parametrize("seed", range(4))
def test_two_classes_are_fitted_as_an_unpenalised_logistic_regression(seed):
    y, proba = overlapping(2, 150, seed)
    slope, bias = fit_scaling(np.log(proba), np.eye(2)[y])
    oracle = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(log_odds(proba)[:, None], y)
    assert slope == pytest.approx(oracle.coef_[0, 0], rel=1e-5)
    assert bias[1] == pytest.approx(oracle.intercept_[0], rel=1e-5)


@pytest.mark.parametrize(("classes", "seed"), [(3, 0), (3, 1), (5, 2)])
def test_more_classes_are_fitted_as_a_conditional_logit_with_one_slope(classes, seed):
    y, proba = overlapping(classes, 200, seed)
    slope, bias = fit_scaling(np.log(proba), np.eye(classes)[y])
    # A row is a group, its classes are the choices, and each but the first has a constant of its own.
    constants = np.tile(np.eye(classes)[:, 1:], (len(y), 1))
    chosen = np.eye(classes)[y].ravel()
    group = np.repeat(np.arange(len(y)), classes)
    oracle = ConditionalLogit(chosen, np.column_stack([np.log(proba).ravel(), constants]), groups=group).fit(disp=0)
    np.testing.assert_allclose([slope, *bias[1:]], oracle.params, rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("separable", [False, True])
def test_two_classes_are_recalibrated_as_scikit_learn_does_by_platts_method(seed, separable):
    y, proba = overlapping(2, 80, seed)
    if separable:
        order = np.sort(log_odds(proba))
        y, proba = np.sort(y), softmax(np.stack([np.zeros(len(y)), order], axis=1))
    a, b = _sigmoid_calibration(log_odds(proba), y)  # P(1) = 1 / (1 + exp(a f + b))
    fitted = recalibration(y, proba)
    assert fitted.method == PLATT
    np.testing.assert_allclose(fitted(proba)[:, 1], 1 / (1 + np.exp(a * log_odds(proba) + b)), atol=2e-4)


def test_rows_that_can_be_separated_get_a_finite_fit_and_no_certainty():
    y = np.array([0] * 6 + [1] * 4 + [2] * 5)
    fitted = recalibration(y, softmax(30 * np.eye(3)[y]))
    assert np.isfinite([fitted.slope, *fitted.bias]).all()
    certain = fitted(softmax(30 * np.eye(3)))
    assert certain.max() < 0.999
    assert (certain.argmax(axis=1) == [0, 1, 2]).all()


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 5), st.integers(10, 120), st.integers(0, 10**6), st.floats(0.2, 4), st.floats(-3, 3))
def test_what_was_done_to_the_prior_and_to_the_temperature_is_undone(classes, rows, seed, temperature, shift):
    y, proba = overlapping(classes, rows, seed)
    moved = softmax(temperature * np.log(proba) + shift * np.linspace(-1, 1, classes))
    np.testing.assert_allclose(recalibration(y, moved)(moved), recalibration(y, proba)(proba), atol=1e-6)


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 5), st.integers(0, 60), st.integers(0, 10**6))
def test_recalibrated_rows_are_probabilities_and_no_worse_by_the_targets_they_are_fitted_to(classes, rows, seed):
    y, proba = overlapping(classes, rows, seed)
    fitted = recalibration(y, proba)
    assert fitted.method == (PLATT if classes == 2 else SCALING)
    assert fitted.slope >= 0
    found = fitted(proba)
    np.testing.assert_allclose(found.sum(axis=1), 1)
    assert (found >= 0).all()
    counts = np.bincount(y, minlength=classes)
    rest = 1 / (counts + 2)
    targets = np.array([[1 - rest[j] if j == k else rest[j] / (classes - 1) for k in range(classes)] for j in y])
    assert (targets * np.log(found)).sum() >= (targets * np.log(proba)).sum() - 1e-9


def test_many_rows_bring_a_prior_shift_back_to_the_natural_posterior():
    rng = np.random.default_rng(0)
    y = rng.choice(3, 60_000, p=[0.9, 0.07, 0.03])
    x = rng.normal(size=len(y)) + np.array([0, 1, 3])[y]
    density = np.exp(-0.5 * (x[:, None] - [0, 1, 3]) ** 2)
    balanced, natural = density / density.sum(axis=1, keepdims=True), density * [0.9, 0.07, 0.03]
    natural /= natural.sum(axis=1, keepdims=True)
    fitted = recalibration(y[::2], balanced[::2])
    assert fitted.slope == pytest.approx(1, abs=0.03)
    assert np.abs(fitted(balanced[1::2]) - natural[1::2]).max() < 0.03


def test_an_order_that_validation_rows_contradict_is_given_up_and_not_turned_round():
    y, proba = overlapping(2, 100, 0)
    fitted = recalibration(y, proba[:, ::-1])
    assert fitted.slope == 0
    counts = np.bincount(y)
    own, other = (counts[1] + 1) / (counts[1] + 2), 1 / (counts[0] + 2)
    share = (counts[1] * own + counts[0] * other) / len(y)
    np.testing.assert_allclose(fitted(proba)[:, 1], share)


def test_a_class_without_a_validation_row_keeps_its_probability():
    y, proba = overlapping(3, 90, 1)
    fitted = recalibration(y[y != 1], proba[y != 1])
    found = fitted(proba)
    assert np.isnan(fitted.bias).tolist() == [False, True, False]
    np.testing.assert_allclose(found[:, 1], proba[:, 1])
    np.testing.assert_allclose(found.sum(axis=1), 1)
    two = proba[:, [0, 2]] / proba[:, [0, 2]].sum(axis=1, keepdims=True)
    alone = recalibration((y[y != 1] == 2).astype(int), two[y != 1])
    np.testing.assert_allclose(found[:, 2] / (found[:, 0] + found[:, 2]), alone(two)[:, 1])


def test_one_class_in_the_validation_rows_changes_nothing():
    proba = np.array([[0.7, 0.3], [0.2, 0.8]])
    fitted = recalibration([0, 0], proba)
    assert fitted.method == NONE
    np.testing.assert_array_equal(fitted(proba), proba)


@pytest.mark.parametrize("proba", [[[0.5, 0.5]] * 4, [[1.0, 0.0]] * 4])
def test_a_net_that_says_the_same_of_every_row_gives_the_share_of_the_targets(proba):
    found = recalibration([0, 0, 0, 1], np.array(proba))(proba)
    np.testing.assert_allclose(found[:, 1], (3 * 1 / 5 + 2 / 3) / 4, atol=1e-6)


def test_certain_and_wrong_rows_of_a_net_stay_finite():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = recalibration([0, 1, 0, 1], np.eye(2)[[0, 1, 1, 0]])(np.eye(2))
    assert np.isfinite(found).all()


@pytest.mark.parametrize("classes", [2, 3])
def test_a_row_holds_the_metrics_of_recalibrated_probabilities_and_says_how(classes):
    fold = predictions(job(), classes=classes, skill=0.4)[0]
    rng = np.random.default_rng(5)
    fold = dataclasses.replace(fold, validation=split(rng, np.arange(100, 130), classes, 0.4), exposure=None)
    row = scored(fold)
    moved = score(fold.test.y, RULES["recalibrated"].apply(fold).proba)
    for name, value in moved.items():
        assert row[f"{name}@recalibrated"] == pytest.approx(value, nan_ok=True)
    assert row["recalibrated_by"] == (PLATT if classes == 2 else SCALING)
    assert row["recalibration_slope"] == recalibration(fold.validation.y, fold.validation.proba).slope
    assert row["brier@recalibrated"] != row["brier"]


def test_rows_that_differ_by_rounding_alone_have_no_slope():
    own = 0.3 + 3e-8 * np.array([0, 1, 2, 3, 1, 0])
    fitted = recalibration([0, 0, 1, 1, 0, 1], np.stack([1 - own, own], axis=1))
    assert fitted.slope == 0
