"""References are fitted on the rows and values that nets get, equal scikit-learn, and are stored like any job."""

import json
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from imblearn.ensemble import BalancedRandomForestClassifier
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

import imbench
from imbench.contract.errors import UsageError
from imbench.data.data_sources import DataSources
from imbench.data.folds import make_folds
from imbench.data.preprocess import apply, fit
from imbench.runs.bench import run_plan
from imbench.runs.fitting import seed_of, values_of
from imbench.runs.planning import FIT_SECONDS
from imbench.runs.registry import Registry
from imbench.scoring.metrics import score
from imbench.store.store import Store

SETTINGS = {"epochs": "2", "repeats": "1", "folds": "2"}
FOREST = {"sampling_strategy": "all", "replacement": True, "bootstrap": False}
# The same estimators by scikit-learn alone.
DIRECTLY = {
    "uniform": lambda seed: DummyClassifier(strategy="uniform"),
    "class-prior": lambda seed: DummyClassifier(strategy="prior"),
    "logistic-regression": lambda seed: LogisticRegression(max_iter=10_000),
    "balanced-logistic-regression": lambda seed: LogisticRegression(max_iter=10_000, class_weight="balanced"),
    "hist-gradient-boosting": lambda seed: HistGradientBoostingClassifier(random_state=seed),
    "balanced-hist-gradient-boosting": lambda seed: HistGradientBoostingClassifier(
        random_state=seed, class_weight="balanced"
    ),
    "balanced-random-forest": lambda seed: BalancedRandomForestClassifier(random_state=seed, **FOREST),
}


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Three classes that overlap, with missing values."""
    rng = np.random.default_rng(0)
    y = np.repeat(["rare", "few", "many"], [24, 40, 120])
    x = rng.normal(size=(len(y), 4)) + (y == "rare")[:, None] - 0.7 * (y == "few")[:, None]
    x[rng.random(x.shape) < 0.05] = np.nan
    file = tmp_path_factory.mktemp("data") / "table.csv"
    lines = [
        ",".join(["" if np.isnan(v) else f"{v:.6f}" for v in row] + [label]) for row, label in zip(x, y, strict=True)
    ]
    file.write_text("\n".join(["a,b,c,d,kind", *lines]) + "\n")
    return f"{file}:target=kind,task=multiclass"


def test_preparing_rows_takes_little_more_memory_than_they_do(table):
    dataset = imbench.dataset(table)
    plan = imbench.plan(datasets=[table], strategies=["baseline"], settings=SETTINGS, references=())
    fitted = fit(dataset, make_folds(dataset, plan.jobs[0].protocol)[0], 10.0)
    rows = np.random.default_rng(1).integers(len(dataset.x), size=50_000)
    tracemalloc.start()
    values = values_of(dataset, rows, fitted)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_array_equal(values, apply(dataset.x[rows], fitted).astype(np.float64))
    assert peak < 2 * values.nbytes


def run(table, store, references, jobs=1):
    """The results of references alone: their jobs of a run that would train the baseline as well."""
    plan = imbench.plan(
        datasets=[table], strategies=["baseline"], references=references, settings=SETTINGS, store=store, jobs=jobs
    )
    return run_plan(replace(plan, jobs=tuple(job for job in plan.jobs if job.is_reference)))


def test_built_in_references_equal_scikit_learn_on_the_exported_rows(table, tmp_path):
    results = run(table, tmp_path, list(DIRECTLY))
    dataset = Registry().dataset(table, DataSources.open(None))
    protocol = (
        imbench.plan(datasets=[table], strategies=["baseline"], settings=SETTINGS, references=()).jobs[0].protocol
    )
    for fold in make_folds(dataset, protocol):
        scaling = fit(dataset, fold, protocol.clip)
        x = {part: apply(dataset.x[getattr(fold, part)], scaling).astype(np.float64) for part in ("train", "test")}
        for name, made in DIRECTLY.items():
            with threadpool_limits(1):
                estimator = made(seed_of(dataset, fold)).fit(x["train"], dataset.y[fold.train])
                expected = estimator.predict_proba(x["test"])
            (stored,) = [p for p in results.predictions(table, name) if (p.repeat, p.fold) == (fold.repeat, fold.fold)]
            np.testing.assert_array_equal(stored.test.rows, dataset.rows[fold.test])
            np.testing.assert_allclose(stored.test.proba, expected.astype(np.float32), rtol=0, atol=1e-12, err_msg=name)


def test_references_are_rows_of_their_kind_without_what_only_nets_have(table, tmp_path):
    rows = run(table, tmp_path, ["uniform", "hist-gradient-boosting:max_iter=5"]).rows

    assert set(rows["strategy"]) == {"uniform", "hist-gradient-boosting:max_iter=5"}
    assert set(rows["kind"]) == {"reference"}
    assert rows[["epochs", "steps", "loss", "floor_epoch", "empty_batches"]].isna().all(axis=None)
    assert rows[["gmean", "gmean@tuned", "bbs@prior-corrected", "bbs@recalibrated", "brier"]].notna().all(axis=None)
    assert set(rows.groupby(["repeat", "fold"])["rows_hash"].nunique()) == {1}
    assert set(rows["checks"]) == {"not applicable"}
    run(table, tmp_path, ["uniform"])  # stored already
    assert len(Store.open(tmp_path).keys()) == 2


def test_draws_and_training_seeds_reach_references(table, tmp_path):
    plan = imbench.plan(
        datasets=[f"{table},minority=rare,ir=0.1"],
        strategies=["baseline"],
        references=["balanced-random-forest", "logistic-regression"],
        settings={**SETTINGS, "draws": "2", "train_seeds": "2"},
        store=tmp_path,
    )
    results = run_plan(replace(plan, jobs=tuple(job for job in plan.jobs if job.is_reference)))

    assert {
        len(places) for _, places in results.rows.groupby("strategy")[["draw", "repeat", "fold", "train_seed"]]
    } == {8}
    assert not results.rows.duplicated(["strategy", "draw", "repeat", "fold", "train_seed"]).any()
    spec = results.rows["dataset"].iloc[0] + ":" + results.rows["variant"].iloc[0]
    rows = {p.place: tuple(p.test.rows) for p in results.predictions(spec, "logistic-regression")}
    assert len(set(rows.values())) == 4  # of two draws and two folds
    assert all(rows[place] == rows[place._replace(train_seed=0)] for place in rows)
    by_seed = results.rows.groupby(["strategy", "draw", "repeat", "fold"])["brier"].nunique()
    assert by_seed["logistic-regression"].eq(1).all()  # it uses no random numbers
    assert by_seed["balanced-random-forest"].gt(1).all()


def test_results_do_not_depend_on_the_number_of_workers(table, tmp_path):
    names = ["hist-gradient-boosting", "balanced-random-forest:n_estimators=20", "logistic-regression"]

    one, two = (run(table, tmp_path / str(jobs), names, jobs) for jobs in (1, 2))

    for name in names:
        for p, q in zip(one.predictions(table, name), two.predictions(table, name), strict=True):
            assert p.test.proba.tobytes() == q.test.proba.tobytes()
            assert p.validation.proba.tobytes() == q.validation.proba.tobytes()


def test_a_run_fits_all_built_in_references_by_default(default_references, table, tmp_path):
    plan = imbench.plan(datasets=[table], strategies=["baseline"], store=tmp_path)

    assert {job.strategy for job in plan.jobs if job.is_reference} == set(DIRECTLY)
    assert json.loads(json.dumps(plan.to_json()))["jobs"][-1]["kind"] == "reference"
    assert plan.nets == plan.size(plan.jobs[0]).nets


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("unifrom", "did you mean uniform"),
        ("remix", "'remix' is a strategy, not a reference; choose it with --strategy remix"),
        ("hist-gradient-boosting:max_itr=3", "did you mean max_iter"),
        ("hist-gradient-boosting:random_state=3", "imbench sets random_state itself"),
    ],
)
def test_a_mistake_in_a_reference_is_found_before_any_work(table, tmp_path, reference, message):
    with pytest.raises(UsageError, match=message):
        run(table, tmp_path / "store", [reference])
    assert not (tmp_path / "store").exists()


def test_a_reference_given_as_a_strategy_is_named(table, tmp_path):
    with pytest.raises(
        UsageError, match="'uniform' is a reference, not a strategy; choose it with --reference uniform"
    ):
        imbench.plan(datasets=[table], strategies=["uniform"], store=tmp_path)


def test_references_need_tables_unless_they_ignore_features(default_references, tmp_path):
    plan = imbench.plan(datasets=["mnist:ir=0.05"], strategies=["baseline"], store=tmp_path, fetch=False)

    assert {job.strategy for job in plan.jobs if job.is_reference} == {"uniform", "class-prior"}
    (note,) = [text for text in plan.notes if "logistic-regression" in text]
    assert "support only tabular data" in note
    with pytest.raises(UsageError, match="logistic-regression supports tabular data"):
        imbench.plan(datasets=["mnist:ir=0.05"], references=["logistic-regression"], store=tmp_path, fetch=False)


def test_keys_of_strategies_stay_and_those_of_references_differ(table, tmp_path):
    jobs = imbench.plan(datasets=[table], strategies=["baseline"], references=["uniform"], store=tmp_path).jobs

    assert "kind" not in jobs[0].identity()
    assert jobs[1].identity()["kind"] == "reference"


SHARES = '''
import numpy as np

class Shares:
    """The class shares of the training rows, mixed with equal ones; it knows no ``classes_``."""

    def __init__(self, mix=0.5, random_state=None, **more):
        self.mix, self.seed, self.more = mix, random_state, more

    def fit(self, X, y):
        assert X.dtype == np.float64 and np.isfinite(X).all() and self.seed is not None
        self.shares = (1 - self.mix) * np.bincount(y) / len(y) + self.mix / (y.max() + 1)

    def predict_proba(self, X):
        return np.tile(self.shares, (len(X), 1))

class NoProbabilities(Shares):
    def predict_proba(self, X):
        return np.tile(2 * self.shares, (len(X), 1))

class Half:
    def fit(self, X, y):
        pass
'''


@pytest.fixture
def _shares(install):
    """An installed package of references."""
    names = {"shares": "Shares", "no-probabilities": "NoProbabilities", "half": "Half", "gone": "Missing"}
    points = {name: f"imbench_shares:{attribute}" for name, attribute in names.items()}
    install("imbench-shares", {"imbench.references": points}, SHARES)


@pytest.mark.usefixtures("_shares")
@settings(max_examples=4, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(mix=st.floats(0.0, 1.0).map(lambda value: round(value, 3)))
def test_a_reference_of_a_package_is_fitted_like_any_other(table, tmp_path_factory, mix):
    results = run(table, tmp_path_factory.mktemp("store"), [f"shares:mix={mix},note=mine"])

    (spec,) = set(results.rows["strategy"])
    assert Registry().reference(spec).params == (*([] if mix == 0.5 else [("mix", mix)]), ("note", "mine"))
    assert set(results.rows["package"]) == {"imbench-shares"}
    for p in results.predictions(table, spec):
        expected = (1 - mix) * p.train_counts / p.train_counts.sum() + mix / 3
        np.testing.assert_allclose(p.test.proba, np.tile(expected, (len(p.test.y), 1)), atol=1e-6)


@pytest.mark.usefixtures("_shares")
@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("half", "makes a Half, which has no predict_proba"),
        ("gone", "cannot be loaded .*; repair or uninstall imbench-shares"),
    ],
)
def test_a_broken_reference_of_a_package_is_named_before_any_work(table, tmp_path, reference, message):
    with pytest.raises(UsageError, match=message):
        run(table, tmp_path / "store", [reference])
    assert not (tmp_path / "store").exists()


def test_the_longest_fits_of_a_table_begin_first(default_references, tmp_path):
    plan = imbench.plan(datasets=["musk2"], strategies=["baseline"], store=tmp_path / "store", fetch=False)
    cost = {job.strategy: plan.size(job).cost / plan.size(job).folds for job in plan.jobs if job.is_reference}
    slowest_first = ["balanced-hist-gradient-boosting", "hist-gradient-boosting", "balanced-random-forest"]
    assert sorted(cost, key=cost.get, reverse=True)[:3] == slowest_first
    # 13 s were measured.
    assert 5 < cost["balanced-hist-gradient-boosting"] < 30
    assert set(cost) == set(FIT_SECONDS)


@pytest.mark.usefixtures("_shares")
def test_values_that_are_no_probabilities_fail_the_job(table, tmp_path):
    failures = run(table, tmp_path / "store", ["no-probabilities", "uniform"]).failures()

    assert failures["strategy"].tolist() == ["no-probabilities"]
    assert "rows must sum to 1" in failures["error"][0]


def test_references_are_tuned_by_validation_rows_alone(table, tmp_path):
    names = ["logistic-regression", "uniform"]
    plan = imbench.plan(
        datasets=[table], strategies=["baseline"], references=names, settings=SETTINGS, store=tmp_path, tune=4
    )
    assert "tuning: 4 trials of each of 1 strategy and 2 references" in "\n".join(plan.notes)
    assert "uniform: nothing to tune" in "\n".join(plan.notes)
    results = run_plan(plan)
    store, of_reference = Store.open(tmp_path), [job for job in plan.jobs if job.strategy_name == names[0]]
    trials = [{p.place: p for p in store.predictions(job.key)} for job in of_reference]
    assert len(trials) == 4
    tuning = results.tuning()
    for k in (1, 2, 3, 4):
        rows = tuning.select(f"tuned@{k}")
        rows = rows[rows["strategy"] == names[0]]
        assert len(rows) == len(trials[0])
        assert set(rows["kind"]) == {"reference"}
        for row in rows.to_dict("records"):
            folds = [of_trial[row["draw"], row["repeat"], row["fold"], row["train_seed"]] for of_trial in trials[:k]]
            best = min(range(k), key=lambda i: score(folds[i].validation.y, folds[i].validation.proba)["bbs"])
            assert row["members"] == str(best + 1)
            assert row["bbs"] == score(folds[best].test.y, folds[best].test.proba)["bbs"]
    assert tuning.rows.loc[tuning.rows["kind"] == "reference", ["epochs", "steps", "loss"]].isna().all(axis=None)
    boards = tuning.leaderboards("ensemble@4", references=True)
    assert {tuple(sorted(board.table["strategy"])) for board in boards} == {("baseline", "logistic-regression")}
    assert {tuple(board.table["strategy"]) for board in tuning.leaderboards("ensemble@4")} == {("baseline",)}
