"""Options that choose what of a store a verb reads: strategies, datasets, suites and protocols."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click

from imbench.contract.errors import UsageError
from imbench.contract.spec import format_value, parse_spec

if TYPE_CHECKING:
    import pandas as pd

    from imbench.runs.registry import Registry

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS = (
    click.option(
        "--strategy",
        "strategies",
        multiple=True,
        metavar="SPEC",
        help="Only this strategy: remix is every ReMix, remix: the one at its defaults, remix:alpha=0.3 that one. "
        "Repeatable.",
    ),
    click.option(
        "--dataset",
        "datasets",
        multiple=True,
        metavar="SPEC",
        help="Only this dataset: segment is all its variants, segment:ir=0.05 that one. Repeatable.",
    ),
    click.option(
        "--suite", "suites", multiple=True, metavar="NAME", help="Only the datasets of this suite. Repeatable."
    ),
)

protocols_option = click.option(
    "--protocol", "protocols", multiple=True, metavar="NAME", help="Only results under this protocol. Repeatable."
)


def selection_options(verb: F) -> F:
    """``--strategy``, ``--dataset`` and ``--suite``, for a verb that reads a store."""
    for option in reversed(_OPTIONS):
        verb = option(verb)
    return verb


@dataclass(frozen=True)
class Choice:
    """What of a store was asked for, as typed; nothing chosen means all of it."""

    strategies: Sequence[str] = ()
    datasets: Sequence[str] = ()
    suites: Sequence[str] = ()
    protocols: Sequence[str] = ()

    @property
    def is_all(self) -> bool:
        """Whether everything is read."""
        return not (self.strategies or self.datasets or self.suites or self.protocols)

    def of(self, rows: pd.DataFrame) -> pd.DataFrame:
        """The rows that were asked for; suites are looked up in the registry.

        Raises `UsageError` for a name that is in none of them.
        """
        from imbench.runs.registry import Registry
        from imbench.store.selection import select

        if self.is_all:
            return rows
        registry = Registry()
        return select(
            rows,
            self.strategies,
            self.datasets,
            protocols=self.protocols,
            defaults=_defaults(registry, self.strategies),
            suites={name: _specs(registry, name) for name in self.suites},
        )


def refuse_empty(store: str, rows: pd.DataFrame) -> None:
    """Raise `UsageError` for a store that there is nothing to read in."""
    if rows.empty:
        raise UsageError(f"store {store} is empty; imbench run --store {shlex.quote(store)} puts results into it")


def _specs(registry: Registry, suite: str) -> list[str]:
    """The configurations of a suite, and what may stand in for them, as results call them."""
    entries = registry.suite(suite).entries
    return [registry.stored_spec(spec) for entry in entries for spec in (entry.spec, entry.fallback) if spec]


def _defaults(registry: Registry, specs: Sequence[str]) -> dict[str, dict[str, str]]:
    """The default parameters of strategies that are named with parameters, as far as they are installed."""
    found = {}
    for name, params in map(parse_spec, specs):
        try:
            own = registry.strategy(name).params if params else {}
        except UsageError:
            continue
        found[name] = {key: value if isinstance(value, str) else format_value(value) for key, value in own.items()}
    return found
