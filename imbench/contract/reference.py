"""Reference: a classifier with ``fit`` and ``predict_proba`` that is trained on the same rows as the nets."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np

from imbench.contract.errors import UsageError
from imbench.contract.names import suggest
from imbench.contract.search_space import SearchSpace, check_search_space
from imbench.contract.spec import format_spec, read_value

# Parameters that imbench sets, if a factory has them: the seed of each fold, and one thread for each worker.
SET_HERE = ("random_state", "n_jobs")

# What a factory may declare as attributes, with the values of a factory that declares nothing.
#   version : raised by its author when its results change
#   modalities : data that it can be trained on; images come as rows of pixels
#   balances : whether it trains towards equal class frequencies; otherwise towards those of its training rows
#   search_space : parameters that ``imbench run --tune`` varies, each with its distribution
_DECLARED: Mapping[str, Any] = {"version": "1", "modalities": ("tabular",), "balances": False, "search_space": {}}


class Estimator(Protocol):
    """A classifier, such as one of scikit-learn. ``classes_`` names the columns of ``predict_proba``, if it exists."""

    def fit(self, X: np.ndarray, y: np.ndarray) -> Any:
        """Train on ``(rows, features)`` float64 without missing values, and ``(rows,)`` class numbers."""

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """``(rows, classes)`` probabilities of ``(rows, features)``."""


@dataclass(frozen=True)
class Reference:
    """A reference with its parameters.

    Parameters
    ----------
    name : name in specs, results and keys
    factory : a class or function that returns an untrained `Estimator` for keyword parameters
    params : parameters that differ from the defaults of ``factory``, sorted by name
    """

    name: str
    factory: Callable[..., Estimator] = field(compare=False)
    params: tuple[tuple[str, Any], ...] = ()

    @property
    def spec(self) -> str:
        """The canonical spec, such as ``hist-gradient-boosting:max_iter=300``."""
        return format_spec(self.name, dict(self.params))

    @property
    def defaults(self) -> dict[str, Any]:
        """The default of each parameter that has one and that a spec can set."""
        known = _parameters(self.factory).items()
        return {n: one.default for n, one in known if n not in SET_HERE and one.default is not one.empty}

    @property
    def version(self) -> str:
        """Version of its results, declared by the factory."""
        return str(self._declared("version"))

    @property
    def modalities(self) -> tuple[str, ...]:
        """Modalities of the data that it can be trained on."""
        return tuple(self._declared("modalities"))

    @property
    def search_space(self) -> SearchSpace:
        """The parameters that ``imbench run --tune`` varies, without those that are set by hand."""
        by_hand = dict(self.params)
        return {name: one for name, one in self._declared("search_space").items() if name not in by_hand}

    def with_params(self, params: Mapping[str, Any]) -> Reference:
        """The reference with other values of some parameters."""
        known = _parameters(self.factory)
        own = {n: v for n, v in (dict(self.params) | dict(params)).items() if not _is_default(n, v, known)}
        return replace(self, params=tuple(sorted(own.items())))

    def balances(self, estimator: Estimator) -> bool:
        """Whether this estimator trains towards equal class frequencies."""
        return bool(self._declared("balances")) or getattr(estimator, "class_weight", None) == "balanced"

    def make(self, seed: int = 0) -> Estimator:
        """An untrained estimator; raises `UsageError` if the factory returns anything else."""
        known = _parameters(self.factory)
        given = {name: value for name, value in zip(SET_HERE, (seed, 1), strict=True) if name in known}
        made = self.factory(**dict(self.params), **given)
        for method in ("fit", "predict_proba"):
            if not callable(getattr(made, method, None)):
                raise UsageError(f"reference {self.name!r} makes a {type(made).__name__}, which has no {method}")
        return made

    def _declared(self, name: str) -> Any:
        return getattr(source_of(self.factory), name, _DECLARED[name])


def make_reference(name: str, factory: Any, params: Mapping[str, str], owner: str) -> Reference:
    """The reference of a factory with parameters as text.

    Parameters
    ----------
    name : name in results
    factory : the registered object
    params : name and text of each parameter, read as `imbench.contract.spec.read_value` does
    owner : the user's input, for error messages

    Raises
    ------
    UsageError
        For an object that cannot be called, and a parameter that it does not have or that imbench sets.
    """
    if not callable(factory):
        raise UsageError(
            f"reference {name!r} is a {type(factory).__name__}, not a class or function that makes an estimator"
        )
    known = _parameters(factory)
    open_ended = any(one.kind is one.VAR_KEYWORD for one in known.values())
    settable = [n for n, one in known.items() if n not in SET_HERE and one.kind is not one.VAR_KEYWORD]
    for key in params:
        if key in SET_HERE:
            raise UsageError(f"{owner}: imbench sets {key} itself; remove it")
        if key not in settable and not open_ended:
            raise UsageError(f"{owner} has no parameter {key!r}; {suggest(key, settable)}")
    values = {key: read_value(text, f"{owner}: {key}") for key, text in params.items()}
    found = Reference(name, factory).with_params(values)
    check_search_space(getattr(source_of(factory), "search_space", {}), settable, f"reference {name!r}")
    return found


def _parameters(factory: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    try:
        return inspect.signature(factory).parameters
    except (TypeError, ValueError):  # of compiled code
        return {}


def _is_default(name: str, value: Any, known: Mapping[str, inspect.Parameter]) -> bool:
    """Whether a value is the default of a parameter: 1 and 1.0 are the same, 1 and true are not."""
    default = known[name].default if name in known else inspect.Parameter.empty
    return isinstance(value, bool) == isinstance(default, bool) and bool(value == default)


def source_of(factory: Callable[..., Any]) -> Callable[..., Any]:
    """The class or function whose source code makes the estimators."""
    while isinstance(factory, functools.partial):
        factory = factory.func
    return factory
