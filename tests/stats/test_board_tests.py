"""A board's tests are those of `evaluate`, which it does not take the time to call."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from imbench.scoring.metrics import METRICS
from imbench.stats.board import Board, make_board
from imbench.stats.evaluation import Evaluation
from imbench.stats.pairwise import compare_pairs, wilcoxon
from imbench.stats.ranks import TRAINED
from imbench.stats.score_table import Configuration, ScoreTable

pytestmark = pytest.mark.usefixtures("fewer_draws")

# Few levels, so that ties abound.
SCORES = hnp.arrays(
    np.float64, st.tuples(st.integers(1, 9), st.integers(1, 6)), elements=st.integers(0, 7).map(lambda level: level / 7)
)
COLUMNS = ("wins", "ties", "losses", "p", "p_holm", "effect", "method")


def board_of(scores, metric, variants, control) -> Board:
    n, k = scores.shape
    names = ("baseline" if control else "first", "mixup", "remix", "a", "b", "c")[:k]
    configurations = tuple(Configuration(f"d{i // variants}", f"ir={i}", 0.1, "tabular") for i in range(n))
    folds = np.full(scores.shape, 5)
    table = ScoreTable("paper", "binary", configurations, names, {metric: scores}, {metric: scores}, folds)
    return make_board(table, METRICS[metric], ["argmax"], "argmax")


def described(found: Evaluation) -> dict:
    """What a board shows of an evaluation."""
    pairs = {
        (row["first"], row["second"]): tuple(row[name] for name in COLUMNS) for row in found.wilcoxon.to_dict("records")
    }
    against = {
        row["strategy"]: tuple(row[name] for name in COLUMNS) for row in found.against_reference.to_dict("records")
    }
    return {
        "average_ranks": found.average_ranks.tolist(),
        "rank_sums": found.rank_sums.tolist(),
        "rank_intervals": found.rank_intervals.to_numpy().tolist(),
        "gain_intervals": found.gains[["low", "high"]].to_numpy().tolist(),
        "friedman": tuple(found.friedman),
        "small_sample": tuple(found.friedman_small_sample),
        "iman_davenport": tuple(found.iman_davenport),
        "cd": found.nemenyi_cd,
        "groups": found.groups,
        "pairs": pairs,
        "against_control": against,
        "notes": found.notes,
        "blocks": found.n_blocks,
        "datasets": found.n_datasets,
    }


def plain(value):
    """A value of a board's tests as `described` gives it."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, dict):
        return {key: tuple(getattr(pair, name) for name in COLUMNS) for key, pair in value.items()}
    return value


@settings(max_examples=25, deadline=None)
@given(SCORES, st.sampled_from(["gmean", "bbs", "calibration_slope"]), st.integers(1, 3), st.booleans())
def test_a_board_has_the_tests_of_its_evaluations(scores, metric, variants, control):
    board = board_of(scores, metric, variants, control)
    for tests, found in (
        (board.tests, board.evaluation),
        (board.tests_by_dataset, board.evaluation_by_dataset),
    ):
        if isinstance(found, str):
            assert tests.undefined
            assert not tests.pairs
            continue
        for name, value in described(found).items():
            np.testing.assert_equal(plain(getattr(tests, name)), value, err_msg=name)


@settings(max_examples=30, deadline=None)
@given(SCORES, st.data())
def test_tests_of_some_pairs_follow_from_those_of_all(scores, data):
    columns = st.integers(0, scores.shape[1] - 1)
    pairs = data.draw(st.lists(st.tuples(columns, columns).filter(lambda pair: pair[0] != pair[1]), max_size=8))
    if not pairs:
        return
    first, second = np.array(pairs).T
    found = compare_pairs(scores, TRAINED).between(first, second).table()
    np.testing.assert_equal(found.to_dict("list"), wilcoxon(scores, first, second, TRAINED).to_dict("list"))


def test_wins_against_the_control_are_those_of_each_pair():
    scores = np.random.default_rng(0).integers(0, 4, (12, 5)) / 4
    board = board_of(scores, "gmean", 1, True)
    rates = board.win_rates(board.names)
    for i, name in enumerate(board.names[1:], 1):
        row = next(row for row in board.table if row.name == name)
        wins, ties, losses = (
            int(sign.sum())
            for sign in (scores[:, i] > scores[:, 0], scores[:, i] == scores[:, 0], scores[:, i] < scores[:, 0])
        )
        assert (row.wins, row.ties, row.losses) == board.against(name, "baseline") == (wins, ties, losses)
        assert rates[i, 0] == pytest.approx((wins + ties / 2) / len(scores))
