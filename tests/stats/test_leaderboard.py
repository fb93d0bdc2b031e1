"""Leaderboards rank complete configurations and mix nothing that is not comparable."""

from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import replace

import pandas as pd
import pytest
from scipy import stats

from imbench.contract.errors import UsageError
from imbench.stats.leaderboard import leaderboard_columns, leaderboards
from imbench.store.results import load
from tests.made_results import FACTS, PROTOCOL, fill, job, predictions

STRATEGIES = ["baseline", "mixup", "remix"]


def frame(scores, task="binary"):
    """Rows of made-up g-means: {(dataset, variant): {strategy: one g-mean for each fold}}; bbs is 1 less that."""
    return pd.DataFrame(
        [
            {
                "dataset": dataset,
                "variant": variant,
                "task": task,
                "strategy": strategy,
                "protocol": "paper",
                "fold": fold,
                "gmean": value,
                "bbs": 1 - value,
                "data_hash": "d",
                "strategy_version": "1",
                "numbers": 1,
                "protocol_fields": "{}",
            }
            for (dataset, variant), row in scores.items()
            for strategy, values in row.items()
            for fold, value in enumerate(values)
        ]
    )


SCORES = {
    ("a", "ir=0.01"): {"baseline": [0.1, 0.3], "mixup": [0.2, 0.2], "remix": [0.5, 0.7]},
    ("a", "ir=0.05"): {"baseline": [0.4, 0.4], "mixup": [0.3, 0.3], "remix": [0.9, 0.8]},
    ("b", "ir=0.05"): {"baseline": [0.5, 0.7], "mixup": [0.4, 0.6], "remix": [0.5, 0.5]},
}


def test_a_leaderboard_says_mean_ranks_and_friedman_best_first():
    board = leaderboards(frame(SCORES), ["gmean"])[0]
    # By hand: fold means .2 .2 .6 | .4 .3 .85 | .6 .5 .5 give ranks 2.5 2.5 1 | 2 3 1 | 1 2.5 2.5.
    assert board.table["strategy"].tolist() == ["remix", "baseline", "mixup"]
    assert board.table["rank_sum"].tolist() == [4.5, 5.5, 8]
    assert board.table["average_rank"].tolist() == pytest.approx([1.5, 5.5 / 3, 8 / 3])
    assert board.table["mean"].tolist() == pytest.approx([0.65, 0.4, 1 / 3])
    assert board.table["configurations"].tolist() == [3, 3, 3]
    expected = stats.friedmanchisquare([0.2, 0.4, 0.6], [0.2, 0.3, 0.5], [0.6, 0.85, 0.5])
    assert board.table["friedman"].tolist() == pytest.approx([expected.statistic] * 3)
    assert board.table["p"].tolist() == pytest.approx([expected.pvalue] * 3)


def test_lower_is_better_turns_the_ranks():
    gmean, bbs = leaderboards(frame(SCORES))
    pd.testing.assert_frame_equal(
        gmean.table.drop(columns="mean"), bbs.table.drop(columns="mean"), check_exact=False, rtol=1e-9
    )
    assert bbs.table["mean"].tolist() == pytest.approx([0.35, 0.6, 2 / 3])


def test_equal_rank_sums_are_ordered_by_the_mean_then_by_name():
    scores = {
        ("a", "natural"): {"z": [0.9], "y": [0.1], "x": [0.0], "w": [0.0]},
        ("b", "natural"): {"z": [0.5], "y": [0.6], "x": [0.0], "w": [0.0]},
    }
    assert leaderboards(frame(scores), ["gmean"])[0].table["strategy"].tolist() == ["z", "y", "w", "x"]


def test_configurations_that_lack_a_strategy_are_dropped_and_listed():
    scores = SCORES | {("b", "ir=0.05"): {"baseline": [0.5], "mixup": [math.nan]}}
    board = leaderboards(frame(scores), ["gmean"])[0]
    assert board.configurations == (("a", "ir=0.01"), ("a", "ir=0.05"))
    assert [(d.dataset, d.variant, d.missing) for d in board.dropped] == [("b", "ir=0.05", ("mixup",))]
    assert board.partial == (("remix", 1),)
    assert set(board.table["configurations"]) == {2}


def test_a_strategy_without_any_result_drops_nothing():
    scores = {where: row | {"broken": [math.nan]} for where, row in SCORES.items()}
    board = leaderboards(frame(scores), ["gmean"])[0]
    assert board.unranked == ("broken",)
    assert len(board.configurations) == 3


