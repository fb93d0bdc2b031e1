"""What is said of completeness follows from the rows, whichever runs they came from."""

from __future__ import annotations

import dataclasses

import pytest

from imbench.report import Options, write_report
from imbench.store.completeness import KnownSuite, completeness
from imbench.store.results import load
from imbench.store.store import Store
from tests.made_results import FACTS, PROTOCOL, fill, job

SMALL = KnownSuite("small", (("a:ir=0.05", ""), ("b:ir=0.05", "b_part:ir=0.05")))
LARGE = KnownSuite("large", (*SMALL.entries, ("c:ir=0.05", ""), ("d:ir=0.05", "")))


def said(store, *suites):
    return completeness(store.frame(), suites)


def test_a_whole_suite_is_said_to_be_whole_and_one_that_adds_nothing_is_not_mentioned(store):
    fill(store, ["a", "b"], ["remix"])
    assert said(store, LARGE, SMALL) == ("suite small: results on all 2 configurations",)


def test_a_suite_in_part_names_what_is_missing(store):
    fill(store, ["a", "b", "c"], ["remix"])
    assert said(store, LARGE) == ("suite large: results on 3 of 4 configurations, none on d:ir=0.05",)


def test_a_stand_in_is_named_unless_what_it_stands_for_is_there(store):
    fill(store, ["a", "b_part"], ["remix"])
    assert said(store, SMALL) == (
        "suite small: results on all 2 configurations",
        "b_part:ir=0.05 replaces b:ir=0.05",
    )
    fill(store, ["b"], ["remix"])
    assert said(store, SMALL) == ("suite small: results on all 2 configurations",)


def test_without_a_suite_configurations_are_counted(store):
    fill(store, ["a", "/home/me/x.csv"], ["remix"])
    assert said(store) == ("2 configurations",)
    assert said(store, KnownSuite("one", (("a:ir=0.05", ""),))) == (
        "suite one: results on all 1 configuration",
        "1 configuration outside all installed suites",
    )


def test_strategies_that_lack_the_same_are_named_together(store):
    fill(store, ["a", "b"], ["baseline"])
    fill(store, ["a"], ["mixup", "remix"])
    store.fail(job("b", "broken"), "diverged", FACTS)
    assert said(store, SMALL)[1:] == (
        "broken has no results",
        "mixup and remix have no results on 1 of 2 configurations: b:ir=0.05",
    )


def test_each_protocol_speaks_for_itself(store):
    fill(store, ["a", "b"], ["remix"])
    fill(store, ["a"], ["remix"], protocol=dataclasses.replace(PROTOCOL, name="smoke", epochs=3))
    assert said(store, SMALL) == (
        "under protocol quick, suite small: results on all 2 configurations",
        "under protocol smoke, suite small: results on 1 of 2 configurations, none on b:ir=0.05",
    )


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_the_page_does_not_depend_on_which_run_came_last(tmp_path, order):
    runs = [(["a", "b_part"], ["baseline", "remix"]), (["a"], ["remix:alpha=0.3"])]
    pages = []
    for number, chosen in enumerate((order, (0, 1))):
        store = Store.open(tmp_path / f"{number}", create=True)
        for run in chosen:
            fill(store, *runs[run])
        write_report(load(store.path), tmp_path / "page", Options(suites=(SMALL,)))
        pages.append((tmp_path / "page" / "index.html").read_bytes())
    assert pages[0] == pages[1]
    assert b"<li>suite small: results on all 2 configurations</li><li>b_part:ir=0.05 replaces b:ir=0.05" in pages[0]
    assert b"remix:alpha=0.3 has no results on 1 of 2 configurations: b_part:ir=0.05" in pages[0]
    assert b"last run" not in pages[0]
