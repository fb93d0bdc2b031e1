"""The registry of strategies, references, datasets, suites, metrics and sources, from packages and plugin files."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imbench.contract.entry_points import CORE_PACKAGE, GROUPS, Entry, find, installed, named, translated_errors
from imbench.contract.errors import UsageError
from imbench.contract.search_space import check_search_space, parameters_of
from imbench.contract.spec import NAME_FORMAT, build, check_name, is_own_data, parse_spec

__all__ = [
    "CORE_PACKAGE",
    "GROUPS",
    "Entry",
    "Registry",
    "Selected",
    "dataset",
    "datasets",
    "metrics",
    "strategies",
    "strategy",
    "suites",
]

if TYPE_CHECKING:
    from imbench.contract.records import Card, Dataset, Variant
    from imbench.contract.reference import Reference
    from imbench.contract.strategy import BatchStrategy
    from imbench.data.data_sources import DataSources
    from imbench.data.sources.source_kind import SourceKind
    from imbench.data.suites import Suite
    from imbench.scoring.metrics import Metric
    from imbench.stats.scope import KnownSuite, Scope
    from imbench.store.results import Results


@dataclass(frozen=True)
class Selected:
    """A strategy and its name in results.

    Parameters
    ----------
    strategy : the strategy
    name : name in specs, results and keys: the plain name, or ``package/name`` if another package has the same name.
        Built-in strategies always keep their plain names, so that their results stay valid.
    """

    strategy: BatchStrategy
    name: str

    @property
    def spec(self) -> str:
        """The canonical spec under that name."""
        return self.name + self.strategy.spec.removeprefix(self.strategy.name)


@dataclass(frozen=True)
class Registry:
    """The entry points of installed packages, then the strategies of plugin files.

    Parameters
    ----------
    plugins : paths of Python files; every concrete `BatchStrategy` defined in one is registered under its ``name``.
    classes : unregistered strategies, such as those of a notebook (see `with_strategies`)
    """

    plugins: tuple[str, ...] = ()
    classes: tuple[type[BatchStrategy], ...] = ()

    def __reduce__(self) -> tuple[Any, ...]:
        # Modules of plugin files exist only in this process; unpickling loads the files again.
        return Registry, (self.plugins, self.classes)

    def with_strategies(self, given: Sequence[BatchStrategy]) -> Registry:
        """The registry whose `classes` are those of these strategies, and of the ones inside them, that need it."""
        if not given:
            return dataclasses.replace(self, classes=()) if self.classes else self
        from imbench.checks.source import inside

        found: list[type[BatchStrategy]] = []
        waiting = list(given)
        registered = self.with_strategies(())
        while waiting:
            one = waiting.pop(0)
            waiting += inside(one)
            if type(one) not in found and registered.entry_of(type(one)) is None:
                found.append(type(one))
        return self if tuple(found) == self.classes else dataclasses.replace(self, classes=tuple(found))

    @property
    def bound_to_process(self) -> tuple[str, ...]:
        """Reasons why worker processes cannot import some of `classes`."""
        from imbench.checks.source import bound_to_process

        return tuple(reason for cls in self.classes if (reason := bound_to_process(cls)))

    def entries(self, kind: str) -> list[Entry]:
        """Every registered name of this kind, sorted by name; two packages with one name give two entries."""
        found = installed(kind)
        if kind in _TABLES:
            found = [*_of_table(kind), *(entry for entry in found if entry.package != CORE_PACKAGE)]
        if kind == "strategy":
            found += [*self._from_files, *map(_entry_of_class, self.classes)]
        return sorted(found, key=lambda entry: (entry.name, entry.package))

    def find(self, kind: str, name: str) -> Entry:
        """The entry of this name or ``package/name``.

        Raises `UsageError` for an unknown name, with similar names, and for an ambiguous one, with the qualified names.
        """
        other = next((one for one in _COMPETITORS if kind in _COMPETITORS and one != kind), "")
        if other and not named(self.entries(kind), name) and named(self.entries(other), name):
            raise UsageError(f"{name!r} is a {other}, not a {kind}; choose it with --{other} {name}")
        return find(self.entries(kind), kind, name)

    def canonical(self, entry: Entry) -> str:
        """The name of an entry in results and keys: plain, or ``package/name`` if another package has the same name.

        Built-in entries always keep their plain names, so that their results stay valid.
        """
        # Names that differ only in case could be confused on a page and collide as file names. Strategies and
        # references compete on one board.
        kinds = _COMPETITORS if entry.kind in _COMPETITORS else (entry.kind,)
        others = (other for kind in kinds for other in self.entries(kind))
        alone = sum(other.name.lower() == entry.name.lower() for other in others) == 1
        if alone or entry.package == CORE_PACKAGE:
            return entry.name
        if entry.from_file:
            _check_stem(entry)
        return entry.qualified

    def resolve(self, kind: str, canonical: str) -> Entry:
        """The entry that `canonical` gave this name; raises as `find`."""
        own = [e for e in named(self.entries(kind), canonical) if e.package == CORE_PACKAGE and canonical == e.name]
        return own[0] if own else self.find(kind, canonical)

    def strategy(self, spec: str) -> BatchStrategy:
        """The strategy of a spec such as ``remix:alpha=0.3``."""
        return self.select(spec).strategy

    def select(self, spec: str) -> Selected:
        """The strategy of a spec and its name in results."""
        name, params = parse_spec(spec)
        return self._made(self.find("strategy", name), params, spec)

    def select_object(self, strategy: BatchStrategy) -> Selected:
        """A strategy object and its name in results; its class must be registered or added by `with_strategies`."""
        entry = self.entry_of(type(strategy))
        if entry is None:
            raise UsageError(f"{type(strategy).__name__} is not registered; add it with Registry.with_strategies")
        _check_strategy_class(type(strategy), entry)
        selected = Selected(strategy, self.canonical(entry))
        try:
            twin, reason = self.planned_strategy(selected.spec), f"{selected.spec} makes another strategy"
        except UsageError as error:
            twin, reason = None, str(error)
        if twin != strategy:
            raise UsageError(
                f"{strategy!r} cannot be written as a spec: {reason}; give its parameters plain values (numbers, text, "
                "true or false, tuples of those, or strategies)"
            )
        return selected

    def entry_of(self, cls: type) -> Entry | None:
        """The entry that gives this class; None if it is registered nowhere."""
        for entry in named(self.entries("strategy"), getattr(cls, "name", cls.__name__)):
            try:
                if entry.load() is cls:
                    return entry
            except UsageError:  # of another package, which does not load
                continue
        return None

    def owners(self, strategy: BatchStrategy) -> list[Entry]:
        """The entries of a strategy and of those inside it."""
        from imbench.checks.source import inside

        own = self.entry_of(type(strategy))
        inner = [entry for one in inside(strategy) for entry in self.owners(one)]
        return list(dict.fromkeys([*([own] if own else []), *inner]))

    def planned_strategy(self, spec: str) -> BatchStrategy:
        """The strategy of a spec that `Selected.spec` gave."""
        name, params = parse_spec(spec)
        return self._made(self.resolve("strategy", name), params, spec, self.planned_strategy).strategy

    def every_strategy(self) -> tuple[list[Selected], list[tuple[str, str]]]:
        """All loadable strategies with default parameters, and ``(package/name, reason)`` of the others."""
        found, broken = [], []
        for entry in self.entries("strategy"):
            try:
                found.append(self._made(entry, {}, entry.qualified))
            except UsageError as error:
                broken.append((entry.qualified, str(error)))
        return found, broken

    def reference(self, spec: str) -> Reference:
        """The reference of a spec such as ``hist-gradient-boosting:max_iter=300``."""
        name, params = parse_spec(spec)
        return self._reference(self.find("reference", name), params, spec)

    def planned_reference(self, spec: str) -> Reference:
        """The reference of a spec that `Reference.spec` gave."""
        name, params = parse_spec(spec)
        return self._reference(self.resolve("reference", name), params, spec)

    def built_in_references(self) -> list[Reference]:
        """The references of imbench, with default parameters."""
        own = (entry for entry in self.entries("reference") if entry.package == CORE_PACKAGE)
        return [self._reference(entry, {}, entry.name) for entry in own]

    def card(self, spec: str, *, planned: bool = False) -> Card:
        """The card of a dataset spec; for user data it is read from the file or folder.

        ``planned``: whether the spec comes from `variant` instead of a user.
        """
        from imbench.data.data_sources import card_of

        name, _ = parse_spec(spec)
        if is_own_data(name):
            return card_of(spec)
        try:
            card: Card = self._dataset_entry(name, planned).load_as(_card_class())
        except UsageError as error:
            if reason := self.no_table(name):
                raise UsageError(reason) from error
            raise
        return card

    def no_table(self, name: str) -> str:
        """The error for an unknown name that is, or looks like, the path of a file; "" for any other name."""
        from imbench.data.other_formats import no_table

        packages = {entry.package for kind in GROUPS for entry in self.entries(kind)} if "/" in name else ()
        return no_table(name, packages)

    def variant(self, spec: str, *, planned: bool = False) -> Variant:
        """The variant of a dataset spec, with the dataset's name in results."""
        return self._variant(spec, self.card(spec, planned=planned), planned)

    def dataset(
        self,
        spec: str,
        sources: DataSources,
        *,
        planned: bool = False,
        download: bool = True,
        column: str = "",
        draws: int = 1,
    ) -> Dataset:
        """The arrays of a dataset's spec; see `imbench.dataset` and, for the last three, `DataSources.load`."""
        from imbench.data.cache import using

        with using(sources.cache):
            card = self.card(spec, planned=planned)
            variant = self._variant(spec, card, planned)
            return sources.load(card, variant, download=download, column=column, draws=draws)

    def suite(self, name: str) -> Suite:
        """The suite of this name, or in the ``.toml`` file of this path."""
        from imbench.data.suites import Suite, load_suite

        if name.endswith(".toml"):
            return load_suite(name)
        suite: Suite = self.find("suite", name).load_as(Suite)
        return suite

    def known_suites(self) -> tuple[KnownSuite, ...]:
        """Every loadable suite with its specs as in results, to find the suites that a store covers."""
        from imbench.stats.scope import KnownSuite

        found = []
        for entry in self.entries("suite"):
            try:
                suite = self.suite(entry.qualified)
            except UsageError:  # imbench list --check names a broken package
                continue
            entries = tuple((self.stored_spec(e.spec), self.stored_spec(e.fallback or "")) for e in suite.entries)
            found.append(KnownSuite(self.canonical(entry), entries))
        return tuple(found)

    def families(self) -> dict[str, str]:
        """The family of every loadable dataset that has one, by the dataset's name in results."""
        found = {}
        for entry in self.entries("dataset"):
            try:
                family = entry.load_as(_card_class()).family
            except UsageError:  # imbench list --check names a broken package
                continue
            if family:
                found[self.canonical(entry)] = family
        return found

    def scope(self) -> Scope:
        """What boards of a store need to know: the installed suites, and the families of datasets."""
        from imbench.stats.scope import Scope

        return Scope(suites=self.known_suites(), families=self.families())

    def stored_spec(self, spec: str) -> str:
        """A dataset spec as in results; unchanged if its card is not installed."""
        try:
            return self.variant(spec).spec if spec else ""
        except UsageError:
            return spec

    def metric(self, name: str) -> Metric:
        """The metric of this name."""
        from imbench.scoring.metrics import Metric

        metric: Metric = self.find("metric", name).load_named(Metric)
        return metric

    def source(self, name: str) -> SourceKind:
        """The kind of source of this name."""
        from imbench.data.sources.source_kind import SourceKind

        kind: SourceKind = self.find("source", name).load_named(SourceKind)
        return kind

    def with_metrics(self, results: Results, names: Sequence[str]) -> Results:
        """The results with the columns of these metrics; metrics of packages are computed from predictions."""
        from imbench.scoring.metrics import METRICS
        from imbench.store.added import with_metrics

        return with_metrics(results, [self.metric(name) for name in names if name not in METRICS])

    def state(self, entry: Entry) -> str:
        """The error of loading an entry; "" if it loads."""
        try:
            _CHECKS[entry.kind](self, entry)
        except UsageError as error:
            return str(error)
        return ""

    def _made(
        self,
        entry: Entry,
        params: Mapping[str, str],
        spec: str,
        inner: Callable[[str], BatchStrategy] | None = None,
    ) -> Selected:
        """``inner`` makes a strategy that is a parameter of this one, from its spec."""
        from imbench.contract.strategy import BatchStrategy

        cls = entry.load()
        with entry.translate_errors("made"):
            _check_strategy_class(cls, entry)
            made = Selected(build(cls, params, spec, {BatchStrategy: inner or self.strategy}), self.canonical(entry))
            _check_spec(made.spec, spec)
        return made

    def _reference(self, entry: Entry, params: Mapping[str, str], spec: str) -> Reference:
        from imbench.contract.reference import make_reference

        factory = entry.load()
        with entry.translate_errors("made"):
            made = make_reference(self.canonical(entry), factory, params, spec)
            _check_spec(made.spec, spec)
            if entry.package != CORE_PACKAGE:  # those of imbench would import scikit-learn, which takes a second
                made.make()
        return made

    def _variant(self, spec: str, card: Card, planned: bool) -> Variant:
        from imbench.data.variants import parse_variant

        variant = parse_variant(spec, card)
        if variant.is_file:
            return variant
        return dataclasses.replace(variant, dataset=self.canonical(self._dataset_entry(parse_spec(spec)[0], planned)))

    def _dataset_entry(self, name: str, planned: bool) -> Entry:
        return self.resolve("dataset", name) if planned else self.find("dataset", name)

    @cached_property
    def _from_files(self) -> list[Entry]:
        files = {Path(path).resolve(): path for path in reversed(self.plugins)}  # a file given twice is one file
        return [entry for path in reversed(files.values()) for entry in _strategies_in(path)]