@pytest.mark.parametrize(
    ("scores", "reason"),
    [
        ({("a", "natural"): SCORES["a", "ir=0.01"]}, "at least 2 complete configurations; there is 1"),
        ({("a", "x"): {"p": [math.nan]}, ("a", "y"): {"q": [math.nan]}}, "there are none"),
        ({("a", "x"): {"p": [0.1]}, ("a", "y"): {"p": [0.2]}}, "at least 2 strategies"),
        ({("a", str(i)): {"p": [0.1], "q": [0.1]} for i in range(5)}, "all strategies are tied"),
    ],
)
def test_an_undefined_test_is_nan_with_its_reason(scores, reason):
    board = leaderboards(frame(scores), ["gmean"])[0]
    assert reason in board.undefined
    assert board.table["p"].isna().all()
    unranked = {*board.unranked, *(name for name, _ in board.partial)}
    assert len(board.table) + len(unranked) == len({name for row in scores.values() for name in row})


def test_tasks_and_protocols_have_tables_of_their_own(store):
    fill(store, ["a", "b"], STRATEGIES)
    fill(store, ["a", "b"], STRATEGIES, task="multiclass")
    fill(store, ["a", "b"], STRATEGIES[:2], protocol=replace(PROTOCOL, name="other", epochs=7))
    boards = leaderboards(store.frame(), ["gmean"])
    assert [(b.protocol, b.task, len(b.table)) for b in boards] == [
        ("other", "binary", 2),
        ("quick", "binary", 3),
        ("quick", "multiclass", 3),
    ]


def test_protocols_of_one_name_are_told_apart_by_what_differs(store):
    for epochs in (30, 50):
        fill(store, ["a", "b"], STRATEGIES, protocol=replace(PROTOCOL, name="paper+", epochs=epochs))
    boards = leaderboards(store.frame(), ["gmean"])
    assert [b.protocol for b in boards] == ["paper+ (epochs=30)", "paper+ (epochs=50)"]


def test_a_protocols_exception_for_one_dataset_does_not_split_it(store):
    fill(store, ["a", "b"], STRATEGIES)
    fill(store, ["coil2000"], STRATEGIES, protocol=replace(PROTOCOL, batch_size=32))
    (board,) = leaderboards(store.frame(), ["gmean"])
    assert len(board.configurations) == 3


def test_versions_of_a_strategy_are_two_strategies(store):
    fill(store, ["a", "b"], STRATEGIES)
    fill(store, ["a", "b"], ["remix"], version="2")
    (board,) = leaderboards(store.frame(), ["gmean"])
    # Made of the seeds of the baseline, the second gave the same predictions and is ranked once.
    assert set(board.table["strategy"]) == {"baseline", "mixup", "remix@1"}
    assert board.same == (("baseline", "remix@2"),)


def test_other_data_under_the_same_name_is_another_configuration(store):
    fill(store, ["a"], STRATEGIES, data="old")
    fill(store, ["a"], STRATEGIES, data="new")
    (board,) = leaderboards(store.frame(), ["gmean"])
    assert len(board.configurations) == 2


def test_rows_that_an_older_version_decided_are_left_out():
    old = frame(SCORES).assign(numbers=0, gmean=1.0)
    both = leaderboards(pd.concat([frame(SCORES), old]), ["gmean"])[0]
    pd.testing.assert_frame_equal(both.table, leaderboards(frame(SCORES), ["gmean"])[0].table)


def test_an_unknown_metric_is_named():
    with pytest.raises(UsageError, match=r"unknown metric 'accuracy'; did you mean balanced_accuracy"):
        leaderboards(frame(SCORES), ["accuracy"])


def test_results_show_their_jobs_failures_and_notes(store):
    fill(store, ["a", "b"], STRATEGIES)
    store.fail(job("c", "remix"), "diverged", FACTS)
    results = replace(load(store.path), notes=["Data ready: 3 of 27 configurations"])
    assert "7 jobs (1 failed): 3 configurations, 3 strategies, protocol quick" in repr(results)
    assert "Data ready: 3 of 27 configurations" in repr(results)
    assert results.failures()[["dataset", "strategy", "error"]].to_numpy().tolist() == [["c", "remix", "diverged"]]
    html = results._repr_html_()
    assert html.count("<table") == 2
    assert "G-mean" in html


def test_the_frame_of_results_is_the_callers_own(store):
    fill(store, ["a"], ["remix"])
    results = load(store.path)
    mine = results.frame()
    mine["gmean"] = 0.0
    assert (results.frame()["gmean"] > 0).all()


