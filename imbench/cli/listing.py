"""``imbench list``: what is installed, by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import click

from imbench.cli.options import json_option, plugin_option
from imbench.cli.output import emit, emit_json, table
from imbench.cli.session import Verb

Row = dict[str, Any]


def _registered(kind: str) -> Callable[[Sequence[str]], list[Row]]:
    def rows(plugins: Sequence[str]) -> list[Row]:
        from imbench.registry import Registry

        entries = Registry(tuple(plugins)).entries(kind)
        return [{"name": e.name, "package": e.package, "version": e.version, "object": e.value} for e in entries]

    return rows


def _protocols(plugins: Sequence[str]) -> list[Row]:
    from imbench.protocols import load_protocol, protocol_names

    protocols = [load_protocol(name) for name in protocol_names()]
    return [{"name": p.name, "epochs": p.epochs, "repeats": p.repeats, "folds": p.folds} for p in protocols]


_KINDS: dict[str, Callable[[Sequence[str]], list[Row]]] = {
    "strategies": _registered("strategy"),
    "datasets": _registered("dataset"),
    "suites": _registered("suite"),
    "metrics": _registered("metric"),
    "protocols": _protocols,
}


@click.command("list", cls=Verb)
@click.argument("kind", metavar="KIND", type=click.Choice(list(_KINDS)))
@plugin_option
@json_option
def list_(kind: str, plugins: tuple[str, ...], as_json: bool) -> None:
    """List what is installed: strategies, datasets, suites, …

    KIND is one of strategies, datasets, suites, metrics and protocols.
    Names come from the packages' metadata; nothing is imported. `imbench info NAME` tells more of one.
    """
    rows = _KINDS[kind](plugins)
    if as_json:
        emit_json(rows)
        return
    headers = list(rows[0]) if rows else ["name"]
    emit(table(headers, [list(row.values()) for row in rows], right=["epochs", "repeats", "folds"]))
