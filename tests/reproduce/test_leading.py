"""What it takes for a strategy to lead."""

import numpy as np
import pandas as pd
import pytest

from imbench.reproduce.verdicts import FAILS, HOLDS, NO_RESULTS, PARTLY, leads
from imbench.stats.evaluate import evaluate


def judged(**scores):
    """The judgement of strategy ``a`` by scores, higher being better."""
    return leads(evaluate(pd.DataFrame(scores), higher_is_better=True), "a")


@pytest.mark.parametrize(
    ("gap", "word", "said"),
    [(0.1, HOLDS, "next b 2.00"), (-0.1, FAILS, "average ranks: b 1.00, a 2.00; difference shown")],
)
def test_the_best_of_many_blocks_leads_and_the_other_does_not(gap, word, said):
    base = np.linspace(0.5, 0.8, 12)
    found = judged(a=base + gap * np.linspace(1, 2, 12), b=base)
    assert found.word == word
    assert said in found.statistic


def test_the_best_rank_alone_is_not_enough():
    found = judged(a=[0.6, 0.7, 0.5] * 3, b=[0.5, 0.6, 0.6] * 3)
    assert found.word == PARTLY
    assert "no difference shown from b" in found.statistic


def test_a_lead_that_is_shared_is_said_to_be():
    found = judged(a=[0.6, 0.5] * 4, b=[0.5, 0.6] * 4)
    assert found.word == PARTLY
    assert "tied with b 1.50" in found.statistic


def test_too_few_blocks_decide_nothing_whoever_leads():
    # Five equal signs are 2 of 32 patterns: p = .0625 at best.
    for gap in (0.1, -0.1):
        base = np.linspace(0.5, 0.8, 5)
        found = judged(a=base + gap, b=base)
        assert found.word == "cannot be decided with 5 blocks"
        assert "the smallest possible p = .062" in found.statistic


def test_nothing_is_said_of_what_was_not_evaluated():
    assert leads(None, "a").word == NO_RESULTS
