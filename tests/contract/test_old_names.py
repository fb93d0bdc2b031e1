"""Former public names still work, and say what to write instead."""

import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
import torch

from imbench import Batch, BatchStrategy
from imbench.report.figures.sample_grid import SampleGrid, SampleRow
from imbench.scoring.metrics import METRICS
from imbench.stats.leaderboard import Leaderboard
from imbench.strategies.baseline import Baseline


def test_the_old_method_of_a_batch_marks_fallbacks():
    batch = Batch(torch.zeros(2, 1), torch.eye(2))
    with pytest.warns(DeprecationWarning, match=r"Batch\.fallen_back is now mark_fallback"):
        marked = batch.fallen_back(torch.tensor(True))
    assert marked.fallback.tolist() is True


@pytest.mark.parametrize("owner", [Baseline, Baseline()])
def test_the_old_attribute_of_a_strategy_gives_the_new_one(owner):
    with pytest.warns(DeprecationWarning, match="unasked is now run_by_default"):
        assert owner.unasked is True


def test_a_strategy_that_sets_the_old_attribute_is_honoured():
    with pytest.warns(DeprecationWarning, match=r"Wrapper\.unasked is now run_by_default"):

        @dataclass(frozen=True)
        class Wrapper(Baseline):
            unasked = False

    assert Wrapper.run_by_default is False
    assert Wrapper().run_by_default is False


def test_the_new_attribute_goes_before_the_old_one():
    with pytest.warns(DeprecationWarning, match="run_by_default"):

        class Both(Baseline):
            unasked = True
            run_by_default = False

    assert Both.run_by_default is False


def test_new_names_warn_of_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")

        class Plain(BatchStrategy):
            run_by_default = False

        Batch(torch.zeros(2, 1), torch.eye(2)).mark_fallback(torch.tensor(True))
        assert not Plain.run_by_default


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
