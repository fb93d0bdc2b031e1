"""``imbench publish``: publish a store as web pages for any static host."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import click

from imbench.cli.options import json_option, mirror_option, plugin_option
from imbench.cli.output import emit, emit_json
from imbench.cli.sample_grids import sample_grids, samples_option
from imbench.cli.selection import Choice, protocols_option, selection_options
from imbench.cli.session import Session, Verb

if TYPE_CHECKING:
    import pandas as pd

    from imbench.report import Options


@click.command(cls=Verb)
@click.argument("store")
@click.option("--to", required=True, metavar="DIR", help="Folder to publish to; pages of other stores in it are kept.")
@click.option("--name", metavar="NAME", help="Name of the page; default: the folder name of the store.")
@click.option(
    "--title", metavar="TEXT", help="Title of the page, report and citation; default: the contents of the store."
)
@click.option(
    "--author", "authors", multiple=True, metavar="NAME", help="Author to cite: 'Family, Given' or a group. Repeatable."
)
@click.option("--mixed", is_flag=True, help="Allow several protocols or schema versions on one page.")
@click.option("--replace", is_flag=True, help="Replace a page of the same name even if the new one lacks jobs.")
@click.option("--unchecked", is_flag=True, help="Allow strategies whose conformance checks failed or were skipped.")
@selection_options
@protocols_option
@samples_option
@mirror_option
@plugin_option
@json_option
@click.pass_obj
def publish(
    session: Session,
    /,
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
    **chosen: Any,
) -> None:
    """Publish a store as a web page.

    The store is checked first, and host names, user names and paths are removed. The folder can be served by any static
    host or opened from disk. Publishing another store to the same folder adds a page.
    """
    from imbench.cli.described import citations, commands, modalities
    from imbench.report import Options
    from imbench.report.publish import publish as publish_store
    from imbench.store.stamps import last_result

    registry = session.registry

    def describe(rows: pd.DataFrame) -> Options:
        kinds = modalities(rows, registry)
        drawn = sample_grids(rows, kinds, data_mirror, registry) if samples else None
        scope = registry.scope()
        return Options(
            modality=kinds,
            commands=tuple(commands(rows, kinds)),
            sample_grids=drawn,
            suites=scope.suites,
            families=scope.families,
            date=last_result(store),
            citations=citations(rows, registry),
        )

    done = publish_store(
        store,
        to,
        name=name,
        title=title,
        authors=authors,
        mixed=mixed,
        replace_page=replace,
        select=partial(Choice(**chosen).of, registry=registry),
        unchecked=unchecked,
        describe=describe,
    )
    if as_json:
        emit_json({"folder": str(done.folder), "page": done.page, "files": list(done.files)})
        return
    emit(f"{done.folder / 'index.html'}")
    for file in done.files:
        emit(str(done.folder / done.page / file))
