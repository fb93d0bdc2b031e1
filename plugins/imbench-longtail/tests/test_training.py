"""Every strategy trains: registered by its name, in the engine that serves it, on a small table."""

import numpy as np
import pandas as pd
import pytest
import torch
from longtail_made import EVERY, LOSSES, TABULAR

import imbench
import imbench_longtail as lt
from imbench.engine.choice import engine_for
from imbench.engine.fused import FusedNets
from imbench.engine.losses.custom import OwnLoss

NAMES = sorted({s.name for s in TABULAR})


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("longtail")
    rng = np.random.default_rng(0)
    kind = (rng.random(400) < 0.1).astype(int)
    table = pd.DataFrame(rng.normal(size=(400, 4)) + kind[:, None], columns=list("abcd")).assign(kind=kind)
    table.to_csv(folder / "table.csv", index=False)
    return imbench.run(
        datasets=[f"{folder / 'table.csv'}:target=kind"],
        strategies=["baseline", *NAMES, "ldam-drw:deferral=0.3"],
        protocol="smoke",
        store=folder / "store",
        jobs=1,
    )


@pytest.mark.parametrize("name", NAMES)
def test_strategy_has_trained(results, name):
    rows = results.frame().query("strategy == @name")
    assert len(rows)
    assert np.isfinite(rows["log_loss"]).all()


def test_late_weights_change_what_is_learnt(results):
    frame = results.frame()
    ldam, never, late = (
        frame[frame["strategy"] == spec]["log_loss"].tolist() for spec in ("ldam", "ldam-drw", "ldam-drw:deferral=0.3")
    )
    assert never == ldam  # of 3 epochs, 0 to 2, none is as late as 0.8 * 3
    assert late != ldam


def test_deferred_weights_set_in_where_other_nets_end_early(results):
    # At its floor from the beginning, and never better by as much.
    protocol = (
        "standard:epochs=10,repeats=1,patience=1,learning_rate=0.01,learning_rate_floor=0.01,plateau_min_delta=1.0"
    )
    table = results.store.parent / "table.csv"
    found = imbench.run(
        datasets=[f"{table}:target=kind"],
        strategies=["ldam", "ldam-drw", "progressive-sampling"],
        protocol=protocol,
        store=results.store.parent / "early",
        jobs=1,
    )
    by = dict(list(found.frame().groupby("strategy")))
    assert by["ldam"]["epochs"].max() < 10
    assert set(by["ldam-drw"]["epochs"]) == set(by["progressive-sampling"]["epochs"]) == {10}
    assert by["ldam-drw"]["log_loss"].tolist() != by["ldam"]["log_loss"].tolist()


@pytest.mark.parametrize("strategy", EVERY, ids=lambda s: s.spec)
def test_fused_engine_takes_all(strategy):
    assert engine_for(strategy, torch.device("cpu")) is FusedNets


@pytest.mark.parametrize("strategy", LOSSES, ids=lambda s: s.spec)
@pytest.mark.parametrize("classes", [2, 7])
def test_every_loss_is_compiled(strategy, classes):
    info = imbench.TrainingInfo(torch.arange(1.0, 2 * classes + 1).reshape(2, classes), epoch=8, epochs=9)
    assert OwnLoss(strategy).now(info) is not None


def test_cutmix_serves_images_alone():
    assert lt.CutMix.modalities == ("image",)
    assert all(s.modalities == ("tabular", "image") for s in TABULAR)
