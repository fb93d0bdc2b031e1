"""The flow on one page: plan -> execute -> store -> results."""

from __future__ import annotations

import platform
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache, partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from imbench.contract.errors import DataError, UsageError
from imbench.contract.protocol import Protocol
from imbench.contract.records import Dataset, Fold, Job, Predictions, Preprocessing
from imbench.data.folds import fold_hash, make_folds
from imbench.data.preprocess import fit
from imbench.engine.cohort import Request
from imbench.engine.train import compile_once, train
from imbench.execution import Executor, InProcess, LocalPool, Outcome, Started, Task, available_cores
from imbench.grouped import run_grouped
from imbench.planning import Plan, plan
from imbench.registry import Registry
from imbench.study.results import Results
from imbench.study.results import load as load_results
from imbench.study.store import Store

__all__ = ["Event", "Plan", "load", "plan", "run", "run_plan"]

_RECORDED = ("imbench", "torch", "numpy", "scikit-learn")


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
    strategies: Sequence[str] | None = None,
    protocol: str = "standard",
    settings: Mapping[str, str] | None = None,
    store: str | Path = "imbench-store",
    data_mirror: str | None = None,
    plugins: Sequence[str] = (),
    strict: bool = False,
    jobs: int | None = None,
    device: str = "cpu",
    progress: Callable[[Event], None] | None = None,
) -> Results:
    """Train every strategy on every configuration that the store does not hold yet, and read the results.

    Parameters
    ----------
    suite : name of a suite, or path of a suite file
    datasets : dataset specs, in place of a suite or besides it
    strategies : strategy specs; default: every installed one
    protocol : name of a protocol, with settings if any (``paper:epochs=30``), or path of a protocol file
    settings : protocol fields set by hand, as text
    store : the folder of results; made if it does not exist. Running again resumes.
    data_mirror : folder or URL asked first for data; default: the environment variable IMBENCH_DATA_MIRROR
    plugins : paths of Python files that define strategies
    strict : whether data that cannot be had is an error before any training, rather than stated in the results
    jobs : worker processes, one thread each; default: as many as cores; 1 trains in this process
    device : where torch trains: ``cpu`` or ``cuda``
    progress : called with every `Event`

    Raises
    ------
    UsageError (and its kinds DataError, StoreError) before any training.
    """
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
    )
    return run_plan(chosen, jobs=jobs, device=device, progress=progress)


def run_plan(
    plan: Plan,
    *,
    jobs: int | None = None,
    device: str = "cpu",
    progress: Callable[[Event], None] | None = None,
) -> Results:
    """Do the pending jobs of a plan and read the results of all its jobs; see `run`."""
    check_device(device)
    store = Store.open(plan.store, create=True)
    store.note(plan.notes)
    for event in _execute(plan, store, _executor(jobs, device, len(plan.pending)), device):
        if progress is not None:
            progress(event)
    return Results(store.frame([job.key for job in plan.jobs]), store.path, tuple(plan.notes))


def load(store: str | Path) -> Results:
    """All results of a store. Raises StoreError if the folder is not one."""
    return load_results(Path(store))


def _execute(plan: Plan, store: Store, executor: Executor, device: str) -> Iterator[Event]:
    pending = plan.pending
    total = sum(plan.size(job).cost for job in pending)
    ended, work, nets = 0, 0.0, 0

    def event(kind: str, job: Job | None = None, seconds: float = 0.0, error: str | None = None) -> Event:
        return Event(kind, plan, job, ended, len(pending), work, total, nets, seconds, error)

    yield event("planned")
    if pending and (compiling := compile_once(device)):
        yield event("compiled", seconds=compiling)
    tasks = [
        Task(i, plan.size(job).cost, partial(_do, job, plan.store, plan.data_mirror, plan.plugins, device))
        for i, job in enumerate(pending)
    ]
    with closing(executor.run(tasks) if device == "cpu" else _run_grouped(plan, device)) as outcomes:
        for outcome in outcomes:
            job, size = pending[outcome.index], plan.size(pending[outcome.index])
            if isinstance(outcome, Outcome):
                ended, work, nets = ended + 1, work + size.cost, nets + size.nets
                if outcome.error is not None:
                    ir = job.variant.ir or min(size.class_counts) / max(size.class_counts)
                    store.fail(job, outcome.error, {"ir": ir, **_facts(device)})
                yield event("failed" if outcome.error else "finished", job, outcome.seconds, outcome.error)
            else:
                yield event("started", job)
    yield event("done")


