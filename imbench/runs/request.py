"""The request of a run: one frozen value, passed from the command line or Python to the workers."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypedDict

from imbench.contract.errors import UsageError
from imbench.contract.names import suggest
from imbench.contract.strategy import BatchStrategy
from imbench.data.data_sources import DataSources
from imbench.runs.cluster import Cluster
from imbench.runs.execution import Executor
from imbench.runs.machine import check_device
from imbench.runs.registry import Registry
from imbench.runs.shards import Shard
from imbench.runs.trials import MOST_TRIALS
from imbench.runs.worker import Limits

# Seconds that a job may take unless the request says so: the expected time is that of a fast core with nothing else
# to do and of a strategy that adds little to a step, and a limit that is too low loses work.
TIMES_EXPECTED, LEAST_TIMEOUT = 100.0, 3600.0


class RunFields(TypedDict, total=False):
    """The fields of a `RunRequest` as keyword arguments, in the types that callers may give."""

    suite: str | None
    datasets: Sequence[str]
    strategies: Sequence[str | BatchStrategy] | None
    references: Sequence[str] | None
    protocol: str | None
    settings: Mapping[str, str] | None
    store: str | Path
    data_mirror: str | None
    plugins: Sequence[str]
    strict: bool
    retrain: bool
    checks: bool
    jobs: int | None
    device: str
    executor: Executor | Cluster | None
    timeout: float | None
    memory: float | None
    retry: int
    shard: Shard | None
    tune: int | None


@dataclass(frozen=True)
class RunRequest:
    """What to train, on what, how and where.

    Parameters
    ----------
    suite : name of a suite, or path of a suite file
    datasets : dataset specs, instead of a suite or in addition to it
    strategies : strategy specs, or strategies themselves (``[MyStrategy(), "baseline"]``); default: all installed
        strategies except wrappers. Worker processes cannot import a class of a notebook or script: with one, all jobs
        are trained in this process, with a warning.
    references : specs of references (``["hist-gradient-boosting:max_iter=300"]``), which are fitted on the same rows;
        default: all built-in ones; ``()`` for none
    protocol : name of a protocol, with settings if any (``paper:epochs=30``), or path of a protocol file; default: the
        protocol of the suite if it sets one, else ``standard``
    settings : protocol fields to change, as text
    store : folder of results, created if missing. Running again resumes.
    data_mirror : folder or URL to search first for data; default: the environment variable IMBENCH_DATA_MIRROR
    plugins : paths of Python files that define strategies
    strict : raise before any training if data is unavailable, instead of skipping and reporting it
    retrain : retrain stored jobs whose strategy has new source code but the same version
    checks : run `imbench.checks` on strategies first; the outcome is stored with the results and cached for later runs
    jobs : worker processes with one thread each; default: one per core; 1 trains in this process
    device : device to train on: ``cpu``, ``cuda`` or ``cuda:N``
    executor : runs the jobs, on the device ``cpu`` unless it is an `imbench.DaskExecutor`; default: an
        `imbench.runs.execution.LocalPool` of ``jobs`` workers, or this process for one worker
    timeout : maximum seconds of a job in a worker process; default: `TIMES_EXPECTED` times its expected time, at least
        `LEAST_TIMEOUT`; ``math.inf`` for no limit
    memory : maximum bytes of a worker process; default: the available memory divided by the workers; ``math.inf`` for
        no limit
    retry : number of further attempts for a job whose worker process was ended by a signal
    shard : run only this share of the jobs; as with ``strict``, all data must then be available, so that all shards
        are of one plan, unless the shard names its plan
    tune : number of configurations of each strategy on each dataset (`imbench.runs.trials`); the first is the default
        one. None: the default one only
    registry : everything installed, with the plugin files and strategy objects of this request; default: a new one. A
        given registry is used if it has the same plugin files, so that a command builds one only

    Raises
    ------
    UsageError
        For a device that does not exist, an executor with another device than ``cpu``, ``jobs`` below 1, and limits
        that are out of range or cannot be enforced.
    """

    suite: str | None = None
    datasets: tuple[str, ...] = ()
    strategies: tuple[str | BatchStrategy, ...] = ()
    references: tuple[str, ...] | None = None
    protocol: str | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    store: Path = Path("imbench-store")
    data_mirror: str | None = None
    plugins: tuple[str, ...] = ()
    strict: bool = False
    retrain: bool = False
    checks: bool = True
    jobs: int | None = None
    device: str = "cpu"
    executor: Executor | Cluster | None = None
    timeout: float | None = None
    memory: float | None = None
    retry: int = 0
    shard: Shard | None = None
    tune: int | None = None
    registry: Registry = field(default_factory=Registry, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name in ("datasets", "strategies", "plugins", "references"):
            given = getattr(self, name)
            if isinstance(given, str):
                raise UsageError(f"{name} must be a list, got the text {given!r}; write [{given!r}]")
            if name != "references" or given is not None:
                object.__setattr__(self, name, tuple(given or ()))
        object.__setattr__(self, "settings", MappingProxyType(dict(self.settings or {})))
        object.__setattr__(self, "store", Path(self.store))
        known = self.registry if self.registry.plugins == self.plugins else Registry(self.plugins)
        objects = [one for one in self.strategies if isinstance(one, BatchStrategy)]
        object.__setattr__(self, "registry", known.with_strategies(objects))
        if self.jobs is not None and self.jobs < 1:
            raise UsageError(f"jobs must be at least 1, got {self.jobs}; omit it to use one per core")
        if self.tune is not None and not 1 <= self.tune <= MOST_TRIALS:
            raise UsageError(
                f"tune must be a whole number from 1 to {MOST_TRIALS:,}, got {self.tune}; it counts the configurations "
                "of each strategy, the default one included"
            )
        if self.executor is not None and self.device != "cpu" and not isinstance(self.executor, Cluster):
            raise UsageError(
                f"executor={self.executor!r} runs jobs on a CPU, and the device is {self.device!r}, which trains many "
                "jobs at once in this process; omit the executor or choose the device cpu"
            )
        self._check_limits()
        if not isinstance(self.executor, Cluster):  # whose workers say which devices they have
            check_device(self.device)

    def _check_limits(self) -> None:
        for name, value in (("timeout", self.timeout), ("memory", self.memory)):
            if value is not None and not value > 0:
                raise UsageError(f"{name} must be positive, got {value}; omit it for the default")
        if self.retry < 0:
            raise UsageError(f"retry must be at least 0, got {self.retry}; it counts further attempts")
        if self.is_limited and self.device != "cpu" and not isinstance(self.executor, Cluster):
            raise UsageError(
                f"timeout, memory and retry are for jobs in worker processes, and device {self.device!r} "
                "trains in this process; omit them, or run on a cluster (--dask)"
            )

    @property
    def is_limited(self) -> bool:
        """Whether the request states limits, so that jobs need worker processes."""
        return self.timeout is not None or self.memory is not None or self.retry > 0

    @property
    def limits(self) -> Limits:
        """The limits of a task of unknown size."""
        return self.limits_of(0.0)

    def limits_of(self, seconds: float) -> Limits:
        """The limits of a task that is expected to take so many seconds on one core."""
        most = max(LEAST_TIMEOUT, TIMES_EXPECTED * seconds) if self.timeout is None else self.timeout
        return Limits(most if most < math.inf else None, self.memory, self.retry)

    def __reduce__(self) -> tuple[Any, ...]:
        # A mapping proxy cannot be pickled, a dictionary can.
        fields = {one.name: getattr(self, one.name) for one in dataclasses.fields(self)}
        return _restored, ({**fields, "settings": dict(self.settings)},)

    @cached_property
    def sources(self) -> DataSources:
        """The data sources; raises `DataError` for a mirror that does not exist."""
        return DataSources.open(self.data_mirror)

    def replace(self, **changes: Any) -> RunRequest:
        """The request with other values of these fields."""
        return dataclasses.replace(self, **changes)

    @classmethod
    def of(cls, request: RunRequest | None, fields: Mapping[str, Any]) -> RunRequest:
        """The request itself, with these fields changed; a new one if there is none.

        Raises `UsageError` for a field that does not exist.
        """
        known = [one.name for one in dataclasses.fields(cls) if one.name != "registry"]
        for name in fields:
            if name not in known:
                raise UsageError(f"a run has no option {name!r}; {suggest(name, known)}")
        if request is None:
            return cls(**fields)
        return request.replace(**fields) if fields else request


def _restored(fields: dict[str, Any]) -> RunRequest:
    return RunRequest(**fields)
