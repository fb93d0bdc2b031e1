"""From a request to jobs: names resolved, data located, and everything checked before any training."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, Unpack

from imbench.checks.source import is_known, package_source, source_hash
from imbench.contract.errors import DataError, UsageError
from imbench.contract.names import counted
from imbench.contract.protocol import Protocol
from imbench.contract.records import REFERENCE, STRATEGY, Card, Job, Trial, Variant
from imbench.contract.reference import Reference
from imbench.contract.spec import parse_spec
from imbench.contract.strategy import BatchStrategy
from imbench.data.data_sources import DataSources
from imbench.data.folds import check_folds, make_folds, rows_lacking, training_share
from imbench.data.suites import Suite, SuiteEntry
from imbench.data.variants import class_names, expected_counts, task_of
from imbench.engine.architectures import architecture_of
from imbench.engine.train import steps_per_epoch
from imbench.runs.protocols import DEFAULT_PROTOCOL, load_protocol
from imbench.runs.registry import Entry, Registry, Selected
from imbench.runs.request import RunFields, RunRequest
from imbench.runs.shards import plan_id
from imbench.runs.trials import own_space, reference_trials, trials_of
from imbench.stats.names import file_name
from imbench.store.store import Store

# Fixed seconds per step of a small net, and rate of matrix products, for the fused engine on one core of 2021
# (docs/decisions/0001). Only their ratio matters.
SECONDS_PER_STEP, RATE = 2.5e-5, 6e10

# The same for a reference: about the time of boosted trees, which take longest.
SECONDS_PER_FIT, SECONDS_PER_VALUE = 0.3, 5e-7

# Placeholder for the hash of data that a dry run does not fetch.
NOT_FETCHED = "not fetched"

SHOWN_COLUMNS = 8


@dataclass(frozen=True)
class Size:
    """Amount of work of a job.

    Parameters
    ----------
    class_counts : rows of each class
    folds : folds of all repeats
    nets, steps : nets to train, and gradient steps of all of them; 0 for a reference
    cost : rough seconds on one core; orders long jobs first and estimates the time left
    """

    class_counts: tuple[int, ...]
    folds: int
    nets: int
    steps: int
    cost: float

    @property
    def ir(self) -> float:
        """Rows of the smallest class over rows of the largest."""
        return min(self.class_counts) / max(self.class_counts)


@dataclass(frozen=True)
class Origin:
    """Source code of a strategy or reference.

    Parameters
    ----------
    package, package_version : distributions of the strategy and its inner strategies, joined with ``, ``; for a plugin
        file its name and ""
    package_source : see `imbench.checks.source.package_source`, joined likewise; "" for a plugin file
    source_hash : see `imbench.checks.source.source_hash`
    """

    package: str
    package_version: str
    package_source: str
    source_hash: str

    @property
    def packages(self) -> list[str]:
        """The installed distributions that the strategy is of."""
        pairs = zip(self.package.split(", "), self.package_version.split(", "), strict=True)
        return [name for name, version in pairs if version]


@dataclass(frozen=True)
class Plan:
    """The jobs of a run, and how they differ from the request.

    Parameters
    ----------
    jobs : every job, pending or done
    done : keys of the jobs that the store already has
    wanted : number of requested configurations
    unavailable : ``(spec, reason)`` of skipped configurations
    substituted : ``(wanted spec, spec used instead)`` of fallbacks
    skipped : ``(names, reason)`` of installed strategies and references, not requested by name, that could not be
        loaded or do not support some of the datasets
    protocol : the requested protocol, before its exceptions for single datasets
    request : the request that was planned
    constant : ``(dataset, columns)`` of user data with constant columns
    same : ``(file, other file)`` with equal data, which are trained on once
    suite : name of the suite; "" if single datasets were also requested
    origins : source code of each strategy and reference, by spec
    changed : stored jobs of the same spec and version whose strategy or reference had different source code
    cards : card of each configuration, by the spec of its variant
    strategies, references : strategy and reference of each spec
    shard_of : number of jobs of the plan of which this is a shard; 0 for a whole plan
    defaults : for the strategy of each trial, that of trial 1, by spec
    """

    jobs: tuple[Job, ...]
    done: frozenset[str]
    wanted: int
    unavailable: tuple[tuple[str, str], ...]
    substituted: tuple[tuple[str, str], ...]
    skipped: tuple[tuple[str, str], ...]
    protocol: Protocol
    request: RunRequest = field(default_factory=RunRequest)
    sizes: Mapping[str, Size] | None = None
    constant: tuple[tuple[str, tuple[str, ...]], ...] = ()
    same: tuple[tuple[str, str], ...] = ()
    suite: str = ""
    origins: Mapping[str, Origin] = field(default_factory=dict)
    changed: tuple[Job, ...] = ()
    cards: Mapping[str, Card] = field(default_factory=dict)
    strategies: Mapping[str, BatchStrategy] = field(default_factory=dict)
    shard_of: int = 0
    references: Mapping[str, Reference] = field(default_factory=dict)
    defaults: Mapping[str, str] = field(default_factory=dict)

    @property
    def trials(self) -> tuple[Job, ...]:
        """The jobs of trials other than the default configuration."""
        return tuple(job for job in self.jobs if job.trial is not None)

    @property
    def id(self) -> str:
        """A short id of the jobs, equal for equal plans (see `imbench.runs.shards.Shard`)."""
        return plan_id([job.key for job in self.jobs])

    def shard(self) -> Plan:
        """The share of the jobs that the request asks for; this plan if it asks for no share.

        Raises `UsageError` for a shard of another plan.
        """
        if self.request.shard is None:
            return self
        keys = self.request.shard.keys({job.key: self.size(job).cost for job in self.jobs})
        jobs = tuple(job for job in self.jobs if job.key in keys)
        elsewhere = len(self.configurations) - len({job.variant for job in jobs})
        return replace(
            self,
            jobs=jobs,
            wanted=self.wanted - elsewhere,  # what other shards train is not missing here
            changed=tuple(job for job in self.changed if job.key in keys),
            shard_of=len(self.jobs),
        )

    @property
    def store(self) -> Path:
        """Folder of results."""
        return self.request.store

    @property
    def registry(self) -> Registry:
        """The registry that the request was planned with."""
        return self.request.registry

    @property
    def pending(self) -> tuple[Job, ...]:
        """The jobs that are not stored yet."""
        return tuple(job for job in self.jobs if job.key not in self.done)

    @property
    def retrained(self) -> tuple[Job, ...]:
        """The pending jobs that have a result of other source, which is kept until the new one is stored."""
        return self.changed if self.request.retrain else ()

    @cached_property
    def configurations(self) -> tuple[Variant, ...]:
        """The dataset configurations that are trained on."""
        return tuple(dict.fromkeys(job.variant for job in self.jobs))

    @property
    def families(self) -> dict[str, str]:
        """The family of each dataset that has one, by the dataset's name in results."""
        cards = {variant.dataset: self.cards.get(variant.spec) for variant in self.configurations}
        return {name: card.family for name, card in cards.items() if card is not None and card.family}

    @property
    def unfetched(self) -> tuple[str, ...]:
        """Datasets that a run would fetch first (only after planning with ``fetch=False``)."""
        return tuple(dict.fromkeys(job.variant.dataset for job in self.jobs if job.data_hash == NOT_FETCHED))

    @property
    def nets(self) -> int:
        """Nets still to train."""
        return sum(self.size(job).nets for job in self.pending)

    @property
    def steps(self) -> int:
        """Maximum number of gradient steps still to take, over all nets; protocols with early stopping take fewer."""
        return sum(self.size(job).steps for job in self.pending)

    @property
    def work(self) -> str:
        """The pending work: ``135 of strategies and 189 of references; 2,700 nets, at most 1,350,000 steps``."""
        references = sum(job.is_reference for job in self.pending)
        strategies = len(self.pending) - references
        kinds = f"{strategies:,} of strategies and {references:,} of references; " if references else ""
        return f"{kinds}{counted(self.nets, 'net')}, at most {counted(self.steps, 'step')}"

    def size(self, job: Job) -> Size:
        """The work of one job, from the card's class counts."""
        return (self.sizes or {})[job.key]

    @property
    def coverage(self) -> str:
        """``Data ready: 27 configurations of 9 datasets``, or ``Data ready: 12 of 27 configurations``.

        Planned without fetching: ``27 configurations of 9 datasets; the data of 15 is not fetched yet``.
        """
        found, families = len(self.configurations), self.families
        datasets = len({families.get(variant.dataset, variant.dataset) for variant in self.configurations})
        missing = len({job.variant for job in self.jobs if job.data_hash == NOT_FETCHED})
        count = counted(datasets, "dataset")
        if found != datasets:
            count = f"{counted(found, 'configuration')} of {count}"
        if missing:
            return f"{count}; the data of {missing} is not fetched yet"
        if found != self.wanted:
            count = f"{found} of {counted(self.wanted, 'configuration')}"
        return f"Data ready: {count}"

    @property
    def notes(self) -> list[str]:
        """Messages about this run: coverage, fallbacks, skipped data and strategies, and changed source code."""
        notes = [self.coverage]
        notes += [f"{used} replaces {wanted}, which is unavailable" for wanted, used in self.substituted]
        reasons = dict.fromkeys(reason for _, reason in self.unavailable)
        for reason in reasons:
            specs = [spec for spec, given in self.unavailable if given == reason]
            notes.append(f"skipped: {', '.join(specs)} ({reason})")
        notes += [f"skipped: {name} ({reason})" for name, reason in self.skipped]
        notes += [f"{name} has the same data as {known}, which is trained on once" for name, known in self.same]
        notes += [_constant_note(name, columns) for name, columns in self.constant]
        notes += dict.fromkeys(filter(None, (_split_note(job, self.cards.get(job.variant.spec)) for job in self.jobs)))
        notes += self._of_tuning()
        if self.shard_of:
            notes.append(f"shard {self.request.shard}: {len(self.jobs):,} of {counted(self.shard_of, 'job')}")
        return [*notes, *self._of_changed_source()]

    def _of_tuning(self) -> list[str]:
        """How many trials there are, and which strategies have no parameters of their own to tune."""
        if self.request.tune is None:
            return []
        tuned = {
            kind: {self.defaults[j.strategy] for j in self.jobs if j.kind == kind} for kind in (STRATEGY, REFERENCE)
        }
        plain = sorted(spec for spec in tuned[STRATEGY] if not own_space(self.strategies[spec]))
        untuned = sorted(spec for spec in tuned[REFERENCE] if not self.references[spec].search_space)
        only = f"; {', '.join(plain)}: only the fields of the protocol are tuned" if plain else ""
        only += f"; {', '.join(untuned)}: nothing to tune" if untuned else ""
        each = counted(self.request.tune, "trial")
        among = [counted(len(tuned[STRATEGY]), "strategy", "strategies")]
        among += [counted(len(tuned[REFERENCE]), "reference")] if tuned[REFERENCE] else []
        return [
            f"tuning: {each} of each of {' and '.join(among)} on {counted(len(self.configurations), 'configuration')}, "
            f"{len(self.trials):,} besides the default {'one' if len(self.jobs) == 1 else 'ones'}{only}"
        ]

    def _of_changed_source(self) -> list[str]:
        """For each strategy whose source code changed since jobs were stored: which jobs, and what to do."""
        found: dict[str, list[Job]] = {}
        for job in self.changed:
            found.setdefault(job.strategy, []).append(job)
        advice = (
            "they are retrained" if self.request.retrain else "give --retrain to retrain them, or raise the version"
        )
        return [
            f"the source of {spec} (version {jobs[0].strategy_version}) changed since "
            f"{counted(len(jobs), 'job was', 'jobs were')} stored: {', '.join(job.variant.spec for job in jobs)}; "
            f"{advice}"
            for spec, jobs in found.items()
        ]

    def to_json(self) -> dict[str, Any]:
        """The plan as plain values."""
        return {
            "protocol": {"name": self.protocol.name, **self.protocol.identity()},
            "store": str(self.store),
            "coverage": self.coverage,
            "unavailable": [{"dataset": s, "reason": r} for s, r in self.unavailable],
            "substituted": [{"wanted": w, "used": u} for w, u in self.substituted],
            "skipped": [{"strategy": s, "reason": r} for s, r in self.skipped],
            "unfetched": list(self.unfetched),
            "nets": self.nets,
            "steps": self.steps,
            "tune": self.request.tune,
            "trials": len(self.trials),
            "jobs": [
                {
                    "key": job.key if job.data_hash != NOT_FETCHED else None,
                    "dataset": job.variant.spec,
                    "strategy": job.strategy,
                    "kind": job.kind,
                    "trial": job.trial.number if job.trial else 1,
                    "protocol": job.protocol.name,
                    "done": job.key in self.done,
                    "changed_source": job in self.changed,
                    "nets": self.size(job).nets,
                    "steps": self.size(job).steps,
                }
                for job in self.jobs
            ],
        }


