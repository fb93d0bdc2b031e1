"""Mirror: a folder or HTTP server with Parquet files of many datasets and a MANIFEST.toml."""

from __future__ import annotations

import hashlib
import io
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pandas as pd

from imbench.contract.errors import DataError
from imbench.contract.names import is_inside
from imbench.contract.reading import MOST_TOML_BYTES, parse_toml
from imbench.contract.records import Card
from imbench.data.canonical import Table, content_hash, data_hash, encode_target
from imbench.data.pixels import first_of_each, image_table
from imbench.data.sources.archives import most_bytes
from imbench.data.sources.network import SourceError, fetch
from imbench.data.sources.source_kind import LABELS, Field, check_digest
from imbench.data.sources.tables import read_parquet, to_table
from imbench.data.split_columns import group_numbers

ENVIRONMENT = "IMBENCH_DATA_MIRROR"


@dataclass(frozen=True)
class MirrorFile:
    """One file of a mirror, with its SHA-256 from the manifest."""

    name: str
    sha256: str


@dataclass(frozen=True)
class Mirror:
    """A mirror, with the entries of its manifest.

    Parameters
    ----------
    place : folder or http(s) URL
    entries : table of each dataset in MANIFEST.toml
    """

    place: str
    entries: Mapping[str, Any]

    def files(self, card: Card) -> tuple[MirrorFile, ...]:
        """The files of this dataset; empty if the mirror does not contain it."""
        entry = self.entries.get(mirror_options(card).get("entry", Path(card.name).stem))
        if not entry:
            return ()
        listed = entry.get("files", [entry])
        wanted = mirror_options(card).get("files")
        files = tuple(MirrorFile(f["file"], f["sha256"]) for f in listed if wanted is None or f["file"] in wanted)
        return files if wanted is None or len(files) == len(wanted) else ()

    def origin(self, card: Card) -> str:
        """The `Copy.origin` of copies from this mirror's files; "" if the mirror does not contain the dataset."""
        files = self.files(card)
        return "mirror:" + hashlib.sha256("".join(f.sha256 for f in files).encode()).hexdigest() if files else ""

    def is_damaged(self, card: Card) -> bool:
        """Whether a file of the dataset is missing or differs from the manifest, in a folder; False for a URL."""
        try:
            for file in self.files(card) if not _is_url(self.place) else ():
                self._fetch(file, most_bytes(card))
        except SourceError:
            return True
        return False

    def read(self, card: Card) -> Table:
        """Read the dataset. Raises `SourceError` if a file is missing or differs from the manifest."""
        options = mirror_options(card)
        most = most_bytes(card)
        frames = [read_parquet(io.BytesIO(self._fetch(f, most)), card.categorical, most) for f in self.files(card)]
        frame = pd.concat(frames, ignore_index=True) if len(frames) > 1 else frames[0]
        if "image" in options:
            return encoded_images(frame, card, options)
        return _split_by_order(to_table(frame, card, {"target": "target", **options}), options)

    def faults(self) -> list[str]:
        """What is wrong with its files, each checked against the manifest; a URL's files are not downloaded."""
        if _is_url(self.place):
            return []
        found = []
        for entry in self.entries.values():
            for listed in entry.get("files", [entry]):
                try:
                    self._fetch(MirrorFile(listed["file"], listed["sha256"]), sys.maxsize)
                except SourceError as error:
                    found.append(str(error))
        return found

    def _fetch(self, file: MirrorFile, most: int) -> bytes:
        content = _read(self.place, file.name, most)
        found = hashlib.sha256(content).hexdigest()
        if found != file.sha256:
            raise SourceError(f"{file.name} has SHA-256 {found[:12]}…, the manifest says {file.sha256[:12]}…")
        return content


def open_mirror(place: str | None) -> Mirror | None:
    """Open the mirror at a folder or http(s) URL; default: the environment's ``IMBENCH_DATA_MIRROR``, else None.

    Raises `DataError` if the folder does not exist, or its MANIFEST.toml is missing or not readable.
    """
    place = place or os.environ.get(ENVIRONMENT) or None
    if place is None:
        return None
    if not _is_url(place):
        place = os.path.expanduser(place)  # as it is, where the user is unknown
    return Mirror(place, _url_manifest(place) if _is_url(place) else _manifest(place))


@cache
def _url_manifest(place: str) -> Mapping[str, Any]:
    return _manifest(place)


def _manifest(place: str) -> Mapping[str, Any]:
    fix = f"give the folder or URL that contains MANIFEST.toml (--data-mirror, {ENVIRONMENT})"
    if not _is_url(place) and not Path(place).is_dir():
        raise DataError(f"the data mirror {place!r} does not exist; {fix}")
    try:
        content = _read(place, "MANIFEST.toml", MOST_TOML_BYTES)
    except SourceError as error:
        raise DataError(f"the data mirror {place!r} has no readable MANIFEST.toml ({error}); {fix}") from None
    manifest = parse_toml(content, f"MANIFEST.toml of the data mirror {place!r}", DataError)
    entries = manifest.get("dataset", {})
    where = f"the data mirror {place!r}: in its MANIFEST.toml, dataset"
    if not isinstance(entries, dict):
        raise DataError(f"{where} must be a table of datasets, got {entries!r}")
    for name, entry in entries.items():
        listed = entry.get("files", [entry]) if isinstance(entry, dict) else None
        if not isinstance(listed, list) or not all(map(_is_file, listed)):
            raise DataError(f"{where} {name} lacks file or sha256, as text; add them")
        outside = [f["file"] for f in listed if not is_inside(f["file"])]
        if outside:
            raise DataError(f"{where} {name} has a file outside the mirror, {outside[0]!r}; name one inside")
    return entries


