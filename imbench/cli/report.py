"""``imbench report``: write a report of a store as an HTML page, data files, tables and figures."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import click

from imbench.cli.options import json_option, mirror_option, plugin_option, store_of, store_option
from imbench.cli.output import emit, emit_json
from imbench.cli.sample_grids import sample_grids, samples_option
from imbench.cli.selection import Choice, protocols_option, refuse_empty, selection_options
from imbench.cli.session import Session, Verb


@contextlib.contextmanager
def _rare_collections() -> Iterator[None]:
    """Look for garbage rarely: nearly all objects of a report and of its imports live to its end."""
    before = gc.get_threshold()
    gc.set_threshold(100_000, 20, 100)
    try:
        yield
    finally:
        gc.set_threshold(*before)


@click.command(cls=Verb)
@click.argument("folder", metavar="[STORE]", required=False)
@store_option
@click.option("--to", default="imbench-report", show_default=True, metavar="DIR", help="Folder to write into.")
@click.option(
    "--metric",
    "metrics",
    multiple=True,
    metavar="NAME",
    help="Rank by this metric only. Repeatable; default: all, with gmean and bbs first.",
)
@click.option(
    "--rule",
    "rules",
    multiple=True,
    metavar="NAME",
    help="Use this decision rule only, such as argmax or tuned. Repeatable; default: all.",
)
@click.option(
    "--alpha", type=float, default=0.05, show_default=True, metavar="A", help="Significance level of the tests."
)
@click.option("--title", default="", metavar="TEXT", help="Title of the report; default: a generic title.")
@selection_options
@protocols_option
@samples_option
@mirror_option
@plugin_option
@json_option
@click.pass_obj
@click.pass_context
@_rare_collections()
def report(
    context: click.Context,
    session: Session,
    /,
    folder: str | None,
    store: str,
    to: str,
    metrics: tuple[str, ...],
    rules: tuple[str, ...],
    alpha: float,
    title: str,
    samples: bool,
    data_mirror: str | None,
    as_json: bool,
    **chosen: Any,
) -> None:
    """Write a report of a store.

    The report is a web page with figures; its contents are also written as Markdown, CSV, JSON, Parquet and LaTeX.
    Prints the paths of the files, starting with the page.
    """
    from imbench.cli.described import citations, commands, modalities
    from imbench.report import Options, write_report
    from imbench.stats.names import without_trials
    from imbench.store.outputs import check_output_folder
    from imbench.store.results import load
    from imbench.store.stamps import last_result

    check_output_folder(to, "--to")
    registry, found = session.registry, load(store_of(context, folder, store))
    refuse_empty(str(found.store), found.rows)
    scope = registry.scope()
    selected = replace(found, rows=Choice(**chosen).of(found.rows, registry), scope=scope)
    results = registry.with_metrics(selected, metrics)
    names = tuple(name.rpartition("/")[2] for name in metrics)
    kinds = modalities(results.rows, registry)
    reproduced, cited = tuple(commands(without_trials(results.rows), kinds)), citations(results.rows, registry)
    day = last_result(results.store)
    options = Options(names, rules, alpha, kinds, reproduced, title, suites=scope.suites, date=day, citations=cited)
    if samples:
        options = replace(options, sample_grids=sample_grids(results.rows, kinds, data_mirror, registry))
    written = write_report(results, to, options)
    if as_json:
        emit_json([str(path) for path in written])
        return
    for path in written:
        emit(str(path))
