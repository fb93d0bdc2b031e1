"""DataSources: load datasets from a mirror, the cache, or the sources of their cards."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from imbench.contract.errors import DataError
from imbench.contract.names import counted
from imbench.contract.records import Card, Dataset, Source, Variant
from imbench.contract.spec import parse_spec
from imbench.contract.text import visible
from imbench.data import cache as data_cache
from imbench.data.canonical import Table, content_hash
from imbench.data.canonical import data_hash as hash_table
from imbench.data.cards import load_card
from imbench.data.sources.kinds import source_kind
from imbench.data.sources.mirror import ENVIRONMENT, Mirror, open_mirror
from imbench.data.user_data import describe_user_data, is_user_data, read_user_data, user_data_hashes
from imbench.data.variants import build

log = logging.getLogger("imbench.data")


def card_of(spec: str) -> Card:
    """The card of the dataset in a spec; for a user's table or folder, a card made from the data."""
    name, _ = parse_spec(spec)
    return describe_user_data(spec)[0] if is_user_data(name) else load_card(name)


@dataclass(frozen=True)
class DataSources:
    """The mirror and the cache of a request; create it once with `open`.

    Parameters
    ----------
    mirror : the mirror, which is searched first; None for no mirror
    cache : folder of the cache
    """

    mirror: Mirror | None
    cache: Path

    @classmethod
    def open(cls, mirror: str | None = None, cache: Path | None = None) -> DataSources:
        """Open the mirror and find the folder of the cache.

        Parameters
        ----------
        mirror : folder or http(s) URL; default: the environment's ``IMBENCH_DATA_MIRROR``
        cache : default: the environment's ``IMBENCH_CACHE``, else the platform's user cache folder

        Raises
        ------
        DataError for a mirror that does not exist or has no readable manifest.
        """
        return cls(open_mirror(mirror), data_cache.cache_folder(cache))

    @property
    def downloads(self) -> Path:
        """Folder of downloaded files that contain several datasets."""
        return data_cache.downloads_folder(self.cache)

    def load(self, card: Card, variant: Variant, *, download: bool = True, column: str = "", draws: int = 1) -> Dataset:
        """The arrays of one variant of this card's dataset, fetched first if necessary.

        Parameters
        ----------
        card, variant : the dataset and its variant
        download : whether to try the card's sources if neither the mirror nor the cache contains the dataset
        column : the split column that the data must have, ``group`` or ``time``; "" for none
        draws : draws of the minority

        Raises
        ------
        DataError for data that is unavailable or differs from its card.
        """
        if is_user_data(card.name):
            _, user_table = read_user_data(variant.spec)
            return build(user_table, card, variant, hash_table(user_table), draws)
        copy = self._cached(card, column)
        table = data_cache.get(copy) if copy else None
        if copy is None or table is None:
            table, copy = self._fetch(card, download, column)
        return build(table, card, variant, copy.data_hash, draws)

    def fetch(self, card: Card, column: str = "") -> data_cache.Copy:
        """Return the cached copy, fetched first if necessary; for a user's data, the data itself.

        ``column`` is that of `load`. Raises `DataError` with each source and the reason why it failed.
        """
        return self._cached(card, column) or self._fetch(card, column=column)[1]

    def present(self, card: Card, column: str = "") -> data_cache.Copy | None:
        """The copy that `load` would use, or None if it is not on this disk; nothing is fetched."""
        copy = self._cached(card, column)
        if copy is None and self.mirror and self.mirror.is_damaged(card):
            return next((c for c in self.copies(card) if not column or column in c.split_hashes), None)
        return copy

    def copies(self, card: Card) -> list[data_cache.Copy]:
        """The valid copies of the dataset in the cache, in order of preference."""
        return list(data_cache.copies(card, self.cache))

    def _cached(self, card: Card, column: str = "") -> data_cache.Copy | None:
        """The preferred copy. If the mirror contains the dataset, only a copy of the mirror's current files is used.

        If that copy lacks the split column, the first copy that has it is used. For a user's data, the data itself.
        """
        if is_user_data(card.name):
            return data_cache.Copy(Path(card.name), "file", *user_data_hashes(card))
        origin = self.mirror.origin(card) if self.mirror else ""
        if not column:
            return next((c for c in data_cache.copies(card, self.cache) if not origin or c.origin == origin), None)
        found = self.copies(card)
        if origin and origin not in [c.origin for c in found]:
            return None
        usable = [c for c in found if column in c.split_hashes]
        return min(usable, key=lambda c: c.origin != origin, default=None)

    def _fetch(self, card: Card, download: bool = True, column: str = "") -> tuple[Table, data_cache.Copy]:
        reasons: list[str] = []
        lacking = f"{card.name} with its column {getattr(card, column)!r}" if column else card.name
        mirror = self.mirror
        if mirror and (origin := mirror.origin(card)):
            table = _attempt(card, "mirror", lambda: mirror.read(card), reasons)
            if table is not None:
                copy = data_cache.put(table, card, origin, self.cache)
                if _has(table, column, "mirror", reasons):
                    return table, copy
            else:
                _note_unusable(card.name, reasons[0])
            for copy in data_cache.copies(card, self.cache):
                is_usable = not column or column in copy.split_hashes
                if is_usable and (table := data_cache.get(copy)) is not None:
                    return table, copy
        if not download:
            raise DataError(
                f"{lacking} is not on this computer ({'; '.join(reasons) or 'neither cached nor in a mirror'}); "
                f"fetch it with: imbench data fetch {card.name}, or set a mirror that contains it with --data-mirror "
                f"or {ENVIRONMENT}"
            )
        for source in card.sources:
            if source.kind != "mirror":
                table = _attempt(card, source.kind, functools.partial(self._read, card, source), reasons)
                if table is not None and _has(table, column, source.kind, reasons):
                    return table, data_cache.put(table, card, source.kind, self.cache)
        listed = "; ".join(reasons) or "its card lists no source, and no mirror contains it"
        raise DataError(
            f"{lacking} is unavailable ({listed}); set a mirror that contains it with --data-mirror or {ENVIRONMENT}"
        )

    def _read(self, card: Card, source: Source) -> Table:
        return source_kind(source.kind).read(card, source.options, self.downloads)


