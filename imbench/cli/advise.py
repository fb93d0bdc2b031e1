"""``imbench advise``: whether rebalancing helps on a table, and what to do."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import click

from imbench.cli.columns import show_columns
from imbench.cli.options import json_option, plugin_option, settings_option
from imbench.cli.output import emit, emit_json, paragraph, say, table
from imbench.cli.session import Session, Verb
from imbench.cli.table_options import TableOptions, table_options
from imbench.cli.training import settings_of
from imbench.contract.errors import UsageError
from imbench.contract.quantities import read_duration

if TYPE_CHECKING:
    from imbench.advice.advise import Advised


@click.command(cls=Verb)
@click.argument("table_spec", metavar="TABLE")
@table_options(data=False)
@click.option(
    "--goal",
    default="decisions",
    show_default=True,
    metavar="GOAL",
    help="What the model is for: decisions, ranking or probabilities.",
)
@click.option("--cost-fn", type=float, metavar="C", help="Cost of missing a row of the second class.")
@click.option("--cost-fp", type=float, metavar="C", help="Cost of a false alarm.")
@click.option("--budget", default="2m", show_default=True, metavar="TIME", help="Time to train: 90s, 10m, 2h, none.")
@click.option("--alpha", type=float, default=0.05, show_default=True, metavar="A", help="Chance of useless advice.")
@click.option("--strategy", "strategies", multiple=True, metavar="SPEC", help="Only this strategy. Repeatable.")
@click.option("--reference", "references", multiple=True, metavar="SPEC", help="Only this reference. Repeatable.")
@click.option("--protocol", default="standard", show_default=True, metavar="P", help="Protocol of the training.")
@settings_option
@click.option(
    "--store", default="imbench-advice", show_default=True, metavar="DIR", help="Folder of the results, read again."
)
@click.option("--jobs", type=int, metavar="N", help="Processes; default: one for each core.")
@click.option("--html", metavar="FILE", help="Write the answer and its evidence as a page.")
@click.option("--out", metavar="DIR", help="Folder for a model of the recipe, for imbench predict.")
@click.option("--overwrite", is_flag=True, help="Replace a model in that folder.")
@plugin_option
@json_option
@click.pass_obj
def advise(
    session: Session,
    /,
    table_spec: str,
    reading: TableOptions,
    goal: str,
    cost_fn: float | None,
    cost_fp: float | None,
    budget: str,
    alpha: float,
    strategies: tuple[str, ...],
    references: tuple[str, ...],
    protocol: str,
    settings: tuple[str, ...],
    store: str,
    jobs: int | None,
    html: str | None,
    out: str | None,
    overwrite: bool,
    as_json: bool,
) -> int | None:
    """Say whether rebalancing helps on your table, and what to do.

    Trains the built-in strategies and references on repeated folds of TABLE, and compares each with a plain net and a
    tuned threshold. A recipe is advised only if a test shows that it is better.

    \b
    imbench advise churn.csv --target churned
    imbench advise visits.csv --target ill --group patient --cost-fn 10 --cost-fp 1
    imbench advise churn.csv --target churned --sep semicolon --goal probabilities --budget 2m --json
    imbench advise churn.csv --target churned --out model/
    """
    from imbench.store.files import write_durably
    from imbench.store.outputs import check_output_file

    if html is not None:
        check_output_file(html, "--html")
    seconds = read_duration(budget, "--budget")
    from imbench.advice.advise import advise as ask
    from imbench.advice.advise import fit_advised, not_storable
    from imbench.cli.progress import working

    if out is not None:
        from imbench.model.files import check_folder

        check_folder(out, overwrite)
        for sentence in not_storable(session.registry, references or None):
            say(f"note: {sentence}")
    session.resumable = True
    with working(session, as_json) as progress:
        found = ask(
            reading.spec(table_spec),
            goal=goal,
            cost_fn=cost_fn,
            cost_fp=cost_fp,
            alpha=alpha,
            budget=seconds if math.isfinite(seconds) else None,
            strategies=strategies or None,
            references=references or None,
            protocol=protocol,
            settings=settings_of(settings),
            store=store,
            jobs=jobs,
            plugins=session.plugins,
            registry=session.registry,
            progress=progress,
            read=show_columns,
        )
    if html is not None:
        from imbench.advice.page import page

        write_durably(Path(html), page(found).encode())
        say(f"page: {html}")
    if not as_json:
        _show(found)
    error = ""
    try:
        if out is not None:
            with working(session, as_json) as progress:
                fit_advised(
                    found,
                    out,
                    overwrite=overwrite,
                    jobs=jobs,
                    plugins=session.plugins,
                    registry=session.registry,
                    progress=progress,
                    command=session.command,
                )
    except UsageError as refused:
        error = str(refused)
    finally:  # an interrupt loses no verdict
        if as_json:
            model = {} if out is None else {"model": None if error else out, "model_error": error}
            emit_json({"table": found.table, "sentences": found.sentences, **found.advice.to_dict(), **model})
    if error:
        say(f"error: no model was written: {error}")
        return 1
    if out is not None:
        say(f"model: {out} (card.md says what it was made of)")
        say(f"use it: imbench predict {out} NEW_TABLE -o scored.csv")
    return None


def _show(found: Advised) -> None:
    from imbench.advice.page import basis

    tried = found.tried
    shown = table(tried.header, tried.rows, right=tried.header[2:])
    emit("\n\n".join([*map(paragraph, tried.sentences), shown, paragraph(basis(found))]) + "\n")
    say(f"everything behind it: imbench report --store {found.results.store}")
