"""``imbench status``: what a store holds."""

from __future__ import annotations

import dataclasses

import click

from imbench.cli.options import json_option, store_option
from imbench.cli.output import emit, emit_json, last_line, table
from imbench.cli.session import Verb


@click.command(cls=Verb)
@store_option
@json_option
def status(store: str, as_json: bool) -> None:
    """Show how many jobs a store holds, which failed and why."""
    from imbench.study.results import load
    from imbench.study.store import Store

    counts = Store.open(store, create=False).status()
    results = load(store)
    failures = results.failures()
    if as_json:
        emit_json(
            {
                "store": store,
                **dataclasses.asdict(counts),
                "notes": list(results.notes),
                "failures": failures.to_dict("records"),
            }
        )
        return
    emit(f"store {store}: {counts.done} jobs done, {counts.failed} failed, {counts.bytes / 1e6:.1f} MB")
    if counts.quarantined:
        emit(f"{counts.quarantined} jobs were found damaged and set aside; the same run again does them anew")
    for note in results.notes:
        emit(note)
    if len(failures):
        rows = [[*row[:-1], last_line(row[-1])] for row in failures.itertuples(index=False, name=None)]
        emit("\n" + table(list(failures.columns), rows))
