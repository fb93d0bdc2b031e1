"""Old public names still work, and warn."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from imbench.report.figures.sample_grid import SampleGrid, SampleRow
from imbench.scoring.metrics import METRICS
from imbench.stats.leaderboard import Leaderboard


def test_a_sample_grid_answers_to_its_old_names():
    row = SampleRow("remix", np.zeros((1, 2, 2, 1)), np.array([[0.25, 0.75]]))
    grid = SampleGrid("a title", ("a", "b"), (0,), (row,))
    with pytest.warns(DeprecationWarning, match=r"SampleGrid.strips is now SampleGrid.rows"):
        assert grid.strips == grid.rows
    with pytest.warns(DeprecationWarning, match=r"label_texts"):
        assert grid.words(row) == grid.label_texts(row)
    with pytest.raises(AttributeError, match="no attribute 'sheets'"):
        grid.sheets  # noqa: B018


def test_a_leaderboard_answers_to_its_old_name_of_the_tuned_baseline():
    board = Leaderboard("smoke", "binary", METRICS["gmean"], pd.DataFrame(), ())
    with pytest.warns(DeprecationWarning, match=r"Leaderboard.challenger is now Leaderboard.tuned_baseline"):
        assert board.challenger is board.tuned_baseline
