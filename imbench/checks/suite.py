"""The table of conformance checks, and functions that run them."""

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
            f"exemptions contains {name!r}, which is not a check; {suggest(name, CHECKS)}",
        )
        require(isinstance(reason, str) and reason.strip(), f"the exemption from {name} has no reason; add one")
    return ", ".join(strategy.exemptions) or "none declared"


# All checks by name in the order of reports: checks that matter most for a first draft come first.
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
        values.search_space_valid,
        values.docstring_cites_source,
        exemptions_reasoned,
    )
}


def check_strategy(strategy: BatchStrategy | str) -> list[CheckResult]:
    """Run all checks of `CHECKS` on a strategy.

    Parameters
    ----------
    strategy : a strategy, or the spec of a registered one

    Returns
    -------
    One result per check, in the order of `CHECKS`. Errors of the strategy are results and are not raised.

    Raises
    ------
    UsageError for an invalid spec.

    >>> [result.name for result in check_strategy("baseline") if not result.ok]
    []
    """
    made = as_strategy(strategy)
    return [check_property(made, name) for name in CHECKS]


def check_property(strategy: BatchStrategy, name: str) -> CheckResult:
    """Run one check of `CHECKS` on a strategy."""
    check = CHECKS[name]
    try:
        outcome, detail = "passed", _in_every_phase(check, strategy)
    except NotJudgedError as error:
        outcome, detail = "not judged", str(error)
    except (Exception, SystemExit) as error:  # third-party code: whatever it raises is the failure
        outcome, detail = "failed", _message(error)
    reason = str(strategy.exemptions.get(name, "")).strip()
    if name == "exemptions_reasoned" or not reason:
        return CheckResult(name, sentence(check), outcome, detail)
    holds = outcome == "passed"
    advice = "; the check passes: delete the exemption" if holds else ""
    return CheckResult(name, sentence(check), "exempt", reason + advice, obsolete=holds)


def _in_every_phase(check: Check, strategy: BatchStrategy) -> str:
    """Check the first epoch; for a scheduled strategy also a middle epoch and the last one."""
    detail = check(strategy)
    for epoch in (EPOCHS // 2, EPOCHS - 1) if strategy.scheduled else ():
        with in_epoch(epoch):
            try:
                check(strategy)
            except ViolationError as error:
                raise ViolationError(f"in epoch {epoch + 1} of {EPOCHS}: {error}") from error
    return detail


def as_strategy(strategy: BatchStrategy | str) -> BatchStrategy:
    """The strategy itself, or the strategy of a spec."""
    if not isinstance(strategy, str):
        return strategy
    # The registry is a floor above, so specs are parsed by the public function.
    made: BatchStrategy = importlib.import_module("imbench").strategy(strategy)
    return made


def _message(error: BaseException) -> str:
    kind = "" if isinstance(error, AssertionError) and str(error) else f"{type(error).__name__}: "
    return f"{kind}{' '.join(str(error).split())}"
