from __future__ import annotations

import pytest

from imbench.stats import friedman, intervals


@pytest.fixture(scope="module")
def fewer_draws():
    """What is drawn keeps its properties with fewer draws."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(intervals, "RESAMPLES", 200)
        patch.setattr(friedman, "PERMUTATIONS", 199)
        kept = (intervals._kept_weights, friedman._orders)
        for one in kept:
            one.cache_clear()
        yield
        for one in kept:
            one.cache_clear()
