"""Two stores compared, checked against statsmodels, scipy and formulas written out."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from imbench.contract.errors import UsageError
from imbench.store.compare import compare
from imbench.store.store import Store
from tests.made_results import FACTS, PROTOCOL, job, predictions

LONG = dataclasses.replace(PROTOCOL, name="long", repeats=10)


def rows_of(folder, *jobs):
    """The rows of a store with these (job, skill, seed of the predictions)."""
    store = Store.open(folder, create=True)
    for one, skill, seed in jobs:
        store.write(one, predictions(one, skill=skill, seed=seed, rows=80), FACTS)
    return store.frame()


def test_a_store_does_not_differ_from_itself(tmp_path):
    rows = rows_of(tmp_path / "a", (job("a"), 1.0, 0), (job("b"), 1.0, 1))
    found = compare(rows, rows)
    assert len(found.table) == 4
    assert found.table["p"].tolist() == [1.0] * 4
    assert found.beyond_noise.empty
    assert found.unpaired == ()


def test_a_difference_beyond_noise_is_found_and_signed(tmp_path):
    a = rows_of(tmp_path / "a", (job("a", protocol=LONG), 0.1, 0), (job("b", protocol=LONG), 1.0, 1))
    b = rows_of(tmp_path / "b", (job("a", protocol=LONG), 4.0, 0), (job("b", protocol=LONG), 1.0, 1))
    beyond = compare(a, b).beyond_noise
    assert set(beyond["dataset"]) == {"a"}
    signs = {row["metric"]: np.sign(row["difference"]) for row in beyond.to_dict("records")}
    assert signs == {"gmean": 1, "bbs": -1}


def test_the_t_test_is_that_of_nadeau_and_bengio_over_paired_folds(tmp_path):
    a = rows_of(tmp_path / "a", (job(protocol=LONG), 0.5, 0))
    b = rows_of(tmp_path / "b", (job(protocol=LONG), 1.0, 0))
    row = compare(a, b, ["bbs"]).table.iloc[0]
    d = (b["bbs"] - a["bbs"]).to_numpy()
    ratio = a["n_test"].iloc[0] / a["n_train"].iloc[0]
    t = d.mean() / math.sqrt((1 / 20 + ratio) * d.var(ddof=1))
    assert row["t"] == pytest.approx(t)
    assert row["p"] == pytest.approx(2 * stats.t.sf(abs(t), 19))
    assert (row["folds"], row["difference"]) == (20, pytest.approx(d.mean()))


def test_a_metric_without_two_common_folds_counts_for_nothing_in_holms_correction(tmp_path):
    a = rows_of(tmp_path / "a", (job("a"), 0.5, 0), (job("b"), 0.5, 0))
    b = rows_of(tmp_path / "b", (job("a"), 1.0, 0), (job("b"), 1.0, 0))
    a.loc[a["dataset"] == "a", "bbs"] = math.nan
    table = compare(a, b, ["gmean", "bbs"]).table
    undefined = table["p"].isna()
    assert undefined.tolist() == ((table["dataset"] == "a") & (table["metric"] == "bbs")).tolist()
    assert table.loc[~undefined, "p_holm"].to_numpy() == pytest.approx(
        multipletests(table.loc[~undefined, "p"], method="holm")[1]
    )
    assert not table.loc[undefined, "beyond_noise"].any()


def test_a_shorter_protocol_is_held_against_the_full_one(tmp_path):
    short = dataclasses.replace(PROTOCOL, name="short", epochs=5)
    a = rows_of(tmp_path / "a", (job("a"), 1.0, 0), (job("a", "mixup"), 1.0, 0))
    b = rows_of(tmp_path / "b", (job("a", protocol=short), 1.0, 0), (job("a", "mixup", protocol=short), 1.0, 0))
    found = compare(a, b)
    assert set(found.table["protocol"]) == {"quick | short"}
    assert len(found.table) == 4
    assert found.unpaired == ()


def test_the_same_protocol_is_the_closer_partner(tmp_path):
    short = dataclasses.replace(PROTOCOL, name="short", epochs=5)
    a = rows_of(tmp_path / "a", (job("a"), 1.0, 0))
    b = rows_of(tmp_path / "b", (job("a"), 1.0, 0), (job("a", protocol=short), 1.0, 0))
    found = compare(a, b)
    assert set(found.table["protocol"]) == {"quick"}
    assert [(u.store, u.protocol) for u in found.unpaired] == [("B", "short")]


def test_versions_of_a_strategy_are_partners(tmp_path):
    a = rows_of(tmp_path / "a", (job("a"), 1.0, 0))
    b = rows_of(tmp_path / "b", (job("a", version="2"), 1.0, 0))
    assert len(compare(a, b).table) == 2


def test_jobs_without_a_partner_are_listed(tmp_path):
    a = rows_of(tmp_path / "a", (job("a"), 1.0, 0), (job("b"), 1.0, 0))
    b = rows_of(tmp_path / "b", (job("a"), 1.0, 0), (job("a", data="other"), 1.0, 0))
    unpaired = [(u.store, u.dataset, u.reason) for u in compare(a, b).unpaired]
    assert [(store, dataset) for store, dataset, _ in unpaired] == [("A", "b"), ("B", "a")]


def test_a_table_by_two_paths_is_one_dataset(tmp_path):
    a = rows_of(tmp_path / "a", (job("/mine/t.csv", data="one"), 1.0, 0), (job("only.csv", data="two"), 1.0, 0))
    b = rows_of(tmp_path / "b", (job("../yours/t.csv", data="one"), 1.0, 0))
    found = compare(a, b)
    assert set(found.table["dataset"]) == {"t.csv"}
    assert [u.dataset for u in found.unpaired] == ["only.csv"]


def test_folds_of_other_rows_are_no_pairs(tmp_path):
    a = rows_of(tmp_path / "a", (job("a"), 1.0, 0))
    b = rows_of(tmp_path / "b", (job("a"), 1.0, 5))
    found = compare(a, b)
    assert found.table.empty
    assert {u.reason for u in found.unpaired} == {"its counterpart has no fold with the same rows"}


def test_failed_jobs_take_no_part(tmp_path):
    a = rows_of(tmp_path / "a", (job("a"), 1.0, 0))
    store = Store.open(tmp_path / "b", create=True)
    store.fail(job("a"), "diverged", {})
    assert compare(a, store.frame()).table.empty


def test_another_rule_compares_its_columns(tmp_path):
    a = rows_of(tmp_path / "a", (job("a"), 0.3, 0))
    b = rows_of(tmp_path / "b", (job("a"), 0.9, 0))
    row = compare(a, b, ["gmean"], rule="tuned").table.iloc[0]
    assert (row["mean_a"], row["mean_b"]) == pytest.approx((a["gmean@tuned"].mean(), b["gmean@tuned"].mean()))


@pytest.mark.parametrize(
    ("options", "message"),
    [({"metrics": ["acc"]}, "unknown metric 'acc'"), ({"rule": "x"}, "unknown decision rule"), ({"alpha": 5}, "alpha")],
)
def test_what_cannot_be_compared_is_named(tmp_path, options, message):
    rows = rows_of(tmp_path / "a", (job("a"), 1.0, 0))
    with pytest.raises(UsageError, match=message):
        compare(rows, rows, **options)
