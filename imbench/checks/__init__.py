"""The public conformance suite: what every strategy must hold to, one small function a property.

``imbench plugin check`` tells the results on the command line; `check_strategy` gives them in Python;
`strategy_checks` makes tests of them for a plugin's own suite.
"""

from imbench.checks.cost import Cost, measure_cost
from imbench.checks.for_pytest import strategy_checks
from imbench.checks.result import CheckResult
from imbench.checks.suite import CHECKS, check_property, check_strategy

__all__ = ["CHECKS", "CheckResult", "Cost", "check_property", "check_strategy", "measure_cost", "strategy_checks"]
