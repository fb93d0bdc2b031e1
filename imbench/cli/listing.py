"""``imbench list``: names of installed strategies, datasets and more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from imbench.cli.options import json_option, plugin_option
from imbench.cli.output import emit, emit_json, paragraph, table
from imbench.cli.session import Session, Verb
from imbench.contract.errors import UsageError
from imbench.contract.names import suggest

if TYPE_CHECKING:
    from imbench.runs.registry import Registry

Row = dict[str, Any]


def _registered(kind: str) -> Callable[[Registry, bool], list[Row]]:
    def rows(registry: Registry, check: bool) -> list[Row]:
        entries = registry.entries(kind)
        found: list[Row] = [
            {"name": e.name, "package": e.package, "version": e.version, "object": e.value} for e in entries
        ]
        shared = {name for name, times in Counter(e.name for e in entries).items() if times > 1}
        for row, entry in zip(found, entries, strict=True):
            if shared:
                row["write"] = entry.qualified if entry.name in shared else entry.name
            if check:
                row["broken"] = registry.state(entry)
        return found

    return rows


def _protocols(registry: Registry, check: bool) -> list[Row]:
    from imbench.runs.protocols import load_protocol, protocol_names

    protocols = [load_protocol(name) for name in protocol_names()]
    return [{"name": p.name, "epochs": p.epochs, "repeats": p.repeats, "folds": p.folds} for p in protocols]


def _rules(registry: Registry, check: bool) -> list[Row]:
    from imbench.scoring.rules import RULES

    return [{"name": rule.name, "title": rule.title} for rule in RULES.values()]


_KINDS: dict[str, Callable[[Registry, bool], list[Row]]] = {
    "strategies": _registered("strategy"),
    "references": _registered("reference"),
    "datasets": _registered("dataset"),
    "suites": _registered("suite"),
    "metrics": _registered("metric"),
    "sources": _registered("source"),
    "protocols": _protocols,
    "rules": _rules,
}


@click.command("list", cls=Verb)
@click.argument("kind", metavar="KIND")
@click.option("--check", is_flag=True, help="Load each entry and report broken ones; exits 1 if any is broken.")
@plugin_option
@json_option
@click.pass_obj
def list_(session: Session, /, kind: str, check: bool, as_json: bool) -> int:
    """List installed strategies, datasets and more.

    KIND is strategies, references, datasets, suites, metrics, sources, protocols or rules (decision rules).
    Names come from package metadata; nothing is imported unless --check is given. If two packages share a name, the
    column `write` shows how to refer to each. `imbench info NAME` describes one entry.
    """
    if kind not in _KINDS:
        raise UsageError(f"unknown kind {kind!r}; {suggest(kind, _KINDS)}")
    rows = _KINDS[kind](session.registry, check)
    broken = [row for row in rows if row.get("broken")]
    if as_json:
        emit_json(rows)
        return 1 if broken else 0
    # Reasons are sentences, so they go below the table.
    reasons = [paragraph(f"broken: {row.pop('broken')}") for row in broken]
    for row in rows:
        row.pop("broken", None)
    headers = list(rows[0]) if rows else ["name"]
    emit(table(headers, [list(row.values()) for row in rows], right=["epochs", "repeats", "folds"]))
    if check:
        emit("\n" + ("\n".join(reasons) if reasons else "all entries load"))
    return 1 if broken else 0
