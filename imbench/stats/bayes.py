"""Bayesian comparisons of pairs of strategies over blocks, with a region of practical equivalence (ROPE)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from imbench.contract.errors import UsageError
from imbench.contract.streams import stream
from imbench.scoring.outcome import Floats
from imbench.stats.ranks import GIVEN, Tolerance

# The default ROPE, in the unit of the scores: one percentage point of a metric between 0 and 1.
ROPE = 0.01

# Draws of the signed-rank test: a probability has a Monte-Carlo error of at most 0.0035.
DRAWS = 20_000
# Weight of the prior: a block without any difference (Benavoli et al. 2014; baycomp).
_PRIOR = 0.5
# Products of weights in memory at a time.
_CHUNK = 4_000_000
# Two shares of a draw this close are equal: rounding alone separates them.
_EQUAL = 1e-9

# Chains of the hierarchical test, and the steps of each before and while draws are kept.
CHAINS, WARM_UP, KEPT = 16, 60, 240
# The test needs more than 2 blocks: its posterior has no mean with 2.
FEWEST_BLOCKS = 3
# Above this R-hat the chains disagree.
CONVERGED = 1.05


@dataclass(frozen=True, eq=False)
class Posterior:
    """What the hierarchical test finds for each pair.

    Parameters
    ----------
    probabilities : ``(pairs, 3)`` that the first is better by more than the ROPE on the next dataset, that the two are
        practically equivalent, and that it is worse: how often each is the most probable of the three
    mean, low, high : ``(pairs,)`` posterior mean of the average gain over datasets, and its credible interval
    r_hat : ``(pairs,)`` convergence of the chains (split R-hat of Gelman et al. 2013, of the average gain and of the
        logarithm of its spread over datasets, the larger one); 1 is perfect
    """

    probabilities: Floats
    mean: Floats
    low: Floats
    high: Floats
    r_hat: Floats


def signed_rank(differences: ArrayLike, rope: float = ROPE, tolerance: Tolerance = GIVEN) -> Floats:
    """The Bayesian signed-rank test of Benavoli et al. (2014; 2017, section 4.2) for all pairs at once.

    The distribution of differences over datasets has a Dirichlet-process prior with a weight of 1/2 on 0. With its
    posterior weights w, (1/2, 1, …, 1)-Dirichlet, the probability that the mean of two differences is above the ROPE is
    Σ_ij w_i w_j [z_i + z_j > 2 rope], and likewise below. Each draw of w goes to the largest of the three
    probabilities. A sum at the edge of the ROPE counts half for either side.

    Parameters
    ----------
    differences : array-like, ``(blocks, pairs)``, positive where the first is better
    rope : differences up to this are practically none; 0 or more

    Returns
    -------
    ``(pairs, 3)`` probabilities: the first is better, both are practically equivalent, it is worse. They sum to 1, have
    a Monte-Carlo error of at most 0.0035, and are the same for the same differences every time.

    Raises
    ------
    UsageError
        For a ROPE that is negative or not finite.

    >>> signed_rank([[0.02], [0.05], [0.03], [0.04], [0.02]], rope=0.01).round(1)
    array([[1., 0., 0.]])
    """
    check_rope(rope)
    z = np.ascontiguousarray(differences, dtype=np.float64)
    blocks, pairs = z.shape
    z = np.vstack([np.zeros((1, pairs)), z])
    i, j = np.triu_indices(blocks + 1)
    sums = z[i] + z[j]  # (products, pairs)
    slack = 2 * tolerance.absolute + 1e-12 * (np.abs(z[i]) + np.abs(z[j]) + 2 * rope)
    # Products off the diagonal occur twice.
    times = np.where(i == j, 1.0, 2.0)[:, None]
    above, below = (times * _step(sign * sums - 2 * rope, slack) for sign in (1, -1))
    counts = np.zeros((pairs, 3))
    weights = _weights(blocks)
    chunk = max(_CHUNK // len(i), 1)
    for start in range(0, len(weights), chunk):
        drawn = weights[start : start + chunk]
        products = _products(drawn)  # (draws, products)
        better, worse = products @ above, products @ below
        counts += _winners(better, worse)
    return counts / len(weights)


def _products(weights: Floats) -> Floats:
    """``(draws, products)`` of each weight and those from it on, in the order of `numpy.triu_indices`."""
    count = weights.shape[1]
    products = np.empty((len(weights), count * (count + 1) // 2))
    start = 0
    for i in range(count):
        end = start + count - i
        np.multiply(weights[:, i, None], weights[:, i:], out=products[:, start:end])
        start = end
    return products


def _step(values: Floats, slack: Floats) -> Floats:
    """1 above 0, 1/2 at 0, 0 below."""
    return np.where(np.abs(values) <= slack, 0.5, (values > 0).astype(np.float64))


def _winners(better: Floats, worse: Floats) -> Floats:
    """``(pairs, 3)`` how many of ``(draws, pairs)`` probabilities each outcome wins; equal ones share a draw."""
    shares = np.stack([better, 1 - better - worse, worse], axis=-1)
    first = shares >= shares.max(axis=-1, keepdims=True) - _EQUAL
    found: Floats = (first / first.sum(axis=-1, keepdims=True)).sum(axis=0)
    return found


@lru_cache(maxsize=4)
def _weights(blocks: int) -> Floats:
    """``(draws, blocks + 1)`` Dirichlet weights, the prior's first."""
    rng = stream("bayesian signed-rank", blocks)
    drawn = rng.standard_exponential((DRAWS, blocks + 1))
    drawn[:, 0] = rng.standard_gamma(_PRIOR, DRAWS)
    weights: Floats = drawn / drawn.sum(axis=1, keepdims=True)
    return weights


