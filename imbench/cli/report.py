"""``imbench report``: the leaderboards of a store as files."""

from __future__ import annotations

import click

from imbench.cli.options import json_option, store_option
from imbench.cli.output import emit, emit_json
from imbench.cli.session import Verb


@click.command(cls=Verb)
@store_option
@click.option("--to", default="imbench-report", show_default=True, metavar="DIR", help="Folder to write into.")
@json_option
def report(store: str, to: str, as_json: bool) -> None:
    """Write the leaderboards of a store as Markdown, CSV and JSON."""
    from imbench.study.report import write_report
    from imbench.study.results import load

    written = write_report(load(store), to)
    if as_json:
        emit_json([str(path) for path in written])
        return
    for path in written:
        emit(str(path))
