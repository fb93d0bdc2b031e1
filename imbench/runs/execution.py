"""Run independent tasks in this process or in worker processes, and report each outcome."""

from __future__ import annotations

import pickle
import queue
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from imbench.runs.worker import Report, Worker, attempt, named

# Workers that end before their first task, one after another, until the pool gives up.
MOST_FAILED_STARTS = 3
# Seconds that idle workers have to end by themselves when all is done.
PATIENCE = 5.0


@dataclass(frozen=True)
class Task:
    """One independent piece of work.

    Parameters
    ----------
    index : identifies the task in its events
    cost : expected work in any unit, the same for all tasks; expensive tasks start first
    call : what to do, without arguments; for worker processes it and what it returns must survive pickling, its
        function being defined in a module that can be imported
    prepare : called in this process just before the task is handed out, for what its call needs to find; what it raises
        is the task's failure
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
    """How one task ended.

    Parameters
    ----------
    index : the task's
    value : what its call returned; None if it failed
    error : why it failed, in one or a few words and without a traceback; None if it did not
    seconds : wall-clock time it took
    traceback : where it failed; empty if it did not, or if its process died
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
        """Do every task, costly ones first: one `Started` and one `Outcome` each, as they happen.

        A task that fails is an `Outcome` with an error and stops no other task. Closing the generator ends the
        running tasks and leaves nothing behind.
        """


class InProcess:
    """One task after another, in this process."""

    def run(self, tasks: Sequence[Task]) -> Generator[Started | Outcome, None, None]:
        """See `Executor.run`."""
        for task in _costly_first(tasks):
            yield Started(task.index)
            yield Outcome(task.index, *attempt(partial(_prepared_call, task)))


@dataclass(frozen=True)
class LocalPool:
    """Tasks in worker processes of this machine, one at a time each.

    A worker keeps what it has imported from task to task. One that dies, however, costs only its task, and another
    takes its place. Workers ignore SIGINT, write what tasks print to stderr, and end at once when this process does,
    even by SIGKILL.

    Parameters
    ----------
    workers : how many, at least 1; never more than there are tasks
    threads : threads that numerical libraries may use in each, at least 1

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
        """Do all tasks, keeping as many workers as there is work for."""
        while wanted := len(self.waiting) + sum(slot.task is not None for slot in self.slots.values()):
            while len(self.slots) < min(self.pool.workers, wanted):
                worker = Worker(self.pool.threads, self.inbox)
                self.slots[worker] = _WorkerSlot(worker)
            worker, message = self._receive()
            if worker in self.slots:
                slot = self.slots[worker]
                yield from self._ended(slot) if message is None else self._answered(slot, message)

    def dismiss(self) -> None:
        """Let idle workers end by themselves, and give them a moment for it."""
        for worker in self.slots:
            worker.send(None)
        deadline = time.monotonic() + PATIENCE
        for worker in self.slots:
            worker.close(deadline - time.monotonic())
        self.slots.clear()

    def kill(self) -> None:
        """End whatever still runs."""
        for worker in self.slots:
            worker.process.kill()
        for worker in self.slots:
            worker.close()
        self.slots.clear()

    def _receive(self) -> tuple[Worker, Any]:
        """The next worker with news: its message, or None if it ended."""
        while True:
            try:
                return self.inbox.get(timeout=1.0)
            except queue.Empty:
                # A process that a dead worker leaves behind may hold its pipe open, so that its end is not heard.
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
            except Exception as error:  # pickling runs the code of whatever is pickled
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
                raise WorkerError(f"a worker process {slot.worker.end} while starting; its messages on stderr say why")
        return []


def _prepared_call(task: Task) -> Any:
    task.prepare()
    return task.call()


def _unpacked(task: Task, report: Report) -> Outcome:
    if report.error is None:
        try:
            report = report._replace(value=pickle.loads(report.value))
        except Exception as error:  # unpickling runs the code of whatever is unpickled
            report = Report(None, f"its result cannot be read: {named(error)}", report.seconds)
    return Outcome(task.index, *report)
