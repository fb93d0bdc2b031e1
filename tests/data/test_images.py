"""Images as their authors publish them, on small files written in the published formats."""

import dataclasses
import gzip
import hashlib
import io
import struct
import tarfile

import numpy as np
import pandas as pd
import pytest

from imbench.contract.errors import DataError
from imbench.contract.records import Card, Source, Task
from imbench.data import cache
from imbench.data.canonical import Table, content_hash, data_hash
from imbench.data.sources.images import from_images
from imbench.data.variants import parse_variant
from tests.data import made
from tests.data.made import fetch, load, survey

RNG = np.random.default_rng(0)
LABELS = np.arange(20, dtype=np.uint8) % 2
COLOUR = RNG.integers(0, 256, (20, 3, 32, 32), dtype=np.uint8)
GRAY = RNG.integers(0, 256, (20, 12, 11), dtype=np.uint8)


def card_of(pixels: np.ndarray, *sources: Source, **changes) -> Card:
    """The card of images, half of them cats and half dogs in turn."""
    rows = len(pixels)
    fields = {"rows": rows, "features": pixels[0].size, "class_counts": {"cat": rows // 2, "dog": rows // 2}}
    fields |= {"modality": "image", "missing": 0, "tasks": (Task("binary", ("dog",)),), "categorical": ()}
    return made.card("pets", sources, **{**fields, **changes})


def images(path, form: str, **options) -> Source:
    files = [{"path": str(p)} for p in (path if isinstance(path, list) else [path])]
    return Source("images", {"format": form, "files": files, **options})


def images_table(card: Card) -> Table:
    return from_images(card, card.sources[0].options, cache.downloads_folder())


def loaded(card: Card):
    return load(card, parse_variant("pets", card))


def records(pixels: np.ndarray, labels: np.ndarray, coarse: bool = False) -> bytes:
    """CIFAR's binary records: the coarse label if there is one (any number here), the label, the pixels."""
    labels = np.stack([RNG.integers(0, 20, len(labels)), labels], axis=1) if coarse else labels[:, None]
    return np.hstack([labels.astype(np.uint8), pixels.reshape(len(pixels), -1)]).tobytes()


def tarred(path, members: dict[str, bytes]):
    with tarfile.open(path, "w:gz") as archive:
        for name, content in members.items():
            about = tarfile.TarInfo(name)
            about.size = len(content)
            archive.addfile(about, io.BytesIO(content))
    return path


CIFAR = [("cifar-binary", False), ("cifar100-binary", True)]


@pytest.mark.parametrize(("form", "coarse"), CIFAR)
def test_a_cifar_archive_is_read_in_the_order_the_card_asks_for(tmp_path, form, coarse):
    parts = {
        "batches/two": records(COLOUR[12:], LABELS[12:], coarse),
        "batches/readme": b"not asked for",
        "batches/one": records(COLOUR[:12], LABELS[:12], coarse),
    }
    path = tarred(tmp_path / "cifar.tar.gz", parts)
    dataset = loaded(card_of(COLOUR, images(path, form, members=["batches/one", "batches/two"])))
    np.testing.assert_array_equal(dataset.x, COLOUR)
    np.testing.assert_array_equal(dataset.y, LABELS)
    assert dataset.class_names == ("cat", "dog")
    assert dataset.feature_names == ("red", "green", "blue")


def test_the_fine_label_of_cifar_100_is_the_second_byte_of_a_record(tmp_path):
    pixels = bytes(1024) + bytes([7]) * 1024 + bytes([255]) * 1024
    path = tarred(tmp_path / "cifar.tar.gz", {"one": bytes([19, 1]) + pixels + bytes([3, 0]) + pixels})
    table = images_table(card_of(COLOUR[:2], images(path, "cifar100-binary", members=["one"])))
    assert table.y.tolist() == [1, 0]
    assert table.x[0, :, 0, 0].tolist() == [0, 7, 255]  # all red values, then green, then blue


@pytest.mark.parametrize(("form", "coarse"), CIFAR)
def test_a_damaged_cifar_archive_is_refused_and_never_cached(tmp_path, form, coarse):
    whole = records(COLOUR, LABELS, coarse)
    path, packed = tmp_path / "cifar.tar.gz", tarred(tmp_path / "packed.tar.gz", {"one": whole}).read_bytes()

    def archive(content: bytes) -> bytes:
        return tarred(tmp_path / "other.tar.gz", {"one": content}).read_bytes()

    for content, members, message in [
        (archive(whole[:-1]), ["one"], "not whole CIFAR records of 3,07[34] bytes"),
        (packed, ["one", "other"], r"cifar\.tar\.gz has no file other"),
        (packed[:-900], ["one"], f"cifar.tar.gz cannot be read as {form}"),
        (b"", ["one"], f"cifar.tar.gz cannot be read as {form}"),
        (archive(b""), ["one"], "this copy has 0 rows"),
        (
            archive(records(COLOUR, LABELS + 1, coarse)),
            ["one"],
            "class number 2 is out of range; the card has 2 classes",
        ),
    ]:
        path.write_bytes(content)
        with pytest.raises(DataError, match=message):
            fetch(card_of(COLOUR, images(path, form, members=members)))
    assert not list(cache.cache_folder().rglob("*.parquet"))


def idx(values: np.ndarray) -> bytes:
    return b"\0\0\x08" + bytes([values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape) + values.tobytes()


@pytest.mark.parametrize("pack", [gzip.compress, bytes])
def test_a_pair_of_idx_files_is_read(tmp_path, pack):
    paths = [tmp_path / "images.gz", tmp_path / "labels.gz"]
    for path, values in zip(paths, (GRAY, LABELS), strict=True):
        path.write_bytes(pack(idx(values)))
    dataset = loaded(card_of(GRAY, images(paths, "idx")))
    np.testing.assert_array_equal(dataset.x, GRAY[:, None])
    np.testing.assert_array_equal(dataset.y, LABELS)
    assert dataset.feature_names == ("gray",)


@pytest.mark.parametrize(
    ("images_file", "labels_file", "message"),
    [
        (idx(LABELS), idx(LABELS), "images is not an IDX file of uint8 with 3 axes"),
        (idx(GRAY)[:-5], idx(LABELS), r"images contains 2,635 bytes, but its header states 2,640"),
        (idx(GRAY)[:9], idx(LABELS), "images, labels cannot be read as idx"),
        (gzip.compress(idx(GRAY))[:-30], idx(LABELS), "images, labels cannot be read as idx"),
        (idx(GRAY), idx(LABELS[:-1]), "images has 20 images and 19 labels"),
    ],
)
def test_a_broken_pair_of_idx_files_names_the_file(tmp_path, images_file, labels_file, message):
    paths = [tmp_path / "images", tmp_path / "labels"]
    for path, content in zip(paths, (images_file, labels_file), strict=True):
        path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        fetch(card_of(GRAY, images(paths, "idx")))


@pytest.mark.parametrize("pixels", [GRAY, RNG.integers(0, 256, (20, 12, 11, 3), dtype=np.uint8)])
def test_medmnists_three_parts_are_read_one_after_the_other(tmp_path, pixels):
    bounds = {"train": slice(0, 12), "val": slice(12, 14), "test": slice(14, 20)}
    arrays = {f"{part}_images": pixels[rows] for part, rows in bounds.items()}
    arrays |= {f"{part}_labels": LABELS[rows, None] for part, rows in bounds.items()}
    np.savez_compressed(tmp_path / "pets.npz", **arrays)
    dataset = loaded(card_of(pixels, images(tmp_path / "pets.npz", "npz")))
    wanted = pixels[:, None] if pixels.ndim == 3 else np.moveaxis(pixels, -1, 1)
    np.testing.assert_array_equal(dataset.x, wanted)
    np.testing.assert_array_equal(dataset.y, LABELS)


def test_an_npz_with_pickled_objects_or_floats_is_refused(tmp_path):
    parts = {f"{part}_{what}" for part in ("train", "val", "test") for what in ("images", "labels")}
    for name, value, message in [
        ("objects.npz", np.array([{}], dtype=object), "Object arrays cannot be loaded"),
        ("floats.npz", np.zeros((2, 3, 3)), "contains float64 with 3 axes, not uint8 images"),
    ]:
        np.savez(tmp_path / name, **dict.fromkeys(parts, value))
        with pytest.raises(DataError, match=message):
            fetch(card_of(GRAY, images(tmp_path / name, "npz")))


def on_the_web(web, content: bytes, **checksum) -> Source:
    (web.folder / "pets.npz").write_bytes(content)
    files = [{"url": f"{web.url}/pets.npz?download=1", **checksum}]
    return Source("images", {"format": "npz", "files": files})


def pets_npz() -> bytes:
    buffer = io.BytesIO()
    parts = {"train": slice(0, 12), "val": slice(12, 14), "test": slice(14, 20)}
    arrays = {f"{part}_images": GRAY[rows] for part, rows in parts.items()}
    np.savez(buffer, **arrays, **{f"{part}_labels": LABELS[rows] for part, rows in parts.items()})
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["md5", "sha256"])
def test_a_published_file_is_fetched_once_and_shared(web, kind):
    content = pets_npz()
    source = on_the_web(web, content, **{kind: hashlib.new(kind, content).hexdigest()})
    first = fetch(card_of(GRAY, source))
    assert first.origin == "images"
    (web.folder / "pets.npz").unlink()
    second = fetch(dataclasses.replace(card_of(GRAY, source), name="again"))
    assert second.data_hash == first.data_hash


@pytest.mark.parametrize("kind", ["md5", "sha256"])
def test_a_download_with_a_wrong_checksum_is_refused_and_not_kept(web, kind):
    source = on_the_web(web, pets_npz(), **{kind: "0" * {"md5": 32, "sha256": 64}[kind]})
    with pytest.raises(DataError, match=r"pets\.npz"):
        fetch(card_of(GRAY, source))
    assert not [p for p in cache.cache_folder().rglob("*") if p.is_file()]


def test_where_the_web_is_out_of_reach_the_error_says_where_a_file_of_ones_own_belongs():
    content = pets_npz()
    md5 = hashlib.md5(content).hexdigest()
    source = Source("images", {"format": "npz", "files": [{"url": "http://nowhere.invalid/pets.npz", "md5": md5}]})
    with pytest.raises(DataError, match="if you have the file, put it at ") as caught:
        fetch(card_of(GRAY, source))
    place = cache.downloads_folder() / md5[:8] / "pets.npz"
    assert str(place) in str(caught.value)
    assert [s.state for s in survey([card_of(GRAY, source)])] == ["unreachable"]
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(content[:-1])
    with pytest.raises(DataError, match=rf"{place} has MD5 .*, the card says {md5[:12]}…; replace that file"):
        fetch(card_of(GRAY, source))
    place.write_bytes(content)
    assert [s.state for s in survey([card_of(GRAY, source)])] == ["reachable"]
    assert fetch(card_of(GRAY, source)).origin == "images"


def encoded(pixels: np.ndarray, form: str = "PNG") -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(np.moveaxis(pixels, 0, -1)).save(buffer, format=form)
    return buffer.getvalue()


def mirror_of(folder, pixels, labels=LABELS) -> str:
    return made.mirror(folder, {"zoo": pd.DataFrame({"target": labels, "image": list(map(encoded, pixels))})})


def from_mirror(**options) -> Source:
    return Source("mirror", {"entry": "zoo", "image": "image", "labels": {"0": "cat", "1": "dog"}, **options})


def as_table(pixels: np.ndarray, labels=LABELS) -> Table:
    return Table(pixels, ("red", "green", "blue"), ((),) * 3, labels.astype(np.int64), ("cat", "dog"))


def test_a_mirror_may_hold_altered_copies_of_the_images_that_the_card_lists_and_of_no_others(tmp_path):
    official = as_table(COLOUR)
    content = content_hash(official, without=[3, 8])
    altered = COLOUR.copy()
    altered[[3, 8]] ^= 1
    card = card_of(COLOUR, from_mirror(content=content, altered=[3, 8]))
    copy = fetch(card, mirror_of(tmp_path / "one", altered))
    assert copy.data_hash == data_hash(as_table(altered)) != data_hash(official)
    assert fetch(card, mirror_of(tmp_path / "two", COLOUR)).data_hash == data_hash(official)
    altered[4] ^= 1
    with pytest.raises(DataError, match="the images differ from the card"):
        fetch(card, mirror_of(tmp_path / "three", altered), tmp_path / "empty-cache")


def test_the_content_of_images_ignores_their_order_and_sees_pixels_and_labels():
    order = RNG.permutation(20)
    content = content_hash(as_table(COLOUR))
    assert content_hash(as_table(COLOUR[order], LABELS[order])) == content
    assert content_hash(as_table(COLOUR, 1 - LABELS)) != content
    assert content_hash(as_table(COLOUR.reshape(20, 3, 16, 64))) != content
    changed = COLOUR.copy()
    changed[7, 2, 5, 5] ^= 1
    assert content_hash(as_table(changed)) != content


def test_a_class_balanced_part_is_the_first_images_of_each_class_from_either_source(tmp_path):
    labels = np.array([0, 0, 0, 1, 0, 1, 1, 0] + [1] * 12, dtype=np.uint8)
    kept = [0, 1, 2, 3, 5, 6]
    part = {"first_of_each": 3}
    path = tarred(tmp_path / "c.tar.gz", {"one": records(COLOUR, labels)})
    cards = [
        card_of(COLOUR[kept], images(path, "cifar-binary", members=["one"], **part)),
        card_of(COLOUR[kept], from_mirror(**part)),
    ]
    copies = [fetch(cards[0]), fetch(cards[1], mirror_of(tmp_path / "m", COLOUR, labels))]
    assert {c.data_hash for c in copies} == {data_hash(as_table(COLOUR[kept], labels[kept]))}


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (b"\x89PNG not at all", "image 5 cannot be decoded"),
        (encoded(COLOUR[0])[:-900], "image 5 cannot be decoded"),
        (encoded(COLOUR[0, :, :16]), r"image 5 is 16 x 32 pixels, but the first is 32 x 32"),
    ],
)
def test_an_image_of_a_mirror_that_is_none_is_named(tmp_path, bad, message):
    pictures = list(map(encoded, COLOUR))
    pictures[5] = bad
    place = made.mirror(tmp_path / "m", {"zoo": pd.DataFrame({"target": LABELS, "image": pictures})})
    with pytest.raises(DataError, match=message):
        fetch(card_of(COLOUR, from_mirror()), place)
