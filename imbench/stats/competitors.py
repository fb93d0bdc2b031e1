"""What competes on a board, and the names and constants that every board shares."""

from __future__ import annotations

from imbench.scoring.rules import ARGMAX

# Gains are over the strategy of this name where there is one.
BASELINE = "baseline"

# The metrics that lead reports and that leaderboards show by default.
HEADLINE = ("gmean", "bbs")

# One configuration: a variant of a dataset, as long as its rows stay the same.
CONFIGURATION = ["dataset", "variant", "data_hash"]


def competitor(strategy: str, rule: str) -> str:
    """The name of a strategy under a decision rule where rules compete: ``baseline+tuned``, plain under ``argmax``."""
    return strategy if rule == ARGMAX else f"{strategy}+{rule}"


def strategy_of(name: str) -> str:
    """The strategy of a competitor's name; names of strategies hold no ``+`` outside of parameters.

    >>> strategy_of("remix:alpha=0.3+tuned")
    'remix:alpha=0.3'
    """
    from imbench.scoring.rules import RULES

    strategy, plus, rule = name.rpartition("+")
    return strategy if plus and rule in RULES else name
