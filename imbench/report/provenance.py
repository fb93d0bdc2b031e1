"""Provenance: versions and hardware behind the results, their fingerprint, and the commands that reproduce them."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Callable, Iterable

import pandas as pd

from imbench.scoring.columns import ORIGIN, UNKNOWN
from imbench.stats.names import file_name
from imbench.store.rows import fact_values

# A fact with many values, such as a time, would hide the others.
SHOWN_VALUES = 8

# Between the packages of a strategy and of those inside it; the package of what no package or file has.
JOINT, NOTEBOOK = ", ", "__main__"

# Names of machines, users and folders are private and of no use to a reader.
_PRIVATE = ("host", "hostname", "node", "user", "username", "path", "cwd", "store")


def facts(rows: pd.DataFrame) -> dict[str, tuple[str, ...]]:
    """The distinct versions and hardware by name, without host names, user names and paths."""
    return {name: tuple(values) for name, values in fact_values(rows).items() if name not in _PRIVATE}


def fingerprint(rows: pd.DataFrame) -> str:
    """SHA-256 over the keys of all jobs, which hash data, variants, strategies and protocols."""
    return hashlib.sha256("\n".join(sorted(rows["key"].unique())).encode()).hexdigest()


def data_hashes(rows: pd.DataFrame) -> list[tuple[str, str]]:
    """(dataset, SHA-256 of its canonical arrays) of every dataset."""
    pairs = rows[["dataset", "data_hash"]].drop_duplicates().itertuples(index=False, name=None)
    return sorted((file_name(dataset), digest) for dataset, digest in pairs)


# The arguments that choose a protocol, given its name, its fields as JSON, the dataset and the task.
ProtocolArguments = Callable[[str, str, str, str], tuple[str, ...]]


def by_name(protocol: str, fields: str, dataset: str, task: str) -> tuple[str, ...]:
    """The protocol by its name, which is all that the rows contain."""
    return ("--protocol", protocol)


def commands(
    rows: pd.DataFrame,
    protocol_arguments: ProtocolArguments = by_name,
    suite_of: Callable[[frozenset[str]], str | None] = lambda specs: None,
) -> list[str]:
    """Shell commands that reproduce exactly these jobs on another machine, starting with the installation.

    Strategies with the same configurations share a command. Plugin files are named without their folder; they must lie
    in the folder where the commands run.

    Parameters
    ----------
    protocol_arguments : see `ProtocolArguments`
    suite_of : the name of the suite with exactly these dataset specs; None to list the specs one by one
    """
    if rows.empty:
        return []
    wanted = ["protocol", "protocol_fields", "dataset", "variant", "task", "strategy", *ORIGIN[:3]]
    jobs = rows.reindex(columns=wanted).astype(object).drop_duplicates()
    jobs = jobs.where(jobs.notna(), "")
    here = jobs[jobs["package"].map(lambda text: NOTEBOOK in text.split(JOINT))]
    found = [_installed(rows, jobs), *_files(jobs)]
    found += [f"# {name} was defined in a notebook or script; no command can train it" for name in _names(here)]
    runs: dict[tuple[tuple[str, ...], tuple[str, ...]], dict[str, set[str]]] = {}
    for job in jobs.drop(here.index).to_dict("records"):
        arguments = protocol_arguments(*(str(job[name]) for name in ("protocol", "protocol_fields", "dataset", "task")))
        plugins = tuple(sorted(name for name in job["package"].split(JOINT) if name.endswith(".py")))
        of = runs.setdefault((arguments, plugins), {}).setdefault(job["strategy"], set())
        of.add(_spec(job["dataset"], job["variant"]))
    for (arguments, plugins), strategies in sorted(runs.items()):
        for datasets in sorted({frozenset(of) for of in strategies.values()}, key=lambda of: (-len(of), sorted(of))):
            suite = suite_of(datasets)
            chosen = ["--suite", suite] if suite else _options("--dataset", sorted(datasets))
            trained = sorted(name for name, of in strategies.items() if of == datasets)
            options = [*chosen, *_options("--strategy", trained), *_options("--plugin", plugins), *arguments]
            found.append(shlex.join(["imbench", "run", *options]))
    return found


def _installed(rows: pd.DataFrame, jobs: pd.DataFrame) -> str:
    """The command that installs imbench and the packages of the strategies."""
    pairs = (
        {("imbench", version) for version in map(str, rows["imbench"].dropna().unique())}
        if "imbench" in rows
        else set()
    )
    for package, version in zip(jobs["package"], jobs["package_version"], strict=True):
        pairs |= set(zip(package.split(JOINT), version.split(JOINT), strict=False))
    pairs = {(p, v) for p, v in pairs if p not in ("", UNKNOWN, NOTEBOOK) and not p.endswith(".py")}
    newest = dict(sorted(pairs)) or {"imbench": ""}  # of several versions the last
    line = shlex.join(["pip", "install", *(f"{p}=={v}" if v else p for p, v in newest.items())])
    others = sorted(f"{p} {v}" for p, v in pairs if newest[p] != v)
    return f"{line}  # some jobs were trained with {', '.join(others)}" if others else line


def _files(jobs: pd.DataFrame) -> list[str]:
    """A comment for each plugin file, with its hash."""
    files = jobs[jobs["package"].str.endswith(".py")][["package", "source_hash"]].drop_duplicates()
    return sorted(f"# needs the file {file} (SHA-256 {digest})" for file, digest in files.itertuples(index=False))


def _names(jobs: pd.DataFrame) -> list[str]:
    return sorted(set(jobs["strategy"]))


def _options(option: str, values: Iterable[str]) -> list[str]:
    return [word for value in values for word in (option, value)]


def _spec(dataset: str, variant: str) -> str:
    return file_name(dataset) if variant == "natural" else f"{file_name(dataset)}:{variant}"


def specs(rows: pd.DataFrame) -> list[str]:
    """Dataset specs of these rows, sorted; a file by its name alone."""
    pairs = rows[["dataset", "variant"]].drop_duplicates().itertuples(index=False, name=None)
    return sorted(_spec(dataset, variant) for dataset, variant in pairs)
