"""The flow on one page: plan -> execute -> store -> results."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import Unpack

from imbench.checks.outcome import FAILED, NOT_APPLICABLE, NOT_CHECKED, checked, checks_version, keep, remembered
from imbench.contract.errors import UsageError
from imbench.contract.records import REFERENCE, STRATEGY, Job, Predictions
from imbench.data.shared import shared_arrays
from imbench.engine.choice import compile_once, one_thread
from imbench.runs.cluster import Cluster, Needs
from imbench.runs.execution import Executor, InProcess, LocalPool, Note, Outcome, Started, Task
from imbench.runs.grouped import run_grouped
from imbench.runs.jobs import JobRunner, Part, Trained, parts_of
from imbench.runs.machine import available_cores
from imbench.runs.plan import NOT_FETCHED, Plan
from imbench.runs.planning import plan
from imbench.runs.registry import Registry
from imbench.runs.request import RunFields, RunRequest
from imbench.runs.worker import attempt
from imbench.stats.scope import Scope
from imbench.store.files import marked
from imbench.store.marker import check_present
from imbench.store.results import Results
from imbench.store.source_marks import retrain_notes, source_notes
from imbench.store.store import Store

__all__ = ["Event", "Plan", "RunRequest", "plan", "run", "run_plan"]


@dataclass(frozen=True)
class Event:
    """An event of a run, for progress displays.

    Parameters
    ----------
    kind : ``planned``, ``compiled`` (the training kernel, the first time on a machine), ``started``, ``finished``,
        ``failed``, ``note`` (about the workers) or ``done``
    plan : the plan of the run
    job : the job that the event is about, if any
    done, total : finished or failed jobs so far, and all jobs of this run
    work_done, work_total : rough seconds on one core of the ended jobs, and of all jobs
    nets : nets trained so far, without references
    seconds : duration of the job or of compiling
    error : error message of a failed job
    text : message of a note
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
    text: str = ""


def run(
    request: RunRequest | None = None,
    *,
    progress: Callable[[Event], None] | None = None,
    **fields: Unpack[RunFields],
) -> Results:
    """Train every strategy and reference on every configuration that is not stored yet, and read the results.

    Parameters
    ----------
    request : what to run
    progress : called with every `Event`
    fields : fields of a `RunRequest` as keyword arguments, instead of a request or to change it: ``suite, datasets,
        strategies, references, protocol, settings, store, data_mirror, plugins, strict, retrain, checks, jobs, device,
        tune``

    Raises
    ------
    UsageError (and its subclasses DataError, StoreError) before any training.

    Examples
    --------
    ``imbench.run(datasets=["segment:ir=0.05"], strategies=["baseline", "remix:alpha=0.3"], store="my-store")``
    """
    return run_plan(plan(RunRequest.of(request, fields)), progress)


def run_plan(plan: Plan, progress: Callable[[Event], None] | None = None) -> Results:
    """Do the pending jobs of a plan and read the results of all its jobs; see `run`."""
    store = Store.open(plan.store, create=True)
    failed = set()
    for event in _execute(plan, store, _workers(plan)):
        if event.kind == "failed" and event.job is not None:
            failed.add(event.job.key)
        if progress is not None:
            progress(event)
    check_present(store.path)
    keys, retrained = [job.key for job in plan.jobs], {job.key for job in plan.retrained}
    # Older numbers would be taken for those of the new source; they stay in the store.
    rows = store.frame(keys, failed=failed & retrained)
    # A data file may have been trained on under another path: rows get the requested name.
    names = {job.key: job.variant.dataset for job in plan.jobs}
    rows = rows.assign(dataset=rows["key"].map(names).astype("str"))
    shared_out = f"shard {plan.request.shard}" if plan.shard_of else ""
    name = shared_out or (f"suite {plan.suite}" if plan.suite else "")
    scope = Scope(name, whole=True, families=plan.families)
    kept = retrain_notes(store.failed_retrains(retrained))
    return Results(rows, store.path, (*plan.notes, *source_notes(rows), *kept), scope)


def _origins(plan: Plan, executor: Executor) -> dict[str, dict[str, str]]:
    """The source code of each strategy and reference still to train, as columns of its rows; trials share one check."""
    specs = _specs(plan, STRATEGY)
    checks = plan.request.checks
    defaults = tuple(dict.fromkeys(plan.defaults[spec] for spec in specs))
    outcomes = _outcomes(plan, defaults, executor) if checks else dict.fromkeys(defaults, NOT_CHECKED)
    version = checks_version() if checks else ""
    found = {spec: {"checks": outcomes[plan.defaults[spec]], "checks_version": version} for spec in specs}
    found |= {spec: {"checks": NOT_APPLICABLE, "checks_version": ""} for spec in _specs(plan, REFERENCE)}
    return {spec: {**asdict(plan.origins[spec]), **outcome} for spec, outcome in found.items()}


