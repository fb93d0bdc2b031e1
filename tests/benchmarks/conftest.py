"""Benchmarks end with one table of what they measured, on the terminal and in two files."""

import pytest

from tests.benchmarks import table

PARTS, LOAD = pytest.StashKey(), pytest.StashKey()


def pytest_addoption(parser):
    parser.addoption("--table", metavar="FOLDER", default=".benchmarks", help="where to write table.md and table.json")
    parser.addoption("--default-run", action="store_true", help="also time the default run of the tabular suite")


def pytest_configure(config):
    config.stash[PARTS], config.stash[LOAD] = [], table.load_average()


@pytest.fixture(autouse=True)
def _kept(request, pytestconfig):
    """Keeps what a benchmark adds to the table, also if it then misses its floor."""
    measured = request.getfixturevalue("benchmark") if "benchmark" in request.fixturenames else None
    yield
    if measured is not None and "table" in measured.extra_info:
        pytestconfig.stash[PARTS].append(measured.extra_info["table"])


def pytest_terminal_summary(terminalreporter, config):
    parts = config.stash[PARTS]
    if not parts:
        return
    measured = table.Measured(table.machine(config.stash[LOAD]), table.rows_of(parts))
    terminalreporter.section("measured")
    terminalreporter.write_line(table.markdown(measured))
    written = table.write(measured, config.getoption("--table", ".benchmarks"))
    terminalreporter.write_line(f"written to {' and '.join(map(str, written))}")
