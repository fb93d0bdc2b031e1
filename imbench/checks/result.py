"""What a check says of a strategy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from imbench.contract.strategy import BatchStrategy

OUTCOMES = ("passed", "failed", "exempt", "not judged")

# A property: returns what was looked at, and raises `ViolationError` (or anything else) where it does not hold. It is
# known by its name, and told to people by the first line of its docstring.
Check = Callable[[BatchStrategy], str]


class ViolationError(AssertionError):
    """A property does not hold; the message names what was found and what to change."""


class NotJudgedError(Exception):
    """A property can only be judged once another holds, which fails."""


@dataclass(frozen=True)
class CheckResult:
    """One property of one strategy.

    Parameters
    ----------
    name : of the property, as in `imbench.BatchStrategy.exemptions`
    sentence : what it asks for
    outcome : one of `OUTCOMES`; ``"not judged"`` if another property must hold first, which fails
    detail : what was looked at; what was found instead and how to repair it; or the reason of an exemption
    obsolete : whether the strategy is exempt from a property that it has, so that the exemption can be deleted
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
        """Whether nothing is wrong: the property holds, the strategy is exempt, or another property comes first."""
        return self.outcome != "failed"


def require(holds: object, message: str) -> None:
    """Raise `ViolationError` unless it holds."""
    if not holds:
        raise ViolationError(message)


def sentence(check: Check) -> str:
    """What a check asks for: the first line of its docstring."""
    return (check.__doc__ or check.__name__).strip().splitlines()[0]
