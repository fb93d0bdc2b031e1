"""Search spaces: the parameters that ``imbench run --tune`` varies, with their distributions."""

from __future__ import annotations

import dataclasses
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from imbench.contract.errors import UsageError
from imbench.contract.names import suggest
from imbench.contract.spec import format_value

# A value of a parameter that can be tuned.
Value = bool | int | float | str


class Distribution(ABC):
    """The distribution of one parameter, as a function of a quantile.

    Attributes
    ----------
    source : where the values are from, such as a paper
    """

    source: str

    @abstractmethod
    def at(self, quantile: float) -> Value:
        """The value at a quantile in [0, 1)."""

    @property
    @abstractmethod
    def count(self) -> float:
        """Number of distinct values; infinity for a continuous distribution."""

    @property
    @abstractmethod
    def extremes(self) -> tuple[Value, ...]:
        """The smallest and the largest value, or all values of a choice."""

    @property
    @abstractmethod
    def text(self) -> str:
        """The distribution in words, such as ``log-uniform from 0.0001 to 0.01``."""


@dataclass(frozen=True)
class _Range(Distribution):
    """Numbers between two bounds.

    Parameters
    ----------
    low, high : the bounds, included; ``low`` is below ``high``
    source : where the range is from, such as a paper

    Raises
    ------
    UsageError for bounds that are not finite numbers in increasing order.
    """

    low: float
    high: float
    source: str = ""

    def __post_init__(self) -> None:
        for name, value in (("low", self.low), ("high", self.high)):
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
                raise UsageError(f"{type(self).__name__}.{name} must be a finite number, got {value!r}")
        if not self.low < self.high:
            kind = type(self).__name__
            raise UsageError(
                f"{kind}({self.low}, {self.high}) is empty: low must be below high; use Choice for one value"
            )

    @property
    def count(self) -> float:
        """See `Distribution.count`."""
        return math.inf

    @property
    def extremes(self) -> tuple[Value, ...]:
        """See `Distribution.extremes`."""
        return (self.low, self.high)

    def _rounded(self, value: float) -> float:
        """The value with three significant digits, so that specs stay short and equal on every machine."""
        return min(max(float(f"{value:.3g}"), self.low), self.high)


@dataclass(frozen=True)
class Uniform(_Range):
    """Numbers that are equally likely between two bounds, with three significant digits; see `LogUniform` for factors.

    >>> Uniform(0.0, 0.5).at(0.25), Uniform(0.0, 0.5).text
    (0.125, 'uniform from 0 to 0.5')
    """

    def at(self, quantile: float) -> float:
        """See `Distribution.at`."""
        return self._rounded(self.low + quantile * (self.high - self.low))

    @property
    def text(self) -> str:
        """See `Distribution.text`."""
        return f"uniform from {self.low:g} to {self.high:g}"


@dataclass(frozen=True)
class LogUniform(_Range):
    """Positive numbers whose logarithm is uniform, with three significant digits.

    >>> LogUniform(1e-4, 1e-2).at(0.5), LogUniform(1e-4, 1e-2).text
    (0.001, 'log-uniform from 0.0001 to 0.01')
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.low <= 0:
            raise UsageError(f"LogUniform.low must be positive, got {self.low}; use Uniform for a range with 0")

    def at(self, quantile: float) -> float:
        """See `Distribution.at`."""
        return self._rounded(self.low * (self.high / self.low) ** quantile)

    @property
    def text(self) -> str:
        """See `Distribution.text`."""
        return f"log-uniform from {self.low:g} to {self.high:g}"


@dataclass(frozen=True)
class Integer(_Range):
    """Whole numbers that are equally likely between two bounds.

    >>> [Integer(3, 5).at(quantile) for quantile in (0.0, 0.4, 0.99)], Integer(3, 5).text
    ([3, 4, 5], 'whole number from 3 to 5')
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        if int(self.low) != self.low or int(self.high) != self.high:
            raise UsageError(f"Integer({self.low}, {self.high}) must have whole numbers as bounds; use Uniform")

    def at(self, quantile: float) -> int:
        """See `Distribution.at`."""
        return min(int(self.low) + int(quantile * self.count), int(self.high))

    @property
    def count(self) -> float:
        """See `Distribution.count`."""
        return int(self.high) - int(self.low) + 1

    @property
    def extremes(self) -> tuple[Value, ...]:
        """See `Distribution.extremes`."""
        return (int(self.low), int(self.high))

    @property
    def text(self) -> str:
        """See `Distribution.text`."""
        return f"whole number from {int(self.low)} to {int(self.high)}"


