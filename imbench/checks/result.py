"""The result of one check of a strategy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from imbench.contract.strategy import BatchStrategy

OUTCOMES = ("passed", "failed", "exempt", "not judged")

# A check returns a summary of what it tested, and raises `ViolationError` (or anything else) if the property fails.
# The first line of its docstring describes the property to users.
Check = Callable[[BatchStrategy], str]


class ViolationError(AssertionError):
    """Raised if a property fails; the message says what is wrong and how to fix it."""


class NotJudgedError(Exception):
    """Raised if a property cannot be checked because another, required property fails."""


@dataclass(frozen=True)
class CheckResult:
    """One property of one strategy.

    Parameters
    ----------
    name : name of the property, as in `imbench.BatchStrategy.exemptions`
    sentence : description of the property
    outcome : one of `OUTCOMES`; ``"not judged"`` if another, required property fails
    detail : what was tested, what failed and how to fix it, or the reason of an exemption
    obsolete : whether the strategy passes a check that it is exempt from, so that the exemption can be deleted
    """

    name: str
    sentence: str
    outcome: str
    detail: str
    obsolete: bool = False

    def __post_init__(self) -> None:
        if self.outcome not in OUTCOMES:
            raise ValueError(f"CheckResult.outcome must be one of {', '.join(OUTCOMES)}, got {self.outcome!r}")

    @property
    def ok(self) -> bool:
        """Whether the check did not fail: it passed, or the strategy is exempt, or it could not be checked."""
        return self.outcome != "failed"


def require(condition: object, message: str) -> None:
    """Raise `ViolationError` unless the condition is true."""
    if not condition:
        raise ViolationError(message)


def sentence(check: Check) -> str:
    """The description of a check: the first line of its docstring."""
    return (check.__doc__ or check.__name__).strip().splitlines()[0]
