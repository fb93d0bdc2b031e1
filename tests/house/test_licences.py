"""Pins, hashes, licences and metadata say the same."""

import importlib.metadata
import re

import pytest

from imbench.runs.requirements import needed
from tests.house import licences

LOCKED, RUNTIME = licences.pinned(), licences.runtime()
FOR_GPUS = tuple(licences.FOR_GPUS)


def constraints(root):
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+)$", (root / "constraints.txt").read_text("utf-8"), re.MULTILINE))


def test_hashes_are_of_the_versions_of_the_constraints(root):
    pins = constraints(root)
    others = {name: one.version for name, one in LOCKED.items() if pins.get(name) != one.version}
    assert [name for name in others if not name.startswith(FOR_GPUS)] == []


def test_every_package_has_hashes_of_its_files():
    # A release for several platforms has many.
    assert min(len(one.hashes) for one in LOCKED.values()) >= 1
    for name in ("numpy", "torch", "numba", "pyarrow"):
        assert len(LOCKED[name].hashes) > 10
    assert all(len(set(one.hashes)) == len(one.hashes) for one in LOCKED.values())


def test_everything_that_is_needed_here_has_a_hash_and_a_licence():
    page = licences.PAGE.read_text("utf-8")
    assert {one.name for one in needed()} <= set(RUNTIME)
    for name in RUNTIME:
        assert f"\n| {name} | {RUNTIME[name].version} | " in page


def test_what_only_builds_is_not_listed_as_needed():
    assert set(LOCKED) - set(RUNTIME) == {
        *("editables", "hatchling", "pathspec", "pluggy", "tomlkit", "trove-classifiers"),
    }


def test_the_page_of_licences_is_up_to_date():
    installed = {name: installed_version(name) for name in RUNTIME if not name.startswith(FOR_GPUS)}
    other = [name for name, found in installed.items() if found.partition("+")[0] != RUNTIME[name].version]
    if other:
        pytest.skip(f"other versions than those of constraints.txt are installed: {', '.join(other)}")
    page = licences.PAGE.read_text("utf-8")
    generated = page.split(licences.FIRST)[1].split(licences.LAST)[0].strip()
    assert generated == licences.table(), "run tox -e lock"


def installed_version(name):
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "none"
