"""From a request to jobs: names resolved, data located, and everything checked before any training."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple, Unpack

from imbench.checks.source import is_known, package_source, source_hash
from imbench.contract.errors import DataError, UsageError
from imbench.contract.protocol import Protocol
from imbench.contract.records import REFERENCE, Card, Job, Trial, Variant
from imbench.contract.reference import Reference
from imbench.contract.spec import parse_spec
from imbench.contract.strategy import BatchStrategy
from imbench.data.data_sources import DataSources
from imbench.data.folds import check_folds, make_folds, rows_lacking, training_share
from imbench.data.suites import Suite, SuiteEntry
from imbench.data.variants import class_names, expected_counts, task_of
from imbench.engine.architectures import architecture_of
from imbench.engine.train import steps_per_epoch
from imbench.runs.plan import NOT_FETCHED, Origin, Plan, Size
from imbench.runs.protocols import DEFAULT_PROTOCOL, load_protocol
from imbench.runs.registry import Entry, Registry, Selected
from imbench.runs.request import RunFields, RunRequest
from imbench.runs.trials import reference_trials, trials_of
from imbench.stats.names import file_name
from imbench.store.store import Store

# Fixed seconds per step of a small net, and rate of matrix products, for the fused engine on one core of 2021
# (docs/decisions/0001). Only their ratio matters.
SECONDS_PER_STEP, RATE = 2.5e-5, 6e10

# The same for references: of each fit, and of each value (rows x features) of its training part. Rounded from the fits
# of the published boards, 120 configurations of 500 to 600,000 values; more classes take longer. They stand here since
# a change of a reference's own source marks its stored results as outdated.
FIT_SECONDS = {
    "uniform": (1e-4, 0.0),
    "class-prior": (1e-4, 0.0),
    "logistic-regression": (0.005, 1e-6),
    "balanced-logistic-regression": (0.005, 1e-6),
    "hist-gradient-boosting": (0.05, 8e-6),
    "balanced-hist-gradient-boosting": (0.05, 3e-5),
    "balanced-random-forest": (0.4, 3e-6),
}
OTHER_FIT_SECONDS = (0.3, 5e-6)


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
                sizes[job.key] = _size_of_reference(made.name, card, variant, resolved)
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


def _size_of_reference(name: str, card: Card, variant: Variant, protocol: Protocol) -> Size:
    counts, folds = expected_counts(card, variant), protocol.nets
    values = int(sum(counts) * training_share(protocol)) * math.prod(card.shape)
    each, of_value = FIT_SECONDS.get(name, OTHER_FIT_SECONDS)
    return Size(counts, folds, 0, 0, folds * (each + of_value * values))