def plan(request: RunRequest | None = None, *, fetch: bool = True, **fields: Unpack[RunFields]) -> Plan:
    """Plan the jobs of a run; nothing is trained.

    Parameters
    ----------
    request : what to run
    fetch : download missing data; otherwise the plan lists the data that a run would fetch
    fields : fields of a `RunRequest` as keyword arguments, instead of a request or to change it

    Raises
    ------
    UsageError
        For an unknown name, a value out of range, a named dataset that is unavailable, or a suite without any available
        dataset; with ``strict`` for every dataset that is unavailable.
    """
    request = RunRequest.of(request, fields)
    registry = request.registry
    listed = registry.suite(request.suite) if request.suite else None
    protocol = load_protocol(request.protocol or (listed and listed.protocol) or DEFAULT_PROTOCOL, request.settings)
    chosen, skipped = _strategies(registry, request.strategies)
    references = _references(registry, request.references, [one.spec for one in chosen])
    entries = _entries(listed, request.datasets)
    data = _Data(registry, request.sources, fetch, protocol)
    modality = {entry.spec: data.card(entry.spec).modality for entry in entries}
    skipped += _unserved({s.spec: s.strategy.modalities for s in chosen}, modality, bool(request.strategies))
    skipped += _together(
        _unserved({r.spec: r.modalities for r in references}, modality, request.references is not None)
    )
    store = Store.open(request.store, create=fetch) if fetch or request.store.exists() else None
    # Keyed by content: user data under two paths is one configuration.
    found: dict[Variant, tuple[Variant, _Hashes]] = {}
    wanted: set[Variant] = set()
    unavailable, substituted = [], []
    same: dict[str, str] = {}
    cards: dict[str, Card] = {}
    for entry in entries:
        used, reason = data.first_available(entry)
        wanted.add(data.identity(used) if used == entry.spec else data.variant(entry.spec))
        if used is None:
            unavailable.append((entry.spec, reason))
            continue
        if used != entry.spec:
            substituted.append((entry.spec, used))
        known, _ = found.setdefault(data.identity(used), (data.variant(used), data.hashes(used)))
        cards.setdefault(data.variant(used).spec, data.card(used))
        same |= {file_name(data.variant(used).dataset): file_name(known.dataset)}
    _refuse(request, unavailable, substituted, complete=bool(found))
    jobs, sizes, constant = [], {}, {}
    trained, defaults = {one.spec: one for one in chosen}, {one.spec: one.spec for one in chosen}
    fitted, fitted_defaults = {one.spec: one for one in references}, {one.spec: one.spec for one in references}
    trials = request.tune or 1
    for variant, hashes in found.values():
        card = cards[variant.spec]
        if card.constant:
            constant[card.name] = card.constant
        resolved = data.protocol_of(variant, card)
        for selected in (s for s in chosen if card.modality in s.strategy.modalities):
            for number, (one, its) in enumerate(trials_of(selected, resolved, card.modality, trials), 1):
                trial = Trial(number, selected.spec, resolved.name) if number > 1 else None
                strategy = one.strategy
                job = Job(variant, one.spec, one.name, strategy.version, strategy.params, its, *hashes, trial=trial)
                jobs.append(job)
                sizes[job.key] = _size(card, variant, its)
                trained.setdefault(one.spec, one)
                defaults.setdefault(one.spec, selected.spec)
        for default in (r for r in references if card.modality in r.modalities):
            for number, made in enumerate(reference_trials(default, trials), 1):
                trial = Trial(number, default.spec, resolved.name) if number > 1 else None
                params = dict(made.params)
                job = Job(variant, made.spec, made.name, made.version, params, resolved, *hashes, REFERENCE, trial)
                jobs.append(job)
                sizes[job.key] = _size_of_reference(card, variant, resolved)
                fitted.setdefault(made.spec, made)
                fitted_defaults.setdefault(made.spec, default.spec)
    origins = {one.spec: _origin(registry.owners(one.strategy), one.strategy) for one in chosen}
    origins |= {one.spec: _origin([registry.resolve("reference", one.name)], one) for one in references}
    defaults |= fitted_defaults
    origins = {spec: origins[default] for spec, default in defaults.items()}
    stored = {} if store is None else store.contents().intact_sources([job.key for job in jobs])
    changed = [job for job in jobs if _differ(stored.get(job.key, ""), origins[job.strategy].source_hash)]
    whole = Plan(
        tuple(jobs),
        frozenset(stored.keys() - {job.key for job in changed if request.retrain}),
        len(wanted),
        tuple(unavailable),
        tuple(substituted),
        tuple(skipped),
        protocol,
        request,
        sizes,
        tuple(constant.items()),
        tuple((name, known) for name, known in same.items() if name != known),
        listed.name if listed and not request.datasets else "",
        origins,
        tuple(changed),
        cards,
        {spec: one.strategy for spec, one in trained.items()},
        references=fitted,
        defaults=defaults,
    )
    _check_splits(whole)
    # Which jobs are whose is known with the hashes of all data.
    return whole if whole.unfetched else whole.shard()


