"""Read a user's folder of images, with a subfolder for each class."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from imbench.contract.errors import DataError
from imbench.contract.modality import IMAGE
from imbench.contract.names import counted, suggest
from imbench.contract.records import Card, Source
from imbench.contract.spec import convert, parse_spec
from imbench.data.canonical import Table, data_hash
from imbench.data.labels import natural_order
from imbench.data.pixels import image_table
from imbench.data.variants import FOLDER_PARAMETERS, FOLDER_SUFFIX, user_task

if TYPE_CHECKING:
    from PIL import Image

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp")
# Pillow modes that are read as gray or RGB. Modes with more than 8 bits have no unique conversion to 8 bits.
_GRAY, _COLOUR = ("1", "L", "LA"), ("P", "PA", "RGB", "RGBA", "CMYK", "YCbCr")
_MODES = {1: "L", 3: "RGB"}


def read_image_folder(spec: str) -> tuple[Card, Table]:
    """Read ``photos/:minority=rare,size=32,channels=3``: the images ``photos/CLASS/*.png`` (or jpg, jpeg, bmp).

    Parameters of the spec are ``minority`` (default: the smaller of two classes; join several with ``+``), ``size``
    (resize all images to this height and width in pixels; bilinear with antialiasing) and ``channels`` (1 for gray, 3
    for RGB; default: as in the images). Rows are sorted by class, then by file name. Transparency is dropped, and the
    camera's rotation (EXIF) is applied.

    Raises
    ------
    DataError, naming the file, for an empty or unreadable image, images of different sizes or channels, fewer than two
    classes, a class without images, and a parameter out of range.
    """
    name, params = parse_spec(spec)
    size, channels = _shape(name, params)
    found = _files(name)
    first: tuple[Path, tuple[int, ...]] | None = None
    x = np.empty(0, dtype=np.uint8)
    paths = [path for files in found.values() for path in files]
    for row, path in enumerate(paths):
        pixels = _pixels(path, size, channels)
        if first is None:
            first = path, pixels.shape
            x = np.empty((len(paths), *pixels.shape), dtype=np.uint8)
        _same_shape(path, pixels.shape, *first)
        x[row] = pixels
    y = np.repeat(np.arange(len(found)), [len(files) for files in found.values()])
    table = image_table(x, y, tuple(found))
    card = Card(
        name=_path(name),
        title=Path(_path(name)).name,
        modality=IMAGE.name,
        target="folder",
        rows=len(x),
        features=int(x[0].size),
        missing=0,
        class_counts=table.class_counts,
        tasks=(user_task(params, table.class_counts, name, "its folders"),),
        sources=(Source("file", {"path": _path(name), **{k: v for k, v in params.items() if k in FOLDER_PARAMETERS}}),),
    )
    return card, table


def describe_image_folder(spec: str) -> tuple[Card, str, Mapping[str, str]]:
    """Card and data hash of a folder of images; raises the errors of `read_image_folder`.

    The result is cached until a file changes; images are not kept in memory.
    """
    return _described(spec, _state(parse_spec(spec)[0]))


@lru_cache(maxsize=64)
def _described(spec: str, state: str) -> tuple[Card, str, Mapping[str, str]]:
    card, table = read_image_folder(spec)
    return card, data_hash(table), {}


def _state(name: str) -> str:
    digest = hashlib.sha256()
    for files in _files(name).values():
        for path in files:
            about = path.stat()
            digest.update(f"{path} {about.st_mtime_ns} {about.st_size}\n".encode())
    return digest.hexdigest()


def _path(name: str) -> str:
    return os.path.normpath(name) + FOLDER_SUFFIX


def _shape(name: str, params: Mapping[str, str]) -> tuple[int | None, int | None]:
    size = convert(params.get("size", "none"), int | None, f"{name}: size")
    channels = convert(params.get("channels", "none"), int | None, f"{name}: channels")
    if size is not None and size < 1:
        raise DataError(f"{name}: size must be 1 pixel or more, got {size}; for example size=32")
    if channels not in (None, *_MODES):
        raise DataError(f"{name}: channels must be 1 (gray) or 3 (colour), got {channels}")
    return size, channels


def _files(name: str) -> dict[str, list[Path]]:
    """The image files of each class; classes and files are sorted by name."""
    folder = Path(_path(name))
    if not folder.is_dir():
        others = [f"{p.name}/" for p in folder.parent.iterdir() if p.is_dir()] if folder.parent.is_dir() else []
        raise DataError(f"the folder {name!r} does not exist; {suggest(folder.name, others)}")
    classes = [p for p in folder.iterdir() if p.is_dir() and not p.name.startswith(".")]
    classes.sort(key=lambda p: natural_order(p.name))
    layout = f"lay images out as {name}CLASS/*.png"
    if len(classes) < 2:
        has = f"only one class, {classes[0].name!r}" if classes else "no subfolders"
        raise DataError(f"{name} has {has}; a task needs at least two classes: {layout}")
    found = {}
    for part in classes:
        files = sorted(p for p in part.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES and not p.name.startswith("."))
        if not files:
            raise DataError(f"{part} contains no image ({', '.join(IMAGE_SUFFIXES)}); remove it, or {layout}")
        found[part.name] = files
    return found


def _pixels(path: Path, size: int | None, channels: int | None) -> np.ndarray:
    """Read one image as ``(channels, height, width)`` uint8."""
    if not path.stat().st_size:
        raise DataError(f"{path} is empty; remove it")
    from PIL import Image, ImageOps

    try:
        with Image.open(path) as opened:
            image: Any = ImageOps.exif_transpose(opened)
            image.load()
    except Exception as error:  # decoders raise many types of exceptions
        raise DataError(f"{path} cannot be read as an image ({_first_line(error)}); repair or remove it") from None
    image = image.convert(_MODES[channels or _channels(image, path)])
    if size is not None:
        image = image.resize((size, size), Image.Resampling.BILINEAR)
    pixels = np.asarray(image)
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def _channels(image: Image.Image, path: Path) -> int:
    if image.mode in _GRAY:
        return 1
    if image.mode in _COLOUR:
        return 3
    raise DataError(f"{path} has pixels of mode {image.mode!r}; convert it to 8 bits a channel, gray or RGB")


def _same_shape(path: Path, shape: tuple[int, ...], first: Path, wanted: tuple[int, ...]) -> None:
    if shape[0] != wanted[0]:
        raise DataError(
            f"{path} has {counted(shape[0], 'channel')}, but {first} has {wanted[0]}; "
            "add channels=3 (colour) or channels=1 (gray) to convert all"
        )
    if shape != wanted:
        raise DataError(
            f"{path} is {shape[2]} x {shape[1]} pixels, but {first} is {wanted[2]} x {wanted[1]}; "
            "add size=32 (or another size) to resize all"
        )


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
