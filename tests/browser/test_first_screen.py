"""The first screen answers, tables and charts are legible at every width, and a view can be shared and copied."""

from __future__ import annotations

import re
from unittest import mock
from urllib.parse import parse_qs

import pytest

from imbench.report import Options, write_report
from imbench.report.figures import rendering
from tests.report.made import FIRST_SCREEN, as_references, scored_rows

LONG = [f"augmented:inner=manifold-mixup-{i},alpha=0.{i}" for i in range(1, 30)]
REFERENCES = ("strategy-003", "strategy-004")
# Strategies, their names after the baseline (None: short ones), tasks.
PAGES = {
    "five": (5, None, ("binary", "binary")),
    "two tasks": (5, None, ("binary", "multiclass")),
    "nineteen": (19, None, ("binary", "binary")),
    "references": (6, None, ("binary", "binary")),
    "thirty": (30, LONG, ("binary", "binary")),
}


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """The page of a name in `PAGES`, made when it is first asked for."""
    made = {}

    def page(name):
        if name not in made:
            strategies, names, tasks = PAGES[name]
            names = ["baseline", *names] if names else None
            rows = scored_rows(strategies, 20, 2, names=names, tasks=tasks, metrics=FIRST_SCREEN)
            options = Options(date="2026-11-28", metrics=("gmean", "bbs"), rules=("argmax", "tuned"))
            rows = as_references(rows, REFERENCES) if name == "references" else rows
            with mock.patch.object(rendering, "render", return_value={}):
                made[name] = write_report(rows, tmp_path_factory.mktemp("page"), options)[0]
        return made[name].as_uri()

    return page


@pytest.fixture
def visit(chromium, pages):
    """Open a page of `PAGES`; the test fails if it complains of anything."""
    contexts, noise = [], []

    def go(name, fragment="", **options):
        context = chromium.new_context(**{"viewport": {"width": 1400, "height": 900}, "offline": True, **options})
        contexts.append(context)
        context.set_default_timeout(240_000)  # a busy machine takes its time
        page = context.new_page()
        page.on("console", lambda message: noise.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: noise.append(str(error)))
        page.goto(pages(name) + fragment)
        return page

    yield go
    for context in contexts:
        context.close()
    assert noise == []


def bottom(where):
    box = where.bounding_box()
    return box["y"] + box["height"]


@pytest.mark.parametrize("name", ["five", "two tasks"])
def test_every_table_of_five_strategies_and_its_sentence_are_on_the_first_screen(visit, name):
    page = visit(name)
    found = page.locator(".overview")
    assert found.count() == (2 if name == "two tasks" else 1)
    for one in found.all():
        assert bottom(one.locator(".answer")) < bottom(one.locator("table")) <= 900
    assert page.locator(".facts").inner_text().startswith("Results of 2026-11-28")


@pytest.mark.parametrize(("name", "rows"), [("nineteen", 19), ("thirty", 20)])
def test_most_of_many_strategies_are_on_the_first_screen(visit, name, rows):
    page = visit(name)
    assert bottom(page.locator(".overview .answer")) < 350
    shown = [row for row in page.locator(".overview tbody tr").all() if bottom(row) <= 900]
    assert len(shown) >= rows


# Pairs of texts whose boxes share more than the spacing of their lines.
OVERLAPS = """() => [...document.querySelectorAll('svg.figure')].flatMap(svg => {
    const texts = [...svg.querySelectorAll('text')]
        .map(t => [t.textContent, t.getBoundingClientRect()]).filter(t => t[1].width);
    const meet = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 0.5
        && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 3;
    return texts.flatMap(([one, a], i) => texts.slice(i + 1).filter(([, b]) => meet(a, b))
        .map(([other]) => svg.querySelector('title').textContent + ': ' + one + ' / ' + other));
})"""
SMALLEST = "() => Math.min(...[...document.querySelectorAll('svg text')].map(t => t.getBoundingClientRect().height))"


