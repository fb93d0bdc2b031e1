"""Completeness: the configurations that stored results cover and lack, derived from the rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet

import numpy as np
import pandas as pd

from imbench.stats.names import CONFIGURATION, file_name, labelled, numbered
from imbench.stats.scope import KnownSuite
from imbench.stats.words import counted, listed
from imbench.store.selection import dataset_specs


def completeness(rows: pd.DataFrame, suites: Sequence[KnownSuite] = ()) -> tuple[str, ...]:
    """Sentences on the suites that these rows cover, on stand-ins, and on strategies that lack results.

    They depend only on the rows, not on the runs that filled the store.

    Parameters
    ----------
    rows : a row for each fold (see `Store.frame`)
    suites : installed suites; without any, configurations are counted
    """
    rows = labelled(rows[[*_READ, *(name for name in _MAY_HAVE if name in rows)]].drop_duplicates())
    protocols = sorted(set(rows["protocol"]))
    return tuple(
        f"under protocol {protocol}, {sentence}" if len(protocols) > 1 else sentence
        for protocol in protocols
        for sentence in _of_protocol(rows[rows["protocol"] == protocol], suites)
    )


_READ = ["protocol", "protocol_fields", "task", *CONFIGURATION, "strategy", "strategy_version", "error"]
_MAY_HAVE = ("numbers", "trial")


def _of_protocol(rows: pd.DataFrame, suites: Sequence[KnownSuite]) -> Iterator[str]:
    number, configurations = numbered(rows[["dataset", "variant"]])
    names = {name: file_name(str(name)) for name in configurations["dataset"].unique()}
    specs = dataset_specs(configurations.assign(dataset=configurations["dataset"].map(names))).tolist()
    strategy, strategies = numbered(rows[["strategy"]])
    # By number: a large store has results of 200 strategies on 500 configurations.
    finished = np.zeros((len(strategies), len(specs)), dtype=bool)
    done = (rows["error"] == "").to_numpy()
    finished[strategy.to_numpy()[done], number.to_numpy()[done]] = True
    covered = frozenset(specs[place] for place in np.flatnonzero(finished.any(axis=0)))
    has = {
        name: frozenset(specs[place] for place in np.flatnonzero(of))
        for name, of in sorted(zip(strategies["strategy"].tolist(), finished, strict=True), key=lambda one: one[0])
    }
    mentioned = _mentioned(suites, covered)
    for suite in mentioned:
        yield from _of_suite(suite, covered)
    others = covered - {spec for suite in mentioned for entry in suite.entries for spec in entry}
    if others or not covered:
        beyond = " outside all installed suites" if mentioned else ""
        yield f"{counted(len(others), 'configuration')}{beyond}"
    yield from _lacking(has, covered)


def _mentioned(suites: Sequence[KnownSuite], covered: AbstractSet[str]) -> list[KnownSuite]:
    """The suites that describe the covered configurations: the most complete first, each adding configurations."""
    shares = {suite: sum(_is_covered(entry, covered) for entry in suite.entries) for suite in suites}
    ordered = sorted(suites, key=lambda suite: (-shares[suite] / len(suite.entries), -shares[suite], suite.name))
    left, found = set(covered), []
    for suite in ordered:
        known = {spec for entry in suite.entries for spec in entry}
        if known & left:
            found.append(suite)
            left -= known
    return found


def _of_suite(suite: KnownSuite, covered: AbstractSet[str]) -> Iterator[str]:
    missing = [entry[0] for entry in suite.entries if not _is_covered(entry, covered)]
    count = counted(len(suite.entries), "configuration")
    if missing:
        number = f"{len(suite.entries) - len(missing)} of {count}"
        yield f"suite {suite.name}: results on {number}, none on {listed(missing)}"
    else:
        yield f"suite {suite.name}: results on all {count}"
    for spec, stand_in in suite.entries:
        if stand_in in covered and spec not in covered:
            yield f"{stand_in} replaces {spec}"


def _is_covered(entry: tuple[str, str], covered: AbstractSet[str]) -> bool:
    return not covered.isdisjoint(entry)


def _lacking(has: Mapping[str, AbstractSet[str]], covered: AbstractSet[str]) -> Iterator[str]:
    """A sentence for each group of strategies that lack the same configurations."""
    alike: dict[tuple[str, ...], list[str]] = {}
    for name, specs in has.items():
        alike.setdefault(tuple(sorted(covered - specs)), []).append(name)
    for missing, names in alike.items():
        verb = "has" if len(names) == 1 else "have"
        if len(missing) == len(covered):
            yield f"{listed(names)} {verb} no results"
        elif missing:
            number = f"{len(missing)} of {counted(len(covered), 'configuration')}"
            yield f"{listed(names)} {verb} no results on {number}: {listed(missing)}"
