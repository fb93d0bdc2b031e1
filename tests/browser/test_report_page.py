"""The page in a browser: offline, sorted, filtered with ranks made anew, dark, printed, by keyboard, for everyone."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.report.made import plain_means, plain_ranks

BOARD = "article.board[data-task=binary][data-metric={metric}][data-rule='{rule}']"


def board(page, metric="gmean", rule="argmax"):
    """The leaderboard of a metric of the binary task."""
    return page.locator("#leaderboards " + BOARD.format(metric=metric, rule=rule))


def shown_ranks(where):
    """Strategy -> average rank, as the table shows them, in its order."""
    rows = where.locator("tbody tr").all()
    return {row.locator("th").inner_text(): float(row.locator("td").nth(1).inner_text()) for row in rows}


def assert_ranks(shown, wanted):
    assert set(shown) == set(wanted.index)
    for name, value in shown.items():
        assert value == pytest.approx(wanted[name], abs=0.00501), name
    assert list(shown.values()) == sorted(shown.values())


def test_the_page_opens_offline_without_request_or_complaint(open_page):
    page = open_page()
    page.wait_for_timeout(300)
    assert page.locator("#filters").is_visible()
    assert "imbench report" in page.title()


def test_without_javascript_all_is_there_but_the_filters(open_page, results):
    page = open_page(java_script_enabled=False)
    assert not page.locator("#filters").is_visible()
    assert len(shown_ranks(board(page))) == 4
    sections = page.locator("main > section").all()
    assert [section.get_attribute("id") for section in sections] == [
        "results", "verdict", "leaderboards", "evidence", "cd", "gains", "images", "wins", "datasets", "reliability",
        "cost", "spread", "coverage", "provenance", "cite", "definitions",
    ]  # fmt: skip
    for section in sections:
        assert section.is_visible()
        assert len(section.inner_text()) > 60
    assert page.locator("svg.figure:visible").count() >= 8


def test_a_click_on_a_header_sorts_and_another_turns_the_order(open_page):
    page = open_page()
    table = board(page).locator("table")
    header = table.locator("th", has_text="Mean")
    column = header.evaluate("th => th.cellIndex")

    def values():
        return [float(row.locator("th, td").nth(column).inner_text()) for row in table.locator("tbody tr").all()]

    before = values()
    header.locator("button").click()
    assert values() == sorted(before, reverse=True), "the best g-mean is the highest"
    assert header.get_attribute("aria-sort") == "descending"
    header.locator("button").click()
    assert values() == sorted(before)
    assert header.get_attribute("aria-sort") == "ascending"


@pytest.mark.parametrize("metric", ["gmean", "bbs"])
@pytest.mark.parametrize(("control", "value", "keep"), [
    ("#f-ir", "0.05", lambda rows: rows["ir"] == 0.05),
    ("#f-modality", "image", lambda rows: rows["dataset"] == "pixels"),
])  # fmt: skip
def test_a_filter_ranks_anew_what_it_shows(open_page, results, metric, control, value, keep):
    page = open_page()
    page.select_option(control, value)
    rows = results.rows[keep(results.rows) & (results.rows["task"] == "binary")]
    assert_ranks(shown_ranks(board(page, metric)), plain_ranks(rows, metric, metric == "gmean"))


def test_searching_strategies_ranks_those_found_among_themselves(open_page, results):
    page = open_page()
    page.fill("#f-strategy", "mix base")
    rows = results.rows[
        (results.rows["task"] == "binary") & results.rows["strategy"].isin(["mixup", "remix", "baseline"])
    ]
    assert_ranks(shown_ranks(board(page)), plain_ranks(rows, "gmean", True))
    assert sum(shown_ranks(board(page)).values()) == pytest.approx(6, abs=0.02)


def test_a_part_of_a_board_has_no_tests_or_intervals(open_page, results):
    page = open_page()
    page.fill("#f-dataset", "musk, ozone segment")
    rows = results.rows[(results.rows["task"] == "binary") & results.rows["dataset"].isin(["musk", "ozone", "segment"])]
    assert_ranks(shown_ranks(board(page)), plain_ranks(rows, "gmean", True))
    said = board(page).locator(".recomputed").inner_text()
    assert said.startswith("Ranked on the 9 configurations of 3 datasets")
    assert "Tests and intervals are shown for the whole board only" in said
    assert {row.locator("td").last.inner_text() for row in board(page).locator("tbody tr").all()} == {"–"}
    assert all(cell.inner_text() == "" for cell in board(page).locator("tbody td.i").all())
    diagram = page.locator("#cd .board[data-task=binary][data-metric=gmean][data-rule=argmax]")
    assert "Critical differences are shown for the whole board only" in diagram.inner_text()


@pytest.mark.parametrize("metric", ["gmean", "bbs", "calibration_slope"])
def test_a_filter_that_keeps_all_gives_the_boards_own_numbers(open_page, metric):
    page = open_page()
    page.select_option("#f-metric", metric)
    rows = board(page, metric).locator("tbody tr")
    before = [
        [cell.inner_text() for cell in row.locator("th, td:not(.i):not(:last-child)").all()] for row in rows.all()
    ]
    page.fill("#f-dataset", "i m o p s")
    after = [[cell.inner_text() for cell in row.locator("th, td:not(.i):not(:last-child)").all()] for row in rows.all()]
    assert after == before
    assert len(after) == 4


def test_win_rates_follow_the_filter(open_page, results):
    page = open_page()
    page.select_option("#f-ir", "0.01")
    rows = results.rows
    rows = rows[(rows["task"] == "binary") & (rows["ir"] == 0.01) & (rows["error"] == "")]
    means = plain_means(rows, "gmean")
    table = page.locator("#wins .board[data-task=binary][data-metric=gmean][data-rule=argmax] table")
    names = [cell.inner_text() for cell in table.locator("thead th").all()]
    for row in table.locator("tbody tr").all():
        mine = row.locator("th").inner_text()
        for other, cell in zip(names, row.locator("td").all(), strict=True):
            if mine != other:
                gap = (means[mine] - means[other]).round(12)
                wanted = 100 * ((gap > 0).mean() + 0.5 * (gap == 0).mean())
                assert float(cell.inner_text()) == pytest.approx(wanted, abs=0.5001)


def test_choosing_a_rule_shows_its_boards_and_a_tuned_baseline_can_win(open_page):
    page = open_page()
    page.select_option("#f-rule", "tuned")
    assert not board(page).is_visible()
    assert next(iter(shown_ranks(board(page, rule="tuned")))) == "baseline"
    page.select_option("#f-rule", "each")
    assert next(iter(shown_ranks(board(page, rule="each")))) == "baseline+tuned"


def test_choosing_a_metric_and_a_task_hides_all_other_boards(open_page):
    page = open_page()
    page.select_option("#f-metric", "brier")
    page.select_option("#f-task", "multiclass")
    visible = page.locator("#leaderboards .board:visible")
    titles = visible.locator("h3").all_inner_texts()
    assert titles
    assert all(title.startswith("multiclass, Brier score") for title in titles)
    assert page.locator("#verdict article:visible").count() < page.locator("#verdict article").count()


def test_what_is_not_ranked_anew_says_so_and_a_reset_brings_all_back(open_page):
    page = open_page()
    before = page.locator("main").inner_html()
    page.select_option("#f-ir", "0.1")
    page.fill("#f-strategy", "remix")
    assert page.locator("#verdict .stale").is_visible()
    assert page.locator("#gains .stale").is_visible()
    assert "of 24 configurations" in page.locator("#shown").inner_text()
    page.locator("#filters button[type=reset]").click()
    page.wait_for_timeout(100)
    # What a reset leaves behind is the mark of tables once made anew.
    after = page.locator("main").inner_html().replace(' data-recomputed=""', "")
    assert after.replace(' hidden=""', "") == before.replace(' hidden=""', "")
    assert not page.locator("#verdict .stale").is_visible()


def test_dark_mode_follows_the_system_and_the_button(open_page):
    def background(page):
        return page.evaluate("getComputedStyle(document.documentElement).backgroundColor")

    light, dark = open_page(color_scheme="light"), open_page(color_scheme="dark")
    assert background(light) == "rgb(255, 255, 255)"
    assert background(dark) != background(light)
    light.locator("#theme").click()
    assert background(light) == background(dark)
    assert [page.locator("#theme").inner_text() for page in (light, dark)] == ["Light", "Light"]
    light.reload()
    assert background(light) == background(dark)


def test_the_page_prints_without_its_controls(open_page):
    page = open_page()
    assert page.pdf(format="A4").startswith(b"%PDF")
    page.emulate_media(media="print")
    assert not page.locator("#filters").is_visible()
    assert page.locator("#verdict .lead").first.is_visible()


def test_a_tooltip_defines_the_metric_and_says_which_direction_is_better(open_page):
    page = open_page()
    tip = board(page).locator(".tip")
    assert not tip.locator("[role=tooltip]").is_visible()
    tip.locator("button").focus()
    assert tip.locator("[role=tooltip]").is_visible()
    assert "higher is better" in tip.inner_text()
    assert "Geometric mean of the recalls" in tip.inner_text()


def test_the_keyboard_reaches_every_control(open_page):
    page = open_page()
    # The boards of other metrics are made by the same templates, and each key takes the longer the more is shown.
    page.evaluate("document.querySelectorAll('details.others').forEach(d => d.remove())")
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    page.evaluate("""() => {
        const controls = 'a[href], button, input, select, summary, [tabindex="0"]';
        window.wanted = new Set([...document.querySelectorAll(controls)].filter(e => e.checkVisibility()));
        window.total = wanted.size;
        document.addEventListener('focusin', event => wanted.delete(event.target));
    }""")
    total = page.evaluate("total")
    assert total > 60
    for _ in range(total + 5):
        page.keyboard.press("Tab")
    assert page.evaluate("[...wanted].map(e => e.outerHTML.slice(0, 80))") == []


def test_keys_sort_open_and_search(open_page):
    page = open_page()
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "f-strategy"
    header = board(page).locator("th", has_text="Strategy")
    header.locator("button").focus()
    page.keyboard.press("Enter")
    assert header.get_attribute("aria-sort") == "ascending"
    assert list(shown_ranks(board(page))) == sorted(shown_ranks(board(page)))


def test_every_picture_of_a_grid_is_drawn_and_scrolls_in_a_narrow_window(open_page):
    page = open_page(viewport={"width": 400, "height": 800})
    loaded = page.evaluate("[...document.querySelectorAll('#images img')].map(i => [i.complete, i.naturalWidth])")
    assert loaded == [[True, 6]] * 6
    assert page.locator("#images .samples img").last.bounding_box()["width"] >= 60


def test_what_is_about_images_alone_goes_with_its_task_and_says_what_filters_do_not_change(open_page):
    page = open_page()
    page.select_option("#f-task", "multiclass")
    assert page.locator("#images .board:visible").count() == 0
    page.select_option("#f-task", "binary")
    assert page.locator("#images .board:visible").count() == 4
    page.select_option("#f-ir", "0.05")
    assert page.locator("#images .stale").is_visible()


@pytest.mark.parametrize("width", [1400, 400])
def test_the_page_is_no_wider_than_the_window(open_page, width):
    page = open_page(viewport={"width": width, "height": 800})
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize(("scheme", "filtered"), [("light", True), ("dark", False)])
def test_axe_finds_no_fault(open_page, scheme, filtered):
    axe = pytest.importorskip("axe_core_python", reason="no axe: install imbench[browser]")
    page = open_page(color_scheme=scheme)
    # The boards of other metrics are made by the same templates, and axe takes long over each. Closed, they would
    # mislead it: their hidden cells have places on the page, and it takes their colour for that of the text there.
    page.evaluate("document.querySelectorAll('details.others').forEach(d => d.remove())")
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    if filtered:
        page.select_option("#f-ir", "0.05")
    (script,) = Path(axe.__file__).parent.rglob("axe.min.js")
    # Evaluated, not added as an element, which the page's own policy forbids.
    page.evaluate(script.read_text("utf-8"))
    rules = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]}
    found = page.evaluate("rules => axe.run(document, rules)", rules)["violations"]
    told = [f"{v['impact']} {v['id']}: {v['nodes'][0]['html'][:120]} ({len(v['nodes'])})" for v in found]
    assert [line for line in told if line.startswith(("serious", "critical"))] == []
    assert told == []
