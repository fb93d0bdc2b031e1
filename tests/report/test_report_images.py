"""The image section: gains on images alone, and grids whose pictures and labels are those that were given."""

from __future__ import annotations

import base64
import copy
import io
import json
import os
import re
import shlex
from html import unescape

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from imbench.report import Options, write_report
from imbench.report.images import MOST_BYTES, MOST_STRATEGIES, images_of, wanted_samples
from imbench.report.publish import publish
from imbench.store.results import Results, load
from imbench.store.store import Store
from tests.made_results import fill
from tests.report.made import CLASSES, filled, grid_of, plain_means

KINDS = {"musk": "image", "ozone": "tabular", "pixels": "image", "segment": "image"}
# Fewer boards and figures than a whole report has, which take time.
FEW = {"metrics": ("gmean",), "rules": ("argmax",)}


GRIDS = {"musk": grid_of(title="musk:ir=0.01"), "pixels": grid_of(), "segment": "no card in /data/of/mine/card.toml"}


@pytest.fixture(autouse=True)
def _no_sync(monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Three datasets of images and one table; musk has two tasks."""
    store = Store.open(tmp_path_factory.mktemp("made") / "store", create=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        filled(store, datasets=("pixels", "musk", "ozone", "segment"))
        fill(store, ["a/b", "a-b"], ["baseline"])
    return load(store.path)


@pytest.fixture(scope="module")
def binary(results):
    """The same without the multi-class task."""
    return Results(results.rows[results.rows["task"] == "binary"], results.store, results.notes)


@pytest.fixture(scope="module")
def folder(results, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        options = Options(modality=KINDS, sample_grids=GRIDS, metrics=("gmean", "bbs"))
        page, *_ = write_report(results, tmp_path_factory.mktemp("report"), options)
    return page.parent


@pytest.fixture(scope="module")
def html(folder):
    return (folder / "index.html").read_text("utf-8")


@pytest.fixture(scope="module")
def section(html):
    return re.search(r'<section id="images".*?</section>', html, flags=re.DOTALL)[0]


@pytest.mark.parametrize(("metric", "sign"), [("gmean", 1), ("bbs", -1)])
def test_gains_are_the_differences_of_pandas_on_images_alone(results, folder, metric, sign):
    gains = pd.read_csv(folder / "image-gains.csv").query("task == 'binary' and metric == @metric")
    rows = results.rows.query("task == 'binary' and dataset in ['pixels', 'musk', 'segment']")
    means = plain_means(rows, metric)[["baseline", "remix", "mixup", "cost-adjusted"]].dropna()
    wanted = means.sub(means["baseline"], axis=0).mul(sign)["remix"]
    told = gains[gains["strategy"] == "remix"].set_index("ir")["gain"]
    assert told["all"] == pytest.approx(wanted.mean())
    by_ratio = wanted.groupby(wanted.index.get_level_values("variant").str.extract(r"ir=([\d.]+)")[0].to_numpy()).mean()
    assert {float(ir): gain for ir, gain in told.drop("all").items()} == pytest.approx(
        {float(ir): gain for ir, gain in by_ratio.items()}
    )
    assert (gains.loc[gains["ir"] == "all", "configurations"] == 9).all()


def test_other_boards_pool_images_with_tables_and_the_section_says_so_and_ranks_images_alone(folder, section):
    pooled = json.loads((folder / "leaderboard.json").read_text("utf-8"))["images"]["pooled"]
    assert [task for _, task in pooled] == ["binary", "multiclass"]
    assert "The other sections rank images together with other data" in section
    assert section.count("images only <small>") == 4
    assert (folder / "figures" / "image-gain-quick-binary-gmean-argmax.svg").exists()


def test_a_store_of_images_alone_repeats_no_leaderboard(binary, tmp_path):
    write_report(binary, tmp_path, Options(modality=dict.fromkeys(set(binary.rows["dataset"]), "image"), **FEW))
    text = (tmp_path / "index.html").read_text("utf-8")
    assert '<section id="images"' in text
    assert "images only <small>" not in text


def test_without_images_there_is_no_section_and_no_file(binary, tmp_path):
    files = write_report(binary, tmp_path, Options(modality=dict.fromkeys(KINDS, "tabular"), sample_grids=GRIDS, **FEW))
    assert [file.name for file in files if "image" in file.name or "samples" in file.name] == []
    assert '"#images"' not in (tmp_path / "index.html").read_text("utf-8")
    assert "## Images" not in (tmp_path / "leaderboard.md").read_text("utf-8")
    assert json.loads((tmp_path / "leaderboard.json").read_text("utf-8"))["images"] is None


def test_pictures_on_the_page_are_the_pixels_given_and_each_says_whose_it_is(section):
    (table,) = re.findall(r"Samples: pixels.*?</table>", section, flags=re.DOTALL)
    found = re.findall(r'<img src="data:image/png;base64,([^"]+)" alt="([^"]+)">', table)
    assert [alt for _, alt in found] == [f"{name}, mini-batch {i}" for name in ("baseline", "remix") for i in (1, 2, 3)]
    shown = [np.asarray(Image.open(io.BytesIO(base64.b64decode(data)))) for data, _ in found]
    given_ = np.concatenate([row.images for row in GRIDS["pixels"].rows])
    np.testing.assert_allclose(np.stack(shown) / 255, given_, atol=0.5 / 255 + 1e-9)


def test_labels_are_a_table_without_pictures_too(folder, section):
    (table,) = re.findall(r"Samples: pixels.*?</table>", section, flags=re.DOTALL)
    cells = [unescape(re.sub(r"<[^>]+>", "|", cell)) for cell in re.findall(r"<td>(.*?)</td>", table)]
    told = [", ".join(filter(None, cell.split("|"))) for cell in cells]
    grid = GRIDS["pixels"]
    assert told == [text for row in grid.rows for text in grid.label_texts(row)]
    assert "<b>cat" in table
    assert "<b>dog" not in table
    labels = pd.read_csv(folder / "samples-pixels.csv")
    shares = labels.pivot_table(index=["strategy", "mini_batch"], columns="class", values="share").fillna(0)
    for row in grid.rows:
        np.testing.assert_allclose(shares.loc[row.name][list(CLASSES)], row.labels)
    assert set(labels.query("strategy == 'remix' and mini_batch == 3")["weight"]) == {3.0}
    assert set(labels.loc[labels["rare"], "class"]) == {"cat"}
    markdown = (folder / "leaderboard.md").read_text("utf-8")
    assert all(words in markdown for row in grid.rows for words in grid.label_texts(row))
    assert Image.open(folder / "samples-pixels.png").text["Description"].startswith("pixels:ir=0.01, three. baseline:")


def test_where_there_is_no_grid_the_reason_and_the_command_stand_and_no_path(folder, section):
    sentence = "No samples are shown: no card in card.toml. This command draws them:"
    assert sentence in section
    commands = [shlex.split(unescape(text)) for text in re.findall(r"<code>(imbench samples [^<]+)</code>", section)]
    (mine,) = [words for words in commands if "segment:ir=0.01" in words]
    assert mine[-1] == "samples-segment.png"
    assert mine[mine.index("--strategy") + 1] == "baseline"
    for file in folder.rglob("*.*"):
        assert b"/home/someone" not in file.read_bytes(), file.name
        assert b"/data/of" not in file.read_bytes(), file.name


def test_a_report_that_was_not_given_grids_says_so(binary, tmp_path):
    write_report(binary, tmp_path, Options(modality=KINDS, **FEW))
    text = (tmp_path / "index.html").read_text("utf-8")
    assert text.count("No samples are shown: they were not requested. This command draws them:") == 3


def test_the_same_grids_give_the_same_bytes(binary, tmp_path):
    first, second = (
        {
            file.relative_to(to): file.read_bytes()
            for file in write_report(binary, to, Options(modality=KINDS, sample_grids=copy.deepcopy(GRIDS), **FEW))
        }
        for to in (tmp_path / "first", tmp_path / "second")
    )
    assert sum(path.name.startswith("samples") for path in first) == 4
    assert first == second


def test_datasets_whose_names_differ_by_signs_alone_have_files_of_their_own(results):
    kinds = {"a/b": "image", "a-b": "image"}
    found = images_of([], [], results.rows, kinds, {name: grid_of() for name in kinds})
    assert [samples.file for samples in found.samples] == ["samples-a-b", "samples-a-b~2"]


ratios = st.sampled_from([0.01, 0.05, 0.1, 0.25])
variants = st.tuples(st.sampled_from(["one", "two"]), st.sampled_from(["binary", "multiclass"]), ratios)


@given(st.lists(variants, min_size=1, max_size=8, unique=True), st.integers(1, 12))
def test_the_rarest_variant_is_chosen_and_the_baseline_is_shown_first(chosen, strategies):
    names = ["baseline", *(f"s{i}" for i in range(strategies))]
    rows = pd.DataFrame(
        [
            (dataset, f"task={task},ir={ir}", task, ir, "p", name, i / 100)
            for dataset, task, ir in chosen
            for i, name in enumerate(names)
        ],
        columns=["dataset", "variant", "task", "ir", "protocol", "strategy", "gmean"],
    )
    found = wanted_samples(rows, {"one": "image", "two": "tabular"})
    mine = [(ir, task) for dataset, task, ir in chosen if dataset == "one"]
    assert [w.dataset for w in found] == (["one"] if mine else [])
    for wanted in found:
        rarest = min(ir for ir, _ in mine)
        task = "multiclass" if (rarest, "multiclass") in mine else "binary"
        assert wanted.spec == f"one:task={task},ir={rarest}"
        best = ["baseline", *sorted(names[-(MOST_STRATEGIES - 1) :])] if len(names) > MOST_STRATEGIES else sorted(names)
        assert list(wanted.strategies) == best


@pytest.mark.parametrize(("side", "channels", "times"), [(32, 3, 1), (28, 1, 1), (64, 3, 2), (224, 3, 7)])
def test_large_images_are_shrunk_to_means_of_squares_until_they_fit(results, side, channels, times):
    names = tuple(f"s{i}" for i in range(MOST_STRATEGIES))
    given_ = grid_of(side, side, channels, strategies=names, columns=6)
    found = images_of([], [], results.rows, {"pixels": "image"}, {"pixels": given_})
    (samples,) = found.samples
    assert samples.shrunk == times
    assert sum(row.images.size for row in samples.grid.rows) <= MOST_BYTES
    before, after = given_.rows[5].images[2], samples.grid.rows[5].images[2]
    for y, x in ((0, 0), (3, 7), (after.shape[0] - 1, after.shape[1] - 1)):
        square = before[y * times : (y + 1) * times, x * times : (x + 1) * times]
        np.testing.assert_allclose(after[y, x], square.mean(axis=(0, 1)))


def test_a_published_grid_names_no_folder_and_stays_with_its_dataset(tmp_path):
    store = Store.open(tmp_path / "store", create=True)
    fill(store, ["mine/of-jane/birds/"], ["baseline", "remix"])

    def describe(rows):
        grid = grid_of(title="mine/of-jane/birds/:ir=0.05, three")
        return Options(
            modality=dict.fromkeys(rows["dataset"], "image"), sample_grids=dict.fromkeys(set(rows["dataset"]), grid)
        )

    publish(store.path, tmp_path / "site", describe=describe)
    page = tmp_path / "site" / "store"
    assert "birds:ir=0.05, three" in (page / "index.html").read_text("utf-8")
    assert Image.open(page / "samples-birds.png").text["Title"] == "birds:ir=0.05, three"
    for file in page.rglob("*.*"):
        assert b"jane" not in file.read_bytes(), file.name
