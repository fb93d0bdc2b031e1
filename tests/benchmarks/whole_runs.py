"""Whole commands `imbench run`, each in a process of its own, as a user starts it."""

import contextlib
import os
import resource
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

import imbench
from tests.benchmarks.nets import made, step_operations

# Those of a default run; named, since it also trains the strategies of installed plugins.
STRATEGIES = ("baseline", "batch-smote", "cost-adjusted", "mixup", "remix")
# A table of so many rows has this many in the training part of a fold.
TRAINING_SHARE = 0.35


@dataclass(frozen=True)
class Cost:
    """What a command took: seconds by the clock, and of all cores, the processes that it started included."""

    seconds: float
    cpu: float


def run_command(datasets, strategies=(), *, store, jobs, protocol=None, **settings):
    """The command that trains nets on a suite or datasets, without references or a check of strategies beforehand."""
    words = ["--suite", datasets] if isinstance(datasets, str) else []
    options = {"dataset": () if words else datasets, "strategy": strategies, "protocol": [protocol] if protocol else ()}
    options |= {"set": [f"{name}={value}" for name, value in settings.items()], "store": [store], "jobs": [jobs]}
    words += [word for name, values in options.items() for value in values for word in (f"--{name}", str(value))]
    return [sys.executable, "-m", "imbench", "run", *words, "--no-references", "--no-checks", "-q"]


def timed(command, between=None, every=30.0):
    """Run a command to its end, and what it took.

    Every so many seconds it and all its processes are stopped, and ``between`` is called; that time does not count. On
    Linux only, where the processes of a process can be found.
    """
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    running, paused = subprocess.Popen(command, stdout=subprocess.DEVNULL), 0.0
    try:
        while running.poll() is None:
            try:
                running.wait(None if between is None else every)
            except subprocess.TimeoutExpired:
                paused += _without(running.pid, between)
    finally:
        running.kill()
    seconds, after = time.perf_counter() - start - paused, resource.getrusage(resource.RUSAGE_CHILDREN)
    if running.returncode:
        raise subprocess.CalledProcessError(running.returncode, command)
    return Cost(seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def _without(process, between):
    """Seconds that a process and all those it started are stopped for a call."""
    start, stopped = time.perf_counter(), [process]
    for one in stopped:  # a process before those that it started, so that it starts no others
        _signal(one, signal.SIGSTOP)
        stopped += _children(one)
    try:
        between()
    finally:
        for one in reversed(stopped):
            _signal(one, signal.SIGCONT)
    return time.perf_counter() - start


def _signal(process, number):
    with contextlib.suppress(ProcessLookupError):  # it has ended
        os.kill(process, number)


def _children(process):
    """The processes that a process started, by any of its threads."""
    with contextlib.suppress(OSError):
        lists = [one.read_text() for one in Path(f"/proc/{process}/task").glob("*/children")]
        return [int(number) for one in lists for number in one.split()]
    return []


def table_spec(path, features, training_rows):
    """The dataset spec of a made table of which a fold trains on so many rows; written if it is not there."""
    if not path.exists():
        table = made(features, int(training_rows / TRAINING_SHARE))
        pd.DataFrame(table.x, columns=[f"f{j}" for j in range(features)]).assign(y=table.y).to_parquet(path)
    return f"{path}:target=y"


def operations(plan):
    """Floating-point operations of the steps that the stored jobs of a plan of dense nets took."""
    steps = imbench.load(plan.store).frame().groupby("key")["steps"].sum()
    jobs = {job.key: job for job in plan.jobs}
    return sum(
        steps[key]
        * step_operations(plan.cards[job.variant.spec].shape[0], len(plan.size(job).class_counts), job.protocol)
        for key, job in jobs.items()
    )
