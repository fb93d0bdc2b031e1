"""Readers of published image formats: ``(rows, channels, height, width)`` uint8 and class numbers ``(rows,)``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from imbench.contract.names import counted
from imbench.data.sources.archives import check_zip, read_file, read_members
from imbench.data.sources.network import SourceError

Images = tuple[np.ndarray, np.ndarray]

_CIFAR = (3, 32, 32)
_CIFAR_PIXELS = 3 * 32 * 32
# First bytes of IDX files: two zero bytes, 8 for unsigned bytes, the number of axes.
_IDX_IMAGES, _IDX_LABELS = b"\0\0\x08\x03", b"\0\0\x08\x01"
_NPZ_PARTS = ("train", "val", "test")


def _read_cifar(files: Sequence[Path], options: Mapping[str, Any], most: int, label_bytes: int) -> Images:
    """Read a binary version of CIFAR: records of label bytes, the last being the class, and 3 x 32 x 32 pixels."""
    records = np.frombuffer(b"".join(read_members(files[0], options["members"], most)), dtype=np.uint8)
    width = label_bytes + _CIFAR_PIXELS
    if len(records) % width:
        raise SourceError(
            f"{files[0].name} contains {counted(len(records), 'byte')}, not whole CIFAR records of {width:,} bytes"
        )
    records = records.reshape(-1, width)
    return np.ascontiguousarray(records[:, label_bytes:]).reshape(-1, *_CIFAR), records[:, label_bytes - 1]


def read_cifar10(files: Sequence[Path], options: Mapping[str, Any], most: int) -> Images:
    """Read the binary version of CIFAR-10, with one label byte in each record."""
    return _read_cifar(files, options, most, label_bytes=1)


def read_cifar100(files: Sequence[Path], options: Mapping[str, Any], most: int) -> Images:
    """Read the binary version of CIFAR-100, with two label bytes in each record: coarse and fine; the fine is used."""
    return _read_cifar(files, options, most, label_bytes=2)


def read_idx(files: Sequence[Path], options: Mapping[str, Any], most: int) -> Images:
    """Read a pair of IDX files, as of MNIST: images, then labels, optionally gzipped."""
    images, labels = files
    pixels = _idx(images, _IDX_IMAGES, most)
    return pixels[:, None], _idx(labels, _IDX_LABELS, most)  # (rows, height, width) -> (rows, 1, height, width)


def read_npz(files: Sequence[Path], options: Mapping[str, Any], most: int) -> Images:
    """Read an archive of MedMNIST: ``train_images`` and ``train_labels``, then those of ``val`` and ``test``."""
    check_zip(files[0], most)
    with np.load(files[0], allow_pickle=False) as arrays:
        pixels = np.concatenate([arrays[f"{part}_images"] for part in _NPZ_PARTS])
        codes = np.concatenate([arrays[f"{part}_labels"].ravel() for part in _NPZ_PARTS])
    if pixels.dtype != np.uint8 or pixels.ndim not in (3, 4):
        raise SourceError(f"{files[0].name} contains {pixels.dtype} with {pixels.ndim} axes, not uint8 images")
    # (rows, height, width[, channels]) -> (rows, channels, height, width)
    return pixels[:, None] if pixels.ndim == 3 else np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)), codes


def _idx(path: Path, magic: bytes, most: int) -> np.ndarray:
    content = read_file(path, most)
    axes = magic[3]
    if content[:4] != magic:
        raise SourceError(f"{path.name} is not an IDX file of uint8 with {counted(axes, 'axis', 'axes')}")
    shape = np.frombuffer(content, dtype=">u4", count=axes, offset=4).astype(np.int64)
    values = np.frombuffer(content, dtype=np.uint8, offset=4 + 4 * axes)
    if len(values) != shape.prod():
        raise SourceError(
            f"{path.name} contains {counted(len(values), 'byte')}, but its header states {shape.prod():,}"
        )
    return values.reshape(shape)


@dataclass(frozen=True)
class Format:
    """A published image format.

    Parameters
    ----------
    read : reader of the files; returns pixels and class numbers
    files : number of files of a dataset
    members : whether the source must list ``members``, files inside an archive
    """

    read: Callable[[Sequence[Path], Mapping[str, Any], int], Images]
    files: int
    members: bool


FORMATS = {
    "cifar-binary": Format(read_cifar10, 1, True),
    "cifar100-binary": Format(read_cifar100, 1, True),
    "idx": Format(read_idx, 2, False),
    "npz": Format(read_npz, 1, False),
}
