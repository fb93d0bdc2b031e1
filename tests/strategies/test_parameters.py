"""Parameters are judged when a strategy is made."""

import math

import numpy as np
import pytest

from imbench.contract.errors import UsageError
from imbench.contract.spec import build
from imbench.strategies.baseline import Baseline
from imbench.strategies.mixup import MixUp
from imbench.strategies.remix import ReMix

MIXERS = pytest.mark.parametrize("kind", [MixUp, ReMix])


@MIXERS
@pytest.mark.parametrize("alpha", [0, -0.1, math.nan, math.inf, -math.inf, "0.1", None, True, [0.1], 1j])
def test_a_wrong_alpha_is_named_with_its_value_and_a_better_one(kind, alpha):
    with pytest.raises(UsageError) as caught:
        kind(alpha=alpha)
    message = str(caught.value)
    assert message.startswith(f"{kind.__name__}.alpha must be ")
    assert f"got {alpha!r}" in message
    assert "0.1 to 0.4" in message
    assert "\n" not in message


@MIXERS
@pytest.mark.parametrize("alpha", [1, np.float32(1), np.int64(1), 1.0])
def test_equal_alphas_are_equal_strategies_whatever_their_type(kind, alpha):
    assert kind(alpha) == kind(1.0)
    assert kind(alpha).spec == f"{kind.name}:alpha=1.0"


@MIXERS
def test_the_default_is_the_papers_and_left_out_of_the_spec(kind):
    assert kind().alpha == 0.1
    assert kind(alpha=0.1).spec == kind.name


@MIXERS
@pytest.mark.parametrize("text", ["nan", "inf", "-1", "0", "much"])
def test_a_wrong_alpha_in_a_spec_is_a_usage_error(kind, text):
    with pytest.raises(UsageError, match=f"alpha.* got '?{text.removesuffix('0')}"):
        build(kind, {"alpha": text}, f"{kind.name}:alpha={text}")


def test_a_parameter_that_does_not_exist_is_a_usage_error():
    with pytest.raises(UsageError, match="baseline:alpha=1 has no parameter 'alpha'; there are none"):
        build(Baseline, {"alpha": "1"}, "baseline:alpha=1")
