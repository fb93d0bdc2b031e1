"""A figure is a module and one entry of a table: its section, its link and its files follow."""

from __future__ import annotations

import importlib
import re
import zlib
from importlib import resources

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imbench.report import Options, write_report
from imbench.report.figures.kinds import FIGURES, FigureKind
from imbench.report.figures.labels import Box, box_of, place_labels
from imbench.report.figures.reliability import reliability
from imbench.report.figures.rendering import render
from imbench.report.figures.spec import (
    COLOURS,
    SERIES,
    FigureSpec,
    Mark,
    Text,
    colour_of,
    log_ticks,
    series_of,
    shape_of,
    ticks,
)
from imbench.report.reliability import Curve
from imbench.scoring.rules import RULES
from imbench.stats.names import BASELINE, competitor
from imbench.stats.words import decimals
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
    assert re.findall(r"--s\d+:(#\w+)", light) == list(COLOURS)


def contrast(one, other):
    """The contrast ratio of two colours (WCAG 2.1)."""
    shares = [[int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)] for colour in (one, other)]
    linear = [[c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour] for colour in shares]
    low, high = sorted(0.2126 * r + 0.7152 * g + 0.0722 * b for r, g, b in linear)
    return (high + 0.05) / (low + 0.05)


def test_every_colour_is_seen_on_white_and_in_the_dark():
    css = resources.files("imbench.report").joinpath("templates", "report.css").read_text("utf-8")
    blocks = re.findall(r"--bg:(#\w+)[^}]*?((?:--s\d+:#\w+;?)+)", css)
    assert len(blocks) == 3
    for background, colours in blocks:
        full = background if len(background) == 7 else "#" + "".join(2 * c for c in background[1:])
        found = re.findall(r"#\w+", colours)
        assert len(set(found)) == SERIES
        assert min(contrast(full, colour) for colour in found) >= 3, (background, found)


names = st.lists(st.text("abcdwm", min_size=1, max_size=12), unique=True, min_size=1, max_size=60)


@given(names)
def test_a_strategy_has_one_colour_under_all_rules_and_grey_is_the_baselines(strategies):
    series = series_of([BASELINE, *strategies])
    for name in strategies:
        if name == BASELINE:
            continue
        colours = {colour_of(series[competitor(name, rule)]) for rule in RULES}
        assert len(colours) == 1
        assert colours != {0}
    looks = [(colour_of(series[name]), shape_of(series[name])) for name in {*strategies, BASELINE}]
    assert len(set(looks)) == len(looks)


points = st.lists(st.tuples(st.floats(60, 480), st.floats(20, 230)), min_size=1, max_size=40)


@settings(deadline=None)
@given(points, st.integers(1, 60))
def test_labels_are_printed_over_no_label_and_no_point(points, length):
    labels = [f"{'n' * length}{i}" for i in range(len(points))]
    frame = Box(48, 14, 490, 234)
    placed = place_labels(points, labels, frame, 6)
    texts = [mark for mark in placed.marks if isinstance(mark, Text)]
    assert sorted(mark.text for mark in texts) == sorted(labels)
    boxes = [box_of(mark) for mark in texts]
    assert not [(a, b) for i, a in enumerate(boxes) for b in boxes[:i] if a.meets(b)]
    for (x, y), name in zip(points, labels, strict=True):
        others = [box for mark, box in zip(texts, boxes, strict=True) if mark.text != name]
        assert not any(Box(x - 6, y - 6, x + 6, y + 6).meets(box) for box in others)
    assert max(box.right for box in boxes) <= placed.right + 1e-9
    assert max(box.bottom for box in boxes) <= placed.bottom + 1e-9


@given(st.floats(-1e3, 1e3), st.floats(1e-4, 1e3))
def test_ticks_have_the_decimals_of_their_step_and_no_more(low, width):
    steps = ticks(low, low + width)
    digits = decimals(steps)
    shown = [f"{tick:.{digits}f}" for tick in steps]
    assert len(set(shown)) == len(shown)
    assert digits == 0 or any(not text.endswith("0") for text in shown) or len(steps) < 3
    for tick, text in zip(steps, shown, strict=True):
        assert abs(float(text) - tick) <= 1e-6 * width


@given(st.floats(-3, 4), st.floats(0.01, 6))
def test_ticks_of_a_logarithmic_axis_lie_inside_it(first, decades):
    low, high = 10**first, 10 ** (first + decades)
    found = log_ticks(low, high)
    assert all(low * (1 - 1e-6) <= tick <= high * (1 + 1e-6) for tick in found)
    assert found == sorted(set(found))


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


@pytest.mark.parametrize("names", [("baseline",), ("remix",), ("baseline", "remix")])
def test_every_reliability_curve_is_drawn_also_alone(names):
    bins = np.linspace(0.1, 0.9, 5)
    made = [Curve("standard", "binary", name, bins, bins, bins / bins.sum(), np.full(5, 60), 1, 1) for name in names]
    spec = reliability(made, {"baseline": 0, "remix": 1})
    points = [mark for mark in spec.marks if isinstance(mark, Mark)]
    assert len(points) == 5 * len(names)