def _check_splits(plan: Plan) -> None:
    """Make the folds of pending jobs whose split may be impossible with this data. Raises `DataError` if one is."""
    configurations = {(job.variant, job.protocol) for job in plan.pending if job.data_hash != NOT_FETCHED}
    for variant, protocol in configurations:
        if protocol.split_column:
            sources, column = plan.request.sources, protocol.split_column
            registry, draws = plan.registry, protocol.draws
            make_folds(registry.dataset(variant.spec, sources, planned=True, column=column, draws=draws), protocol)


def _constant_note(dataset: str, columns: Sequence[str]) -> str:
    shown = ", ".join(columns[:SHOWN_COLUMNS]) + (", …" if len(columns) > SHOWN_COLUMNS else "")
    found = counted(len(columns), "constant column is", "constant columns are")
    return f"{file_name(dataset)}: {found} left out: {shown}"


class _Hashes(NamedTuple):
    """The hashes of a job's data; see `imbench.contract.records.Job`."""

    data: str
    split: str = ""


@dataclass
class _Data:
    """Cards, variants and hashes, each looked up once."""

    registry: Registry
    sources: DataSources
    fetch: bool
    protocol: Protocol

    def __post_init__(self) -> None:
        self._cards: dict[str, Card] = {}
        self._variants: dict[str, Variant] = {}
        self._hashes: dict[tuple[Card, str], _Hashes | DataError] = {}

    def card(self, spec: str) -> Card:
        if spec not in self._cards:
            self._cards[spec] = self.registry.card(spec)
        return self._cards[spec]

    def variant(self, spec: str) -> Variant:
        if spec not in self._variants:
            self._variants[spec] = self.registry.variant(spec)
        return self._variants[spec]

    def identity(self, spec: str) -> Variant:
        """The variant of a spec with available data; for a file, the hashes of its data replace its path."""
        variant, hashes = self.variant(spec), self.hashes(spec)
        return replace(variant, dataset="".join(hashes)) if variant.is_file and hashes.data != NOT_FETCHED else variant

    def protocol_of(self, variant: Variant, card: Card) -> Protocol:
        """The protocol with its exceptions for a variant."""
        downsampled = variant.ir is not None
        return self.protocol.for_dataset(variant.dataset, variant.task, card.modality, downsampled=downsampled)

    def hashes(self, spec: str) -> _Hashes:
        """The hashes of the data behind a spec, fetched if needed; `DataError` if it is unavailable."""
        card = self.card(spec)
        key = card, self.protocol_of(self.variant(spec), card).split_column
        if key not in self._hashes:
            self._hashes[key] = self._look_up(*key)
        found = self._hashes[key]
        if isinstance(found, DataError):
            raise found
        return found

    def first_available(self, entry: SuiteEntry) -> tuple[str | None, str]:
        """The spec of the entry if its data is available, else its fallback; None and a reason if neither is."""
        reasons = []
        for spec in filter(None, (entry.spec, entry.fallback)):
            card, variant = self.card(spec), self.variant(spec)
            # A bad spec or split is the user's error, not missing data.
            counts = expected_counts(card, variant)
            protocol = self.protocol_of(variant, card)
            check_folds(card, protocol)
            names = class_names(tuple(card.class_counts), variant.task, task_of(card, variant.task).minority)
            try:
                if short := rows_lacking(counts, names, variant, protocol):
                    raise DataError(short)
                self.hashes(spec)
            except DataError as error:
                reasons.append(str(error))
            else:
                return spec, ""
        return None, reasons[0]

    def _look_up(self, card: Card, column: str) -> _Hashes | DataError:
        try:
            copy = (self.sources.fetch if self.fetch else self.sources.present)(card, column)
        except DataError as error:
            return error
        return _Hashes(NOT_FETCHED) if copy is None else _Hashes(copy.data_hash, copy.split_hashes.get(column, ""))


