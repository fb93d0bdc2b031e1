"""The jobs of a run, the work they are, and how they differ from what was asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from imbench.contract.names import counted
from imbench.contract.protocol import Protocol
from imbench.contract.records import REFERENCE, STRATEGY, Card, Job, Variant
from imbench.contract.reference import Reference
from imbench.contract.strategy import BatchStrategy
from imbench.runs.registry import Registry
from imbench.runs.request import RunRequest
from imbench.runs.shards import plan_id
from imbench.runs.trials import own_space
from imbench.stats.names import file_name

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


def _constant_note(dataset: str, columns: Sequence[str]) -> str:
    shown = ", ".join(columns[:SHOWN_COLUMNS]) + (", …" if len(columns) > SHOWN_COLUMNS else "")
    found = counted(len(columns), "constant column is", "constant columns are")
    return f"{file_name(dataset)}: {found} left out: {shown}"


def _split_note(job: Job, card: Card | None) -> str:
    """A note on a user's table with a group or time that the split does not use."""
    if card is None or not card.columns or job.protocol.split_column or not (card.group or card.time):
        return ""
    role, split = ("group", "grouped") if card.group else ("time", "ordered")
    name = file_name(job.variant.dataset)
    return f"{name}: the {job.protocol.split} split does not use {role}={getattr(card, role)}; --set split={split} does"
