"""Calls of samplers without the checks that a batch of imbench does not need, which take most of the time."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import numpy as np
from imblearn.base import BaseSampler
from imblearn.over_sampling import RandomOverSampler
from imblearn.under_sampling import RandomUnderSampler
from imblearn.utils import check_sampling_strategy
from sklearn import config_context

from imbench_imblearn.limits import Fitted, targets
from imbench_imblearn.neighbours import ClearNeighbours
from imbench_imblearn.samplers import defaults, sampler_class, takes_seed

# What these do before they resample is to check the arrays, and no more. `SMOTENC` and `SMOTEN` also prepare them.
_ONLY_CHECKS = {cls._check_X_y for cls in (BaseSampler, RandomOverSampler, RandomUnderSampler)}

# Samplers that take numbers at random from their ``random_state`` or not at all, never from NumPy's global generator.
_OWN_DRAWS = (
    *("ADASYN", "BorderlineSMOTE", "RandomOverSampler", "SMOTE", "SMOTEENN", "SMOTEN", "SMOTENC", "SMOTETomek"),
    *("AllKNN", "EditedNearestNeighbours", "NearMiss", "NeighbourhoodCleaningRule", "RandomUnderSampler"),
    *("RepeatedEditedNearestNeighbours", "TomekLinks"),
)
# The parameter for what cleans up after the SMOTE of a combined sampler, and its default.
_CLEANING = {"SMOTEENN": ("enn", "EditedNearestNeighbours"), "SMOTETomek": ("tomek", "TomekLinks")}
_EVERY_CLASS = Fitted({"sampling_strategy": "all"}, cut=False)

# Samplers that begin one stream of random numbers for a batch, whatever its classes; others may begin several.
_ONE_STREAM = ("ADASYN", "RandomOverSampler", "RandomUnderSampler")
# Those that begin one for each class that they add rows to.
_STREAM_A_CLASS = ("SMOTE",)

# Parameters that also take an estimator, which finds one neighbour more than the number: the row itself.
_NEIGHBOURS = {
    "ADASYN": ("n_neighbors",),
    "BorderlineSMOTE": ("k_neighbors", "m_neighbors"),
    "EditedNearestNeighbours": ("n_neighbors",),
    "SMOTE": ("k_neighbors",),
}


def resample(
    name: str, fitted: Fitted, x: np.ndarray, y: np.ndarray, seed: int, **further: Any
) -> tuple[np.ndarray, np.ndarray, bool]:
    """What imbalanced-learn's ``fit_resample`` gives, to the bit, and whether it warned.

    Parameters
    ----------
    x : ``(batch, features)`` float32 or float64
    y : ``(batch,)`` class numbers, at least two different ones
    seed : the ``random_state``, in [0, 2^32)
    further : arguments of the sampler that do not depend on the batch

    Raises
    ------
    Whatever the sampler raises, and ValueError for numbers that are not finite, unless the sampler takes them.
    """
    with _quiet(seed, global_too=name not in _OWN_DRAWS) as said:
        one = name in _ONE_STREAM or (name in _STREAM_A_CLASS and fitted.grown == 1)
        new_x, new_y = _sampler(name, fitted, _stream(seed) if one else seed, further).fit_resample(x, y)
    return new_x, new_y, any(issubclass(warning.category, UserWarning) for warning in said)


class _Unchecked:
    """Base of samplers that take arrays as they are. Everything else is the sampler's own."""

    def fit_resample(self: Any, X: np.ndarray, y: np.ndarray) -> Any:
        """As the sampler's, for arrays that its checks accept and would not change."""
        if self._check_X_y.__func__ is BaseSampler._check_X_y and not np.isfinite(X).all():
            raise ValueError("features must be finite")
        wanted, kind = self.sampling_strategy, self._sampling_type
        if isinstance(wanted, str | float):
            self.sampling_strategy_ = dict(targets(wanted, tuple(np.bincount(y).tolist()), kind))
        else:
            self.sampling_strategy_ = check_sampling_strategy(wanted, y, kind)
        return self._fit_resample(X, y)


@lru_cache
def _unchecked(cls: type) -> type:
    """The sampler without checks; the sampler itself where they do more."""
    if cls._check_X_y not in _ONLY_CHECKS or cls.fit_resample is not BaseSampler.fit_resample:  # type: ignore[attr-defined]
        return cls
    return type(f"Unchecked{cls.__name__}", (_Unchecked, cls), {})


def _sampler(name: str, fitted: Fitted, random_state: int | np.random.RandomState, further: Mapping[str, Any]) -> Any:
    given = {**fitted.arguments, **further}
    if fitted.smote is not None:
        given["smote"] = _sampler("SMOTE", fitted.smote, random_state, {})
        key, cleaning = _CLEANING[name]
        given[key] = _sampler(cleaning, _EVERY_CLASS, random_state, {})
    for key in _NEIGHBOURS.get(name, ()):
        given[key] = ClearNeighbours(n_neighbors=given.get(key, defaults(name)[key]) + 1)
    cls = sampler_class(name)
    if takes_seed(cls):
        given["random_state"] = random_state
    return _unchecked(cls)(**given)


class _Streams(threading.local):
    """A generator of NumPy's old kind for each thread: seeding one is 60 times faster than making it."""

    def __init__(self) -> None:
        self.generator = np.random.RandomState(0)


_STREAMS = _Streams()


def _stream(seed: int) -> np.random.RandomState:
    """Numbers as those of ``random_state=seed``, until the next call."""
    _STREAMS.generator.seed(seed)
    return _STREAMS.generator


@contextmanager
def _quiet(seed: int, *, global_too: bool) -> Iterator[list[warnings.WarningMessage]]:
    """Meanwhile warnings are collected, and parameters are not judged again for every batch.

    With ``global_too``, NumPy's global generator is meanwhile another one, made from the seed: estimators inside some
    samplers are not given a random state and draw from it.
    """
    kept = np.random.get_state() if global_too else None  # noqa: NPY002
    if global_too:
        np.random.seed(seed)  # noqa: NPY002
    try:
        with warnings.catch_warnings(record=True) as said, config_context(skip_parameter_validation=True):
            warnings.simplefilter("always")
            yield said
    finally:
        if kept is not None:
            np.random.set_state(kept)  # noqa: NPY002
