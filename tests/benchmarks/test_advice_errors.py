"""How often advice is wrong without an effect, and finds one, with nets that train; a few tries in the ordinary tests.

``tox -e benchmark`` makes all of them, for about an hour; ``docs/advice.md`` has the numbers.
"""

import pytest

from tests.advice.simulations import GAIN, stated_power, tries

SHUFFLED, BALLS = 200, 40


def test_on_shuffled_labels_rebalancing_is_advised_in_at_most_five_of_a_hundred(benchmark):
    number = 1 if benchmark.disabled else SHUFFLED
    found = benchmark.pedantic(lambda: list(tries("shuffled", number)), rounds=1)
    advised = sum(one["rebalance"] for one in found)
    benchmark.extra_info["table"] = {"row": "advice on shuffled labels", "tries": number, "advised": advised}
    assert advised <= 0.05 * number


def test_a_gain_is_found_with_the_power_that_is_stated(benchmark):
    if benchmark.disabled:
        pytest.skip("trains nets of 4,000 rows for minutes")
    found = benchmark.pedantic(lambda: list(tries("ball", BALLS)), rounds=1)
    gains = [one["candidates"][0]["effect"] for one in found]
    gain = sum(gains) / len(gains)
    share = sum(one["rebalance"] for one in found) / len(found)
    stated = sum(stated_power(one, gain) for one in found) / len(found)
    benchmark.extra_info["table"] = {"row": "advice where ReMix helps", "gain": gain, "found": share, "stated": stated}
    assert abs(gain - GAIN) < 0.02
    # Two standard errors of a share of so many tries.
    assert share >= stated - 2 * (stated * (1 - stated) / len(found)) ** 0.5