@pytest.mark.parametrize("name", ["five", "nineteen", "thirty"])
def test_no_text_of_a_chart_is_printed_over_another(visit, name):
    page = visit(name)
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert page.locator("svg.figure").count() > 3
    assert page.evaluate(OVERLAPS) == []
    smallest = (
        "() => Math.min(...[...document.querySelectorAll('svg text')].map(t => t.getBoundingClientRect().height))"
    )
    assert page.evaluate(smallest) >= 9


@pytest.mark.parametrize("name", ["five", "thirty"])
def test_in_a_narrow_window_tables_scroll_inside_themselves_and_keep_their_names(visit, name):
    page = visit(name, viewport={"width": 400, "height": 800})
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    moved = page.evaluate("""() => [...document.querySelectorAll('.scroll:not(.chart)')]
        .filter(e => e.scrollWidth > e.clientWidth + 5).map(e => {
            e.scrollLeft = 1e5;
            const name = e.querySelector('tbody th[scope=row]') ?? e.querySelector('tbody td');
            const box = name.getBoundingClientRect();
            return [e.scrollLeft, box.left - e.getBoundingClientRect().left, box.width];
        })""")
    assert len(moved) >= 3
    for scrolled, left, width in moved:
        assert scrolled > 0
        assert -1 <= left <= 45, "beside the place at most"
        assert width <= 200


def test_headers_of_win_rates_are_rotated_and_whole(visit):
    page = visit("nineteen")
    found = page.evaluate("""() => [...document.querySelectorAll('#wins .board thead span')].slice(0, 19).map(e => {
        const box = e.getBoundingClientRect();
        return [e.textContent, box.width, box.height, e.scrollHeight - e.clientHeight];
    })""")
    assert len(found) == 19
    for text, width, height, hidden in found:
        assert height > width > 0, text
        assert hidden <= 0


def test_a_strategy_has_one_colour_on_the_whole_page(visit):
    page = visit("nineteen")
    colours = page.evaluate("""() => {
        const found = {};
        for (const e of document.querySelectorAll('.strip')) {
            const name = e.closest('tr').querySelector('th').textContent.split('+')[0];
            (found[name] ??= new Set()).add(getComputedStyle(e).color);
        }
        return Object.fromEntries(Object.entries(found).map(([name, set]) => [name, [...set]]));
    }""")
    assert len(colours) == 19
    assert {len(of) for of in colours.values()} == {1}
    grey = colours.pop("baseline")
    assert grey not in colours.values()


def state(page):
    rows = page.locator(".overview tbody tr:visible").all()
    return [row.locator("th, td").first.inner_text() + row.locator("td").first.inner_text() for row in rows]


def test_filters_live_in_the_fragment_so_that_reload_and_share_keep_them(visit):
    page = visit("two tasks")
    whole = state(page)
    page.select_option("#f-task", "binary")
    page.fill("#f-strategy", "strategy-001, 003")
    page.select_option("#f-ir", "0.05")
    fragment = page.evaluate("location.hash")
    assert parse_qs(fragment[1:]) == {"task": ["binary"], "strategy": ["strategy-001, 003"], "ir": ["0.05"]}
    shown = state(page)
    assert len(shown) == 2
    page.reload()
    assert state(page) == shown
    assert state(visit("two tasks", fragment)) == shown
    page.locator("nav a", has_text="Cost").click()
    assert parse_qs(page.evaluate("location.hash")[1:])["section"] == ["cost"]
    assert state(page) == shown
    page.reload()
    assert state(page) == shown
    assert page.locator("#cost").bounding_box()["y"] < 900
    page.locator("#filters button[type=reset]").click()
    page.wait_for_timeout(100)
    assert "task" not in page.evaluate("location.hash")
    assert state(page) == whole
    # A fragment that names an unknown value filters nothing.
    assert state(visit("two tasks", "#task=nothing&ir=7")) == whole


def test_the_first_screen_follows_filters_as_its_boards_do(visit):
    page = visit("five")
    page.select_option("#f-ir", "0.05")
    board = page.locator("#leaderboards .board[data-metric=gmean][data-rule=argmax]")
    wanted = {
        row.locator("th").inner_text(): [row.locator("td").nth(i).inner_text() for i in (1, 5)]
        for row in board.locator("tbody tr").all()
    }
    rows = page.locator(".overview tbody tr").all()
    found = {row.locator("th").inner_text(): [row.locator("td").nth(i).inner_text() for i in (0, 1)] for row in rows}
    assert {name: rank for name, (rank, _) in found.items()} == {name: rank for name, (rank, _) in wanted.items()}
    for name, (_, mean) in found.items():
        assert float(mean) == pytest.approx(float(wanted[name][1]), abs=0.00051)
    assert "that the filters show" in page.locator(".overview .recomputed").inner_text()


