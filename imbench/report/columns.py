"""Columns of results, each a metric under a decision rule, and the choice of those that a report shows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from imbench.contract.errors import UsageError
from imbench.contract.names import suggest
from imbench.scoring.metrics import METRICS, Metric
from imbench.scoring.rules import ARGMAX
from imbench.scoring.rules import RULES as KNOWN_RULES
from imbench.stats.names import HEADLINE

PLAIN_RULE = ARGMAX

# Definition of each decision rule.
RULES = {name: rule.definition for name, rule in KNOWN_RULES.items()}


@dataclass(frozen=True)
class Column:
    """A metric under a decision rule: ``gmean`` under ``argmax``, ``gmean@tuned`` under ``tuned``."""

    metric: Metric
    rule: str

    @property
    def name(self) -> str:
        """The column's name in the rows of results."""
        return self.metric.name if self.rule == PLAIN_RULE else f"{self.metric.name}@{self.rule}"


def columns_of(names: Iterable[str], known_metrics: Mapping[str, Metric] = METRICS) -> list[Column]:
    """The columns among these names that contain a metric, in the order of metrics, ``argmax`` first."""
    found = []
    for name in names:
        metric, at, rule = name.partition("@")
        if metric in known_metrics and bool(at) == bool(rule):
            found.append(Column(known_metrics[metric], rule or PLAIN_RULE))
    order, rules = list(known_metrics), list(RULES)
    return sorted(found, key=lambda c: (order.index(c.metric.name), *_place(c.rule, rules)))


def choose(columns: Sequence[Column], metrics: Sequence[str] = (), rules: Sequence[str] = ()) -> list[Column]:
    """The columns of these metrics and rules, the leading metrics first; all of them if none is named.

    Raises
    ------
    UsageError
        For a metric or rule that the results do not have; the message lists those they have.
    """
    has_metrics = list(dict.fromkeys(c.metric.name for c in columns))
    has_rules = list(dict.fromkeys(c.rule for c in columns))
    for kind, wanted, has in (("metric", metrics, has_metrics), ("decision rule", rules, has_rules)):
        unknown = [name for name in wanted if name not in has]
        if unknown and columns:
            needs = KNOWN_RULES[unknown[0]].needs if unknown[0] in KNOWN_RULES else ""
            why = f", which needs {needs}" if needs else ""
            raise UsageError(f"these results have no {kind} {unknown[0]!r}{why}; {suggest(unknown[0], has)}")
    leading = metrics or HEADLINE
    order = [*leading, *(name for name in has_metrics if name not in leading)]
    chosen = [c for c in columns if (not metrics or c.metric.name in metrics) and (not rules or c.rule in rules)]
    requested = list(rules)
    return sorted(chosen, key=lambda c: (order.index(c.metric.name), requested.index(c.rule) if requested else 0))


def headline(columns: Sequence[Column], metrics: Sequence[str] = ()) -> list[str]:
    """Names of the metrics with a verdict: those requested, or `HEADLINE`, as far as the results have them."""
    there = list(dict.fromkeys(c.metric.name for c in columns))
    return [name for name in (metrics or HEADLINE) if name in there] or there[:2]


def _place(rule: str, known: Sequence[str]) -> tuple[int, str]:
    return (known.index(rule), "") if rule in known else (len(known), rule)
