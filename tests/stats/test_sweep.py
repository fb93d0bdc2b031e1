"""A sweep's numbers against plain pandas and scipy, its verdicts, its figure and its files."""

from __future__ import annotations

import io
import json
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests

from imbench.report.figures.spec import Mark, Text
from imbench.report.figures.value_lines import Point, Trace, value_lines
from imbench.report.sweep_files import figure, files, to_json
from imbench.stats.sweep import BETTER, UNDECIDED, WORSE, Setting, Sweep, in_order
from imbench.store.results import Results

ALPHAS = (0.05, 0.1, 0.3)
DEFAULT = Setting(0.1, "remix")
SETTINGS = tuple(DEFAULT if a == 0.1 else Setting(a, f"remix:alpha={a}") for a in ALPHAS)
FOLDS = 20


def made_rows(gmean, *, dataset="musk", ir=0.05, task="binary", folds=FOLDS, noise=0.01, seed=0):
    """Rows with this mean g-mean of each strategy, over folds whose difficulty all share."""
    rng = np.random.default_rng(seed)
    shared = rng.normal(scale=0.05, size=folds)
    return pd.DataFrame(
        [
            {
                "dataset": dataset,
                "variant": f"ir={ir}",
                "data_hash": "d",
                "task": task,
                "ir": ir,
                "strategy": strategy,
                "protocol": "paper",
                "key": f"{dataset}{ir}{strategy}",
                "repeat": fold // 2,
                "fold": fold % 2,
                "n_train": 35,
                "n_test": 50,
                "gmean": mean + shared[fold] + rng.normal(scale=noise),
                "bbs": 0.4 - mean / 4 + rng.normal(scale=noise),
                "calibration_slope": 1 + mean,
                "error": "",
            }
            for strategy, mean in gmean.items()
            for fold in range(folds)
        ]
    )


def sweep_of(*tables, baseline="baseline", alpha=0.05):
    results = Results(pd.concat(tables, ignore_index=True), "store", ["Data ready: 1 dataset"])
    return Sweep("remix", "alpha", SETTINGS, DEFAULT, baseline, results, alpha)


LEVELS = {"baseline": 0.3, "remix:alpha=0.05": 0.5, "remix": 0.5, "remix:alpha=0.3": 0.7}


def test_means_and_intervals_are_those_of_a_plain_computation():
    rows = made_rows(LEVELS)
    scores = sweep_of(rows).scores("gmean").set_index("strategy")
    for strategy, values in rows.groupby("strategy")["gmean"]:
        # Nadeau and Bengio 2003: (1/J + n_test / n_train) s².
        error = values.std() * math.sqrt(1 / FOLDS + 50 / 35)
        low, high = stats.t.interval(0.95, FOLDS - 1, values.mean(), error)
        assert scores.loc[strategy, ["mean", "low", "high"]].tolist() == pytest.approx([values.mean(), low, high])
    assert scores["best"].to_dict() == {**dict.fromkeys(LEVELS, False), "remix:alpha=0.3": True}
    assert scores["default"].to_dict() == {**dict.fromkeys(LEVELS, False), "remix": True}


def test_p_values_are_of_the_corrected_test_with_holms_correction_over_the_values():
    rows = made_rows(LEVELS)
    effects = sweep_of(rows).effects("gmean")
    wide = rows.pivot_table(index=["repeat", "fold"], columns="strategy", values="gmean")
    p = []
    for strategy in ("remix:alpha=0.05", "remix:alpha=0.3"):
        gains = wide[strategy] - wide["remix"]
        t = gains.mean() / (gains.std() * math.sqrt(1 / FOLDS + 50 / 35))
        p.append(2 * stats.t.sf(abs(t), FOLDS - 1))
    assert effects["value"].tolist() == [0.05, 0.3]
    assert effects["p"].to_numpy() == pytest.approx(p)
    assert effects["p_holm"].to_numpy() == pytest.approx(multipletests(p, method="holm")[1])


