"""The checks as parametrized pytest tests for plugins."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from imbench.checks.result import sentence
from imbench.checks.suite import CHECKS, as_strategy, check_property
from imbench.contract.errors import UsageError
from imbench.contract.strategy import BatchStrategy


@dataclass(frozen=True)
class PropertyTest:
    """A callable test of one property of one strategy."""

    strategy: BatchStrategy | str
    name: str

    def __call__(self) -> None:
        """Pass, skip with the reason of an exemption, or fail with the violation."""
        import pytest

        result = check_property(as_strategy(self.strategy), self.name)
        if result.obsolete:
            warnings.warn(f"{self.name}: {result.detail}", stacklevel=2)
        if result.outcome in ("exempt", "not judged"):
            pytest.skip(f"{result.outcome}: {result.detail}")
        if not result.ok:
            pytest.fail(f"{sentence(CHECKS[self.name])}\n{result.detail}", pytrace=False)


def strategy_checks(*strategies: BatchStrategy | str) -> Callable[[Callable[..., Any]], Any]:
    """Parametrise a test over every property of these strategies.

    Parameters
    ----------
    strategies : strategies, or specs of registered ones

    Returns
    -------
    A decorator of a test with one argument, ``check``, that it calls. Needs pytest.

    Raises
    ------
    UsageError if no strategy is given.

    Example, the whole test file of a plugin::

        from imbench.checks import strategy_checks

        @strategy_checks("my-strategy", "my-strategy:strength=2.0")
        def test_conforms(check):
            check()
    """
    import pytest

    if not strategies:
        raise UsageError('strategy_checks needs at least one strategy, as in @strategy_checks("my-strategy")')
    tests = [
        pytest.param(
            PropertyTest(strategy, name), id=f"{strategy if isinstance(strategy, str) else strategy.spec}-{name}"
        )
        for strategy in strategies
        for name in CHECKS
    ]
    return pytest.mark.parametrize("check", tests)
