"""Datasets made from the same original are several configurations and one dataset."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imbench.report.markdown import markdown
from imbench.report.model import Options, gather
from imbench.report.tables import leaderboard, reference_leaderboard
from imbench.runs.registry import Registry
from imbench.stats.block_analyses import evaluate_rows
from imbench.stats.names import labelled
from imbench.stats.ranks import TRAINED, rank
from imbench.stats.scope import Scope
from imbench.stats.score_table import Configuration, make_score_tables
from imbench.store.results import load
from tests.made_results import fill

DATASETS = ("glass0", "glass1", "yeast1", "yeast3", "iris")
FAMILIES = {"glass0": "glass", "glass1": "glass", "yeast1": "yeast", "yeast3": "yeast"}
GMEAN = Options(metrics=("gmean",), rules=("argmax",))


@pytest.fixture
def results(store):
    fill(store, DATASETS, ("baseline", "mixup", "remix"))
    return load(store.path)


def board(results, families):
    (found,) = gather(dataclasses.replace(results, scope=Scope(families=families)), GMEAN).boards
    return found


def test_a_family_counts_as_one_dataset_and_its_members_as_configurations(results):
    with_families, without = board(results, FAMILIES), board(results, {})
    assert (with_families.tests.blocks, with_families.tests.datasets) == (5, 3)
    assert (without.tests.blocks, without.tests.datasets) == (5, 5)
    assert with_families.tests_by_dataset.blocks == 3
    assert [c.spec for c in with_families.configurations] == [c.spec for c in without.configurations]


def test_families_change_intervals_and_tests_by_dataset_only(results):
    with_families, without = board(results, FAMILIES), board(results, {})
    np.testing.assert_array_equal(with_families.ranks, without.ranks)
    assert with_families.tests.friedman == without.tests.friedman
    assert (with_families.tests.gain_intervals[1:] != without.tests.gain_intervals[1:]).all()
    assert with_families.evaluation.to_dict()["n_datasets"] == with_families.tests.datasets


def test_the_block_of_a_family_is_the_mean_over_its_members(results):
    found = board(results, FAMILIES)
    merit = {c.dataset: row for c, row in zip(found.configurations, found.merit, strict=True)}
    blocks = np.array([merit["iris"], merit["glass0"] + merit["glass1"], merit["yeast1"] + merit["yeast3"]])
    ranks = rank(blocks, higher_is_better=True, tolerance=TRAINED).mean(axis=0)
    np.testing.assert_allclose(found.tests_by_dataset.average_ranks, ranks)


def test_a_report_says_how_many_datasets_its_configurations_are_from(results):
    model = gather(results, dataclasses.replace(GMEAN, families=FAMILIES))
    assert set(leaderboard(model)["datasets"]) == {3}
    assert "Over 5 configurations of 3 datasets." in markdown(model)


@given(st.dictionaries(st.sampled_from(DATASETS), st.sampled_from(("", "a", "b", "iris"))))
def test_the_original_of_a_configuration_is_its_family_or_itself(families):
    for name in DATASETS:
        family = families.get(name, "")
        assert Configuration(name, "natural", 0.1, "tabular", family).original == (family or name)


def test_families_are_known_by_the_name_in_the_rows(results):
    (table,) = make_score_tables(labelled(results.rows), ["gmean"], scope=Scope(families=FAMILIES))
    assert {c.dataset: c.family for c in table.configurations} == {name: FAMILIES.get(name, "") for name in DATASETS}


def test_the_registry_knows_the_families_of_cards():
    families = Registry().families()
    assert families["yeast_me2"] == families["keel-yeast4"] == "yeast"
    assert families["ecoli"] == families["keel-ecoli1"] == "ecoli"
    assert "musk2" not in families


def test_every_board_with_references_counts_families_as_those_of_strategies_do(store):
    fill(store, DATASETS, ("baseline", "mixup", "remix"))
    fill(store, DATASETS, ("forest",), kind="reference")
    results = dataclasses.replace(load(store.path), scope=Scope(families=FAMILIES))
    model = gather(results, GMEAN)
    for board in model.reference_boards.values():
        assert (board.tests.datasets, board.tests_by_dataset.blocks) == (3, 3)
    assert set(reference_leaderboard(model)["datasets"]) == {3}
    (analysis,) = evaluate_rows(results.rows, "gmean", references=True, scope=results.scope)
    assert analysis.configurations.to_dict()["n_datasets"] == 3
    assert analysis.datasets.n_blocks == 3
