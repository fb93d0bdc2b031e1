"""Properties of a strategy as a value: its parameters, spec, docstring and declarations."""

from __future__ import annotations

import dataclasses
import inspect
import math
import pickle
import re
import types
import typing
from collections.abc import Callable
from typing import Any

from imbench.checks.result import ViolationError, require
from imbench.checks.source import classes_of, inside
from imbench.contract.errors import UsageError
from imbench.contract.search_space import check_search_space, parameters_of
from imbench.contract.spec import build, format_spec, parse_spec
from imbench.contract.strategy import BatchStrategy

_YEAR = re.compile(r"\b(?:1[89]|20)\d\d\b")
_SOURCE = re.compile(
    r"arXiv|https?://|\bdoi\b|\b10\.\d{4,}/"  # where to find it
    r"|\b[A-Z]\.[ -]?(?:[A-Z]\.[ -]?)*[A-Z][\w'-]+"  # an author as "N. V. Chawla"
    r"|\b[A-Z][\w'-]+,? (?:et al\.?,? )?\(?(?:1[89]|20)\d\d"  # or as "Cao et al. (2019)", "King 2001"
    r"|\b[A-Z][\w'-]+ (?:and|&) [A-Z][\w'-]+"  # or as "King and Zeng"
)
WRONG_NUMBERS: tuple[Any, ...] = (math.nan, math.inf, -1, "many")


def parameters_validated(strategy: BatchStrategy) -> str:
    """Every numeric parameter rejects NaN, infinity, negative numbers and text by a UsageError."""
    validated = []
    for name, kind in _fields(strategy).items():
        values = _wrong_values(kind)
        for value in values:
            _refuses(strategy, name, value)
        validated += [name] if values else []
        # Any text may be valid, but an error must be a UsageError.
        if not values and kind is str:
            _refuses(strategy, name, "no such choice", may_accept=True)
    return ", ".join(validated) or "no numeric parameters"


def frozen_hashable_equal(strategy: BatchStrategy) -> str:
    """The strategy is a frozen value: immutable, equal to its copy, and with an equal hash."""
    cls = type(strategy)
    require(
        dataclasses.is_dataclass(cls) and cls.__dataclass_params__.frozen,
        f"{cls.__name__} is not a frozen dataclass; decorate it with @dataclass(frozen=True)",
    )
    twin = _twin(strategy)
    require(strategy == twin, f"{cls.__name__} is not equal to its copy; remove eq=False and any custom __eq__")
    try:
        equal = hash(strategy) == hash(twin)
    except TypeError as error:
        raise ViolationError(f"{error}; use a tuple for a list, and numbers and text for anything else") from None
    require(equal, f"the hash of {cls.__name__} differs from that of its copy; remove the custom __hash__")
    return strategy.spec


def picklable(strategy: BatchStrategy) -> str:
    """The strategy survives pickling, which sends it to worker processes."""
    try:
        twin = pickle.loads(pickle.dumps(strategy))
    except Exception as error:
        raise ViolationError(f"{type(error).__name__}: {error}; define the class at the top of its module") from error
    require(
        type(twin) is type(strategy) and twin.params == strategy.params,
        f"{strategy.params} became {twin.params}; remove __getstate__ and __reduce__",
    )
    return "parameters kept"


def spec_round_trip(strategy: BatchStrategy) -> str:
    """The spec, parsed as on the command line, gives the same strategy."""
    cls = type(strategy)
    require(
        isinstance(getattr(cls, "name", None), str) and re.fullmatch(r"[A-Za-z0-9][\w.-]*", cls.name),
        f"name is {getattr(cls, 'name', None)!r}; use letters, digits, '-' and '_', as in 'my-strategy'",
    )
    without = [f.name for f in dataclasses.fields(cls) if f.init and f.default is dataclasses.MISSING]  # type: ignore[arg-type]
    require(not without, f"{', '.join(without)} must have a default, so that the name alone is a valid spec")
    for text in (strategy.spec, format_spec(strategy.name, strategy.params)):
        try:
            name, given = parse_spec(text)
            twin = build(cls, given, text, {BatchStrategy: _reader(strategy)})
        except UsageError as error:
            raise ViolationError(
                f"{text!r} cannot be parsed: {error}; use numbers, true/false and plain words"
            ) from error
        require(
            name == strategy.name and twin.params == strategy.params,
            f"{text!r} gives {twin.params} instead of {strategy.params}; make __post_init__ idempotent",
        )
    return strategy.spec


