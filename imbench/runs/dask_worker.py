"""What a Dask worker does for a run: it makes calls in processes of its own, with copies of what the run needs."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import math
import pickle
import shutil
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from imbench.runs.execution import WorkerCaller
from imbench.runs.machine import available_memory
from imbench.runs.worker import Limits, Report, attempt

# Seconds without a call after which a worker ends its processes: the run may have been killed.
IDLE = 120.0


@dataclass(frozen=True)
class Setup:
    """What a worker is sent once for a run.

    Parameters
    ----------
    run : random name of the run
    plugins : content of the run's plugin files by path
    describe : the packed call that describes what a process has (`imbench.runs.cluster.Needs.here`)
    here : what the run itself has
    """

    run: str
    plugins: Mapping[str, bytes]
    describe: bytes
    here: Mapping[str, str]


@dataclass(frozen=True)
class Answer:
    """What becomes of a call on a worker.

    Parameters
    ----------
    worker : its address
    report : of the call, its value pickled; None if the call was not made, because the worker does not know the run
    differs : what it has in another version, so that the call was not made
    """

    worker: str
    report: Report | None = None
    differs: Mapping[str, str] | None = None


def begin(setup: Setup, dask_worker: Any) -> None:
    """Make the run known to this worker."""
    if (dask_worker.address, setup.run) not in _RUNS:
        _RUNS[dask_worker.address, setup.run] = _RunOnWorker(setup, dask_worker)


async def check(run: str, dask_worker: Any) -> Mapping[str, str]:
    """What this worker has in another version than the run, by name."""
    return await asyncio.to_thread(_RUNS[dask_worker.address, run].differs)


def add_piece(run: str, name: str, piece: bytes, first: bool, last: bool, dask_worker: Any) -> None:
    """Add to this worker's copy of a file of arrays."""
    known = _RUNS.get((dask_worker.address, run))
    if known is not None:
        known.add_piece(name, piece, first, last)


def end(run: str, dask_worker: Any) -> None:
    """Stop the calls of the run on this worker and remove its copies."""
    known = _RUNS.pop((dask_worker.address, run), None)
    if known is not None:
        known.close()


def perform(run: str, call: bytes, limits: Limits) -> Answer:
    """Make a packed call; the task that a Dask worker is given."""
    from distributed import get_worker

    address = get_worker().address
    known = _RUNS.get((address, run))
    if known is None:
        return Answer(address)
    differs = known.differs()
    return Answer(address, differs=differs) if differs else Answer(address, known.call(call, limits))


class _RunOnWorker:
    """A run as one worker knows it: a process for each of its threads, and a folder of copies."""

    def __init__(self, setup: Setup, dask_worker: Any) -> None:
        self._setup = setup
        self._folder = Path(dask_worker.local_directory) / f"imbench-{setup.run}"
        self._copies = self._folder / "arrays"
        self._copies.mkdir(parents=True, exist_ok=True)
        self._plugins = {path: self._write(path, content) for path, content in setup.plugins.items()}
        memory = dask_worker.memory_manager.memory_limit or available_memory() or math.inf
        self._memory = memory / dask_worker.state.nthreads
        self._lock, self._check = threading.Lock(), threading.Lock()
        self._idle: list[WorkerCaller] = []
        self._busy: set[WorkerCaller] = set()
        self._differs: Mapping[str, str] | None = None
        self._closed = threading.Event()
        self._used = time.monotonic()
        threading.Thread(target=self._end_idle, daemon=True).start()

    def differs(self) -> Mapping[str, str]:
        """What the processes of this worker have in another version than the run; found once."""
        with self._check:
            if self._differs is None:
                described = attempt(partial(self.call, self._setup.describe, Limits(memory=math.inf)))
                report = described if described.error else described.value
                here = self._setup.here
                there = {"source of imbench": report.error} if report.error else pickle.loads(report.value)
                names = there if report.error else here
                self._differs = {name: there.get(name, "missing") for name in names if there.get(name) != here[name]}
            return self._differs

    def call(self, call: bytes, limits: Limits) -> Report:
        """Make a packed call in a process of this worker."""
        from imbench.runs.travel import make_call

        content = pickle.dumps(partial(make_call, call, self._plugins, str(self._copies)))
        with self._lock:
            caller = self._idle.pop() if self._idle else WorkerCaller(self._memory)
            self._busy.add(caller)
        try:
            return caller.call(content, limits)
        finally:
            with self._lock:
                self._busy.discard(caller)
                self._used = time.monotonic()
                self._idle.append(caller)
            if self._closed.is_set():
                caller.close()

    def add_piece(self, name: str, piece: bytes, first: bool, last: bool) -> None:
        """Add to the copy of a file; it takes its name with the last piece."""
        part = self._copies / f".{name}"
        with open(part, "wb" if first else "ab") as file:
            file.write(piece)
        if last:
            part.replace(self._copies / name)

    def close(self) -> None:
        """End the processes, and remove the copies."""
        self._closed.set()
        self._end_processes(self._busy)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _end_processes(self, busy: set[WorkerCaller]) -> None:
        with self._lock:
            callers = [*self._idle, *busy]
            self._idle.clear()
        for caller in callers:
            caller.close()

    def _end_idle(self) -> None:
        while not self._closed.wait(IDLE / 4):
            if not self._busy and time.monotonic() - self._used > IDLE:
                self._end_processes(set())

    def _write(self, path: str, content: bytes) -> str:
        # Names count: those of modules, and those by which results name a plugin's strategies.
        copy = self._folder / hashlib.sha256(path.encode() + content).hexdigest()[:12] / Path(path).name
        copy.parent.mkdir(exist_ok=True)
        with contextlib.suppress(FileExistsError), open(copy, "xb") as file:
            file.write(content)
        return str(copy)


# The runs that the workers of this process know, by the worker's address and the run's name.
_RUNS: dict[tuple[str, str], _RunOnWorker] = {}
