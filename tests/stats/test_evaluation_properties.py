"""What must not change an evaluation: names and order of strategies and rows, units, the direction's sign."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from imbench.stats.evaluate import evaluate
from imbench.stats.nemenyi import runs
from imbench.stats.pairwise import holm, wilcoxon

# Quarters, of few levels so that ties abound; sums and differences of quarters are exact.
TABLES = hnp.arrays(
    np.float64,
    st.tuples(st.integers(2, 10), st.integers(2, 6)),
    elements=st.integers(0, 6).map(lambda level: level / 4),
).map(lambda values: pd.DataFrame(values, columns=list("abcdef")[: values.shape[1]]))
pytestmark = pytest.mark.usefixtures("fewer_draws")
quick = settings(max_examples=40, deadline=None)


BY_RANK = ["average_ranks", "rank_sums", "nemenyi", "rank_intervals"]


def pairs(found):
    """Pairs, either way round, with their results."""
    return {
        frozenset((row.first, row.second)): (row.statistic, row.p, row.p_holm, abs(row.effect), row.ties, row.method)
        for row in found.wilcoxon.itertuples()
    }


def same(one, other, fields=BY_RANK):
    for name in fields:
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), atol=1e-9)
    for name in ("friedman", "iman_davenport"):
        assert getattr(one, name) == pytest.approx(getattr(other, name), rel=1e-9, abs=1e-9, nan_ok=True)
    assert one.nemenyi_cd == other.nemenyi_cd


@quick
@given(TABLES, st.randoms(use_true_random=False))
def test_the_order_of_strategies_does_not_matter(scores, random):
    order = random.sample(list(scores.columns), scores.shape[1])
    one = evaluate(scores, higher_is_better=True)
    other = evaluate(scores[order], higher_is_better=True)
    pd.testing.assert_series_equal(one.average_ranks[order], other.average_ranks)
    np.testing.assert_allclose(one.nemenyi.loc[order, order], other.nemenyi)
    assert pairs(one) == pairs(other)
    assert one.friedman == pytest.approx(other.friedman, rel=1e-9, abs=1e-9, nan_ok=True)


@quick
@given(TABLES, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(scores, random):
    shuffled = scores.loc[random.sample(list(scores.index), len(scores))]
    one, other = (evaluate(table, higher_is_better=True) for table in (scores, shuffled))
    same(one, other, BY_RANK[:3])
    assert pairs(one) == pairs(other)


@quick
@given(TABLES)
def test_a_monotone_transformation_changes_no_rank(scores):
    one = evaluate(scores, higher_is_better=True)
    same(one, evaluate(np.exp(scores) ** 3, higher_is_better=True))


@quick
@given(TABLES, st.lists(st.integers(-8, 8), min_size=10, max_size=10))
def test_a_constant_added_to_a_row_changes_nothing(scores, constants):
    moved = scores.add(np.array(constants[: len(scores)]) / 4, axis=0)
    one, other = (evaluate(table, higher_is_better=True) for table in (scores, moved))
    same(one, other, [*BY_RANK, "gains"])
    assert pairs(one) == pairs(other)


@quick
@given(TABLES, st.integers(-20, 20), st.integers(0, 2**30))
def test_the_unit_of_scores_and_their_zero_change_no_p_value(scores, power, constant):
    one = evaluate(scores, higher_is_better=True)
    for other in (scores * 2.0**power, scores + constant, scores / 4 * 0.1 + 10_000):
        found = evaluate(other, higher_is_better=True)
        assert pairs(found) == pairs(one)
        same(found, one)


@quick
@given(TABLES)
def test_lower_is_better_is_the_mirror_of_higher(scores):
    one, other = evaluate(scores, higher_is_better=True), evaluate(-scores, higher_is_better=False)
    same(one, other, [*BY_RANK, "gains"])
    pd.testing.assert_frame_equal(one.wilcoxon, other.wilcoxon)
    assert one.groups == other.groups
    assert one.groups_wilcoxon == other.groups_wilcoxon


@quick
@given(TABLES)
def test_turning_the_direction_turns_ranks_and_effects(scores):
    k = scores.shape[1]
    one, other = (evaluate(scores, higher_is_better=higher) for higher in (True, False))
    np.testing.assert_allclose(one.average_ranks, k + 1 - other.average_ranks)
    np.testing.assert_allclose(one.wilcoxon["effect"], -other.wilcoxon["effect"])
    np.testing.assert_array_equal(one.wilcoxon["wins"], other.wilcoxon["losses"])
    np.testing.assert_array_equal(one.wilcoxon["p"], other.wilcoxon["p"])


@quick
@given(TABLES)
def test_p_values_are_shares_and_holm_only_raises_them(scores):
    found = evaluate(scores, higher_is_better=True)
    for p in (found.nemenyi.to_numpy(), found.wilcoxon["p"], found.wilcoxon["p_holm"], found.control["p_z"]):
        assert ((np.asarray(p) >= 0) & (np.asarray(p) <= 1)).all()
    assert (found.wilcoxon["p_holm"] >= found.wilcoxon["p"]).all()


@given(hnp.arrays(np.float64, st.integers(1, 30), elements=st.floats(0, 1)))
def test_holm_equals_its_definition(p):
    m, order = len(p), np.argsort(p, kind="stable")
    for place, test in enumerate(order):
        expected = max((m - i) * p[order[i]] for i in range(place + 1))
        assert holm(p)[test] == pytest.approx(min(expected, 1))


@quick
@given(TABLES, st.integers(1, 3))
def test_pairs_in_chunks_equal_pairs_one_by_one(scores, chunk):
    gains = scores.to_numpy()
    first, second = np.triu_indices(gains.shape[1], 1)
    together = wilcoxon(gains, first, second)
    for number, (one, other) in enumerate(zip(first, second, strict=True)):
        alone = wilcoxon(gains, [one], [other]).iloc[0]
        assert together.drop(columns="p_holm").iloc[number].tolist() == alone.drop("p_holm").tolist()


@given(st.integers(1, 8), st.integers(0, 2**28))
def test_runs_are_all_the_longest_ones(k, bits):
    apart = np.zeros((k, k), dtype=bool)
    for number, (i, j) in enumerate(zip(*np.triu_indices(k, 1), strict=True)):
        apart[i, j] = apart[j, i] = bits >> number & 1
    alike = [(i, j) for i in range(k) for j in range(i + 2, k + 1) if not apart[i:j, i:j].any()]
    longest = [(i, j) for i, j in alike if not any((a, b) != (i, j) and a <= i and j <= b for a, b in alike)]
    assert [(run[0], run[-1] + 1) for run in runs(apart, list(range(k)))] == longest
