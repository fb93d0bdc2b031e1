"""References as arrays predict what scikit-learn's estimators predict."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import imbench
from imbench.contract.records import Preprocessing
from imbench.data.preprocess import apply
from imbench.model.estimators import check_storable, scorer_of
from imbench.model.files import load_model, save
from imbench.model.onnx_file import to_onnx
from imbench.runs.registry import Registry
from tests.model.conftest import QUICK, visits
from tests.model.made import made_model
from tests.model.test_onnx import ran

REFERENCES = ["logistic-regression", "balanced-logistic-regression", "hist-gradient-boosting:max_iter=12",
              "balanced-hist-gradient-boosting:max_iter=12", "balanced-random-forest:n_estimators=9", "uniform",
              "class-prior"]  # fmt: skip


def fitted(spec, classes, seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(150, 4)).astype(np.float32).round(1)
    x[rng.random(x.shape) < 0.05] = np.nan
    rare = np.nan_to_num(x[:, 0]) > 0.8
    y = np.where(rare, rng.integers(0, classes, 150), 0)
    y[:classes] = np.arange(classes)
    preprocessing = Preprocessing(*rng.normal(1, 0.1, (2, 4)).astype(np.float32), 5.0)
    estimator = Registry().reference(spec).make(0)
    ready = apply(x, preprocessing).astype(np.float64)
    estimator.fit(ready, y)
    return estimator, preprocessing, x, ready


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(REFERENCES), st.integers(2, 4), st.integers(0, 99))
def test_the_arrays_predict_what_the_estimator_predicts(spec, classes, seed):
    estimator, preprocessing, x, ready = fitted(spec, classes, seed)
    scorer = scorer_of(estimator, preprocessing, classes)
    assert np.abs(scorer.probabilities(x) - estimator.predict_proba(ready)).max() < 1e-12


@pytest.mark.parametrize("spec", REFERENCES)
def test_a_stored_reference_has_the_same_bits(spec, tmp_path):
    estimator, preprocessing, x, _ = fitted(spec, 2, 1)
    scorer = scorer_of(estimator, preprocessing, 2)
    save(made_model(tuple("abcd"), scorer=scorer), tmp_path / "m")
    again = load_model(tmp_path / "m").scorer
    assert np.array_equal(again.probabilities(x), scorer.probabilities(x))
    assert np.array_equal(again.probabilities(x[7:8]), scorer.probabilities(x)[7:8])


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("spec", REFERENCES)
def test_onnxruntime_gives_the_probabilities_of_a_reference(spec, classes):
    estimator, preprocessing, x, _ = fitted(spec, classes, 3)
    scorer = scorer_of(estimator, preprocessing, classes)
    model = made_model(tuple("abcd"), tuple(map(str, range(classes))), scorer=scorer)
    found = ran(to_onnx(model).SerializeToString(), x)
    assert np.abs(found[0] - model.of_inputs(x)[0]).max() < 1e-5


def test_trees_that_do_not_end_are_refused():
    from dataclasses import replace

    estimator, preprocessing, _, _ = fitted(REFERENCES[2], 2, 1)
    trees = scorer_of(estimator, preprocessing, 2)
    with pytest.raises(imbench.UsageError, match="do not fit each other"):
        replace(trees, left=np.zeros_like(trees.left))


def test_a_reference_is_fitted_like_a_strategy(tmp_path):
    frame = visits().drop(columns="patient")
    made = imbench.fit(
        frame, target="ill", strategy="logistic-regression", store=tmp_path / "store", settings={"repeats": "1"},
        out=tmp_path / "m", **QUICK,
    )  # fmt: skip
    assert made.recipe == "logistic-regression"
    assert np.array_equal(load_model(tmp_path / "m").predict_proba(frame), made.predict_proba(frame))


def test_a_rule_that_needs_batches_is_refused_for_a_reference(tmp_path):
    with pytest.raises(imbench.UsageError, match="use --rule recalibrated"):
        imbench.fit(visits(), target="ill", strategy="logistic-regression", rule="balanced-prior", store=tmp_path)


def test_a_reference_of_another_package_is_refused_before_training():
    class Strange:
        def fit(self, X, y):
            return self

        def predict_proba(self, X):
            return X

    from imbench.contract.reference import make_reference

    with pytest.raises(imbench.UsageError, match=r"strange \(Strange\) cannot be stored"):
        check_storable(make_reference("strange", Strange, {}, "strange"))
