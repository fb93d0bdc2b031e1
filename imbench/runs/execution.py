"""Run independent tasks in this process or in worker processes, and report each outcome."""

from __future__ import annotations

import pickle
import queue
import sys
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from imbench.contract.entry_points import exits_raised
from imbench.runs.worker import Report, Worker, attempt, named

# Consecutive workers that end before their first task until the pool gives up.
MOST_FAILED_STARTS = 3
# Seconds for idle workers to end by themselves after the last task.
PATIENCE = 5.0


@dataclass(frozen=True)
class Task:
    """One independent piece of work.

    Parameters
    ----------
    index : identifies the task in its events
    cost : expected work in any unit, the same for all tasks; expensive tasks start first
    call : function without arguments; for worker processes, it and its return value must survive pickling, so the
        function must be defined in an importable module
    prepare : called in this process just before the task starts, to prepare data for ``call``; an error in it fails the
        task
    """

    index: int
    cost: float
    call: Callable[[], Any]
    prepare: Callable[[], None] = lambda: None


@dataclass(frozen=True)
class Started:
    """The task of this index began."""

    index: int


@dataclass(frozen=True)
class Outcome:
    """The outcome of one task.

    Parameters
    ----------
    index : index of the task
    value : return value of its call; None if it failed
    error : error message without a traceback; None if it succeeded
    seconds : wall-clock time
    traceback : traceback of the error; empty if the task succeeded or its process died
    """

    index: int
    value: Any
    error: str | None
    seconds: float
    traceback: str = ""


class WorkerError(RuntimeError):
    """Worker processes could not be started."""


class Executor(Protocol):
    """A way to run tasks."""

    def run(self, tasks: Sequence[Task]) -> Generator[Started | Outcome, None, None]:
        """Run every task, costly ones first, and yield one `Started` and one `Outcome` for each as they happen.

        A failed task gives an `Outcome` with an error; the other tasks continue. Closing the generator ends all running
        tasks and worker processes.
        """


class InProcess:
    """One task after another, in this process. What they print goes to stderr."""

    def run(self, tasks: Sequence[Task]) -> Generator[Started | Outcome, None, None]:
        """See `Executor.run`."""
        for task in _costly_first(tasks):
            yield Started(task.index)
            with redirect_stdout(sys.stderr), exits_raised():
                report = attempt(partial(_prepared_call, task))
            yield Outcome(task.index, *report)


@dataclass(frozen=True)
class LocalPool:
    """Tasks in worker processes of this machine, one at a time each.

    A worker keeps its imports from task to task. If a worker dies, only its task fails, and a new worker replaces it.
    Workers ignore SIGINT, send the output of tasks to stderr, and end at once when this process ends, even by SIGKILL;
    on POSIX, so do programs that tasks started, unless they began a session of their own.

    Parameters
    ----------
    workers : number of workers, at least 1; never more than there are tasks
    threads : threads of numerical libraries in each worker, at least 1

    Raises
    ------
    ValueError for less than one worker or thread; `WorkerError` from `run` if workers cannot be started.
    """

    workers: int
    threads: int = 1

    def __post_init__(self) -> None:
        for name, value in (("workers", self.workers), ("threads", self.threads)):
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ValueError(f"LocalPool.{name} must be a whole number of at least 1, got {value!r}")

    def run(self, tasks: Sequence[Task]) -> Generator[Started | Outcome, None, None]:
        """See `Executor.run`."""
        running = _Pool(self, tasks)
        try:
            yield from running.work()
            running.dismiss()
        finally:
            running.kill()


def _costly_first(tasks: Iterable[Task]) -> list[Task]:
    return sorted(tasks, key=lambda task: -task.cost)


@dataclass
class _WorkerSlot:
    """One worker and its current task."""

    worker: Worker
    ready: bool = False
    task: Task | None = None
    since: float = 0.0
    times_found_dead: int = 0


class _Pool:
    """The workers of one run."""

    def __init__(self, pool: LocalPool, tasks: Sequence[Task]) -> None:
        self.pool = pool
        self.waiting = deque(_costly_first(tasks))
        self.slots: dict[Worker, _WorkerSlot] = {}
        self.inbox: queue.SimpleQueue[tuple[Worker, Any]] = queue.SimpleQueue()
        self.failed_starts = 0

    def work(self) -> Generator[Started | Outcome, None, None]:
        """Run all tasks, with no more workers than remaining tasks."""
        while wanted := len(self.waiting) + sum(slot.task is not None for slot in self.slots.values()):
            while len(self.slots) < min(self.pool.workers, wanted):
                worker = Worker(self.pool.threads, self.inbox)
                self.slots[worker] = _WorkerSlot(worker)
            worker, message = self._receive()
            if worker in self.slots:
                slot = self.slots[worker]
                yield from self._ended(slot) if message is None else self._answered(slot, message)

    def dismiss(self) -> None:
        """Let idle workers end by themselves within `PATIENCE`."""
        for worker in self.slots:
            worker.send(None)
        deadline = time.monotonic() + PATIENCE
        for worker in self.slots:
            worker.close(deadline - time.monotonic())
        self.slots.clear()

    def kill(self) -> None:
        """End all workers."""
        for worker in self.slots:
            worker.kill()
        for worker in self.slots:
            worker.close()
        self.slots.clear()

    def _receive(self) -> tuple[Worker, Any]:
        """The next worker with news: its message, or None if it ended."""
        while True:
            try:
                return self.inbox.get(timeout=1.0)
            except queue.Empty:
                # A child process of a dead worker may keep its pipe open, which hides the worker's end.
                # The first time, a last message may still be on its way.
                for slot in self.slots.values():
                    slot.times_found_dead += slot.worker.ended
                    if slot.times_found_dead > 1:
                        return slot.worker, None

    def _answered(self, slot: _WorkerSlot, message: Any) -> list[Started | Outcome]:
        """Give an idle worker its next task; returns the events."""
        self.failed_starts = 0
        events: list[Started | Outcome] = [] if slot.task is None else [_unpacked(slot.task, message)]
        slot.ready, slot.task = True, None
        while self.waiting and slot.task is None:
            task = self.waiting.popleft()
            events.append(Started(task.index))
            if (failed := attempt(task.prepare)).error is not None:
                events.append(Outcome(task.index, *failed))
                continue
            try:
                call = pickle.dumps(task.call)
            except Exception as error:  # pickling may run any code
                events.append(Outcome(task.index, None, f"cannot be sent to a worker process: {named(error)}", 0.0))
                continue
            slot.task, slot.since = task, time.perf_counter()
            slot.worker.send(call)
        return events

    def _ended(self, slot: _WorkerSlot) -> list[Started | Outcome]:
        del self.slots[slot.worker]
        slot.worker.close()
        if slot.task is not None:
            seconds = time.perf_counter() - slot.since
            return [Outcome(slot.task.index, None, f"its worker process {slot.worker.end}", seconds)]
        if not slot.ready:
            self.failed_starts += 1
            if self.failed_starts >= MOST_FAILED_STARTS:
                raise WorkerError(f"a worker process {slot.worker.end} while starting; see its messages on stderr")
        return []


def _prepared_call(task: Task) -> Any:
    task.prepare()
    return task.call()


def _unpacked(task: Task, report: Report) -> Outcome:
    if report.error is None:
        try:
            report = report._replace(value=pickle.loads(report.value))
        except Exception as error:  # unpickling may run any code
            report = Report(None, f"its result cannot be read: {named(error)}", report.seconds)
    return Outcome(task.index, *report)
