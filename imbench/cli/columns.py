"""How the columns of a user's table were read, as text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from imbench.cli.output import say, table
from imbench.contract.columns import HEADERS
from imbench.contract.text import shown as cut

if TYPE_CHECKING:
    from imbench.contract.columns import ColumnReading
    from imbench.contract.records import Card

# Tables with more columns are shown without their plain numeric ones.
_MOST_SHOWN = 40


def tables_of(cards: Iterable[Card]) -> list[Card]:
    """The cards of users' tables, each once."""
    return list({(card.name, card.columns): card for card in cards if card.columns}.values())


def columns_text(card: Card) -> str:
    """The table "how your columns were read", with the number of inputs below."""
    shown = [column for column in card.columns if len(card.columns) <= _MOST_SHOWN or not _is_plain(column)]
    folded = len(card.columns) - len(shown)
    title = f"How your columns were read: {card.title} ({card.reading})"
    rows = [(_name(name), *rest) for name, *rest in (column.row for column in shown)]
    lines = table(HEADERS, rows, title=title, right=("missing", "distinct", "inputs"))
    inputs = "input" if card.inputs == 1 else "inputs"
    more = f"{folded:,} more columns are numeric without missing values. " if folded else ""
    return f"{lines}\n{more}{card.inputs:,} {inputs} in all. Change how a column is read with {_KINDS}."


def show_columns(card: Card) -> None:
    """Show how the columns of a table were read; nothing for a card of imbench's own."""
    for one in tables_of([card]):
        for line in columns_text(one).splitlines():  # a long message would be cut
            say(line)


def columns_json(card: Card) -> dict[str, Any]:
    """The same as plain values."""
    return {
        "reading": card.reading,
        "inputs": card.inputs,
        "columns": [column.to_json() for column in card.columns],
    }


def _is_plain(column: ColumnReading) -> bool:
    return column.kind == "numeric" and not column.missing and column.becomes == "a number"


def _name(name: str) -> str:
    """A name in one line of the table, cut if it is long."""
    return cut(" ".join(name.split()), 60)


_KINDS = (
    "--numeric COLUMN, --categorical, --ordinal, --date, --boolean, --text, --id, --drop, --group or --time, or in a "
    "spec with numeric=COLUMN"
)