@dataclass(frozen=True)
class Choice(Distribution):
    """Values that are equally likely.

    Parameters
    ----------
    values : the values, without repeats
    source : where they are from, such as a paper

    Raises
    ------
    UsageError for no value, a repeated value, or one that is not a number, text or a truth value.

    >>> Choice((0.5, 1.0, 2.0)).at(0.4), Choice(("last", "best")).text
    (1.0, 'one of last, best')
    """

    values: tuple[Value, ...]
    source: str = ""

    def __post_init__(self) -> None:
        if isinstance(self.values, str) or not isinstance(self.values, Sequence):
            raise UsageError(f"Choice.values must be a tuple of values, got {self.values!r}")
        object.__setattr__(self, "values", tuple(self.values))
        if not self.values or len(set(self.values)) < len(self.values):
            raise UsageError(f"Choice.values must be distinct and not empty, got {self.values!r}")
        for value in self.values:
            if not isinstance(value, Value):
                raise UsageError(f"Choice.values must be numbers, text or truth values, got {value!r}")

    def at(self, quantile: float) -> Value:
        """See `Distribution.at`."""
        return self.values[min(int(quantile * len(self.values)), len(self.values) - 1)]

    @property
    def count(self) -> float:
        """See `Distribution.count`."""
        return len(self.values)

    @property
    def extremes(self) -> tuple[Value, ...]:
        """See `Distribution.extremes`."""
        return self.values

    @property
    def text(self) -> str:
        """See `Distribution.text`."""
        return f"one of {', '.join(map(format_value, self.values))}"


# The parameters of a class, by name. The default of each is that of the class's field.
SearchSpace = Mapping[str, Distribution]
DISTRIBUTIONS: tuple[type[Distribution], ...] = (Uniform, LogUniform, Integer, Choice)

_RTDL = "Y. Gorishniy et al., Revisiting Deep Learning Models for Tabular Data, NeurIPS 2021, appendix"
# The protocol fields that are tuned for every strategy; the default of each is the protocol's own value. The bases of
# `imbench.runs.trials.point` are 2, 3, 5, … in this order, so that choices of 2 and of 3 are equally frequent.
SHARED_SPACE: SearchSpace = MappingProxyType(
    {
        "checkpoint": Choice(
            ("last", "best"),
            "the last epoch, or the epoch of least validation loss (L. Prechelt, Early Stopping, 1998)",
        ),
        "width": Choice((0.5, 1.0, 2.0), "half, once and twice the protocol's width; few shapes train in few stacks"),
        "learning_rate": LogUniform(
            1e-4, 1e-2, f"a factor of 10 around Adam's usual 0.001; the upper bound is that of {_RTDL}"
        ),
        "weight_decay": LogUniform(
            1e-4,
            1e-1,
            "Y. Gorishniy, A. Kotelnikov and A. Babenko, TabM, ICLR 2025, appendix; trial 1 has the other option, 0",
        ),
        "dropout": Uniform(0.0, 0.5, _RTDL),
    }
)

# Parameters that a search space may have: in more dimensions a few points say nothing about single ones.
MOST_PARAMETERS = 16


def check_search_space(space: Any, parameters: Sequence[str], owner: str) -> None:
    """Raise `UsageError` unless a search space gives distributions to parameters.

    Parameters
    ----------
    space : the declared search space
    parameters : names of the parameters that there are
    owner : what declares it, for the message
    """
    if not isinstance(space, Mapping):
        raise UsageError(f"{owner}: search_space must map parameters to distributions, got {type(space).__name__}")
    if len(space) > MOST_PARAMETERS:
        raise UsageError(f"{owner}: search_space has {len(space)} parameters; give at most {MOST_PARAMETERS}")
    for name, distribution in space.items():
        if name not in parameters:
            raise UsageError(
                f"{owner}: search_space has {name!r}, which is no parameter; {suggest(str(name), parameters)}"
            )
        if not isinstance(distribution, Distribution):
            known = ", ".join(kind.__name__ for kind in DISTRIBUTIONS)
            raise UsageError(
                f"{owner}: search_space[{name!r}] must be a distribution ({known} of imbench), got {distribution!r}"
            )


def parameters_of(cls: Any) -> list[str]:
    """The names of the parameters of a dataclass."""
    return [field.name for field in dataclasses.fields(cls) if field.init]
