"""The study of decisions end to end: what it trains on each side, and what it tells."""

from __future__ import annotations

import json

import pytest

import imbench as library
from imbench import RunRequest
from imbench.contract.errors import DataError
from imbench.reproduce import catalogue, decisions
from imbench.reproduce.context import ReproductionContext
from imbench.reproduce.decisions import DECISIONS, Decision

pytestmark = pytest.mark.data


@pytest.fixture
def context(tmp_path, mirror, monkeypatch):
    monkeypatch.setenv("IMBENCH_CACHE", str(tmp_path / "cache"))
    return ReproductionContext(
        RunRequest(store=tmp_path / "store", protocol="smoke", settings={"epochs": "2"}, data_mirror=mirror, jobs=1)
    )


def only(monkeypatch, *names):
    kept = tuple(decision for decision in DECISIONS if decision.name in names)
    monkeypatch.setattr(decisions, "DECISIONS", kept)


def test_each_way_is_trained_as_it_is_said_to_be(context, monkeypatch):
    only(monkeypatch, "last-batch", "draw", "loss", "schedule")
    item = catalogue.make("decisions", context)
    rows = library.load(context.store).frame()
    fields = rows["protocol_fields"].map(json.loads)
    assert set(rows["strategy"]) == {
        *("baseline", "batch-smote", "remix"),
        *("remix-two-step", "keras-loss", "keras-loss:inner=remix"),
    }
    assert {(f["drop_last"], f["schedule"]) for f in fields} == {
        *((True, "plateau"), (False, "plateau"), (True, "cosine"))
    }
    steps = rows.groupby(fields.map(lambda f: f["drop_last"]))["steps"].mean()
    assert steps.loc[False] > steps.loc[True]
    assert len(item.found) >= 4
    assert item.tables[0].frame["configurations"].tolist() == [1, 1, 1, 1]


def test_without_class_weights_cost_adjusted_is_the_baseline_again(context, monkeypatch):
    only(monkeypatch, "class-weights")
    item = decisions.decisions(context)
    table = item.tables[1].frame
    assert set(table["strategy"]) == {"cost-adjusted"}
    rows = library.load(context.store).frame()
    means = rows.groupby("strategy")[["gmean", "bbs"]].mean()
    for row in table.to_dict("records"):
        assert row["other"] == pytest.approx(means.loc["baseline", row["metric"]])
        assert row["ours"] == pytest.approx(means.loc["cost-adjusted", row["metric"]])
        best = means[row["metric"]].agg("max" if row["metric"] == "gmean" else "min")
        assert row["leads"] == (means.loc["remix", row["metric"]] == pytest.approx(best, abs=1e-6))
    assert "class weights ignored instead of each class weighs" in item.found[0]
    assert "cost-adjusted's mean g-mean changes by" in item.found[0]
    assert "most likely the baseline run again" in item.printed[0]


def test_keras_loss_gives_the_baseline_the_same_nets_but_for_rounding(context, monkeypatch):
    only(monkeypatch, "loss")
    table = decisions.decisions(context).tables[1].frame
    baseline = table[(table["strategy"] == "baseline") & (table["metric"] == "bbs")]
    assert baseline["difference"].abs().max() < 1e-4


def test_the_wide_net_is_four_times_as_wide_and_predicts_otherwise(context, monkeypatch):
    only(monkeypatch, "width")
    table = decisions.decisions(context).tables[1].frame
    assert (table["difference"].abs() > 0).any()
    rows = library.load(context.store).frame()
    divisors = {json.loads(text)["multiclass_width_divisor"] for text in rows["protocol_fields"]}
    assert divisors == {3.0, 0.75}


def test_imputation_is_measured_on_rows_with_missing_values(context, monkeypatch):
    only(monkeypatch, "imputation")
    item = decisions.decisions(context)
    table = item.tables[1].frame
    assert set(table["configuration"]) == {"ozone_onehr:ir=0.01"}
    assert set(table["strategy"]) == {"baseline", "remix"}
    # The other way's rows are no results of the benchmark: the main store has none of them.
    assert not (context.store / "jobs").exists()


def test_a_dataset_that_cannot_be_had_is_left_out_and_said_so(context, monkeypatch):
    lacking = Decision(
        "last-batch", "The last batch", "", "", "dropped", "kept", ("musk2:ir=0.05",), {"drop_last": "0"}
    )

    def refuse(*args, **options):
        raise DataError("no source has it")

    monkeypatch.setattr(decisions, "DECISIONS", (lacking,))
    monkeypatch.setattr(ReproductionContext, "train", refuse)
    item = decisions.decisions(context)
    assert "Skipped musk2:ir=0.05 for 'The last batch': no source has it" in item.basis
    assert item.found == ()
