"""Means over seeds with their intervals, against SciPy's, and as readers see them."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from imbench.reproduce.spread import Spread, percent, readable, spreads


@given(st.lists(st.floats(-100, 100), min_size=2, max_size=20).filter(lambda values: np.std(values) > 1e-6))
def test_the_interval_is_student_s(values):
    low, high = stats.t.interval(0.95, len(values) - 1, np.mean(values), stats.sem(values))
    spread = Spread.of(values)
    assert (spread.low, spread.high) == pytest.approx((low, high), rel=1e-6, abs=1e-6)


def test_seeds_without_a_number_are_left_out_and_one_seed_has_no_interval():
    assert Spread.of([1.0, np.nan, 3.0]) == Spread.of([1.0, 3.0])
    assert Spread.of([0.25, np.nan]).text() == "0.25"
    assert Spread.of([np.nan]).text() == "–"
    assert percent(float("nan")) == "–"


def test_a_readable_table_joins_each_mean_and_its_half_width():
    frame = pd.DataFrame([{"net": "one", **spreads([{"area": 1.0}, {"area": 2.0}])}, {"net": "exact", "area": 0.5}])
    shown = readable(frame, {"net": "net", "area": "its area"})
    assert shown.to_dict("list") == {"net": ["one", "exact"], "its area": ["1.500 ± 6.353", "0.500"]}