def test_results_of_one_plan_leave_out_the_rest_of_the_store(store):
    fill(store, ["a"], STRATEGIES)
    results = load(store.path, keys=[job("a", "mixup").key])
    assert set(results.frame()["strategy"]) == {"mixup"}
    assert results.notes == ()


@pytest.mark.parametrize(
    "dataset",
    ["a:ir=0.05", "a:task=binary,ir=0.05", "a:ir=0.05,seed=0", "b:task=multiclass", "b:ir=0.05,task=multiclass"],
)
def test_predictions_are_found_by_specs(store, dataset):
    fill(store, ["a"], STRATEGIES)
    fill(store, ["a"], STRATEGIES, ir=0.1)
    fill(store, ["a"], STRATEGIES, task="multiclass")
    fill(store, ["b"], STRATEGIES, task="multiclass")
    found = load(store.path).predictions(dataset=dataset, strategy="remix")
    assert found[0].test.proba.shape == (20, 3 if "multiclass" in dataset else 2)


@pytest.mark.parametrize(
    ("dataset", "strategy", "message"),
    [
        ("a", "remix", r"2 jobs match .* a:ir=0.05 with remix under quick; a:ir=0.1 with remix under quick"),
        ("c", "remix", r"no jobs match dataset 'c'.* the store has: a:ir=0.05 with baseline under quick"),
        ("a:ir=0.05", "smote", r"no jobs match .* strategy 'smote'"),
    ],
)
def test_predictions_that_are_not_one_job_are_refused_with_what_there_is(store, dataset, strategy, message):
    fill(store, ["a"], STRATEGIES)
    fill(store, ["a"], STRATEGIES, ir=0.1)
    with pytest.raises(UsageError, match=message):
        load(store.path).predictions(dataset, strategy)


def test_predictions_of_the_natural_variant_are_meant_by_the_bare_name(store):
    fill(store, ["a"], ["remix"])
    natural = job("a", "remix", ir=None)
    store.write(natural, predictions(natural, rows=60), FACTS)
    assert load(store.path).predictions("a", "remix")[0].test.proba.shape == (30, 2)


def ruled(extra):
    """The rows of SCORES with further columns, each a function of the strategy's name and the row's g-mean."""
    rows = frame(SCORES)
    for name, function in extra.items():
        rows[name] = [function(s, g) for s, g in zip(rows["strategy"], rows["gmean"], strict=True)]
    return rows


def test_a_baseline_with_a_tuned_threshold_can_win():
    rows = ruled({"gmean@tuned": lambda s, g: g + 0.8 if s == "baseline" else g})
    each = leaderboards(rows, ["gmean"], rule="each")[0]
    assert each.table["strategy"].iloc[0] == "baseline+tuned"
    assert set(each.table["strategy"]) == {s + suffix for s in STRATEGIES for suffix in ("", "+tuned")}
    plain = leaderboards(rows, ["gmean"])[0]
    assert plain.table["strategy"].iloc[0] == "remix"
    # By hand: 0.8 more than the baseline's means is best in all three configurations.
    tuned = plain.tuned_baseline
    assert (tuned.name, tuned.place, tuned.average_rank, tuned.competitors) == ("baseline+tuned", 1, 1.0, 4)
    assert tuned.mean == pytest.approx(0.4 + 0.8)


def test_one_rule_for_all_ranks_the_same_strategies_by_its_column():
    rows = ruled({"gmean@tuned": lambda s, g: 1 - g})
    board = leaderboards(rows, ["gmean"], rule="tuned")[0]
    assert board.rule == "tuned"
    assert board.table["strategy"].iloc[-1] == "remix"
    assert board.table["mean"].tolist() == pytest.approx([2 / 3, 0.6, 0.35])


def test_a_metric_that_a_rule_leaves_alone_competes_once():
    rows = ruled({"gmean@tuned": lambda _, g: g, "bbs@prior-corrected": lambda _, g: g})
    (board,) = leaderboards(rows, ["bbs"], rule="each")
    assert set(board.table["strategy"]) == {s + suffix for s in STRATEGIES for suffix in ("", "+prior-corrected")}
    pd.testing.assert_frame_equal(
        leaderboards(rows, ["bbs"], rule="tuned")[0].table, leaderboards(rows, ["bbs"])[0].table
    )