def _origin(entries: Sequence[Entry], strategy: BatchStrategy | Reference) -> Origin:
    owners = {Path(e.package).name: e for e in entries}
    versions = [entry.version for entry in owners.values()]
    sources = ["" if entry.from_file else package_source(entry.package) for entry in owners.values()]
    return Origin(", ".join(owners), ", ".join(versions), ", ".join(sources), source_hash(strategy))


def _differ(stored: str, now: str) -> bool:
    """Whether two hashes are known and differ."""
    return bool(stored) and is_known(stored) and is_known(now) and stored != now


def _strategies(
    registry: Registry, specs: Sequence[str | BatchStrategy]
) -> tuple[list[Selected], list[tuple[str, str]]]:
    """The requested strategies, or all that run by default; then broken ones are skipped with a reason."""
    if specs:
        chosen = (registry.select(s) if isinstance(s, str) else registry.select_object(s) for s in specs)
        return list(dict.fromkeys(chosen)), []
    found, broken = registry.every_strategy()
    return [selected for selected in found if selected.strategy.run_by_default], broken


def _references(registry: Registry, specs: Sequence[str] | None, strategies: Sequence[str]) -> list[Reference]:
    """The requested references, or the built-in ones."""
    found = registry.built_in_references() if specs is None else [registry.reference(spec) for spec in specs]
    for one in found:
        if one.spec in strategies:
            raise UsageError(
                f"{one.spec} is both a strategy and a reference of this run; rename one of them, or choose others with "
                "--reference"
            )
    return list(dict.fromkeys(found))


