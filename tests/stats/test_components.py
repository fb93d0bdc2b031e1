"""Variance components: closed forms of balanced designs, simulated data, the corrected t-test, and a mixed model."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imbench.scoring.metrics import METRICS
from imbench.stats.board import make_board
from imbench.stats.components import (
    component_table,
    missing_sources,
    net_intervals,
    variance_components,
)
from imbench.stats.intervals import student_interval
from imbench.stats.score_table import make_score_tables
from imbench.stats.within import corrected_t

SIZES = {
    "draws": st.integers(2, 5),
    "splits": st.integers(2, 5),
    "seeds": st.integers(2, 4),
    "seed": st.integers(0, 99),
}


def nested(draws, splits, seeds, seed=0, sds=(1.0, 1.0, 1.0)):
    """Scores (draws, splits, seeds) with these standard deviations, and the numbers of their draws and splits."""
    rng = np.random.default_rng(seed)
    shapes = [(draws, 1, 1), (draws, splits, 1), (draws, splits, seeds)]
    scores = sum(sd * rng.normal(size=shape) for sd, shape in zip(sds, shapes, strict=True))
    draw, split = np.indices(scores.shape)[0], np.arange(draws * splits).reshape(draws, splits, 1)
    return scores, draw.ravel(), np.broadcast_to(split, scores.shape).ravel()


@given(**SIZES)
def test_balanced_components_are_the_closed_forms_of_analysis_of_variance(draws, splits, seeds, seed):
    scores, draw, split = nested(draws, splits, seeds, seed)
    seed_square = scores.var(axis=2, ddof=1).mean()
    split_square = seeds * scores.mean(axis=2).var(axis=1, ddof=1).mean()
    draw_square = seeds * splits * scores.mean(axis=(1, 2)).var(ddof=1)
    of_split = max((split_square - seed_square) / seeds, 0.0)
    of_draw = max((draw_square - seed_square - seeds * of_split) / (seeds * splits), 0.0)
    found = variance_components(scores.ravel(), draw, split)
    np.testing.assert_allclose(found.variance, [of_draw, of_split, seed_square], atol=1e-12)
    assert found.counts == (draws, draws * splits, draws * splits * seeds)
    if of_draw > 0 < of_split:  # then the mean varies as draws do
        assert found.error**2 == pytest.approx(draw_square / scores.size)
        assert found.freedom == pytest.approx(draws - 1)


def test_estimates_are_unbiased_where_numbers_of_scores_differ():
    rng = np.random.default_rng(0)
    sds, found = (2.0, 1.0, 0.5), []
    for seed in range(400):
        scores, draw, split = nested(6, 5, 4, seed, sds)
        kept = rng.random(scores.size) < 0.7
        found.append(variance_components(scores.ravel()[kept], draw[kept], split[kept]).variance)
    np.testing.assert_allclose(np.mean(found, axis=0), np.square(sds), rtol=0.1)


@given(splits=st.integers(2, 20), share=st.floats(0.1, 0.6), seed=st.integers(0, 99))
def test_one_draw_and_seed_give_the_corrected_t_test(splits, share, seed):
    scores, draw, split = nested(1, splits, 1, seed)
    found, test = variance_components(scores.ravel(), draw, split, share), corrected_t(scores.ravel(), share)
    assert found.error == pytest.approx(test.error)
    assert found.interval() == pytest.approx((test.low, test.high))
    assert np.isnan(found.variance[0])
    assert np.isnan(found.variance[2])


def test_a_single_split_has_no_interval_and_equal_scores_one_of_no_width():
    alone = variance_components([0.5, 0.6], [0, 0], [0, 0])
    assert np.isnan(alone.error)
    assert np.isnan(alone.interval()).all()
    assert alone.variance[2] == pytest.approx(0.005)
    same = variance_components([0.5] * 8, [0] * 4 + [1] * 4, np.arange(8) // 2, 0.5)
    assert same.interval() == (0.5, 0.5)


def test_components_are_those_of_a_mixed_model():
    statsmodels = pytest.importorskip("statsmodels.formula.api")
    scores, draw, split = nested(12, 6, 4, 3, (1.0, 0.7, 0.4))
    frame = pd.DataFrame({"score": scores.ravel(), "draw": draw, "split": split})
    model = statsmodels.mixedlm("score ~ 1", frame, groups="draw", re_formula="1", vc_formula={"split": "0 + C(split)"})
    fitted = model.fit(reml=True)
    found = variance_components(frame["score"], draw, split)
    theirs = [fitted.cov_re.iloc[0, 0], fitted.vcomp[0], fitted.scale]
    np.testing.assert_allclose(found.variance, theirs, rtol=0.02)


@pytest.mark.parametrize("sds", [(1.0, 1.0, 1.0), (0.0, 1.0, 1.0), (2.0, 0.5, 1.0)])
def test_intervals_with_several_draws_and_seeds_contain_the_mean_as_often_as_they_say(sds):
    inside = 0
    for seed in range(1000):
        scores, draw, split = nested(5, 4, 2, seed, sds)
        low, high = variance_components(scores.ravel(), draw, split).interval()
        inside += low <= 0 <= high
    assert 930 <= inside <= 995


def test_an_interval_stays_within_bounds():
    assert student_interval(0.95, 0.1, 3, 0.05, (0.0, 1.0))[1] == 1.0


def rows_of(
    draws, repeats, seeds, sds=(0.02, 0.02, 0.02), strategies=("baseline", "remix"), variants=("ir=0.1", "natural")
):
    """Rows of two datasets; natural variants have a single draw."""
    rng, found = np.random.default_rng(0), []
    for dataset in ("one", "two"):
        for variant in variants:
            for draw in range(1 if variant == "natural" else draws):
                of_draw = sds[0] * rng.normal()
                for repeat in range(repeats):
                    of_split = sds[1] * rng.normal()
                    found += [
                        {"dataset": dataset, "variant": variant, "strategy": strategy, "draw": draw, "repeat": repeat}
                        | {"fold": 0, "train_seed": s, "gmean": 0.6 + of_draw + of_split + sds[2] * rng.normal()}
                        for s in range(seeds)
                        for strategy in strategies
                    ]
    facts = {
        "protocol": "paper",
        "task": "binary",
        "data_hash": "",
        "error": "",
        "n_test": 50,
        "n_train": 50,
        "ir": 0.1,
    }
    return pd.DataFrame(found).assign(**facts)


def board_of(rows):
    (table,) = make_score_tables(rows, ["gmean"])
    return make_board(table, METRICS["gmean"], ["argmax"], "argmax")


def test_board_intervals_are_around_the_means_of_the_board():
    rows = rows_of(3, 4, 2)
    board = board_of(rows)
    for one in net_intervals(board, rows):
        place = board.names.index(one.name)
        assert one.mean == pytest.approx(board.means[place])
        assert one.mean_low < one.mean < one.mean_high
        assert one.contains == ("draw", "split", "train_seed")
    gains = {one.name: one for one in net_intervals(board, rows)}
    assert np.isnan(gains["baseline"].gain)
    assert gains["remix"].gain == pytest.approx(board.gains[:, board.names.index("remix")].mean())


@pytest.mark.parametrize(
    ("size", "contains", "missing"),
    [
        ((1, 4, 1), ("split",), ["draws of the minority", "training seeds"]),
        ((2, 4, 1), ("draw", "split"), ["training seeds"]),
        ((1, 4, 3), ("split", "train_seed"), ["draws of the minority"]),
    ],
)
def test_what_intervals_do_not_contain_is_said(size, contains, missing):
    rows = rows_of(*size)
    intervals = net_intervals(board_of(rows), rows)
    assert {one.contains for one in intervals} == {contains}
    sentences = missing_sources([intervals])
    assert len(sentences) == len(missing)
    assert all(title in sentence for title, sentence in zip(missing, sentences, strict=True))


def test_draws_that_matter_widen_the_interval():
    sds = (0.2, 0.001, 0.001)
    rows = rows_of(5, 4, 1, sds)
    one = net_intervals(board_of(rows), rows)[0]
    single = net_intervals(board_of(rows[rows["draw"] == 0]), rows[rows["draw"] == 0])[0]
    assert one.mean_high - one.mean_low > 2 * (single.mean_high - single.mean_low)


def test_the_table_has_the_components_of_each_configuration_and_strategy():
    rows = rows_of(3, 4, 2)
    table = component_table(rows, ["gmean"])
    assert len(table) == 2 * 2 * 2
    of_one = rows.query("dataset == 'one' and variant == 'ir=0.1' and strategy == 'remix'")
    expected = variance_components(of_one["gmean"], of_one["draw"], of_one["draw"] * 10 + of_one["repeat"])
    row = table.query("dataset == 'one' and variant == 'ir=0.1' and strategy == 'remix'").iloc[0]
    assert (row["draws"], row["splits"], row["train_seeds"]) == (3, 4, 2)
    assert row["sd_draw"] ** 2 == pytest.approx(expected.variance[0])
    natural = table[table["variant"] == "natural"]
    assert natural["sd_draw"].isna().all()


def test_rows_of_before_have_one_draw_and_seed():
    rows = rows_of(1, 4, 1).drop(columns=["draw", "train_seed"])
    assert component_table(rows, ["gmean"])["sd_split"].notna().all()
    assert net_intervals(board_of(rows), rows)[0].contains == ("split",)
