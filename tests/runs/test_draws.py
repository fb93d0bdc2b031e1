"""Runs with several draws of the minority and several training seeds."""

import numpy as np
import pandas as pd
import pytest

from imbench.runs.bench import run
from imbench.runs.planning import plan
from imbench.stats.names import labelled
from imbench.store.store import Store

MORE = {"draws": "2", "train_seeds": "3"}


def planned(table, tmp_path, **settings):
    return plan(
        datasets=[table], strategies=["remix"], protocol="smoke", settings=settings, store=tmp_path / "store"
    ).jobs[0]


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    """Stores of two strategies with one draw and seed, and with several, and the spec of the data."""
    folder = tmp_path_factory.mktemp("draws")
    rng = np.random.default_rng(0)
    y = np.repeat(["no", "yes"], [180, 60])
    frame = pd.DataFrame(rng.normal(size=(240, 4)) + (y == "yes")[:, None], columns=list("abcd")).assign(y=y)
    frame.to_csv(folder / "table.csv", index=False)
    spec = f"{folder / 'table.csv'}:target=y,ir=0.2"
    for name, settings in (("one", {}), ("more", MORE)):
        run(
            datasets=[spec],
            strategies=["baseline", "remix"],
            protocol="smoke",
            settings=settings,
            store=folder / name,
            jobs=1,
        )
    return Store.open(folder / "one"), Store.open(folder / "more")


def test_draw_and_seed_0_give_the_numbers_of_a_single_draw_and_seed(stores):
    one, more = (store.frame() for store in stores)
    assert set(one["draw"]) == set(one["train_seed"]) == {0}
    first = more[(more["draw"] == 0) & (more["train_seed"] == 0)].reset_index(drop=True)
    numbers = [name for name in one.columns if one[name].dtype.kind in "fi" and name != "seconds"]
    pd.testing.assert_frame_equal(first[numbers], one[numbers], check_exact=True)


def test_every_net_has_a_row_and_other_numbers(stores):
    frame = stores[1].frame()
    places = ["draw", "repeat", "fold", "train_seed"]
    assert len(frame) == 2 * 2 * 2 * 3
    for _, rows in frame.groupby("strategy"):
        assert len(rows[places].drop_duplicates()) == 12
        assert rows["loss"].nunique() == 12
        assert len(set(rows["rows_hash"])) == 1  # of all folds


def test_stored_predictions_come_back_by_place(stores):
    store = stores[1]
    for found in map(store.predictions, store.frame()["key"].unique()):
        assert [p.place for p in found] == sorted({p.place for p in found})
        assert len({p.test.rows.tobytes() for p in found}) == 4


def test_keys_change_with_draws_and_seeds_only_where_they_change_numbers(table, tmp_path):
    natural = table.partition(",ir=")[0]
    plain = planned(table, tmp_path).key
    assert planned(table, tmp_path, draws="1", train_seeds="1").key == plain
    assert planned(table, tmp_path, draws="2").key != plain
    assert planned(table, tmp_path, train_seeds="2").key != plain
    # A variant that keeps all rows has a single draw.
    assert planned(natural, tmp_path, draws="2").key == planned(natural, tmp_path).key
    assert planned(natural, tmp_path, train_seeds="2").key != planned(natural, tmp_path).key


def test_a_plan_counts_the_nets_of_all_draws_and_seeds(table, tmp_path):
    made = plan(datasets=[table], strategies=["remix"], protocol="smoke", settings=MORE, store=tmp_path / "store")
    assert made.nets == 2 * 2 * 3


def test_variants_with_one_draw_stay_under_the_protocol_of_those_with_several():
    fields = {"natural": '{"epochs":3}', "ir=0.1": '{"draws":2,"epochs":3}', "ir=0.05": '{"draws":2,"epochs":3}'}
    facts = {
        "protocol": "smoke:draws=2",
        "dataset": "one",
        "task": "binary",
        "strategy": "remix",
        "strategy_version": "1",
    }
    rows = pd.DataFrame([{"variant": name, "protocol_fields": text, **facts} for name, text in fields.items()])
    assert set(labelled(rows)["protocol"]) == {"smoke:draws=2"}
    edited = rows.assign(variant="ir=0.1")
    assert set(labelled(edited)["protocol"]) == {"smoke:draws=2", "smoke:draws=2 (draws=2)"}
