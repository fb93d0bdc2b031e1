"""DataSources: where arrays come from, the mirror first, then the cache, then the sources that a card names."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from imbench.contract.errors import DataError
from imbench.contract.names import counted
from imbench.contract.records import Card, Dataset, Source, Variant
from imbench.contract.spec import parse_spec
from imbench.data import cache as store
from imbench.data.canonical import Table, content_hash
from imbench.data.canonical import data_hash as hash_table
from imbench.data.cards import load_card
from imbench.data.sources.kinds import source_kind
from imbench.data.sources.mirror import ENVIRONMENT, Mirror, open_mirror
from imbench.data.user_data import describe_user_data, is_user_data, read_user_data, user_data_hash
from imbench.data.variants import build

log = logging.getLogger("imbench.data")


def card_of(spec: str) -> Card:
    """The card a spec's name stands for; for a user's table or folder it is made from that."""
    name, _ = parse_spec(spec)
    return describe_user_data(spec)[0] if is_user_data(name) else load_card(name)


@dataclass(frozen=True)
class DataSources:
    """Where the data of a request comes from. Built once, by `open`, and handed on.

    Parameters
    ----------
    mirror : asked first; None for none
    cache : folder of the copies fetched
    """

    mirror: Mirror | None
    cache: Path

    @classmethod
    def open(cls, mirror: str | None = None, cache: Path | None = None) -> DataSources:
        """Read the mirror's manifest and settle the cache's folder.

        Parameters
        ----------
        mirror : folder or http(s) URL; default: the environment's ``IMBENCH_DATA_MIRROR``
        cache : default: the environment's ``IMBENCH_CACHE``, else the platform's per-user cache folder

        Raises `DataError` for a mirror that does not exist or has no manifest that can be read.
        """
        return cls(open_mirror(mirror), store.cache_folder(cache))

    @property
    def downloads(self) -> Path:
        """Folder of downloaded files that contain several datasets."""
        return store.downloads_folder(self.cache)

    def load(self, card: Card, variant: Variant, *, download: bool = True) -> Dataset:
        """The arrays of one variant of this card's dataset, fetched first if necessary.

        ``download``: whether the card's sources may be asked where neither the mirror nor the cache has the dataset.

        Raises `DataError` for data that is unavailable or is not what its card says.
        """
        if is_user_data(card.name):
            _, own = read_user_data(variant.spec)
            return build(own, card, variant, hash_table(own))
        copy = self._cached(card)
        table = store.get(copy) if copy else None
        if copy is None or table is None:
            table, copy = self._fetch(card, download)
        return build(table, card, variant, copy.data_hash)

    def fetch(self, card: Card) -> store.Copy:
        """Put a verified copy in the cache unless there is one, and say which; a user's data is its own copy.

        Raises `DataError` that lists each source and why it could not give the dataset.
        """
        if is_user_data(card.name):
            return store.Copy(Path(card.name), "file", user_data_hash(card))
        return self._cached(card) or self._fetch(card)[1]

    def data_hash(self, card: Card) -> str | None:
        """Hash of the copy that `load` would use if that is on this disk already, else None; nothing is fetched."""
        if is_user_data(card.name):
            return user_data_hash(card)
        copy = self._cached(card)
        return copy.data_hash if copy else None

    def copies(self, card: Card) -> list[store.Copy]:
        """The sound copies of the dataset in the cache, the preferred one first."""
        return list(store.copies(card, self.cache))

    def _cached(self, card: Card) -> store.Copy | None:
        """The copy to use: the one made from the mirror's present files if the mirror has the dataset, else any."""
        origin = self.mirror.origin(card) if self.mirror else ""
        return next((c for c in store.copies(card, self.cache) if not origin or c.origin == origin), None)

    def _fetch(self, card: Card, download: bool = True) -> tuple[Table, store.Copy]:
        reasons: list[str] = []
        mirror = self.mirror
        if mirror and (origin := mirror.origin(card)):
            table = _attempt(card, "mirror", lambda: mirror.read(card), reasons)
            if table is not None:
                return table, store.put(table, card, origin, self.cache)
            log.warning("%s: the data mirror's copy is unusable (%s)", card.name, reasons[0])
            for copy in store.copies(card, self.cache):
                if (table := store.get(copy)) is not None:
                    return table, copy
        if not download:
            raise DataError(
                f"{card.name} is not on this computer ({'; '.join(reasons) or 'neither cached nor in a mirror'}); "
                f"fetch it with: imbench data fetch {card.name}, or give a mirror that has it: --data-mirror or "
                f"{ENVIRONMENT}"
            )
        for source in card.sources:
            if source.kind != "mirror":
                table = _attempt(card, source.kind, partial(self._read, card, source), reasons)
                if table is not None:
                    return table, store.put(table, card, source.kind, self.cache)
        listed = "; ".join(reasons) or "its card names no source, and no mirror has it"
        raise DataError(
            f"{card.name} is unavailable ({listed}); give a mirror that has it: --data-mirror or {ENVIRONMENT}"
        )

    def _read(self, card: Card, source: Source) -> Table:
        return source_kind(source.kind).read(card, source.options, self.downloads)


def _attempt(card: Card, kind: str, read: Callable[[], Table], reasons: list[str]) -> Table | None:
    """A verified copy from one source, or None with the reason noted."""
    # Other libraries fetch these copies and may raise anything: the next source is asked in any case.
    try:
        table = read()
        verify(table, card)
    except Exception as error:
        lines = str(error).splitlines()
        reasons.append(f"{kind}: {lines[0] if lines else type(error).__name__}")
        return None
    return table


def verify(table: Table, card: Card) -> None:
    """Raise `DataError`, naming the difference, unless rows, features, classes and content are those of the card."""
    counts = {"row": (len(table.x), card.rows), "feature": (table.values, card.features)}
    if card.missing >= 0:
        counts["missing value"] = (table.missing, card.missing)
    for thing, (found, wanted) in counts.items():
        if found != wanted:
            raise DataError(f"{card.name}: this copy has {counted(found, thing)}, the card says {wanted:,}")
    if table.class_counts != dict(card.class_counts):
        raise DataError(
            f"{card.name}: this copy has the class counts {_short(table.class_counts)}, the card says "
            f"{_short(card.class_counts)}"
        )
    wanted_content, decimals = content_of(card)
    if wanted_content:
        found_content = content_hash(table, decimals)
        if found_content != wanted_content:
            raise DataError(
                f"{card.name}: this copy's values differ from the card's "
                f"(content {found_content[:12]}…, expected {wanted_content[:12]}…)"
            )


def content_of(card: Card) -> tuple[str, int | None]:
    """The content hash of the card, and the decimals that rows are rounded to first; None for no rounding."""
    content, _, decimals = card.content.partition("@")
    return content, int(decimals) if decimals else None


def _short(counts: Mapping[str, int]) -> str:
    listed = [f"{label}={count}" for label, count in sorted(counts.items())]
    return ", ".join(listed[:8]) + (", …" if len(listed) > 8 else "")
