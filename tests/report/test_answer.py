"""The sentence of a task claims no more than its tests show, and names few competitors."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from imbench.report.answer import answer
from imbench.scoring.metrics import METRICS
from imbench.stats.board import make_board
from imbench.stats.score_table import Configuration, ScoreTable
from imbench.stats.words import MOST_NAMED, listed


def table(plain, tuned=None, bbs=None, per_dataset=1, task="binary"):
    """A score table of (configurations, strategies) scores, the baseline first."""
    names = ("baseline", *(f"s{j}" for j in range(1, plain.shape[1])))
    configurations = tuple(Configuration(f"d{i // per_dataset}", f"v{i}", 0.05, "tabular") for i in range(len(plain)))
    mean = {"gmean": plain, "gmean@tuned": tuned, "bbs": bbs}
    mean = {name: values for name, values in mean.items() if values is not None}
    spread = {name: values * 0 for name, values in mean.items()}
    return ScoreTable("quick", task, configurations, names, mean, spread, np.full(plain.shape, 2))


def said(scores):
    boards = [
        make_board(scores, METRICS[name], ["argmax"], "argmax") for name in ("gmean", "bbs") if name in scores.mean
    ]
    return answer(scores, boards)


def noise(seed, configurations=18, strategies=5):
    return np.random.default_rng(seed).normal(size=(configurations, strategies))


def test_a_lead_that_a_tuned_threshold_makes_up_for_is_no_claim():
    plain = noise(0) + np.array([-9.0, 0, 0, 0, 0])
    assert said(table(plain, noise(1))) == "No strategy is shown to beat a tuned threshold."
    assert said(table(plain, noise(1), task="multiclass")) == "No strategy is shown to beat tuned class weights."


def test_strategies_that_beat_it_are_named_and_four_at_most():
    plain = noise(0, strategies=12) + 9 * (np.arange(12) > 0)
    assert said(table(plain, noise(1, strategies=12))) == "s1, s2, s3, s4 and 7 others beat a tuned threshold."
    one = noise(0) + np.array([0, 0, 0, 0, 9.0])
    assert said(table(one, noise(1))) == "s4 beats a tuned threshold."


@pytest.mark.parametrize(("per_dataset", "end"), [
    (1, "s4 beats a tuned threshold."),
    (3, "s4 beats a tuned threshold over 18 configurations, which 6 datasets are too few to confirm."),
])  # fmt: skip
def test_a_claim_over_variants_of_few_datasets_says_so(per_dataset, end):
    plain = noise(0) + np.array([0, 0, 0, 0, 9.0])
    assert said(table(plain, noise(1), per_dataset=per_dataset)) == end


def test_a_claim_that_datasets_contradict_says_so():
    plain = noise(3, configurations=60) + np.array([0, 0, 0, 0, 1.0])
    # One dataset with many variants makes the lead; the others do not have it.
    scores = table(plain, noise(4, configurations=60))
    datasets = [0] * 46 + list(range(1, 15))
    plain[46:, 4] -= 1
    configurations = tuple(Configuration(f"d{d}", f"v{i}", 0.05, "tabular") for i, d in enumerate(datasets))
    scores = ScoreTable("quick", "binary", configurations, scores.strategies, scores.mean, scores.sd, scores.folds)
    assert said(scores).endswith("over 60 configurations, which a test over 15 datasets does not confirm.")


def test_few_configurations_decide_nothing():
    plain = noise(0, configurations=4) + np.array([0, 0, 0, 0, 9.0])
    bbs = np.abs(noise(2, configurations=4)) + 9 * np.arange(5)
    assert said(table(plain, noise(1, configurations=4), bbs)) == (
        "Whether a strategy beats a tuned threshold cannot be decided with 4 configurations; baseline has the best "
        "average rank in balanced Brier score, but which strategies differ cannot be decided with 4 configurations."
    )


def test_a_leader_that_is_better_than_all_has_the_best_score():
    bbs = np.abs(noise(0)) + 9 * np.array([1.0, 1, 1, 1, 0])
    assert said(table(noise(1), noise(2), bbs)).endswith("; s4 has the best balanced Brier score.")


def test_a_leader_that_is_not_apart_is_said_so():
    bbs = np.abs(noise(5)) + 9 * np.array([1.0, 1, 1, 0, 0])
    bbs[:8, 3], bbs[8:, 4] = 5, 5  # each of the two is the worse one on about half of the configurations
    assert re.search(
        r"; s\d has the best average rank in balanced Brier score, but is not shown to differ from s\d\.$",
        said(table(noise(1), noise(2), bbs)),
    )


def test_noise_in_both_metrics_shows_nothing():
    assert said(table(noise(1), noise(2), noise(3))) == (
        "No strategy is shown to beat a tuned threshold; no difference in balanced Brier score is shown."
    )


def test_a_protocol_that_ranks_nothing_says_so_first():
    scores = table(noise(1), noise(2))
    scores = ScoreTable(
        "smoke", *[getattr(scores, n) for n in ("task", "configurations", "strategies", "mean", "sd", "folds")]
    )
    assert said(scores).startswith("Smoke checks that everything works; it ranks nothing. ")


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 7), st.integers(2, 24), st.floats(0, 2), st.integers(1, 3))
def test_whoever_is_said_to_beat_a_tuned_threshold_does_so_by_the_test_of_scipy(seed, strategies, n, step, per_dataset):
    plain, tuned = noise(seed, n, strategies) + step * np.arange(strategies), noise(seed + 1, n, strategies)
    sentence = said(table(plain, tuned, per_dataset=per_dataset))
    found = re.match(r"(.*?) beats? a tuned threshold", sentence)
    named = re.findall(r"s\d(?:\+tuned)?", found[1]) if found and not sentence.startswith("Whether") else []
    p = []
    for name in named:
        scores = tuned if name.endswith("+tuned") else plain
        column = int(name[1])
        assert np.median(scores[:, column] - tuned[:, 0]) > 0
        p.append(stats.wilcoxon(scores[:, column], tuned[:, 0], mode="exact" if n <= 50 else "approx").pvalue)
    # The smallest p of a family of m tests is multiplied by m.
    assert not p or min(p) * 2 * (strategies - 1) < 0.05


@given(st.lists(st.text("abc", min_size=1, max_size=3), min_size=1, max_size=12), st.integers(1, 6))
def test_a_list_names_at_most_so_many_and_counts_the_rest(names, most):
    text = listed(names, most)
    rest = len(names) - most
    assert text.endswith(f" and {rest} other{'s' if rest > 1 else ''}") == (rest > 0)
    assert text.count(",") + text.count(" and ") + 1 == min(len(names), most + 1)
    assert MOST_NAMED == 4
