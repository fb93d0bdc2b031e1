"""Every property catches a strategy that lacks it, and all built-in strategies have all of them."""

import random
import re
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
import torch

from imbench.checks import CHECKS, CheckResult, check_property, check_strategy, strategy_checks
from imbench.contract.errors import UsageError
from imbench.runs.registry import strategies
from tests.checks.broken import BROKEN, Sound
from tests.checks.conftest import ROOT

FAULTS = [(name, cls) for name, classes in BROKEN.items() for cls in classes]
BUILT_IN = [entry.name for entry in strategies() if entry.package == "imbench"]


@pytest.mark.filterwarnings("ignore:std")
@pytest.mark.parametrize(("name", "cls"), FAULTS, ids=[f"{name}-{cls.__name__}" for name, cls in FAULTS])
def test_a_fault_fails_its_own_property_and_no_other(name, cls):
    failed = {result.name: result.detail for result in check_strategy(cls()) if not result.ok}
    assert list(failed) == [name]
    assert len(failed[name]) > 10


def test_every_property_has_a_strategy_that_it_catches():
    assert set(BROKEN) == set(CHECKS)
    assert all(BROKEN.values())


def test_a_sound_strategy_passes_every_property():
    assert {result.outcome for result in check_strategy(Sound())} == {"passed"}


@strategy_checks(*BUILT_IN, "remix:alpha=2.0", "mixup:alpha=0.4")
def test_the_built_in_strategies_conform(check):
    check()


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_built_in_strategy_states_its_class_share(name):
    (told,) = [r for r in check_strategy(name) if r.name == "class_share"]
    assert "of (20, 7, 5)" in told.detail


def test_every_property_is_told_in_one_sentence():
    for result in check_strategy("baseline"):
        assert result.sentence.endswith(".")
        assert "\n" not in result.sentence + result.detail


def test_checking_leaves_the_global_generators_as_they_were():
    def states():
        return random.getstate(), torch.get_rng_state().tolist(), str(np.random.get_state())  # noqa: NPY002

    before = states()
    check_strategy("remix")
    assert states() == before


def test_an_unknown_spec_is_a_usage_error():
    with pytest.raises(UsageError, match="unknown strategy 'remxi'"):
        check_strategy("remxi")


def test_a_result_has_an_outcome_that_exists():
    with pytest.raises(ValueError, match="outcome must be one of"):
        CheckResult("shapes_kept", "", "perhaps", "")


@dataclass(frozen=True)
class Excused(Sound):
    """Keep no type, and say so (K. Popper, 1934)."""

    name: ClassVar[str] = "excused"
    exemptions: ClassVar = {"dtypes_kept": "its library knows float32 only", "picklable": "once it was not"}

    def rebalance(self, batch, info, noise):
        return type(batch)(batch.x.float(), batch.y.float())


def test_an_exemption_takes_the_place_of_a_failure_and_gives_its_reason():
    result = check_property(Excused(), "dtypes_kept")
    assert (result.outcome, result.detail, result.ok) == ("exempt", "its library knows float32 only", True)
    assert not result.obsolete


def test_an_exemption_from_a_property_that_holds_is_reported():
    result = check_property(Excused(), "picklable")
    assert (result.outcome, result.obsolete) == ("exempt", True)
    assert "delete the exemption" in result.detail


PLUGIN_TEST = """
from imbench.checks import strategy_checks
from tests.checks.broken import LabelsOfLess
from tests.checks.test_checks import Excused

@strategy_checks("mixup", "remix:alpha=0.3", LabelsOfLess(), Excused())
def test_conforms(check):
    check()
"""


def test_a_plugins_own_test_has_one_test_a_strategy_and_property(tmp_path, root_pytest):
    told = root_pytest(tmp_path, PLUGIN_TEST)
    total = len(CHECKS)
    assert f"1 failed, {4 * total - 3} passed, 2 skipped" in told
    assert "test_conforms[sound-labels_are_shares]" in told
    assert "Labels are non-negative and sum to one in each row." in told
    assert "divide by the sum" in told
    assert "exempt: its library knows float32 only" in told
    assert "delete the exemption" in told  # as a warning


def test_checks_of_no_strategy_are_refused():
    with pytest.raises(UsageError, match="needs at least one strategy"):
        strategy_checks()


def test_the_contract_lists_every_property_with_what_it_asks_for():
    page = (ROOT / "docs" / "contract.md").read_text("utf-8")
    listed = dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", page, flags=re.MULTILINE))
    told = {result.name: result.sentence for result in check_strategy("baseline")}
    assert {name: listed.get(name) for name in told} == told