# Kinds whose entries must have different names in results.
_COMPETITORS = ("strategy", "reference")


def _card_class() -> type:
    from imbench.contract.records import Card

    return Card


# How an entry of each kind is validated.
_CHECKS: Mapping[str, Callable[[Registry, Entry], Any]] = {
    "strategy": lambda registry, entry: registry._made(entry, {}, entry.qualified),
    "reference": lambda registry, entry: registry.reference(entry.qualified).make(),
    "dataset": lambda registry, entry: entry.load_as(_card_class()),
    "suite": lambda registry, entry: registry.suite(entry.qualified),
    "metric": lambda registry, entry: registry.metric(entry.qualified),
    "source": lambda registry, entry: registry.source(entry.qualified),
}


def _metrics() -> Mapping[str, Any]:
    from imbench.scoring.metrics import METRICS

    return METRICS


def _sources() -> Mapping[str, Any]:
    from imbench.data.sources.kinds import KINDS

    return KINDS


# Kinds whose built-in entries are listed in a table, and the module of that table.
_TABLES: Mapping[str, tuple[Callable[[], Mapping[str, Any]], str]] = {
    "metric": (_metrics, "imbench.scoring.metrics"),
    "source": (_sources, "imbench.data.sources.kinds"),
}


def _of_table(kind: str) -> list[Entry]:
    table, place = _TABLES[kind]
    known = version(CORE_PACKAGE)
    return [Entry(kind, name, CORE_PACKAGE, known, f"{place}:{name}", one) for name, one in table().items()]


