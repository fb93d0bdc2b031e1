"""The distributions that imbench needs to run, and the versions of them that are installed."""

from __future__ import annotations

import importlib.metadata
from dataclasses import dataclass, field

from imbench.contract.entry_points import CORE_PACKAGE


@dataclass
class Needed:
    """One distribution that imbench, or something it needs, depends on.

    Parameters
    ----------
    name : its normalised name
    version : the installed version; "" if it is not installed
    wanted : each dependent, and the versions that it accepts, such as ``{"imbench": ">=2.6"}``
    """

    name: str
    version: str
    wanted: dict[str, str] = field(default_factory=dict)

    @property
    def unmet(self) -> dict[str, str]:
        """The part of ``wanted`` that the installed version does not meet."""
        from packaging.specifiers import SpecifierSet

        return {
            by: versions
            for by, versions in self.wanted.items()
            if not self.version or not SpecifierSet(versions).contains(self.version, prereleases=True)
        }


def needed() -> list[Needed]:
    """Direct and indirect dependencies of imbench on this platform, without extras, sorted by name."""
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    found: dict[str, Needed] = {}
    waiting: list[tuple[str, frozenset[str]]] = [(CORE_PACKAGE, frozenset())]
    seen = set(waiting)
    while waiting:
        dependent, extras = waiting.pop()
        for line in _requires(dependent):
            requirement = Requirement(line)
            marker, name = requirement.marker, canonicalize_name(requirement.name)
            if marker and not any(marker.evaluate({"extra": extra}) for extra in (extras or ("",))):
                continue
            one = found.setdefault(name, Needed(name, version_of(name)))
            one.wanted[dependent] = str(requirement.specifier)
            branch = (name, frozenset(requirement.extras))
            if branch not in seen:
                seen.add(branch)
                waiting.append(branch)
    return sorted(found.values(), key=lambda one: one.name)


def version_of(name: str) -> str:
    """The installed version of a distribution; "" if it is not installed."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _requires(name: str) -> list[str]:
    try:
        return importlib.metadata.requires(name) or []
    except importlib.metadata.PackageNotFoundError:
        return []
