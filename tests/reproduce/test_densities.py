"""Figure 4: the closed form against a plain loop, the densities against SciPy's, and sentences that turn."""

from math import comb

import numpy as np
import pytest
from scipy.stats import gaussian_kde

from imbench import RunRequest
from imbench.reproduce.context import ReproductionContext
from imbench.reproduce.densities import (
    BATCH,
    both_present,
    density,
    expected_soft,
    figure4,
    found_of,
    line,
    measured,
)
from imbench.reproduce.mini_batches import draw, feed
from imbench.runs.registry import strategy


@pytest.fixture(scope="module")
def items(tmp_path_factory):
    context = ReproductionContext(RunRequest(store=tmp_path_factory.mktemp("store"), protocol="smoke"))
    return figure4(context), figure4(context)


def looped(alpha, both, batches, size, rng):
    """Algorithm 1 on labels alone, batch by batch: the share in (0.1, 0.9) of each."""
    shares = []
    for _ in range(batches):
        if rng.random() < both:
            y = np.repeat([0.0, 1.0], size // 2)
            lam = rng.beta(alpha, alpha)
            mixed = lam * y + (1 - lam) * y[rng.permutation(size)]
            shares.append(((mixed > 0.1) & (mixed < 0.9)).mean())
        else:
            shares.append(0.0)
    return np.array(shares)


@pytest.mark.parametrize(("alpha", "both"), [(0.1, 1.0), (0.3, 0.8), (1.0, 0.9)])
def test_the_closed_form_is_what_a_plain_loop_gives(alpha, both):
    shares = looped(alpha, both, 6000, 16, np.random.default_rng(0))
    error = shares.std() / np.sqrt(len(shares))
    assert abs(shares.mean() - expected_soft(alpha, both)) < 4 * error
    assert error < 0.005


@pytest.mark.parametrize("alpha", [0.1, 0.5])
def test_the_closed_form_is_what_remix_gives(alpha):
    x, y = line()
    numbers = draw(len(y), BATCH, 3000, np.random.default_rng(0))
    labels = feed(strategy(f"remix:alpha={alpha}"), x, y, numbers, 2, "test").y[..., 1]
    shares = ((labels > 0.1) & (labels < 0.9)).mean(axis=1)
    error = shares.std() / np.sqrt(len(shares))
    assert abs(shares.mean() - expected_soft(alpha, both_present(y, BATCH))) < 4 * error


def test_the_chance_of_both_classes_counts_the_ways():
    y = np.repeat([0, 1], [20, 5])
    none = comb(20, 6) / comb(25, 6)
    assert both_present(y, 6) == pytest.approx(1 - none)
    alone = (comb(20, 4) + comb(5, 4)) / comb(25, 4)
    assert both_present(y, 4) == pytest.approx(1 - alone)


def test_a_density_is_that_of_scipy():
    values = np.random.default_rng(0).normal(size=700)
    at = np.linspace(-4, 4, 90)
    kernel = 0.2
    known = gaussian_kde(values, bw_method=kernel / values.std(ddof=1))(at)
    np.testing.assert_allclose(density(values, kernel, at), known, atol=2e-3 * known.max())


def test_shares_between_are_counted_by_hand():
    labels = {0.1: np.array([[0.0, 0.2], [0.5, 1.0]]), 0.5: np.array([[0.3, 0.2], [0.5, 0.95]])}
    features = {0.1: np.array([[1.0, 2.5], [0.0, 0.0]]), 0.5: np.array([[2.5, 2.6], [2.7, 9.0]])}
    frame = measured(features, labels, np.array([0.0, 2.5, 4.0, 4.0]), 1.0)
    assert frame["soft"].tolist() == [0.0, 0.5, 0.75]
    assert frame["gap"].tolist() == [0.25, 0.25, 0.75]
    assert frame["data"].tolist() == ["original", "ReMix", "ReMix"]


def test_the_same_again_gives_the_same_bytes(items):
    one, again = items
    assert one.figures[0].files == again.figures[0].files
    assert one.found == again.found


def test_the_sentences_turn_with_the_numbers(items):
    frame = items[0].tables[0].frame.copy()
    frame["soft"] = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5]
    frame["gap"] = [0.02, 0.1, 0.2, 0.3, 0.4, 0.5]
    frame["soft_half"] = frame["gap_half"] = 0.01
    assert "that it rises with α: supported" in found_of(frame)[0]
    assert "puts more structure between the classes: supported" in found_of(frame)[2]
    overlapping = frame.assign(soft_half=0.06, gap_half=0.06)
    assert "that it rises with α: undecided" in found_of(overlapping)[0]
    assert "puts more structure between the classes: undecided" in found_of(overlapping)[2]
    frame["soft"] = frame["soft"].to_numpy()[::-1]
    frame["gap"] = frame["gap"].to_numpy()[::-1]
    assert "that it rises with α: contradicted" in found_of(frame)[0]
    assert "puts more structure between the classes: contradicted" in found_of(frame)[2]
    frame["expected"], frame["soft_half"] = frame["soft"] - 0.04, 0.01
    assert "4.0 times the half-width" in found_of(frame)[1]
