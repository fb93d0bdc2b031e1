"""Trials: the default configuration first, the same points for every strategy, and a space that is declared."""

from dataclasses import dataclass
from typing import ClassVar

import pytest

from imbench.checks import check_strategy
from imbench.contract.errors import UsageError
from imbench.contract.protocol import Protocol
from imbench.contract.reference import make_reference
from imbench.contract.search_space import (
    SHARED_SPACE,
    Choice,
    Integer,
    LogUniform,
    Uniform,
    check_search_space,
    parameters_of,
)
from imbench.runs.protocols import load_protocol
from imbench.runs.registry import Registry
from imbench.runs.trials import point, reference_trials, trials_of
from tests.checks.broken import Sound


def trials(spec="remix", protocol="standard", count=8, modality="tabular"):
    return trials_of(Registry().select(spec), load_protocol(protocol).for_dataset("any", "binary"), modality, count)


def test_the_first_trial_is_the_default_configuration():
    (selected, protocol), *_ = trials()
    assert (selected.spec, protocol) == ("remix", load_protocol("standard").for_dataset("any", "binary"))


def test_every_strategy_has_the_same_shared_points_and_more_trials_continue_them():
    shared = [
        [tuple(getattr(p, n) for n in SHARED_SPACE) for _, p in trials(s)] for s in ("baseline", "remix", "mixup")
    ]
    assert shared[0] == shared[1] == shared[2]
    assert len(set(shared[0])) == 8
    assert [(s.spec, p) for s, p in trials(count=16)[:8]] == [(s.spec, p) for s, p in trials(count=8)]


def test_all_values_are_within_their_bounds_and_choices_are_even():
    found = trials(count=32)[1:]
    for name, one in SHARED_SPACE.items():
        values = [getattr(protocol, name) for _, protocol in found]
        assert min(one.extremes) <= min(values)
        assert max(values) <= max(one.extremes)
    assert sum(protocol.checkpoint == "best" for _, protocol in found) in (15, 16)
    assert all(0.05 <= selected.strategy.alpha <= 0.5 for selected, _ in found)


def test_a_value_set_by_hand_is_not_tuned():
    assert {s.strategy.alpha for s, _ in trials("remix:alpha=0.3")} == {0.3}
    assert {p.learning_rate for _, p in trials(protocol="standard:learning_rate=0.002")} == {0.002}


def test_images_have_no_dropout_and_no_width_to_tune():
    assert {(p.dropout, p.width) for _, p in trials(modality="image")} == {(0.1, 1.0)}


FEW = "standard:learning_rate=0.002,weight_decay=0.0,dropout=0.2"


def test_a_space_of_choices_gives_each_configuration_once():
    found = [(p.checkpoint, p.width) for _, p in trials("baseline", FEW, 6)]
    assert len(set(found)) == 6


def test_more_trials_than_configurations_are_refused():
    with pytest.raises(UsageError, match=r"--tune 7 is more than the 6 configurations .* give at most 6"):
        trials("baseline", FEW, 7)


def test_names_of_trials_make_the_same_protocol_again():
    for selected, protocol in trials(protocol="smoke:epochs=2"):
        again = load_protocol(protocol.name).for_dataset("any", "binary")
        assert again == protocol
        assert Registry().strategy(selected.spec) == selected.strategy


def test_points_fill_every_interval_of_their_base():
    for axis, base in enumerate((2, 3, 5, 7)):
        coordinates = [[*zip(range(axis + 1), point(number), strict=False)][axis][1] for number in range(base)]
        assert sorted(int(base * c) for c in coordinates) == list(range(base))


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: Uniform(1.0, 0.5), "Uniform.* is empty: low must be below high"),
        (lambda: LogUniform(0.0, 1.0), "LogUniform.low must be positive, got 0"),
        (lambda: Integer(0.5, 2), "must have whole numbers as bounds"),
        (lambda: Uniform(0.0, float("nan")), "Uniform.high must be a finite number"),
        (lambda: Choice(()), "must be distinct and not empty"),
        (lambda: Choice((1, 1)), "must be distinct and not empty"),
        (lambda: Choice("ab"), "must be a tuple of values"),
    ],
)
def test_a_distribution_without_values_is_refused(make, complaint):
    with pytest.raises(UsageError, match=complaint):
        make()