def hierarchical(
    differences: ArrayLike, test_share: ArrayLike, rope: float = ROPE, alpha: float = 0.05, key: str = ""
) -> Posterior:
    """The hierarchical correlated t-test of Corani et al. (2017) for all pairs at once.

    The differences of a block's folds are normal around the block's own mean δ_i with correlation ρ, the share of
    tested rows; the δ_i come from a t-distribution with location δ_0, scale σ_0 and ν degrees of freedom. The result is
    about δ of the next block. Priors are baycomp's: δ_0, σ_0 and the σ_i uniform, up to the largest difference, 1,000
    times the deviation of the means and 1,000 times the mean deviation within blocks; ν − 1 gamma with uniform shape
    (1 to 2) and rate (0.01 to 0.1).

    NOTE: ν takes 32 values of equal prior probability, so that it can be drawn from its conditional distribution.

    Drawn by a Gibbs sampler: the t as a scale mixture of normals, ν with the mixture's scales integrated out, and δ_0
    and σ_0 twice in each step, given δ and given the standardised δ (Yu and Meng 2011), so that small σ_0 do not slow
    the chains.

    Parameters
    ----------
    differences : array-like, ``(pairs, blocks, folds)``, positive where the first is better; NaN for a missing fold, at
        least 2 folds in each block. A block whose folds are all equal gets a deviation of rope/√3
    test_share : array-like, ``(blocks,)`` n_test / (n_test + n_train) of each block's folds
    rope : differences up to this are practically none; 0 or more
    alpha : credible intervals have level 1 − alpha
    key : other draws for other keys

    Raises
    ------
    UsageError
        For fewer than 3 blocks, a block with fewer than 2 folds, or a ROPE that is negative or not finite.
    """
    check_rope(rope)
    # Sums do not depend on how the caller's array lies in memory.
    x, rho = np.ascontiguousarray(differences, dtype=np.float64), np.asarray(test_share, dtype=np.float64)
    pairs, blocks = x.shape[:2]
    if blocks < FEWEST_BLOCKS:
        raise UsageError(f"a hierarchical test needs at least {FEWEST_BLOCKS} blocks, got {blocks}")
    n = np.isfinite(x).sum(axis=2)
    if n.size and n.min() < 2:
        raise UsageError(f"block {int(n.min(axis=0).argmin())} has fewer than 2 folds; remove it")
    data = _Summaries.of(x, n, rho, rope)
    if not pairs:
        return Posterior(np.zeros((0, 3)), *(np.zeros(0) for _ in range(4)))
    delta, sigma, nu = _chains(data, stream("hierarchical correlated t", key, pairs, blocks))
    edge = rope / data.scale
    from scipy.special import stdtr

    better, worse = stdtr(nu, (delta - edge) / sigma), stdtr(nu, (-edge - delta) / sigma)
    draws = delta.shape[0] * delta.shape[1]
    probabilities = _winners(better.reshape(draws, pairs), worse.reshape(draws, pairs)) / draws
    low, high = np.quantile(delta, [alpha / 2, 1 - alpha / 2], axis=(0, 1)) * data.scale
    agree = np.maximum(split_r_hat(delta), split_r_hat(np.log(sigma)))
    # Without any difference nothing is left to draw.
    none = ~data.varies
    probabilities[none] = [0.0, 1.0, 0.0] if rope > 0 else [0.5, 0.0, 0.5]
    mean = delta.mean(axis=(0, 1)) * data.scale
    return Posterior(
        probabilities,
        mean=np.where(none, 0.0, mean),
        low=np.where(none, 0.0, low),
        high=np.where(none, 0.0, high),
        r_hat=np.where(none, 1.0, agree),
    )


