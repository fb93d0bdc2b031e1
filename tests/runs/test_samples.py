"""Sheets of what strategies feed the nets, on a made-up dataset of images whose pixels tell their class."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import imbench
from imbench.cli import main
from imbench.contract.errors import UsageError
from imbench.contract.records import Card, Dataset, Task, Variant
from imbench.report.figures.sample_grid import SampleGrid, SampleRow, draw
from imbench.runs.protocols import load_protocol
from imbench.runs.registry import Registry

CLASSES = ("cat", "dog", "fox+owl")
SEVEN = {"baseline", "cost-adjusted", "batch-smote", "mixup", "remix", "augment", "remix-aug"}


@pytest.fixture
def squares(monkeypatch):
    """200 blank images of 8 by 8, class c of grey level 60 (c + 1); cats are rare."""
    y = np.repeat([0, 1, 2], [20, 80, 100])
    x = np.broadcast_to((60 * (y + 1)).astype(np.uint8)[:, None, None, None], (200, 1, 8, 8)).copy()
    counts = dict(zip(CLASSES, (20, 80, 100), strict=True))
    card = Card("squares", "Squares", "image", "target", 200, 64, 0, counts, (Task("multiclass", ("cat",)),))
    variant = Variant("squares", "multiclass", 0.2)
    dataset = Dataset(variant, card, x, y, np.arange(200), (), (), CLASSES, (0,), "hash")
    known = Registry.card
    monkeypatch.setattr(Registry, "card", lambda self, spec: card if spec == "squares" else known(self, spec))
    monkeypatch.setattr(Registry, "dataset", lambda self, spec, *_, **__: dataset)
    return dataset


def shares_from_pixels(row):
    """The mean over classes of what each pixel says: grey levels are linear in the labels."""
    return 255 * row.images.mean(axis=(1, 2, 3)) / 60


def test_every_image_is_what_its_label_says(squares):
    grid = imbench.take_samples("squares", columns=12)
    assert {row.name for row in grid.rows} >= SEVEN
    for row in grid.rows:
        assert row.images.shape == (12, 8, 8, 1)
        np.testing.assert_allclose(shares_from_pixels(row), row.labels @ [1, 2, 3], atol=1e-4)


def test_the_baseline_comes_first_and_shows_what_all_are_given(squares):
    baseline, *others = imbench.take_samples("squares", columns=6).rows
    assert baseline.name == "baseline"
    weighted = next(row for row in others if row.name == "cost-adjusted")
    np.testing.assert_array_equal(weighted.images, baseline.images)
    counts = np.array([7, 28, 35])  # of 200 rows half is trained on, and of that 70 %
    np.testing.assert_allclose(weighted.weights, (70 / (3 * counts))[baseline.labels.argmax(axis=1)], rtol=1e-5)


@pytest.mark.parametrize("protocol", ["standard", "paper", "smoke", "standard:batch_size=16"])
def test_batches_are_as_large_as_those_of_training(squares, protocol):
    grid = imbench.take_samples("squares", ["baseline"], protocol=protocol)
    trained = load_protocol(protocol).for_dataset("squares", "multiclass", "image").batch_size
    assert trained == (16 if "=" in protocol else 128)
    assert f"mini-batches of {min(trained, 70)}" in grid.title  # 70 rows are trained on


def test_a_strategys_strip_does_not_depend_on_the_others(squares):
    alone = imbench.take_samples("squares", ["remix-aug"], seed=3).rows[0]
    among = imbench.take_samples("squares", ["mixup", "augment", "remix-aug"], seed=3).rows[2]
    np.testing.assert_array_equal(alone.images, among.images)
    np.testing.assert_array_equal(alone.labels, among.labels)
    assert (imbench.take_samples("squares", ["remix-aug"], seed=4).rows[0].labels != alone.labels).any()


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"dataset": "segment:ir=0.05"}, "segment:ir=0.05 is tabular data"),
        ({"dataset": "nothing"}, "unknown dataset 'nothing'"),
        ({"strategies": ["remx"]}, "did you mean remix"),
        ({"columns": 0}, "columns must be at least 1, got 0"),
        ({"protocol": "none"}, "none"),
    ],
)
def test_what_cannot_be_shown_is_a_usage_error(squares, changed, told):
    with pytest.raises(UsageError, match=told):
        imbench.take_samples(**{"dataset": "squares", "columns": 2, **changed})


@pytest.fixture
def grid():
    images = np.linspace(0, 1, 2 * 2 * 2 * 3).reshape(2, 2, 2, 3)
    labels = np.array([[0.93, 0.07, 0.0], [0.001, 0.0, 0.999]])
    return SampleGrid(
        "Two", CLASSES, (0,), (SampleRow("mixup", images, labels), SampleRow("w", images, labels, np.array([1, 2.5])))
    )


def test_labels_are_told_with_their_shares_and_weights(grid):
    assert grid.label_texts(grid.rows[0]) == ["cat 0.93, dog 0.07", "2 merged"]
    assert grid.label_texts(grid.rows[1]) == ["cat 0.93, dog 0.07, weight 1.00", "2 merged, weight 2.50"]


def test_the_description_tells_all_that_the_picture_shows(grid):
    assert grid.description == (
        "Two. mixup: cat 0.93, dog 0.07; 2 merged. w: cat 0.93, dog 0.07, weight 1.00; 2 merged, weight 2.50."
    )


def test_pixels_are_enlarged_and_not_blurred(grid):
    picture = np.asarray(Image.open(io.BytesIO(draw(grid, "png"))).convert("RGB"))
    for image in grid.rows[0].images:
        colours = np.uint8(np.round(255 * image)).reshape(-1, 3)
        assert [int((picture == colour).all(axis=-1).sum()) for colour in colours] == [2 * 48 * 48] * 4


def test_a_png_tells_its_description_and_an_svg_too(grid):
    assert Image.open(io.BytesIO(draw(grid, "png"))).text["Description"] == grid.description
    svg = draw(grid, "svg").decode()
    assert grid.description in svg
    assert "<image" in svg


@pytest.mark.parametrize("kind", ["png", "svg"])
def test_the_same_grid_is_the_same_file(grid, kind):
    assert draw(grid, kind) == draw(grid, kind)


def test_the_verb_writes_the_sheet_and_prints_the_labels(squares, tmp_path, capsys):
    file = tmp_path / "grid.png"
    chosen = ["--strategy", "augment", "--strategy", "remix"]
    words = ["--dataset", "squares", *chosen, "--columns", "3", "--to", str(file)]
    assert main(["samples", *words]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == ["augment", "remix"]
    assert Image.open(file).size[0] > 3 * 96
    assert main(["samples", *words, "--json"]) == 0
    labels = json.loads(capsys.readouterr().out)["labels"]
    assert {name: len(texts) for name, texts in labels.items()} == {"augment": 3, "remix": 3}


@pytest.mark.parametrize(
    ("to", "told"),
    [("grid.pdf", ".png or .svg"), ("grid", ".png or .svg"), ("none/grid.png", "there is no folder none")],
)
def test_a_file_that_cannot_be_written_is_refused_before_any_work(to, told, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Registry, "dataset", lambda *_, **__: pytest.fail("data was read"))
    assert main(["samples", "--dataset", "cifar10:ir=0.1", "--to", to]) == 2
    assert told in capsys.readouterr().err
    assert not Path(to).exists()
