"""A sweep: train one strategy at several values of one parameter, and compare the results."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Unpack

from imbench.contract.errors import UsageError
from imbench.contract.spec import format_spec, format_value, parse_spec
from imbench.contract.strategy import BatchStrategy
from imbench.runs import bench
from imbench.runs.registry import Registry
from imbench.runs.request import RunFields, RunRequest
from imbench.stats.names import BASELINE
from imbench.stats.sweep import Setting, Sweep, in_order
from imbench.store.results import Results


@dataclass(frozen=True)
class Design:
    """The settings that a sweep compares.

    Parameters
    ----------
    strategy, parameter, settings, default : as in `Sweep`
    baseline : spec of the reference; "" if there is none
    """

    strategy: str
    parameter: str
    settings: tuple[Setting, ...]
    default: Setting
    baseline: str = BASELINE

    @property
    def strategies(self) -> tuple[str, ...]:
        """The specs to train."""
        return tuple(dict.fromkeys([*(s.strategy for s in self.settings), *([self.baseline] if self.baseline else [])]))

    def read(self, results: Results, alpha: float = 0.05) -> Sweep:
        """The sweep with the results of these strategies."""
        return Sweep(self.strategy, self.parameter, self.settings, self.default, self.baseline, results, alpha)


def design(
    strategy: str, parameter: str, values: Sequence[Any], registry: Registry, *, baseline: bool = True
) -> Design:
    """Resolve the settings that a sweep compares.

    Parameters
    ----------
    strategy : spec; the parameters in the spec stay fixed
    parameter : name of the parameter that varies
    values : at least two different values; text is read as in a spec. The default is added if it is missing
    registry : registry of strategies
    baseline : include the strategy ``baseline`` for reference

    Raises
    ------
    UsageError
        For an unknown strategy or parameter, fewer than two values, a repeated value, or a value out of range.
    """
    _, fixed = parse_spec(strategy)
    base = registry.select(strategy)
    known = list(base.strategy.params)
    if parameter in fixed:
        raise UsageError(f"{strategy} sets {parameter}, which the sweep varies; remove it from the strategy")
    texts = [value if isinstance(value, str) else format_value(value) for value in values]
    found: dict[str, Setting] = {}
    typed: dict[str, str] = {}
    for text in texts:
        spec = _with(strategy, parameter, text)
        selected = registry.select(spec)
        if selected.spec in typed:
            raise UsageError(f"{parameter} has the same value twice, {typed[selected.spec]} and {text}; keep one")
        typed[selected.spec] = text
        found[selected.spec] = Setting(selected.strategy.params[parameter], selected.spec)
    if len(found) < 2:
        given = f", got only {texts[0]}" if texts else ""
        raise UsageError(f"a sweep needs at least two values of {parameter}{given}; write {parameter}=A,B,C")
    if parameter not in known:  # a strategy that accepts any parameter has no default for it
        return Design(
            base.spec, parameter, in_order(tuple(found.values())), next(iter(found.values())), _baseline(baseline)
        )
    default = found.setdefault(base.spec, Setting(base.strategy.params[parameter], base.spec))
    return Design(base.spec, parameter, in_order(tuple(found.values())), default, _baseline(baseline))


def sweep(
    strategy: str | BatchStrategy,
    parameter: str,
    values: Sequence[Any],
    request: RunRequest | None = None,
    *,
    baseline: bool = True,
    progress: Callable[[bench.Event], None] | None = None,
    **fields: Unpack[RunFields],
) -> Sweep:
    """Train a strategy at several values of one parameter and compare the values; stored jobs are reused.

    Parameters
    ----------
    strategy : spec, or the strategy itself; the parameters in the spec stay fixed
    parameter : name of the parameter that varies
    values : at least two; the default is added if it is missing
    request : what to run; its strategies are replaced by those of the sweep, and references are not trained
    baseline : train the baseline as well, for reference
    progress : called with every event, as in `imbench.run`
    fields : fields of a `RunRequest` as keyword arguments, instead of a request or to change it

    Raises
    ------
    UsageError (and its subclasses DataError, StoreError) before any training.

    Examples
    --------
    ``imbench.sweep("remix", "alpha", [0.05, 0.1, 0.3], datasets=["segment:ir=0.05"]).verdicts("gmean")``
    """
    request = RunRequest.of(request, fields)
    if isinstance(strategy, BatchStrategy):
        registry = request.registry.with_strategies([strategy])
        chosen = design(strategy.spec, parameter, values, registry, baseline=baseline)
        trained: Sequence[str | BatchStrategy] = [registry.strategy(spec) for spec in chosen.strategies]
    else:
        chosen = design(strategy, parameter, values, request.registry, baseline=baseline)
        trained = chosen.strategies
    return chosen.read(bench.run(request.replace(strategies=trained, references=()), progress=progress))


def _with(strategy: str, parameter: str, value: str) -> str:
    """The spec with one more parameter."""
    name, params = parse_spec(strategy)
    return format_spec(name, {**params, parameter: value})


def _baseline(wanted: bool) -> str:
    return BASELINE if wanted else ""
