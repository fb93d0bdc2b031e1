"""Facts about stored results that come from the registry, not from the store: modalities, citations, commands."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING

from imbench.contract.errors import UsageError
from imbench.contract.spec import format_value

if TYPE_CHECKING:
    import pandas as pd

    from imbench.contract.protocol import Protocol
    from imbench.runs.registry import Registry


def modalities(rows: pd.DataFrame, registry: Registry) -> dict[str, str]:
    """The modality of every registered dataset in these rows; that of user data follows from its path."""
    from imbench.data.user_data import is_user_data, user_data_modality

    found = {}
    for name in map(str, rows["dataset"].unique()):
        if is_user_data(name):
            found[name] = user_data_modality(name)
            continue
        try:
            found[name] = registry.card(name, planned=True).modality
        except UsageError:  # a plugin or card that is no longer installed: the report says "not stated"
            continue
    return found


def citations(rows: pd.DataFrame, registry: Registry) -> dict[str, str]:
    """The publication to cite for every registered dataset in these rows whose card states one."""
    from imbench.data.user_data import is_user_data

    found = {}
    for name in map(str, rows["dataset"].unique()):
        try:
            card = None if is_user_data(name) else registry.card(name, planned=True)
        except UsageError:  # a plugin or card that is no longer installed
            continue
        if card is not None and card.citation:
            found[name] = card.citation
    return found


def commands(rows: pd.DataFrame, kinds: Mapping[str, str]) -> list[str]:
    """The commands that reproduce these rows with the exact protocol fields; a complete suite becomes ``--suite``.

    ``kinds`` are the `modalities` of the datasets.
    """
    from imbench.report.provenance import commands as reproducing_commands

    known = cache(_known_protocol)  # each file is read once

    @cache  # many jobs of few datasets
    def protocol_options(protocol: str, fields: str, dataset: str, task: str) -> tuple[str, ...]:
        return _protocol_options(*known(protocol), fields, dataset, task, kinds.get(dataset, "tabular"))

    return reproducing_commands(rows, protocol_options, _suite_of)


def _known_protocol(name: str) -> tuple[str, Protocol]:
    """The shipped protocol of this name, else the default one."""
    from imbench.runs.protocols import DEFAULT_PROTOCOL, load_protocol

    try:
        return name, load_protocol(name)
    except UsageError:  # a user's protocol file, or a protocol of another version
        return DEFAULT_PROTOCOL, load_protocol(DEFAULT_PROTOCOL)


def _protocol_options(
    name: str, known: Protocol, fields: str, dataset: str, task: str, modality: str
) -> tuple[str, ...]:
    """``--protocol`` with the shipped protocol, and ``--set`` for each field that differs from it on this dataset."""
    stored = json.loads(fields or "{}")
    given = known.for_dataset(dataset, task, modality).identity()
    changed = {name: value for name, value in stored.items() if name not in given or given[name] != value}
    settings = [f"{name}={format_value(value)}" for name, value in sorted(changed.items())]
    return ("--protocol", name, *(word for setting in settings for word in ("--set", setting)))


def _suite_of(specs: frozenset[str]) -> str | None:
    """The shipped suite with exactly these configurations; fallbacks do not count."""
    from imbench.data.suites import load_suite, suite_names

    for name in suite_names():
        if specs == {entry.spec for entry in load_suite(name).entries}:
            return name
    return None