def _reader(strategy: BatchStrategy) -> Callable[[str], BatchStrategy]:
    """A function that reads the specs of inner strategies."""
    kinds = {cls.name: cls for one in inside(strategy) for cls in classes_of(one)}

    def read(text: str) -> BatchStrategy:
        name, given = parse_spec(text)
        require(name in kinds, f"{text!r} is not an inner strategy; expected {', '.join(kinds) or 'none'}")
        made: BatchStrategy = build(kinds[name], given, text, {BatchStrategy: read})
        return made

    return read


def docstring_cites_source(strategy: BatchStrategy) -> str:
    """The docstring cites the source: a year, and an author, arXiv number, DOI or URL."""
    text = inspect.cleandoc(type(strategy).__doc__ or "")
    require(
        text and not text.startswith(f"{type(strategy).__name__}("),
        "no docstring; describe what the strategy does to a batch",
    )
    year, source = _YEAR.search(text), _SOURCE.search(text)
    require(year, "no year in the docstring; cite the paper (or yourself) with its year")
    require(source, "no author, arXiv number, DOI or URL in the docstring; cite as 'A. Author, \"Title\", 2020'")
    return f"{source and source[0]}, {year and year[0]}"


def search_space_valid(strategy: BatchStrategy) -> str:
    """The search space names parameters, and the strategy accepts the extreme values of each distribution."""
    cls = type(strategy)
    try:
        check_search_space(cls.search_space, parameters_of(cls), cls.__name__)
    except UsageError as error:
        raise ViolationError(str(error)) from None
    for name, distribution in cls.search_space.items():
        for value in distribution.extremes:
            try:
                made = dataclasses.replace(strategy, **{name: value})  # type: ignore[type-var]
            except UsageError as error:
                raise ViolationError(
                    f"search_space[{name!r}] is {distribution.text}; {value!r} is refused: {error}; narrow the range"
                ) from None
            kept = made.params[name]
            require(kept == value, f"{name}={value!r} of search_space becomes {kept!r}; use values that are kept")
    return ", ".join(cls.search_space) or "no parameters to tune"


def _twin(strategy: BatchStrategy) -> BatchStrategy:
    """Another object of the same class and parameters, made without calling the strategy's methods."""
    twin = object.__new__(type(strategy))
    for field in dataclasses.fields(strategy):  # type: ignore[arg-type]
        object.__setattr__(twin, field.name, getattr(strategy, field.name))
    return twin


def _fields(strategy: BatchStrategy) -> dict[str, Any]:
    hints = typing.get_type_hints(type(strategy))
    return {f.name: hints[f.name] for f in dataclasses.fields(strategy) if f.init}  # type: ignore[arg-type]


def _wrong_values(kind: Any) -> list[Any]:
    """Values that a field of this type must reject; empty for non-numeric types."""
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if isinstance(kind, types.UnionType) or origin is typing.Union:
        return next((values for values in map(_wrong_values, inner) if values), [])
    if origin is tuple:
        return [(value,) for value in _wrong_values(inner[0])] if inner else []
    return list(WRONG_NUMBERS) if kind in (int, float) else []


def _refuses(strategy: BatchStrategy, name: str, value: Any, may_accept: bool = False) -> None:
    try:
        dataclasses.replace(strategy, **{name: value})  # type: ignore[type-var]
    except UsageError as error:
        require(name in str(error), f"the error for {name}={value!r} does not name {name}: {error}")
        return
    except Exception as error:
        raise ViolationError(
            f"{name}={value!r} raises {type(error).__name__}: {error}; raise imbench.UsageError in __post_init__"
        ) from error
    require(
        may_accept,
        f"{name}={value!r} is accepted; check it in __post_init__ and raise imbench.UsageError that names {name}",
    )
