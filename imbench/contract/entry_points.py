"""What installed packages register: names from their metadata, objects when they are asked for."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from imbench.contract.errors import UsageError
from imbench.contract.names import suggest
from imbench.contract.spec import check_name

# The distribution whose names stay plain where others have the same.
OWN = "imbench"

GROUPS = {
    "strategy": "imbench.strategies",
    "dataset": "imbench.datasets",
    "suite": "imbench.suites",
    "metric": "imbench.metrics",
    "source": "imbench.sources",
}


@dataclass(frozen=True)
class Entry:
    """One registered name, as its package's metadata states it; nothing of it has been imported.

    Parameters
    ----------
    kind : a key of `GROUPS`; ``name``: the registered name
    package, version : the distribution that registers it, or the path of a plugin file and ""
    value : the object, as ``module:attribute``
    """

    kind: str
    name: str
    package: str
    version: str
    value: str
    target: Any = dataclasses.field(repr=False, compare=False)

    @property
    def qualified(self) -> str:
        """``package/name``; for a plugin file its own name without folder and ``.py`` in the package's place."""
        return f"{Path(self.package).stem if self.of_file else self.package}/{self.name}"

    @property
    def of_file(self) -> bool:
        """Whether it comes from a plugin file, not from a package."""
        return not isinstance(self.target, EntryPoint) and self.package != OWN

    def load(self) -> Any:
        """Import the object. Raises `UsageError` that says which package is at fault and why."""
        check_name(self.name, f"a {self.kind} of {self._owner} ({self.value!a})")
        if not isinstance(self.target, EntryPoint):
            return self.target
        with self.blamed("loaded", own=()):
            return self.target.load()

    @contextlib.contextmanager
    def blamed(self, done: str, own: tuple[type[BaseException], ...] = (UsageError,)) -> Iterator[None]:
        """Turn whatever a plugin's code raises, `SystemExit` too, into a `UsageError` that names its package.

        Errors of ``own`` kinds pass: that of a parameter out of range says itself what to change.
        """
        fix = f"repair {self.package}" if self.of_file else f"repair or uninstall {self.package}"
        with guarded(f"{self.kind} {self.name!r} of {self._owner} cannot be {done} ({self.value})", fix, own):
            yield

    @property
    def _owner(self) -> str:
        return f"plugin file {self.package}" if self.of_file else f"package {self.package} {self.version}"

    def load_as(self, kind: type) -> Any:
        """As `load`; raises `UsageError` as well if the object is not of this kind."""
        found = self.load()
        if not issubclass(type(found), kind):
            raise UsageError(
                f"{self.kind} {self.name!r} of package {self.package} {self.version} ({self.value}) is a "
                f"{type(found).__name__}, not a {kind.__name__}; repair or uninstall {self.package}"
            )
        return found

    def load_named(self, kind: type) -> Any:
        """As `load_as`, of a kind whose objects have a name of their own; raises `UsageError` if that is another."""
        found = self.load_as(kind)
        if found.name != self.name:
            raise UsageError(
                f"{self.kind} {self.name!r} of {self.package} ({self.value}) calls itself {found.name!r}; "
                f"set name = {self.name!r}"
            )
        return found


def installed(kind: str) -> list[Entry]:
    """What packages register of this kind.

    With the environment variable ``IMBENCH_DISABLE_PLUGINS`` set to anything but 0, packages other than imbench are
    left out.
    """
    own_only = os.environ.get("IMBENCH_DISABLE_PLUGINS", "0") not in ("", "0")
    return [entry for entry in _installed(kind) if entry.package == OWN or not own_only]


def find(entries: Sequence[Entry], kind: str, name: str) -> Entry:
    """The entry of this name or ``package/name``.

    Raises `UsageError` with near matches if there is none, with the qualified forms if there are several.
    """
    matches = named(entries, name)
    if not matches:
        known = sorted({e.name for e in entries})
        raise UsageError(f"unknown {kind} {name!r}; {suggest(name, known)}")
    if len(matches) > 1:
        owners = " and ".join(e.package for e in matches)
        forms = sorted({e.qualified for e in matches})
        fix = f"write {' or '.join(forms)}" if len(forms) == len(matches) else "rename one of the files"
        raise UsageError(f"{kind} {name.rpartition('/')[2]!r} is registered by {owners}; {fix}")
    return matches[0]


def named(entries: Sequence[Entry], name: str) -> list[Entry]:
    """Those of this name or ``package/name``."""
    package, _, short = name.rpartition("/")
    return [e for e in entries if e.name == short and (package in ("", e.package) or name == e.qualified)]


@contextlib.contextmanager
def guarded(what: str, fix: str, own: tuple[type[BaseException], ...]) -> Iterator[None]:
    """Errors of a stranger's code as a `UsageError`, but those of ``own`` kinds; what it prints goes to stderr."""
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    except BaseException as error:  # it may fail in any way, sys.exit included; the user needs its name and reason
        if isinstance(error, (KeyboardInterrupt, *own)):
            raise
        raise UsageError(f"{what}: {type(error).__name__}: {error}; {fix}") from error


def forget() -> None:
    """Read the packages' metadata anew; for tests that install one."""
    _installed.cache_clear()


@lru_cache
def _installed(kind: str) -> tuple[Entry, ...]:
    points = entry_points(group=GROUPS[kind])
    # One distribution can be visible twice (a checkout beside its installed copy); that is no conflict.
    unique = {(_package(p), p.name): p for p in reversed(tuple(points))}
    return tuple(
        Entry(kind, p.name, package, p.dist.version if p.dist else "", p.value, p) for (package, _), p in unique.items()
    )


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist else point.module
