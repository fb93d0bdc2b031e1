"""Entry points -> strategies, datasets, suites, metrics: names from metadata, objects on selection."""

from __future__ import annotations

import dataclasses
import difflib
import importlib.util
import inspect
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imbench.contract.errors import UsageError
from imbench.contract.spec import FILE_SUFFIXES, build, parse_spec

if TYPE_CHECKING:
    from imbench.contract.records import Card, Dataset
    from imbench.contract.strategy import BatchStrategy

GROUPS = {
    "strategy": "imbench.strategies",
    "dataset": "imbench.datasets",
    "suite": "imbench.suites",
    "metric": "imbench.metrics",
}


@dataclass(frozen=True)
class Entry:
    """One registered name, as its package's metadata states it; nothing of it has been imported.

    Parameters
    ----------
    kind : a key of `GROUPS`; ``name``: the registered name
    package, version : the distribution that registers it, or the path of a plugin file and ""
    value : the object, as ``module:attribute``
    """

    kind: str
    name: str
    package: str
    version: str
    value: str
    target: Any = dataclasses.field(repr=False, compare=False)

    def load(self) -> Any:
        """Import the object. Raises `UsageError` that says which package is at fault and why."""
        if not isinstance(self.target, EntryPoint):
            return self.target
        try:
            return self.target.load()
        except Exception as error:
            # A plugin may fail in any way while importing; whatever it is, the user needs its package and reason.
            raise UsageError(
                f"{self.kind} {self.name!r} of package {self.package} {self.version} cannot be loaded "
                f"({self.value}): {type(error).__name__}: {error}; repair or uninstall {self.package}"
            ) from error


@dataclass(frozen=True)
class Registry:
    """What can be named in a run: the installed packages' entry points, then those of single plugin files.

    Parameters
    ----------
    plugins : paths of Python files; every concrete `BatchStrategy` defined in one is registered under its ``name``.
        With the environment variable ``IMBENCH_DISABLE_PLUGINS`` set to anything but 0, installed packages other than
        imbench are left out.
    """

    plugins: tuple[str, ...] = ()

    def entries(self, kind: str) -> list[Entry]:
        """Every registered name of this kind, sorted by name; two packages with one name give two entries."""
        found = list(_installed(kind))
        if os.environ.get("IMBENCH_DISABLE_PLUGINS", "0") not in ("", "0"):
            found = [entry for entry in found if entry.package == "imbench"]
        if kind == "strategy":
            found += self._from_files
        return sorted(found, key=lambda entry: (entry.name, entry.package))

    def find(self, kind: str, name: str) -> Entry:
        """The entry of this name or ``package/name``.

        Raises `UsageError` with near matches if there is none, with the qualified forms if there are several.
        """
        package, _, short = name.rpartition("/")
        entries = self.entries(kind)
        matches = [e for e in entries if e.name == short and package in ("", e.package)]
        if not matches:
            known = sorted({e.name for e in entries})
            near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
            hint = f"did you mean {' or '.join(near)}? " if near else ""
            raise UsageError(f"unknown {kind} {name!r}; {hint}Installed: {', '.join(known) or 'none'}")
        if len(matches) > 1:
            owners = " and ".join(e.package for e in matches)
            forms = " or ".join(f"{e.package}/{e.name}" for e in matches)
            raise UsageError(f"{kind} {short!r} is registered by {owners}; write {forms}")
        return matches[0]

    def strategy(self, spec: str) -> BatchStrategy:
        """The strategy of a spec such as ``remix:alpha=0.3``."""
        name, params = parse_spec(spec)
        entry = self.find("strategy", name)
        cls = entry.load()
        _check_strategy_class(cls, entry)
        strategy: BatchStrategy = build(cls, params, spec)
        return strategy

    def card(self, spec: str) -> Card:
        """The card of a dataset's spec; for a table, folder or card file of the user's own, read from there."""
        from imbench.data.load import card_of

        name, _ = parse_spec(spec)
        if name.endswith(FILE_SUFFIXES):
            return card_of(spec)
        try:
            card: Card = self.find("dataset", name).load()
        except UsageError as error:
            if not Path(name).is_dir():
                raise
            raise UsageError(f"{error}. A folder of images is named with a slash at its end: {name}/") from None
        return card

    def dataset(self, spec: str, *, mirror: str | None = None, cache: Path | None = None) -> Dataset:
        """The arrays of a dataset's spec; see `imbench.dataset`."""
        from imbench.data.load import load
        from imbench.data.variants import parse_variant

        card = self.card(spec)
        return load(card, parse_variant(spec, card), mirror=mirror, cache=cache)

    @cached_property
    def _from_files(self) -> list[Entry]:
        return [entry for path in self.plugins for entry in _strategies_in(path)]


