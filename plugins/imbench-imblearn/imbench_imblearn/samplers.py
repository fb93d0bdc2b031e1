"""Which samplers there are, and whether the parameters of one are what it takes."""

from __future__ import annotations

import difflib
import importlib
import inspect
from collections.abc import Iterable, Mapping
from functools import lru_cache
from numbers import Integral, Real
from typing import Any

from imbench.contract.errors import UsageError
from imbench.contract.spec import Options, Value

MODULES = ("imblearn.over_sampling", "imblearn.under_sampling", "imblearn.combine")

# Parameters that a recipe has no say in, and who has.
_NOT_YOURS = {
    "random_state": "chance comes from the run's own random streams",
    "n_jobs": "imbench spreads work over cores itself (imbench run --jobs)",
    "categorical_features": "they come from the dataset's feature kinds",
}


@lru_cache
def samplers() -> Mapping[str, type]:
    """Every over-, under- and combined sampler that imbalanced-learn exports, by name."""
    modules = [importlib.import_module(name) for name in MODULES]
    return {name: getattr(module, name) for module in modules for name in module.__all__}


def sampler_class(name: str) -> type:
    """The sampler of this name; `UsageError` with near matches if there is none."""
    known = samplers()
    if name not in known:
        raise UsageError(f"imblearn: sampler must be one of imbalanced-learn's, got {name!r}; {_near(name, known)}")
    return known[name]


@lru_cache
def defaults(name: str) -> Mapping[str, Any]:
    """The parameters that a spec may set of a sampler, each with the sampler's own default."""
    signature = inspect.signature(sampler_class(name))
    return {key: p.default for key, p in signature.parameters.items() if key not in _NOT_YOURS}


@lru_cache
def takes_seed(cls: type) -> bool:
    """Whether a sampler has a ``random_state``."""
    return "random_state" in inspect.signature(cls).parameters


def checked(name: str, options: Mapping[str, Value]) -> Options:
    """The options as the sampler takes them, sorted by name, those at its default left out.

    Raises
    ------
    UsageError
        For an unknown sampler, a parameter that it does not have (with near matches), one that a recipe has no say in,
        one that takes an object, and whatever else the sampler's own validation does not accept.
    """
    cls = sampler_class(name)
    known = defaults(name)
    values: dict[str, Value] = {}
    for key, value in sorted(options.items()):
        if key in _NOT_YOURS and key in inspect.signature(cls).parameters:
            raise UsageError(f"imblearn: {name}.{key} cannot be set, got {value!r}; {_NOT_YOURS[key]}")
        if key not in known:
            raise UsageError(f"imblearn: {name} has no parameter {key!r}; {_near(key, ['sampler', *known])}")
        values[key] = _as_taken(value, cls._parameter_constraints[key])  # type: ignore[attr-defined]
    for key, value in values.items():
        _validate(cls, name, key, value)
    return tuple((key, value) for key, value in values.items() if not _equal(value, known[key]))


def arguments(options: Options) -> dict[str, Any]:
    """The options as keyword arguments of the sampler: several values are a list."""
    return {key: list(value) if isinstance(value, tuple) else value for key, value in options}


def _validate(cls: type, name: str, key: str, value: Value) -> None:
    """Have the sampler judge one value, by imbalanced-learn's own rules."""
    given = {key: value}
    if "categorical_features" in inspect.signature(cls).parameters:
        given["categorical_features"] = ()
    try:
        cls(**arguments(tuple(given.items())))._validate_params()
    except (ValueError, TypeError) as error:
        if _takes_object(cls._parameter_constraints[key]):  # type: ignore[attr-defined]
            fix = "it takes an object, which a spec cannot express; leave it out"
        else:
            fix = f"its default is {defaults(name)[key]!r}"
        raise UsageError(f"imblearn: {name}.{key} cannot be {value!r}: {error} ({fix})") from None


def _as_taken(value: Value, constraints: Iterable[Any]) -> Value:
    """``1`` as ``1.0`` where a sampler wants any number, and one value as several where it wants a list."""
    kinds = {getattr(constraint, "type", constraint) for constraint in constraints if not isinstance(constraint, str)}
    if isinstance(value, bool) or not isinstance(value, int):
        return value
    if list in kinds:
        return (value,)
    return float(value) if Real in kinds and Integral not in kinds else value


def _takes_object(constraints: Iterable[Any]) -> bool:
    """Whether nothing but an object, or nothing, is accepted."""
    return all(c is None or isinstance(c, type) or hasattr(c, "methods") for c in constraints)


def _equal(a: Any, b: Any) -> bool:
    return type(a) is type(b) and bool(a == b)


def _near(name: str, known: Iterable[str]) -> str:
    names = list(known)
    folded = {each.lower(): each for each in names}
    close = [folded[c] for c in difflib.get_close_matches(name.lower(), list(folded), n=3, cutoff=0.5)]
    return f"did you mean {' or '.join(close)}?" if close else f"there are {', '.join(names)}"
