"""The encoding of a table's columns, frozen when a model is fitted: a new table's rows become the same inputs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from imbench.contract.columns import ROLES
from imbench.contract.errors import DataError
from imbench.contract.names import counted, suggest
from imbench.contract.records import Dataset
from imbench.contract.spec import is_remote, parse_spec
from imbench.data.asked import Asked, asked_of
from imbench.data.columns import decimal_of
from imbench.data.delimited import TextFormat
from imbench.data.refused_columns import RefusedColumnError, refusal
from imbench.data.table_files import frame_of_arrow
from imbench.data.user_table import check_exists, read_own_file
from imbench.data.variants import READING_PARAMETERS
from imbench.model.columns import REFUSE, UNKNOWN_LEVELS, InputColumn, Marks, coded


@dataclass(frozen=True, eq=False)
class Encoded:
    """Rows of a new table as inputs.

    Parameters
    ----------
    x : ``(rows, inputs)`` float32, NaN for missing values
    notes : what the reader should know, such as columns that the model ignores; a sentence each
    """

    x: np.ndarray
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Encoding:
    """How the columns of a table become the inputs of a net.

    Parameters
    ----------
    columns : the columns that give inputs, in the order of the training table
    others : kind of each other column of the training table, such as ``target`` or ``id``
    header : whether the training file named its columns; True for formats that always do
    """

    columns: tuple[InputColumn, ...]
    others: Mapping[str, str]
    header: bool = True

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the inputs, in order: those of each column, then whether values are missing."""
        plain = [name for column in self.columns for name in column.inputs]
        return (*plain, *(f"{column.name}=missing" for column in self.columns if column.indicator))

    def encode(self, frame: pd.DataFrame, *, decimal: str = "", separator: str = "", unknown: str = REFUSE) -> Encoded:
        """The inputs of a table's rows. Each row's inputs depend on that row only, besides its decimal mark.

        Parameters
        ----------
        frame : the table, with the columns of the training table in any order; further ones are ignored
        decimal : decimal mark of its texts; "" to detect it
        separator : separator of its file, from which a decimal mark can follow; "" for none
        unknown : see `imbench.model.columns.InputColumn.read`

        Raises
        ------
        DataError that names all columns which are missing, given twice, or do not fit.
        """
        if unknown not in UNKNOWN_LEVELS:
            raise DataError(f"unknown levels can be {' or '.join(UNKNOWN_LEVELS)}, got {unknown!r}")
        self.check_names(frame)
        read = [name for name in frame.columns if name in self.reads]
        marks = Marks(decimal, decimal_of(frame[read], separator))
        x = np.empty((len(frame), len(self.inputs)), np.float32)
        refused, notes, start = [], self._notes(frame), 0
        indicator = sum(len(column.inputs) for column in self.columns)
        for column in self.columns:
            end = start + len(column.inputs)
            try:
                values = column.read(frame[column.name], marks, unknown)
            except RefusedColumnError as error:
                refused.append(error)
                continue
            column.encode(values, x[:, start:end])
            if column.indicator:
                x[:, indicator] = values.absent
                indicator += 1
            if values.absent.any() and not column.had_missing:
                notes.append(_never_missing(column, int(values.absent.sum())))
            start = end
        if refused:
            raise DataError(refusal(refused))
        return Encoded(x, tuple(notes))

    @property
    def reads(self) -> set[str]:
        """Names of the columns that are looked at; those that are left out can show the decimal mark."""
        left_out = {name for name, kind in self.others.items() if kind not in (*ROLES, "dropped")}
        return {column.name for column in self.columns} | left_out

    def check_names(self, frame: pd.DataFrame) -> None:
        """Raise `DataError` for columns that are missing, or given twice."""
        names = [str(name) for name in frame.columns]
        if twice := [name for name, times in Counter(names).items() if times > 1]:
            raise DataError(f"there are two columns named {twice[0]!r}; rename one of them")
        missing = [column.name for column in self.columns if column.name not in names]
        if missing:
            what = "column" if len(missing) == 1 else "columns"
            verb = "is" if len(missing) == 1 else "are"
            shown = ", ".join(map(repr, missing[:10])) + (f" and {len(missing) - 10} more" if len(missing) > 10 else "")
            known = {*self.others, *(column.name for column in self.columns)}
            fits = [name for name in names if name not in known]
            raise DataError(f"{what} {shown} of the model {verb} missing; add {_them(missing)}, {_like(missing, fits)}")

    def _notes(self, frame: pd.DataFrame) -> list[str]:
        known = {column.name for column in self.columns} | set(self.others)
        extra = [str(name) for name in frame.columns if name not in known]
        if not extra:
            return []
        listed = ", ".join(map(repr, extra[:10])) + (f" and {len(extra) - 10} more" if len(extra) > 10 else "")
        return [f"the model does not know the column{'s' * (len(extra) > 1)} {listed}, and ignores {_them(extra)}"]

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "columns": [asdict(column) for column in self.columns],
            "others": dict(self.others),
            "header": self.header,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Encoding:
        """The encoding of `to_json`."""
        columns: list[dict[str, Any]] = [
            {name: tuple(value) if isinstance(value, list) else value for name, value in column.items()}
            for column in values["columns"]
        ]
        return cls(tuple(InputColumn(**column) for column in columns), dict(values["others"]), values["header"])


