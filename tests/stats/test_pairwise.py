"""Wilcoxon's exact p-value with ties, against every pattern of signs; without ties against scipy's."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from imbench.stats.evaluate import evaluate
from imbench.stats.pairwise import wilcoxon
from tests.stats.test_evaluation import made


def of_every_sign(differences):
    """The share of all signs of these sizes with a rank sum at least as far from the middle."""
    nonzero = [d for d in differences if d]
    ranks = stats.rankdata(np.abs(nonzero))
    seen = ranks[np.array(nonzero) > 0].sum()
    signs = np.array(list(product([0, 1], repeat=len(nonzero))))
    return np.mean(abs(signs @ ranks - ranks.sum() / 2) >= abs(seen - ranks.sum() / 2))


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(-5, 5), min_size=1, max_size=12).filter(any))
def test_the_exact_p_with_ties_equals_counting_every_sign(differences):
    gains = np.array([differences, np.zeros(len(differences))]).T
    (row,) = wilcoxon(gains, [0], [1]).to_dict("records")
    assert row["method"] == "exact"
    assert row["p"] == pytest.approx(of_every_sign(differences), rel=1e-12)


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 50), st.integers(0, 10_000))
def test_without_ties_it_equals_scipys(blocks, seed):
    difference = np.random.default_rng(seed).normal(0.2, size=blocks)
    (row,) = wilcoxon(np.array([difference, np.zeros(blocks)]).T, [0], [1]).to_dict("records")
    assert row["p"] == pytest.approx(stats.wilcoxon(difference, method="exact").pvalue, rel=1e-12)


@pytest.mark.parametrize(("blocks", "p"), [(4, 0.125), (5, 0.0625), (6, 0.03125), (8, 2 / 2**8), (50, 2 / 2**50)])
def test_equal_differences_have_the_smallest_p_that_there_is(blocks, p):
    scores = np.array([[0.52, 0.5]] * blocks) + np.arange(blocks)[:, None] / 50
    (row,) = wilcoxon(scores, [0], [1]).to_dict("records")
    assert (row["p"], row["method"]) == (p, "exact")


def test_above_50_differences_the_p_is_asymptotic():
    table = wilcoxon(made(51, 2).to_numpy(), [0], [1])
    expected = stats.wilcoxon(*made(51, 2).to_numpy().T, correction=False, method="asymptotic").pvalue
    assert table["method"].tolist() == ["asymptotic"]
    assert table["p"].iloc[0] == pytest.approx(expected)


@pytest.mark.parametrize("blocks", [13, 30, 50])
def test_with_many_ties_it_equals_drawn_signs(blocks):
    difference = np.random.default_rng(blocks).integers(-3, 5, blocks)
    (row,) = wilcoxon(np.array([difference, np.zeros(blocks)]).T, [0], [1]).to_dict("records")
    ranks = stats.rankdata(abs(difference[difference != 0]))
    drawn = np.random.default_rng(1).integers(0, 2, (200_000, len(ranks))) @ ranks
    p = np.mean(abs(drawn - ranks.sum() / 2) >= abs(row["statistic"] - ranks.sum() / 2))
    assert row["p"] == pytest.approx(p, abs=5 * np.sqrt(p * (1 - p) / 200_000))


def test_pairs_of_many_patterns_at_once_equal_each_alone():
    scores = np.random.default_rng(0).integers(0, 40, (18, 30)) / 40
    first, second = np.triu_indices(30, 1)
    together = wilcoxon(scores, first, second)["p"]
    alone = [wilcoxon(scores, [a], [b])["p"].iloc[0] for a, b in zip(first, second, strict=True)]
    assert together.tolist() == alone


def test_ties_are_relative_to_the_scores_that_differ():
    # 0.1 of 100,000.1 and 0.1 of 0.1 are one size of difference, but for the rounding of the larger scores.
    scores = np.array([[100_000.1, 100_000.0], [0.1, 0.0], [0.3, 0.5]])
    (row,) = wilcoxon(scores, [0], [1]).to_dict("records")
    assert (row["statistic"], row["wins"]) == (3, 2)


def test_evaluate_agrees_with_the_note_beside_it():
    scores = made(5, 2).assign(s1=lambda table: table["s0"] + 0.02)
    found = evaluate(scores, higher_is_better=True)
    assert found.wilcoxon["p"].tolist() == [0.0625]
