"""A run from the command line, down to the share of batches that could not be served."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

import imbench

SPECS = [f"imblearn:sampler={name}" for name in ("SMOTE", "BorderlineSMOTE", "RandomUnderSampler", "SMOTEENN")]


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """A table of 400 rows, 16 of them of the smaller class."""
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], [384, 16])
    frame = pd.DataFrame(rng.normal(size=(400, 4)) + y[:, None], columns=list("abcd")).assign(kind=y)
    path = tmp_path_factory.mktemp("data") / "table.csv"
    frame.to_csv(path, index=False)
    return f"{path}:target=kind"


@pytest.fixture(scope="module")
def ran(table, tmp_path_factory):
    store = tmp_path_factory.mktemp("run") / "store"
    chosen = [part for spec in ("baseline", *SPECS) for part in ("--strategy", spec)]
    options = ["--protocol", "smoke", "--store", str(store), "--jobs", "1", "--json"]
    command = [sys.executable, "-m", "imbench", "run", "--dataset", table, *options, *chosen]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), imbench.load(store)


def test_every_sampler_stands_on_the_leaderboard(ran):
    told, _ = ran
    assert {row["strategy"] for row in told["leaderboards"][0]["rows"]} == {"baseline", *SPECS}


def test_batches_that_could_not_be_served_are_counted(ran):
    """A batch has 1.4 rows of the smaller class on average; SMOTE asks for 6, drawing at random for 1."""
    told, results = ran
    shares = results.frame().groupby("strategy")["fallback_share"].mean()
    empty = results.frame().groupby("strategy")["empty_batches"].mean()
    assert np.isnan(shares["baseline"])
    assert shares["imblearn:sampler=SMOTE"] > 0.9
    assert shares["imblearn:sampler=RandomUnderSampler"] == pytest.approx(empty["imblearn:sampler=RandomUnderSampler"])
    assert told["leaderboards"][0]["fallbacks"]["imblearn:sampler=SMOTE"] == pytest.approx(
        shares["imblearn:sampler=SMOTE"]
    )


def test_the_strategy_is_listed_and_described():
    done = subprocess.run(
        [sys.executable, "-m", "imbench", "info", "imblearn:sampler=ADASYN,n_neighbors=3", "--json"],
        capture_output=True,
        text=True,
        check=True,
    )
    facts = json.loads(done.stdout)
    assert facts["name"] == "imblearn:sampler=ADASYN,n_neighbors=3"
    assert facts["package"].startswith("imbench-imblearn ")
    assert facts["parameters"] == {"sampler": "ADASYN", "n_neighbors": 3}