def encoding_of(dataset: Dataset) -> Encoding:
    """The encoding of a user's table, found again from its file, and checked: it gives the dataset's x to the bit.

    Raises
    ------
    DataError if the file has changed since the dataset was read.
    """
    name, params = parse_spec(dataset.variant.spec)
    how = TextFormat.read(**{key: params[key] for key in READING_PARAMETERS if key in params})
    file = read_own_file(name, how)[0]
    asked = asked_of(params, list(file.frame.columns), file.format.decimal)
    found = Encoding(
        _input_columns(file.frame, dataset, asked),
        {one.name: one.kind for one in dataset.card.columns if not one.inputs},
        file.format.header is not False,
    )
    encoded = found.encode(file.frame, decimal=file.format.decimal, separator=file.format.separator)
    if not np.array_equal(encoded.x[dataset.rows].view(np.int32), dataset.x.view(np.int32)):
        raise DataError(f"{name} changed while the model was fitted; run the command again")
    return found


def _input_columns(frame: pd.DataFrame, dataset: Dataset, asked: Asked) -> tuple[InputColumn, ...]:
    columns, place = [], 0
    for reading in dataset.card.columns:
        if not reading.inputs:
            continue
        is_levels = reading.kind == "categorical"
        indicated = not is_levels and reading.missing > 0
        own = reading.inputs - indicated
        here = slice(place, place + own)
        names: tuple[str, ...] = ()
        if is_levels or (reading.kind == "text" and own):
            names = tuple(
                name.removeprefix(f"{reading.name}=") if is_levels else name for name in dataset.feature_names[here]
            )
        shift = () if is_levels else dataset.origin[here].tolist(), () if is_levels else dataset.unit[here].tolist()
        columns.append(coded(frame[reading.name], reading, asked, names, *shift))
        place += own
    return tuple(columns)


def frame_like_file(frame: pd.DataFrame) -> pd.DataFrame:
    """A data frame with the types that its Parquet file would have, as training read it."""
    import pyarrow as pa

    try:
        return frame_of_arrow(pa.Table.from_pandas(frame, preserve_index=False))[0]
    except (pa.ArrowException, OverflowError, TypeError, ValueError) as error:
        why = str(error)[:200]
        raise DataError(
            f"the data frame has a column of mixed types, or of a type without a file: {why}; convert it to text"
        ) from None


def read_new_table(spec: str, encoding: Encoding) -> tuple[pd.DataFrame, TextFormat]:
    """The rows of a new file, and its format.

    Parameters
    ----------
    spec : path, with ``sep``, ``decimal``, ``encoding`` and ``header`` if they are not to be detected

    Raises
    ------
    DataError for other parameters, and the errors of `imbench.data.table_files.read_table_file`.
    """
    name, params = parse_spec(spec)
    for key in params:
        if key not in READING_PARAMETERS:
            raise DataError(f"{name}: {key} is no parameter of a new table; {suggest(key, READING_PARAMETERS)}")
    check_exists(name)
    header = {} if is_remote(name) else {"header": "yes" if encoding.header else "no"}
    how = TextFormat.read(**{**header, **params})
    file, _ = read_own_file(name, how, encoding.columns[0].name if len(encoding.columns) == 1 else "")
    return file.frame, file.format


def _never_missing(column: InputColumn, rows: int) -> str:
    becomes = "a rare level" if column.reads == "levels" else "the mean"
    return f"{column.name!r} has {counted(rows, 'missing value')}, and had none in training: read as {becomes}"


def _them(names: list[str]) -> str:
    return "it" if len(names) == 1 else "them"


def _like(missing: list[str], names: list[str]) -> str:
    """What to rename, where a name is similar."""
    likely = suggest(missing[0], names)
    end = f"or rename what is called otherwise ({likely})" if likely.startswith("did") else ""
    return end or f"or fit the model again without {_them(missing)}"