def check_rope(rope: float) -> None:
    """Raise UsageError unless this is the half-width of a ROPE."""
    if not (np.isfinite(rope) and rope >= 0):
        raise UsageError(
            f"rope must be a number of at least 0, got {rope}; give the largest difference that does not matter"
        )


@dataclass(frozen=True, eq=False)
class _Summaries:
    """What the posterior depends on, in units of ``scale``, the mean deviation within blocks of each pair.

    All are ``(pairs, blocks)``: the means, squares Σ(x − mean)² / (1 − ρ), n − 1, and c, with which the variance of a
    mean is c σ²; ``scale``, ``widest`` (of δ_0), ``largest`` (of σ_0) and ``varies`` are ``(pairs,)``.
    """

    mean: Floats
    squares: Floats
    freedom: Floats
    c: Floats
    scale: Floats
    widest: Floats
    largest: Floats
    varies: NDArray[np.bool_]

    @classmethod
    def of(cls, x: Floats, n: Floats, rho: Floats, rope: float) -> _Summaries:
        mean, deviation = np.nanmean(x, axis=2), np.nanstd(x, axis=2)
        size = np.nanmax(np.abs(x), axis=(1, 2), initial=0.0)
        varies = size > 0
        size = np.where(varies, size, 1.0)
        # Equal folds, within rounding.
        flat = deviation <= 1e-9 * size[:, None]
        least = rope / np.sqrt(3) if rope > 0 else 0.0
        deviation = np.where(flat, np.maximum(least, 1e-3 * size[:, None]) if least == 0 else least, deviation)
        scale = deviation.mean(axis=1)
        among = np.maximum(mean.std(axis=1), 1e-6 * scale)
        return cls(
            mean=mean / scale[:, None],
            squares=n * (deviation / scale[:, None]) ** 2 / (1 - rho),
            freedom=n - 1.0,
            c=(1 + (n - 1) * rho) / n,
            scale=scale,
            widest=np.maximum(size, least) / scale,
            largest=_UPPER * among / scale,
            varies=varies,
        )


# Upper ends of the uniform priors of deviations, as multiples of those of the data.
_UPPER = 1000.0


