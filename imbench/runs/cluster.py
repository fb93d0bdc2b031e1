"""Workers on other machines, and what they must have for a run: the same versions and the same source code."""

from __future__ import annotations

import hashlib
import platform
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from imbench.contract.errors import UsageError
from imbench.contract.names import counted
from imbench.contract.reference import Reference
from imbench.contract.strategy import BatchStrategy
from imbench.runs.execution import Executor
from imbench.runs.machine import check_device
from imbench.runs.registry import Registry
from imbench.runs.requirements import version_of

_MISSING = "missing"
# Packages on which numbers depend.
PACKAGES = ("imbench", "torch", "numpy", "scipy", "scikit-learn", "imbalanced-learn", "numba", "llvmlite", "pyarrow")


@dataclass(frozen=True)
class Needs:
    """What the jobs of a run need where they are trained.

    Parameters
    ----------
    registry : with the plugin files of the run
    strategies : specs of the strategies to train
    packages : distributions that they are of
    device : where torch trains
    references : specs of the references to train
    """

    registry: Registry
    strategies: tuple[str, ...]
    packages: tuple[str, ...] = ()
    device: str = "cpu"
    references: tuple[str, ...] = ()

    def here(self) -> dict[str, str]:
        """What this process has: versions and source hashes by name."""
        found = {"Python": ".".join(platform.python_version_tuple()[:2])}
        packages = dict.fromkeys([*PACKAGES, *self.packages])
        found |= {f"package {name}": version_of(name) or _MISSING for name in packages}
        found["source of imbench"] = _package_hash()
        found |= {f"source of {spec}": _source(self.registry.planned_strategy, spec) for spec in self.strategies}
        found |= {f"source of {spec}": _source(self.registry.planned_reference, spec) for spec in self.references}
        return found | {"device": self._device()}

    def _device(self) -> str:
        try:
            check_device(self.device)
        except UsageError as error:
            return str(error)
        return self.device


class Cluster(ABC):
    """Workers on other machines, which are connected to for one run."""

    @abstractmethod
    def connect(self, needs: Needs) -> AbstractContextManager[tuple[Executor, int]]:
        """The executor of one run on these workers, and about how many tasks it runs at once.

        Raises `imbench.UsageError` if the cluster cannot be reached, or if a worker lacks what the run needs.
        """


@dataclass(frozen=True)
class Mismatch:
    """One thing that a worker has in another version than this process.

    Parameters
    ----------
    worker : address of the worker
    thing : what it is, such as ``package torch``
    here, there : its value in this process, and that of the worker
    """

    worker: str
    thing: str
    here: str
    there: str

    @property
    def text(self) -> str:
        """The mismatch and how to mend it."""
        kind, _, name = self.thing.partition(" ")
        package = f"uninstall {name}" if self.here == _MISSING else f"install {name}=={self.here}"
        fix = {
            "Python": f"start the worker with Python {self.here}",
            "package": f"run there: pip {package}",
            "source": f"install the same source of {name.removeprefix('of ')} there",
            "device": f"start a worker that has {self.here}, and select it with --resource",
        }[kind]
        return f"worker {self.worker} has {self.thing} {_short(self.there)}, this run {_short(self.here)}; {fix}"


def mismatches(worker: str, here: Mapping[str, str], there: Mapping[str, str]) -> list[Mismatch]:
    """What differs, most telling first: a version before the source that it explains."""
    return [
        Mismatch(worker, thing, value, there.get(thing, _MISSING))
        for thing, value in here.items()
        if there.get(thing, _MISSING) != value
    ]


def refusal(found: list[Mismatch]) -> str:
    """Mismatches of one or more workers as one message."""
    more = f" ({counted(len(found) - 1, 'more difference')})" if len(found) > 1 else ""
    return found[0].text + more


def _source(made: Callable[[str], BatchStrategy | Reference], spec: str) -> str:
    from imbench.checks.source import source_hash

    try:
        return source_hash(made(spec))
    except UsageError as error:
        return str(error)


def _package_hash() -> str:
    folder = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for file in sorted(folder.rglob("*.py")):
        digest.update(f"{file.relative_to(folder).as_posix()} ".encode())
        digest.update(hashlib.sha256(file.read_bytes().replace(b"\r\n", b"\n")).digest())
    return digest.hexdigest()


def _short(value: str) -> str:
    return value[:12] if len(value) == 64 and value.isalnum() else value
