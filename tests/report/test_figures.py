"""A figure is a module and one entry of a table: its section, its link and its files follow."""

from __future__ import annotations

import importlib
import re
import zlib
from importlib import resources

from imbench.report import Options, write_report
from imbench.report.figures.kinds import FIGURES, FigureKind
from imbench.report.figures.rendering import render
from imbench.report.figures.spec import COLOURS, FigureSpec, Text
from imbench.store.results import load
from tests.made_results import fill

OPTIONS = Options(metrics=("gmean",), rules=("argmax",))


def crossing(model, board):
    description = f"A cross for {len(board.names)} competitors."
    return FigureSpec(f"crossing-{board.slug}", "A crossing of lines", description, 60, 20, (Text(5, 15, "x"),))


def test_one_entry_gives_a_figure_a_section_a_link_and_files(store, tmp_path, monkeypatch):
    fill(store, ["a", "b"], ["baseline", "remix"])
    kind = FigureKind(lambda model: model.leading, crossing, "Crossings", "Where lines cross.")
    monkeypatch.setitem(FIGURES, "crossing", kind)
    write_report(load(store.path), tmp_path, OPTIONS)
    page = (tmp_path / "index.html").read_text("utf-8")
    section = re.search(r'<section id="crossing".*?</section>', page, flags=re.DOTALL)[0]
    assert '<a href="#crossing">Crossings</a>' in page
    assert '<h2 id="h-crossing">Crossings</h2>\n<p>Where lines cross.</p>' in section
    assert 'data-metric="gmean"' in section
    assert "A cross for 2 competitors.</desc>" in section
    assert {file.name for file in (tmp_path / "figures").glob("crossing*")} == {
        "crossing-quick-binary-gmean-argmax.svg",
        "crossing-quick-binary-gmean-argmax.pdf",
    }


def test_a_kind_without_a_figure_has_no_section(store, tmp_path, monkeypatch):
    fill(store, ["a"], ["baseline", "remix"])
    kind = FigureKind(lambda model: model.leading, lambda model, board: None, "Crossings", "Where lines cross.")
    monkeypatch.setitem(FIGURES, "crossing", kind)
    write_report(load(store.path), tmp_path, OPTIONS)
    assert "Crossings" not in (tmp_path / "index.html").read_text("utf-8")


def test_the_page_has_the_colours_of_the_files():
    css = resources.files("imbench.report").joinpath("templates", "report.css").read_text("utf-8")
    light = css.partition("@media")[0]
    assert re.findall(r"--s\d:(#\w+)", light) == list(COLOURS)


def test_fonts_in_pdf_have_no_tables_for_laying_out_text():
    spec = FigureSpec("name", "title", "description", 100, 50, (Text(10, 20, "fi AV 0.5"),))
    content = render(spec, ["pdf"])["pdf"]
    streams = [part.partition(b"endstream")[0] for part in content.split(b"stream\n")[1:]]
    inflated = [zlib.decompressobj().decompress(one) for one in streams if one[:1] == b"x"]
    fonts = [text for text in inflated if b"glyf" in text[:500]]
    assert fonts
    assert not [name for text in fonts for name in (b"GDEF", b"GPOS", b"GSUB") if name in text[:500]]


def with_text(name, text):
    return FigureSpec(name, "title", "description", 100, 50, (Text(10, 20, text),))


def test_figures_of_usual_text_share_one_cut_of_the_font(monkeypatch):
    cuts = []
    backend = importlib.import_module("matplotlib.backends._backend_pdf_ps")
    original = backend.get_glyphs_subset
    monkeypatch.setattr(backend, "get_glyphs_subset", lambda *args: cuts.append(args) or original(*args))
    for text in ("remix 0.93", "fi config., 9 datasets", "IR 0.01–0.05", "−0.2 → +1"):
        render(with_text("name", text), ["pdf"])
    assert len(cuts) == 1
    assert backend.get_glyphs_subset is not original


def test_the_bytes_of_a_figure_do_not_depend_on_other_figures():
    first, other = with_text("first", "remix 0.93"), with_text("other", "Żółw Ω remix")
    alone = render(first, ["pdf"])
    before = render(other, ["pdf"])
    assert render(first, ["pdf"]) == alone
    assert render(other, ["pdf"]) == before
