"""A sweep: one parameter of one strategy at several values, planned, trained where the store lacks it, and read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imbench.contract.errors import UsageError
from imbench.contract.spec import format_spec, format_value, parse_spec
from imbench.run import bench
from imbench.run.registry import Registry
from imbench.stats.names import BASELINE
from imbench.stats.sweep import Setting, Sweep, in_order
from imbench.store.results import Results


@dataclass(frozen=True)
class Design:
    """What a sweep compares, before any results.

    Parameters
    ----------
    strategy, parameter, settings, default : as in `Sweep`
    baseline : the spec of the reference, or "" without
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
        """The sweep of results that have these strategies."""
        return Sweep(self.strategy, self.parameter, self.settings, self.default, self.baseline, results, alpha)


def design(
    strategy: str, parameter: str, values: Sequence[Any], *, plugins: Sequence[str] = (), baseline: bool = True
) -> Design:
    """Work out what a sweep compares.

    Parameters
    ----------
    strategy : spec; the parameters it states stay fixed
    parameter : the one that changes
    values : at least two, different ones; text is read as in a spec. The default is added if it is not among them
    plugins : paths of Python files that define strategies
    baseline : whether to have the strategy ``baseline`` beside it

    Raises
    ------
    UsageError
        For a strategy or parameter that does not exist, fewer than two values, a value twice or out of its range.
    """
    registry = Registry(tuple(plugins))
    _, fixed = parse_spec(strategy)
    base = registry.select(strategy)
    known = list(base.strategy.params)
    if parameter in fixed:
        raise UsageError(f"{strategy} states {parameter}, which is to be swept; leave it out of the strategy")
    texts = [value if isinstance(value, str) else format_value(value) for value in values]
    found: dict[str, Setting] = {}
    typed: dict[str, str] = {}
    for text in texts:
        spec = _with(strategy, parameter, text)
        selected = registry.select(spec)
        if selected.spec in typed:
            raise UsageError(f"{parameter} has the value {typed[selected.spec]} twice ({text}); keep one")
        typed[selected.spec] = text
        found[selected.spec] = Setting(selected.strategy.params[parameter], selected.spec)
    if len(found) < 2:
        given = f", got {texts[0]} alone" if texts else ""
        raise UsageError(f"a sweep needs at least two values of {parameter}{given}; write {parameter}=A,B,C")
    if parameter not in known:  # of an open-ended strategy, which has no default of what it does not list
        return Design(
            base.spec, parameter, in_order(tuple(found.values())), next(iter(found.values())), _baseline(baseline)
        )
    default = found.setdefault(base.spec, Setting(base.strategy.params[parameter], base.spec))
    return Design(base.spec, parameter, in_order(tuple(found.values())), default, _baseline(baseline))


def sweep(
    strategy: str,
    parameter: str,
    values: Sequence[Any],
    *,
    suite: str | None = None,
    datasets: Sequence[str] = (),
    protocol: str | None = None,
    settings: Mapping[str, str] | None = None,
    store: str | Path = "imbench-store",
    data_mirror: str | None = None,
    plugins: Sequence[str] = (),
    baseline: bool = True,
    retrain: bool = False,
    checks: bool = True,
    jobs: int | None = None,
    device: str = "cpu",
    progress: Callable[[bench.Event], None] | None = None,
) -> Sweep:
    """Train a strategy at several values of one parameter where the store lacks it, and read how it does at each.

    Parameters
    ----------
    strategy : spec; the parameters it states stay fixed
    parameter : the one that changes
    values : at least two; the default is added if it is not among them
    baseline : whether to train the baseline as well, for reference
    suite, datasets, protocol, settings, store, data_mirror, plugins : as in `imbench.run`
    retrain, checks, jobs, device, progress : as in `imbench.run`

    Raises
    ------
    UsageError (and its kinds DataError, StoreError) before any training.

    Examples
    --------
    ``imbench.sweep("remix", "alpha", [0.05, 0.1, 0.3], datasets=["segment:ir=0.05"]).verdicts("gmean")``
    """
    chosen = design(strategy, parameter, values, plugins=plugins, baseline=baseline)
    results = bench.run(
        suite=suite,
        datasets=datasets,
        strategies=chosen.strategies,
        protocol=protocol,
        settings=settings,
        store=store,
        data_mirror=data_mirror,
        plugins=plugins,
        retrain=retrain,
        checks=checks,
        jobs=jobs,
        device=device,
        progress=progress,
    )
    return chosen.read(results)


def _with(strategy: str, parameter: str, value: str) -> str:
    """The spec with one more parameter."""
    name, params = parse_spec(strategy)
    return format_spec(name, {**params, parameter: value})


def _baseline(wanted: bool) -> str:
    return BASELINE if wanted else ""
