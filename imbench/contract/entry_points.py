"""Entry points of installed packages: names are read from their metadata, objects are imported on first use."""

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
from typing import Any, NoReturn

from imbench.contract.errors import UsageError
from imbench.contract.names import suggest
from imbench.contract.spec import check_name

# Its names need no ``package/`` prefix, even if another package registers the same name.
CORE_PACKAGE = "imbench"

GROUPS = {
    "strategy": "imbench.strategies",
    "reference": "imbench.references",
    "dataset": "imbench.datasets",
    "suite": "imbench.suites",
    "metric": "imbench.metrics",
    "source": "imbench.sources",
}


@dataclass(frozen=True)
class Entry:
    """One registered name, as in the metadata of its package; the object is not imported until `load`.

    Parameters
    ----------
    kind : a key of `GROUPS`
    name : the registered name
    package, version : the distribution that registers it, or the path of a plugin file and ""
    value : the object as ``module:attribute``
    target : the entry point, or the object itself if it comes from a plugin file or a table of imbench
    """

    kind: str
    name: str
    package: str
    version: str
    value: str
    target: Any = dataclasses.field(repr=False, compare=False)

    @property
    def qualified(self) -> str:
        """``package/name``; for a plugin file, the file's name without folder and ``.py``, then ``/name``."""
        return f"{Path(self.package).stem if self.from_file else self.package}/{self.name}"

    @property
    def from_file(self) -> bool:
        """Whether the name is defined in a plugin file, not in a package."""
        return not isinstance(self.target, EntryPoint) and self.package != CORE_PACKAGE

    def load(self) -> Any:
        """Import the object. Raises `UsageError`, naming the package and the reason, if that fails."""
        check_name(self.name, f"a {self.kind} of {self._owner} ({self.value!a})")
        if not isinstance(self.target, EntryPoint):
            return self.target
        with self.translate_errors("loaded", passing=()):
            return self.target.load()

    @contextlib.contextmanager
    def translate_errors(self, done: str, passing: tuple[type[BaseException], ...] = (UsageError,)) -> Iterator[None]:
        """Convert any exception of a plugin's code, even `SystemExit`, to a `UsageError` that names its package.

        Exceptions of the types ``passing`` are not converted, such as the error for a parameter out of range. ``done``
        completes the message "… cannot be …".
        """
        fix = f"repair {self.package}" if self.from_file else f"repair or uninstall {self.package}"
        what = f"{self.kind} {self.name!r} of {self._owner} cannot be {done} ({self.value})"
        with translated_errors(what, fix, passing):
            yield

    @property
    def _owner(self) -> str:
        return f"plugin file {self.package}" if self.from_file else f"package {self.package} {self.version}"

    def load_as(self, kind: type) -> Any:
        """As `load`; also raises `UsageError` if the object is not an instance of ``kind``."""
        found = self.load()
        if not issubclass(type(found), kind):
            raise UsageError(
                f"{self.kind} {self.name!r} of package {self.package} {self.version} ({self.value}) is a "
                f"{type(found).__name__}, not a {kind.__name__}; repair or uninstall {self.package}"
            )
        return found

    def load_named(self, kind: type) -> Any:
        """As `load_as`, for objects with a ``name``; also raises `UsageError` if it differs from the registered one."""
        found = self.load_as(kind)
        if found.name != self.name:
            raise UsageError(
                f"{self.kind} {self.name!r} of {self.package} ({self.value}) has the name {found.name!r}; "
                f"set name = {self.name!r}"
            )
        return found


def installed(kind: str) -> list[Entry]:
    """The entries of this kind that installed packages register.

    If the environment variable ``IMBENCH_DISABLE_PLUGINS`` is set and not 0, only imbench's own entries.
    """
    core_only = os.environ.get("IMBENCH_DISABLE_PLUGINS", "0") not in ("", "0")
    return [entry for entry in _installed(kind) if entry.package == CORE_PACKAGE or not core_only]


def find(entries: Sequence[Entry], kind: str, name: str) -> Entry:
    """The entry with this name or ``package/name``.

    Raises `UsageError` if there is none, suggesting similar names, or if several packages register the name.
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
    """All entries with this name or ``package/name``."""
    package, _, short = name.rpartition("/")
    return [e for e in entries if e.name == short and (package in ("", e.package) or name == e.qualified)]


@contextlib.contextmanager
def translated_errors(what: str, fix: str, passing: tuple[type[BaseException], ...]) -> Iterator[None]:
    """Convert exceptions of third-party code to ``UsageError("what: type: message; fix")``.

    Exceptions of the types ``passing``, and `KeyboardInterrupt`, are not converted. Output to stdout goes to stderr.
    """
    try:
        with contextlib.redirect_stdout(sys.stderr), exits_raised():
            yield
    except BaseException as error:  # third-party code may raise anything, including SystemExit
        if isinstance(error, (KeyboardInterrupt, *passing)):
            raise
        raise UsageError(f"{what}: {type(error).__name__}: {error}; {fix}") from error


@contextlib.contextmanager
def exits_raised() -> Iterator[None]:
    """Make `os._exit` raise `SystemExit` in this process, which it would end silently; forked children still exit."""
    leave, process = os._exit, os.getpid()

    def refuse(status: int) -> NoReturn:
        if os.getpid() != process:
            leave(status)
        raise SystemExit(f"os._exit({status})")

    os._exit = refuse
    try:
        yield
    finally:
        os._exit = leave


def forget() -> None:
    """Clear the cached package metadata; for tests that install a package."""
    _installed.cache_clear()


@lru_cache
def _installed(kind: str) -> tuple[Entry, ...]:
    points = tuple(entry_points(group=GROUPS[kind]))
    # Asking a distribution for its name parses its metadata each time, and imbench alone has a hundred entry points.
    distributions = {id(p.dist): p.dist for p in points if p.dist}
    owners = {number: (one.name, one.version) for number, one in distributions.items()}
    named = [(owners.get(id(p.dist)) or (p.module, ""), p) for p in points]
    # A distribution can be found twice, in a checkout and as its installed copy; that is not a conflict.
    unique = {(package, p.name): (version, p) for (package, version), p in reversed(named)}
    # The package importlib_metadata, once imported, finds them in place of Python's own and as objects of its own type.
    return tuple(
        Entry(kind, p.name, package, version, p.value, EntryPoint(p.name, p.value, p.group))
        for (package, _), (version, p) in unique.items()
    )
