"""Statistics of an evaluation against published numbers: Demsar's, the ReMix paper's, and tables of Friedman's test."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import LinearConstraint, milp

from imbench.stats.evaluate import evaluate
from imbench.stats.friedman import friedman_from_sums, friedman_small_sample, iman_davenport
from imbench.stats.nemenyi import critical_difference
from tests.stats.test_ranks import DEMSAR, VARIANTS


# Demsar 2006, section 3.2: the numbers as printed.
def test_demsars_numbers():
    found = evaluate(pd.DataFrame(DEMSAR, columns=VARIANTS), higher_is_better=True)
    assert found.average_ranks.round(3).tolist() == [3.143, 2.000, 2.893, 1.964]
    assert found.friedman.statistic == pytest.approx(10.2283464566929, rel=1e-12)
    assert found.iman_davenport.statistic == pytest.approx(4.1851, abs=5e-5)
    assert found.nemenyi_cd == pytest.approx(1.2536, abs=5e-5)
    looser = evaluate(pd.DataFrame(DEMSAR, columns=VARIANTS), higher_is_better=True, alpha=0.10)
    assert looser.nemenyi_cd == pytest.approx(1.1181, abs=5e-5)
    assert iman_davenport(9.2786, 14, 4).statistic == pytest.approx(3.6863, abs=5e-4)


# q of Demsar's Table 5(a), for the two-tailed Nemenyi test.
@pytest.mark.parametrize(
    ("alpha", "quantiles"),
    [
        (0.05, [1.960, 2.343, 2.569, 2.728, 2.850, 2.949, 3.031, 3.102, 3.164]),
        (0.10, [1.645, 2.052, 2.291, 2.459, 2.589, 2.693, 2.780, 2.855, 2.920]),
    ],
)
def test_demsars_table_5(alpha, quantiles):
    for k, q in enumerate(quantiles, 2):
        cd = critical_difference(k, 20, alpha)
        assert cd / np.sqrt(k * (k + 1) / 120) == pytest.approx(q, abs=1.5e-3)


NAMES = ["baseline", "cost-adjusted", "batch-smote", "mixup", "remix"]


def with_rank_sums(sums, blocks):
    """A table of scores, lower is better and no ties, whose ranks have these sums: how often to use each order."""
    orders = np.array(list(permutations(range(1, len(sums) + 1))))
    conditions = LinearConstraint(np.vstack([np.ones(len(orders)), orders.T]), [blocks, *sums], [blocks, *sums])
    times = milp(np.zeros(len(orders)), integrality=np.ones(len(orders)), constraints=conditions).x.round().astype(int)
    return pd.DataFrame(np.repeat(orders, times, axis=0).astype(float), columns=NAMES)


@pytest.mark.parametrize(
    ("sums", "blocks", "chi2", "p", "f", "cd", "alike"),
    [
        ([65, 70, 36, 77, 22], 18, 50.089, 3.5e-10, 38.86, 1.4377, ("batch-smote", 0.578)),
        ([31, 28, 24, 40, 12], 9, 18.667, 9.1e-4, 8.615, 2.0332, None),
        ([38, 36, 30, 22, 9], 9, 24.889, 5.3e-5, 17.92, 2.0332, ("mixup", 0.297)),
    ],
    ids=["binary GM", "multi GM", "multi BBS"],
)
def test_the_papers_table_2(sums, blocks, chi2, p, f, cd, alike):
    found = evaluate(with_rank_sums(sums, blocks), higher_is_better=False)
    assert found.rank_sums.tolist() == sums
    assert found.friedman.statistic == pytest.approx(chi2, abs=5e-4)
    assert found.friedman.pvalue == pytest.approx(p, rel=0.02)
    assert found.iman_davenport.statistic == pytest.approx(f, abs=6e-3)
    assert found.nemenyi_cd == pytest.approx(cd, abs=6e-5)
    if alike:
        assert found.nemenyi.loc["remix", alike[0]] == pytest.approx(alike[1], abs=6e-4)
        assert any({"remix", alike[0]} <= set(group) for group in found.groups)


def test_the_papers_binary_bbs_whose_printed_sums_add_up_to_268():
    chi2 = friedman_from_sums([63, 66, 54, 63, 22], 18).statistic
    assert chi2 == pytest.approx(29.556, abs=5e-4)
    assert iman_davenport(chi2, 18, 5).statistic == pytest.approx(11.84, abs=6e-3)


# P(chi2 >= value) for k strategies and N blocks without ties: published tables of Friedman's exact distribution
# (Hollander and Wolfe 1973, Table A.15), to the digits printed there.
@pytest.mark.parametrize(
    ("k", "blocks", "value", "p"),
    [
        (3, 3, 6.0, 0.028),
        (3, 4, 6.5, 0.042),
        (3, 4, 8.0, 0.005),
        (3, 5, 6.4, 0.039),
        (3, 5, 8.4, 0.008),
        (3, 6, 7.0, 0.029),
        (4, 2, 6.0, 0.042),
        (4, 3, 7.4, 0.033),
        (4, 4, 7.8, 0.036),
    ],
)
def test_the_exact_p_equals_published_tables(k, blocks, value, p):
    # Any arrangement with this statistic will do.
    orders = list(permutations(range(1, k + 1)))
    for rows in product(orders, repeat=blocks - 1):
        ranks = np.array([orders[0], *rows])
        if friedman_from_sums(ranks.sum(axis=0), blocks).statistic == pytest.approx(value):
            break
    found = friedman_small_sample(ranks)
    assert found.method == "exact"
    assert found.pvalue == pytest.approx(p, abs=6e-4)