def _unserved(chosen: Mapping[str, Sequence[str]], modality: Mapping[str, str], by_name: bool) -> list[tuple[str, str]]:
    """``(spec, reason)`` of those that do not support some dataset; an error if they were requested by name.

    Parameters
    ----------
    chosen : supported modalities of each strategy or reference, by spec
    modality : that of each dataset's spec
    """
    skipped = []
    for spec, modalities in chosen.items():
        unserved = [dataset for dataset, kind in modality.items() if kind not in modalities]
        if not unserved:
            continue
        serves = " and ".join(modalities)
        if by_name:
            raise UsageError(
                f"{spec} supports {serves} data, and {unserved[0]} is {modality[unserved[0]]}; remove one of "
                "them, or run them separately"
            )
        where = "every dataset" if len(unserved) == len(modality) else ", ".join(unserved)
        skipped.append((spec, f"supports only {serves} data, so not run on {where}"))
    return skipped


def _together(skipped: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """One entry for all that are skipped for the same reason."""
    reasons = dict.fromkeys(reason for _, reason in skipped)
    return [
        (", ".join(spec for spec, given in skipped if given == reason), reason.replace("supports", "support", 1))
        if sum(given == reason for _, given in skipped) > 1
        else next(pair for pair in skipped if pair[1] == reason)
        for reason in reasons
    ]


def _entries(suite: Suite | None, datasets: Sequence[str]) -> list[SuiteEntry]:
    if suite is None and not datasets:
        raise UsageError("nothing to run: give a suite (--suite tabular) or datasets (--dataset segment:ir=0.05)")
    entries = list(suite.entries) if suite else []
    return [*entries, *(SuiteEntry(spec, None) for spec in datasets)]


def _split_note(job: Job, card: Card | None) -> str:
    """A note on a user's table with a group or time that the split does not use."""
    if card is None or not card.columns or job.protocol.split_column or not (card.group or card.time):
        return ""
    role, split = ("group", "grouped") if card.group else ("time", "ordered")
    name = file_name(job.variant.dataset)
    return f"{name}: the {job.protocol.split} split does not use {role}={getattr(card, role)}; --set split={split} does"


def _refuse(
    request: RunRequest,
    unavailable: Sequence[tuple[str, str]],
    substituted: Sequence[tuple[str, str]],
    *,
    complete: bool,
) -> None:
    """Raise for unavailable data that this run requires."""
    # A shard that names its plan is refused anyway where other data makes another plan.
    unnamed = request.shard is not None and not request.shard.plan
    for spec, reason in unavailable:
        if spec in request.datasets or request.strict or unnamed or not complete:
            where = "" if reason.startswith((f"{parse_spec(spec)[0]} ", f"{parse_spec(spec)[0]}:")) else f"{spec}: "
            raise DataError(f"{where}{reason}{_SHARD if unnamed and not request.strict else ''}")
    if substituted and (request.strict or unnamed):
        wanted, used = substituted[0]
        fix = f"; run without --strict to use {used} instead" if request.strict else f", {used} would be used{_SHARD}"
        raise DataError(f"{wanted} is unavailable{fix}")


# What to do about a shard of whatever is available here, which elsewhere would be a shard of something else.
_SHARD = (
    "; --shard I/N needs all data, since machines with other data would share out other jobs: fetch it, or write the "
    "shards with imbench plan --shards N --export FILE, whose commands check that the jobs are the same"
)


def _size(card: Card, variant: Variant, protocol: Protocol) -> Size:
    counts = expected_counts(card, variant)
    nets = protocol.nets
    train = int(sum(counts) * training_share(protocol))
    steps = nets * protocol.epochs * steps_per_epoch(train, protocol)
    multiplications = architecture_of(card.shape, len(counts), protocol, card.modality).multiplications
    return Size(
        counts, nets, nets, steps, steps * (SECONDS_PER_STEP + 6 * protocol.batch_size * multiplications / RATE)
    )


def _size_of_reference(card: Card, variant: Variant, protocol: Protocol) -> Size:
    counts, folds = expected_counts(card, variant), protocol.nets
    values = int(sum(counts) * training_share(protocol)) * math.prod(card.shape)
    return Size(counts, folds, 0, 0, folds * (SECONDS_PER_FIT + SECONDS_PER_VALUE * values))
