"""Provenance: versions and hardware behind the numbers, their fingerprint, and the command that makes them again."""

from __future__ import annotations

import hashlib
import shlex

import pandas as pd

from imbench.study.identity import file_name
from imbench.study.rows import fact_values

# A fact of many values, such as a time, would bury the others.
SHOWN_VALUES = 8

# Facts that name a machine or a folder would be of no use to a reader, and might be nobody's business.
_PRIVATE = ("host", "hostname", "node", "user", "username", "path", "cwd", "store")


def facts(rows: pd.DataFrame) -> dict[str, tuple[str, ...]]:
    """Versions and hardware by name, each with its different values; never a host's or user's name or a path."""
    return {name: tuple(values) for name, values in fact_values(rows).items() if name not in _PRIVATE}


def fingerprint(rows: pd.DataFrame) -> str:
    """SHA-256 over the keys of all jobs, which hash data, variants, strategies and protocols."""
    return hashlib.sha256("\n".join(sorted(rows["key"].unique())).encode()).hexdigest()


def data_hashes(rows: pd.DataFrame) -> list[tuple[str, str]]:
    """(dataset, SHA-256 of its canonical arrays) of every dataset."""
    pairs = rows[["dataset", "data_hash"]].drop_duplicates().itertuples(index=False, name=None)
    return sorted((file_name(dataset), digest) for dataset, digest in pairs)


def commands(rows: pd.DataFrame) -> list[str]:
    """One command for each protocol that trains the same configurations and strategies again.

    Every configuration is spelt out; who knows the suites can say it shorter.
    """
    found = []
    rows = rows[["protocol", "dataset", "variant", "strategy"]].drop_duplicates()
    for protocol, group in rows.groupby("protocol", sort=True):
        words = ["imbench", "run"]
        for option, names in (("--dataset", specs(group)), ("--strategy", sorted(set(group["strategy"])))):
            words += [part for name in names for part in (option, name)]
        found.append(shlex.join([*words, "--protocol", str(protocol)]))
    return found


def specs(rows: pd.DataFrame) -> list[str]:
    """Dataset specs of these rows, sorted; a file by its name alone."""
    pairs = rows[["dataset", "variant"]].drop_duplicates().itertuples(index=False, name=None)
    return sorted(file_name(d) if v == "natural" else f"{file_name(d)}:{v}" for d, v in pairs)
