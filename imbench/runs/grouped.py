"""Jobs on a GPU: the jobs of one dataset and protocol are trained together, and each is stored when it ends."""

from __future__ import annotations

import time
import traceback
from collections import defaultdict
from collections.abc import Callable, Generator, Hashable, Sequence
from functools import partial
from typing import TypeVar

from imbench.contract.records import Job, Predictions
from imbench.engine.group import train_group
from imbench.engine.net_group import Request
from imbench.runs.execution import Outcome, Started
from imbench.runs.worker import Report, attempt, named

Facts = TypeVar("Facts")


def run_grouped(
    jobs: Sequence[Job],
    prepare: Callable[[Job], tuple[Request, Facts]],
    keep: Callable[[Job, list[Predictions], Facts], None],
    device: str,
) -> Generator[Started | Outcome, None, None]:
    """Run every job and yield one `Started` and one `Outcome` for each, as in `imbench.runs.execution.Executor.run`.

    The variants of one dataset have nets of the same widths, so their jobs are prepared together and trained in a few
    stacks (`imbench.engine.group.train_group`). Jobs that do not fit on the device wait for the next stack.

    Parameters
    ----------
    prepare : returns a job's arrays, the same objects for all jobs of a variant, and facts to pass to ``keep``
    keep : stores the predictions of a finished job
    device : device to train on; its memory limits the size of a stack
    """
    for indices in _by_dataset(jobs):
        ready: list[tuple[int, Request, Facts]] = []
        for i in indices:
            yield Started(i)
            report = attempt(partial(prepare, jobs[i]))
            if report.error is None:
                ready.append((i, *report.value))
            else:
                yield Outcome(i, *report)
        yield from _train(jobs, ready, keep, device)


def _by_dataset(jobs: Sequence[Job]) -> list[list[int]]:
    """Positions of the jobs of each dataset, task and protocol; jobs of the same variant are adjacent."""
    groups: dict[Hashable, dict[Hashable, list[int]]] = defaultdict(lambda: defaultdict(list))
    for i, job in enumerate(jobs):
        variant = job.variant
        groups[variant.dataset, variant.task, variant.options, job.protocol][variant].append(i)
    return [[i for indices in variants.values() for i in indices] for variants in groups.values()]


def _train(
    jobs: Sequence[Job],
    ready: Sequence[tuple[int, Request, Facts]],
    keep: Callable[[Job, list[Predictions], Facts], None],
    device: str,
) -> Generator[Outcome, None, None]:
    start, reported = time.perf_counter(), set()
    try:
        for place, result in train_group([request for _, request, _ in ready], device=device):
            i, _, facts = ready[place]
            reported.add(i)
            if isinstance(result, Exception):
                report = Report(None, named(result), 0.0, "".join(traceback.format_exception(result)))
            else:
                report = attempt(partial(keep, jobs[i], result, facts))
            yield Outcome(i, *report._replace(seconds=time.perf_counter() - start))
    except Exception as error:  # of the device, perhaps out of memory: no job of the group can continue
        seconds = time.perf_counter() - start
        for i in (i for i, _, _ in ready if i not in reported):
            yield Outcome(i, None, named(error), seconds, traceback.format_exc())