@dataclass(frozen=True)
class Tuned(Sound):
    """Leave the batch as it is, with a parameter (K. Popper, 1934)."""

    name: ClassVar[str] = "tuned-one"
    search_space: ClassVar = {"power": Uniform(0.5, 2.0)}
    power: float = 1.0

    def __post_init__(self):
        if isinstance(self.power, str) or not 0 < self.power <= 1:
            raise UsageError(f"Tuned.power must be from 0 to 1, got {self.power!r}")


def test_the_checks_find_a_range_that_the_strategy_refuses():
    (found,) = (result for result in check_strategy(Tuned()) if result.name == "search_space_valid")
    assert found.outcome == "failed"
    assert "2.0 is refused: Tuned.power must be from 0 to 1" in found.detail


@pytest.mark.parametrize(
    ("space", "complaint"),
    [
        ({"powr": Uniform(0.1, 1.0)}, "search_space has 'powr', which is no parameter; did you mean power"),
        ({"power": (0.1, 1.0)}, r"must be a distribution \(Uniform, LogUniform, Integer, Choice of imbench\)"),
        (["power"], "search_space must map parameters to distributions, got list"),
    ],
)
def test_a_space_of_something_else_is_refused(space, complaint):
    with pytest.raises(UsageError, match=complaint):
        check_search_space(space, parameters_of(Tuned), "it")


def test_every_built_in_range_has_a_source():
    for selected in Registry().every_strategy()[0]:
        assert all(one.source for one in selected.strategy.search_space.values())
    assert all(one.source for one in SHARED_SPACE.values())
    assert all(getattr(Protocol(), name) is not None for name in SHARED_SPACE)


REFERENCES = ("logistic-regression", "balanced-hist-gradient-boosting", "balanced-random-forest")


@pytest.mark.parametrize("spec", REFERENCES)
def test_references_get_as_many_trials_within_their_bounds(spec):
    default, *others = found = reference_trials(Registry().reference(spec), 8)
    assert default.spec == spec
    assert len({one.spec for one in found}) == 8
    for name, distribution in default.search_space.items():
        values = [dict(one.params)[name] for one in others if name in dict(one.params)]
        assert min(distribution.extremes) <= min(values) <= max(values) <= max(distribution.extremes)
    assert found == reference_trials(Registry().reference(spec), 16)[:8]
    assert [Registry().reference(one.spec) for one in found] == found


def test_a_reference_keeps_what_is_set_by_hand_and_one_without_parameters_has_one_trial():
    assert {dict(r.params)["C"] for r in reference_trials(Registry().reference("logistic-regression:C=2"), 1)} == {2}
    assert [r.spec for r in reference_trials(Registry().reference("logistic-regression:C=2"), 8)] == [
        "logistic-regression:C=2"
    ]
    assert len(reference_trials(Registry().reference("uniform"), 8)) == 1
    kept = reference_trials(Registry().reference("hist-gradient-boosting:max_leaf_nodes=5"), 8)
    assert {dict(one.params)["max_leaf_nodes"] for one in kept} == {5}


def test_a_search_space_of_a_reference_that_it_has_not_is_refused():
    def made(depth=3):
        raise AssertionError("never called")

    made.search_space = {"dept": Integer(1, 3)}
    with pytest.raises(UsageError, match=r"search_space has 'dept', which is no parameter.*depth"):
        make_reference("mine", made, {}, "reference mine")
    made.search_space = {"depth": (1, 3)}
    with pytest.raises(UsageError, match="must be a distribution"):
        make_reference("mine", made, {}, "reference mine")