def _check_stem(entry: Entry) -> None:
    """Raise UsageError if ``file/name``, the name of a plugin file's strategy in results, is not a valid name."""
    try:
        check_name(Path(entry.package).stem, "it")
    except UsageError:
        raise UsageError(
            f"strategy {entry.name!r} of plugin file {entry.package!r} shares its name, so results call it "
            f"{entry.qualified!r}, which is not a valid name: rename the file; {NAME_FORMAT}"
        ) from None


def _check_spec(canonical: str, spec: str) -> None:
    """Raise UsageError for a spec that cannot be printed, or that looks like a competitor under a decision rule."""
    from imbench.scoring.rules import EACH, RULES

    last = canonical.rpartition("+")[2]
    if "+" in canonical and last in (*RULES, EACH):
        raise UsageError(f"{spec!r} ends with +{last}, which denotes a decision rule; use another value")
    if not canonical.isprintable():
        raise UsageError(f"{spec!a} has a character that cannot be printed; use another value")


def _strategies_in(path: str) -> tuple[Entry, ...]:
    file = Path(path)
    if not file.is_file() or file.suffix != ".py":
        raise UsageError(f"plugin {path!r} is not a Python file; give the path of a .py file")
    return _defined_in(path, file.resolve(), hashlib.sha256(file.read_bytes()).hexdigest())


