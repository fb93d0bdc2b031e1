"""Bayesian tests: against a plain loop, baycomp's numbers, and integrals over the posterior."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from imbench.contract.errors import UsageError
from imbench.stats import bayes
from imbench.stats.bayes import DRAWS, FEWEST_BLOCKS, hierarchical, signed_rank, split_r_hat
from imbench.stats.evaluate import evaluate
from imbench.stats.within import corrected_t

# Five standard errors of a difference of two estimates of a probability, from 20,000 draws each.
ERROR = 5 * math.sqrt(2 * 0.25 / DRAWS)


def plain_signed_rank(differences, rope, draws, seed=7):
    """Benavoli et al. 2014, section 3, written out."""
    rng = np.random.default_rng(seed)
    z = [0.0, *differences]
    won = np.zeros(3)
    for _ in range(draws):
        w = rng.dirichlet([0.5] + [1.0] * len(differences))
        above = sum(w[i] * w[j] for i in range(len(z)) for j in range(len(z)) if z[i] + z[j] > 2 * rope)
        below = sum(w[i] * w[j] for i in range(len(z)) for j in range(len(z)) if z[i] + z[j] < -2 * rope)
        won[int(np.argmax([above, 1 - above - below, below]))] += 1
    return won / draws


@pytest.mark.parametrize("rope", [0.0, 0.005, 0.02])
def test_the_signed_rank_test_equals_a_plain_loop(rope):
    z = np.random.default_rng(1).normal(0.01, 0.02, 6)
    draws = 500
    found = signed_rank(z[:, None], rope)[0]
    np.testing.assert_allclose(found, plain_signed_rank(z, rope, draws), atol=5 * math.sqrt(0.25 / draws))


# baycomp 1.0.3: SignedRankTest.probs(zeros, z, rope, nsamples=20000, random_state=0), turned round, with
# z = default_rng(seed).normal(0.01, 0.02, 5 + 5 * seed).round(3).
BAYCOMP = [
    (0, 0.0, (0.98965, 0, 0.01035)),
    (0, 0.01, (0.5075, 0.4925, 0.0)),
    (1, 0.0, (0.99915, 0, 0.00085)),
    (1, 0.01, (0.8602, 0.13975, 0.00005)),
    (2, 0.0, (0.98425, 0, 0.01575)),
    (2, 0.01, (0.569, 0.42275, 0.00825)),
    (3, 0.0, (0.9423, 0, 0.0577)),
    (3, 0.01, (0.23785, 0.74385, 0.0183)),
]


@pytest.mark.parametrize(("seed", "rope", "expected"), BAYCOMP)
def test_the_signed_rank_test_equals_baycomp(seed, rope, expected):
    z = np.random.default_rng(seed).normal(0.01, 0.02, 5 + 5 * seed).round(3)
    np.testing.assert_allclose(signed_rank(z[:, None], rope)[0], expected, atol=ERROR)


DIFFERENCES = hnp.arrays(
    float, st.tuples(st.integers(1, 9), st.integers(1, 3)), elements=st.integers(-5, 5).map(lambda n: n / 100)
)


@settings(max_examples=15)
@given(DIFFERENCES, st.sampled_from([0.0, 0.01, 0.02]))
def test_probabilities_sum_to_one_and_turn_with_the_pair(differences, rope):
    found = signed_rank(differences, rope)
    assert (found >= 0).all()
    np.testing.assert_allclose(found.sum(axis=1), 1)
    np.testing.assert_allclose(signed_rank(-differences, rope), found[:, ::-1], atol=1e-9)
    np.testing.assert_allclose(signed_rank(8 * differences, 8 * rope), found, atol=1e-9)


@settings(max_examples=15)
@given(DIFFERENCES)
def test_a_pair_does_not_depend_on_the_others(differences):
    found = signed_rank(differences)
    for column, expected in zip(differences.T, found, strict=True):
        np.testing.assert_allclose(signed_rank(column[:, None])[0], expected, atol=1e-9)


def test_without_any_difference_all_is_equivalent_or_undecided():
    none = np.zeros((6, 1))
    assert signed_rank(none, 0.01).tolist() == [[0, 1, 0]]
    assert signed_rank(none, 0.0).tolist() == [[0.5, 0, 0.5]]


def test_rounding_moves_no_sum_across_the_edge_of_the_rope():
    """0.81 - 0.80 is more than 0.01 in floating point; at the edge half counts for either side."""
    rounded, exact = np.full((5, 1), 0.81 - 0.80), np.full((5, 1), 0.01)
    assert rounded[0, 0] != exact[0, 0]
    assert signed_rank(rounded, 0.01).tolist() == signed_rank(exact, 0.01).tolist()


# --- the hierarchical test ---------------------------------------------------------------------------------------


def posterior_by_integration(x, rho, rope, alpha=0.05):
    """P(better, equivalent, worse), mean and interval of delta_0 for one pair, by sums over a grid of the posterior.

    Another method than the sampler's: the sigma_i are integrated out by hand, the delta_i by the trapezoid rule, and
    delta_0, sigma_0 and nu run over a grid. With mean m and n folds, the likelihood of delta_i is
    (S / (1 - rho) + (m - delta_i)^2 / c)^(-(n - 1) / 2).
    """
    n = x.shape[1]
    scale = x.std(axis=1).mean()
    x, rope = x / scale, rope / scale
    mean, squares, c = x.mean(axis=1), x.var(axis=1) * n, (1 + (n - 1) * rho) / n
    widest, largest = np.abs(x).max(), 1000 * mean.std()
    error = np.sqrt(c * squares / (1 - rho) / (n - 1))
    reach = 60 * max(error.max(), mean.std())
    # Dense in the middle, wide at the ends.
    delta = np.median(mean) + reach * np.sinh(np.linspace(-8, 8, 801)) / math.sinh(8)
    likelihood = (squares / (1 - rho) + (mean - delta[:, None]) ** 2 / c) ** (-(n - 1) / 2)
    likelihood /= likelihood.max(axis=0)
    widths = np.gradient(delta)
    location = np.linspace(-widest, widest, 81)
    sigma = np.geomspace(0.02 * mean.std(), min(largest, 100 * mean.std()), 31)
    nu = bayes._DEGREES[3::8]
    posterior = np.empty((len(nu), len(sigma), len(location)))
    for a, degrees in enumerate(nu):
        for b, spread in enumerate(sigma):
            away = (delta - location[:, None]) / spread
            constant = math.exp(math.lgamma((degrees + 1) / 2) - math.lgamma(degrees / 2)) / math.sqrt(degrees)
            kernel = constant * (1 + away**2 / degrees) ** (-(degrees + 1) / 2) / spread * widths
            posterior[a, b] = np.log(kernel @ likelihood + 1e-300).sum(axis=1)
    # sigma is uniform, its grid geometric.
    posterior = np.exp(posterior - posterior.max()) * sigma[:, None]
    posterior /= posterior.sum()
    grid = (location - rope) / sigma[:, None], (-rope - location) / sigma[:, None]
    better, worse = (np.stack([stats.t.cdf(at, degrees) for degrees in nu]) for at in grid)
    which = np.argmax([better, 1 - better - worse, worse], axis=0)
    shares = np.array([posterior[which == i].sum() for i in range(3)])
    marginal = posterior.sum(axis=(0, 1))
    below = np.cumsum(marginal) - marginal / 2
    ends = np.interp([alpha / 2, 1 - alpha / 2], below, location)
    return shares, scale * (marginal @ location), scale * ends


def folds_of(seed, means, folds=10, spread=0.02, rho=0.5):
    """Differences of correlated folds around the means of blocks: ``(blocks, folds)``."""
    rng = np.random.default_rng(seed)
    common = rng.normal(size=(len(means), 1)) * math.sqrt(rho)
    return np.asarray(means)[:, None] + spread * (common + rng.normal(size=(len(means), folds)) * math.sqrt(1 - rho))


HIERARCHICAL = [
    (0, [0.02, 0.05, 0.01, 0.03, 0.04, 0.0, 0.02], 10),
    (1, [-0.01, 0.0, 0.01, 0.0, 0.005], 10),
    (2, [0.01, 0.02, 0.2, 0.015, 0.0, 0.01], 10),
    (3, [-0.03, -0.02, -0.05, -0.1], 4),
]


@pytest.mark.parametrize(("seed", "means", "folds"), HIERARCHICAL)
def test_the_hierarchical_test_equals_integrals_over_its_posterior(seed, means, folds):
    x = folds_of(seed, means, folds)
    shares, mean, ends = posterior_by_integration(x, 0.5, 0.01)
    found = hierarchical(x[None], np.full(len(x), 0.5), 0.01)
    assert found.r_hat[0] < 1.05
    np.testing.assert_allclose(found.probabilities[0], shares, atol=0.05)
    width = ends[1] - ends[0]
    assert found.mean[0] == pytest.approx(mean, abs=0.05 * width)
    assert (found.low[0], found.high[0]) == pytest.approx(tuple(ends), abs=0.1 * width)


# baycomp 1.0.3 with pystan 3.10.0, for the differences of `folds_of`: HierarchicalTest.probs(zeros, x, 0.01,
# runs=folds // 2, nsamples=5000, chains=4, random_state=0), turned round; the runs give it a correlation of 0.5. Its
# Stan program needs the present spelling of two statements (= for <-, target += for increment_log_prob).
STAN = [(0.9917, 0.00345, 0.00485), (0.3592, 0.39315, 0.24765), (0.8534, 0.00265, 0.14395), (0.066, 0.00015, 0.93385)]


@pytest.mark.parametrize(("case", "expected"), list(zip(HIERARCHICAL, STAN, strict=True)))
def test_the_hierarchical_test_equals_baycomp(case, expected):
    seed, means, folds = case
    found = hierarchical(folds_of(seed, means, folds)[None], np.full(len(means), 0.5), 0.01)
    # 3,840 draws of 16 chains, which are worth a tenth as many independent ones or more.
    np.testing.assert_allclose(found.probabilities[0], expected, atol=0.05)


def test_pairs_are_drawn_together_and_do_not_depend_on_each_other():
    x = np.stack([folds_of(seed, means) for seed, means, _ in HIERARCHICAL[:1]] * 2)
    x[1] = -x[1]
    found = hierarchical(x, np.full(7, 0.5))
    np.testing.assert_allclose(found.probabilities[0], found.probabilities[1, ::-1], atol=0.05)
    assert found.mean[0] == pytest.approx(-found.mean[1], abs=0.1 * (found.high - found.low)[0])


def test_the_unit_of_the_scores_does_not_matter():
    x, share = folds_of(5, [0.01, 0.02, 0.0, 0.03])[None], np.full(4, 0.5)
    one, other = hierarchical(x, share, 0.01), hierarchical(64 * x, share, 0.64)
    np.testing.assert_allclose(one.probabilities, other.probabilities)
    np.testing.assert_allclose(64 * one.low, other.low)


def test_many_precise_blocks_give_students_interval_of_their_means():
    """With folds that hardly vary the model is a t-distribution of the means, close to normal."""
    means = np.random.default_rng(6).normal(0.02, 0.01, 30)
    found = hierarchical(folds_of(6, means, spread=1e-4)[None], np.full(30, 0.5))
    student = corrected_t(means, None)
    width = student.high - student.low
    assert (found.low[0], found.high[0]) == pytest.approx((student.low, student.high), abs=0.1 * width)


def test_missing_folds_are_omitted():
    x, share = folds_of(7, [0.01, 0.02, 0.03, 0.02], folds=8), np.full(4, 0.5)
    padded = np.concatenate([x, np.full((4, 3), np.nan)], axis=1)
    one, other = hierarchical(x[None], share), hierarchical(padded[None], share)
    np.testing.assert_allclose(one.probabilities, other.probabilities)


def test_blocks_without_spread_are_no_error():
    x = folds_of(8, [0.0, 0.0, 0.02, 0.05, 0.03])
    x[:2] = 0.0
    found = hierarchical(np.stack([x, np.zeros_like(x)]), np.full(5, 0.5))
    assert np.isfinite(found.probabilities).all()
    assert found.probabilities[1].tolist() == [0, 1, 0]
    assert (found.mean[1], found.low[1], found.high[1], found.r_hat[1]) == (0, 0, 0, 1)
    assert hierarchical(np.zeros((1, 3, 4)), np.full(3, 0.5), 0.0).probabilities.tolist() == [[0.5, 0, 0.5]]


def test_r_hat_tells_chains_that_disagree():
    rng = np.random.default_rng(0)
    alike = rng.normal(size=(400, 8, 1))
    assert split_r_hat(alike)[0] == pytest.approx(1, abs=0.02)
    assert split_r_hat(alike + np.arange(8)[None, :, None])[0] > 2


@pytest.mark.parametrize("rope", [-0.1, math.nan, math.inf])
def test_a_rope_out_of_range_is_named(rope):
    with pytest.raises(UsageError, match=f"rope must be a number of at least 0, got {rope}"):
        signed_rank(np.zeros((3, 1)), rope)
    with pytest.raises(UsageError, match="the largest difference that does not matter"):
        evaluate(pd.DataFrame(np.eye(3)), higher_is_better=True, rope=rope)


def test_too_few_blocks_or_folds_are_named():
    with pytest.raises(UsageError, match=f"at least {FEWEST_BLOCKS} blocks, got 2"):
        hierarchical(np.zeros((1, 2, 5)), np.full(2, 0.5))
    with pytest.raises(UsageError, match="block 0 has fewer than 2 folds"):
        hierarchical(np.zeros((1, 3, 1)), np.full(3, 0.5))


def table_of_folds():
    rows = [(f"d{d}", repeat, fold) for d in range(6) for repeat in range(5) for fold in range(2)]
    rng = np.random.default_rng(9)
    base = rng.normal(0.7, 0.1, 6)[[int(name[1]) for name, _, _ in rows]]
    scores = {"baseline": base, "same": base, "better": base + 0.05}
    index = pd.MultiIndex.from_tuples(rows, names=["dataset", "repeat", "fold"])
    return pd.DataFrame({name: values + rng.normal(0, 0.01, len(rows)) for name, values in scores.items()}, index)


def test_an_evaluation_of_folds_has_both_tests():
    found = evaluate(table_of_folds(), higher_is_better=True)
    assert found.signed_rank.loc["better", "better"] > 0.95
    assert found.hierarchical.loc["better", "better"] > 0.95
    assert found.hierarchical.loc["same", ["better", "equivalent", "worse"]].idxmax() == "equivalent"
    assert found.hierarchical.loc["better", "gain"] == pytest.approx(0.05, abs=0.02)
    assert found.signed_rank.loc["baseline"].isna().all()
    turned = evaluate(-table_of_folds(), higher_is_better=False)
    pd.testing.assert_frame_equal(found.hierarchical, turned.hierarchical)
    told = found.to_dict()
    assert told["rope"] == 0.01
    assert told["signed_rank"]["better"]["better"] == found.signed_rank.loc["better", "better"]
    assert "hierarchical" in str(found)


def test_an_evaluation_of_means_has_no_hierarchical_test():
    found = evaluate(table_of_folds().groupby("dataset").mean(), higher_is_better=True)
    assert found.hierarchical.isna().all(axis=None)
    assert "hierarchical" not in str(found)


def test_folds_of_one_dataset_have_neither():
    found = evaluate(table_of_folds().xs("d1"), higher_is_better=True)
    assert found.elo.isna().all(axis=None)
    assert found.signed_rank.isna().all(axis=None)
    assert "Elo" not in str(found)


def test_the_degrees_of_freedom_are_quantiles_of_their_prior():
    middles = (np.arange(40) + 0.5) / 40
    shape, rate = np.meshgrid(1 + middles, 0.01 + 0.09 * middles)
    below = [stats.gamma.cdf(nu - 1, shape, scale=1 / rate).mean() for nu in bayes._DEGREES]
    assert np.allclose(below, (np.arange(32) + 0.5) / 32, atol=2e-6)
