"""A mirror with a damaged file costs nothing where another source has the dataset, and leaves no failure behind."""

import hashlib
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import imbench
from imbench.runs.bench import plan
from imbench.runs.plan import NOT_FETCHED
from imbench.store.store import Store

CARD = """
title = "Made up"
target = "y"
rows = 120
features = 3

[class_counts]
a = 80
b = 40

[[task]]
name = "binary"
minority = ["b"]

[[source]]
kind = "file"
path = "good.csv"
header = true
"""


@pytest.fixture
def asked(tmp_path, monkeypatch):
    """Arguments of a run on a card whose mirror has a right manifest and a file that is cut short."""
    monkeypatch.setenv("IMBENCH_CACHE", str(tmp_path / "cache"))
    y = np.repeat(["a", "b"], [80, 40])
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(120, 3)) + (y == "b")[:, None], columns=list("uvw"))
    frame["y"] = y
    frame.to_csv(tmp_path / "good.csv", index=False)
    (tmp_path / "made.toml").write_text(CARD)
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    frame.rename(columns={"y": "target"}).to_parquet(mirror / "made.parquet", index=False)
    content = (mirror / "made.parquet").read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    (mirror / "MANIFEST.toml").write_text(f'[dataset.made]\nfile = "made.parquet"\nsha256 = "{digest}"\n')
    (mirror / "made.parquet").write_bytes(content[: len(content) // 2])
    return {
        "datasets": [str(tmp_path / "made.toml")],
        "strategies": ["baseline"],
        "protocol": "smoke",
        "settings": {"epochs": "2"},
        "store": tmp_path / "store",
        "data_mirror": str(mirror),
        "checks": False,
        "jobs": 1,
    }


def test_jobs_of_a_dataset_whose_mirror_is_damaged_train_on_the_next_source(asked):
    (job,) = plan(**asked).jobs
    assert job.data_hash != NOT_FETCHED
    results = imbench.run(**asked)
    assert not len(results.failures())
    assert set(results.frame()["data_hash"]) == {job.data_hash}
    assert Store.open(asked["store"], create=False).failed_keys() == []
    assert plan(**asked).pending == ()


def test_a_failure_stored_for_want_of_a_data_hash_is_forgotten(asked):
    (job,) = plan(**asked).jobs
    store = Store.open(asked["store"], create=True)
    store.fail(
        replace(job, data_hash=NOT_FETCHED), "DataError: the data changed since the run was planned", {"ir": 0.5}
    )
    assert len(store.failed_keys()) == 1
    imbench.run(**asked)
    assert store.failed_keys() == []
    assert store.status().failed == 0
