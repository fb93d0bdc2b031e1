"""Parameters of a strategy by name, for a spec and for an object alike: ``alpha``, ``inner``, ``inner__alpha``."""

from __future__ import annotations

import dataclasses
import typing
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import numpy as np

from imbench.contract.errors import UsageError
from imbench.contract.names import suggest
from imbench.contract.spec import OPEN_ENDED, format_spec, parse_spec, spec_of
from imbench.contract.strategy import BatchStrategy
from imbench.runs.registry import Registry

# A strategy as users give it: a spec, or an object.
Given = str | BatchStrategy


def resolved(strategy: Given) -> BatchStrategy:
    """The strategy. Raises `UsageError` for an invalid spec, or a value that is neither spec nor strategy."""
    if isinstance(strategy, BatchStrategy):
        return strategy
    if isinstance(strategy, str):
        return Registry().strategy(strategy)
    raise UsageError(f"strategy must be a spec such as 'remix:alpha=0.3' or an imbench.BatchStrategy, got {strategy!r}")


def parameters_of(strategy: Given) -> dict[str, Any]:
    """All parameters; those of a strategy inside another one also as ``inner__alpha``.

    A strategy inside a spec is given as its spec, one inside an object as the object. Raises as `resolved`.
    """
    found = resolved(strategy)
    own: dict[str, Any] = dict(found.params)
    for field in _fields(found):
        inner = getattr(found, field.name)
        if isinstance(inner, BatchStrategy):
            given = inner.spec if isinstance(strategy, str) else inner
            own[field.name] = given
            own |= {f"{field.name}__{name}": value for name, value in parameters_of(given).items()}
    return own


def with_parameters(strategy: Given, changes: Mapping[str, Any]) -> Given:
    """The strategy with these parameters changed: a spec for a spec, an object for an object.

    Parameters
    ----------
    changes : values by the names of `parameters_of`

    Raises
    ------
    UsageError for a name that the strategy does not have, with similar names, and for an invalid value.
    """
    known, found = parameters_of(strategy), resolved(strategy)
    wraps = {f.name for f in _fields(found) if isinstance(getattr(found, f.name), BatchStrategy)}
    own: dict[str, Any] = {}
    nested: dict[str, dict[str, Any]] = defaultdict(dict)
    for name, value in changes.items():
        outer, _, inner = name.partition("__")
        if inner and outer in wraps:
            nested[outer][inner] = value
        elif inner or (name not in known and not _takes_any(strategy)):
            raise UsageError(f"strategy {spec_text(strategy)} has no parameter {name!r}; {suggest(name, known)}")
        else:
            own[name] = value.item() if isinstance(value, np.generic) else value
    for name, values in nested.items():
        own[name] = with_parameters(own.get(name, known[name]), values)
    return _changed_spec(strategy, own) if isinstance(strategy, str) else _changed(strategy, own)


def spec_text(strategy: Given) -> str:
    """The spec of a strategy, for messages."""
    return strategy if isinstance(strategy, str) else strategy.spec


def _takes_any(strategy: Given) -> bool:
    """Whether a spec of this strategy may name parameters that its class does not list."""
    return isinstance(strategy, str) and any(
        OPEN_ENDED.items() <= f.metadata.items() for f in _fields(resolved(strategy))
    )


def _fields(strategy: BatchStrategy) -> tuple[dataclasses.Field[Any], ...]:
    return dataclasses.fields(strategy)  # type: ignore[arg-type]


def _changed_spec(spec: str, own: Mapping[str, Any]) -> str:
    name, given = parse_spec(spec)
    plain = {key: value.spec if isinstance(value, BatchStrategy) else value for key, value in own.items()}
    return Registry().select(format_spec(name, {**given, **plain})).spec


def _changed(strategy: BatchStrategy, own: Mapping[str, Any]) -> BatchStrategy:
    hints = typing.get_type_hints(type(strategy))
    fields = {field.name for field in _fields(strategy)}
    open_ended = {key: value for key, value in own.items() if key not in fields}
    if open_ended:
        raise UsageError(
            f"{next(iter(open_ended))!r} of {spec_of(strategy.name, strategy)} can be changed in a spec only; give the "
            "strategy as text"
        )
    values = {
        key: resolved(value) if isinstance(value, str) and hints[key] is BatchStrategy else value
        for key, value in own.items()
    }
    return dataclasses.replace(strategy, **values)  # type: ignore[type-var]