@pytest.mark.parametrize(
    ("means", "best", "verdict"),
    [
        ((0.5, 0.5, 0.8), 0.3, BETTER),
        ((0.2, 0.5, 0.2), 0.1, WORSE),
        ((0.5, 0.5, 0.5), None, UNDECIDED),
    ],
)
def test_a_value_matters_where_the_folds_say_so(means, best, verdict):
    named = {setting.strategy: mean for setting, mean in zip(SETTINGS, means, strict=True)}
    (row,) = sweep_of(made_rows(named), baseline="").verdicts("gmean").to_dict("records")
    assert row["verdict"] == verdict
    assert best is None or row["best"] == best


def test_lower_is_better_turns_the_sign_of_a_gain_and_the_best_value():
    sweep = sweep_of(made_rows(LEVELS))
    (row,) = sweep.verdicts("bbs").to_dict("records")
    means = sweep.scores("bbs").set_index("strategy")["mean"]
    assert row["best"] == 0.3
    assert row["gain"] == pytest.approx(means["remix"] - means["remix:alpha=0.3"])


def test_a_metric_with_a_target_is_judged_by_the_distance_from_it():
    # A slope of 1 is best: 1 + mean with the smallest mean.
    (row,) = sweep_of(made_rows(LEVELS | {"remix:alpha=0.05": 0.1})).verdicts("calibration_slope").to_dict("records")
    assert (row["best"], row["gain"]) == (0.05, pytest.approx(0.4))


def test_intervals_of_a_bounded_metric_stay_within_its_bounds():
    rows = made_rows({"baseline": 0.9, "remix": 0.02, "remix:alpha=0.3": 0.98}, folds=4, noise=0.2)
    sweep = sweep_of(rows.assign(gmean=rows["gmean"].clip(0, 1)))
    scores, effects = sweep.scores("gmean"), sweep.effects("gmean")
    assert ((scores["low"] >= 0) & (scores["high"] <= 1) & (scores["low"] <= scores["mean"])).all()
    assert ((effects["low"] >= -1) & (effects["high"] <= 1)).all()


@pytest.mark.parametrize("folds", [2, 3])
def test_so_few_folds_have_no_interval_and_that_is_said(folds):
    sweep = sweep_of(made_rows(LEVELS, folds=folds))
    assert sweep.scores("gmean")[["low", "high"]].isna().all(axis=None)
    assert sweep.effects("gmean")[["low", "high"]].isna().all(axis=None)
    assert to_json(sweep, ["gmean"])["notes"][-1].startswith(f"{folds} folds are too few for an interval")
    assert sweep_of(made_rows(LEVELS, folds=4)).notes == ("Data ready: 1 dataset",)


def test_means_that_differ_by_the_rounding_of_nets_are_equal_values():
    rows = made_rows({"remix": 0.5, "remix:alpha=0.05": 0.5 + 4e-8, "remix:alpha=0.3": 0.5}, noise=0)
    assert sweep_of(rows, baseline="").scores("gmean").set_index("strategy")["best"].to_dict() == {
        "remix:alpha=0.05": False,
        "remix": True,
        "remix:alpha=0.3": False,
    }


def test_of_equal_values_the_default_is_the_best():
    rows = made_rows(dict.fromkeys(LEVELS, 0.5)).assign(gmean=0.0)
    assert sweep_of(rows).verdicts("gmean")["best"].tolist() == [0.1]


def test_a_value_that_failed_everywhere_is_left_out_and_one_fold_has_no_interval():
    rows = made_rows(LEVELS, folds=1)
    rows.loc[rows["strategy"] == "remix:alpha=0.3", ["gmean", "error"]] = [np.nan, "ValueError: no"]
    sweep = sweep_of(rows)
    scores = sweep.scores("gmean")
    assert "remix:alpha=0.3" not in set(scores["strategy"])
    assert scores["low"].isna().all()
    assert sweep.verdicts("gmean")["verdict"].tolist() == [UNDECIDED]
    assert files(sweep, ["gmean"])["sweep.csv"].count(b"\n") == 1 + 3


@settings(deadline=None, derandomize=True, max_examples=30)
@given(st.permutations(ALPHAS), st.integers(0, 5))
def test_the_order_of_rows_and_of_values_changes_nothing(order, seed):
    rows = made_rows(LEVELS, seed=seed)
    shuffled = rows.sample(frac=1, random_state=seed)
    by_value = {setting.value: setting for setting in SETTINGS}
    other = Sweep("remix", "alpha", in_order([by_value[a] for a in order]), DEFAULT, "baseline", Results(shuffled, "s"))
    for part in ("scores", "effects", "verdicts"):
        expected, found = getattr(sweep_of(rows), part)("gmean"), getattr(other, part)("gmean")
        pd.testing.assert_frame_equal(found, expected, check_exact=False, rtol=1e-9)


