"""The flow on one page: plan -> execute -> store -> results."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path

from imbench.checks.outcome import FAILED, NOT_CHECKED, checked, checks_version, keep, remembered
from imbench.contract.errors import UsageError
from imbench.contract.records import Job, Predictions
from imbench.contract.strategy import BatchStrategy
from imbench.data.shared import shared_arrays
from imbench.engine.choice import compile_once, one_thread
from imbench.run.execution import Executor, InProcess, LocalPool, Outcome, Started, Task, available_cores
from imbench.run.grouped import run_grouped
from imbench.run.jobs import JobRunner, Part, parts_of
from imbench.run.planning import Plan, plan
from imbench.run.registry import Registry
from imbench.run.worker import attempt
from imbench.stats.scope import Scope
from imbench.store.results import Results
from imbench.store.results import load as load_results
from imbench.store.source_marks import source_notes
from imbench.store.store import Store

__all__ = ["Event", "Plan", "load", "plan", "run", "run_plan"]


@dataclass(frozen=True)
class Event:
    """Something that happened in a run, for whoever shows progress.

    Parameters
    ----------
    kind : ``planned``, ``compiled`` (the training kernel, the first time on a machine), ``started``, ``finished``,
        ``failed`` or ``done``
    plan : what is being run; ``job``: the job it is about, None where it is about none
    done, total : jobs of this run ended so far, whatever their end, and in all
    work_done, work_total : roughly the seconds that the jobs ended so far, and all, take one core
    nets : nets trained so far
    seconds : how long the job, or compiling, took; ``error``: why it failed
    """

    kind: str
    plan: Plan
    job: Job | None
    done: int
    total: int
    work_done: float
    work_total: float
    nets: int
    seconds: float = 0.0
    error: str | None = None


def run(
    *,
    suite: str | None = None,
    datasets: Sequence[str] = (),
    strategies: Sequence[str | BatchStrategy] | None = None,
    protocol: str | None = None,
    settings: Mapping[str, str] | None = None,
    store: str | Path = "imbench-store",
    data_mirror: str | None = None,
    plugins: Sequence[str] = (),
    strict: bool = False,
    retrain: bool = False,
    checks: bool = True,
    jobs: int | None = None,
    device: str = "cpu",
    progress: Callable[[Event], None] | None = None,
) -> Results:
    """Train every strategy on every configuration that the store does not hold yet, and read the results.

    Parameters
    ----------
    suite : name of a suite, or path of a suite file
    datasets : dataset specs, in place of a suite or besides it
    strategies : strategy specs, or strategies themselves (``[MyStrategy(), "baseline"]``); default: every installed
        one that runs by default. Worker processes cannot import a class of a notebook or script: with one, all jobs are
        trained in this process, with a warning.
    protocol : name of a protocol, with settings if any (``paper:epochs=30``), or path of a protocol file; default: the
        suite's own if it states one, else ``standard``
    settings : protocol fields set by hand, as text
    store : the folder of results; made if it does not exist. Running again resumes.
    data_mirror : folder or URL asked first for data; default: the environment variable IMBENCH_DATA_MIRROR
    plugins : paths of Python files that define strategies
    strict : whether data that cannot be had is an error before any training, rather than stated in the results
    retrain : whether to train anew the jobs whose strategy has other source now, though the same version
    checks : whether to hold strategies against `imbench.checks` first; the outcome is kept with the results, and in
        the user's cache for the next run
    jobs : worker processes, one thread each; default: as many as cores; 1 trains in this process
    device : where torch trains: ``cpu`` or ``cuda``
    progress : called with every `Event`

    Raises
    ------
    UsageError (and its kinds DataError, StoreError) before any training.
    """
    check_device(device)
    chosen = plan(
        suite=suite,
        datasets=datasets,
        strategies=strategies,
        protocol=protocol,
        settings=settings,
        store=store,
        data_mirror=data_mirror,
        plugins=plugins,
        strict=strict,
        retrain=retrain,
    )
    return run_plan(chosen, jobs=jobs, device=device, checks=checks, progress=progress)


def run_plan(
    plan: Plan,
    *,
    jobs: int | None = None,
    device: str = "cpu",
    checks: bool = True,
    progress: Callable[[Event], None] | None = None,
) -> Results:
    """Do the pending jobs of a plan and read the results of all its jobs; see `run`."""
    check_device(device)
    store = Store.open(plan.store, create=True)
    for event in _execute(plan, store, _workers(jobs, device, plan), device, checks):
        if progress is not None:
            progress(event)
    rows = store.frame([job.key for job in plan.jobs])
    # A file's job may have been done before under another path: here it is called as it was asked for.
    called = {job.key: job.variant.dataset for job in plan.jobs}
    rows = rows.assign(dataset=rows["key"].map(called).astype("str"))
    scope = Scope(f"suite {plan.suite}" if plan.suite else "", whole=True)
    return Results(rows, store.path, (*plan.notes, *source_notes(rows)), scope)


def load(store: str | Path, metrics: Sequence[str] = (), plugins: Sequence[str] = ()) -> Results:
    """All results of a store, with the columns of these metrics of installed packages besides imbench's own.

    ``plugins`` are paths of Python files, as in `run`.

    Raises StoreError if the folder is not a store, UsageError for a metric that does not exist.
    """
    registry = Registry(tuple(plugins))
    found = replace(load_results(Path(store)), scope=Scope(suites=registry.known_suites()))
    return registry.with_metrics(found, metrics)


def _origins(plan: Plan, workers: int, checks: bool) -> dict[str, dict[str, str]]:
    """The code of each strategy still to train, as columns of its rows."""
    specs = list(dict.fromkeys(job.strategy for job in plan.pending))
    outcomes = _outcomes(plan, specs, workers) if checks else dict.fromkeys(specs, NOT_CHECKED)
    version = checks_version() if checks else ""
    return {spec: {**asdict(plan.origins[spec]), "checks": outcomes[spec], "checks_version": version} for spec in specs}


def _outcomes(plan: Plan, specs: Sequence[str], workers: int) -> dict[str, str]:
    """Whether each strategy holds to the checks; where jobs go to worker processes, so do those not checked before."""
    strategies = {spec: plan.registry.planned_strategy(spec) for spec in specs}
    found = {spec: known for spec in specs if (known := remembered(strategies[spec])) is not None}
    new = [spec for spec in specs if spec not in found]
    executor: Executor = LocalPool(workers, threads=1) if workers > 1 else InProcess()
    tasks = [Task(i, 1.0, partial(_check, plan.registry, spec)) for i, spec in enumerate(new)]
    with closing(executor.run(tasks)) as told:
        for outcome in told:
            if isinstance(outcome, Outcome):
                spec = new[outcome.index]
                found[spec] = outcome.value or f"{FAILED}: {outcome.error}"
                if outcome.error is None:
                    keep(strategies[spec], outcome.value)
    return found


def _check(registry: Registry, spec: str) -> str:
    return checked(registry.planned_strategy(spec))


def _execute(plan: Plan, store: Store, workers: int, device: str, checks: bool) -> Iterator[Event]:
    tally = _RunProgress(plan)
    yield tally.event("planned")
    if plan.pending and (compiling := compile_once(device, _modalities(plan))):
        yield tally.event("compiled", seconds=compiling)
    with shared_arrays() as arrays:
        place = JobRunner(plan.store, arrays, plan.registry, device, _origins(plan, workers, checks))
        parts = parts_of(plan, workers, device)
        run = _on_cores(parts, place, plan, workers) if device == "cpu" else _grouped(plan, place)
        with closing(run) as outcomes:
            for outcome in outcomes:
                part = parts[outcome.index]
                if not isinstance(outcome, Outcome):
                    if tally.begins(part.job):
                        yield tally.event("started", part.job)
                elif tally.ends(part, outcome, place):
                    state = tally.states[part.job.key]
                    if state.error is not None:
                        ir = part.job.variant.ir or plan.size(part.job).ir
                        store.fail(part.job, state.error, {"ir": ir, **place.facts(part.job)})
                    yield tally.event("failed" if state.error else "finished", part.job, state.seconds, state.error)
    yield tally.event("done")


def _modalities(plan: Plan) -> set[str]:
    """What kinds of data the pending jobs train on."""
    return {plan.registry.card(spec, planned=True).modality for spec in {job.variant.spec for job in plan.pending}}


def _on_cores(
    parts: Sequence[Part], place: JobRunner, plan: Plan, workers: int
) -> Generator[Started | Outcome, None, None]:
    """Parts of jobs on the cores of this machine, one thread each."""
    executor: Executor = LocalPool(workers, threads=1) if workers > 1 else InProcess()
    tasks = [
        Task(i, part.cost, partial(place.do, part), partial(place.prepare, part.job, plan.data_mirror))
        for i, part in enumerate(parts)
    ]
    with one_thread():
        yield from executor.run(tasks)


def _grouped(plan: Plan, place: JobRunner) -> Generator[Started | Outcome, None, None]:
    """The pending jobs, each a whole one, on a GPU, as few large stacks."""
    return run_grouped(plan.pending, partial(place.request, mirror=plan.data_mirror), place.keep, place.device)


@dataclass
class _JobProgress:
    """One job under way: folds still to come, predictions of a job in parts, seconds so far, and why it failed."""

    left: int
    predictions: list[Predictions] = field(default_factory=list)
    seconds: float = 0.0
    error: str | None = None
    begun: bool = False


class _RunProgress:
    """What has become of the jobs of a plan so far."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.states = {job.key: _JobProgress(plan.size(job).nets) for job in plan.pending}
        self.total = sum(plan.size(job).cost for job in plan.pending)
        self.ended, self.work, self.nets = 0, 0.0, 0

    def event(self, kind: str, job: Job | None = None, seconds: float = 0.0, error: str | None = None) -> Event:
        """What to tell now."""
        jobs = len(self.states)
        return Event(kind, self.plan, job, self.ended, jobs, self.work, self.total, self.nets, seconds, error)

    def begins(self, job: Job) -> bool:
        """Whether this is the first that is heard of the job."""
        state = self.states[job.key]
        first, state.begun = not state.begun, True
        return first

    def ends(self, part: Part, outcome: Outcome, place: JobRunner) -> bool:
        """Take note of a part that ended; whether its job has now ended. A part that failed ends its job."""
        state, folds = self.states[part.job.key], part.end - part.first
        self.work, self.nets = self.work + part.cost, self.nets + folds
        if state.error is not None:
            return False
        state.left, state.seconds, state.error = state.left - folds, state.seconds + outcome.seconds, outcome.error
        if state.error is None and not part.is_whole:
            state.predictions += outcome.value
            if not state.left:
                state.error = attempt(partial(place.keep, part.job, state.predictions)).error
        if state.left and state.error is None:
            return False
        state.predictions = []
        self.ended += 1
        return True


def check_device(device: str) -> None:
    """Raise `UsageError` for a device that torch does not have."""
    if device == "cpu":
        return
    kind, colon, number = device.partition(":")
    if kind != "cuda" or (colon and not number.isdecimal()):
        raise UsageError(f"unknown device {device!r}; choose cpu, cuda or cuda:N")
    import torch

    found = torch.cuda.device_count()
    if int(number or 0) >= found:
        raise UsageError(f"device {device!r} does not exist, torch finds {found} CUDA devices; choose cpu")


def _workers(jobs: int | None, device: str, plan: Plan) -> int:
    """How many worker processes train, one thread each; 1 is this process, which also feeds a GPU."""
    workers = 1 if device != "cpu" else jobs or available_cores()
    reasons = plan.registry.bound_to_process
    if workers > 1 and plan.pending and reasons:
        warnings.warn(
            f"{reasons[0]}: all jobs are trained in this process, on one core; write it to a .py file and give "
            f"plugins=[that file] to use {workers} worker processes",
            stacklevel=3,
        )
        return 1
    return workers
