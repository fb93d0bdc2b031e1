"""Options that say how a user's table is read: shared by all commands that take one, and turned into its spec."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import click

from imbench.contract.errors import UsageError
from imbench.contract.joined import escaped, escaped_item, joined
from imbench.contract.spec import with_params

F = TypeVar("F", bound=Callable[..., Any])

# Options of one column, and of one value, by the parameter of the spec.
_COLUMN = {
    "target": "Column of the classes.",
    "group": "Column of groups that no fold splits, such as a patient.",
}
_TIME = "Column of times, also with a notation (when:%d/%m/%Y): an ordered split trains on earlier rows."
_VALUE = {
    "sep": ("NAME", "Separator: comma, semicolon, tab, pipe, colon, space, or a character; default: detected."),
    "decimal": ("MARK", "Decimal mark: point or comma; default: detected."),
    "encoding": ("NAME", "Encoding, such as cp1252; default: detected."),
    "header": ("YES/NO/LINE", "Whether there are names of columns, or their line, such as 3; default: detected."),
}
# Options of any number of columns.
_COLUMNS = {
    "numeric": "Read this column as numbers; other values are missing. Repeatable.",
    "categorical": "Read this column as categories. Repeatable.",
    "id": "Leave this identifier out. Repeatable.",
    "text": "Use the words of this column. Repeatable.",
    "drop": "Leave this column out. Repeatable.",
}
# Options of columns that may be followed by a colon and more.
_ITEMS = {
    "ordinal": ("COLUMN[:A/B/C]", "Read this column as ordered levels, from the lowest. Repeatable."),
    "date": ("COLUMN[:NOTATION]", "Read this column as dates, also with a notation: when:%d/%m/%Y. Repeatable."),
    "boolean": ("COLUMN[:TRUE]", "Read this column as true or false, also with the true word: smoker:Y. Repeatable."),
}
_MINORITY = "Rare class; default: the smaller of two. Repeatable."
_PARAMETERS = (*_COLUMN, "time", "minority", *_COLUMNS, *_ITEMS, *_VALUE)


@dataclass(frozen=True)
class TableOptions:
    """What the options of a command say about a table.

    Parameters
    ----------
    params : parameters of the table's spec, with values as in a spec
    data : the table of ``--data``; None if it is not given, or the command has no such option
    """

    params: Mapping[str, str]
    data: str | None = None

    def __bool__(self) -> bool:
        return bool(self.params)

    def spec(self, table: str) -> str:
        """The spec of a table with these parameters; `UsageError` for one that it has already."""
        return with_params(table, self.params) if self.params else table

    def added_to(self, datasets: Sequence[str]) -> tuple[str, ...]:
        """Specs of datasets, and that of the table of ``--data``.

        Raises `UsageError` for options of a table without ``--data``.
        """
        if self.data is not None:
            return (*datasets, self.spec(self.data))
        if self.params:
            key, value = next(iter(self.params.items()))
            raise UsageError(
                f"--{key} {value} says how a table is read, and there is none; give it with --data FILE, or write "
                f"--dataset FILE:{key}={value}"
            )
        return tuple(datasets)


def settings_with_split(reading: TableOptions, options: Mapping[str, Any], settings: Sequence[str]) -> list[str]:
    """The settings of ``--set``, with the split that ``--group`` or ``--time`` asks for unless one is set.

    Only where the table of ``--data`` is the only dataset, since the others may have no such column.
    """
    alone = len(options["datasets"]) == 1 and options["suite"] is None and reading.data is not None
    is_set = "split=" in (options["protocol"] or "") or any(text.strip().startswith("split") for text in settings)
    split = next((split for role, split in (("group", "grouped"), ("time", "ordered")) if role in reading.params), "")
    return [*settings, f"split={split}"] if split and alone and not is_set else list(settings)


def params_of(given: Mapping[str, Any]) -> dict[str, str]:
    """Parameters of a spec from columns and values as typed.

    Parameters
    ----------
    given : one text or None for ``target``, ``group``, ``time`` and how text is read, several for the others. A column
        of ``ordinal``, ``date``, ``boolean`` and ``time`` may be followed by a colon and more.
    """
    params: dict[str, str] = {}
    for key in _PARAMETERS:
        value = given.get(key)
        if not value:
            if value == "":
                raise UsageError(f"--{key} is empty; name a {'value' if key in _VALUE else 'column'}, or remove it")
            continue
        if key in _COLUMN:
            params[key] = escaped(value)
        elif key in _COLUMNS or key == "minority":
            params[key] = joined(value)
        else:
            params[key] = value if key in _VALUE else "+".join(map(escaped_item, value if key in _ITEMS else [value]))
    return params


def table_options(data: bool = True, columns: bool = True) -> Callable[[F], F]:
    """Add the options to a command, which gets a `TableOptions` as the argument ``reading``.

    Parameters
    ----------
    data : whether to add ``--data FILE``; a command with an argument for the table needs none
    columns : whether to add the options of columns; without them, only how the text of a file is read
    """
    options = []
    if columns:
        options += [_option(key, "COLUMN", help_) for key, help_ in _COLUMN.items()]
        options.append(_option("time", "COLUMN", _TIME))
        options.append(_option("minority", "CLASS", _MINORITY, multiple=True))
        options += [_option(key, "COLUMN", help_, multiple=True) for key, help_ in _COLUMNS.items()]
        options += [_option(key, metavar, help_, multiple=True) for key, (metavar, help_) in _ITEMS.items()]
    options += [_option(key, metavar, help_) for key, (metavar, help_) in _VALUE.items()]
    if data:
        help_ = "Your own table: a file, or openml:ID. The options below say how it is read."
        options.insert(0, click.option("--data", metavar="FILE", help=help_))

    def add(command: F) -> F:
        @functools.wraps(command)
        def called(*args: Any, **kwargs: Any) -> Any:
            given = {key: kwargs.pop(f"table_{key}", None) for key in _PARAMETERS}
            table = TableOptions(params_of(given), kwargs.pop("data", None))
            return command(*args, reading=table, **kwargs)

        for option in reversed(options):
            called = option(called)
        return called  # type: ignore[return-value]

    return add


def _option(key: str, metavar: str, help_: str, multiple: bool = False) -> Any:
    return click.option(f"--{key}", f"table_{key}", multiple=multiple, metavar=metavar, help=help_)
