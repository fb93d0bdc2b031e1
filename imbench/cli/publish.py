"""``imbench publish``: a store as a folder for any static host."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from imbench.cli.options import json_option, mirror_option
from imbench.cli.output import emit, emit_json
from imbench.cli.sample_grids import sample_grids, samples_option
from imbench.cli.selection import Choice, protocols_option, selection_options
from imbench.cli.session import Verb

if TYPE_CHECKING:
    import pandas as pd

    from imbench.report import Options


@click.command(cls=Verb)
@click.argument("store")
@click.option("--to", required=True, metavar="DIR", help="Folder to publish to; other stores' pages in it stay.")
@click.option("--name", metavar="NAME", help="Of the page; default: the store's folder name.")
@click.option("--title", metavar="TEXT", help="Of the page, its report and citation; default: what the store holds.")
@click.option(
    "--author", "authors", multiple=True, metavar="NAME", help="To cite: 'Family, Given' or a group. Repeatable."
)
@click.option("--mixed", is_flag=True, help="Allow several protocols or schema versions on one page.")
@click.option("--replace", is_flag=True, help="Let a page of this name lose jobs that it shows now.")
@click.option("--unchecked", is_flag=True, help="Allow strategies that failed imbench's checks, or skipped them.")
@selection_options
@protocols_option
@samples_option
@mirror_option
@json_option
def publish(
    store: str,
    to: str,
    name: str | None,
    title: str | None,
    authors: tuple[str, ...],
    mixed: bool,
    replace: bool,
    unchecked: bool,
    samples: bool,
    data_mirror: str | None,
    as_json: bool,
    **chosen: tuple[str, ...],
) -> None:
    """Check a store, take host names, user names and paths out, and write it as a page of a folder.

    The folder can be served by any static host, or opened from disk. Publishing another store adds a page.
    """
    from imbench.cli.described import commands, modalities
    from imbench.report import Options
    from imbench.report.publish import publish as publish_store
    from imbench.runs.registry import Registry

    def describe(rows: pd.DataFrame) -> Options:
        kinds = modalities(rows)
        drawn = sample_grids(rows, kinds, data_mirror) if samples else None
        known = Registry().known_suites()
        return Options(modality=kinds, commands=tuple(commands(rows)), sample_grids=drawn, suites=known)

    done = publish_store(
        store,
        to,
        name=name,
        title=title,
        authors=authors,
        mixed=mixed,
        replace_page=replace,
        select=Choice(**chosen).of,
        unchecked=unchecked,
        describe=describe,
    )
    if as_json:
        emit_json({"folder": str(done.folder), "page": done.page, "files": list(done.files)})
        return
    emit(f"{done.folder / 'index.html'}")
    for file in done.files:
        emit(str(done.folder / done.page / file))