def test_configurations_do_not_mix():
    easy, hard = made_rows(LEVELS, ir=0.05), made_rows({k: v / 2 for k, v in LEVELS.items()}, ir=0.01, seed=1)
    together = sweep_of(easy, hard).verdicts("gmean")
    alone = pd.concat([sweep_of(hard).verdicts("gmean"), sweep_of(easy).verdicts("gmean")], ignore_index=True)
    pd.testing.assert_frame_equal(together, alone)


def test_the_figure_has_a_panel_a_dataset_a_line_a_ratio_and_a_mark_a_value():
    tables = [made_rows(LEVELS, dataset=d, ir=ir) for d in ("musk", "seizure") for ir in (0.01, 0.05)]
    spec = figure(sweep_of(*tables), "gmean")
    words = [mark.text for mark in spec.marks if isinstance(mark, Text)]
    assert [w for w in words if w in ("musk", "seizure")] == ["musk", "seizure"]
    assert words.count("IR 0.01") == 2
    points = [mark for mark in spec.marks if isinstance(mark, Mark) and mark.size < 4]
    assert len(points) == 2 * 2 * len(ALPHAS)
    assert all(0 <= p.x <= spec.width and 0 <= p.y <= spec.height for p in points)
    for value in ("0.05", "0.1", "0.3", "musk, IR 0.01: alpha", "baseline 0."):
        assert value in spec.description


@pytest.mark.parametrize(
    ("values", "ratios"),
    [((0.01, 0.1, 1.0), 1.0), ((1, 2, 3), 1.0), ((1, 2, 5), 1 / 3), (("a", "b", "c"), 1.0), ((0, 1, 100), 1 / 99)],
)
def test_the_axis_is_logarithmic_only_where_values_span_a_decade(values, ratios):
    trace = Trace("musk", "IR 0.05", tuple(Point(v, 0.5, 0.4, 0.6) for v in values), math.nan)
    spec = value_lines("f", "t", "alpha", "", [trace])
    first, second, third = [mark.x for mark in spec.marks if isinstance(mark, Mark) and mark.size < 4]
    assert (second - first) / (third - second) == pytest.approx(ratios)


def test_the_files_hold_the_same_numbers():
    sweep = sweep_of(made_rows(LEVELS))
    written = files(sweep, ["gmean", "bbs"])
    scores = sweep.scores("bbs")
    read = pd.read_csv(io.BytesIO(written["sweep.csv"])).query("metric == 'bbs'").reset_index(drop=True)
    np.testing.assert_allclose(read[["mean", "low", "high"]], scores[["mean", "low", "high"]], rtol=1e-12)
    values = json.loads(written["sweep.json"])
    assert values["values"] == list(ALPHAS)
    assert [row["mean"] for row in values["scores"] if row["metric"] == "bbs"] == pytest.approx(scores["mean"].tolist())
    assert values["notes"] == ["Data ready: 1 dataset"]
    for metric in ("gmean", "bbs"):
        assert written[f"sweep-{metric}.svg"].startswith(b"<?xml")
        assert written[f"sweep-{metric}.pdf"].startswith(b"%PDF")
        assert written[f"sweep-{metric}.png"].startswith(b"\x89PNG")
    assert files(sweep, ["gmean", "bbs"]) == written


def test_values_that_are_not_numbers_are_written_as_text():
    settings = (Setting(None, "remix"), Setting(5, "remix:alpha=0.05"), Setting((1, 2), "remix:alpha=0.3"))
    sweep = Sweep("remix", "k", settings, settings[0], "", Results(made_rows(LEVELS), "store"))
    assert to_json(sweep, ["gmean"])["values"] == ["None", 5, "1+2"]
    lines = files(sweep, ["gmean"])["sweep.csv"].decode().splitlines()
    assert [line.split(",")[5].strip('"') for line in lines[1:]] == ["None", "5", "1+2"]