def copied(page, kind):
    page.evaluate("""Object.defineProperty(navigator, 'clipboard',
        {value: {writeText: async text => { window.copied = text; }}, configurable: true})""")
    page.locator(".overview .files button", has_text=kind).click()
    return page.evaluate("window.copied")


def test_a_table_is_copied_as_markdown_and_as_latex(visit):
    page = visit("five")
    names = page.locator(".overview tbody th").all_inner_texts()
    lines = copied(page, "Markdown").splitlines()
    assert lines[0].startswith("| Strategy | G-mean rank | G-mean | G-mean, tuned | BBS rank |")
    assert [line.split(" | ")[0].removeprefix("| ") for line in lines[2:]] == names
    assert {line.count("|") for line in lines} == {lines[0].count("|")}
    latex = copied(page, "LaTeX").splitlines()
    assert latex[0].startswith(r"\begin{tabular}{lr")
    body = [line for line in latex if line.endswith(r" \\")]
    assert len(body) == len(names) + 1
    assert {len(re.findall(r"(?<!\\)&", line)) + 1 for line in body} == {latex[0].partition("}{")[2].count("r") + 1}
    assert "1–" not in "".join(latex)


def test_links_lead_to_the_data_of_every_table(visit):
    page = visit("five")
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    without = page.evaluate("""() => [...document.querySelectorAll('table:not(.samples)')].filter(
        t => !t.closest('.scroll').nextElementSibling?.matches('.files')).map(t => t.closest('section').id)""")
    assert without == []


@pytest.mark.parametrize("name", ["five", "references", "nineteen", "thirty"])
def test_a_printed_page_keeps_the_strips_and_no_table_is_wider_than_its_paper(visit, name):
    """A browser would print everything smaller for a single one that is."""
    upright, across = 703, 1031  # A4 within its margins
    page = visit(name, viewport={"width": upright, "height": 1000})
    page.emulate_media(media="print")
    for strip in page.locator(".overview .strip").all():
        assert strip.bounding_box()["width"] > 30
        assert strip.evaluate("e => getComputedStyle(e).printColorAdjust") == "exact"
    assert page.locator(".overview table").first.evaluate("e => getComputedStyle(e).fontSize") == "12px", "9 pt"
    wider = """width => [...document.querySelectorAll('table')].filter(t => t.getBoundingClientRect().right > width)"""
    pages = f"{wider}.map(t => getComputedStyle(t.closest('section')).page)"
    assert set(page.evaluate(pages, upright)) <= {"wide"}
    page.set_viewport_size({"width": across, "height": 1000})
    assert page.evaluate(pages, across) == []


def test_references_stay_below_the_strategies_and_leave_with_filters(visit):
    page = visit("references")
    groups = page.locator(".overview tbody")
    assert groups.count() == 2
    own = groups.first.locator("th").all_inner_texts()
    apart = groups.last.locator("tr:not(:first-child) th").all_inner_texts()
    assert (len(own), sorted(apart)) == (4, ["strategy-003", "strategy-004"])
    page.locator(".overview thead button", has_text="Brier").click()
    assert sorted(groups.first.locator("th").all_inner_texts()) == sorted(own)
    assert groups.last.locator("tr:not(:first-child) th").all_inner_texts() == apart
    assert re.match(r"beats all on \d+ of 20", groups.last.locator("td.ahead").first.inner_text())
    page.select_option("#f-ir", "0.05")
    assert not groups.last.is_visible()


@pytest.mark.parametrize("name", PAGES)
def test_no_page_uses_words_of_the_workshop(visit, name):
    text = visit(name).content().lower()
    assert [word for word in ("rules compete", "as printed", "headline", "not told apart") if word in text] == []
