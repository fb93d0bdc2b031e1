"""Provenance: versions and hardware behind the results, their fingerprint, and the commands that reproduce them."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Callable, Collection, Iterable
from functools import partial
from itertools import zip_longest

import pandas as pd

from imbench.contract.records import REFERENCE
from imbench.scoring.columns import ORIGIN, UNKNOWN
from imbench.stats.names import BASELINE, file_name
from imbench.store.rows import fact_values

# A fact with many values, such as a time, would hide the others.
SHOWN_VALUES = 8

# Separator between the packages of a strategy and its inner strategies; the package of a notebook or script.
JOINT, NOTEBOOK = ", ", "__main__"

# The package of imbench, and the prefix of the source of a package that exists only on the author's computer.
OWN, LOCAL = "imbench", "./"

# Names of machines, users and folders are private and of no use to a reader.
_PRIVATE = ("host", "hostname", "node", "user", "username", "path", "cwd", "store")


def facts(rows: pd.DataFrame, metrics: Collection[str] = ()) -> dict[str, tuple[str, ...]]:
    """The distinct versions and hardware by name, without host names, user names and paths."""
    return {name: tuple(values) for name, values in fact_values(rows, metrics).items() if name not in _PRIVATE}


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

    Strategies with the same configurations share a command. Plugin files, and packages installed from a folder
    or a file, are named without their folder; they must be in the folder where the commands run.

    Parameters
    ----------
    protocol_arguments : see `ProtocolArguments`
    suite_of : the name of the suite with exactly these dataset specs; None to list the specs one by one
    """
    if rows.empty:
        return []
    wanted = ["protocol", "protocol_fields", "dataset", "variant", "task", "strategy", "kind", *ORIGIN[:4]]
    jobs = rows.reindex(columns=wanted).drop_duplicates().astype(object).drop_duplicates()
    jobs = jobs.where(jobs.notna(), "")
    here = jobs[jobs["package"].map(lambda text: NOTEBOOK in text.split(JOINT))]
    found = [*_installed(rows, jobs), *_files(jobs)]
    found += [f"# {name} was defined in a notebook or script, so no command can train it" for name in _names(here)]
    runs: dict[tuple[tuple[str, ...], tuple[str, ...]], dict[tuple[str, bool], set[str]]] = {}
    for job in jobs.drop(here.index).to_dict("records"):
        arguments = protocol_arguments(*(str(job[name]) for name in ("protocol", "protocol_fields", "dataset", "task")))
        plugins = tuple(sorted(name for name in job["package"].split(JOINT) if name.endswith(".py")))
        competitor = job["strategy"], job["kind"] == REFERENCE
        of = runs.setdefault((arguments, plugins), {}).setdefault(competitor, set())
        of.add(_spec(job["dataset"], job["variant"]))
    for (arguments, plugins), competitors in sorted(runs.items()):
        for datasets in sorted({frozenset(of) for of in competitors.values()}, key=lambda of: (-len(of), sorted(of))):
            suite = suite_of(datasets)
            chosen = ["--suite", suite] if suite else _options("--dataset", sorted(datasets))
            trained = sorted(name for name, of in competitors.items() if of == datasets)
            options = [*chosen, *_competitors(trained), *_options("--plugin", plugins), *arguments]
            found.append(shlex.join(["imbench", "run", *options]))
    return found


def _competitors(trained: Iterable[tuple[str, bool]]) -> list[str]:
    """The options that choose these strategies and references; a run without a strategy would train all of them."""
    names: dict[bool, list[str]] = {False: [], True: []}
    for name, is_reference in trained:
        names[is_reference].append(name)
    references = _options("--reference", names[True]) or ["--no-references"]
    return [*_options("--strategy", names[False] or [BASELINE]), *references]


def _installed(rows: pd.DataFrame, jobs: pd.DataFrame) -> list[str]:
    """The line that installs imbench and the packages of the strategies, and comments on packages outside an index."""
    found = _packages(rows, jobs) or {(OWN, ""): UNKNOWN}
    newest = dict(sorted(found))  # of several versions the last
    wanted = [_requirement(package, version, found[package, version]) for package, version in newest.items()]
    others = sorted(f"{package} {version}" for package, version in found if newest[package] != version)
    line = shlex.join(["pip", "install", *wanted]) + (f"  # some jobs ran with {', '.join(others)}" if others else "")
    local = [(p, v, found[p, v]) for p, v in newest.items() if found[p, v].startswith(LOCAL)]
    return [line, *(_from_author(jobs, *one) for one in local)]


def _packages(rows: pd.DataFrame, jobs: pd.DataFrame) -> dict[tuple[str, str], str]:
    """Packages and their versions, each with the best source that a reader can install it from."""
    versions = map(str, rows["imbench"].dropna().unique()) if "imbench" in rows else ()
    sources = {(OWN, version): {UNKNOWN} for version in versions}
    for columns in jobs[list(ORIGIN[:3])].drop_duplicates().itertuples(index=False, name=None):
        for package, version, source in zip_longest(*(text.split(JOINT) for text in columns), fillvalue=UNKNOWN):
            if package not in ("", UNKNOWN, NOTEBOOK) and not package.endswith(".py"):
                # A URL that named a person or a host was scrubbed on publication and is no longer valid.
                source = f"{LOCAL}{package}" if "[" in source else source
                sources.setdefault((package, version), set()).add(source)
    best = partial(min, key=lambda source: (source == UNKNOWN, source.startswith(LOCAL), source))
    return {pair: best(of) for pair, of in sources.items()}


def _requirement(package: str, version: str, source: str) -> str:
    """The argument of pip for a package."""
    # imbench is installed by version, even if these jobs ran in a checkout.
    if "/" not in source or (package == OWN and source.startswith(LOCAL)):
        return f"{package}=={version}" if version else package
    return source


def _from_author(jobs: pd.DataFrame, package: str, version: str, source: str) -> str:
    """A comment on a package that was installed from a folder or a file."""
    if package == OWN:
        return (
            f"# imbench {version} was installed from a folder; if no index has that version, install a checkout of it"
        )
    name = source.removeprefix(LOCAL)
    kind = "folder" if name == package else "file"
    own = jobs[[package in text.split(JOINT) for text in jobs["package"]]]
    pairs = own.drop_duplicates(["strategy", "source_hash"])[["strategy", "source_hash"]].sort_values("strategy")
    digests = {f"{digest[:12]} of {spec.partition(':')[0]}": None for spec, digest in pairs.itertuples(index=False)}
    return (
        f"# needs the {kind} {name} from its author: package {package} {version} was installed from a {kind}, "
        f"not from an index (source hash {', '.join(digests)})"
    )


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
    """Dataset specs of these rows, sorted; files without their folder."""
    pairs = rows[["dataset", "variant"]].drop_duplicates().itertuples(index=False, name=None)
    return sorted(_spec(dataset, variant) for dataset, variant in pairs)
