"""Run independent tasks in this process or in worker processes, and report each outcome."""

from __future__ import annotations

import dataclasses
import math
import pickle
import queue
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Collection, Generator, Iterable, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from imbench.contract.entry_points import exits_raised
from imbench.runs.machine import available_memory
from imbench.runs.worker import NO_LIMITS, Limits, Report, Worker, attempt, named

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
    limits : of the call, in executors that run it in a process of its own
    """

    index: int
    cost: float
    call: Callable[[], Any]
    prepare: Callable[[], None] = lambda: None
    limits: Limits = NO_LIMITS


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


@dataclass(frozen=True)
class Note:
    """A message about the workers, for whoever watches the run."""

    text: str


class WorkerError(RuntimeError):
    """Worker processes could not be started, or cannot be reached any more."""


class Executor(Protocol):
    """A way to run tasks."""

    def run(self, tasks: Sequence[Task]) -> Generator[Started | Outcome | Note, None, None]:
        """Run every task, costly ones first, and yield one `Started` and one `Outcome` for each as they happen.

        A failed task gives an `Outcome` with an error; the other tasks continue. Closing the generator ends all running
        tasks and worker processes.
        """


class InProcess:
    """One task after another, in this process. What they print goes to stderr."""

    def run(self, tasks: Sequence[Task]) -> Generator[Started | Outcome, None, None]:
        """See `Executor.run`."""
        for task in costly_first(tasks):
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
    memory : bytes of memory of each worker, for tasks without a limit; default: the available memory divided
        by ``workers``

    Raises
    ------
    ValueError for less than one worker or thread; `WorkerError` from `run` if workers cannot be started.
    """

    workers: int
    threads: int = 1
    memory: float | None = None

    def __post_init__(self) -> None:
        for name, value in (("workers", self.workers), ("threads", self.threads)):
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ValueError(f"LocalPool.{name} must be a whole number of at least 1, got {value!r}")
        if self.memory is None:
            object.__setattr__(self, "memory", (available_memory() or math.inf) / self.workers)

    def run(self, tasks: Sequence[Task]) -> Generator[Started | Outcome, None, None]:
        """See `Executor.run`."""
        running = _Pool(self, tasks)
        try:
            yield from running.work()
            running.dismiss()
        finally:
            running.kill()


def costly_first(tasks: Iterable[Task]) -> list[Task]:
    """The order in which tasks start."""
    return sorted(tasks, key=lambda task: -task.cost)


@dataclass
class _WorkerSlot:
    """One worker and its current task."""

    worker: Worker
    ready: bool = False
    task: Task | None = None
    since: float = 0.0


class _Pool:
    """The workers of one run."""

    def __init__(self, pool: LocalPool, tasks: Sequence[Task]) -> None:
        self.pool = pool
        self.waiting = deque(costly_first(tasks))
        self.slots: dict[Worker, _WorkerSlot] = {}
        self.inbox: queue.SimpleQueue[tuple[Worker, Any]] = queue.SimpleQueue()
        self.failed_starts = 0
        self.retried: Counter[int] = Counter()

    def work(self) -> Generator[Started | Outcome, None, None]:
        """Run all tasks, with no more workers than remaining tasks."""
        while wanted := len(self.waiting) + sum(slot.task is not None for slot in self.slots.values()):
            while len(self.slots) < min(self.pool.workers, wanted):
                worker = Worker(self.pool.threads, self.inbox)
                self.slots[worker] = _WorkerSlot(worker)
            worker, message = receive(self.inbox, self.slots)
            if worker in self.slots:
                slot = self.slots[worker]
                events = self._ended(slot) if message is None else self._answered(slot, message)
                # Any worker may be idle: a task whose process died waits again.
                for idle in [one for one in self.slots.values() if one.ready and one.task is None]:
                    events += self._given(idle)
                yield from events

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

    def _answered(self, slot: _WorkerSlot, message: Any) -> list[Started | Outcome]:
        """Take the answer of a worker, which is idle then."""
        self.failed_starts = 0
        events: list[Started | Outcome] = [] if slot.task is None else [unpacked(slot.task, message)]
        slot.ready, slot.task = True, None
        return events

    def _given(self, slot: _WorkerSlot) -> list[Started | Outcome]:
        """Give an idle worker its next task, if there is any."""
        events: list[Started | Outcome] = []
        while self.waiting and slot.task is None:
            task = self.waiting.popleft()
            if not self.retried[task.index]:
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
            slot.worker.send(call, limited(task.limits, self.pool.memory))
        return events

    def _ended(self, slot: _WorkerSlot) -> list[Started | Outcome]:
        del self.slots[slot.worker]
        slot.worker.close()
        if slot.task is not None and slot.worker.signalled and self.retried[slot.task.index] < slot.task.limits.retries:
            self.retried[slot.task.index] += 1
            self.waiting.appendleft(slot.task)
            return []
        if slot.task is not None:
            seconds = time.perf_counter() - slot.since
            return [Outcome(slot.task.index, None, f"its worker process {slot.worker.end}", seconds)]
        if not slot.ready:
            self.failed_starts += 1
            if self.failed_starts >= MOST_FAILED_STARTS:
                raise WorkerError(f"a worker process {slot.worker.end} while starting; see its messages on stderr")
        return []


