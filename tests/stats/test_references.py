"""References never enter the boards of strategies, and are ranked with them on boards of their own."""

from dataclasses import replace

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from imbench.contract.protocol import Protocol
from imbench.report.model import Options, gather
from imbench.stats.references import is_reference, of_strategies
from imbench.store.results import Results
from imbench.store.store import Store
from tests.made_results import fill

OPTIONS = Options(metrics=("gmean", "bbs"), rules=("argmax", "each"))
DATASETS = ("coil2000", "musk2", "segment")


def filled(folder, strategies=("baseline", "remix"), references=("uniform", "logistic-regression"), datasets=DATASETS):
    store = Store.open(folder, create=True)
    fill(store, datasets, strategies)
    fill(store, datasets, references, kind="reference", skill=0.2)
    return Results(store.frame(), store.path)


def numbers(board):
    """All that a board shows."""
    return (board.names, board.control, board.scores.tolist(), board.configurations, board.remarks, board.table)


def same(one, other):
    """Equal, with NaN equal to NaN."""
    return repr(one) == repr(other)


@settings(max_examples=6)
@given(
    references=st.lists(st.sampled_from(["uniform", "class-prior", "forest", "remix"]), min_size=1, unique=True),
    lacking=st.sets(st.sampled_from(DATASETS), max_size=2),
)
def test_boards_of_strategies_stay_as_without_references(tmp_path_factory, references, lacking):
    folder = tmp_path_factory.mktemp("store")
    alone = filled(folder / "alone", references=())
    both = filled(folder / "both", references=())
    fill(Store.open(both.store), sorted(set(DATASETS) - lacking), references, kind="reference", skill=0.2)
    both = replace(both, rows=Store.open(both.store).frame())

    one, other = gather(alone, OPTIONS), gather(both, OPTIONS)

    assert [same(*map(numbers, pair)) for pair in zip(one.boards, other.boards, strict=True)] == [True] * len(
        one.boards
    )
    assert [b.remarks for b in alone.leaderboards()] == [b.remarks for b in both.leaderboards()]
    for mine, theirs in zip(alone.leaderboards(), both.leaderboards(), strict=True):
        pd.testing.assert_frame_equal(mine.table, theirs.table)


def test_a_board_beside_each_leading_one_ranks_both(tmp_path):
    model = gather(filled(tmp_path), OPTIONS)

    assert model.references == {"uniform", "logistic-regression"}
    assert set(model.reference_boards) == {board.slug for board in model.leading}
    for board in model.leading:
        beside = model.reference_boards[board.slug]
        assert beside.configurations == board.configurations
        assert set(beside.names) > set(board.names)
        assert {entrant.strategy for entrant in beside.entrants} - set(model.references) == {"baseline", "remix"}
        np.testing.assert_array_equal(beside.scores[:, [beside.names.index(n) for n in board.names]], board.scores)
    assert [t.strategies for t in model.reference_tables] == [("baseline", "logistic-regression", "remix", "uniform")]


def test_without_references_there_are_no_such_boards(tmp_path):
    results = filled(tmp_path, references=())

    model = gather(results, OPTIONS)

    assert (model.references, model.reference_boards, model.reference_tables) == (frozenset(), {}, ())
    assert results.leaderboards(references=True) == []


def test_a_reference_with_the_name_of_a_strategy_is_another_competitor(tmp_path):
    model = gather(filled(tmp_path, references=("remix",)), OPTIONS)

    assert model.references == {"remix (reference)"}
    assert model.leading[0].names == ("baseline", "remix")
    assert set(model.reference_boards[model.leading[0].slug].names) == {"baseline", "remix", "remix (reference)"}


def test_references_under_another_protocol_are_not_compared(tmp_path):
    results = filled(tmp_path, references=())
    fill(
        Store.open(tmp_path), DATASETS, ["uniform"], kind="reference", skill=0.2, protocol=Protocol("other", repeats=2)
    )
    fill(Store.open(tmp_path), DATASETS, ["class-prior"], kind="reference", skill=0.2)

    model = gather(replace(results, rows=Store.open(tmp_path).frame()), OPTIONS)

    assert model.references == {"class-prior"}
    assert model.protocols == ("quick",)


def test_a_reference_on_part_of_the_configurations_is_set_apart(tmp_path):
    results = filled(tmp_path, references=())
    fill(Store.open(tmp_path), DATASETS[:1], ["uniform"], kind="reference", skill=0.2)

    model = gather(replace(results, rows=Store.open(tmp_path).frame()), OPTIONS)

    board = model.reference_boards[model.leading[0].slug]
    assert board.configurations == model.leading[0].configurations
    assert [one.name for one in board.partial] == ["uniform"]


def test_leaderboards_with_references_rank_them_together(tmp_path):
    results = filled(tmp_path)

    (together,) = results.leaderboards(["gmean"], references=True)
    (alone,) = results.leaderboards(["gmean"])

    assert set(together.table["strategy"]) == {"baseline", "remix", "uniform", "logistic-regression"}
    assert set(alone.table["strategy"]) == {"baseline", "remix"}


def test_rows_without_a_kind_are_of_strategies(tmp_path):
    rows = filled(tmp_path).rows.drop(columns="kind")

    assert not is_reference(rows).any()
    assert of_strategies(rows) is rows