# One file is one module, so that its classes are the same each time, until somebody edits it.
@lru_cache
def _defined_in(path: str, file: Path, content: str) -> tuple[Entry, ...]:
    from imbench.contract.strategy import BatchStrategy

    # Files of one name in two folders are two modules.
    name = f"imbench_plugin_{file.stem}_{hashlib.sha256(str(file).encode()).hexdigest()[:8]}"
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise UsageError(f"plugin {path!r} cannot be read as a Python module")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickle look their module up there
    with translated_errors(f"plugin {path!r} cannot be loaded", f"repair {path}", passing=()):
        spec.loader.exec_module(module)
        own = [c for c in vars(module).values() if inspect.isclass(c) and c.__module__ == name]
        strategies = [c for c in own if issubclass(c, BatchStrategy) and not inspect.isabstract(c)]
        names = [getattr(c, "name", c.__name__) for c in strategies]
    if not strategies:
        raise UsageError(f"plugin {path!r} defines no strategy; derive a dataclass from imbench.BatchStrategy")
    for c, called in zip(strategies, names, strict=True):
        check_name(called, f"{c.__qualname__} of plugin {path!r}")
    return tuple(
        Entry("strategy", called, path, "", f"{path}:{c.__qualname__}", c)
        for c, called in zip(strategies, names, strict=True)
    )


