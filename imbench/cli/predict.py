"""``imbench predict``: probabilities and classes for the rows of a new table."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from imbench.cli.output import say
from imbench.cli.session import Session, Verb
from imbench.cli.table_options import TableOptions, table_options
from imbench.contract.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

_SUFFIXES = (".csv", ".tsv", ".parquet")


@click.command(cls=Verb)
@click.argument("folder", metavar="MODEL")
@click.argument("table_spec", metavar="TABLE")
@table_options(data=False, columns=False)
@click.option(
    "--out", "-o", default="-", show_default=True, metavar="FILE", help="File to write, .csv, .tsv or .parquet."
)
@click.option("--keep", multiple=True, metavar="COLUMN", help="Column of the table to write as well. Repeatable.")
@click.option("--keep-all", is_flag=True, help="Write all columns of the table as well.")
@click.option(
    "--unknown-levels",
    default="refuse",
    show_default=True,
    metavar="HOW",
    help="Levels that training did not have: refuse, or read them as pooled rare levels.",
)
@click.pass_obj
def predict(
    session: Session,
    /,
    folder: str,
    table_spec: str,
    reading: TableOptions,
    out: str,
    keep: tuple[str, ...],
    keep_all: bool,
    unknown_levels: str,
) -> None:
    """Predict the classes of the rows of TABLE with the model in the folder MODEL.

    The result has a row for each row of TABLE, in its order: a probability for each class, and the decided class. The
    target column is not needed, and the order of columns does not matter.

    \b
    imbench predict model/ new.csv -o scored.csv
    imbench predict model/ new.csv --sep semicolon --decimal comma --keep customer
    """
    suffix = Path(out).suffix.lower()
    if out != "-" and suffix not in _SUFFIXES:
        raise UsageError(f"-o {out} must end in {', '.join(_SUFFIXES)}")
    from imbench.model.files import load_model
    from imbench.model.predict import scored
    from imbench.store.outputs import check_output_file

    if out != "-":
        check_output_file(out, "-o")
    found, notes = scored(load_model(folder), reading.spec(table_spec), unknown_levels, keep, keep_all)
    for note in notes:
        say(f"note: {note}")
    _write(found, out, suffix)


def _write(found: pd.DataFrame, out: str, suffix: str) -> None:
    if out == "-":
        found.to_csv(sys.stdout, index=False, lineterminator="\n")
        sys.stdout.flush()
        return
    from imbench.model.predict import content_of
    from imbench.store.files import write_durably

    write_durably(Path(out), content_of(found, suffix))
    say(f"{len(found):,} rows: {out}")
