"""The classifier is the engine, and behaves in scikit-learn as its own classifiers do."""

import copy
import pickle
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from imblearn.over_sampling import RandomOverSampler
from imblearn.pipeline import make_pipeline as make_imblearn_pipeline
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import make_classification
from sklearn.model_selection import GridSearchCV, TunedThresholdClassifierCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

import imbench
from imbench.contract.records import Fold
from imbench.data.preprocess import fit
from imbench.engine.batches import weighted_rows
from imbench.engine.train import train
from imbench.runs.protocols import load_protocol
from imbench.runs.registry import Registry
from imbench.sklearn import BatchStrategyClassifier
from imbench.sklearn.arrays import NAME
from tests.engine.made import make_dataset
from tests.engine.plain import plain_loop

X, Y = make_classification(300, 8, n_informative=4, weights=[0.85], random_state=0)
TABULAR = sorted(
    entry.name
    for entry in Registry().entries("strategy")
    if entry.package == "imbench" and "tabular" in entry.load().modalities
)


def made(strategy="remix:alpha=0.3", **params):
    return BatchStrategyClassifier(strategy, **{"epochs": 6, "random_state": 0} | params)


def on_engine(classifier, dataset, test):
    """Probabilities of rows ``test`` of a dataset from the engine alone, trained on all other rows."""
    variant = replace(dataset.variant, dataset=NAME, seed=classifier._seed)
    dataset = replace(dataset, variant=variant)
    rest = np.setdiff1d(np.arange(len(dataset.y)), test)
    fold = Fold(0, 0, rest, np.zeros(0, int), test)
    settings = {name: getattr(classifier, name) for name in ("epochs", "dropout", "batch_size", "learning_rate")}
    divisor = 2 * (dataset.x.shape[1] + dataset.classes) / (len(classifier.nets_[0][-2]) + 0.5)
    widths = {"width_divisor": divisor, "multiclass_width_divisor": divisor}
    protocol = replace(load_protocol("standard"), exceptions={}, **settings, **widths)
    fitted = fit(dataset, fold, protocol.clip)
    strategy = classifier.strategy_
    (found,) = train(dataset, [fold], [fitted], strategy, protocol)
    return found.test.proba, dataset, fold, fitted, protocol


@pytest.mark.parametrize("strategy", TABULAR)
@pytest.mark.parametrize("classes", [2, 4])
def test_its_probabilities_are_those_of_the_engine(strategy, classes):
    dataset, test = make_dataset(classes=classes), np.arange(0, 300, 7)
    rest = np.setdiff1d(np.arange(300), test)
    classifier = made(strategy, hidden_width=20).fit(dataset.x[rest], dataset.y[rest])
    expected, *_ = on_engine(classifier, dataset, test)
    np.testing.assert_array_equal(classifier.predict_proba(dataset.x[test]), expected)


