"""Helpers of commands that train: the request from the options, its plan, and the run with progress."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from imbench.cli.columns import show_columns, tables_of
from imbench.cli.options import references_of
from imbench.cli.output import say
from imbench.cli.session import Session
from imbench.contract.errors import UsageError
from imbench.contract.names import counted
from imbench.contract.quantities import duration, limit_of_time, memory_size, read_duration, read_memory

if TYPE_CHECKING:
    from imbench.runs.bench import Plan
    from imbench.runs.dask_cluster import DaskExecutor
    from imbench.runs.request import RunRequest
    from imbench.store.results import Results


def request_of(session: Session, options: dict[str, Any], **changes: Any) -> RunRequest:
    """The request from the options of `imbench.cli.options.request_options`, with these fields changed."""
    from imbench.runs.request import RunRequest
    from imbench.runs.shards import Shard

    fields = {**options, **changes}
    fields["executor"] = _executor(fields.pop("dask"), fields.pop("resources"))
    fields["shard"] = Shard.read(fields["shard"]) if fields.get("shard") else None
    for name, read in (("timeout", read_duration), ("memory", read_memory)):
        fields[name] = read(fields[name], f"--{name}") if fields[name] else None
    fields["settings"] = settings_of(fields["settings"])
    fields["checks"] = not fields.pop("no_checks")
    if "no_references" in fields:
        fields["references"] = references_of(fields["references"], fields.pop("no_references"))
    return RunRequest(**fields, plugins=session.plugins, registry=session.registry)


def plan_or_train(
    session: Session,
    request: RunRequest,
    *,
    dry_run: bool,
    quiet: bool,
    as_json: bool,
    show: Callable[[Plan, Results], int],
) -> int:
    """Show the plan, or train and show the results; returns the exit code."""
    from imbench.runs import bench
    from imbench.runs.execution import WorkerError
    from imbench.stats.words import listed

    if dry_run:
        from imbench.cli.dry_run import show_plan

        show_plan(bench.plan(request, fetch=False), as_json)
        return 0
    session.resumable = True
    # Planning without fetching finds mistakes in the request before any download.
    plan = bench.plan(request, fetch=False)
    if plan.unfetched:
        if not quiet:
            say(f"fetching {listed(plan.unfetched)}")
        plan = bench.plan(request)
    try:
        results = train(plan, quiet, session)
    except WorkerError as error:
        say(f"error: {error}")
        return 1
    code = show(plan, results)
    failed = len(results.failures())
    if failed:
        say(f"{failed} of {counted(len(plan.jobs), 'job')} failed; imbench status --store {plan.store} shows why")
    return code or (1 if failed else 0)


def train(plan: Plan, quiet: bool, session: Session) -> Results:
    """Train the pending jobs, with progress unless quiet."""
    from imbench.cli.progress import working
    from imbench.runs import bench

    if not quiet:
        for card in tables_of(plan.cards.values()):
            show_columns(card)
            say("")
        for note in (*plan.notes, outlook(plan), *limits(plan)):
            say(note)
    started = time.monotonic()
    with working(session, quiet) as progress:
        results = bench.run_plan(plan, progress)
    if not quiet:
        failed = len(results.failures())
        done, took = counted(len(plan.pending) - failed, "job"), duration(time.monotonic() - started)
        say(f"{done} done, {failed} failed, in {took}\n")
    return results


def outlook(plan: Plan) -> str:
    """The work of a run in one line."""
    pending, done = len(plan.pending), len(plan.jobs) - len(plan.pending)
    kept = len(plan.changed) - len(plan.retrained)
    stored = f"; {done:,} already stored{f' ({kept:,} of other source)' if kept else ''}" if done else ""
    return f"{counted(pending, 'job')} to do ({plan.work}){stored}; store {plan.store}"


def limits(plan: Plan) -> list[str]:
    """The limits of the jobs of a run in worker processes, in one line."""
    from imbench.runs.bench import default_memory
    from imbench.runs.cluster import Cluster

    request = plan.request
    memory = default_memory(plan) if request.memory is None else request.memory
    on_cluster = isinstance(request.executor, Cluster)
    if not plan.pending or (memory is None and not on_cluster):
        return []
    longest = max(request.limits_of(plan.size(job).cost).seconds or math.inf for job in plan.pending)
    time_limit = "no time limit" if longest == math.inf else f"at most {limit_of_time(longest)} for a job (--timeout)"
    if memory is None:
        size = "the memory of a cluster's worker divided by its threads (--memory)"
    else:
        size = "no memory limit" if memory == math.inf else f"{memory_size(memory)} for each worker (--memory)"
    return [f"limits: {time_limit}, {size}"]


def _executor(dask: str | None, resources: Sequence[str]) -> DaskExecutor | None:
    """The executor of ``--dask`` and ``--resource``."""
    if dask is None:
        if resources:
            raise UsageError(f"--resource {resources[0]} is for Dask workers; give --dask as well, or omit it")
        return None
    from imbench.runs.dask_cluster import DaskExecutor

    found: dict[str, float] = {}
    for text in resources:
        name, _, amount = (part.strip() for part in text.partition("="))
        if not name or not re.fullmatch(r"\d+(\.\d+)?", amount) or not float(amount):
            raise UsageError(f"--resource {text!r} is not NAME=N; write for example --resource GPU=1")
        found[name] = float(amount)
    return DaskExecutor(dask, found)


def settings_of(texts: Sequence[str]) -> dict[str, str]:
    """Protocol fields from ``--set FIELD=VALUE``; each field may be set once."""
    settings: dict[str, str] = {}
    for text in texts:
        key, equals, value = (part.strip() for part in text.partition("="))
        if not (key and equals and value):
            raise UsageError(f"--set {text!r} is not FIELD=VALUE; write for example --set epochs=50")
        if key in settings:
            raise UsageError(f"--set {key} is given twice, {settings[key]} and {value}; keep one")
        settings[key] = value
    return settings
