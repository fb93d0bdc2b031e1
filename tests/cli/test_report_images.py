"""`imbench report` and `publish` of a store of images: grids of samples from data at hand, and no download."""

from __future__ import annotations

import os
import re

import numpy as np
import pytest
from PIL import Image

from imbench.contract.protocol import Protocol
from imbench.data.sources import kinds
from imbench.store.store import Store
from tests.made_results import fill

REAL_MIRROR = os.environ.get("IMBENCH_DATA_MIRROR")
OWN, STRATEGIES = "birds/", ["baseline", "remix", "gone-since"]


def store_of(folder, dataset, strategies=STRATEGIES):
    store = Store.open(folder / "store", create=True)
    fill(store, [dataset], strategies, ir=0.05, protocol=Protocol("paper"))
    return store.path


@pytest.fixture
def own(tmp_path):
    """A store on a folder of images of one's own, which lies in the working folder."""
    for label, grey, count in (("crow", 40, 100), ("gull", 200, 100)):
        (tmp_path / OWN / label).mkdir(parents=True)
        for i in range(count):
            Image.fromarray(np.full((12, 12), grey + i % 3, dtype=np.uint8)).save(tmp_path / OWN / label / f"{i}.png")
    return store_of(tmp_path, OWN)


@pytest.fixture
def digits(tmp_path, monkeypatch):
    """A store on digits, whose data is nowhere at hand; to download it fails the test."""
    for name in kinds.KINDS:
        monkeypatch.setitem(kinds.KINDS, name, lambda *_: pytest.fail("a source was asked"))
    return store_of(tmp_path, "optdigits_images")


@pytest.mark.parametrize("verb", ["report", "publish"])
def test_a_grid_is_drawn_of_your_own_images(own, imbench, tmp_path, verb):
    answer = imbench(verb, own, "--to", tmp_path / "out")
    assert answer.code == 0, answer.err
    (page,) = [path for path in (tmp_path / "out").rglob("index.html") if (path.parent / "scores.csv").exists()]
    text = page.read_text("utf-8")
    shown = re.findall(r'<img src="data:image/png;base64,[^"]+" alt="([^"]+)">', text)
    assert shown == [f"{name}, mini-batch {i}" for name in ("baseline", "remix") for i in range(1, 7)]
    assert re.search("Not shown: gone-since .unknown strategy", text)
    assert (page.parent / "samples-birds.png").stat().st_size > 1000
    assert any(line.endswith("samples-birds.png") for line in answer.out.splitlines())
    assert str(tmp_path) not in text


def test_without_samples_no_data_is_read(own, imbench, tmp_path):
    answer = imbench("report", own, "--to", tmp_path / "out", "--no-samples")
    assert answer.code == 0
    text = (tmp_path / "out" / "index.html").read_text("utf-8")
    assert "No samples are shown: they were not requested." in text
    assert not list((tmp_path / "out").glob("samples*"))


def test_data_that_is_not_at_hand_is_not_downloaded_and_the_page_says_how_to_get_it(digits, imbench, tmp_path):
    answer = imbench("report", digits, "--to", tmp_path / "out")
    assert answer.code == 0, answer.err
    text = (tmp_path / "out" / "index.html").read_text("utf-8")
    assert (
        "optdigits_images is not on this computer (neither cached nor in a mirror); fetch it with: imbench data fetch"
        in text
    )
    assert "imbench samples --dataset optdigits_images:ir=0.05 --strategy baseline" in text
    assert not list((tmp_path / "out").glob("samples*"))


def test_a_mirror_that_does_not_exist_is_refused_before_any_work(digits, imbench, tmp_path):
    answer = imbench("report", digits, "--to", tmp_path / "out", "--data-mirror", "nowhere")
    assert answer.code == 2
    assert "nowhere" in answer.err
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(not REAL_MIRROR, reason="IMBENCH_DATA_MIRROR is unset: no real datasets here")
def test_a_mirror_has_the_data_and_the_cache_has_it_afterwards(digits, imbench, tmp_path):
    first = imbench("report", digits, "--to", tmp_path / "out", "--data-mirror", REAL_MIRROR)
    assert first.code == 0, first.err
    page = (tmp_path / "out" / "index.html").read_bytes()
    assert b"optdigits_images:ir=0.05, 6 mini-batches of " in page
    again = imbench("report", digits, "--to", tmp_path / "again")
    assert again.code == 0
    assert (tmp_path / "again" / "index.html").read_bytes() == page


def test_a_store_of_tables_asks_for_no_mirror(imbench, tmp_path):
    answer = imbench("report", store_of(tmp_path, "segment"), "--to", tmp_path / "out", "--data-mirror", "nowhere")
    assert answer.code == 0
    assert "#images" not in (tmp_path / "out" / "index.html").read_text("utf-8")
