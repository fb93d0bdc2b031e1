"""Trials of a tuned run: the same number of configurations, at the same points, for every strategy."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any, TypeVar

from imbench.contract.errors import UsageError
from imbench.contract.modality import MODALITIES
from imbench.contract.names import counted
from imbench.contract.protocol import Protocol
from imbench.contract.reference import Reference
from imbench.contract.search_space import SHARED_SPACE, SearchSpace, Value
from imbench.contract.spec import format_spec, parse_spec
from imbench.contract.strategy import BatchStrategy
from imbench.contract.streams import stream
from imbench.runs.registry import Selected
from imbench.scoring.outcome import Integers

# Trials of one strategy, at most; and points of the sequence that are looked at for each of them, since spaces of a few
# choices give some configurations more than once.
MOST_TRIALS, MOST_POINTS = 1000, 64

# Bits of a coordinate.
_BITS = 30
# Fields of the protocol that only dense nets have.
_DENSE = ("dropout", "width")


def trials_of(selected: Selected, protocol: Protocol, modality: str, count: int) -> list[tuple[Selected, Protocol]]:
    """The strategy and the protocol of each trial on one dataset, from trial 1, which is the given pair.

    Each trial has the values at one point of a sequence (`point`): the first coordinates are those of `SHARED_SPACE`,
    so that all strategies have them in common, the others those of the strategy's own ``search_space``. A value that is
    set by hand is not tuned. More trials continue the sequence, so trials that are stored stay valid.

    Parameters
    ----------
    selected : the strategy; parameters that differ from their defaults are set by hand
    protocol : the protocol, with its exceptions for the dataset applied; the settings in its name are set by hand
    modality : of the dataset
    count : number of trials

    Raises
    ------
    UsageError for more trials than there are configurations, and a value that the strategy refuses.
    """
    own, shared = own_space(selected.strategy), shared_space(protocol, modality)

    def changed(settings: Mapping[str, Value], params: Mapping[str, Value]) -> tuple[Selected, Protocol]:
        return _with_params(selected, params), _with_settings(protocol, settings)

    def values(pair: tuple[Selected, Protocol]) -> tuple[Any, ...]:
        return _values(*pair, own, shared)

    return _distinct(
        (selected, protocol), changed, values, own, shared, count, f"{selected.spec} under {protocol.name}"
    )


def reference_trials(reference: Reference, count: int) -> list[Reference]:
    """The reference of each trial, from trial 1, which is the given one; only that if it has nothing to tune.

    Its own coordinates are those of a strategy: the ones after `SHARED_SPACE`, which no reference has.

    Raises
    ------
    UsageError for more trials than there are configurations.
    """
    own = reference.search_space
    if not own:
        return [reference]

    def changed(_: Mapping[str, Value], params: Mapping[str, Value]) -> Reference:
        return reference.with_params(params)

    def values(one: Reference) -> tuple[Any, ...]:
        given = one.defaults | dict(one.params)
        return tuple(given[name] for name in own)

    return _distinct(reference, changed, values, own, {}, count, reference.spec)


_T = TypeVar("_T")


def _distinct(
    default: _T,
    changed: Callable[[Mapping[str, Value], Mapping[str, Value]], _T],
    values: Callable[[_T], tuple[Any, ...]],
    own: SearchSpace,
    shared: SearchSpace,
    count: int,
    owner: str,
) -> list[_T]:
    """The default configuration, and those at the first points of the sequence that differ from all before them."""
    possible = math.prod(one.count for one in (*shared.values(), *own.values()))
    # The default configuration may lie outside of the space.
    if count > 1 and count > possible:
        raise UsageError(
            f"--tune {count} is more than the {counted(int(possible), 'configuration')} that the search space of "
            f"{owner} has; give at most {int(possible)}, or set fewer values by hand"
        )
    found, known = [default], {values(default)}
    for number in range(count * MOST_POINTS):
        if len(found) == count:
            break
        coordinates = point(number)
        at = {name: next(coordinates) for name in SHARED_SPACE}
        settings = {name: one.at(at[name]) for name, one in shared.items()}
        params = {name: one.at(next(coordinates)) for name, one in own.items()}
        made = changed(settings, params)
        if values(made) not in known:
            known.add(values(made))
            found.append(made)
    if len(found) < count:
        raise UsageError(
            f"--tune {count}: the search space of {owner} gives only {counted(len(found), 'configuration')}; give at "
            f"most {len(found)}"
        )
    return found


def own_space(strategy: BatchStrategy) -> SearchSpace:
    """The search space of a strategy without the parameters that are set by hand."""
    defaults = {field.name: field.default for field in dataclasses.fields(strategy)}  # type: ignore[arg-type]
    return {name: one for name, one in strategy.search_space.items() if getattr(strategy, name) == defaults[name]}


def shared_space(protocol: Protocol, modality: str) -> SearchSpace:
    """The protocol fields that are tuned: those that its net has and that are not set by hand."""
    _, by_hand = parse_spec(protocol.name)
    dense = MODALITIES[modality].nets.get(protocol.net) == "mlp"
    return {n: one for n, one in SHARED_SPACE.items() if n not in by_hand and (dense or n not in _DENSE)}


def _with_params(selected: Selected, params: Mapping[str, Value]) -> Selected:
    return Selected(dataclasses.replace(selected.strategy, **params), selected.name)  # type: ignore[type-var]


def _with_settings(protocol: Protocol, settings: Mapping[str, Value]) -> Protocol:
    name, by_hand = parse_spec(protocol.name)
    changes: dict[str, Any] = dict(settings)
    return dataclasses.replace(protocol, name=format_spec(name, dict(sorted((by_hand | changes).items()))), **changes)


def _values(selected: Selected, protocol: Protocol, own: SearchSpace, shared: SearchSpace) -> tuple[Any, ...]:
    return (*(getattr(selected.strategy, name) for name in own), *(getattr(protocol, name) for name in shared))


def point(number: int) -> Iterator[float]:
    """The coordinates in [0, 1) of a point, from 0, of Halton's sequence, one prime base after another, without end.

    J. H. Halton, "On the efficiency of certain quasi-random sequences of points", 1960. The digits of each place are
    permuted, by the same permutation for all points (E. Braaten and G. Weller, 1979), since large bases give the first
    points in increasing order otherwise.
    """
    for base in _primes():
        value, rest = 0.0, number
        for place in range(math.ceil(_BITS / math.log2(base))):
            rest, digit = divmod(rest, base)
            value += float(_permutation(base, place)[digit]) / base ** (place + 1)
        yield min(value, 1 - 2.0**-_BITS)


def _primes() -> Iterator[int]:
    known: list[int] = []
    for number in itertools.count(2):
        if all(number % prime for prime in known):
            known.append(number)
            yield number


@cache
def _permutation(base: int, place: int) -> Integers:
    permuted: Integers = stream("tune", base, place).permutation(base)
    return permuted
