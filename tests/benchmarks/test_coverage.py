"""How often the intervals that imbench shows contain the true value, in simulations: nominal 95 % within 93 to 97 %.

Run by ``tox -e benchmark``, or alone, in some minutes, by ``pytest tests/benchmarks/test_coverage.py`` with
``--benchmark-enable``. 4,000 experiments leave a Monte-Carlo standard error of 0.34 %: 95 % of shares are within 0.7 %.
``docs/statistics.md`` has the table.
"""

import pytest

from tests.stats.coverage import SITUATIONS

EXPERIMENTS = 4000


@pytest.mark.parametrize("name", SITUATIONS)
def test_coverage(name, benchmark):
    situation = SITUATIONS[name]
    # With --benchmark-disable, in the ordinary tests, a few experiments show that it runs.
    experiments = 20 if benchmark.disabled else EXPERIMENTS
    found = benchmark.pedantic(situation.coverage, (experiments,), rounds=1)
    if benchmark.disabled:
        return
    benchmark.extra_info["table"] = {"row": name, "coverage": found.share, "coverage_error": found.error}
    low, high = situation.within
    # Two standard errors beyond, which 5 % of shares at the very edge exceed.
    assert low - 2 * found.error <= found.share <= high + 2 * found.error, f"{found.share:.3f}"
