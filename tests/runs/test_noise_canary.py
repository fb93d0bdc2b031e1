"""The noise canary: labels that no feature explains. What each metric pays for knowing nothing (docs/statistics.md)."""

import numpy as np
import pytest

import imbench

REFERENCES = ["uniform", "class-prior", "logistic-regression", "balanced-logistic-regression"]


@pytest.fixture(scope="module")
def means(tmp_path_factory):
    """Means over folds by strategy, on a table of 1,000 rows, 100 of them rare, with shuffled labels."""
    folder = tmp_path_factory.mktemp("noise")
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(1000, 5)), rng.permutation(np.repeat(["rare", "many"], [100, 900]))
    lines = [",".join([*(f"{value:.6f}" for value in row), label]) for row, label in zip(x, y, strict=True)]
    (folder / "noise.csv").write_text("\n".join(["a,b,c,d,e,kind", *lines]) + "\n")
    results = imbench.run(
        datasets=[f"{folder / 'noise.csv'}:target=kind"],
        strategies=["baseline", "cost-adjusted", "batch-smote"],
        references=REFERENCES,
        settings={"epochs": "30", "repeats": "1"},
        store=folder / "store",
        jobs=1,
        checks=False,
    )
    return results.rows.groupby("strategy").mean(numeric_only=True)


def test_no_competitor_orders_the_rows(means):
    assert (abs(means["auroc"] - 0.5) < 0.12).all()
    assert (means["auprc"] < 0.16).all()


def test_the_balanced_brier_score_pays_for_a_shifted_prior(means):
    bbs = means["bbs"]
    assert bbs["uniform"] == pytest.approx(0.25)
    assert bbs["class-prior"] == pytest.approx((0.1**2 + 0.9**2) / 2, abs=0.005)
    assert (bbs[["cost-adjusted", "batch-smote", "balanced-logistic-regression"]] < bbs["baseline"] - 0.05).all()


def test_the_g_mean_pays_for_a_shifted_threshold(means):
    assert (means.loc[["uniform", "class-prior", "logistic-regression"], "gmean"] < 0.1).all()
    assert (means.loc[["cost-adjusted", "balanced-logistic-regression"], "gmean"] > 0.3).all()


def test_the_natural_brier_score_pays_for_nothing(means):
    assert means["brier"].idxmin() in ("class-prior", "logistic-regression")
    shifted = means.loc[["uniform", "balanced-logistic-regression"], "brier"]
    assert (shifted > 2 * means.loc["class-prior", "brier"]).all()


def test_the_balanced_prior_gives_the_same_without_rebalancing(means):
    assert means.loc["class-prior", "bbs@balanced-prior"] == pytest.approx(0.25, abs=1e-6)
    assert means.loc["logistic-regression", "bbs@balanced-prior"] < means.loc["class-prior", "bbs"] - 0.1
