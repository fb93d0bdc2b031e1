"""One run on a Dask cluster: its scheduler gets tasks, and their answers come back, whatever becomes of workers."""

from __future__ import annotations

import contextlib
import math
import queue
import time
import uuid
from collections import deque
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imbench.contract.errors import UsageError
from imbench.runs import dask_worker
from imbench.runs.cluster import Mismatch, Needs, mismatches, refusal
from imbench.runs.execution import Note, Outcome, Started, Task, WorkerError, costly_first, unpacked
from imbench.runs.travel import Missing, PackedCall, packed
from imbench.runs.worker import attempt, named

# Tasks that the scheduler has at a time: enough for every worker and for an adaptive cluster to see the work, and few
# enough that neither it nor this process keeps more the more tasks there are.
WINDOW = 500
# Times that a task is given to the scheduler again after it gave up, having lost several workers with the task.
MOST_GIVEN_UP = 3
# Times that arrays are sent for one task: it may meet a worker that lacks them each time it is moved.
MOST_SENT = 20
# Seconds between two looks at which workers there are, and for answers to arrive that a worker has.
LOOK, ARRIVAL = 2.0, 15.0
# Bytes of arrays that travel in one message.
PIECE = 2**25

# A task whose answer is lost: Dask computes it again.
_COMES_AGAIN = ("lost", "pending")


@dataclass
class _Flight:
    """A task that the scheduler has.

    Parameters
    ----------
    task, call : the task, and its packed call
    since : when it was submitted
    only : the workers it may run on; None: any
    given_up : how often the scheduler gave it up
    sent : how often arrays were sent for it
    """

    task: Task
    call: PackedCall
    since: float = 0.0
    only: frozenset[str] | None = None
    given_up: int = 0
    sent: int = 0


