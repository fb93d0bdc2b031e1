"""Runs with grouped and ordered splits: keys, what is refused before any training, and the rows of each part."""

import numpy as np
import pandas as pd
import pytest

from imbench.contract.errors import DataError
from imbench.runs.bench import run
from imbench.runs.planning import plan
from imbench.store.store import Store

ROWS = 240


@pytest.fixture
def data(tmp_path):
    """A function that writes a table with these groups and times, and returns the start of its spec."""

    def make(name="table.csv", **columns):
        rng = np.random.default_rng(0)
        y = np.where(np.arange(ROWS) % 4 == 0, "yes", "no")
        frame = pd.DataFrame(rng.normal(size=(ROWS, 3)) + (y == "yes")[:, None], columns=list("abc"))
        defaults = {"patient": np.arange(ROWS) // 8, "day": np.arange(ROWS)}
        frame.assign(y=y, **defaults | columns).to_csv(tmp_path / name, index=False)
        return f"{tmp_path / name}:target=y,group=patient,time=day"

    return make


@pytest.fixture
def planned(tmp_path):
    def make(spec, split, **changes):
        given = {
            "protocol": "smoke",
            "settings": {"split": split},
            "store": tmp_path / "store",
            "strategies": ["remix"],
        }
        return plan(datasets=[spec], **given | changes)

    return make


def test_the_key_of_a_grouped_job_depends_on_the_groups_and_that_of_a_stratified_one_does_not(data, planned):
    spec, others = data(), data("others.csv", patient=np.arange(ROWS) // 6)
    names = data("names.csv", patient=[f"p{i // 8}" for i in range(ROWS)])

    def keys(split):
        return [planned(one, split).jobs[0].key for one in (spec, others, names)]

    grouped, stratified, ordered = keys("grouped"), keys("stratified"), keys("ordered")
    assert grouped[0] == grouped[2] != grouped[1]
    assert len(set(stratified)) == len(set(ordered)) == 1
    assert len({grouped[0], stratified[0], ordered[0]}) == 3


@pytest.mark.parametrize(
    ("split", "columns", "spec", "message"),
    [
        (
            "grouped",
            {},
            "target=y",
            r"split=grouped needs a group column, .*; name it, .*table.csv:target=y,group=COLUMN",
        ),
        ("ordered", {}, "target=y", "split=ordered needs a time column"),
        ("grouped", {"patient": np.arange(ROWS) % 3}, "target=y,group=patient", "needs at least 4 groups of 'patient'"),
        ("ordered", {"day": np.arange(ROWS) % 4 == 0}, "target=y,time=day", "class 'yes' has no train row in repeat 0"),
    ],
)
@pytest.mark.parametrize("fetch", [True, False])
def test_an_impossible_split_is_refused_before_any_training(data, planned, split, columns, spec, message, fetch):
    path = data(**columns).partition(":")[0]
    with pytest.raises(DataError, match=message):
        planned(f"{path}:{spec}", split, fetch=fetch)


def test_a_split_set_for_one_dataset_leaves_the_others_stratified(data, planned, tmp_path):
    data()
    (tmp_path / "mine.toml").write_text(
        f'extends = "smoke"\n[exceptions."{tmp_path / "table.csv"}"]\nsplit = "grouped"\n'
    )
    specs = [f"{tmp_path / 'table.csv'}:target=y,group=patient", f"{tmp_path / 'other.csv'}:target=y"]
    data("other.csv", a=1.0)
    made = plan(datasets=specs, strategies=["remix"], protocol=str(tmp_path / "mine.toml"), store=tmp_path / "store")
    assert [job.protocol.split for job in made.jobs] == ["grouped", "stratified"]


@pytest.mark.parametrize("split", ["grouped", "ordered"])
def test_a_stored_run_tests_other_groups_or_later_rows_than_it_trained_on(data, tmp_path, split):
    spec, store = data(), tmp_path / "store"
    settings = {"split": split, "epochs": "1"}
    run(datasets=[f"{spec},ir=0.2"], strategies=["baseline"], protocol="smoke", settings=settings, store=store, jobs=1)
    kept = Store.open(store)
    (key,) = kept.keys()
    for fold in kept.predictions(key):
        if split == "grouped":
            assert not set(fold.test.rows // 8) & set(fold.validation.rows // 8)
        else:
            assert fold.validation.rows.max() < fold.test.rows.min()