def _do(job: Job, store: Path, mirror: str | None, plugins: tuple[str, ...], device: str) -> None:
    """One job, from arrays to the stored file; runs in a worker."""
    request, facts = _request(job, mirror, plugins)
    predictions = train(
        request.dataset, request.folds, request.preprocessing, request.strategy, request.protocol, device=device
    )
    _keep(store, device, job, predictions, facts)


def _run_grouped(plan: Plan, device: str) -> Generator[Started | Outcome, None, None]:
    """The pending jobs on a GPU, as few large stacks."""
    prepare = partial(_request, mirror=plan.data_mirror, plugins=plan.plugins)
    return run_grouped(plan.pending, prepare, partial(_keep, plan.store, device), device)


def _request(job: Job, mirror: str | None, plugins: tuple[str, ...]) -> tuple[Request, dict[str, Any]]:
    """A job's arrays, and what is recorded of them."""
    registry = Registry(plugins)
    dataset, folds, fitted, rows_hash = _prepared(registry, job.variant.spec, job.data_hash, mirror, job.protocol)
    facts = {"rows_hash": rows_hash, "ir": job.variant.ir or dataset.ir}
    return Request(dataset, folds, fitted, registry.strategy(job.strategy), job.protocol), facts


def _keep(store: Path, device: str, job: Job, predictions: list[Predictions], facts: Mapping[str, Any]) -> None:
    Store.open(store, create=False).write(job, predictions, {**facts, **_facts(device)})


# A worker often does the strategies of one configuration one after another.
@lru_cache(maxsize=1)
def _prepared(
    registry: Registry, spec: str, data_hash: str, mirror: str | None, protocol: Protocol
) -> tuple[Dataset, list[Fold], list[Preprocessing], str]:
    """Arrays, folds, what was fitted inside them, and the hash of all row numbers."""
    dataset = registry.dataset(spec, mirror=mirror)
    if dataset.data_hash != data_hash:
        raise DataError(f"the data of {spec} changed since the run was planned; run again")
    folds = make_folds(dataset, protocol)
    fitted = [fit(dataset, fold, protocol.clip) for fold in folds]
    return dataset, folds, fitted, fold_hash(dataset, folds)


def check_device(device: str) -> None:
    """Raise `UsageError` for a device that torch does not have."""
    import torch

    kind, _, number = device.partition(":")
    if kind not in ("cpu", "cuda") or (number and not number.isdigit()) or (kind == "cpu" and number):
        raise UsageError(f"unknown device {device!r}; choose cpu, cuda or cuda:N")
    found = torch.cuda.device_count()
    if kind == "cuda" and int(number or 0) >= found:
        raise UsageError(f"device {device!r} does not exist, torch finds {found} CUDA devices; choose cpu")


def _executor(jobs: int | None, device: str, pending: int) -> Executor:
    """A pool of single-threaded processes on the CPU; this process for one worker, or for a GPU, which one feeds."""
    workers = min(jobs or available_cores(), max(pending, 1))
    if jobs == 1 or device != "cpu":
        return InProcess()
    return LocalPool(workers, threads=1)


def _facts(device: str) -> dict[str, Any]:
    """Versions and hardware, for the record; no number may depend on them, and none names a host."""
    return {
        **{name: version(name) for name in _RECORDED},
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "cpu": _cpu_model(),
        "cores": available_cores(),
        "device": device,
    }


@lru_cache
def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
