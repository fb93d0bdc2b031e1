"""Files of a source, packed or not, read into memory: never unpacked to disk, and never more than a card allows."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any

from imbench.contract.names import counted
from imbench.contract.records import Card
from imbench.data.sources.network import SourceError

# Bytes that any file may have; that a value may take as text; and how many times what a card describes a file may hold,
# since it may have columns and rows that the card leaves out, or several datasets.
_LEAST, _VALUE, _TIMES = 2**30, 32, 8
# How many times its packed size a file may have, from this size on. Tables shrink to a fiftieth at most.
RATIO, _FREE = 250, 2**24
# What libraries raise for a file that is not what its name says.
DAMAGE = (
    KeyError, IndexError, ValueError, OSError, EOFError, zlib.error, NotImplementedError, RuntimeError,
    gzip.BadGzipFile, lzma.LZMAError, zipfile.BadZipFile, tarfile.TarError,
)  # fmt: skip
_UNPACK: dict[bytes, Callable[[IO[bytes]], Any]] = {
    b"\x1f\x8b": lambda file: gzip.GzipFile(fileobj=file),
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\x00": lzma.LZMAFile,
}


def most_bytes(card: Card) -> int:
    """How large a file of this card's dataset may be, packed or not."""
    return max(_LEAST, _TIMES * _VALUE * card.rows * (card.features + 1))


def read_file(path: Path, most: int) -> bytes:
    """A file that is no archive; a gzipped one unpacked. Raises `SourceError` where it is larger than ``most``."""
    with _open(path, most, {b"\x1f\x8b"}) as file:
        return file.read_all()


def read_members(path: Path, names: Sequence[str], most: int) -> list[bytes]:
    """These files of a zip archive (a wheel is one) or of a tar archive, in this order.

    Raises `SourceError` for a file that is missing or larger than ``most``, and one of `DAMAGE` for a damaged archive.
    """
    found = _of_zip(path, names, most) if zipfile.is_zipfile(path) else _of_tar(path, names, most)
    missing = [name for name in names if name not in found]
    if missing:
        raise SourceError(f"{path.name} has no file {missing[0]}")
    return [found[name] for name in names]


def check_zip(path: Path, most: int) -> None:
    """Raise `SourceError` for a zip archive whose files are larger than ``most`` together, unpacked."""
    with zipfile.ZipFile(path) as archive:
        _check_size(path, sum(about.file_size for about in archive.infolist()), most)


def _of_zip(path: Path, names: Sequence[str], most: int) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    with zipfile.ZipFile(path) as archive:
        listed = set(archive.namelist())
        for name in names:
            if name in listed and name not in found:
                about = archive.getinfo(name)
                if about.is_dir():
                    raise SourceError(f"{name} in {path.name} is a folder; name a file")
                allowed = min(most - sum(map(len, found.values())), max(_FREE, RATIO * about.compress_size))
                _check_size(path, about.file_size, allowed)
                with archive.open(about) as file:
                    found[name] = _Limited(file, path, allowed).read_all()
    return found


def _of_tar(path: Path, names: Sequence[str], most: int) -> dict[str, bytes]:
    """In one pass, since a packed archive cannot be searched; links are not followed."""
    found: dict[str, bytes] = {}
    with _open(path, most, set(_UNPACK)) as file, tarfile.open(fileobj=file, mode="r|") as tar:
        for member in tar:
            if member.name in names:
                opened = tar.extractfile(member) if member.isreg() and not member.issparse() else None
                if opened is None:
                    raise SourceError(f"{member.name} in {path.name} is no plain file; name one")
                _check_size(path, member.size, most)
                found[member.name] = opened.read()
                if len(found) == len(set(names)):
                    break
    return found


def _open(path: Path, most: int, packings: set[bytes]) -> _Limited:
    """A file for reading, unpacked if it is packed in one of these ways, which its first bytes say."""
    if not path.is_file():
        raise SourceError(f"{path} is not a file")
    size = path.stat().st_size
    file = open(path, "rb")  # noqa: SIM115, closed with what is returned
    start = file.read(8)
    file.seek(0)
    unpack = next((_UNPACK[magic] for magic in packings if start.startswith(magic)), None)
    return _Limited(unpack(file) if unpack else file, path, min(most, max(_FREE, RATIO * size)) if unpack else most)


def _check_size(path: Path, size: int, most: int) -> None:
    if size > most:
        raise SourceError(
            f"{path.name} has {counted(size, 'byte')} or more, but its card allows {most:,} at most; "
            "correct rows and features of the card, or unpack the file"
        )


class _Limited(io.RawIOBase):
    """A stream that refuses to give more than so many bytes; closing it closes what it reads."""

    def __init__(self, file: Any, path: Path, most: int) -> None:
        super().__init__()
        self._file, self._path, self._most, self._given = file, path, most, 0

    def readable(self) -> bool:
        """It is for reading."""
        return True

    def read(self, size: int = -1) -> bytes:
        """At most so many bytes; all of them where ``size`` is negative."""
        if size is None or size < 0:
            return self.read_all()
        content: bytes = self._file.read(size)
        self._given += len(content)
        _check_size(self._path, self._given, self._most)
        return content

    def read_all(self) -> bytes:
        """Everything that is left."""
        pieces = iter(lambda: self.read(2**20), b"")
        return b"".join(pieces)

    def close(self) -> None:
        """Close the file too."""
        self._file.close()
        super().close()
