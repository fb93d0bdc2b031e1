"""All kinds of sources: imbench's own, and those that packages register."""

from __future__ import annotations

from imbench.contract.entry_points import find, installed
from imbench.contract.errors import UsageError
from imbench.data.sources.downloads import FILE, UCI, URL, WHEEL
from imbench.data.sources.hubs import IMBLEARN, OPENML, SKLEARN
from imbench.data.sources.images import IMAGES
from imbench.data.sources.source_kind import SourceKind

KINDS = {kind.name: kind for kind in (OPENML, IMBLEARN, UCI, URL, WHEEL, SKLEARN, IMAGES, FILE)}


def kind_names() -> list[str]:
    """All valid values of a source's ``kind`` in cards; nothing is imported."""
    return [*KINDS, *sorted({entry.name for entry in installed("source")} - set(KINDS))]


def source_kind(name: str) -> SourceKind:
    """The kind of source of this name; imbench's own kinds have priority.

    Raises `UsageError` for an unknown name, or a package that cannot be loaded.
    """
    if name in KINDS:
        return KINDS[name]
    entries = installed("source")
    if name.rpartition("/")[2] not in {entry.name for entry in entries}:
        raise UsageError(f"kind must be one of {', '.join(kind_names())}, got {name!r}")
    kind: SourceKind = find(entries, "source", name).load_named(SourceKind)
    return kind
