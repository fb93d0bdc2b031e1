"""Boards side by side: Kendall's tau against SciPy, and the conclusions that change."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from imbench.contract.errors import UsageError
from imbench.stats.board_changes import NOT_SHOWN, board_changes, kendall_tau

RANKS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=2, max_size=12)


@given(RANKS)
def test_tau_is_that_of_scipy(pairs):
    first, second = zip(*pairs, strict=True)
    np.testing.assert_allclose(kendall_tau(first, second), stats.kendalltau(first, second).statistic, atol=1e-12)


def rows(gains, *, protocol="paper", data_hash="0", datasets=12, strategies=("baseline", "one", "two")):
    """Rows in which each strategy is better than the baseline by its gain on every dataset."""
    rng = np.random.default_rng(0)
    found = [
        {"dataset": f"d{i:02}", "strategy": name, "gmean": 0.5 + gain + 0.01 * level, "fold": fold}
        for i, level in enumerate(rng.normal(size=datasets))
        for name, gain in zip(strategies, gains, strict=True)
        for fold in range(2)
    ]
    facts = {"variant": "natural", "task": "binary", "strategy_version": "1", "protocol_fields": "{}", "error": ""}
    return pd.DataFrame(found).assign(protocol=protocol, data_hash=data_hash, repeat=0, ir=0.1, numbers=2, **facts)


def test_a_conclusion_that_turns_or_vanishes_is_a_change():
    (found,) = board_changes(rows([0, 0.1, 0.2]), rows([0, 0.2, 0.1], protocol="paper:split=grouped"), ["gmean"])
    (change,) = found.changes
    assert {change.first, change.second} == {"one", "two"}
    assert (change.a, change.b) == ("two is better", "one is better")
    assert found.tau == pytest.approx(1 / 3)
    assert found.pairs == 3
    table = found.table.set_index("strategy")
    assert table.loc["two", ["place_a", "place_b"]].tolist() == [1, 2]
    assert table.loc["one", "mean_a"] == pytest.approx(found.a.means[found.a.names.index("one")])
    (same,) = board_changes(rows([0, 0.1, 0.2]), rows([0, 0.1, 0.1]), ["gmean"])
    assert [(change.a, change.b) for change in same.changes] == [("two is better", NOT_SHOWN)]


def test_equal_results_change_nothing():
    (found,) = board_changes(rows([0, 0.1, 0.2]), rows([0, 0.1, 0.2]), ["gmean"])
    assert found.tau == 1.0
    assert found.changes == ()


def test_only_common_configurations_and_strategies_are_ranked_whatever_the_copy():
    a = rows([0, 0.1, 0.2], datasets=14)
    b = rows([0, 0.1, 0.3], data_hash="1", strategies=("baseline", "one", "three"))
    (found,) = board_changes(a, b, ["gmean"])
    assert found.a.names == found.b.names == ("baseline", "one")
    assert len(found.a.configurations) == len(found.b.configurations) == 12


def test_what_cannot_be_compared_is_refused_with_the_fix():
    one = rows([0, 0.1, 0.2])
    several = pd.concat([one, rows([0, 0.1, 0.2], protocol="standard")])
    with pytest.raises(
        UsageError, match=r"B has results of 2 protocols \(paper, standard\); choose one with --protocol-b"
    ):
        board_changes(one, several, ["gmean"])
    with pytest.raises(UsageError, match="no configuration and strategy in common"):
        board_changes(one, one.assign(variant="ir=0.1"), ["gmean"])
    with pytest.raises(UsageError, match="unknown metric 'gmaen'; did you mean gmean"):
        board_changes(one, one, ["gmaen"])
