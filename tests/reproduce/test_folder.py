"""The folder of a reproduction: pages, numbers and figures, renewed in place."""

import json

import pandas as pd
import pytest

from imbench import RunRequest
from imbench.contract.errors import StoreError
from imbench.reproduce.claims import claims_of
from imbench.reproduce.context import ReproductionContext
from imbench.reproduce.folder import check_folder, write_item
from imbench.reproduce.gains import figure5_of
from imbench.reproduce.paper_item import Numbers, PaperItem, RenderedFigure
from imbench.reproduce.table2 import table2_of


def small(found="It agrees.", figures=()):
    """An item with numbers that are awkward to write."""
    frame = pd.DataFrame({"what": ["a <b>", "c"], "p": [0.00001, float("nan")], "n": [1, 2], "x": [float("inf"), 0.5]})
    return PaperItem("figure4", "Title & more", ("It was so.",), (found,), (Numbers("n", "Numbers", frame),), figures)


def test_a_page_stands_beside_its_figures_and_numbers(tmp_path):
    figure = RenderedFigure("one", "One", "what it shows", {"svg": b"<svg/>", "pdf": b"%PDF", "png": b"png"})
    page = write_item(small(figures=(figure,)), tmp_path)
    assert page == tmp_path / "figure4" / "index.html"
    html = page.read_text("utf-8")
    assert "Figure 4: Title &amp; more" in html
    assert "a &lt;b&gt;" in html
    assert "&lt; .0001" in html
    assert 'alt="what it shows"' in html
    for name in ("one.svg", "one.pdf", "one.png", "n.csv", "n.json"):
        assert (page.parent / name).is_file()
        assert f'"{name}"' in html
    records = json.loads((page.parent / "n.json").read_bytes())
    assert records == [{"what": "a <b>", "p": 1e-05, "n": 1, "x": "inf"}, {"what": "c", "p": None, "n": 2, "x": 0.5}]
    read = pd.read_csv(page.parent / "n.csv")
    assert read["p"].isna().tolist() == [False, True]


def test_numbers_have_a_true_minus_and_zero_has_none(tmp_path):
    numbers = Numbers("n", "Numbers", pd.DataFrame({"x": [-0.0, -0.123456]}))
    html = write_item(PaperItem("figure4", "Title", (), (), (numbers,)), tmp_path).read_text("utf-8")
    assert '<th scope="row">0</th>' in html
    assert '<th scope="row">−0.1235</th>' in html


def test_a_wide_figure_has_the_width_of_the_page(tmp_path):
    svg = '<svg width="711pt" height="{0}pt" viewBox="0 0 711 {0}"/>'
    figures = [
        RenderedFigure(name, name, name, {"svg": svg.format(height).encode()})
        for name, height in (("wide", 237), ("high", 500))
    ]
    html = write_item(small(figures=figures), tmp_path).read_text("utf-8")
    assert '<figure class="across">\n<figcaption>wide' in html
    assert "<figure>\n<figcaption>high" in html


def test_the_leading_page_parts_notes_that_are_no_sentences(tmp_path):
    write_item(PaperItem("figure4", "Title", (), (), basis=("It is so.", "4 jobs", "complete")), tmp_path)
    assert '<p class="basis">It is so. 4 jobs; complete</p>' in (tmp_path / "index.html").read_text("utf-8")


def test_the_leading_page_leaves_long_notes_to_the_page_of_the_item(tmp_path):
    long = f"the source changed since 27 jobs were stored: {', '.join(f'set{i}:ir=0.05' for i in range(27))}"
    page = write_item(PaperItem("figure4", "Title", (), (), basis=("It is so.", long, "4 jobs")), tmp_path)
    assert '<p class="basis">It is so. 4 jobs</p>' in (tmp_path / "index.html").read_text("utf-8")
    assert long in page.read_text("utf-8")


def test_the_page_says_how_it_was_made(tmp_path):
    context = ReproductionContext(RunRequest(store=tmp_path, protocol="standard:epochs=5", settings={"repeats": "2"}))
    html = write_item(small(), tmp_path / "to", context.options).read_text("utf-8")
    assert "imbench reproduce figure4 --protocol standard:epochs=5 --set repeats=2<" in html
    assert "imbench reproduce figure4<" in write_item(
        small(), tmp_path / "to", ReproductionContext(RunRequest(store=tmp_path)).options
    ).read_text("utf-8")


def test_writing_again_changes_no_byte_and_drops_what_is_no_longer_there(tmp_path):
    figure = RenderedFigure("one", "One", "what it shows", {"svg": b"<svg/>", "pdf": b"%PDF", "png": b"png"})
    write_item(small(figures=(figure,)), tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.*")}
    write_item(small(figures=(figure,)), tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.*")} == before
    write_item(small(), tmp_path)
    assert not (tmp_path / "figure4" / "one.svg").exists()


def test_the_leading_page_has_what_the_folder_has_and_the_claims_first(tmp_path, remix_leads, images):
    write_item(table2_of(remix_leads), tmp_path)
    leading = (tmp_path / "index.html").read_text("utf-8")
    assert "table2/index.html" in leading
    assert 'id="claims"' not in leading
    write_item(claims_of(remix_leads, images), tmp_path)
    leading = (tmp_path / "index.html").read_text("utf-8")
    assert 'id="claims"' in leading
    assert "Dense nets, binary: ReMix" in leading


def test_somebody_elses_page_is_not_replaced(tmp_path):
    (tmp_path / "index.html").write_text("mine")
    with pytest.raises(StoreError, match=r"index.html was not written by imbench"):
        check_folder(tmp_path)
    assert (tmp_path / "index.html").read_text() == "mine"


def test_figures_are_the_same_bytes_each_time(remix_leads):
    one, other = (figure5_of(remix_leads).figures[0].files for _ in range(2))
    assert dict(one) == dict(other)