def _chains(data: _Summaries, rng: np.random.Generator) -> tuple[Floats, Floats, Floats]:
    """``(kept, chains, pairs)`` draws of δ_0, σ_0 and ν."""
    from scipy.special import gammaln

    pairs, blocks = data.mean.shape
    shape = (CHAINS, pairs, blocks)
    values = _DEGREES
    constant = gammaln((values + 1) / 2) - gammaln(values / 2) - np.log(values) / 2
    among = data.mean.std(axis=1) + data.mean.std(axis=1).max(initial=0.0) * 1e-3 + 1e-3
    # Chains start wide apart.
    variance = data.squares / data.freedom * np.exp(rng.normal(size=shape))
    sigma = among * np.exp(rng.normal(size=shape[:2]))
    location = np.clip(data.mean.mean(axis=1) + among * rng.normal(size=shape[:2]), -data.widest, data.widest)
    factor = np.ones(shape)
    kept = np.empty((3, KEPT, CHAINS, pairs))
    for step in range(WARM_UP + KEPT):
        # δ_i: normal, from its mean over folds and from the other blocks.
        precise, prior = 1 / (variance * data.c), factor / sigma[..., None] ** 2
        total = precise + prior
        delta = (data.mean * precise + location[..., None] * prior) / total + rng.normal(size=shape) / np.sqrt(total)
        # σ_i²: inverse gamma.
        squares = data.squares + (data.mean - delta) ** 2 / data.c
        variance = np.minimum(squares / (2 * rng.standard_gamma(data.freedom / 2, shape)), _UPPER**2)
        # ν without the factors, then the factors given ν.
        away = ((delta - location[..., None]) / sigma[..., None]) ** 2
        density = blocks * constant - (values + 1) / 2 * np.log1p(away[..., None] / values).sum(axis=2)
        nu = values[np.argmax(density + rng.gumbel(size=density.shape), axis=-1)]
        factor = 2 * rng.standard_gamma(np.broadcast_to((nu[..., None] + 1) / 2, shape)) / (nu[..., None] + away)
        # δ_0 and σ_0 given δ: normal, inverse gamma.
        weight = factor.sum(axis=-1)
        location = _normal_within(rng, (factor * delta).sum(axis=-1) / weight, sigma / np.sqrt(weight), data.widest)
        squares = (factor * (delta - location[..., None]) ** 2).sum(axis=-1)
        sigma = np.sqrt(squares / (2 * rng.standard_gamma((blocks - 1) / 2, shape[:2])))
        sigma = np.clip(sigma, 1e-9, data.largest)
        # δ_0 and σ_0 given the standardised δ: a regression of the means on it.
        standard = (delta - location[..., None]) / sigma[..., None]
        precise = 1 / (variance * data.c)
        weight = precise.sum(axis=-1)
        rest = ((data.mean - sigma[..., None] * standard) * precise).sum(axis=-1)
        location = _normal_within(rng, rest / weight, 1 / np.sqrt(weight), data.widest)
        weight = (standard**2 * precise).sum(axis=-1)
        rest = ((data.mean - location[..., None]) * standard * precise).sum(axis=-1)
        sigma = np.clip(_positive_normal(rng, rest / weight, 1 / np.sqrt(weight)), 1e-9, data.largest)
        if step >= WARM_UP:
            kept[:, step - WARM_UP] = location, sigma, nu
    return kept[0], kept[1], kept[2]


def _normal_within(rng: np.random.Generator, mean: Floats, deviation: Floats, widest: Floats) -> Floats:
    """Normal draws within ±widest."""
    from scipy.special import ndtr, ndtri

    low, high = ndtr((-widest - mean) / deviation), ndtr((widest - mean) / deviation)
    drawn = mean + deviation * ndtri(low + (high - low) * rng.random(mean.shape))
    found: Floats = np.clip(drawn, -widest, widest)
    return found


def _positive_normal(rng: np.random.Generator, mean: Floats, deviation: Floats) -> Floats:
    """Normal draws above 0, also if the mean is far below."""
    from scipy.special import log_ndtr, ndtri_exp

    # 1 − random() is never 0.
    tail = log_ndtr(mean / deviation) + np.log(1 - rng.random(mean.shape))
    found: Floats = mean - deviation * ndtri_exp(tail)
    return found


# 32 values of ν that are equally likely in its prior: ν − 1 is gamma, its shape uniform from 1 to 2 and its rate from
# 0.01 to 0.1; the middles of 40 equal parts of each stand for them. Written down, since the computation takes most of a
# second.
_DEGREES: Floats = np.array(
    [
        *(2.008467765914445, 3.475947668374417, 4.781357620932883, 6.028360422500555, 7.254341990900951),
        *(8.47965970707165, 9.718033111739832, 10.980160947936177, 12.27537194215088, 13.61246670757258),
        *(15.00034708524411, 16.448400024782835, 17.96695189752249, 19.567659843482982, 21.2639602115182),
        *(23.071710022960545, 25.00995532858229, 27.10187452478215, 29.376291378709308, 31.86962847071854),
        *(34.6289391554447, 37.715855192947785, 41.21387609940533, 45.23858686900614, 49.95625098223504),
        *(55.615017687802435, 62.60564001167185, 71.58439164517056, 83.75835598294051, 101.67898707123636),
        *(132.2057330126791, 208.69383095232328),
    ]
)


def split_r_hat(draws: Floats) -> Floats:
    """``(pairs,)`` split R-hat of ``(kept, chains, pairs)`` draws (Gelman et al. 2013, section 11.4)."""
    half = len(draws) // 2
    parts = np.concatenate([draws[:half], draws[half : 2 * half]], axis=1)
    within = parts.var(axis=0, ddof=1).mean(axis=0)
    between = parts.mean(axis=0).var(axis=0, ddof=1)
    ratio = np.divide(between, within, out=np.zeros_like(within), where=within > 0)
    found: Floats = np.sqrt((half - 1) / half + ratio)
    return found
