"""Read image datasets from the files of their authors; checksums are verified before files are read."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from imbench.contract.errors import DataError
from imbench.contract.names import counted
from imbench.contract.records import Card
from imbench.data.canonical import Table
from imbench.data.pixels import coded_table, first_of_each
from imbench.data.sources.archives import DAMAGE, most_bytes
from imbench.data.sources.downloads import download, file_name
from imbench.data.sources.image_formats import FORMATS
from imbench.data.sources.network import SourceError
from imbench.data.sources.source_kind import (
    CHECKSUMS,
    Field,
    SourceKind,
    check_digest,
    check_fields,
    check_url,
    relative_to_card,
)


def from_images(card: Card, options: Mapping[str, Any], downloads: Path) -> Table:
    """Read ``files`` in this ``format``; class number k is the k-th class of the card, from 0."""
    paths = [obtain(file, downloads, most_bytes(card)) for file in options["files"]]
    try:
        pixels, codes = FORMATS[options["format"]].read(paths, options, most_bytes(card))
    except DAMAGE as error:
        names = ", ".join(path.name for path in paths)
        raise SourceError(f"{names} cannot be read as {options['format']}: {error}") from None
    if len(pixels) != len(codes):
        raise SourceError(f"{paths[0].name} has {counted(len(pixels), 'image')} and {counted(len(codes), 'label')}")
    if "first_of_each" in options:
        kept = first_of_each(codes, options["first_of_each"])
        pixels, codes = pixels[kept], codes[kept]
    return coded_table(pixels, codes, card)


def obtain(file: Mapping[str, str], downloads: Path, most: int) -> Path:
    """Path of a file with a verified checksum: its ``path``, an earlier download, or a new download of its ``url``.

    Raises `SourceError` for a file that is missing, cannot be fetched, or has another checksum.
    """
    path = kept_path(file, downloads)
    if not path.is_file():
        if "url" not in file:
            raise SourceError(f"{path} does not exist")
        _fetch(file, path, most)
    for kind, name in (("sha256", "SHA-256"), ("md5", "MD5")):
        if kind in file and (found := _digest(path, kind)) != file[kind]:
            raise SourceError(f"{path} has {name} {found[:12]}…, the card says {file[kind][:12]}…; replace the file")
    return path


def kept_path(file: Mapping[str, str], downloads: Path) -> Path:
    """Path of the file on this disk, before or after it is fetched; datasets in one archive share it."""
    if "path" in file:
        return Path(file["path"])
    folder = (file.get("md5") or file["sha256"])[:8]  # files of different datasets can have the same name
    return downloads / folder / file_name(file["url"])


def _fetch(file: Mapping[str, str], path: Path, most: int) -> None:
    checksum = f"sha256:{file['sha256']}" if "sha256" in file else f"md5:{file['md5']}"
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        try:
            os.replace(download(file["url"], checksum, Path(folder), most), path)
        except SourceError as error:
            raise SourceError(f"{error} (if you have the file, put it at {path})") from None


def _digest(path: Path, kind: str) -> str:
    with open(path, "rb") as opened:
        return hashlib.file_digest(opened, kind).hexdigest()


def _missing_file(options: Mapping[str, Any], downloads: Path) -> str:
    """URL or path of the first file that is not on this computer; "" if all files are."""
    missing = [file for file in options["files"] if not kept_path(file, downloads).is_file()]
    return str(missing[0].get("url") or missing[0]["path"]) if missing else ""


def _complete(options: Mapping[str, Any], card: Path, where: str) -> Mapping[str, Any]:
    files = [_file(f, card, f"{where}, file {i}") for i, f in enumerate(options["files"], 1)]
    name = options["format"]
    if name not in FORMATS:
        raise DataError(f"{where}: format must be one of {', '.join(FORMATS)}, got {name!r}")
    if len(files) != FORMATS[name].files:
        raise DataError(f"{where}: format {name} takes {counted(FORMATS[name].files, 'file')}, got {len(files)}")
    if FORMATS[name].members != ("members" in options):
        raise DataError(f"{where}: format {name} {'needs' if FORMATS[name].members else 'takes no'} members")
    return {**options, "files": files}


def _file(fields: Any, card: Path, where: str) -> dict[str, str]:
    """Validate one entry of ``files``: its location, and the checksum, which downloads require."""
    check_fields(fields, _FILE, where)
    if ("url" in fields) == ("path" in fields):
        raise DataError(f"{where} needs either url or path; give exactly one of them")
    for kind in set(fields) & set(CHECKSUMS):
        check_digest(kind, fields[kind], where)
    if "url" in fields:
        check_url(fields["url"], where)
    if "url" in fields and not set(fields) & set(CHECKSUMS):
        raise DataError(f"{where} lacks a checksum; add md5 or sha256")
    return {**fields, "path": relative_to_card(card, fields["path"], where)} if "path" in fields else dict(fields)


_FILE: Mapping[str, Field] = {"url": (str, False), "path": (str, False), "md5": (str, False), "sha256": (str, False)}
IMAGES = SourceKind(
    "images",
    {"format": (str, True), "files": (list, True), "members": (list, False), "first_of_each": (int, False)},
    from_images,
    _missing_file,
    _complete,
)
