"""The code behind results, and caveats on strategies with doubtful source."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from imbench.contract.names import counted
from imbench.scoring.columns import ORIGIN, UNKNOWN
from imbench.stats.names import file_name, is_file

if TYPE_CHECKING:
    from imbench.store.store import FailedRetrain

FAILED, NOT_CHECKED = "failed", "not checked"
# Columns that `source_notes` reads.
READ_BY_NOTES = ("dataset", "data_hash", "strategy", "strategy_version", "key", *ORIGIN)


@dataclass(frozen=True)
class Origin:
    """The code behind the jobs of one strategy.

    Parameters
    ----------
    strategy, version : spec and declared version
    package, package_version : distribution and version, or the name of a plugin file and ""
    package_source : source of the package (`imbench.checks.source.package_source`)
    source_hash : see `imbench.checks.source.source_hash`
    checks : ``passed``, ``failed: `` with properties, ``not checked`` or ``unknown``
    checks_version : version of the checks
    jobs : number of jobs
    """

    strategy: str
    version: str
    package: str
    package_version: str
    package_source: str
    source_hash: str
    checks: str
    checks_version: str
    jobs: int

    @property
    def short_hash(self) -> str:
        """The first 12 digits of the hash."""
        return self.source_hash if self.source_hash.startswith(UNKNOWN) else self.source_hash[:12]


def origins(rows: pd.DataFrame) -> list[Origin]:
    """The origins of each strategy, one for each source code that made any of its jobs, sorted."""
    wanted = ["strategy", "strategy_version", *ORIGIN]
    # One row for each job first: a large store has a million rows of a few thousand jobs.
    known = rows.reindex(columns=[*wanted, "key"]).drop_duplicates().astype(object)
    known[list(ORIGIN)] = known[list(ORIGIN)].where(known[list(ORIGIN)].notna(), UNKNOWN)
    known["strategy_version"] = known["strategy_version"].where(known["strategy_version"].notna(), "")
    counts = known.drop_duplicates([*wanted, "key"]).groupby(wanted, sort=True).size()
    listed = counts.reset_index(name="jobs").astype({"jobs": int}).itertuples(index=False, name=None)
    return [Origin(*one) for one in listed]


def marks(rows: pd.DataFrame) -> dict[str, str]:
    """Caveats on a strategy's source, by strategy; only strategies with one."""
    found: dict[str, list[str]] = {}
    sources: dict[str, set[str]] = {}
    for origin in origins(rows):
        if origin.checks.startswith(FAILED):
            found.setdefault(origin.strategy, []).append(f"failed the conformance checks ({_listed(origin.checks)})")
        elif origin.checks == NOT_CHECKED:
            found.setdefault(origin.strategy, []).append("skipped the conformance checks")
        if not origin.source_hash.startswith(UNKNOWN):
            sources.setdefault(origin.strategy, set()).add(origin.short_hash)
    for strategy, digests in sources.items():
        if len(digests) > 1:
            text = f"has jobs from {len(digests)} versions of its source ({', '.join(sorted(digests))})"
            found.setdefault(strategy, []).append(text)
    return {strategy: " and ".join(dict.fromkeys(texts)) for strategy, texts in sorted(found.items())}


def source_notes(rows: pd.DataFrame) -> list[str]:
    """The caveats as sentences, one for all strategies with the same caveat."""
    by_mark: dict[str, list[str]] = {}
    for strategy, text in marks(rows).items():
        by_mark.setdefault(text, []).append(strategy)
    found = [f"{', '.join(names)}{': each' if len(names) > 1 else ''} {text}" for text, names in by_mark.items()]
    return [*_of_changed_files(rows), *found]


def retrain_notes(failed: Sequence[FailedRetrain]) -> list[str]:
    """A sentence for each strategy with jobs that still need retraining, without the errors, which may have paths."""
    counts = Counter((one.strategy, one.version) for one in failed)
    return [
        f"{strategy} (version {version}) has {counted(jobs, 'job')} of other source, because retraining failed or did "
        "not finish; run again with --retrain"
        for (strategy, version), jobs in sorted(counts.items())
    ]


def _of_changed_files(rows: pd.DataFrame) -> list[str]:
    """A sentence for each file of a user that was trained on with other contents under the same path."""
    known = rows[["dataset", "data_hash"]].astype("str").drop_duplicates()
    mine = known[known["dataset"].map(is_file).astype(bool)].groupby("dataset", sort=True)["data_hash"].agg(list)
    return [
        f"{file_name(str(dataset))} has results of {len(hashes)} versions of its data "
        f"({', '.join(h[:6] for h in hashes)}), which are ranked as different datasets; "
        "use a new store for the new version"
        for dataset, hashes in mine.items()
        if len(hashes) > 1
    ]


def row_marks(rows: pd.DataFrame) -> dict[str, str]:
    """The mark of a board's row, by strategy and by its label with a version; strategies that passed are omitted."""
    found: dict[str, str] = {}
    for origin in origins(rows):
        for name in (origin.strategy, f"{origin.strategy}@{origin.version}"):
            if origin.checks.startswith(FAILED):
                found[name] = "failed checks"
            elif origin.checks == NOT_CHECKED:
                found.setdefault(name, "not checked")
    return found


def unchecked(rows: pd.DataFrame) -> Mapping[str, str]:
    """Strategies that failed the checks or were not checked, with the result."""
    return {o.strategy: o.checks for o in origins(rows) if o.checks.startswith(FAILED) or o.checks == NOT_CHECKED}


def _listed(checks: str) -> str:
    return checks.partition(": ")[2] or "not stated"
