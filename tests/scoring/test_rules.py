"""Decision rules, checked against scikit-learn's ROC curve, plain loops, known posteriors and published formulas."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as sk

from imbench.contract.errors import UsageError
from imbench.contract.records import Exposure
from imbench.scoring.fold_scores import scored
from imbench.scoring.metrics import METRICS, score
from imbench.scoring.outcome import Outcome
from imbench.scoring.rules import ARGMAX, RULES, by_corrected_prior, by_tuned_weights, corrected, ruled_column
from imbench.scoring.tuning import tuned_weights, weighted_decisions
from tests.made_results import job, predictions


def made(classes, rows, seed, levels=None):
    """Rows of a skewed mixture of classes, all present, with probabilities; few ``levels`` make ties."""
    rng = np.random.default_rng(seed)
    shares = np.geomspace(10, 1, classes)
    y = np.concatenate([np.arange(classes), rng.choice(classes, rows, p=shares / shares.sum())])
    odds = rng.normal(size=(len(y), classes)) + 1.5 * np.eye(classes)[y] + np.log(shares)
    if levels:
        odds = np.round(odds * levels) / levels
    proba = np.exp(odds)
    return y, (proba / proba.sum(axis=1, keepdims=True)).astype(np.float32)


def gmean_of(y, decided):
    recalls = [np.mean(decided[y == j] == j) for j in np.unique(y)]
    return float(np.prod(recalls)) ** (1 / len(recalls))


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 60), st.integers(0, 2**32 - 1), st.sampled_from([None, 1, 3]))
def test_the_threshold_of_two_classes_is_the_best_of_the_roc_curve(rows, seed, levels):
    y, proba = made(2, rows, seed, levels)
    # Log-odds, which tell apart what rounds to one probability; every threshold, since the g-mean is no line.
    fpr, tpr, _ = sk.roc_curve(
        y, np.log(proba[:, 1].astype(float)) - np.log(proba[:, 0].astype(float)), drop_intermediate=False
    )
    decided = weighted_decisions(proba, tuned_weights(y, proba))
    assert gmean_of(y, decided) == pytest.approx(np.sqrt(tpr * (1 - fpr)).max())


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 6), st.integers(0, 80), st.integers(0, 2**32 - 1), st.sampled_from([None, 2]))
def test_tuned_weights_are_never_worse_than_argmax_on_the_rows_they_are_chosen_on(classes, rows, seed, levels):
    y, proba = made(classes, rows, seed, levels)
    weights = tuned_weights(y, proba)
    assert (weights > 0).all()
    assert gmean_of(y, weighted_decisions(proba, weights)) >= gmean_of(y, proba.argmax(axis=1)) - 1e-12


@pytest.mark.parametrize("seed", range(5))
def test_no_single_weight_of_many_classes_can_be_bettered(seed):
    y, proba = made(4, 150, seed)
    weights = tuned_weights(y, proba)
    best = gmean_of(y, weighted_decisions(proba, weights))
    assert best > 0
    for j in range(4):
        for factor in np.geomspace(1e-3, 1e3, 400):
            tried = weights * np.where(np.arange(4) == j, factor, 1.0)
            assert gmean_of(y, weighted_decisions(proba, tried)) <= best + 1e-12


@given(st.integers(2, 5), st.integers(1, 200), st.integers(0, 10**6), st.sampled_from([1, 2, None]))
def test_the_order_of_rows_changes_no_weight_even_where_rows_are_equal(classes, rows, seed, levels):
    y, proba = made(classes, rows, seed, levels)
    order = np.random.default_rng(seed).permutation(len(y))
    np.testing.assert_array_equal(tuned_weights(y, proba), tuned_weights(y[order], proba[order]))


def test_two_classes_that_are_both_never_hit_are_both_raised():
    # One class after another has to be raised before the g-mean leaves zero.
    y = np.array([0] * 8 + [1] * 4 + [2] * 4)
    proba = np.array([[0.9, 0.05, 0.05]] * 8 + [[0.8, 0.15, 0.05]] * 4 + [[0.8, 0.05, 0.15]] * 4)
    assert score(y, proba)["gmean"] == 0
    assert gmean_of(y, weighted_decisions(proba, tuned_weights(y, proba))) == 1


@pytest.mark.parametrize(
    ("y", "proba"),
    [
        ([0, 0, 0], [[0.9, 0.1], [0.4, 0.6], [0.5, 0.5]]),  # the second class is missing
        ([0, 0, 1, 1], [[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.1, 0.9]]),  # argmax makes no mistake
        ([0, 1], [[0.5, 0.5], [0.5, 0.5]]),  # nothing to tell them apart by
    ],
)
def test_weights_stay_at_one_where_nothing_is_gained(y, proba):
    assert tuned_weights(y, proba).tolist() == [1.0, 1.0]


def test_a_class_without_a_validation_row_keeps_its_weight():
    y, proba = made(3, 60, 1)
    keep = y != 2
    weights = tuned_weights(y[keep], proba[keep])
    assert weights[2] == 1
    assert weights[1] > 1


def test_equal_weights_decide_as_argmax_does():
    _, proba = made(5, 200, 3, levels=1)
    assert weighted_decisions(proba, np.ones(5)).tolist() == proba.argmax(axis=1).tolist()


@pytest.mark.parametrize("beta", [0.05, 0.3, 1.0])
def test_undersampling_is_corrected_by_the_formula_of_dal_pozzolo(beta):
    # Equation 4: p = β p_s / (β p_s − p_s + 1), with β the share of majority rows that were kept.
    negatives, positives = 950, 50
    sampled = np.linspace(0.001, 0.999, 50)
    found = corrected(np.stack([1 - sampled, sampled], axis=1), [beta * negatives, positives], [negatives, positives])
    assert found[:, 1] == pytest.approx(beta * sampled / (beta * sampled - sampled + 1))


def test_the_posterior_of_three_normals_moves_from_one_prior_to_another():
    x = np.linspace(-4, 6, 40)
    density = np.stack([stats.norm(mean).pdf(x) for mean in (0, 1, 3)], axis=1)
    uniform, natural = np.full(3, 1 / 3), np.array([0.9, 0.07, 0.03])
    posterior = {id(p): density * p / (density * p).sum(axis=1, keepdims=True) for p in (uniform, natural)}
    np.testing.assert_allclose(corrected(posterior[id(uniform)], uniform, natural), posterior[id(natural)])
    np.testing.assert_allclose(corrected(posterior[id(natural)], natural, natural), posterior[id(natural)])


def test_a_class_that_nothing_was_trained_on_keeps_its_odds_finite():
    found = corrected([[0.5, 0.25, 0.25]], [0.5, 0.5, 0.0], [8, 1, 1])
    assert np.isfinite(found).all()
    assert found.sum() == pytest.approx(1)


@pytest.mark.parametrize("prior", [[0.5, 0.5, 0.0], [-0.5, 1.5], [0.0, 0.0], [math.nan, 1.0]])
def test_a_prior_that_is_none_is_named(prior):
    with pytest.raises(UsageError, match="trained prior must be"):
        corrected([[0.5, 0.5]], prior, [0.5, 0.5])


@pytest.mark.parametrize("classes", [2, 3])
def test_a_row_holds_every_metric_under_every_rule(classes):
    fold = predictions(job(), classes=classes, skill=0.3)[0]
    fold = dataclasses.replace(fold, exposure=Exposure(0.1, 1, 9, np.array([0.2, 0.5, 0.3])[:classes]))
    row = scored(fold)
    decided = by_tuned_weights(fold).predicted
    y = fold.test.y
    assert row["balanced_accuracy@tuned"] == pytest.approx(sk.balanced_accuracy_score(y, decided))
    assert row["macro_f1@tuned"] == pytest.approx(sk.f1_score(y, decided, average="macro"))
    assert row["mcc@tuned"] == pytest.approx(sk.matthews_corrcoef(y, decided))
    assert row["gmean@tuned"] == pytest.approx(gmean_of(y, decided))
    assert "bbs@tuned" not in row, "a threshold leaves probabilities as they are"
    moved = score(y, by_corrected_prior(fold).proba)
    for name, value in moved.items():
        assert row[f"{name}@prior-corrected"] == pytest.approx(value, nan_ok=True)
    assert row["brier@prior-corrected"] != row["brier"]


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 11), st.integers(0, 2**32 - 1), st.sampled_from([None, 1, 3]))
def test_outcomes_that_share_work_score_as_outcomes_alone(classes, seed, levels):
    y, proba = made(classes, 120, seed, levels)
    p = predictions(job(), classes=classes)[0]
    p = dataclasses.replace(p, test=dataclasses.replace(p.test, y=y, proba=proba))
    for name, rule in RULES.items():
        shared = rule.apply(p)
        alone = Outcome(shared.y, shared.proba, shared.decided)
        for metric in METRICS.values():
            if name == ARGMAX or ruled_column(metric, name).endswith(name):
                close = {"rtol": 1e-9, "atol": 1e-12} if metric.name == "calibration_slope" else {"rtol": 0}
                np.testing.assert_allclose(metric.function(shared), metric.function(alone), **close, err_msg=name)


def test_without_a_measured_prior_what_needs_it_is_nan():
    row = scored(dataclasses.replace(predictions(job())[0], exposure=None))
    assert math.isnan(row["bbs@prior-corrected"])
    assert not math.isnan(row["gmean@tuned"])
    assert "train_prior[0]" not in row


@pytest.mark.parametrize(
    ("metric", "rule", "column"),
    [
        ("bbs", "argmax", "bbs"),
        ("bbs", "tuned", "bbs"),
        ("gmean", "tuned", "gmean@tuned"),
        ("bbs", "prior-corrected", "bbs@prior-corrected"),
        ("bbs", "recalibrated", "bbs@recalibrated"),
    ],
)
def test_a_rule_has_a_column_for_every_metric_that_it_changes(metric, rule, column):
    assert ruled_column(METRICS[metric], rule) == column


def test_an_unknown_rule_is_named():
    with pytest.raises(UsageError, match="unknown decision rule 'max'; did you mean argmax"):
        ruled_column(METRICS["gmean"], "max")


@given(st.integers(2, 6), st.integers(1, 60), st.integers(0, 2**32 - 1))
def test_the_balanced_prior_is_the_posterior_of_equally_frequent_classes(classes, rows, seed):
    rng = np.random.default_rng(seed)
    prior = rng.dirichlet(np.ones(classes)) + 1e-3
    prior /= prior.sum()
    likelihood = rng.random((rows, classes)) + 1e-3  # p(x | class), up to a factor for each row
    posterior = likelihood * prior / (likelihood * prior).sum(axis=1, keepdims=True)
    (fold, *_) = predictions(job(), classes=classes, rows=2 * rows + 2 * classes, seed=seed)
    p = dataclasses.replace(
        fold,
        test=dataclasses.replace(fold.test, y=np.resize(fold.test.y, rows), proba=posterior),
        exposure=Exposure(0.0, 1.0, 1.0, prior),
    )

    found = RULES["balanced-prior"].apply(p)

    np.testing.assert_allclose(found.proba, likelihood / likelihood.sum(axis=1, keepdims=True), atol=1e-12)
    np.testing.assert_array_equal(found.predicted, likelihood.argmax(axis=1))


def test_the_balanced_prior_is_logit_adjustment():
    """Menon et al. 2021, equation 9: argmax of the logits minus the log of the prior."""
    rng = np.random.default_rng(0)
    logits, prior = rng.normal(size=(50, 4)), np.array([0.7, 0.2, 0.07, 0.03])
    proba = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)

    found = corrected(proba, prior, np.ones(4))

    np.testing.assert_array_equal(found.argmax(axis=1), (logits - np.log(prior)).argmax(axis=1))


def test_the_balanced_prior_needs_the_trained_one():
    (fold, *_) = predictions(job())
    assert RULES["balanced-prior"].apply(dataclasses.replace(fold, exposure=None)) is None
