"""A folder of images of the user's own."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from imbench.contract.errors import UsageError
from imbench.contract.spec import parse_spec
from imbench.data.data_sources import card_of
from imbench.data.variants import parse_variant
from imbench.runs import registry
from tests.data.made import fetch, hash_on_disk

dataset = registry.dataset
KINDS = {3: "bmp", 4: "jpg", 5: "JPEG"}


@pytest.fixture(autouse=True)
def photos(tmp_path, monkeypatch):
    """``photos/``: 12 cats and 6 dogs, 14 x 12 colour, most of them PNG."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for name, count in (("cat", 12), ("dog", 6)):
        Path("photos", name).mkdir(parents=True)
        for i in range(count):
            picture(f"photos/{name}/{i:02}.{KINDS.get(i, 'png')}", rng.integers(0, 256, (12, 14, 3)))
    Path("photos/.hidden").mkdir()
    Path("photos/cat/notes.txt").write_text("not an image")
    return Path("photos")


def picture(path: str, values) -> None:
    Image.fromarray(np.asarray(values, dtype=np.uint8)).save(path)


def test_each_folder_in_it_is_a_class_and_each_image_a_row():
    found = dataset("photos/")
    assert found.x.shape == (18, 3, 12, 14)
    assert found.x.dtype == np.uint8
    assert found.class_names == ("cat", "dog")
    assert found.class_counts.tolist() == [12, 6]
    assert found.card.modality == "image"
    assert found.feature_names == ("red", "green", "blue")
    for row, path in [(0, "cat/00.png"), (3, "cat/03.bmp"), (4, "cat/04.jpg"), (17, "dog/05.JPEG")]:
        np.testing.assert_array_equal(found.x[row], np.asarray(Image.open(f"photos/{path}")).transpose(2, 0, 1))


def test_it_can_be_downsampled_and_named_in_several_ways():
    assert dataset("photos/:ir=0.4").class_counts.tolist() == [12, 4]
    assert dataset("photos/:minority=cat,ir=none").class_names == ("dog", "cat")
    specs = ["photos/", "./photos/:minority=dog", "photos//:seed=0", "photos/:ir=none"]
    variants = {parse_variant(s, card_of(s)) for s in specs}
    assert len(variants) == 1
    (variant,) = variants
    assert variant.is_file
    assert parse_variant(variant.spec, card_of(variant.spec)) == variant
    sized = parse_variant("photos/:size=032,channels=1", card_of("photos/:size=032,channels=1"))
    assert sized.spec == "photos/:channels=1,size=32"


def test_three_classes_are_a_multiclass_task_in_natural_order():
    for name in ("10", "9"):
        shutil.copytree("photos/dog", f"photos/{name}")
    assert dataset("photos/").class_names == ("9", "10", "cat", "dog")
    assert dataset("photos/").variant.task == "multiclass"
    assert dataset("photos/:minority=9+dog,ir=0.4").class_counts.tolist() == [4, 6, 12, 4]


