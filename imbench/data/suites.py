"""Suites: named lists of configurations that are run together."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imbench.contract.errors import DataError
from imbench.contract.names import is_beside, suggest
from imbench.contract.reading import read_toml
from imbench.contract.spec import parse_spec
from imbench.data.cards import attribute_of, cards_folder
from imbench.data.user_data import is_user_data

_FIELDS = ("title", "protocol", "configurations")


@dataclass(frozen=True)
class SuiteEntry:
    """One configuration of a suite.

    Parameters
    ----------
    spec : spec of the dataset variant
    fallback : the stand-in, a variant to run if the data is unavailable; results state this
    """

    spec: str
    fallback: str | None = None


@dataclass(frozen=True)
class Suite:
    """A named list of configurations, in the order of its file.

    Parameters
    ----------
    name, title : name, and title for display
    entries : the configurations
    protocol : default protocol, possibly with settings, such as ``standard:repeats=1``; None for imbench's default
    """

    name: str
    title: str
    entries: tuple[SuiteEntry, ...]
    protocol: str | None = None


def suite_names() -> list[str]:
    """Sorted names of the shipped suites."""
    return sorted(p.stem for p in (cards_folder() / "suites").glob("*.toml"))


def load_suite(name_or_path: str) -> Suite:
    """The shipped suite of this name, or the suite file (.toml) at this path.

    Raises `DataError` for an unknown name, a file that is not TOML, and an entry that is not a spec. Datasets are
    checked later, when the entries are resolved, since plugins may define them.
    """
    is_path = name_or_path.endswith(".toml")
    if not is_path and name_or_path not in suite_names():
        also = "a .toml file can be given by its path"
        raise DataError(f"unknown suite {name_or_path!r}; {suggest(name_or_path, suite_names(), also)}")
    path = Path(name_or_path) if is_path else cards_folder() / "suites" / f"{name_or_path}.toml"
    suite = _suite(path.stem, read_toml(path, f"the suite {path}", DataError))
    if is_path:
        _check_inside(suite, path)
    return suite


def _check_inside(suite: Suite, path: Path) -> None:
    """Raise `DataError` for a table, folder, card or protocol file outside the suite's folder and the current one."""
    specs = [spec for entry in suite.entries for spec in (entry.spec, entry.fallback) if spec]
    for spec in [*specs, *([suite.protocol] if suite.protocol else [])]:
        name, _ = parse_spec(spec)
        is_file = name.endswith(".toml") or is_user_data(name)
        if is_file and not is_beside(Path(os.path.expanduser(name)), path):
            raise DataError(
                f"suite {path}: {name!r} is outside the folder of the suite and the current folder; move it there, "
                "or name it with --dataset or --protocol"
            )


def _suite(name: str, fields: dict[str, Any]) -> Suite:
    unknown = sorted(set(fields) - set(_FIELDS))
    if unknown:
        raise DataError(f"suite {name} has an unknown field {unknown[0]!r}; {suggest(unknown[0], _FIELDS)}")
    protocol = fields.get("protocol")
    if not isinstance(protocol, str | None):
        raise DataError(f"suite {name}: protocol must be text, got {protocol!r}; for example 'standard:repeats=2'")
    rows = fields.get("configurations", [])
    if not isinstance(rows, list) or not rows:
        raise DataError(f'suite {name} lists no configurations; write configurations = ["segment:ir=0.05"]')
    entries = tuple(_entry(name, row) for row in rows)
    specs = [e.spec for e in entries]
    twice = [s for s in specs if specs.count(s) > 1]
    if twice:
        raise DataError(f"suite {name} lists {twice[0]!r} twice; keep one")
    return Suite(name, str(fields.get("title", name)), entries, protocol)


def _entry(suite: str, row: Any) -> SuiteEntry:
    entry = row if isinstance(row, dict) else {"spec": row}
    if not set(entry) <= {"spec", "fallback"} or not all(isinstance(v, str) for v in entry.values()):
        raise DataError(f"suite {suite}: {row!r} must be a spec, or a table with the text fields spec and fallback")
    if "spec" not in entry:
        raise DataError(f"suite {suite}: {row!r} lacks the field 'spec'; add the spec of the configuration")
    for spec in entry.values():
        parse_spec(spec)
    return SuiteEntry(entry["spec"], entry.get("fallback"))


def __getattr__(name: str) -> Suite:
    # Entry points refer to shipped suites as attributes: `tabular = "imbench.data.suites:tabular"`.
    called = next((suite for suite in suite_names() if attribute_of(suite) == name), None)
    if called is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return load_suite(called)
