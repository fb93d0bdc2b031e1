"""The report of a made-up store in a real browser that has no network."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from imbench.report import Options, write_report
from imbench.store.store import Store
from tests.report.made import MODALITY, filled, grid_of

FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
FOUND = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def chromium():
    """One browser for all tests; skipped, with the reason, where there is none."""
    playwright = pytest.importorskip("playwright.sync_api", reason="no playwright: install imbench[browser]")
    if FOUND is None:
        pytest.skip("no Chromium here: apt-get install chromium")
    with playwright.sync_playwright() as driver:
        # Playwright gives the browser a fresh folder of user data each time.
        browser = driver.chromium.launch(executable_path=FOUND, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def results(tmp_path_factory):
    """What is reported."""
    return filled(Store.open(tmp_path_factory.mktemp("store") / "store", create=True))


@pytest.fixture(scope="session")
def report(results, tmp_path_factory) -> Path:
    """The page."""
    return write_report(
        results, tmp_path_factory.mktemp("report"), Options(modality=MODALITY, sample_grids={"pixels": grid_of()})
    )[0]


@pytest.fixture
def open_page(chromium, report):
    """Open the page anew; it fails the test if the page asks for anything or has anything to complain of."""
    contexts, noise = [], []

    def go(**options):
        context = chromium.new_context(**{"viewport": {"width": 1400, "height": 900}, "offline": True, **options})
        contexts.append(context)
        context.set_default_timeout(240_000)  # a busy machine takes its time
        page = context.new_page()
        page.on("console", lambda message: noise.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: noise.append(str(error)))
        page.on("request", lambda request: request.url != report.as_uri() and noise.append(request.url))
        page.goto(report.as_uri())
        return page

    yield go
    for context in contexts:
        context.close()
    assert noise == []
