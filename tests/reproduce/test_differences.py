"""Differences between two ways, against pandas, scipy and statsmodels; who leads; when the rate's floor is reached."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from imbench.reproduce.decisions import DECISIONS
from imbench.reproduce.differences import Pairing, described, differences, floors, summary

FOLDS = 10
ALPHA = next(decision for decision in DECISIONS if decision.name == "alpha")


def rows_of(means, seed=0, folds=FOLDS, noise=0.01):
    """Per-fold rows of strategies with these mean g-means; BBS is what g-mean lacks."""
    rng = np.random.default_rng(seed)
    scores = {name: mean + rng.normal(scale=noise, size=folds) for name, mean in means.items()}
    return pd.DataFrame(
        [
            {"dataset": "musk", "variant": "ir=0.05", "strategy": name, "repeat": i // 2, "fold": i % 2}
            | {"gmean": value, "bbs": 1 - value, "n_train": 35, "n_test": 50, "error": "", "floor_epoch": 10.0 + i}
            | {"epochs": 100 + i}
            for name, values in scores.items()
            for i, value in enumerate(values)
        ]
    )


def pairing(ours, other, where="musk:ir=0.05", decision="alpha"):
    return Pairing(decision, where, ours, other)


def test_a_difference_its_interval_and_p_value_are_those_of_a_plain_computation():
    ours, other = rows_of({"baseline": 0.5, "remix": 0.7}), rows_of({"remix": 0.75}, seed=1)
    table = differences([pairing(ours, other)]).set_index("metric")
    gaps = other["gmean"].to_numpy() - ours.loc[ours["strategy"] == "remix", "gmean"].to_numpy()
    error = gaps.std(ddof=1) * math.sqrt(1 / FOLDS + 50 / 35)
    low, high = stats.t.interval(0.95, FOLDS - 1, gaps.mean(), error)
    p = 2 * stats.t.sf(abs(gaps.mean() / error), FOLDS - 1)
    found = table.loc["gmean", ["difference", "low", "high", "p"]].tolist()
    assert found == pytest.approx([gaps.mean(), low, high, p])
    assert table.loc["bbs", "difference"] == pytest.approx(-gaps.mean())
    assert table.loc["gmean", "strategy"] == "remix"  # the baseline is the same both ways


def test_folds_are_paired_by_number_whatever_the_order_of_rows():
    ours, other = rows_of({"remix": 0.7}), rows_of({"remix": 0.75}, seed=1)
    mixed = differences([pairing(ours, other.sample(frac=1, random_state=3))])
    pd.testing.assert_frame_equal(mixed, differences([pairing(ours, other)]))


def test_holms_correction_is_over_the_configurations_of_a_decision_and_metric():
    pairs = [
        pairing(rows_of({"remix": 0.7}, seed=i), rows_of({"remix": 0.7 + 0.005 * i}, seed=9 + i), f"c{i}")
        for i in range(4)
    ]
    table = differences([*pairs, pairing(rows_of({"remix": 0.7}), rows_of({"remix": 0.9}), decision="draw")])
    for (_, _), rows in table.groupby(["decision", "metric"]):
        expected = multipletests(rows["p"], method="holm")[1]
        assert rows["p_holm"].to_numpy() == pytest.approx(expected)


def test_who_leads_is_judged_with_what_did_not_change_and_in_the_metrics_direction():
    ours = rows_of({"baseline": 0.6, "remix": 0.7, "batch-smote": 0.65})
    table = differences([pairing(ours, rows_of({"remix": 0.5}, seed=1))])
    assert table[["leads", "leads_other"]].to_numpy().tolist() == [[True, False]] * 2


def test_a_failed_fold_is_no_pair_and_a_single_one_has_no_interval():
    ours, other = rows_of({"remix": 0.7}, folds=2), rows_of({"remix": 0.8}, folds=2)
    other.loc[0, ["gmean", "bbs", "error"]] = [np.nan, np.nan, "ValueError: no"]
    table = differences([pairing(ours, other)])
    assert table["folds"].tolist() == [1, 1]
    assert table[["low", "high", "p", "p_holm"]].isna().to_numpy().all()
    assert len(summary([ALPHA], table)) == 1


def test_the_summary_has_the_mean_over_configurations_and_counts_what_is_beyond_noise():
    ours = [rows_of({"baseline": 0.9, "remix": 0.7}, seed=i) for i in range(3)]
    other = [rows_of({"remix": m}, seed=9 + i) for i, m in enumerate((0.9, 0.7, 0.95))]
    table = differences([pairing(a, b, f"c{i}") for i, (a, b) in enumerate(zip(ours, other, strict=True))])
    (line,) = summary([ALPHA], table).to_dict("records")
    mean = table.loc[table["metric"] == "gmean", "difference"].mean()
    assert line["g-mean"].startswith(f"+{mean:.4f} (")
    assert line["configurations"] == 3
    assert "A difference in g-mean is shown on 2 of 3 configurations" in line["verdict"]
    assert "ReMix has the best mean g-mean on 0 of 3 with our choice and on " in line["verdict"]
    assert described(ALPHA, table).startswith("α of ReMix, 0.3 instead of 0.1: ReMix's mean g-mean changes by +")


def test_the_interval_of_the_mean_covers_as_often_as_it_says():
    # Folds that share no rows: then the error of the mean over configurations is known.
    rng, inside = np.random.default_rng(0), 0
    for _ in range(60):
        pairs = []
        for i in range(3):
            ours = rows_of({"remix": 0.5}, seed=int(rng.integers(1 << 30)))
            other = rows_of({"remix": 0.5}, seed=int(rng.integers(1 << 30)))
            pairs.append(pairing(ours.assign(n_test=1, n_train=10**6), other, f"c{i}"))
        text = summary([ALPHA], differences(pairs))["g-mean"][0].replace("−", "-")
        low, high = (float(end) for end in text.partition("(")[2].rstrip(")").split(" to "))
        inside += low <= 0 <= high
    assert inside / 60 == pytest.approx(0.95, abs=0.06)


def test_floors_are_medians_over_the_nets_that_reached_it():
    rows = rows_of({"baseline": 0.5, "remix": 0.6})
    rows.loc[rows["strategy"] == "remix", "floor_epoch"] = [np.nan] * 5 + [20.0, 22.0, 24.0, 26.0, 28.0]
    found = floors([rows]).set_index("strategy")
    assert found.loc["remix", ["nets", "reached", "median_epoch"]].tolist() == [FOLDS, 0.5, 24.0]
    assert found.loc["baseline", "median_epoch"] == 14.5
    assert found.loc["baseline", "epochs"] == 104.5


@pytest.mark.parametrize("decision", DECISIONS, ids=lambda d: d.name)
def test_a_decision_is_measured_on_at_least_three_configurations_and_changes_something(decision):
    assert len(set(decision.configurations)) >= 3
    assert decision.settings or decision.swapped or decision.name == "imputation"
    assert {"baseline", "remix"} <= set(decision.strategies)


def test_no_interval_reaches_beyond_the_largest_difference_of_two_scores():
    ours, other = rows_of({"baseline": 0.5, "remix": 0.1}), rows_of({"remix": 0.9}, seed=1, noise=0.9)
    table = differences([pairing(ours, other)])
    assert table[["low", "high"]].abs().to_numpy().max() == 1
    (line,) = summary([ALPHA], table.assign(difference=0.0, error=9.0)).to_dict("records")
    assert line["g-mean"].replace("−", "-").endswith(" (-1.0000 to +1.0000)")
