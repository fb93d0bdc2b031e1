"""When a strategy is shown to be better than every other: three words, and the smallest p-value that can be reached."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import rankdata, wilcoxon
from statsmodels.stats.multitest import multipletests

from imbench.reproduce.verdicts import CONTRADICTED, NO_RESULTS, SUPPORTED, UNDECIDED, better_than_all
from imbench.stats.evaluate import evaluate


def verdict(**scores):
    """The verdict on strategy ``a`` by scores, higher being better."""
    return better_than_all(evaluate(pd.DataFrame(scores), higher_is_better=True), "a")


@pytest.mark.parametrize(
    ("gap", "word", "text"),
    [
        (0.1, SUPPORTED, "average ranks: a 1.00, next b 2.00; better than b (p = .0005)"),
        (-0.1, CONTRADICTED, "average ranks: a 2.00, best b 1.00; worse than b (p = .0005)"),
    ],
)
def test_a_difference_that_a_test_shows_supports_or_contradicts(gap, word, text):
    base = np.linspace(0.5, 0.8, 12)
    found = verdict(a=base + gap * np.linspace(1, 2, 12), b=base)
    assert found.word == word
    assert text in found.statistic


@pytest.mark.parametrize("sign", [1, -1])
def test_the_better_average_rank_alone_decides_nothing(sign):
    # Six wins to three: no test shows a difference, whoever has the better rank.
    a, b = [0.6, 0.7, 0.5] * 3, [0.5, 0.6, 0.6] * 3
    found = verdict(a=a, b=b) if sign > 0 else verdict(a=b, b=a)
    assert found.word == UNDECIDED
    assert "no difference shown from b (p = " in found.statistic


def test_a_lead_that_is_shared_is_called_a_tie():
    found = verdict(a=[0.6, 0.5] * 4, b=[0.5, 0.6] * 4)
    assert found.word == UNDECIDED
    assert "tied with b 1.50" in found.statistic


def test_one_strategy_that_is_shown_to_be_better_contradicts_the_claim_and_one_undecided_pair_leaves_it_open():
    base, steps = np.linspace(0.5, 0.8, 14), np.linspace(1, 2, 14)
    worse, unclear = base - 0.1 * steps, base + 0.01 * steps * np.resize([1, -1], 14)
    assert verdict(a=base, b=worse, c=unclear).word == UNDECIDED
    assert verdict(a=base, b=worse, c=base + 0.1 * steps).word == CONTRADICTED


def test_too_few_blocks_decide_nothing_whoever_leads():
    # Five equal signs are 2 of 32 patterns: p = .0625 at best.
    for gap in (0.1, -0.1):
        base = np.linspace(0.5, 0.8, 5)
        found = verdict(a=base + gap, b=base)
        assert found.word == UNDECIDED
        assert "5 blocks, smallest possible p = .062" in found.statistic


def test_without_tests_there_is_no_verdict():
    assert better_than_all("fewer than 2 complete rows", "a").word == NO_RESULTS
    assert np.isnan(better_than_all("fewer than 2 complete rows", "a").smallest_p)


@pytest.mark.parametrize("blocks", range(2, 10))
def test_the_smallest_p_is_that_of_all_sign_patterns(blocks):
    ranks = np.arange(1, blocks + 1)
    sums = np.array(
        [sum(r for r, sign in zip(ranks, signs, strict=True) if sign) for signs in product((0, 1), repeat=blocks)]
    )
    extreme = np.minimum(sums, ranks.sum() - sums)
    p = min(float((extreme <= one).mean()) for one in extreme)
    rng = np.random.default_rng(blocks)
    found = verdict(**{name: rng.normal(size=blocks) for name in "abcd"})
    assert found.smallest_pair == pytest.approx(p)
    assert found.smallest_p == pytest.approx(min(1.0, 6 * p))  # Holm multiplies the smallest by the number of pairs


@settings(deadline=None, max_examples=60)
@given(st.integers(6, 14), st.integers(2, 5), st.integers(0, 10_000), st.booleans(), st.floats(-2, 2))
def test_the_word_is_that_of_scipys_tests_with_statsmodels_correction(blocks, strategies, seed, own_pairs, shift):
    scores = np.random.default_rng(seed).normal(size=(blocks, strategies))
    scores[:, 0] += shift
    names = list("abcde"[:strategies])
    pairs = [(i, j) for i in range(strategies) for j in range(i + 1, strategies) if i == 0 or not own_pairs]
    p = [wilcoxon(scores[:, i], scores[:, j], method="exact").pvalue for i, j in pairs]
    shown = multipletests(p, alpha=0.05, method="holm")[0]
    signs = []
    for (i, j), is_shown in zip(pairs, shown, strict=True):
        if i == 0:
            d = scores[:, 0] - scores[:, j]
            ranks = rankdata(np.abs(d))
            better = ranks[d > 0].sum() > ranks[d < 0].sum()
            signs.append((1 if better else -1) if is_shown else 0)
    expected = CONTRADICTED if -1 in signs else SUPPORTED if all(s == 1 for s in signs) else UNDECIDED
    evaluation = evaluate(pd.DataFrame(scores, columns=names), higher_is_better=True)
    assert better_than_all(evaluation, "a", own_pairs=own_pairs).word == expected