@pytest.mark.parametrize("strategy", ["baseline", "remix", "batch-smote", "cost-adjusted"])
def test_its_nets_are_those_of_a_plain_loop(strategy):
    dataset, test = make_dataset(), np.arange(0, 300, 7)
    rest = np.setdiff1d(np.arange(300), test)
    classifier = made(strategy, hidden_width=8, dropout=0.0, batch_size=16).fit(dataset.x[rest], dataset.y[rest])
    _, dataset, fold, fitted, protocol = on_engine(classifier, dataset, test)
    weights, _ = plain_loop(dataset, fold, fitted, classifier.strategy_, protocol)
    for ours, theirs in zip(classifier.nets_[0], weights, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_it_finds_a_minority_that_the_baseline_misses():
    rng = np.random.default_rng(0)
    y = (rng.random(1500) < 0.04).astype(int)
    x = rng.normal(size=(1500, 6)) + y[:, None]
    recall = {s: (made(s, epochs=20).fit(x, y).predict(x)[y == 1]).mean() for s in ("baseline", "remix")}
    assert recall["remix"] > recall["baseline"] + 0.2


def test_equal_random_states_give_equal_bits_and_others_do_not():
    first, again, other = (made(random_state=seed).fit(X, Y).predict_proba(X) for seed in (3, 3, 4))
    assert (first == again).all()
    assert not (first == other).all()


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_two_jobs_of_a_search_find_what_one_finds(backend):
    import joblib

    grid = {"strategy__alpha": [0.1, 0.3, 0.9]}
    alone = GridSearchCV(made(), grid, scoring="neg_log_loss", cv=3).fit(X, Y)
    with joblib.parallel_backend(backend):
        both = GridSearchCV(made(), grid, scoring="neg_log_loss", cv=3, n_jobs=2).fit(X, Y)
    assert (alone.cv_results_["mean_test_score"] == both.cv_results_["mean_test_score"]).all()
    assert len(set(alone.cv_results_["mean_test_score"])) == 3
    assert alone.best_estimator_.strategy == imbench.strategy(alone.best_estimator_.strategy).spec


@pytest.mark.parametrize("given", ["remix", imbench.strategy("remix")], ids=["spec", "object"])
def test_parameters_of_a_spec_and_of_an_object_are_set_alike(given):
    classifier = made(given)
    assert classifier.get_params()["strategy__alpha"] == 0.1
    classifier.set_params(strategy__alpha=np.float64(0.25), epochs=4)
    assert type(classifier.strategy) is type(given)
    assert classifier.get_params()["strategy__alpha"] == 0.25
    expected = made("remix:alpha=0.25", epochs=4).fit(X, Y).predict_proba(X)
    assert (classifier.fit(X, Y).predict_proba(X) == expected).all()


@pytest.mark.parametrize("given", ["augmented:inner=mixup", imbench.Augmented(imbench.strategy("mixup"))], ids=type)
def test_parameters_of_a_strategy_inside_another_one_can_be_set(given):
    classifier = made(given).set_params(strategy__inner__alpha=0.7)
    assert classifier.get_params()["strategy__inner__alpha"] == 0.7
    classifier.set_params(strategy__inner="remix", strategy__inner__alpha=0.2)
    inner = classifier.get_params()["strategy__inner"]
    assert (inner if isinstance(inner, str) else inner.spec) == "remix:alpha=0.2"
    assert classifier.get_params()["strategy__inner__alpha"] == 0.2


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"strategy": "remx"}, "remix"),
        ({"strategy": 3}, "strategy must be a spec"),
        ({"strategy": "augment"}, "image data only"),
        ({"epochs": 0}, "epochs must be a positive whole number, got 0"),
        ({"hidden_width": 0}, "hidden_width must be a positive whole number or None, got 0"),
        ({"validation_fraction": 1.0}, "validation_fraction must be at least 0 and less than 1, got 1.0"),
        ({"n_nets": 0}, "n_nets must be a positive whole number, got 0"),
        ({"dropout": 1.0}, "dropout must be at least 0 and less than 1"),
    ],
)
def test_a_wrong_parameter_is_an_error_of_fit_that_names_it(params, message):
    with pytest.raises(ValueError, match=message):
        made(**params).fit(X, Y)


@pytest.mark.parametrize("name", ["strategy__alhpa", "strategy__inner__alpha", "epoch"])
def test_an_unknown_parameter_is_an_error(name):
    with pytest.raises(ValueError, match=name.removeprefix("strategy__")):
        made().set_params(**{name: 1})


WRAPPED = {
    "Pipeline": lambda net: make_pipeline(StandardScaler(), net),
    "search in a pipeline": lambda net: GridSearchCV(
        Pipeline([("scale", StandardScaler()), ("net", net)]), {"net__strategy__alpha": [0.1, 0.3]}, cv=2
    ),
    "CalibratedClassifierCV": lambda net: CalibratedClassifierCV(net, cv=2),
    "TunedThresholdClassifierCV": lambda net: TunedThresholdClassifierCV(net, cv=2, scoring="balanced_accuracy"),
    "imbalanced-learn's pipeline": lambda net: make_imblearn_pipeline(RandomOverSampler(random_state=0), net),
}


@pytest.mark.parametrize("wrap", WRAPPED.values(), ids=WRAPPED)
def test_it_works_inside(wrap):
    model = wrap(made(epochs=20)).fit(X, Y)
    assert model.predict_proba(X).shape == (300, 2)
    assert (model.predict(X) == Y).mean() > 0.6


@pytest.mark.parametrize("how", [copy.copy, copy.deepcopy, lambda c: pickle.loads(pickle.dumps(c))])
@pytest.mark.parametrize("strategy", ["remix", imbench.strategy("remix")], ids=type)
def test_a_copy_predicts_the_same_bits(how, strategy):
    classifier = made(strategy).fit(X, Y)
    assert (how(classifier).predict_proba(X) == classifier.predict_proba(X)).all()


def test_a_clone_trains_to_the_same_bits():
    classifier = made(imbench.strategy("remix:alpha=0.3"), n_nets=2).fit(X, Y)
    assert (clone(classifier).fit(X, Y).predict_proba(X) == classifier.predict_proba(X)).all()


def test_a_data_frame_is_read_by_its_columns():
    frame = pd.DataFrame(X, columns=list("abcdefgh"))
    classifier = made().fit(frame, np.where(Y, "yes", "no"))
    assert list(classifier.feature_names_in_) == list("abcdefgh")
    assert set(classifier.predict(frame)) <= set(classifier.classes_) == {"no", "yes"}
    with pytest.raises(ValueError, match="feature names"):
        classifier.predict(frame[list("hgfedcba")])


