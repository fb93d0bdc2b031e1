"""The public conformance checks that every strategy must pass, one small function per property.

``imbench plugin check`` prints the results; `check_strategy` returns them in Python; `strategy_checks` turns the checks
into pytest tests of a plugin.
"""

from imbench.checks.cost import Cost, measure_cost
from imbench.checks.for_pytest import strategy_checks
from imbench.checks.result import CheckResult
from imbench.checks.suite import CHECKS, check_property, check_strategy

__all__ = ["CHECKS", "CheckResult", "Cost", "check_property", "check_strategy", "measure_cost", "strategy_checks"]