def _entry_of_class(cls: type) -> Entry:
    package = cls.__module__.partition(".")[0]
    return Entry(
        "strategy", getattr(cls, "name", cls.__name__), package, "", f"{cls.__module__}:{cls.__qualname__}", cls
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
    check_search_space(cls.search_space, parameters_of(cls), where)


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

    Raises `UsageError` for an unknown name (with similar names), parameter or value.
    """
    return Registry().strategy(spec)


def dataset(spec: str, *, mirror: str | None = None, cache: Path | None = None) -> Dataset:
    """The arrays, names, labels and row numbers of a dataset variant: ``imbench.dataset("segment:ir=0.05")``.

    Parameters
    ----------
    spec : ``segment:ir=0.05``, ``optdigits:task=multiclass,ir=0.1,seed=3``, ``my/table.csv:target=churn``, …
    mirror : folder or HTTP(S) URL to search first; default: the environment variable ``IMBENCH_DATA_MIRROR``
    cache : folder of downloaded copies; default: ``IMBENCH_CACHE``, or the platform's per-user cache folder

    Raises `UsageError` for an invalid spec, and `DataError` for data that is unavailable or differs from its card.
    """
    from imbench.data.data_sources import DataSources

    return Registry().dataset(spec, DataSources.open(mirror, cache))
