"""The verdict on one table: what is shown, what is advised, and in which words."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from imbench import UsageError
from imbench.advice.goals import GOALS, goal_of
from imbench.advice.verdict import advise_rows
from imbench.advice.words import headline, sentences
from imbench.scoring.costs import cost_metric, cost_threshold

REFERENCES = ("hist-gradient-boosting", "balanced-random-forest")
FOLDS, REPEATS = 5, 4


def rows(means, *, seed=0, noise=0.02, auroc=0.8, ece=0.02, column="gmean@tuned"):
    """Scores of these models over 20 folds, with noise of each fold shared by all models and noise of their own."""
    rng = np.random.default_rng(seed)
    shared = rng.normal(0, 0.1, FOLDS * REPEATS)
    found = []
    for name, mean in means.items():
        made = {
            "strategy": name,
            "kind": "reference" if name in REFERENCES else "strategy",
            "error": "",
            "draw": 0,
            "train_seed": 0,
            "repeat": np.repeat(np.arange(REPEATS), FOLDS),
            "fold": np.tile(np.arange(FOLDS), REPEATS),
            column: mean + shared + rng.normal(0, noise, FOLDS * REPEATS),
            "auroc": auroc + rng.normal(0, 0.02, FOLDS * REPEATS),
            "seconds": 0.5,
            "recall[0]@tuned": 0.9,
            "recall[1]@tuned": 0.7,
            "tuned_weight[0]": 1.0,
            "tuned_weight[1]": np.tile([3.0, 3.0, 3.0, 4.0, 9.0], REPEATS),
            "train_prior[0]": 0.5 if name == "remix" else 0.9,
            "train_prior[1]": 0.5 if name == "remix" else 0.1,
            "ece": ece + rng.normal(0, 0.002, FOLDS * REPEATS),
            "calibration_slope": 1.0,
            "ece@recalibrated": 0.01 + rng.normal(0, 0.002, FOLDS * REPEATS),
            "calibration_slope@recalibrated": 1.0,
        }
        found.append(pd.DataFrame(made))
    return pd.concat(found, ignore_index=True)


def advice(means, goal="decisions", **options):
    return advise_rows(rows(means, **options), GOALS[goal], test_share=1 / FOLDS)


def test_a_strategy_that_is_shown_to_be_better_is_advised():
    found = advice({"baseline": 0.6, "remix": 0.7, "mixup": 0.6})
    assert (found.rebalance, found.recipe, found.rule) == (True, "remix", "tuned")
    assert 0.05 < found.low < found.effect < found.high < 0.15
    assert found.p < 0.05
    assert "Rebalancing helps here: remix with a tuned threshold" in headline(found, GOALS["decisions"])


def test_a_difference_within_noise_leads_to_doing_nothing():
    found = advice({"baseline": 0.6, "remix": 0.61}, noise=0.1)
    assert (found.rebalance, found.recipe, found.effect, found.p) == (False, "baseline", 0.0, 1.0)
    said = " ".join(sentences(found, GOALS["decisions"]))
    assert "Rebalancing does not help here" in said
    assert f"A gain of {found.detectable:.3f} or more would be found" in said


def test_boosted_trees_may_be_the_answer():
    found = advice({"baseline": 0.6, "remix": 0.65, "hist-gradient-boosting": 0.8})
    assert (found.rebalance, found.recipe) == (False, "hist-gradient-boosting")
    assert "without rebalancing" in headline(found, GOALS["decisions"])
    assert advice({"baseline": 0.6, "balanced-random-forest": 0.8}).rebalance


def test_what_trees_gain_is_not_put_down_to_their_rebalancing():
    means = {"baseline": 0.6, "hist-gradient-boosting": 0.8, "balanced-random-forest": 0.805}
    found = advice(means)
    assert (found.rebalance, found.recipe, found.passed_over) == (
        False,
        "hist-gradient-boosting",
        "balanced-random-forest",
    )
    said = " ".join(sentences(found, GOALS["decisions"]))
    assert "Another model is better here, without rebalancing: hist-gradient-boosting" in said
    assert "balanced-random-forest has a better mean, but is not shown to be better" in said


def test_rebalancing_that_is_better_than_the_best_plain_model_is_advised():
    found = advice({"baseline": 0.6, "hist-gradient-boosting": 0.7, "remix": 0.8})
    assert (found.rebalance, found.recipe, found.passed_over) == (True, "remix", "")


def test_a_reference_that_rebalances_is_not_called_rebalancing_of_nets():
    found = advice({"baseline": 0.6, "balanced-random-forest": 0.8})
    assert found.rebalance
    assert "Another model is better here, one that rebalances" in headline(found, GOALS["decisions"])


def test_the_decision_is_told_in_rows_of_a_hundred():
    found = advise_rows(
        rows({"baseline": 0.6, "remix": 0.8}), GOALS["decisions"], test_share=1 / FOLDS, classes=("stays", "leaves")
    )
    assert found.decision.threshold == 0.25  # 1 / (1 + the weight 3)
    assert (found.decision.low, found.decision.high) == (0.1, 0.25)
    said = sentences(found, GOALS["decisions"])[-1]
    assert said.startswith(
        "At a threshold of 0.250 (0.100 to 0.250 over folds) it finds 70 of 100 rows of 'leaves', and takes 10 of 100 "
        "of 'stays' for 'leaves'; with nothing done, 70 and 10."
    )
    assert said.endswith("One training takes 0.5 s; of the plain net, 0.5 s.")


def test_what_rebalancing_does_to_probabilities_is_said_whatever_is_advised():
    said = " ".join(sentences(advice({"baseline": 0.6, "remix": 0.6}, ece=0.2), GOALS["decisions"]))
    assert "The probabilities of the plain net (baseline) may be trusted after recalibration" in said
    assert re.search(r"With remix they differ by 0\.(199|200|201) as they are, and by 0\.010 after recalibration", said)


def test_on_a_table_that_cannot_be_learned_nothing_is_advised():
    found = advice({"baseline": 0.3, "remix": 0.5}, auroc=0.5)
    assert (found.learnable, found.rebalance, found.recipe) == (False, False, "baseline")
    assert "guessing" in headline(found, GOALS["decisions"])


def test_a_constant_model_is_no_candidate():
    made = rows({"baseline": 0.6, "remix": 0.6, "class-prior": 0.9})
    made.loc[made["strategy"] == "class-prior", "auroc"] = 0.5
    assert [one.name for one in advise_rows(made, GOALS["decisions"], test_share=0.2).candidates] == ["remix"]


@given(st.integers(0, 10**6), st.floats(-0.05, 0.05))
def test_p_and_interval_are_those_of_the_corrected_test_written_out(seed, gain):
    means = {"baseline": 0.6, "remix": 0.6 + gain, "mixup": 0.6}
    made = rows(means, seed=seed)
    found = {one.name: one for one in advise_rows(made, GOALS["decisions"], test_share=0.2).candidates}
    values = {name: made.loc[made["strategy"] == name, "gmean@tuned"].to_numpy() for name in means}
    gains = values["remix"] - values["baseline"]
    error = np.sqrt((1 / 20 + 0.2 / 0.8) * gains.var(ddof=1))
    p = min(1, 2 * stats.t.sf(gains.mean() / error, 19))
    half = stats.t.ppf(1 - 0.05 / 2, 19) * error  # one-sided level 0.05 over two candidates
    np.testing.assert_allclose(
        [found["remix"].p, found["remix"].low, found["remix"].high], [p, gains.mean() - half, gains.mean() + half]
    )
    assert found["remix"].better == (p <= 0.05) == (gains.mean() - half >= 0)


def test_without_an_effect_rebalancing_is_advised_in_at_most_five_of_a_hundred_tables():
    """Five candidates without an effect on each of 400 tables: 95 % of binomial counts are up to 28."""
    names = ["remix", "mixup", "batch-smote", "cost-adjusted", "hist-gradient-boosting"]
    means = {"baseline": 0.6} | dict.fromkeys(names, 0.6)
    advised = [advice(means, seed=seed).recipe != "baseline" for seed in range(400)]
    assert sum(advised) <= 28


def test_an_effect_of_the_stated_size_is_found_with_the_stated_power():
    """The corrected test is conservative for independent folds, so the power is at least the stated one."""
    stated = [advice({"baseline": 0.6, "remix": 0.6}, seed=seed).detectable for seed in range(50)]
    size = float(np.mean(stated))
    found = [advice({"baseline": 0.6, "remix": 0.6 + size}, seed=seed).rebalance for seed in range(200)]
    assert sum(found) >= 0.8 * 200


def test_probabilities_are_judged_as_they_are_and_recalibrated():
    found = advice({"baseline": 0.6}, ece=0.2)
    trusted = {one.rule: one.trusted for one in found.probabilities}
    assert trusted == {"argmax": False, "recalibrated": True}
    assert "trusted after recalibration" in " ".join(sentences(found, GOALS["decisions"]))
    assert "trusted as they are" in " ".join(sentences(advice({"baseline": 0.6}), GOALS["decisions"]))


def test_lower_is_better_where_the_metric_says_so():
    made = rows({"baseline": 0.3, "remix": 0.2}, column="brier")
    made["brier@recalibrated"] = made["brier"]
    found = advise_rows(made, GOALS["probabilities"], test_share=0.2)
    assert (found.recipe, found.rebalance) == ("remix", True)
    assert found.effect > 0


def test_a_model_that_failed_on_a_fold_is_named_and_not_compared():
    made = rows({"baseline": 0.6, "remix": 0.9})
    made.loc[made.index[-1], ["error", "gmean@tuned"]] = ["ran out of memory", np.nan]
    found = advise_rows(made, GOALS["decisions"], test_share=0.2)
    assert (found.recipe, found.lacking, found.candidates) == ("baseline", ("remix",), ())
    assert "Not compared, because results are missing: remix." in sentences(found, GOALS["decisions"])


def test_json_has_plain_values():
    found = advice({"baseline": 0.6, "remix": 0.7}).to_dict()
    text = json.loads(json.dumps(found, allow_nan=False))
    assert text["rebalance"] is True
    assert text["interval"][0] < text["effect"] < text["interval"][1]
    assert {"recipe", "p", "probabilities"} <= set(text)


def test_without_a_baseline_or_folds_there_is_no_advice():
    with pytest.raises(UsageError, match="baseline has no results"):
        advice({"remix": 0.6})
    made = rows({"baseline": 0.6, "remix": 0.7}).query("repeat == 0 and fold < 3")
    with pytest.raises(UsageError, match="at least 4 folds, got 3"):
        advise_rows(made, GOALS["decisions"], test_share=0.2)


@given(st.floats(0.1, 50), st.floats(0.1, 50), st.integers(0, 10**6))
def test_no_threshold_is_cheaper_than_that_of_the_costs(cost_fn, cost_fp, seed):
    """On rows drawn from their own probabilities, in expectation: cost of each row by either decision."""
    p = np.random.default_rng(seed).random(50)
    positive = p >= cost_threshold(cost_fn, cost_fp)
    expected = np.where(positive, cost_fp * (1 - p), cost_fn * p)
    np.testing.assert_allclose(expected, np.minimum(cost_fp * (1 - p), cost_fn * p))


def test_the_cost_of_a_row_is_as_given():
    metric = cost_metric(10, 1)
    proba = np.array([[0.95, 0.05], [0.95, 0.05], [0.5, 0.5], [0.5, 0.5]])
    assert metric([0, 1, 0, 1], proba) == (0 + 10 + 1 + 0) / 4


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("decision",), "decisions"),
        (("decisions", 10.0, None), "--cost-fn needs --cost-fp as well"),
        (("decisions", None, 1.0), "--cost-fp needs --cost-fn as well"),
        (("decisions", -1.0, 1.0), "--cost-fn must be a positive number, got -1"),
        (("decisions", 1.0, float("nan")), "--cost-fp must be a positive number"),
        (("ranking", 1.0, 1.0), "costs are of decisions"),
    ],
)
def test_a_goal_or_cost_that_is_none_is_named(arguments, reason):
    with pytest.raises(UsageError, match=reason):
        goal_of(*arguments)
