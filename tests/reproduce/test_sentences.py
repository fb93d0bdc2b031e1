"""A claim is supported if every configuration shows it, contradicted if one shows the opposite, else undecided."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from imbench.reproduce.verdicts import CONTRADICTED, SUPPORTED, UNDECIDED, Claim, Evidence


def of(*signs_and_p):
    return Claim("it rises", tuple(Evidence(f"c{i}", "d", sign, p) for i, (sign, p) in enumerate(signs_and_p)))


@pytest.mark.parametrize(
    ("claim", "verdict"),
    [
        (of((1, 0.001), (1, 0.002)), SUPPORTED),
        (of((1, 0.001), (1, 0.2)), UNDECIDED),
        (of((1, 0.001), (-1, 0.001)), CONTRADICTED),
        (of((-1, 0.2), (1, 0.2)), UNDECIDED),
        (of((1, 0.001), (0, 0.001)), UNDECIDED),
        (of((1, 0.04), (1, 0.04)), UNDECIDED),  # each is below 0.05, neither after Holm
        (of((1, 0.04)), SUPPORTED),
        (of(), UNDECIDED),
    ],
)
def test_the_verdict_follows_from_signs_and_corrected_p_values(claim, verdict):
    assert claim.verdict == verdict
    assert f"it rises: {verdict} (" in str(claim)


@settings(deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.sampled_from([1, -1]), st.floats(0, 1)), min_size=1, max_size=6))
def test_counts_are_those_of_holm_by_statsmodels(pairs):
    rejected = multipletests([p for _, p in pairs], alpha=0.05, method="holm")[1] <= 0.05
    as_said = sum(bool(r) and sign == 1 for r, (sign, _) in zip(rejected, pairs, strict=True))
    opposite = sum(bool(r) and sign == -1 for r, (sign, _) in zip(rejected, pairs, strict=True))
    assert of(*pairs).counts == (as_said, opposite, len(pairs) - as_said - opposite)


def test_a_difference_is_told_with_its_interval_and_p_value():
    one = Evidence.of_difference("musk2:ir=0.05", "decrease", -0.0123, -0.02, -0.004, 0.0031)
    assert (one.sign, one.measured) == (-1, "decrease −0.012 (−0.020 to −0.004), p = .003")
