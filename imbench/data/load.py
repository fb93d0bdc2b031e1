"""A dataset's spec -> its arrays: the mirror first, then the cache, then the card's sources."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path

from imbench.contract.errors import DataError
from imbench.contract.records import Card, Dataset, Variant
from imbench.contract.spec import parse_spec
from imbench.data import cache as store
from imbench.data.canonical import Table
from imbench.data.canonical import data_hash as hash_table
from imbench.data.cards import load_card
from imbench.data.sources.kinds import KINDS
from imbench.data.sources.mirror import ENVIRONMENT, Mirror, open_mirror
from imbench.data.user_data import describe_own, is_own, own_hash, read_own
from imbench.data.variants import build
from imbench.data.verify import verify

log = logging.getLogger("imbench.data")


def card_of(spec: str) -> Card:
    """The card a spec's name stands for; for a table or folder of the user's own it is made from that."""
    name, _ = parse_spec(spec)
    return describe_own(spec)[0] if is_own(name) else load_card(name)


def load(
    card: Card, variant: Variant, *, mirror: str | None = None, cache: Path | None = None, download: bool = True
) -> Dataset:
    """The arrays of one variant of this card's dataset, fetched if need be; see `imbench.runs.registry.dataset`.

    ``download``: whether the card's own sources may be asked where neither the mirror nor the cache has the dataset.

    Raises `DataError` for data that cannot be had or is not what its card says.
    """
    if is_own(card.name):
        _, table = read_own(variant.spec)
        return build(table, card, variant, hash_table(table))
    table, found = _obtain(card, mirror, cache, download)
    return build(table, card, variant, found)


def fetch(card: Card, mirror: str | None = None, cache: Path | None = None) -> store.Copy:
    """Make sure that a verified copy lies in the cache, and say which (data of the user's own is its own copy).

    Raises `DataError` that lists each source and why it could not give the dataset.
    """
    if is_own(card.name):
        return store.Copy(Path(card.name), "file", own_hash(card))
    opened = open_mirror(mirror)
    return _cached(card, opened, cache) or _fetch(card, opened, cache)[1]


def data_hash(card: Card, mirror: str | None = None, cache: Path | None = None) -> str | None:
    """Hash of the copy that `load` would use if that is on this disk already, else None; nothing is fetched."""
    if is_own(card.name):
        return own_hash(card)
    copy = _cached(card, open_mirror(mirror), cache)
    return copy.data_hash if copy else None


def _obtain(card: Card, mirror: str | None, cache: Path | None, download: bool) -> tuple[Table, str]:
    opened = open_mirror(mirror)
    copy = _cached(card, opened, cache)
    table = store.get(copy) if copy else None
    if copy is None or table is None:
        table, copy = _fetch(card, opened, cache, download)
    return table, copy.data_hash


def _cached(card: Card, mirror: Mirror | None, cache: Path | None) -> store.Copy | None:
    """The cached copy to use: the one made from the mirror's present files if the mirror has the dataset, else any."""
    origin = mirror.origin(card) if mirror else ""
    return next((c for c in store.copies(card, cache) if not origin or c.origin == origin), None)


def _fetch(card: Card, mirror: Mirror | None, cache: Path | None, download: bool = True) -> tuple[Table, store.Copy]:
    reasons: list[str] = []
    if mirror and (origin := mirror.origin(card)):
        table = _attempt(card, "mirror", lambda: mirror.read(card), reasons)
        if table is not None:
            return table, store.put(table, card, origin, cache)
        log.warning("%s: the data mirror's copy cannot be used (%s)", card.name, reasons[0])
        for copy in store.copies(card, cache):
            if (table := store.get(copy)) is not None:
                return table, copy
    if not download:
        raise DataError(
            f"{card.name} is not at hand ({'; '.join(reasons) or 'neither cached nor in a mirror'}); fetch it with: "
            f"imbench data fetch {card.name}, or give a mirror that has it: --data-mirror or {ENVIRONMENT}"
        )
    downloads = store.downloads_folder(cache)
    for source in card.sources:
        if source.kind != "mirror":
            read = partial(KINDS[source.kind], card, source.options, downloads)
            table = _attempt(card, source.kind, read, reasons)
            if table is not None:
                return table, store.put(table, card, source.kind, cache)
    listed = "; ".join(reasons) or "its card names no source, and no mirror has it"
    raise DataError(f"{card.name} cannot be had ({listed}); give a mirror that has it: --data-mirror or {ENVIRONMENT}")


def _attempt(card: Card, kind: str, read: Callable[[], Table], reasons: list[str]) -> Table | None:
    """A verified copy from one source, or None with the reason noted."""
    # Libraries of others fetch these copies and fail in ways of their own: whatever it is, the next source is asked.
    try:
        table = read()
        verify(table, card)
    except Exception as error:
        lines = str(error).splitlines()
        reasons.append(f"{kind}: {lines[0] if lines else type(error).__name__}")
        return None
    return table
