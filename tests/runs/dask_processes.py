"""A Dask scheduler and workers as separate processes of this machine, as users start them."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path


class DaskProcesses:
    """A scheduler, and workers that are started, killed and added by name; all end with the test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.workers: dict[str, subprocess.Popen] = {}
        file = folder / "scheduler.json"
        self.scheduler = self._start(
            "scheduler",
            "dask_scheduler",
            "--port",
            "0",
            "--host",
            "127.0.0.1",
            "--no-dashboard",
            "--scheduler-file",
            str(file),
        )
        self._wait(lambda: file.exists() and "tcp://" in file.read_text(), "the scheduler")
        self.file, self.address = str(file), re.search(r"tcp://[^\"]+", file.read_text())[0]

    def wait_for_workers(self, count: int) -> None:
        """Return once the scheduler knows so many workers."""
        from distributed import Client

        with Client(self.address, set_as_default=False, timeout=120) as client:
            client.wait_for_workers(count, timeout=300)

    def start_worker(self, name: str, *options: str, environment: dict[str, str] | None = None) -> subprocess.Popen:
        """A worker of one thread, in a working folder of its own."""
        given = ("--nthreads", "1", "--name", name, "--no-dashboard", "--no-nanny", *options)
        self.workers[name] = self._start(name, "dask_worker", self.address, *given, environment=environment)
        return self.workers[name]

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text()

    def stop(self) -> None:
        for process in [*self.workers.values(), self.scheduler]:
            with contextlib.suppress(ProcessLookupError):  # it ended before
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def kill(self, name: str) -> None:
        """End a worker at once, and all its processes, as when its machine fails."""
        os.killpg(self.workers[name].pid, signal.SIGKILL)

    def _start(self, name, command, *given, environment=None):
        (self.folder / name).mkdir()
        path = os.pathsep.join(filter(None, sys.path))
        code = f"from distributed.cli.{command} import main; main()"
        with open(self.folder / f"{name}.log", "w") as log:
            return subprocess.Popen(
                [sys.executable, "-c", code, *given],
                cwd=self.folder / name,
                env=os.environ | {"PYTHONPATH": path, "DASK_DISTRIBUTED__WORKER__DAEMON": "0"} | (environment or {}),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _wait(self, holds, what):
        deadline = time.monotonic() + 120
        while not holds():
            if time.monotonic() > deadline or self.scheduler.poll() is not None:
                raise TimeoutError(f"{what} did not start: {self.log('scheduler')}")
            time.sleep(0.05)
