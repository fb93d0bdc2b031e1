"""Jobs on a Dask cluster: one scheduler, and workers that join, leave and die at any time."""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from imbench.contract.errors import UsageError
from imbench.runs.cluster import Cluster, Needs
from imbench.runs.dask_run import DaskRun
from imbench.runs.execution import Executor

# Seconds for a scheduler to answer.
ANSWER = 15.0

_LOCAL = re.compile(r"local:([1-9]\d{0,3})")
_ADDRESS = re.compile(r"(tcp|tls|ucx|ws|wss)://[^\s/]+")


@dataclass(frozen=True)
class DaskExecutor(Cluster):
    """Jobs on the workers of a Dask cluster.

    Each thread of a Dask worker makes its calls in a process of its own, so a job that crashes, hangs or swells costs
    neither the worker nor its other jobs. A job whose worker dies runs again on another. Workers that differ from this
    process in a version or in source code get no jobs: at the start they are an error, later a note.

    Parameters
    ----------
    address : of the scheduler, such as ``tcp://10.0.0.1:8786``; the path of its scheduler file (``.json``);
        ``local:N`` for N workers on this machine; or a connected ``distributed.Client``
    resources : what a worker must offer to get jobs, and how much of it each job takes: ``{"GPU": 1}``

    Raises
    ------
    UsageError
        For an address of no such form; when a run starts, if the package distributed is missing or no scheduler
        answers.
    """

    address: Any
    resources: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.address, str):
            return
        known = _LOCAL.fullmatch(self.address) or _ADDRESS.fullmatch(self.address) or self.address.endswith(".json")
        if not known:
            raise UsageError(
                f"--dask {self.address!r} is not a scheduler; write tcp://HOST:PORT, the path of a scheduler file "
                "(.json), or local:N for N workers on this machine"
            )

    @contextmanager
    def connect(self, needs: Needs) -> Iterator[tuple[Executor, int]]:
        """See `imbench.runs.cluster.Cluster.connect`."""
        with self._client() as client:
            run = DaskRun(client, needs, dict(self.resources))
            try:
                run.check_workers()
                yield run, run.threads
            finally:
                run.close()

    @contextmanager
    def _client(self) -> Iterator[Any]:
        if not isinstance(self.address, str):
            yield self.address
            return
        try:
            from distributed import Client, LocalCluster
        except ImportError as error:
            raise UsageError(
                f"--dask needs the package distributed ({error}); run: pip install 'imbench[dask]'"
            ) from None
        with contextlib.ExitStack() as stack:
            if local := _LOCAL.fullmatch(self.address):
                threads = int(local[1])
                offered = {name: amount * threads for name, amount in self.resources.items()}
                given: dict[str, Any] = {"address": stack.enter_context(_quiet(LocalCluster, threads, offered))}
            elif self.address.endswith(".json"):
                if not Path(self.address).is_file():
                    raise UsageError(f"--dask {self.address}: no such scheduler file; give the one of `dask scheduler`")
                given = {"scheduler_file": self.address}
            else:
                given = {"address": self.address}
            connect: Any = Client
            try:
                client = connect(**given, timeout=ANSWER, set_as_default=False)
            except (OSError, ValueError) as error:
                raise UsageError(
                    f"--dask {self.address}: no Dask scheduler answers there ({_first_line(error)}); start one with "
                    "`dask scheduler`, or correct the address"
                ) from None
            yield stack.enter_context(client)


def _quiet(cluster: Any, threads: int, resources: Mapping[str, float]) -> Any:
    """A scheduler and one worker inside this process: jobs run in processes of the worker's own anyway."""
    return cluster(
        n_workers=1,
        threads_per_worker=threads,
        processes=False,
        # Without a page of its own; None would be any free port of every network interface, from 8787 on.
        dashboard_address="127.0.0.1:0",
        scheduler_kwargs={"dashboard": False},
        resources=dict(resources),
        memory_limit=None,
        silence_logs=logging.ERROR,  # it warns of every task that Ctrl-C cancels
    )


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0] or type(error).__name__
