import tomllib

import pytest

from imbench.contract.errors import DataError
from imbench.data import cards, suites
from imbench.data.cards import attribute_of, card_names, cards_folder, load_card
from imbench.data.sources.kinds import KINDS
from imbench.data.suites import load_suite
from imbench.data.variants import expected_counts, parse_variant
from imbench.runs.protocols import load_protocol

# Table 1 of the paper: rows, dimensions, class downsampled; the binary CIFAR-10 is not among the tabular ones.
TABLE_1 = {
    "musk2": (6598, 166),
    "segment": (2310, 19),
    "landsat_satellite": (6435, 36),
    "epileptic_seizure": (11500, 178),
    "coil2000": (9822, 85),
    "ozone_onehr": (2536, 72),
    "aps_failure": (60000, 170),
    "optdigits": (5620, 64),
    "cifar10": (50000, 32 * 32 * 3),
}

CARD = """
title = "Mine"
target = "y"
rows = 30
features = 2
missing = 0

[class_counts]
a = 20
b = 10

[[task]]
name = "binary"
minority = ["b"]

[[source]]
kind = "file"
path = "mine.csv"
"""


@pytest.mark.parametrize("name", card_names())
def test_every_shipped_card_is_valid_and_says_where_it_is_from(name):
    card = load_card(name)
    assert card.name == name
    assert card.licence
    assert card.citation
    assert {s.kind for s in card.sources} <= {"mirror", *KINDS}


@pytest.mark.parametrize(("name", "size"), TABLE_1.items())
def test_paper_datasets_have_the_rows_and_dimensions_of_table_1(name, size):
    card = load_card(name)
    assert (card.rows, card.features) == size


def test_every_ratio_a_card_states_can_be_had():
    for name in card_names():
        card = load_card(name)
        for task in card.tasks:
            for ir in task.irs:
                assert expected_counts(card, parse_variant(f"{name}:task={task.name},ir={ir}", card))


def test_an_entry_point_names_a_card_as_an_attribute():
    assert cards.segment == load_card("segment")
    assert suites.tabular == load_suite("tabular")
    with pytest.raises(AttributeError):
        cards.no_such_dataset  # noqa: B018


def test_pyproject_registers_every_shipped_card_and_suite():
    pyproject = tomllib.loads((cards_folder().parent / "pyproject.toml").read_text())
    points = pyproject["project"]["entry-points"]
    assert points["imbench.datasets"] == {n: f"imbench.data.cards:{attribute_of(n)}" for n in card_names()}
    assert points["imbench.suites"] == {n: f"imbench.data.suites:{attribute_of(n)}" for n in suites.suite_names()}
    assert len(set(map(attribute_of, card_names()))) == len(card_names())


def test_an_unknown_name_suggests_near_ones():
    with pytest.raises(DataError, match=r"unknown dataset 'segmnt'; did you mean segment.*imbench list datasets"):
        load_card("segmnt")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('target = "y"\n', ""), "lacks the field 'target'"),
        (('title = "Mine"', 'title = "Mine"\ncontnt = "x"'), "unknown field 'contnt'; did you mean content"),
        (("rows = 30", 'rows = "30"'), "rows must be a whole number, got '30'"),
        (("rows = 30", "rows = 31"), "class_counts sum to 30, but rows is 31"),
        (('minority = ["b"]', 'minority = ["z"]'), "minority 'z' is not among the class_counts"),
        (('minority = ["b"]', 'minority = ["a", "b"]'), "exactly one class"),
        (('minority = ["b"]', "minority = [1]"), "must be a list of text, but contains 1"),
        (('minority = ["b"]', 'minority = ["b"]\nirs = [1.5]'), "irs must lie between 0 and 1"),
        (('name = "binary"', 'name = "ranking"'), "name must be one of binary, multiclass"),
        (('kind = "file"', 'kind = "ftp"'), "kind must be one of"),
        (('path = "mine.csv"', ""), "lacks the field 'path'"),
        (("b = 10\n", ""), "a task needs at least two"),
        (('title = "Mine"', 'title = "Mine"\nmodality = "sound"'), "modality must be one of tabular, image"),
        (('title = "Mine"', 'title = "Mine"\ncontent = "abc"'), "64 hexadecimal digits"),
        (('title = "Mine"', "title = "), "cannot read the card"),
    ],
)
def test_a_bad_card_names_the_file_the_field_and_the_fix(tmp_path, change, message):
    path = tmp_path / "mine.toml"
    assert change[0] in CARD
    path.write_text(CARD.replace(*change))
    with pytest.raises(DataError, match=message) as caught:
        load_card(str(path))
    assert "mine.toml" in str(caught.value)