@lru_cache
def _installed(kind: str) -> tuple[Entry, ...]:
    points = entry_points(group=GROUPS[kind])
    # One distribution can be visible twice (a checkout beside its installed copy); that is no conflict.
    unique = {(_package(p), p.name): p for p in reversed(tuple(points))}
    return tuple(
        Entry(kind, p.name, package, p.dist.version if p.dist else "", p.value, p) for (package, _), p in unique.items()
    )


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist else point.module


@lru_cache
def _strategies_in(path: str) -> tuple[Entry, ...]:
    from imbench.contract.strategy import BatchStrategy

    file = Path(path)
    if not file.is_file() or file.suffix != ".py":
        raise UsageError(f"plugin {path!r} is not a Python file; give the path of a .py file")
    name = f"imbench_plugin_{file.stem}"
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise UsageError(f"plugin {path!r} cannot be read as a Python module")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickle look their module up there
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise UsageError(f"plugin {path!r} cannot be loaded: {type(error).__name__}: {error}") from error
    own = [c for c in vars(module).values() if inspect.isclass(c) and c.__module__ == name]
    strategies = [c for c in own if issubclass(c, BatchStrategy) and not inspect.isabstract(c)]
    if not strategies:
        raise UsageError(f"plugin {path!r} defines no strategy; derive a dataclass from imbench.BatchStrategy")
    return tuple(
        Entry("strategy", getattr(c, "name", c.__name__), path, "", f"{path}:{c.__qualname__}", c) for c in strategies
    )


def _check_strategy_class(cls: Any, entry: Entry) -> None:
    from imbench.contract.strategy import BatchStrategy

    where = f"strategy {entry.name!r} of {entry.package} ({entry.value})"
    if not (inspect.isclass(cls) and issubclass(cls, BatchStrategy)):
        raise UsageError(f"{where} is not a subclass of imbench.BatchStrategy")
    if inspect.isabstract(cls):
        missing = ", ".join(sorted(cls.__abstractmethods__))
        raise UsageError(f"{where} is abstract; define {missing}")
    if not (dataclasses.is_dataclass(cls) and cls.__dataclass_params__.frozen):
        raise UsageError(f"{where} must be a frozen dataclass; decorate it with @dataclass(frozen=True)")
    if getattr(cls, "name", None) != entry.name:
        raise UsageError(f"{where} calls itself {getattr(cls, 'name', None)!r}; set name = {entry.name!r}")


def strategies(plugins: Sequence[str] = ()) -> list[Entry]:
    """Every registered strategy."""
    return Registry(tuple(plugins)).entries("strategy")


def datasets() -> list[Entry]:
    """Every registered dataset."""
    return Registry().entries("dataset")


def suites() -> list[Entry]:
    """Every registered suite."""
    return Registry().entries("suite")


def metrics() -> list[Entry]:
    """Every registered metric."""
    return Registry().entries("metric")


def strategy(spec: str) -> BatchStrategy:
    """The strategy of a spec, for a training loop of your own: ``imbench.strategy("remix:alpha=0.3")``.

    Raises `UsageError` for an unknown name (with near matches), parameter or value.
    """
    return Registry().strategy(spec)


def dataset(spec: str, *, mirror: str | None = None, cache: Path | None = None) -> Dataset:
    """The arrays, names, labels and row numbers of a dataset variant: ``imbench.dataset("segment:ir=0.05")``.

    Parameters
    ----------
    spec : ``segment:ir=0.05``, ``optdigits:task=multiclass,ir=0.1,seed=3``, ``my/table.csv:target=churn``, …
    mirror : folder or http(s) URL that is asked first; default the environment's ``IMBENCH_DATA_MIRROR``
    cache : folder of the copies fetched; default ``IMBENCH_CACHE``, else the platform's per-user cache folder

    Raises `UsageError` for a spec that means nothing, `DataError` for data that cannot be had or is not what its card
    says.
    """
    return Registry().dataset(spec, mirror=mirror, cache=cache)