class DaskRun:
    """One run on the workers of a client's cluster."""

    def __init__(self, client: Any, needs: Needs, resources: Mapping[str, float]) -> None:
        self._client, self._resources = client, resources
        self._name = uuid.uuid4().hex[:12]
        plugins = {path: Path(path).read_bytes() for path in needs.registry.plugins}
        self._setup = dask_worker.Setup(
            self._name, plugins, packed(needs.here).content, needs.here() | {"device": needs.device}
        )
        self._workers: dict[str, int] = {}
        self._met: set[str] = set()
        self._unfit: dict[str, str] = {}
        self._sent: dict[tuple[str, str], float] = {}
        self._looked = -math.inf
        self._submitted = 0
        self._notes: deque[Note] = deque()
        self._waiting_for_workers = False
        self._flights: dict[Any, _Flight] = {}
        self._arrived: queue.SimpleQueue[Any] = queue.SimpleQueue()

    @property
    def threads(self) -> int:
        """Tasks that run at once at present, at least 1."""
        return max(1, sum(self._workers.values()))

    def check_workers(self) -> None:
        """Raise `UsageError` if a worker of the cluster lacks what the run needs."""
        self._look()
        for why in self._unfit.values():
            raise UsageError(why)
        if not self._workers:
            return
        found = self._client.run(dask_worker.check, self._name, workers=list(self._workers), on_error="return")
        differing = [one for worker, there in found.items() for one in self._differences(worker, there)]
        if differing:
            raise UsageError(refusal(differing))

    def run(self, tasks: Sequence[Task]) -> Generator[Started | Outcome | Note, None, None]:
        """See `imbench.runs.execution.Executor.run`.

        A task starts when the scheduler gets it.
        """
        waiting = deque(costly_first(tasks))
        try:
            while waiting or self._flights:
                if waiting and len(self._flights) < WINDOW:
                    task = waiting.popleft()
                    yield Started(task.index)
                    yield from self._begin(task)
                self._look()
                yield from self._take_notes()
                yield from self._collect(block=not waiting or len(self._flights) >= WINDOW)
        except Exception as error:
            if self._client.status not in ("closing", "closed"):
                raise
            raise WorkerError(
                f"the connection to the Dask scheduler is lost ({named(error)}); finished jobs are kept, and the same "
                "command resumes"
            ) from None
        finally:
            if self._flights:
                self._cancel()

    def close(self) -> None:
        """Stop what still runs, and remove what the workers have of this run."""
        with contextlib.suppress(Exception):  # a cluster that is gone has nothing to remove
            self._client.run(dask_worker.end, self._name, on_error="ignore")

    def _begin(self, task: Task) -> Iterator[Outcome]:
        prepared = attempt(task.prepare)
        if prepared.error is not None:
            yield Outcome(task.index, *prepared)
            return
        try:
            call = packed(task.call)
        except Exception as error:  # pickling may run any code
            yield Outcome(task.index, None, f"cannot be sent to a worker: {named(error)}", 0.0)
            return
        self._submit(_Flight(task, call))

    def _submit(self, flight: _Flight) -> None:
        self._submitted += 1
        flight.since = time.monotonic()
        flight.only = frozenset(self._workers) if self._unfit and self._workers else None
        future = self._client.submit(
            dask_worker.perform,
            self._name,
            flight.call.content,
            flight.task.limits,
            key=f"imbench-{self._name}-{self._submitted}",
            pure=False,
            workers=None if flight.only is None else sorted(flight.only),
            resources=dict(self._resources) or None,
        )
        self._flights[future] = flight
        future.add_done_callback(self._arrived.put)

    def _collect(self, block: bool) -> Iterator[Outcome]:
        """The outcomes of the tasks that have ended; with ``block`` waits for one for a moment."""
        ended = []
        with contextlib.suppress(queue.Empty):
            ended.append(self._arrived.get(timeout=LOOK / 2) if block else self._arrived.get_nowait())
            while True:
                ended.append(self._arrived.get_nowait())
        ended = [future for future in ended if future in self._flights]
        finished = [future for future in ended if future.status == "finished"]
        answers = self._gathered(finished)
        for future in ended:
            if future not in answers and future.status in _COMES_AGAIN:
                future.add_done_callback(self._arrived.put)
                continue
            flight = self._flights.pop(future)
            if future in answers:
                yield from self._answered(flight, answers[future])
            else:
                yield from self._lost(flight, future)
            future.release()

    def _gathered(self, finished: Sequence[Any]) -> dict[Any, dask_worker.Answer]:
        """The answers of finished tasks; those are missing whose worker died before it could pass them on."""
        finished = [future for future in finished if future.status == "finished"]
        if not finished:
            return {}

        async def gather() -> Any:
            return await self._client.gather(finished, asynchronous=True)

        try:
            # Dask itself would wait until a worker has computed lost answers again, and no worker may be left.
            return dict(zip(finished, self._client.sync(gather, callback_timeout=ARRIVAL), strict=True))
        except TimeoutError:
            return self._gathered(finished)
        except Exception:  # of one of them, and whatever a lost connection raises
            if len(finished) == 1:
                return {}
            return {future: answer for one in finished for future, answer in self._gathered([one]).items()}

    def _answered(self, flight: _Flight, answer: dask_worker.Answer) -> Iterator[Outcome]:
        if answer.differs:
            self._refuse(answer.worker, refusal(self._differences(answer.worker, answer.differs)))
        if answer.report is None:
            self._look(again=True)
            self._submit(flight)
            return
        outcome = unpacked(flight.task, answer.report)
        if isinstance(outcome.value, Missing):
            failed = self._send(answer.worker, outcome.value.spec, flight)
            if not failed:
                self._submit(flight)
                return
            outcome = Outcome(flight.task.index, None, failed, outcome.seconds)
        yield outcome

    def _lost(self, flight: _Flight, future: Any) -> Iterator[Outcome]:
        """A task that Dask gave up: cancelled with the connection, or after losing several workers."""
        self._look(again=True)
        error = named(future.exception()) if future.status == "error" else ""
        flight.given_up += bool(error)
        if flight.given_up > MOST_GIVEN_UP:
            yield Outcome(flight.task.index, None, error, time.monotonic() - flight.since)
        else:
            self._submit(flight)

    def _send(self, worker: str, spec: str, flight: _Flight) -> str:
        """Send the arrays of a dataset to a worker; returns why that fails, or ""."""
        sent = self._sent.get((worker, spec), -math.inf)
        if sent > flight.since:  # since the call found them missing
            return ""
        arrays = flight.call.arrays
        flight.sent += 1
        if arrays is None or flight.sent > MOST_SENT:
            return f"the arrays of {spec} cannot be sent to worker {worker}"
        try:
            for file in arrays.files(spec):
                with open(file, "rb") as stream:
                    size, first = file.stat().st_size, True
                    while first or stream.tell() < size:
                        piece = stream.read(PIECE)
                        last = stream.tell() >= size
                        self._client.run(
                            dask_worker.add_piece, self._name, file.name, piece, first, last, workers=[worker]
                        )
                        first = False
        except OSError as error:  # of the file, or because the worker has left; then another gets the task
            return "" if worker not in self._fit_workers() else f"{named(error)} while sending {spec} to {worker}"
        self._sent[worker, spec] = time.monotonic()
        return ""

    def _look(self, again: bool = False) -> None:
        """See which workers there are, and make the run known to new ones."""
        if not again and time.monotonic() - self._looked < LOOK:
            return
        if self._client.status in ("closing", "closed"):
            raise WorkerError(
                "the connection to the Dask scheduler is lost; finished jobs are kept: run again to resume"
            )
        self._looked = time.monotonic()
        fit = self._fit_workers()
        new = [worker for worker in fit if worker not in self._met]
        begun: Mapping[str, Any] = {}
        if new:
            with contextlib.suppress(OSError):  # not connected just now: the next look meets them
                begun = self._client.run(dask_worker.begin, self._setup, workers=new, on_error="return")
        for worker, error in begun.items():
            self._met.add(worker)
            if isinstance(error, Exception):
                why = f"worker {worker} cannot run jobs ({named(error)}); install the imbench of this run there"
                self._refuse(worker, why)
        self._workers = {worker: threads for worker, threads in fit.items() if worker not in self._unfit}
        if bool(self._workers) == self._waiting_for_workers:
            self._waiting_for_workers = not self._workers
            self._notes += [Note("waiting for Dask workers; none is there at present")] * self._waiting_for_workers
        for future, flight in list(self._flights.items()):
            if flight.only is not None and self._workers and flight.only.isdisjoint(self._workers):
                del self._flights[future]
                self._client.cancel([future], force=True)
                self._submit(flight)

    def _fit_workers(self) -> dict[str, int]:
        """Threads of the workers that offer the resources and are not refused."""
        try:
            known = self._client.scheduler_info(n_workers=-1)["workers"]
        except (OSError, KeyError, AttributeError):  # not connected just now
            return dict(self._workers)
        return {
            worker: facts["nthreads"]
            for worker, facts in known.items()
            if worker not in self._unfit
            and all(facts["resources"].get(name, 0) >= amount for name, amount in self._resources.items())
        }

    def _refuse(self, worker: str, why: str) -> None:
        if worker not in self._unfit:
            self._unfit[worker] = why
            self._workers.pop(worker, None)
            self._notes.append(Note(f"{why}; it gets no jobs"))

    def _differences(self, worker: str, there: Any) -> list[Mismatch]:
        if isinstance(there, Exception):
            return [Mismatch(worker, "source of imbench", self._setup.here["source of imbench"], named(there))]
        return mismatches(worker, {name: self._setup.here[name] for name in there}, there)

    def _take_notes(self) -> Iterator[Note]:
        while self._notes:
            yield self._notes.popleft()

    def _cancel(self) -> None:
        futures = list(self._flights)
        self._flights.clear()
        with contextlib.suppress(Exception):
            self._client.cancel(futures, force=True)
        self.close()
        self._met.clear()