def test_a_card_of_ones_own_finds_its_file_beside_it(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(CARD)
    assert load_card(str(path)).sources[0].options["path"] == str(tmp_path / "mine.csv")


def test_the_tabular_suite_is_the_papers_27_configurations():
    entries = load_suite("tabular").entries
    variants = [parse_variant(e.spec, load_card(e.spec.partition(":")[0])) for e in entries]
    assert [v.task for v in variants].count("binary") == 18
    assert [v.task for v in variants].count("multiclass") == 9
    assert len(set(variants)) == 27
    stated = {(n, t.name, ir) for n in TABLE_1 if n != "cifar10" for t in load_card(n).tasks for ir in t.irs}
    assert {(v.dataset, v.task, v.ir) for v in variants} == stated


def test_the_image_suite_is_what_can_be_built_of_the_papers_and_the_same_of_digits():
    specs = [e.spec for e in load_suite("image").entries]
    variants = [parse_variant(s, load_card(s.partition(":")[0])) for s in specs]
    stated = {(n, t.name, ir) for n in ("cifar10", "optdigits_images") for t in load_card(n).tasks for ir in t.irs}
    assert {(v.dataset, v.task, v.ir) for v in variants} == stated
    # Table 1 lists 0.25, 0.1 and 0.05 for both tasks; 45,000 others at 0.25 ask for 11,250 of 5,000 dogs.
    table_1 = {("cifar10", task, ir) for task in ("binary", "multiclass") for ir in (0.25, 0.1, 0.05)}
    assert table_1 - stated == {("cifar10", "binary", 0.25)}


def test_the_small_image_suite_says_its_own_protocol():
    suite = load_suite("image-small")
    rules = load_protocol(suite.protocol)
    assert (rules.repeats, rules.folds, rules.epochs) == (1, 2, 30)
    assert {e.spec.partition(":")[0] for e in suite.entries} == {"cifar10_10k", "optdigits_images"}


@pytest.mark.parametrize("name", suites.suite_names())
def test_every_configuration_of_a_shipped_suite_can_be_had_and_its_protocol_loaded(name):
    suite = load_suite(name)
    for entry in suite.entries:
        card = load_card(entry.spec.partition(":")[0])
        assert expected_counts(card, parse_variant(entry.spec, card))
    if suite.protocol:
        load_protocol(suite.protocol)


@pytest.mark.parametrize("name", [n for n in card_names() if load_card(n).modality == "image"])
def test_images_are_large_enough_for_the_papers_net(name):
    card = load_card(name)
    channels = 3 if card.features % 3 == 0 and card.features > 784 else 1
    assert (card.features / channels) ** 0.5 >= 10


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ('format = "idx"\nfiles = [{ url = "http://h/x", md5 = "{md5}" }]', "format idx takes 2 files, got 1"),
        ('format = "npz"\nfiles = [{ url = "http://h/x" }]', "source 1, file 1 lacks a checksum"),
        (
            'format = "npz"\nfiles = [{ url = "http://h/x", md5 = "xyz" }]',
            "md5 must be 32 hexadecimal .*, got 'xyz'",
        ),
        ('format = "npz"\nfiles = [{ md5 = "{md5}" }]', "needs either url or path"),
        ('format = "npz"\nmembers = ["a"]\nfiles = [{ path = "x" }]', "format npz takes no members"),
        ('format = "cifar-binary"\nfiles = [{ path = "x" }]', "format cifar-binary needs members"),
        ('format = "tiff"\nfiles = [{ path = "x" }]', "format must be one of cifar-binary, .*, got 'tiff'"),
        ('format = "npz"\nfiles = [{ path = "x" }]\n[source.labels]\n0 = "a"', "unknown field 'labels'"),
    ],
)
def test_a_bad_source_of_images_names_the_field(tmp_path, source, message):
    head = CARD.partition("[[source]]")[0]
    (tmp_path / "mine.toml").write_text(f'{head}[[source]]\nkind = "images"\n{source.replace("{md5}", "0" * 32)}\n')
    with pytest.raises(DataError, match=message):
        load_card(str(tmp_path / "mine.toml"))


def test_a_mirrors_images_are_read_only_where_their_column_is_named(tmp_path):
    text = CARD.partition("[[source]]")[0] + '[[source]]\nkind = "mirror"\nfirst_of_each = 5\n'
    (tmp_path / "mine.toml").write_text(text)
    with pytest.raises(DataError, match="first_of_each is for images only; set image to the name of their column"):
        load_card(str(tmp_path / "mine.toml"))


def test_only_aps_has_a_stand_in_and_it_is_a_card_of_its_own():
    stand_ins = {e.spec: e.fallback for e in load_suite("tabular").entries if e.fallback}
    assert stand_ins == {"aps_failure:ir=0.01": "aps_failure_head9000:ir=0.01"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("configurations = []", "lists no configurations"),
        ('configurations = ["a", "a"]', "lists 'a' twice"),
        ("configurations = [3]", "must be a spec"),
        ('configurations = [{ fallback = "a" }]', "lacks the field 'spec'"),
        ('configurations = ["a"]\nnam = "x"', "unknown field 'nam'"),
        ('configurations = ["a"]\nprotocol = 3', "protocol must be text, got 3"),
        ("configurations = [", "cannot read the suite"),
    ],
)
def test_a_bad_suite_says_what_is_wrong(tmp_path, text, message):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        load_suite(str(path))


def test_an_unknown_suite_suggests_near_ones():
    with pytest.raises(DataError, match="unknown suite 'tabulr'; did you mean tabular"):
        load_suite("tabulr")