def _specs(plan: Plan, kind: str) -> tuple[str, ...]:
    """The strategies or references still to train."""
    return tuple(dict.fromkeys(job.strategy for job in plan.pending if job.kind == kind))


def _outcomes(plan: Plan, specs: Sequence[str], executor: Executor) -> dict[str, str]:
    """The check outcome of each strategy; new strategies are checked where jobs run."""
    strategies = plan.strategies
    found = {spec: known for spec in specs if (known := remembered(strategies[spec])) is not None}
    new = [spec for spec in specs if spec not in found]
    limits = plan.request.limits
    tasks = [Task(i, 1.0, partial(_check, plan.registry, spec), limits=limits) for i, spec in enumerate(new)]
    with closing(executor.run(tasks)) as outcomes:
        for outcome in outcomes:
            if isinstance(outcome, Outcome):
                spec = new[outcome.index]
                found[spec] = outcome.value or f"{FAILED}: {outcome.error}"
                if outcome.error is None:
                    keep(strategies[spec], outcome.value)
    return found


def _check(registry: Registry, spec: str) -> str:
    return checked(registry.planned_strategy(spec))


def _execute(plan: Plan, store: Store, workers: int) -> Iterator[Event]:
    device = plan.request.device
    _discard_unplanned(plan, store)
    _mark_retrained(plan, store)
    progress = _RunProgress(plan)
    yield progress.event("planned")
    if plan.pending and (compiling := compile_once(device, _modalities(plan))):
        yield progress.event("compiled", seconds=compiling)
    with shared_arrays() as arrays, _executor(plan, workers) as (executor, at_once), _mark(plan) as mark:
        place = JobRunner(plan.store.absolute(), arrays, plan.registry, device, _origins(plan, executor), mark)
        parts = parts_of(plan, at_once, device)
        stacked = device != "cpu" and not isinstance(plan.request.executor, Cluster)
        with closing((_stacked if stacked else _on_cores)(parts, place, plan, executor)) as outcomes:
            for outcome in outcomes:
                if isinstance(outcome, Note):
                    yield replace(progress.event("note"), text=outcome.text)
                    continue
                part = parts[outcome.index]
                if not isinstance(outcome, Outcome):
                    if progress.begins(part.job):
                        yield progress.event("started", part.job)
                elif progress.ends(part, outcome, place):
                    state = progress.states[part.job.key]
                    if state.error is not None:
                        ir = part.job.variant.ir or plan.size(part.job).ir
                        store.fail(part.job, state.error, {"ir": ir, **place.facts(part.job)})
                    yield progress.event("failed" if state.error else "finished", part.job, state.seconds, state.error)
    yield progress.event("done")


def _discard_unplanned(plan: Plan, store: Store) -> None:
    """Remove failures of these jobs that are stored without the hash of their data, which no job that runs lacks.

    Earlier versions planned so where the mirror's copy of a dataset was damaged; every such job failed.
    """
    failed = set(store.failed_keys())
    for job in plan.jobs if failed else ():
        if (key := replace(job, data_hash=NOT_FETCHED).key) in failed:
            store.discard_failure(key)


def _mark_retrained(plan: Plan, store: Store) -> None:
    """Store a failure for each job to retrain, so that a run which ends early leaves it marked."""
    for job in plan.retrained:
        ir = job.variant.ir or plan.size(job).ir
        store.fail(job, "retraining did not finish", {"ir": ir, **asdict(plan.origins[job.strategy])})
    for one in store.failed_retrains(plan.done):
        if one.source == plan.origins[one.strategy].source_hash:  # the source is what it was: nothing to retrain
            store.discard_failure(one.key)


@contextmanager
def _mark(plan: Plan) -> Iterator[str]:
    """The mark by which workers on other machines know the store; "" for those of this one."""
    if not isinstance(plan.request.executor, Cluster):
        yield ""
        return
    with marked(plan.store) as mark:
        yield mark


def _modalities(plan: Plan) -> set[str]:
    """Modalities of the data that nets are still to be trained on."""
    return {plan.cards[job.variant.spec].modality for job in plan.pending if not job.is_reference}


def _on_cores(
    parts: Sequence[Part], place: JobRunner, plan: Plan, executor: Executor
) -> Generator[Started | Outcome | Note, None, None]:
    """Parts of jobs, each a task of the executor, one thread each."""
    yield from _tasks(dict(enumerate(parts)), place, plan, executor)


