"""The table of properties, and a strategy held against it."""

from __future__ import annotations

import importlib

from imbench.checks import batches, hooks, randomness, values
from imbench.checks.made import EPOCHS, in_epoch
from imbench.checks.result import Check, CheckResult, NotJudgedError, ViolationError, require, sentence
from imbench.contract.names import suggest
from imbench.contract.strategy import BatchStrategy


def exemptions_reasoned(strategy: BatchStrategy) -> str:
    """Every exemption names a property and gives a reason."""
    for name, reason in strategy.exemptions.items():
        require(
            name in CHECKS and name != "exemptions_reasoned",
            f"exemptions names {name!r}, which is no property to be exempt from; {suggest(name, CHECKS)}",
        )
        require(isinstance(reason, str) and reason.strip(), f"the exemption from {name} has no reason; say why")
    return ", ".join(strategy.exemptions) or "none declared"


# Every property by its name, in the order they are told: what matters most to a first draft comes first.
CHECKS: dict[str, Check] = {
    check.__name__: check
    for check in (
        batches.shapes_kept,
        batches.dtypes_kept,
        batches.devices_kept,
        batches.labels_are_shares,
        batches.weights_sound,
        randomness.input_unmutated,
        randomness.same_noise_same_batch,
        randomness.global_generators_untouched,
        randomness.slice_alone,
        randomness.schedule_stated,
        batches.absent_class,
        batches.single_class,
        batches.one_or_two_rows,
        batches.two_and_twelve_classes,
        batches.constant_features,
        batches.huge_and_tiny_values,
        batches.modalities_served,
        hooks.loss_sound,
        hooks.loss_alone,
        hooks.forward_sound,
        hooks.forward_stages,
        hooks.forward_alone,
        hooks.class_share,
        values.parameters_validated,
        values.frozen_hashable_equal,
        values.picklable,
        values.spec_round_trip,
        values.docstring_cites_source,
        exemptions_reasoned,
    )
}


def check_strategy(strategy: BatchStrategy | str) -> list[CheckResult]:
    """Hold a strategy against every property of `CHECKS`.

    Parameters
    ----------
    strategy : a strategy, or the spec of a registered one

    Returns
    -------
    One result a property, in the order of `CHECKS`. Nothing a strategy does is raised: whatever goes wrong is a result.

    Raises
    ------
    UsageError for a spec that makes no strategy.

    >>> [result.name for result in check_strategy("baseline") if not result.ok]
    []
    """
    made = as_strategy(strategy)
    return [check_property(made, name) for name in CHECKS]


def check_property(strategy: BatchStrategy, name: str) -> CheckResult:
    """Hold a strategy against one property of `CHECKS`."""
    check = CHECKS[name]
    try:
        outcome, detail = "passed", _in_every_phase(check, strategy)
    except NotJudgedError as error:
        outcome, detail = "not judged", str(error)
    except Exception as error:  # a stranger's code: whatever it raises is what is wrong with it
        outcome, detail = "failed", _told(error)
    reason = str(strategy.exemptions.get(name, "")).strip()
    if name == "exemptions_reasoned" or not reason:
        return CheckResult(name, sentence(check), outcome, detail)
    holds = outcome == "passed"
    advice = "; the property holds: delete the exemption" if holds else ""
    return CheckResult(name, sentence(check), "exempt", reason + advice, obsolete=holds)


def _in_every_phase(check: Check, strategy: BatchStrategy) -> str:
    """Hold it in the first epoch; if it states a schedule, in a middle and in the last one too."""
    detail = check(strategy)
    for epoch in (EPOCHS // 2, EPOCHS - 1) if strategy.scheduled else ():
        with in_epoch(epoch):
            try:
                check(strategy)
            except ViolationError as error:
                raise ViolationError(f"in epoch {epoch + 1} of {EPOCHS}: {error}") from error
    return detail


def as_strategy(strategy: BatchStrategy | str) -> BatchStrategy:
    """The strategy itself, or that of a spec."""
    if not isinstance(strategy, str):
        return strategy
    # The registry is a floor above. A spec is read by the public function, as any user of the package would.
    made: BatchStrategy = importlib.import_module("imbench").strategy(strategy)
    return made


def _told(error: Exception) -> str:
    kind = "" if isinstance(error, AssertionError) and str(error) else f"{type(error).__name__}: "
    return f"{kind}{' '.join(str(error).split())}"
