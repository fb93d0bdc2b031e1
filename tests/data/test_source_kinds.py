"""Every kind of source has fields, a reader and a probe, and a package's kind is as good as imbench's own."""

import inspect
from pathlib import Path

import pytest

from imbench.contract.entry_points import Entry
from imbench.contract.errors import DataError
from imbench.contract.records import Source
from imbench.data.canonical import from_frame
from imbench.data.card_file import read_card
from imbench.data.data_sources import DataSources
from imbench.data.sources import kinds
from imbench.data.sources.kinds import KINDS, kind_names, source_kind
from imbench.data.sources.source_kind import SourceKind
from imbench.data.survey import survey
from tests.data import made

CARD = """
title = "Made up"
target = "target"
rows = 60
features = 3
missing = 9
categorical = ["w"]
class_counts = { a = 38, b = 15, c = 7 }

[[task]]
name = "binary"
minority = ["c"]

[[source]]
kind = "toy-hub"
seed = 0
"""
EXAMPLES = {str: "x", int: 1, bool: True, list: [], dict: {}}


def toy(probe=lambda options, downloads: "") -> SourceKind:
    return SourceKind(
        "toy-hub",
        {"seed": (int, True)},
        lambda card, options, downloads: from_frame(made.frame(seed=options["seed"]), "target", categorical=("w",)),
        probe,
    )


@pytest.fixture
def installed(monkeypatch):
    """Make this kind one that a package registers."""

    def install(kind: SourceKind) -> None:
        entry = Entry("source", kind.name, "toys", "1.0", "toys:hub", kind)
        monkeypatch.setattr(kinds, "installed", lambda group: [entry])

    return install


@pytest.fixture
def card(tmp_path):
    path = tmp_path / "made.toml"
    counts = made.frame()["target"].value_counts()
    path.write_text(CARD.replace("a = 38, b = 15, c = 7", ", ".join(f"{k} = {counts[k]}" for k in "abc")))
    return path


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_has_fields_a_reader_and_a_probe(name, tmp_path, monkeypatch):
    monkeypatch.setattr("imbench.data.sources.downloads.package_index", lambda: "/nonexistent")
    kind = KINDS[name]
    assert kind.name == name
    assert all(of in EXAMPLES and isinstance(required, bool) for of, required in kind.fields.values())
    assert len(inspect.signature(kind.read).parameters) == 3
    options = {key: EXAMPLES[of] for key, (of, required) in kind.fields.items() if required}
    assert isinstance(kind.probe(options, tmp_path), str)


def test_a_kind_without_a_probe_cannot_be_made():
    with pytest.raises(TypeError, match="probe"):
        SourceKind("toy", {}, lambda card, options, downloads: None)


def test_the_documentation_lists_every_kind():
    page = (Path(__file__).parents[2] / "docs" / "datasets.md").read_text("utf-8")
    rows = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `")]
    assert set(KINDS) <= {name.strip(" `") for row in rows for name in row.split(",")}


def test_a_packages_kind_works_in_a_card_in_the_survey_and_in_a_download(installed, card):
    installed(toy())
    assert kind_names() == [*KINDS, "toy-hub"]
    read = read_card(card, str(card))
    assert read.sources == (Source("toy-hub", {"seed": 0}),)
    sources = DataSources.open()
    assert [(s.state, s.detail) for s in survey([read], sources)] == [("reachable", "toy-hub")]
    copy = sources.fetch(read)
    assert copy.origin == "toy-hub"
    assert [s.state for s in survey([read], sources)] == ["cached"]
    assert sources.fetch(read) == copy  # found again, though its kind has a dash


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("seed = 0", 'seed = "0"'), "source 1: seed must be a whole number, got '0'"),
        (("seed = 0", ""), "source 1 lacks the field 'seed'"),
        (("seed = 0", "seed = 0\nsed = 1"), "unknown field 'sed'; did you mean seed"),
        (('"toy-hub"', '"toyhub"'), "kind must be one of openml, .*, toy-hub, got 'toyhub'"),
    ],
)
def test_the_fields_of_a_packages_kind_are_checked_like_any(installed, card, change, message):
    installed(toy())
    card.write_text(card.read_text().replace(*change))
    with pytest.raises(DataError, match=message):
        read_card(card, str(card))


def fails(options, downloads):
    raise RuntimeError("torn")


@pytest.mark.parametrize(
    ("probe", "detail"),
    [
        (lambda options, downloads: "/no/such/file", "toy-hub: /no/such/file does not exist"),
        (fails, "toy-hub: RuntimeError: torn"),
    ],
)
def test_the_survey_says_why_a_packages_kind_is_unreachable(installed, card, probe, detail):
    installed(toy(probe))
    (status,) = survey([read_card(card, str(card))], DataSources.open())
    assert (status.state, status.detail) == ("unreachable", detail)


def test_a_kind_that_is_no_longer_installed_is_named_with_those_that_are():
    card = made.card(sources=(Source("toy-hub", {"seed": 0}),))
    (status,) = survey([card], DataSources.open())
    assert (status.state, "kind must be one of" in status.detail) == ("unreachable", True)
    with pytest.raises(DataError, match=r"made is unavailable \(toy-hub: kind must be one of openml, "):
        DataSources.open().fetch(card)


def test_imbenchs_own_kinds_come_before_a_packages(installed):
    installed(SourceKind("url", {}, fails, fails))
    assert source_kind("url") is KINDS["url"]
    assert source_kind("toys/url").fields == {}