def test_folds_in_which_a_class_is_never_hit_are_counted():
    rows = ruled({"zero_recall": lambda s, g: (2 if g < 0.15 else 0) if s == "baseline" else 1})
    counts = leaderboards(rows, ["gmean"])[0].table.set_index("strategy")["zero_folds"]
    assert counts.to_dict() == {"baseline": 1, "mixup": 6, "remix": 6}


def test_zero_folds_of_configurations_left_out_are_not_counted():
    rows = ruled({"zero_recall": lambda *_: 1})
    rows.loc[(rows["dataset"] == "b") & (rows["strategy"] == "remix"), "gmean"] = math.nan
    assert set(leaderboards(rows, ["gmean"])[0].table["zero_folds"]) == {4}


def test_a_metric_with_a_target_is_ranked_by_the_distance_from_it():
    slopes = {"baseline": 0.5, "mixup": 1.2, "remix": 3.0}
    board = leaderboards(ruled({"calibration_slope": lambda s, _: slopes[s]}), ["calibration_slope"])[0]
    assert board.table["strategy"].tolist() == ["mixup", "baseline", "remix"]
    assert board.table["mean"].tolist() == pytest.approx([1.2, 0.5, 3.0])


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("best", "unknown decision rule 'best'; there are argmax, tuned, prior-corrected"),
        ("tuned", "no column 'gmean@tuned'"),
    ],
)
def test_a_rule_that_rows_do_not_have_is_named(rule, message):
    with pytest.raises(UsageError, match=message):
        leaderboards(frame(SCORES), ["gmean"], rule=rule)


@pytest.mark.parametrize("rule", ["argmax", "tuned", "prior-corrected", "each"])
def test_rows_read_as_categories_give_the_same_leaderboards(store, rule):
    fill(store, ["a", "b"], STRATEGIES)
    fill(store, ["a", "b"], ["remix"], version="2")
    fill(store, ["a"], STRATEGIES, protocol=replace(PROTOCOL, epochs=7))
    whole = store.frame()
    few = store.frame(columns=leaderboard_columns(["gmean", "bbs"], rule))
    assert isinstance(few["strategy"].dtype, pd.CategoricalDtype)
    assert len(few.columns) < len(whole.columns) / 2
    for a, b in zip(leaderboards(whole, rule=rule), leaderboards(few, rule=rule), strict=True):
        assert (a.protocol, a.task, a.configurations, a.dropped) == (b.protocol, b.task, b.configurations, b.dropped)
        pd.testing.assert_frame_equal(a.table, b.table)


SCALE = """
import resource, sys
import numpy as np, pandas as pd
from imbench.stats.leaderboard import leaderboards
mega = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
strategies, configurations, folds = 100, 1000, 20
rows = strategies * configurations * folds
leaderboards  # and what it imports, before memory is measured
import scipy.special
before = mega()
def text(codes, names): return pd.Categorical.from_codes(codes, names)
where = np.repeat(np.arange(configurations, dtype=np.int16), strategies * folds)
who = np.tile(np.repeat(np.arange(strategies, dtype=np.int16), folds), configurations)
zero = np.zeros(rows, np.int8)
same = {"task": "binary", "variant": "natural", "strategy_version": "1", "protocol": "p", "protocol_fields": "{}"}
columns = {name: text(zero, [value]) for name, value in same.items()}
columns["dataset"] = columns["data_hash"] = text(where, [f"d{i}" for i in range(configurations)])
columns["strategy"] = text(who, [f"s{i}" for i in range(strategies)])
columns["gmean"] = np.random.default_rng(0).random(rows)
(board,) = leaderboards(pd.DataFrame(columns, copy=False), ["gmean"])
assert len(board.table) == strategies and len(board.configurations) == configurations
print(mega() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="memory is counted in kilobytes on Linux only")
def test_two_million_folds_are_ranked_in_a_tenth_of_what_twenty_may_take():
    done = subprocess.run([sys.executable, "-c", SCALE], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 400, "megabytes; twenty million rows may take 4,000"


def test_strategies_that_fell_back_are_told_with_the_share_of_their_batches():
    rows = frame(SCORES)
    shares = {("mixup", "ir=0.01"): 0.25, ("mixup", "ir=0.05"): 0.1, ("remix", "ir=0.01"): 0.0}
    changed = rows.assign(
        fallback_share=[shares.get(pair) for pair in zip(rows["strategy"], rows["variant"], strict=True)]
    )
    (board,) = leaderboards(changed, ["gmean"])
    assert board.fallbacks == (("mixup", pytest.approx((0.25 + 0.1 + 0.1) / 3)),)
    assert leaderboards(rows, ["gmean"])[0].fallbacks == ()
