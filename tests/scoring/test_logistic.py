"""Slopes of logistic regression: a fast fit that skips steps and losses where it can, beside a plain one."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from imbench.scoring.logistic import ROUNDING, _LabelledRows, _SlopeAt, fit_slope, logistic_slope

SEEDS, ROWS = st.integers(0, 2**32 - 1), st.integers(2, 400)


def plain_slope(x, positive):
    """The same Newton's method with the loss computed at every step."""
    yes, no = x[positive], x[~positive]
    if not len(yes) or not len(no) or min(yes.max() - no.min(), no.max() - yes.min()) <= ROUNDING:
        return np.nan
    scale = x.std()
    z = (x - x.mean()) / scale
    share = positive.mean()
    fit = np.array([np.log(share / (1 - share)), 0.0])

    def loss(fit):
        return plain_loss(fit, z, positive)

    for _ in range(100):
        with np.errstate(over="ignore"):
            p = 1 / (1 + np.exp(-(fit[0] + fit[1] * z)))
        gap, weight = p - positive, p * (1 - p)
        cross = weight @ z
        information = np.array([[weight.sum(), cross], [cross, weight @ z**2]]) + 1e-12 * (weight.sum() + 1) * np.eye(2)
        step = -np.linalg.solve(information, np.array([gap.sum(), gap @ z]))
        for _ in range(30):
            if loss(fit + step) <= loss(fit) + 1e-12 * (1 + abs(loss(fit))):
                break
            step /= 2
        else:
            break
        fit = fit + step
        if np.abs(step).max() < 1e-12:
            break
    return fit[1] / scale


def plain_loss(fit, z, positive):
    line = fit[0] + fit[1] * z
    return np.logaddexp(0.0, line).sum() - line[positive].sum()


def drawn_rows(seed, rows, spread, slope, decimals):
    """Log-odds and labels that follow them with this slope; rounded, so that some are equal."""
    rng = np.random.default_rng(seed)
    x = np.round(rng.normal(rng.normal(), spread, rows), decimals)
    return x, rng.random(rows) < 1 / (1 + np.exp(-slope * x))


@given(SEEDS, ROWS, st.sampled_from([0.1, 1.0, 10.0]), st.sampled_from([-1.0, 0.0, 0.2, 1.0, 5.0]), st.integers(0, 12))
def test_a_slope_is_that_of_the_plain_fit(seed, rows, spread, slope, decimals):
    x, positive = drawn_rows(seed, rows, spread, slope, decimals)
    close = {"rtol": 1e-10, "atol": 1e-12 / spread}
    np.testing.assert_allclose(logistic_slope(x, positive), plain_slope(x, positive), **close)


@given(SEEDS, ROWS, st.sampled_from([0.1, 1.0, 10.0]), st.floats(0.1, 10), st.floats(-10, 10))
def test_shifted_and_scaled_log_odds_share_a_fit(seed, rows, spread, scale, shift):
    x, positive = drawn_rows(seed, rows, spread, 1.0, 4)
    other = fit_slope(x, positive)
    shared, alone = fit_slope(scale * x + shift, positive, other), logistic_slope(scale * x + shift, positive)
    np.testing.assert_allclose(shared.slope, alone, rtol=1e-10, atol=1e-12 / spread)
    assert shared.parameters is other.parameters or np.isnan(alone)


@given(SEEDS, ROWS, st.sampled_from([0.1, 1.0, 10.0]), st.sampled_from([-1.0, 0.2, 1.0, 5.0]))
def test_where_a_fit_begins_does_not_matter(seed, rows, spread, slope):
    x, positive = drawn_rows(seed, rows, spread, slope, 4)
    like = fit_slope(np.random.default_rng(seed).permutation(x), positive)
    close = {"rtol": 1e-10, "atol": 1e-12 / spread}
    np.testing.assert_allclose(fit_slope(x, positive, like).slope, plain_slope(x, positive), **close)


@given(SEEDS, ROWS, st.sampled_from([0.1, 1.0, 10.0]), st.floats(-8, 1))
def test_a_loss_that_is_surely_no_larger_is_none(seed, rows, spread, magnitude):
    rng = np.random.default_rng(seed)
    z, positive = rng.normal(size=rows), rng.random(rows) < rng.random()
    labelled = _LabelledRows(np.concatenate([z[positive], z[~positive]]), int(positive.sum()))
    with np.errstate(over="ignore"):
        before = _SlopeAt.of(rng.normal(size=2) * spread, labelled)
        step = rng.normal(size=2) * 10**magnitude
        after = before.after(step)
    if after.is_surely_no_larger(before, step):
        lowest = plain_loss(before.parameters, z, positive)
        assert plain_loss(after.parameters, z, positive) <= lowest + 1e-12 * (1 + abs(lowest))


def test_most_steps_need_no_loss(monkeypatch):
    counted = []
    loss = _SlopeAt.loss.func
    monkeypatch.setattr(_SlopeAt, "loss", property(lambda fit: counted.append(1) or loss(fit)))
    for seed in range(20):
        logistic_slope(*drawn_rows(seed, 2000, 1.0, 1.0, 12))
    assert len(counted) < 20 * 3  # a fit takes five steps or more
