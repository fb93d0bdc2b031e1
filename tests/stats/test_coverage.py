"""Intervals over few datasets contain the true value as often as they say; the benchmark has all situations."""

import pytest

from tests.stats.coverage import SITUATIONS

# Where intervals of a bootstrap covered 83 to 93 %.
QUICK = (
    "gain, 4 datasets, normal",
    "gain, 5 datasets, normal",
    "gain, 5 datasets with 6, 3, 1, 1 and 1 configurations, normal",
    "gain, 5 datasets, skewness 1 (gamma)",
    "gain, 5 datasets, heavy tails (t with 3 degrees)",
    "average rank, 4 datasets, 5 strategies",
    "average rank, 7 datasets, 5 far apart",
    "Elo, 5 datasets, 5 strategies",
    "Elo, 7 datasets, 18 configurations, 5 strategies",
)
# And the others, each once.
OTHERS = (
    "corrected t, 10 folds",
    "equivalence, 10 folds",
    "over nets, 3 draws, 4 splits, 3 seeds",
    "over seeds, 5 seeds",
)


@pytest.mark.parametrize("name", QUICK + OTHERS)
def test_an_interval_covers_the_truth_as_often_as_it_says(name):
    found = SITUATIONS[name].coverage(2000 if name in QUICK else 1000)
    low, high = SITUATIONS[name].within
    assert low - found.error <= found.share <= high + found.error
