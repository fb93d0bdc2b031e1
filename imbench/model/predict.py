"""Predictions for the file of a new table."""

from __future__ import annotations

import io
from collections.abc import Sequence

import pandas as pd

from imbench.contract.errors import DataError
from imbench.contract.names import suggest
from imbench.contract.spec import parse_spec
from imbench.contract.text import shown
from imbench.model.columns import REFUSE
from imbench.model.encoding import read_new_table
from imbench.model.fitted import Model


def scored(
    model: Model, spec: str, unknown_levels: str = REFUSE, keep: Sequence[str] = (), keep_all: bool = False
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Probabilities and classes for each row of a file, and notes about the file.

    Parameters
    ----------
    spec : path of the file, with ``sep``, ``decimal``, ``encoding`` and ``header`` if they are not to be detected
    unknown_levels : see `Model.predict_proba`
    keep, keep_all : columns of the file that come first in the result, or all of them

    Raises
    ------
    DataError for a file that cannot be read, or does not fit the model.
    """
    path, _ = parse_spec(spec)
    frame, how = read_new_table(spec, model.encoding)
    for name in keep:
        if name not in frame.columns:
            raise DataError(f"--keep {name}: {path} has no such column; {suggest(name, frame.columns)}")
    try:
        found = model.of_table(frame, decimal=how.decimal, separator=how.separator, unknown=unknown_levels)
    except DataError as error:
        raise DataError(f"{path} does not fit the model: {error}") from None
    table = model.table(found)
    kept = frame if keep_all else frame[list(dict.fromkeys(keep))]
    if twice := [name for name in kept.columns if name in table.columns]:
        raise DataError(f"{path} has a column {twice[0]!r}, as the result has; leave it out of --keep, or rename it")
    above = [f"what is above line {how.line} of {path} is left out ({shown(how.above, 40)!r})"] if how.above else []
    return pd.concat([kept.reset_index(drop=True), table], axis=1), (*above, *found.notes)


def content_of(found: pd.DataFrame, suffix: str) -> bytes:
    """The bytes of a file of this suffix: ``.csv``, ``.tsv`` or ``.parquet``."""
    if suffix == ".parquet":
        out = io.BytesIO()
        found.to_parquet(out, index=False)
        return out.getvalue()
    text = found.to_csv(index=False, sep="\t" if suffix == ".tsv" else ",", lineterminator="\n")
    return text.encode()
