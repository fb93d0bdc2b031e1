"""Whole commands `imbench run`, each in a process of its own, as a user starts it."""

import resource
import subprocess
import sys
import time
from dataclasses import dataclass

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


def timed(command):
    """Run a command to its end, and what it took."""
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Cost(time.perf_counter() - start, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


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
