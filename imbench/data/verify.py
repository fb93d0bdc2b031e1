"""Whether a copy of a dataset is what its card says."""

from __future__ import annotations

from imbench.contract.errors import DataError
from imbench.contract.records import Card
from imbench.data.canonical import Table, content_hash


def verify(table: Table, card: Card) -> None:
    """Raise `DataError`, naming what differs, unless the copy has the rows, features, classes and content expected."""
    expected: dict[str, tuple[object, object]] = {
        "rows": (len(table.x), card.rows),
        "features": (table.values, card.features),
        "class counts": (sorted(table.class_counts.items()), sorted(card.class_counts.items())),
        "missing values": (table.missing, table.missing if card.missing < 0 else card.missing),
    }
    for thing, (found, wanted) in expected.items():
        if found != wanted:
            raise DataError(f"{card.name}: this copy has {_short(found)} {thing}, the card says {_short(wanted)}")
    wanted_content, decimals = content_of(card)
    if wanted_content:
        found_content = content_hash(table, decimals)
        if found_content != wanted_content:
            raise DataError(
                f"{card.name}: this copy's values differ from the card's "
                f"(content {found_content[:12]}…, expected {wanted_content[:12]}…)"
            )


def content_of(card: Card) -> tuple[str, int | None]:
    """The card's content hash and the decimals its rows are rounded to first, None for none."""
    content, _, decimals = card.content.partition("@")
    return content, int(decimals) if decimals else None


def _short(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(f"{label}={count}" for label, count in value[:8]) + (", …" if len(value) > 8 else "")
    return f"{value:,}" if isinstance(value, int) else str(value)