def test_a_missing_value_is_the_mean_and_a_large_offset_loses_no_digits():
    x = X.copy()
    x[::9, 2] = np.nan
    filled = np.where(np.isnan(x), np.nanmean(x, axis=0), x)
    classifier = made().fit(x, Y)
    np.testing.assert_allclose(classifier.predict_proba(x), classifier.predict_proba(filled), atol=1e-5)
    far = made().fit(X + 2.0**40, Y).predict_proba(X + 2.0**40)
    np.testing.assert_allclose(far, made().fit(X, Y).predict_proba(X), atol=0.02)


def test_a_stack_averages_nets_of_which_the_first_is_that_of_one():
    one, three = made().fit(X, Y), made(n_nets=3).fit(X, Y)
    for ours, theirs in zip(one.nets_[0], three.nets_[0], strict=True):
        assert (ours == theirs).all()
    assert not (three.nets_[0][0] == three.nets_[1][0]).all()


@pytest.mark.parametrize("strategy", TABULAR)
def test_equal_weights_are_no_weights_and_rows_of_weight_zero_are_no_rows(strategy):
    plain = made(strategy).fit(X, Y).predict_proba(X)
    assert (made(strategy).fit(X, Y, np.full(300, 3.7)).predict_proba(X) == plain).all()
    kept = np.arange(300) % 3 > 0
    without = made(strategy).fit(X[kept], Y[kept]).predict_proba(X)
    assert (made(strategy).fit(X, Y, kept * 2.0).predict_proba(X) == without).all()


@pytest.mark.parametrize("strategy", ["baseline", "remix", "cost-adjusted"])
def test_a_row_of_weight_two_counts_as_two_rows(strategy):
    """Where x says nothing, a net predicts the shares of the classes among rows, as its strategy weighs them."""
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 2, (400, 1)).astype(float), np.arange(400) % 4 == 0
    weight = np.where(x[:, 0] == 1, np.where(y, 4.0, 1.0), 1.0)
    repeated = np.repeat(np.arange(400), weight.astype(int))
    settings = {"epochs": 60, "n_nets": 4, "dropout": 0.0}
    weighted = made(strategy, **settings).fit(x, y, weight).predict_proba([[0.0], [1.0]])
    as_rows = made(strategy, **settings).fit(x[repeated], y[repeated]).predict_proba([[0.0], [1.0]])
    ignored = made(strategy, **settings).fit(x, y).predict_proba([[0.0], [1.0]])
    assert np.abs(weighted - as_rows).max() < 0.06
    assert np.abs(ignored - as_rows).max() > 0.1


def test_a_row_is_drawn_as_often_as_its_weight_says():
    weight = np.array([0.5, 2.25, 1.0, 0.25])
    counts = [np.bincount(weighted_rows(weight, np.random.default_rng(seed)), minlength=4) for seed in range(2000)]
    assert all(count.sum() == 4 for count in counts)
    assert (np.abs(np.array(counts) - weight) < 1).all()
    np.testing.assert_allclose(np.mean(counts, axis=0), weight, atol=0.05)


def test_a_warm_start_goes_on_and_a_fit_without_begins_anew():
    warm = made(warm_start=True, epochs=3).fit(X, Y)
    first = warm.predict_proba(X)
    loss = warm.loss_
    for _ in range(5):
        warm.fit(X, Y)
    assert warm.loss_ < loss
    cold = made(epochs=3).fit(X, Y)
    assert (cold.predict_proba(X) == first).all()
    assert (cold.fit(X, Y).predict_proba(X) == first).all()


def test_partial_fits_make_progress_and_know_the_classes_from_the_first():
    classifier = made("remix")
    losses = [classifier.partial_fit(X, Y, classes=[0, 1, 2]).loss_ for _ in range(15)]
    assert losses[-1] < losses[0]
    assert classifier.predict_proba(X).shape == (300, 3)
    with pytest.raises(ValueError, match="has the class 9"):
        classifier.partial_fit(X, np.full(300, 9))


def test_held_out_rows_choose_the_weights():
    best, last = (made(validation_fraction=share, epochs=200, dropout=0.0).fit(X, Y) for share in (0.3, 0.0))
    assert not (best.predict_proba(X) == last.predict_proba(X)).all()


def test_a_verbose_fit_prints_its_progress(capsys):
    made(verbose=True).fit(X, Y)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 6
    assert lines[-1].startswith("epoch 6 of 6, 300 rows: training loss 0.")
    made().fit(X, Y)
    assert capsys.readouterr().out == ""


def test_one_class_is_an_error_that_names_it():
    with pytest.raises(ValueError, match="y has one class, 'a'"):
        made().fit(X, np.full(300, "a"))
