"""What a store does not say of its results but the registry knows: modalities, and suites in commands."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from imbench.contract.errors import UsageError
from imbench.contract.spec import FILE_SUFFIXES

if TYPE_CHECKING:
    import pandas as pd


def modalities(rows: pd.DataFrame) -> dict[str, str]:
    """The modality of every dataset in these rows that is still registered; of the user's own data by its path."""
    from imbench.registry import Registry

    registry, found = Registry(), {}
    for name in map(str, rows["dataset"].unique()):
        if name.endswith(FILE_SUFFIXES):
            found[name] = "image" if name.endswith("/") else "tabular"
            continue
        try:
            found[name] = registry.card(name, planned=True).modality
        except UsageError:  # a plugin that is no longer installed: the report says "not stated"
            continue
    return found


def commands(rows: pd.DataFrame) -> list[str]:
    """A command for each protocol that makes these rows again, by the suite's name where they are a whole suite."""
    from imbench.study.report.provenance import specs

    found = []
    rows = rows[["protocol", "dataset", "variant", "strategy"]].drop_duplicates()
    for protocol, group in rows.groupby("protocol", sort=True):
        wanted = specs(group)
        suite = _suite_of(frozenset(wanted))
        words = ["--suite", suite] if suite else [part for spec in wanted for part in ("--dataset", spec)]
        for strategy in sorted(set(group["strategy"])):
            words += ["--strategy", strategy]
        found.append(shlex.join(["imbench", "run", *words, "--protocol", str(protocol)]))
    return found


def _suite_of(specs: frozenset[str]) -> str | None:
    """The shipped suite whose configurations, or what stands in for them, are exactly these."""
    from imbench.data.suites import load_suite, suite_names

    for name in suite_names():
        entries = load_suite(name).entries
        known = {spec for entry in entries for spec in (entry.spec, entry.fallback) if spec}
        if specs <= known and all({entry.spec, entry.fallback} & specs for entry in entries):
            return name
    return None
