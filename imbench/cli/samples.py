"""``imbench samples``: draw sample images as each strategy feeds them to the nets."""

from __future__ import annotations

from pathlib import Path

import click

from imbench.cli.options import json_option, mirror_option, plugin_option
from imbench.cli.output import emit, emit_json, say, table
from imbench.cli.session import Session, Verb
from imbench.contract.errors import UsageError


@click.command(cls=Verb)
@click.option("--dataset", required=True, metavar="SPEC", help="Image dataset.")
@click.option(
    "--strategy",
    "strategies",
    multiple=True,
    metavar="SPEC",
    help="Strategy. Repeatable; default: all strategies for images except wrappers.",
)
@click.option("--to", required=True, metavar="FILE", help="Output file, .png or .svg.")
@click.option("--columns", default=8, show_default=True, help="Number of mini-batches; one image of each is shown.")
@click.option("--seed", default=0, show_default=True, help="Seed of the batches and of the strategies.")
@click.option(
    "--protocol",
    default="standard",
    show_default=True,
    metavar="NAME",
    help="Protocol that sets the batch size and the folds.",
)
@mirror_option
@plugin_option
@json_option
@click.pass_obj
def samples(
    session: Session,
    /,
    dataset: str,
    strategies: tuple[str, ...],
    to: str,
    columns: int,
    seed: int,
    protocol: str,
    data_mirror: str | None,
    as_json: bool,
) -> None:
    """Draw images as strategies feed them to nets.

    All strategies get the same mini-batches. The labels are printed below the images and on stdout.

    \b
    imbench samples --dataset cifar10:task=multiclass,ir=0.1 --to samples.png
    imbench samples --dataset cifar10:ir=0.05 --strategy mixup --strategy augmented:inner=mixup --to samples.svg
    """
    from imbench.data.data_sources import DataSources
    from imbench.report.figures.sample_grid import FORMATS, draw
    from imbench.runs.samples import samples_of
    from imbench.store.outputs import check_output_file

    path = Path(to)
    kind = path.suffix[1:].lower()
    if kind not in FORMATS:
        raise UsageError(f"--to {to!r} must end in {' or '.join('.' + f for f in FORMATS)}")
    check_output_file(path, "--to")
    grid = samples_of(
        dataset,
        strategies,
        session.registry,
        DataSources.open(data_mirror),
        columns=columns,
        seed=seed,
        protocol=protocol,
    )
    for name, reason in grid.left_out:
        say(f"skipped: {name} ({reason})")
    path.write_bytes(draw(grid, kind))
    if as_json:
        labels = {row.name: grid.label_texts(row) for row in grid.rows}
        emit_json({"file": str(path), "title": grid.title, "labels": labels})
        return
    emit(table(["", *map(str, range(1, columns + 1))], [[row.name, *grid.label_texts(row)] for row in grid.rows]))
    say(f"{grid.title}: {path}")