def _is_file(entry: Any) -> bool:
    return isinstance(entry, dict) and all(isinstance(entry.get(key), str) for key in ("file", "sha256"))


# Fields of a card's source of kind "mirror", which describes how copies of mirrors are read. A mirror is always tried
# before the other sources, wherever this entry is in the card.
MIRROR_FIELDS: Mapping[str, Field] = {
    "entry": (str, False),
    "files": (list, False),
    "image": (str, False),
    "content": (str, False),
    "altered": (list, False),
    "first_of_each": (int, False),
    "known_order": (str, False),
    "in_time_order": (bool, False),
    "groups_in_turn": (int, False),
    **LABELS,
}
_IMAGE_OPTIONS = ("content", "altered", "first_of_each")
_ORDER_OPTIONS = ("in_time_order", "groups_in_turn")


def check_mirror(options: Mapping[str, Any], where: str) -> None:
    """Raise `DataError` for options that need another option which is not set, and for values out of range."""
    unused = [key for key in _IMAGE_OPTIONS if key in options and "image" not in options]
    if unused:
        raise DataError(f"{where}: {unused[0]} is for images only; set image to the name of their column")
    unused = [key for key in _ORDER_OPTIONS if key in options and "known_order" not in options]
    if unused:
        raise DataError(f"{where}: {unused[0]} needs known_order, the data hash of the copy with this order; add it")
    if "known_order" in options:
        check_digest("sha256", options["known_order"], where, "known_order")
    if options.get("groups_in_turn", 2) < 2:
        raise DataError(f"{where}: groups_in_turn must be 2 or more, got {options['groups_in_turn']}")


def mirror_options(card: Card) -> Mapping[str, Any]:
    """The card's options for reading copies of mirrors."""
    return next((s.options for s in card.sources if s.kind == "mirror"), {})


def _split_by_order(table: Table, options: Mapping[str, Any]) -> Table:
    """The table with the split columns that follow from the order of its rows, if that is the known one.

    Parameters
    ----------
    table : the table
    options : ``known_order``, the data hash of the copy with a known order; ``in_time_order``, whether its rows are in
        the order of time; ``groups_in_turn``, the number of groups in each class, whose rows take turns
    """
    if data_hash(table) != options.get("known_order"):
        return table
    if options.get("in_time_order"):
        table = replace(table, time=np.arange(len(table.y), dtype=np.int64))
    if groups := options.get("groups_in_turn"):
        place = pd.Series(table.y).groupby(table.y).cumcount()
        table = replace(table, group=group_numbers(pd.Series(table.y * groups + place % groups, name="group")))
    return table


def encoded_images(frame: pd.DataFrame, card: Card, options: Mapping[str, Any]) -> Table:
    """Decode a column of encoded RGB images of equal size into a table of ``(rows, 3, height, width)`` uint8.

    Parameters
    ----------
    frame : one row for each image
    card : gives the order of the classes
    options : ``image`` (name of the column), ``target``, ``labels``, ``other``, ``first_of_each`` (number of rows of
        each class to keep), ``content`` (expected `content_hash`) and ``altered`` (numbers of rows to exclude from it)

    Raises
    ------
    SourceError for an image that cannot be decoded or differs in size from the first, and for a wrong content hash.
    """
    target = frame[options.get("target", "target")]
    y, labels = encode_target(target, options.get("labels"), options.get("other"), tuple(card.class_counts))
    encoded = frame[options["image"]].to_numpy()
    if "first_of_each" in options:
        kept = first_of_each(y, options["first_of_each"])
        encoded, y = encoded[kept], y[kept]
    first = _decoded(encoded[0], 0)
    x = np.empty((len(encoded), *first.shape), dtype=np.uint8)
    for row, content in enumerate(encoded):
        pixels = _decoded(content, row)
        if pixels.shape != first.shape:
            raise SourceError(f"image {row} is {_size(pixels)} pixels, but the first is {_size(first)}")
        x[row] = pixels
    table = image_table(x, y, labels)
    found = content_hash(table, without=options.get("altered", ())) if "content" in options else ""
    if found != options.get("content", ""):
        raise SourceError(
            f"the images differ from the card (content {found[:12]}…, expected {options['content'][:12]}…)"
        )
    return table


def _size(pixels: np.ndarray) -> str:
    return f"{pixels.shape[1]} x {pixels.shape[2]}"


def _decoded(content: bytes, row: int) -> np.ndarray:
    from PIL import Image

    try:
        pixels = np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))
    except Exception as error:  # decoders raise many types of exceptions
        raise SourceError(f"image {row} cannot be decoded: {error}") from None
    return pixels.transpose(2, 0, 1)  # (height, width, channels) -> (channels, height, width)


def _is_url(place: str) -> bool:
    return place.startswith(("http://", "https://"))


def _read(place: str, name: str, most: int) -> bytes:
    if _is_url(place):
        return b"".join(fetch(f"{place.rstrip('/')}/{quote(name)}", most))
    path = Path(place) / name
    try:
        if path.exists() and not path.is_file():
            raise SourceError(f"{name} is not a file")
        if path.stat().st_size > most:
            raise SourceError(f"{name} has more than {most:,} bytes, too many for what the card describes")
        return path.read_bytes()
    except OSError as error:
        raise SourceError(f"{name} cannot be read: {error.strerror}") from None