def _tasks(
    parts: Mapping[int, Part], place: JobRunner, plan: Plan, executor: Executor
) -> Generator[Started | Outcome | Note, None, None]:
    tasks = [
        Task(
            i,
            part.cost,
            partial(place.of(part.job.strategy).do, part),
            partial(place.prepare, part.job, plan.request.sources),
            plan.request.limits_of(part.cost),
        )
        for i, part in parts.items()
    ]
    with one_thread():
        yield from executor.run(tasks)


def _stacked(
    parts: Sequence[Part], place: JobRunner, plan: Plan, executor: Executor
) -> Generator[Started | Outcome | Note, None, None]:
    """Whole jobs with a GPU: references one after another on a core, then nets in a few large stacks."""
    yield from _tasks({i: part for i, part in enumerate(parts) if part.job.is_reference}, place, plan, executor)
    nets = [i for i, part in enumerate(parts) if not part.job.is_reference]
    prepare = partial(place.request, sources=plan.request.sources)
    for event in run_grouped([parts[i].job for i in nets], prepare, place.keep, place.device):
        yield replace(event, index=nets[event.index])


@dataclass
class _JobProgress:
    """State of one job: folds left, predictions of a split job, seconds so far, and the error if it failed."""

    left: int
    predictions: list[Predictions] = field(default_factory=list)
    seconds: float = 0.0
    error: str | None = None
    begun: bool = False


class _RunProgress:
    """State of all jobs of a plan."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.states = {job.key: _JobProgress(plan.size(job).folds) for job in plan.pending}
        self.total = sum(plan.size(job).cost for job in plan.pending)
        self.ended, self.work, self.nets = 0, 0.0, 0

    def event(self, kind: str, job: Job | None = None, seconds: float = 0.0, error: str | None = None) -> Event:
        """The event with the current counts."""
        jobs = len(self.states)
        return Event(kind, self.plan, job, self.ended, jobs, self.work, self.total, self.nets, seconds, error)

    def begins(self, job: Job) -> bool:
        """Whether the job starts now; True once per job."""
        state = self.states[job.key]
        first, state.begun = not state.begun, True
        return first

    def ends(self, part: Part, outcome: Outcome, place: JobRunner) -> bool:
        """Record a part that ended; True if its job has now ended. A failed part ends its job."""
        state, folds = self.states[part.job.key], part.end - part.first
        self.work += part.cost
        self.nets += 0 if part.job.is_reference else folds
        if state.error is not None:
            return False
        state.left, state.seconds, state.error = state.left - folds, state.seconds + outcome.seconds, outcome.error
        if isinstance(outcome.value, Trained):
            state.predictions += outcome.value.predictions
            if not state.left:
                state.error = attempt(partial(place.keep, part.job, state.predictions, outcome.value.facts)).error
        if state.left and state.error is None:
            return False
        state.predictions = []
        self.ended += 1
        return True


@contextmanager
def _executor(plan: Plan, workers: int) -> Iterator[tuple[Executor, int]]:
    """The executor of the request, and how many tasks it runs at once; default: worker processes, or this process."""
    given = plan.request.executor
    if isinstance(given, Cluster) and plan.pending:
        strategies, references = _specs(plan, STRATEGY), _specs(plan, REFERENCE)
        packages = tuple(name for spec in (*strategies, *references) for name in plan.origins[spec].packages)
        needs = Needs(plan.registry, strategies, packages, plan.request.device, references)
        with given.connect(needs) as connected:
            yield connected
    elif given is not None and not isinstance(given, Cluster):
        yield given, workers
    elif workers > 1 or (plan.request.is_limited and not plan.registry.bound_to_process):
        yield LocalPool(workers, 1, plan.request.memory), workers
    else:
        yield InProcess(), 1


def default_memory(plan: Plan) -> float | None:
    """Bytes that each worker process of a run may use; None if jobs run in no worker process of this machine."""
    request, workers = plan.request, _workers(plan)
    if request.executor is not None or request.device != "cpu" or (workers == 1 and not request.is_limited):
        return None
    return LocalPool(workers).memory


def _workers(plan: Plan) -> int:
    """Number of worker processes with one thread each; 1 means this process, which also feeds a GPU."""
    workers = 1 if plan.request.device != "cpu" else plan.request.jobs or available_cores()
    reasons = plan.registry.bound_to_process
    if isinstance(plan.request.executor, Cluster) and plan.pending and reasons:
        raise UsageError(f"{reasons[0]}: write it to a .py file and give plugins=[that file]")
    if workers > 1 and plan.pending and reasons:
        warnings.warn(
            f"{reasons[0]}, so all jobs are trained in this process, on one core; move it to a .py file and give "
            f"plugins=[that file] to use {workers} worker processes",
            stacklevel=3,
        )
        return 1
    return workers
