"""Figure 8: nearest classes against scikit-learn and a plain loop, shares by hand, and what cannot be had."""

import dataclasses
import os

import numpy as np
import pandas as pd
import pytest
from sklearn.neighbors import KNeighborsClassifier

from imbench import RunRequest
from imbench.reproduce import harm
from imbench.reproduce.context import ReproductionContext
from imbench.reproduce.harm import (
    Mixed,
    found_of,
    harmful,
    illustration,
    mixtures,
    nearest_class,
    shares,
    shares_figure,
    summary,
)
from imbench.reproduce.mini_batches import draw


def data(rows=200, features=5, classes=4, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.integers(classes, size=rows)
    return (rng.normal(size=(rows, features)) + 0.7 * y[:, None]).astype(np.float32), y


def test_the_nearest_class_is_that_of_scikit_learn_and_of_a_plain_loop():
    training, y = data()
    asked, _ = data(rows=80, seed=1)
    found = nearest_class(asked, training, y)
    np.testing.assert_array_equal(found, KNeighborsClassifier(1, algorithm="kd_tree").fit(training, y).predict(asked))
    for row, own in zip(asked, found, strict=True):
        distances = [float(((row - other) ** 2).sum()) for other in training]
        assert y[int(np.argmin(distances))] == own


@pytest.mark.parametrize("spec", ["remix:alpha=0.3", "mixup:alpha=1.0"])
def test_a_sample_is_harmful_if_a_plain_loop_finds_a_third_class_nearest(spec):
    training, y = data()
    mixed = mixtures(spec, training, y, 4, draw(len(y), 20, 10, np.random.default_rng(0)), "test")
    bad = harmful(mixed, training, y)
    for x, parents, found in zip(mixed.x, mixed.parents, bad, strict=True):
        nearest = y[int(np.argmin([float(((x - other) ** 2).sum()) for other in training]))]
        assert found == (parents.sum() == 2 and not parents[nearest])
    assert 0 < bad.sum() < len(bad)


@pytest.mark.parametrize("name", ["remix", "mixup"])
def test_what_is_mixed_is_known_even_where_a_share_next_to_one_hides_it(name):
    x, y = data(rows=240, classes=3)[0], np.arange(240) % 3
    numbers = draw(len(y), 60, 400, np.random.default_rng(0))
    held = np.stack([np.bincount(y[batch], minlength=3) for batch in numbers]) / 60
    # A random permutation pairs two rows of a class as often as chance has it; ReMix holds each class equally often.
    known = {"mixup": 1 - (held**2).sum(axis=1).mean(), "remix": 2 / 3}[name]
    mixed = mixtures(f"{name}:alpha=0.02", x, y, 3, numbers, "test")
    assert mixed.is_mixed.mean() == pytest.approx(known, abs=0.015)
    hidden = (mixed.y > 0).sum(axis=1) < 2
    assert (hidden & mixed.is_mixed).mean() > 0.1


def on_a_line(alpha_shares):
    """Mixtures of class 0, at −1, and class 1, at 1, with these shares; class 2 is at 0."""
    y = np.array([[share, 1 - share, 0.0] for share in alpha_shares], dtype=np.float32)
    x = (y[:, 1:2] - y[:, :1]).astype(np.float32)
    return Mixed(x, y, np.tile([True, True, False], (len(y), 1)))


def test_what_lies_between_two_classes_meets_the_third_there():
    training, y = np.array([[-1.0], [1.0], [0.0]], dtype=np.float32), np.array([0, 1, 2])
    mixed = on_a_line([0.5, 0.6, 0.8, 1.0])  # at 0, -0.2, -0.6, -1
    np.testing.assert_array_equal(harmful(mixed, training, y), [True, True, False, False])
    # Without the third class there is nothing to be near to.
    np.testing.assert_array_equal(harmful(mixed, training[:2], y[:2]), False)
    found = shares(mixed, training, y)
    assert found == {"mixed": 1.0, "of_mixed": 0.5, "of_all": 0.5, "of_middle": 1.0}


def test_samples_of_one_class_count_among_all_only():
    training, y = np.array([[-1.0], [1.0], [0.0]], dtype=np.float32), np.array([0, 1, 2])
    mixed = on_a_line([0.5, 1.0])
    alone = dataclasses.replace(mixed, parents=np.array([[True, True, False], [True, False, False]]))
    assert shares(alone, training, y) == {"mixed": 0.5, "of_mixed": 1.0, "of_all": 0.5, "of_middle": 1.0}
    none = dataclasses.replace(mixed, parents=np.array([[True, False, False]] * 2))
    assert np.isnan(shares(none, training, y)["of_mixed"])


def test_a_dataset_that_cannot_be_had_is_left_out_and_named(tmp_path, monkeypatch):
    amount = harm._Amount(("no_such_dataset",), (0.1,), 2, 0, 4)
    monkeypatch.setattr(harm._Amount, "of", classmethod(lambda cls, context: amount))
    item = harm.figure8(ReproductionContext(RunRequest(store=tmp_path, protocol="smoke")))
    assert any("no_such_dataset was skipped:" in sentence for sentence in item.basis)
    assert item.tables == ()
    assert "nothing was counted" in item.found[0]


def counted(small, large, mixup):
    """Numbers of two datasets with these shares of ReMix at the smallest and the largest alpha, and of MixUp."""
    rows = [
        {"dataset": name, "ir": 0.1, "strategy": kind, "alpha": alpha, "of_mixed_half": 0.01}
        | dict.fromkeys(("of_mixed", "of_all", "of_middle"), share if kind == "remix" else mixup)
        for name in ("a", "b")
        for kind in ("remix", "mixup")
        for alpha, share in zip(harm.ALPHAS, np.linspace(small, large, len(harm.ALPHAS)), strict=True)
    ]
    return pd.DataFrame(rows)


CONTROLS = pd.DataFrame({"dataset": ["a", "b"], "ir": 0.1, "other_class": [0.3, 0.4]})


def test_the_sentences_turn_with_the_numbers():
    found = found_of(counted(0.01, 0.2, 0.0), CONTROLS)
    assert "on every dataset here: supported" in found[0]
    assert "1.0 % on a and 1.0 % on b" in found[0]
    assert "a small α reduces the harm: supported" in found[3]
    assert "8 of 8 comparisons" in found[5]
    turned = found_of(counted(0.2, 0.0, 0.3), CONTROLS)
    assert "on every dataset here: undecided" in turned[0]
    assert "a small α reduces the harm: contradicted" in turned[3]
    assert "a small α reduces the harm: undecided" in found_of(counted(0.1, 0.11, 0.3), CONTROLS)[3]
    assert "in 0 of 2 configurations" in turned[3]
    assert "0 of 8 comparisons" in turned[5]


def test_the_summary_has_a_row_a_configuration_and_a_column_an_alpha():
    table = summary(counted(0.1, 0.4, 0.0))
    assert list(table.columns) == ["dataset", "IR", "α = 0.1", "α = 0.3", "α = 0.5", "α = 1"]
    assert table.iloc[0].tolist() == ["a", 0.1, "10.0 ± 1.0", "20.0 ± 1.0", "30.0 ± 1.0", "40.0 ± 1.0"]


def test_the_same_again_gives_the_same_bytes():
    assert illustration().files == illustration().files
    counts = counted(0.01, 0.2, 0.1)
    assert shares_figure(counts).files == shares_figure(counts).files


@pytest.mark.data
@pytest.mark.skipif("IMBENCH_DATA_MIRROR" not in os.environ, reason="needs a mirror")
def test_a_small_run_counts_on_real_data(tmp_path):
    item = harm.figure8(ReproductionContext(RunRequest(store=tmp_path, protocol="smoke")))
    counts = item.tables[1].frame
    assert set(counts["dataset"]) == {"optdigits", "landsat_satellite"}
    assert counts["of_mixed"].between(0, 1).all()
    # Rows of two classes: 1 - 1/K of ReMix's, since its K classes are equally frequent in a batch.
    landsat = counts[(counts["dataset"] == "landsat_satellite") & (counts["strategy"] == "remix")]
    assert landsat["mixed"].mean() == pytest.approx(5 / 6, abs=0.04)
    assert any("few configurations only" in sentence for sentence in item.basis)