class WorkerCaller:
    """Makes one call after another in a worker process, which another replaces when it has ended.

    Parameters
    ----------
    memory : bytes that the process may use, for calls that do not say; None: no limit
    """

    def __init__(self, memory: float | None = None) -> None:
        self._memory = memory
        self._inbox: queue.SimpleQueue[tuple[Worker, Any]] = queue.SimpleQueue()
        self._worker: Worker | None = None
        self._closed = False

    def call(self, packed: bytes, limits: Limits = NO_LIMITS) -> Report:
        """Make a pickled call; the value of the report is pickled, too."""
        start, retries = time.perf_counter(), limits.retries
        while True:
            if self._worker is None:
                self._worker = self._started()
            worker = self._worker
            worker.send(packed, limited(limits, self._memory))
            report: Report | None = self._answer()
            if report is not None:
                return report
            worker.close()
            self._worker = None
            if self._closed or not (worker.signalled and retries > 0):
                return Report(None, f"its worker process {worker.end}", time.perf_counter() - start)
            retries -= 1

    def close(self) -> None:
        """End the process; a call that another thread waits for then reports that it was ended."""
        self._closed = True
        if (worker := self._worker) is not None:
            worker.kill()

    def _started(self) -> Worker:
        """A worker process that is ready for its first call."""
        for _ in range(MOST_FAILED_STARTS):
            self._worker = worker = Worker(1, self._inbox)
            if self._answer() is not None:
                return worker
            worker.close()
            self._worker = None
        raise WorkerError(f"a worker process {worker.end} while starting; its messages on stderr say why")

    def _answer(self) -> Any:
        assert self._worker is not None
        while True:
            worker, message = receive(self._inbox, (self._worker,))
            if worker is self._worker:  # and not one that it replaces
                return message


def receive(inbox: queue.SimpleQueue[tuple[Worker, Any]], workers: Collection[Worker]) -> tuple[Worker, Any]:
    """The next worker with news: its message, or None if it ended."""
    dead: set[Worker] = set()
    while True:
        try:
            return inbox.get(timeout=1.0)
        except queue.Empty:
            # A process that a dead worker leaves behind may hold its pipe open, so that its end is not heard.
            # The first time, a last message may still be on its way.
            for worker in workers:
                if worker.ended and worker in dead:
                    return worker, None
                dead |= {worker} if worker.ended else set()


def limited(limits: Limits, memory: float | None) -> Limits:
    """The limits, with this one of memory where they have none; endless ones are left out."""
    memory = memory if limits.memory is None else limits.memory
    return dataclasses.replace(limits, memory=None if memory == math.inf else memory)


def _prepared_call(task: Task) -> Any:
    task.prepare()
    return task.call()


def unpacked(task: Task, report: Report) -> Outcome:
    """The outcome of a task, from the report of a worker process."""
    if report.error is None:
        try:
            report = report._replace(value=pickle.loads(report.value))
        except Exception as error:  # unpickling may run any code
            report = Report(None, f"its result cannot be read: {named(error)}", report.seconds)
    return Outcome(task.index, *report)
