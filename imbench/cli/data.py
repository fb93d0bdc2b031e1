"""``imbench data``: show which datasets are available, and fetch them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from imbench.cli.options import json_option, mirror_option
from imbench.cli.output import emit, emit_json, say, table
from imbench.cli.session import Session, Verbs
from imbench.contract.errors import DataError, UsageError
from imbench.contract.names import counted

if TYPE_CHECKING:
    from imbench.contract.records import Card
    from imbench.runs.registry import Registry


@click.group(cls=Verbs, invoke_without_command=True)
@mirror_option
@json_option
@click.pass_obj
@click.pass_context
def data(context: click.Context, session: Session, /, data_mirror: str | None, as_json: bool) -> None:
    """Show dataset availability.

    Each dataset is listed as cached, in the mirror, reachable from a source, or unreachable with the reason.
    `imbench data fetch` downloads datasets into the cache.
    """
    if context.invoked_subcommand is not None:
        return
    from imbench.data.data_sources import DataSources
    from imbench.data.survey import survey

    found = survey(_all_cards(session.registry), DataSources.open(data_mirror))
    headers = ["name", "title", "rows", "features", "state", "detail"]
    if as_json:
        emit_json([{name: getattr(status, name) for name in headers} for status in found])
        return
    rows = [[s.name, f"{s.rows:,}", s.features, s.state, s.detail] for s in found]
    emit(table([headers[0], *headers[2:]], rows, right=["rows", "features"]))


@data.command
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--all", "everything", is_flag=True, help="Fetch all installed datasets.")
@mirror_option
@json_option
@click.pass_obj
def fetch(session: Session, /, names: tuple[str, ...], everything: bool, data_mirror: str | None, as_json: bool) -> int:
    """Download datasets into the cache and verify their contents.

    Exits 1 if any dataset is unavailable.
    """
    from imbench.data.data_sources import DataSources

    if bool(names) == everything:
        raise UsageError("give either names of datasets, as in imbench data fetch segment musk2, or --all")
    registry = session.registry
    cards = _all_cards(registry) if everything else [registry.card(name) for name in names]
    sources, rows = DataSources.open(data_mirror), list[dict[str, Any]]()
    for card in cards:
        try:
            copy = sources.fetch(card)
        except DataError as error:
            say(f"error: {error}")
            rows.append({"name": card.name, "fetched": False, "source": None, "data_hash": None, "error": str(error)})
        else:
            source = copy.origin.partition(":")[0]
            row = {"name": card.name, "fetched": True, "source": source, "data_hash": copy.data_hash, "error": None}
            rows.append(row)
            if not as_json:
                say(f"{card.name}: verified, from {source}")
    missing = [row["name"] for row in rows if not row["fetched"]]
    if as_json:
        emit_json(rows)
    else:
        emit(f"{len(rows) - len(missing)} of {counted(len(rows), 'dataset')} fetched")
    return 1 if missing else 0


def _all_cards(registry: Registry) -> list[Card]:
    """The card of every registered dataset; datasets of broken packages are skipped with a warning."""
    cards = []
    for entry in registry.entries("dataset"):
        try:
            cards.append(entry.load())
        except UsageError as error:
            say(f"warning: {error}")
    return cards