@functools.cache
def _note_unusable(name: str, reason: str) -> None:
    """Warn once: a dataset is looked up for every variant and job."""
    message = "%s: the data mirror's copy is unusable (%s); the next source is used"
    log.warning(message, visible(name), visible(reason))


def _attempt(card: Card, kind: str, read: Callable[[], Table], reasons: list[str]) -> Table | None:
    """A verified table from one source; None if that fails, with the reason added to ``reasons``."""
    # Third-party libraries may raise any exception here; the next source is tried in any case.
    try:
        table = read()
        verify(table, card)
    except (Exception, SystemExit) as error:
        lines = str(error).splitlines()
        reasons.append(f"{kind}: {lines[0] if lines else type(error).__name__}")
        return None
    return table


def _has(table: Table, column: str, kind: str, reasons: list[str]) -> bool:
    """Whether a table has the split column, "" for none; otherwise the reason is added to ``reasons``."""
    if column and getattr(table, column) is None:
        reasons.append(f"{kind}: its copy has no such column")
        return False
    return True


def verify(table: Table, card: Card) -> None:
    """Raise `DataError`, naming the difference, if rows, features, classes or content differ from the card."""
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
    """The card's content hash, and the decimals to which rows are rounded before hashing; None for no rounding."""
    content, _, decimals = card.content.partition("@")
    return content, int(decimals) if decimals else None


def _short(counts: Mapping[str, int]) -> str:
    listed = [f"{label}={count}" for label, count in sorted(counts.items())]
    return ", ".join(listed[:8]) + (", …" if len(listed) > 8 else "")
