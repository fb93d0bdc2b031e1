"""Targets of data files: those that a card's sources name, and a user's folder of images."""

from __future__ import annotations

import functools
import gzip
import io
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st
from PIL import Image

from tests.fuzz.harness import Target, command
from tests.fuzz.mutations import spliced_bytes, spliced_text, toml
from tests.fuzz.texts import CARD, SHORT, world

_RECORD = 1 + 3 * 32 * 32
_COUNTS = {"a": 6, "b": 4}
_CODES = np.repeat(np.array([0, 1], np.uint8), [6, 4])
_IMAGES: dict[str, Any] = {
    "title": "Made up",
    "modality": "image",
    "target": "y",
    "rows": 10,
    "features": 16,
    "class_counts": _COUNTS,
    "pixels": {"height": 4, "width": 4},
    "task": [{"name": "binary", "minority": ["b"]}],
}


def _of_images(form: str, *names: str, **options: Any) -> dict[str, Any]:
    files = [{"path": name} for name in names]
    sides = {"height": 32, "width": 32} if "cifar" in form else {"height": 4, "width": 4}
    features = 3072 if "cifar" in form else 16
    source = {"kind": "images", "format": form, "files": files, **options}
    return {**_IMAGES, "features": features, "pixels": sides, "source": [source]}


@functools.cache
def files() -> dict[str, tuple[bytes, dict[str, Any]]]:
    """Files of each format, each with a card that it fits."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 255, (10, 4, 4), dtype=np.uint8)
    npz, tar = io.BytesIO(), io.BytesIO()
    parts = {"train": slice(0, 6), "val": slice(6, 8), "test": slice(8, 10)}
    arrays = {f"{part}_images": pixels[rows] for part, rows in parts.items()}
    arrays |= {f"{part}_labels": _CODES[rows] for part, rows in parts.items()}
    np.savez_compressed(npz, **arrays)
    records = rng.integers(0, 255, (10, _RECORD), dtype=np.uint8)
    records[:, 0] = _CODES
    with tarfile.open(fileobj=tar, mode="w:gz") as archive:
        about = tarfile.TarInfo("data.bin")
        about.size = records.size
        archive.addfile(about, io.BytesIO(records.tobytes()))
    idx = b"\0\0\x08\x03" + np.array([10, 4, 4], ">u4").tobytes() + pixels.tobytes()
    text = {**CARD, "source": [{"kind": "file", "path": "data", "header": True}]}
    spaced = {**CARD, "source": [{"kind": "file", "path": "data", "separator": "whitespace", "skip_rows": 1}]}
    spaced = {**spaced, "target": "y", "features": 3}
    parquet = {**CARD, "source": [{"kind": "file", "path": "data.parquet"}], "target": "target"}
    csv = world()["good.csv"]
    return {
        "npz": (npz.getvalue(), _of_images("npz", "data")),
        "tar": (tar.getvalue(), _of_images("cifar-binary", "data", members=["data.bin"])),
        "idx": (gzip.compress(idx), _of_images("idx", "data", "labels")),
        "plain idx": (idx, _of_images("idx", "data", "labels")),
        "csv": (csv, text),
        "packed csv": (gzip.compress(csv), text),
        "spaced": (csv.replace(b",", b"  "), spaced),
        "parquet": (world()["mirror/made.parquet"], parquet),
    }


def check_sources(example: tuple[str, bytes], folder: Path) -> None:
    """A file that a card names: read, or refused with a reason."""
    kind, content = example
    card = files()[kind][1]
    (folder / ("data.parquet" if kind == "parquet" else "data")).write_bytes(content)
    (folder / "labels").write_bytes(b"\0\0\x08\x01" + np.array([10], ">u4").tobytes() + _CODES.tobytes())
    (folder / "mine.toml").write_text(toml(card))
    command(folder, "data", "fetch", "mine.toml")


@functools.cache
def images() -> dict[str, bytes]:
    """An image in each of several formats and modes, by suffix and mode."""
    found = {}
    rng = np.random.default_rng(0)
    for suffix, form in ((".png", "PNG"), (".jpg", "JPEG"), (".bmp", "BMP")):
        for mode in ("L", "RGB", "P", "RGBA", "I;16") if form == "PNG" else ("L", "RGB"):
            sink = io.BytesIO()
            if mode == "I;16":
                image = Image.fromarray(rng.integers(0, 65535, (6, 6), dtype=np.uint16))
            else:
                image = Image.fromarray(rng.integers(0, 255, (6, 6, 3), dtype=np.uint8)).convert(mode)
            image.save(sink, form)
            found[f"{mode}{suffix}"] = sink.getvalue()
    return found


def check_folders(example: tuple[str, str, bytes], folder: Path) -> None:
    """A folder of images, one of which is changed."""
    name, options, content = example
    for label, count in (("a", 12), ("b", 8)):
        (folder / "photos" / label).mkdir(parents=True)
        for i in range(count):
            (folder / "photos" / label / f"{i}.png").write_bytes(images()["RGB.png"])
    (folder / "photos" / "b" / f"x{Path(name).suffix}").write_bytes(content)
    spec = f"photos/:{options}" if options else "photos/"
    command(folder, "info", spec)
    command(folder, "plan", "--dataset", spec, "--strategy", "baseline", "--protocol", SHORT)


@st.composite
def _folders(draw: st.DrawFn) -> tuple[str, str, bytes]:
    name = draw(st.sampled_from(sorted(images())))
    options = ("", "size=4", "channels=1", "channels=3,size=6", "minority=b", "minority=a,size=32")
    return name, draw(st.sampled_from(options) | spliced_text(options)), draw(spliced_bytes([images()[name]]))


_sources = st.deferred(
    lambda: st.sampled_from(sorted(files())).flatmap(
        lambda kind: spliced_bytes([files()[kind][0]]).map(lambda content: (kind, content))
    )
)

TARGETS = (
    Target("sources", _sources, check_sources, prepare=files),
    Target("folders", _folders(), check_folders, prepare=images),
)
