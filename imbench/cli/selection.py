"""Options that select stored results by strategy, dataset, suite and protocol."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click

from imbench.cli.options import references_of
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
        help="Only this strategy: remix selects all ReMix variants, `remix:` the one with default parameters, "
        "remix:alpha=0.3 exactly that one. Repeatable.",
    ),
    click.option(
        "--reference",
        "references",
        multiple=True,
        metavar="SPEC",
        help="Only this reference, such as uniform. Repeatable.",
    ),
    click.option("--no-references", is_flag=True, help="Omit all references."),
    click.option(
        "--dataset",
        "datasets",
        multiple=True,
        metavar="SPEC",
        help="Only this dataset: segment selects all its variants, segment:ir=0.05 exactly that one. Repeatable.",
    ),
    click.option(
        "--suite", "suites", multiple=True, metavar="NAME", help="Only the datasets of this suite. Repeatable."
    ),
)

protocols_option = click.option(
    "--protocol", "protocols", multiple=True, metavar="NAME", help="Only results under this protocol. Repeatable."
)


def selection_options(verb: F) -> F:
    """Add ``--strategy``, ``--reference``, ``--dataset`` and ``--suite`` to a command that reads a store."""
    for option in reversed(_OPTIONS):
        verb = option(verb)
    return verb


def strategy_options(verb: F) -> F:
    """As `selection_options`, for a command that reads strategies alone by default."""
    for option in reversed((_OPTIONS[0], *_OPTIONS[3:])):
        verb = option(verb)
    return verb


@dataclass(frozen=True)
class Choice:
    """The selection as typed; an empty one selects everything."""

    strategies: Sequence[str] = ()
    datasets: Sequence[str] = ()
    suites: Sequence[str] = ()
    protocols: Sequence[str] = ()
    references: tuple[str, ...] = ()
    no_references: bool = False

    @property
    def is_all(self) -> bool:
        """Whether everything is selected."""
        given = (self.strategies, self.datasets, self.suites, self.protocols, self.references, self.no_references)
        return not any(given)

    def of(self, rows: pd.DataFrame, registry: Registry) -> pd.DataFrame:
        """The selected rows; suites, and the default parameters of strategies, are those of the registry.

        Raises `UsageError` for a name that no row has.
        """
        from imbench.store.selection import select

        if self.is_all:
            return rows
        return select(
            rows,
            self.strategies,
            self.datasets,
            references=references_of(self.references, self.no_references),
            protocols=self.protocols,
            defaults=_defaults(registry, self.strategies, self.references),
            suites={name: _specs(registry, name) for name in self.suites},
        )


def refuse_empty(store: str, rows: pd.DataFrame) -> None:
    """Raise `UsageError` for an empty store."""
    if rows.empty:
        raise UsageError(f"store {store} is empty; imbench run --store {shlex.quote(store)} adds results")


def _specs(registry: Registry, suite: str) -> list[str]:
    """The configurations of a suite and their fallbacks, by the specs that results have."""
    entries = registry.suite(suite).entries
    return [registry.stored_spec(spec) for entry in entries for spec in (entry.spec, entry.fallback) if spec]


def _defaults(registry: Registry, strategies: Sequence[str], references: Sequence[str]) -> dict[str, dict[str, str]]:
    """The default parameters of the installed strategies and references that are selected with parameters."""
    found = {}

    def of_strategy(name: str) -> Mapping[str, Any]:
        return registry.strategy(name).params

    def of_reference(name: str) -> Mapping[str, Any]:
        return registry.reference(name).defaults

    asked = [(of_strategy, spec) for spec in strategies] + [(of_reference, spec) for spec in references]
    for parameters_of, spec in asked:
        name, params = parse_spec(spec)
        try:
            defaults = parameters_of(name) if params else {}
        except UsageError:
            continue
        found[name] = {key: value if isinstance(value, str) else format_value(value) for key, value in defaults.items()}
    return found
