"""docs/reliability.md: every fault names a test that exists, loses nothing unnamed, and doubles nothing."""

import ast
import re

import pytest

# What may be lost: nothing, or what the fault itself destroyed.
LOST = {"0", "the damaged job", "the two jobs", "those removed"}


@pytest.fixture(scope="module")
def faults(root):
    """Rows of the page's tables, as lists of cells."""
    lines = (root / "docs" / "reliability.md").read_text("utf-8").splitlines()
    rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in lines if line.startswith("| ")]
    tables = [[cell.strip() for cell in row] for row in rows if len(row) == 5]
    return [row for row in tables if row[0] != "fault"]


def test_the_page_has_every_kind_of_fault_once(faults):
    assert len(faults) >= 45
    assert len({row[0] for row in faults}) == len(faults)


def test_nothing_is_lost_but_what_the_fault_destroys_and_nothing_is_doubled(faults):
    assert {row[2] for row in faults} <= LOST
    assert {row[3] for row in faults} == {"0"}


def test_every_fault_has_a_test(faults, root):
    missing = [row[4] for row in faults if not exists(root, row[4])]
    assert missing == []


def exists(root, test):
    file, _, name = test.partition("::")
    if not (root / file).is_file():
        return False
    tree = ast.parse((root / file).read_text("utf-8"))
    return name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
