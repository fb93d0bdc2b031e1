"""What the report claims, the tests support: verdicts in words, bars of diagrams, paths kept to oneself."""

from __future__ import annotations

import numpy as np
import pytest
import scikit_posthocs
from scipy import stats

from imbench.report.figures.critical_difference import critical_difference
from imbench.report.figures.spec import Line, Text, text_width
from imbench.report.verdict import verdict
from imbench.scoring.metrics import METRICS
from imbench.stats.board import make_board
from imbench.stats.score_table import Configuration, ScoreTable
from imbench.stats.words import number, p_value, scrub


def board(scores, per_dataset=1, metric="gmean", prefix="s"):
    """A board of (configurations, strategies) scores; this many configurations are variants of one dataset."""
    names = ("baseline", *(f"{prefix}{j}" for j in range(1, scores.shape[1])))
    configurations = tuple(Configuration(f"d{i // per_dataset}", f"v{i}", 0.05, "tabular") for i in range(len(scores)))
    folds = np.full(scores.shape, 2)
    cells = ScoreTable("quick", "binary", configurations, names, {metric: scores}, {metric: scores * 0}, folds)
    return make_board(cells, METRICS[metric], ["argmax"], "argmax")


def noise(seed, configurations=20, strategies=5, step=0.0):
    return np.random.default_rng(seed).normal(size=(configurations, strategies)) + step * np.arange(strategies)


@pytest.mark.parametrize("seed", [0, 1, 3, 4])
def test_noise_is_told_as_such_and_nobody_is_named_better(seed):
    assert stats.friedmanchisquare(*noise(seed).T).pvalue > 0.05
    said = verdict(board(noise(seed)))
    assert said.lead.startswith("No difference between the 5 competitors is shown (χ² = ")
    assert "permutation p = " in said.lead
    assert "better than" not in f"{said.lead} {said.support}"
    assert "chance" in said.support[0]


def test_a_clear_winner_is_better_than_every_other():
    said = verdict(board(noise(0, step=4.0)))
    assert said.lead.startswith("s4 leads, average rank 1.00")
    assert "better than every other" in said.lead


def test_a_lead_that_a_pairwise_test_does_not_find_is_no_claim():
    scores = noise(0, configurations=30, step=0.0)
    scores[:, 0] -= 6  # only the baseline is worse
    said = verdict(board(scores))
    assert "is not shown to differ from" in said.lead
    assert "better: " in " ".join(said.support)


def test_lower_is_better_turns_winners_round():
    said = verdict(board(noise(0, step=4.0), metric="bbs"))
    assert said.lead.startswith("baseline leads, average rank 1.00")


def test_variants_of_few_datasets_are_called_no_independent_evidence():
    said = " ".join(verdict(board(noise(0, configurations=9, step=4.0), per_dataset=3)).support)
    assert "variants of one dataset are not independent" in said
    assert "With the 3 datasets as blocks" in said
    assert "which pairs differ cannot be decided with 3 blocks" in said


@pytest.mark.parametrize("configurations", [2, 4, 5, 6])
def test_a_verdict_says_once_that_blocks_are_too_few(configurations):
    found = verdict(board(noise(0, configurations=configurations, step=4.0), per_dataset=2))
    assert " ".join([found.lead, *found.support]).count("cannot be decided") <= 1


@pytest.mark.parametrize(("shape", "said"), [
    ((1, 3), "No test is possible"),
    ((0, 3), "no strategy has a result on every configuration"),
    ((4, 1), "there is only one competitor"),
])  # fmt: skip
def test_what_cannot_be_tested_is_said_so(shape, said):
    assert said in verdict(board(np.arange(np.prod(shape), dtype=float).reshape(shape))).lead


def test_all_tied_names_no_leader():
    said = verdict(board(np.ones((5, 3))))
    assert "leads" not in said.lead
    assert said.lead.startswith("No test is possible")


@pytest.mark.parametrize("seed", range(8))
def test_no_bar_joins_strategies_that_nemenyis_test_tells_apart(seed):
    one = board(noise(seed, configurations=25, strategies=7, step=0.25))
    spec = critical_difference(one)
    ranks = dict(zip(one.names, one.tests.average_ranks, strict=True))
    p = scikit_posthocs.posthoc_nemenyi_friedman(-one.scores).to_numpy()
    axis = next(mark for mark in spec.marks if isinstance(mark, Line) and mark.width == 1.2)
    (left, _), (right, _) = axis.points
    most = np.ceil(max(ranks.values()))
    bars = [mark.points for mark in spec.marks if isinstance(mark, Line) and mark.width == 4]
    for (start, _), (end, _) in bars:
        low, high = (1 + (at - left) / (right - left) * (most - 1) for at in (start + 3, end - 3))
        inside = [i for i, rank in enumerate(ranks.values()) if low - 1e-6 <= rank <= high + 1e-6]
        assert len(inside) > 1
        assert p[np.ix_(inside, inside)].min() >= 0.05
    joined = {tuple(sorted(group)) for group in one.tests.groups}
    assert len(bars) == len(joined)


@pytest.mark.parametrize("prefix", ["s", "a-strategy-of-a-name+prior-corrected", "n" * 60])
def test_ranks_rise_from_left_to_right_and_words_stay_apart_however_long_names_are(prefix):
    spec = critical_difference(board(noise(1, strategies=15, step=0.3), prefix=prefix))
    axis = next(mark for mark in spec.marks if isinstance(mark, Line) and mark.width == 1.2)
    (left, _), (right, _) = axis.points
    assert right - left >= 200
    named = [mark for mark in spec.marks if isinstance(mark, Text) and ("baseline" in mark.text or prefix in mark.text)]
    for mark in named:
        width = text_width(mark.text)
        start, end = (mark.x, mark.x + width) if mark.anchor == "start" else (mark.x - width, mark.x)
        assert end < left or start > right
        assert 0 <= start <= end <= spec.width


@pytest.mark.parametrize(("text", "shown"), [
    ("cannot read /home/me/data/x.csv: no", "cannot read x.csv: no"),
    ('File "/usr/lib/a/b.py", line 3', 'File "b.py", line 3'),
    (r"see C:\Users\me\x.csv", "see x.csv"),
    ("see ~/secret/store", "see store"),
    ("1/2 of https://example.org/a/b and a/b", "1/2 of https://example.org/a/b and a/b"),
])  # fmt: skip
def test_paths_are_cut_to_their_last_part(text, shown):
    assert scrub(text) == shown


def test_numbers_read_as_in_print():
    assert [number(-0.5, 2), number(-0.001, 2), number(0.5, 1, sign=True), number(float("nan"))] == [
        "−0.50",
        "0.00",
        "+0.5",
        "–",
    ]
    assert [p_value(p) for p in (1.0, 0.0213, 0.00042, 1e-9)] == ["1", ".021", ".0004", "< .0001"]
