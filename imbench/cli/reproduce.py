"""``imbench reproduce``: reproduce the tables and figures of the paper and compare them with the printed ones."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from imbench.cli.options import (
    device_option,
    jobs_option,
    json_option,
    mirror_option,
    quiet_option,
    settings_option,
    store_option,
)
from imbench.cli.output import emit, emit_json, paragraph, say
from imbench.cli.session import Session, Verb
from imbench.contract.errors import DataError

if TYPE_CHECKING:
    from imbench.reproduce.context import ReproductionContext
    from imbench.reproduce.paper_item import PaperItem


@click.command(cls=Verb)
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@click.option("--protocol", default="paper", show_default=True, metavar="NAME", help="Training protocol.")
@settings_option
@store_option
@click.option("--to", default="imbench-reproduction", show_default=True, metavar="DIR", help="Folder to write into.")
@mirror_option
@jobs_option
@device_option
@quiet_option
@json_option
@click.pass_obj
def reproduce(
    session: Session,
    names: tuple[str, ...],
    protocol: str,
    settings: tuple[str, ...],
    store: str,
    to: str,
    data_mirror: str | None,
    jobs: int | None,
    device: str,
    quiet: bool,
    as_json: bool,
) -> int:
    """Reproduce tables and figures of the paper.

    The paper is "ReMix Training for Calibrated Imbalanced Deep Learning". NAME is table1, table2, figure1 to figure8,
    or all. Three more items are summaries: claims tests the claims of the abstract, questions answers what a sceptical
    reader asks, and decisions measures the effect of each choice that the paper leaves open.

    Results in the store are reused; missing ones are trained and stored. Each item gets a page that compares our result
    with the paper's, with figures as SVG, PDF and PNG and numbers as CSV and JSON. On a GPU, nets for images are
    trained as in the paper. On a CPU they are trained for fewer epochs, and short protocols use fewer images; the page
    says so.

    \b
    imbench reproduce table2
    imbench reproduce all --protocol smoke
    """
    from imbench.cli.progress import reporter
    from imbench.cli.training import settings_of
    from imbench.reproduce import catalogue
    from imbench.reproduce.context import PLUGIN, ReproductionContext
    from imbench.reproduce.folder import check_folder
    from imbench.runs.protocols import load_protocol
    from imbench.runs.request import RunRequest
    from imbench.store.outputs import check_output_folder

    chosen = catalogue.chosen(names)
    fields = settings_of(settings)
    load_protocol(protocol, fields)  # an unknown protocol fails before any work
    session.plugins += (PLUGIN,)
    request = RunRequest(
        store=Path(store),
        protocol=protocol,
        settings=fields,
        data_mirror=data_mirror,
        plugins=session.plugins,
        jobs=jobs,
        device=device,
        registry=session.registry,
    )
    check_output_folder(to, "--to")
    check_folder(Path(to))
    session.resumable = True
    with reporter(quiet) as progress:
        context = ReproductionContext(request, progress)
        made, left_out = _make(chosen, context, Path(to), quiet=quiet)
    if as_json:
        emit_json({"folder": to, "exhibits": [_summary(item) for item in made], "left_out": left_out})
    else:
        for item in made:
            emit(f"{to}/{item.name}/index.html\n" + "\n".join(paragraph(f"- {line}") for line in item.found))
        emit(f"{to}/index.html")
    for name, reason in left_out.items():
        say(f"skipped: {name} ({reason})")
    return 0


def _make(
    chosen: list[str], context: ReproductionContext, folder: Path, *, quiet: bool
) -> tuple[list[PaperItem], dict[str, str]]:
    """Make and write each item; if there are several, those with unavailable data are skipped with the reason."""
    from imbench.reproduce import catalogue
    from imbench.reproduce.folder import write_item

    made, left_out = [], {}
    for name in chosen:
        if not quiet:
            say(f"{name} …")
        try:
            item = catalogue.make(name, context)
        except DataError as error:
            if len(chosen) == 1:
                raise
            left_out[name] = str(error)
            continue
        write_item(item, folder, context.options)
        made.append(item)
    return made, left_out


def _summary(item: PaperItem) -> dict[str, Any]:
    return {
        "name": item.name,
        "title": item.title,
        "found": list(item.found),
        "basis": list(item.basis),
        "tables": [numbers.name for numbers in item.tables],
        "figures": [figure.name for figure in item.figures],
    }