def test_mixed_sizes_and_channels_are_made_equal_when_asked_for():
    picture("photos/cat/gray.png", np.full((20, 9), 128))
    resized = dataset("photos/:size=16,channels=3")
    assert resized.x.shape == (19, 3, 16, 16)
    first = Image.open("photos/cat/00.png").resize((16, 16), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(resized.x[0], np.asarray(first).transpose(2, 0, 1))
    gray = dataset("photos/:size=16,channels=1")
    assert gray.x.shape == (19, 1, 16, 16)
    assert (gray.x[12] == 128).all()
    assert gray.feature_names == ("gray",)


def test_palettes_and_transparency_become_colour_and_a_cameras_rotation_is_followed():
    picture("photos/cat/00.png", np.zeros((12, 14, 4)))
    Image.fromarray(np.zeros((12, 14), dtype=np.uint8)).convert("P").save("photos/cat/01.png")
    turned, about = Image.open("photos/cat/02.png").transpose(Image.Transpose.ROTATE_90), Image.Exif()
    about[0x0112] = 6  # to be turned by a quarter, clockwise
    before = np.asarray(Image.open("photos/cat/02.png")).transpose(2, 0, 1)
    turned.save("photos/cat/02.png", exif=about)
    assert dataset("photos/").x.shape == (18, 3, 12, 14)
    np.testing.assert_array_equal(dataset("photos/").x[2], before)


def test_moving_a_folder_changes_neither_hash_nor_rows_and_changing_an_image_does():
    before = dataset("photos/:ir=0.4")
    shutil.copytree("photos", "elsewhere/moved")
    after = dataset("elsewhere/moved/:ir=0.4")
    assert (after.data_hash, after.stream_key) == (before.data_hash, before.stream_key)
    assert after.rows.tolist() == before.rows.tolist()
    card = card_of("photos/")
    assert hash_on_disk(card) == fetch(card).data_hash == before.data_hash
    picture("photos/dog/01.png", np.zeros((12, 14, 3)))
    assert hash_on_disk(card) != before.data_hash


def test_what_has_not_changed_is_not_read_again(monkeypatch):
    card_of("photos/:seed=5")
    monkeypatch.setattr("imbench.data.image_folder._pixels", lambda *_: pytest.fail("read again"))
    assert card_of("photos/:seed=5").rows == 18


def empty(folder):
    (folder / "dog/03.png").write_bytes(b"")


def broken(folder):
    (folder / "dog/02.png").write_bytes((folder / "dog/02.png").read_bytes()[:200])


def no_image(folder):
    (folder / "dog/02.png").write_text("hello")


def other_size(folder):
    picture(folder / "dog/02.png", np.zeros((8, 9, 3)))


def other_channels(folder):
    picture(folder / "dog/02.png", np.zeros((12, 14)))


def deep(folder):
    Image.fromarray(np.zeros((12, 14), dtype=np.uint16)).save(folder / "dog/02.png")


def one_class(folder):
    shutil.rmtree(folder / "dog")


def no_class(folder):
    shutil.rmtree(folder / "dog")
    for path in (folder / "cat").iterdir():
        os.rename(path, folder / path.name)
    (folder / "cat").rmdir()


def class_without_images(folder):
    (folder / "bird").mkdir()


def nothing(folder):
    pass


@pytest.mark.parametrize(
    ("harm", "spec", "message"),
    [
        (empty, "photos/", r"photos/dog/03\.png is empty; remove it"),
        (broken, "photos/", r"photos/dog/02\.png cannot be read as an image \(.*\); repair or remove it"),
        (no_image, "photos/", r"photos/dog/02\.png cannot be read as an image"),
        (other_size, "photos/", r"dog/02\.png is 9 x 8 pixels, but .*cat/00\.png is 14 x 12; add size=32"),
        (other_channels, "photos/", r"dog/02\.png has 1 channel, but .*cat/00\.png has 3; add channels=3"),
        (deep, "photos/", r"dog/02\.png has pixels of mode 'I;16'; convert it to 8 bits"),
        (one_class, "photos/", r"photos/ has only one class, 'cat'; a task needs at least two"),
        (no_class, "photos/", r"photos/ has no subfolders; .*lay images out as photos/CLASS/\*\.png"),
        (class_without_images, "photos/", r"photos/bird contains no image"),
        (nothing, "photo/", r"the folder 'photo/' does not exist; did you mean photos/"),
        (nothing, "photos", r"photos is a folder; .* slash at its end: photos/"),
        (nothing, "photos/:minority=bird", r"minority 'bird' is not a class of its folders"),
        (nothing, "photos/:minority=cat+dog", r"must not repeat a class or include all classes"),
        (nothing, "photos/:size=0", r"size must be 1 pixel or more, got 0"),
        (nothing, "photos/:size=large", r"photos/: size must be a whole number, got 'large'"),
        (nothing, "photos/:channels=2", r"channels must be 1 \(gray\) or 3 \(colour\), got 2"),
        (nothing, "photos/:target=x", r"photos/ has no parameter 'target'"),
        (nothing, "photos/:ir=0.9", r"class 'dog' has 6 rows, but ir=0.9 needs 10"),
    ],
)
def test_a_bad_folder_or_spec_names_the_thing_the_value_and_the_fix(photos, harm, spec, message):
    harm(photos)
    with pytest.raises(UsageError, match=message) as caught:
        dataset(spec)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "name", "params"),
    [
        ("photos/", "photos/", {}),
        ("photos/:size=32,ir=0.1", "photos/", {"size": "32", "ir": "0.1"}),
        ("/a/b:c/photos/:minority=x", "/a/b:c/photos/", {"minority": "x"}),
        ("package/name:alpha=0.1", "package/name", {"alpha": "0.1"}),
        ("mine:folder=a/b/", "mine", {"folder": "a/b/"}),
        ("photos.csv/:size=8", "photos.csv/", {"size": "8"}),
        ("photos/t.csv:target=y", "photos/t.csv", {"target": "y"}),
    ],
)
def test_the_slash_at_its_end_tells_a_folder_from_all_other_names(text, name, params):
    assert parse_spec(text) == (name, params)
