"""docs/extending.md names files and tables that exist, and every room."""

import ast
import re
from graphlib import TopologicalSorter
from importlib import import_module

import pytest

from imbench.checks.suite import CHECKS
from imbench.data.sources.kinds import KINDS
from imbench.report.figures.kinds import FIGURES
from imbench.scoring.metrics import METRICS
from imbench.scoring.rules import RULES

TABLES = {"METRICS": METRICS, "RULES": RULES, "KINDS": KINDS, "FIGURES": FIGURES, "CHECKS": CHECKS}


@pytest.fixture
def page(root):
    return (root / "docs" / "extending.md").read_text("utf-8")


def test_every_file_that_it_names_exists(page, root):
    named = [path for path in re.findall(r"`((?:imbench|tests)/[\w/.]+)`", page) if "NAME" not in path]
    assert len(named) > 12
    assert [path for path in named if not (root / path).is_file()] == []


def test_every_table_that_it_names_is_one_with_entries(page):
    assert set(re.findall(r"`([A-Z]{4,})`", page)) == set(TABLES)
    assert all(TABLES.values())


def test_every_room_is_described(page, root):
    described = set(re.findall(r"^    (\w+) +\S", page, re.MULTILINE))
    assert described == {path.parent.name for path in (root / "imbench").glob("*/__init__.py")}


def test_every_module_belongs_to_a_room(root):
    loose = {path.name for path in (root / "imbench").glob("*.py")}
    assert loose == {"__init__.py", "__main__.py"}


def test_no_imports_go_in_a_circle(root):
    paths = (root / "imbench").rglob("*.py")
    modules = {".".join(p.relative_to(root).with_suffix("").parts).removesuffix(".__init__"): p for p in paths}
    graph = {name: set(imported(path, modules)) - {name} for name, path in modules.items()}
    assert "imbench.scoring.metrics" in graph["imbench.scoring.rules"]
    TopologicalSorter(graph).prepare()  # raises CycleError


def imported(path, modules):
    """The modules of imbench that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom):
            for name in (f"{node.module}.{alias.name}" for alias in node.names):
                yield from [found for found in (name, node.module) if found in modules][:1]
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in modules)


def test_the_names_of_the_rooms_hide_no_public_name():
    import imbench

    for room in ("runs", "stats", "store", "report"):
        import_module(f"imbench.{room}")
    assert callable(imbench.run)
    assert callable(imbench.sweep)
