"""``imbench fit``: a model of a table, in a folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from imbench.cli.columns import show_columns
from imbench.cli.options import jobs_option, plugin_option, settings_option
from imbench.cli.output import emit, paragraph, say
from imbench.cli.session import Session, Verb
from imbench.cli.table_options import TableOptions, table_options
from imbench.cli.training import settings_of

if TYPE_CHECKING:
    from imbench.model.fitted import Model


@click.command(cls=Verb)
@click.argument("table_spec", metavar="TABLE")
@table_options(data=False)
@click.option(
    "--strategy",
    default="baseline",
    show_default=True,
    metavar="SPEC",
    help="Strategy or reference to train, such as remix:alpha=0.3.",
)
@click.option("--out", required=True, metavar="DIR", help="Folder for the model.")
@click.option("--overwrite", is_flag=True, help="Replace a model in that folder.")
@click.option("--rule", metavar="RULE", help="Decision rule (imbench list rules); default: tuned.")
@click.option("--no-recalibration", is_flag=True, help="Leave the probabilities as the nets give them.")
@click.option("--cost-fn", type=float, metavar="C", help="Cost of missing a row of the second class.")
@click.option("--cost-fp", type=float, metavar="C", help="Cost of a false alarm.")
@click.option(
    "--nets", type=int, default=5, show_default=True, metavar="N", help="Nets whose probabilities are averaged."
)
@click.option("--protocol", default="standard", show_default=True, metavar="P", help="Protocol of the training.")
@settings_option
@click.option(
    "--store", default="imbench-advice", show_default=True, metavar="DIR", help="Folder of the cross-validation."
)
@jobs_option
@plugin_option
@click.pass_obj
def fit(
    session: Session,
    /,
    table_spec: str,
    reading: TableOptions,
    strategy: str,
    out: str,
    overwrite: bool,
    rule: str | None,
    no_recalibration: bool,
    cost_fn: float | None,
    cost_fp: float | None,
    nets: int,
    protocol: str,
    settings: tuple[str, ...],
    store: str,
    jobs: int | None,
) -> None:
    """Train a strategy on your table, and write a model that predicts new rows.

    The recipe is cross-validated first. The folder then has model.json, weights.npz and card.md, a model card with its
    scores and limits.

    \b
    imbench fit churn.csv --target churned --strategy remix:alpha=0.3 --out model/
    imbench fit visits.csv --target ill --group patient --cost-fn 10 --cost-fp 1 --out model/
    imbench predict model/ new.csv -o scored.csv
    """
    from imbench.cli.progress import working
    from imbench.contract.errors import UsageError
    from imbench.model.fit import fit as train

    if rule is not None and (cost_fn is not None or cost_fp is not None):
        raise UsageError(f"--rule {rule} and costs exclude each other; keep one")
    session.resumable = True
    with working(session, quiet=False) as progress:
        model = train(
            reading.spec(table_spec),
            strategy=strategy,
            out=out,
            overwrite=overwrite,
            rule=rule or "tuned",
            cost_fn=cost_fn,
            cost_fp=cost_fp,
            recalibrate=not no_recalibration,
            nets=nets,
            protocol=protocol,
            settings=settings_of(settings),
            store=store,
            jobs=jobs,
            plugins=session.plugins,
            registry=session.registry,
            progress=progress,
            read=show_columns,
            command=session.command,
        )
    show_model(model, out)


def show_model(model: Model, out: str) -> None:
    """The scores of a model, and how to use it."""
    emit(scores_text(model) + "\n")
    say(f"model: {out} (card.md says what it was made of)")
    say(paragraph(f"use it: imbench predict {out} NEW_TABLE -o scored.csv"))


def scores_text(model: Model) -> str:
    """The scores in the model card, as a table."""
    from imbench.cli.output import table

    rows = [
        (one["title"], one["of"], _number(one["mean"]), f"{_number(one['low'])} to {_number(one['high'])}")
        for one in model.about["scores"]
    ]
    header = ("metric", "of", "mean", "interval")
    return table(header, rows, title=f"{model.recipe} in cross-validation", right=header[2:])


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
