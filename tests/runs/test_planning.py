"""Everything a user can get wrong is found before any training, and a plan says what will be done."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from imbench.contract.errors import DataError, StoreError, UsageError
from imbench.runs.planning import plan
from imbench.store.store import Store
from tests.runs.conftest import STRATEGY


@pytest.fixture
def ask(tmp_path, table):
    """Plan the table's run, with some arguments changed."""

    def make(**changes):
        given = {"datasets": [table], "protocol": "smoke", "store": tmp_path / "store", **changes}
        return plan(**given)

    return make


def test_a_plan_counts_jobs_nets_and_steps(ask):
    made = ask(strategies=["baseline", "remix"])
    assert len(made.jobs) == len(made.pending) == 2
    assert made.nets == 2 * 2  # two strategies, one repeat of two folds
    rows = 180 + int(180 * 0.2)
    assert made.steps == 4 * 3 * (int(rows / 2 * 0.7) // 64)
    assert made.coverage == "Data ready: 1 dataset"


def test_without_names_every_installed_strategy_is_planned(ask):
    assert {"baseline", "batch-smote", "cost-adjusted", "mixup", "remix"} <= {j.strategy for j in ask().jobs}


def test_a_wrapper_waits_to_be_asked(ask):
    assert "augmented" not in {j.strategy_name for j in ask().jobs}


def test_equal_specs_are_one_job(ask, table):
    made = ask(strategies=["remix", "remix:alpha=0.1"], datasets=[table, table + ",seed=0"])
    assert len(made.jobs) == 1


def test_one_table_by_several_paths_is_one_job(ask, table, tmp_path, monkeypatch):
    path, _, options = table.partition(":")
    (tmp_path / "link.csv").symlink_to(path)
    shutil.copy(path, tmp_path / "copy.csv")
    monkeypatch.chdir(tmp_path)
    names = [path, "table.csv", "./table.csv", "link.csv", "copy.csv"]
    made = ask(strategies=["remix"], datasets=[f"{name}:{options}" for name in names])
    assert len(made.jobs) == 1
    assert made.coverage == "Data ready: 1 dataset"
    assert made.notes[1:3] == [
        f"{name}.csv has the same data as table.csv, which is trained on once" for name in ("link", "copy")
    ]


def test_other_tables_of_one_file_name_are_other_jobs(ask, table, tmp_path):
    path, _, options = table.partition(":")
    (tmp_path / "other").mkdir()
    pd.read_csv(path).iloc[1:].to_csv(tmp_path / "other" / "table.csv", index=False)
    made = ask(strategies=["remix"], datasets=[table, f"{tmp_path}/other/table.csv:{options}"])
    assert len({job.key for job in made.jobs}) == 2
    assert made.coverage == "Data ready: 2 datasets"


def test_a_dataset_named_twice_is_one_configuration(ask, table):
    assert ask(datasets=[table, table]).coverage == "Data ready: 1 dataset"


def test_columns_that_say_nothing_are_noted(ask, table, tmp_path):
    path, _, options = table.partition(":")
    pd.read_csv(path).assign(site=7, unit="cm").to_csv(tmp_path / "my.csv", index=False)
    made = ask(datasets=[f"{tmp_path}/my.csv:{options}"])
    assert "my.csv: 2 constant columns are left out: site, unit" in made.notes
    assert not any("constant" in note for note in ask().notes)


def test_a_broken_plugin_stops_only_a_run_that_asks_for_it(ask, install):
    install("imbench-mine", {"imbench.strategies": {"mine": "imbench_mine:Mine"}}, "import no_such_library")
    made = ask()
    assert "mine" not in {j.strategy for j in made.jobs}
    assert any("imbench-mine/mine" in note and "no_such_library" in note for note in made.notes)
    with pytest.raises(UsageError, match="no_such_library"):
        ask(strategies=["mine"])


IMAGES_ONLY = STRATEGY.replace("    strength", '    modalities: ClassVar = ("image",)\n    strength')


def test_a_strategy_asked_for_on_data_of_another_kind_is_refused_before_any_work(ask, table, plugin, tmp_path):
    plugin.write_text(IMAGES_ONLY)
    with pytest.raises(
        UsageError, match=r"mine:strength=2\.0 supports image data, and .*churn.* is tabular; remove one"
    ):
        ask(plugins=[str(plugin)], strategies=["baseline", "mine:strength=2"])
    assert not (tmp_path / "store").exists()


def test_a_strategy_nobody_asked_for_is_left_out_where_it_does_not_serve_the_data(ask, install):
    install("imbench-mine", {"imbench.strategies": {"mine": "imbench_mine:Mine"}}, IMAGES_ONLY)
    made = ask()
    assert "mine" not in {job.strategy for job in made.jobs}
    assert "skipped: mine (supports only image data, so not run on every dataset)" in made.notes


def test_a_strategy_is_run_on_those_datasets_that_it_serves(ask, install, table, tmp_path, unreachable):
    """A tabular and an image dataset: each strategy gets what it is for."""
    install("imbench-mine", {"imbench.strategies": {"mine": "imbench_mine:Mine"}}, IMAGES_ONLY)
    made = ask(datasets=[table, "cifar10:ir=0.1"], fetch=False)
    assert {job.variant.dataset for job in made.jobs if job.strategy == "mine"} == {"cifar10"}
    assert len({job.variant.dataset for job in made.jobs if job.strategy == "remix"}) == 2


BAD = [
    ({"strategies": ["remxi"]}, "did you mean remix"),
    ({"strategies": ["remix:alpha=0"]}, "must be positive"),
    ({"datasets": ["segmnt:ir=0.05"]}, "unknown dataset 'segmnt'; did you mean segment"),
    ({"datasets": ["segment:ir=0.001"]}, "keeps 1 row at ir=0.001; 4 are needed"),
    ({"datasets": ["segment:ir=0.9"]}, "has 330"),
    ({"datasets": ["segment:ir=2"]}, "between 0 and 1"),
    ({"datasets": ["segment:ratio=0.1"]}, "no parameter 'ratio'"),
    ({"datasets": ["musk2:task=multiclass"]}, "no task 'multiclass'"),
    ({"datasets": [], "suite": "tabluar"}, "unknown suite 'tabluar'"),
    ({"datasets": []}, "nothing to run"),
    ({"protocol": "papr"}, "unknown protocol 'papr'"),
    ({"settings": {"epoch": "3"}}, "no field 'epoch'"),
    ({"settings": {"epochs": "many"}}, "must be a whole number, got 'many'"),
    ({"settings": {"epochs": "0"}}, "epochs must be a positive whole number, got 0"),
    ({"settings": {"dropout": "1"}}, "dropout must be at least 0 and less than 1"),
    ({"plugins": ["nowhere.py"]}, "is not a Python file"),
    ({"data_mirror": "/no/such/mirror"}, "no/such/mirror"),
    ({"settings": {"folds": "1"}}, "folds=1 needs an official test part, which this dataset lacks"),
    ({"settings": {"folds": "0"}}, "folds must be at least 2, or 1 for the official test part, got 0"),
]


def test_a_suites_own_protocol_holds_unless_another_is_named(ask, table, tmp_path):
    suite = tmp_path / "mine.toml"
    suite.write_text(f'protocol = "smoke:epochs=7"\nconfigurations = ["{table}"]')
    given = {"suite": str(suite), "datasets": ()}
    assert ask(**given, protocol=None).protocol.name == "smoke:epochs=7"
    assert ask(**given, protocol=None, settings={"epochs": "2"}).protocol.name == "smoke:epochs=2"
    assert ask(**given, protocol="paper").protocol.name == "paper"
    assert ask(protocol=None).protocol.name == "standard"


def test_an_official_test_part_is_one_fold_a_repeat():
    made = plan(suite="longtail", strategies=["baseline"], fetch=False, store="no-store")
    job = next(job for job in made.jobs if job.variant.spec == "cifar10_lt:task=multiclass,ir=0.01")
    size = made.size(job)
    assert size.nets == 3
    assert size.ir == 0.01
    assert size.steps == 3 * 500 * (int(12406 * 0.9) // 128)


@pytest.mark.parametrize(("changes", "message"), BAD, ids=[str(c) for c, _ in BAD])
def test_bad_input_is_an_error_before_any_work(ask, changes, message, tmp_path, monkeypatch):
    monkeypatch.setenv("IMBENCH_CACHE", str(tmp_path / "cache"))
    with pytest.raises(UsageError, match=message):
        ask(**changes)
    assert not list(tmp_path.glob("store/jobs/*"))


def test_a_folder_that_is_no_store_is_refused(ask, tmp_path):
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "thesis.tex").write_text("precious")
    with pytest.raises(StoreError, match="neither empty nor an imbench store"):
        ask()


def test_a_plan_without_fetching_leaves_no_trace(ask, tmp_path, monkeypatch):
    monkeypatch.setenv("IMBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("IMBENCH_DATA_MIRROR", raising=False)
    made = ask(datasets=[], suite="tabular", fetch=False)
    assert len(made.configurations) == 27
    assert "musk2" in made.unfetched
    assert not (tmp_path / "store").exists()
    assert not (tmp_path / "cache").exists() or not list((tmp_path / "cache").rglob("*.parquet"))
    assert json.loads(json.dumps(made.to_json()))["nets"] == made.nets > 0


@pytest.fixture
def unreachable(tmp_path, monkeypatch):
    """A suite of the user's own whose first dataset is there and whose others cannot be had."""
    card = """
        title = "Nowhere"
        modality = "tabular"
        target = "y"
        rows = 100
        features = 3
        missing = 0
        [class_counts]
        a = 80
        b = 20
        [[task]]
        name = "binary"
        minority = ["b"]
    """
    (tmp_path / "nowhere.toml").write_text("\n".join(line.strip() for line in card.splitlines()))
    monkeypatch.setenv("IMBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("IMBENCH_DATA_MIRROR", raising=False)
    return str(tmp_path / "nowhere.toml")


def suite_of(tmp_path, *rows):
    path = tmp_path / "mine.toml"
    path.write_text(f'title = "Mine"\nconfigurations = [{", ".join(rows)}]\n')
    return str(path)


def test_a_suite_runs_with_the_datasets_that_are_there_and_says_so(ask, tmp_path, table, unreachable):
    made = ask(datasets=[], suite=suite_of(tmp_path, f'"{table}"', f'"{unreachable}"'))
    assert made.coverage == "Data ready: 1 of 2 configurations"
    assert [spec for spec, _ in made.unavailable] == [unreachable]


def test_a_stand_in_is_used_only_where_needed_and_stated(ask, tmp_path, table, unreachable):
    row = f'{{spec = "{unreachable}", fallback = "{table}"}}'
    made = ask(datasets=[], suite=suite_of(tmp_path, row))
    assert made.substituted == ((unreachable, table),)
    assert f"{table} replaces {unreachable}, which is unavailable" in made.notes


@pytest.mark.parametrize("fallback", ["", ', fallback = "{table},seed=1"'])
def test_strict_refuses_what_is_not_complete(ask, tmp_path, table, unreachable, fallback):
    rows = [f'"{table}"', f'{{spec = "{unreachable}"{fallback.format(table=table)}}}']
    with pytest.raises(DataError, match="is unavailable"):
        ask(datasets=[], suite=suite_of(tmp_path, *rows), strict=True)


def test_a_dataset_asked_for_by_name_must_be_there(ask, table, unreachable):
    with pytest.raises(DataError, match="nowhere"):
        ask(datasets=[table, unreachable])


def test_a_suite_of_which_nothing_is_there_is_an_error(ask, tmp_path, unreachable):
    with pytest.raises(DataError, match="is unavailable"):
        ask(datasets=[], suite=suite_of(tmp_path, f'"{unreachable}"'))


def test_moving_a_table_changes_no_key_and_changing_it_does(ask, tmp_path, table):
    before = ask(strategies=["remix"]).jobs[0].key
    path, rest = table.split(".csv")
    moved = tmp_path / "elsewhere.csv"
    original = Path(path + ".csv").read_text()
    moved.write_text(original)
    assert ask(datasets=[f"{moved}{rest}"], strategies=["remix"]).jobs[0].key == before
    moved.write_text(original.replace("red", "green", 1))
    assert ask(datasets=[f"{moved}{rest}"], strategies=["remix"]).jobs[0].key != before


def test_the_key_depends_on_what_the_numbers_depend_on(ask, table):
    first = ask(strategies=["remix"]).jobs[0].key
    assert ask(strategies=["remix"], protocol="smoke:epochs=3").jobs[0].key == first
    others = [
        ask(strategies=["remix:alpha=0.2"]),
        ask(strategies=["mixup"]),
        ask(strategies=["remix"], settings={"epochs": "4"}),
        ask(strategies=["remix"], datasets=[table + ",seed=1"]),
        ask(strategies=["remix"], datasets=[table.replace("ir=0.2", "ir=0.3")]),
    ]
    assert len({first, *(made.jobs[0].key for made in others)}) == 6


@pytest.fixture
def photos(tmp_path):
    """A folder of small images of two classes."""
    for label, count in (("cat", 40), ("dog", 12)):
        (tmp_path / "photos" / label).mkdir(parents=True)
        for i in range(count):
            Image.fromarray(np.full((12, 12, 3), i * 5, np.uint8)).save(tmp_path / "photos" / label / f"{i}.png")
    return f"{tmp_path / 'photos'}/"


def test_labels_of_every_installed_strategy_agree_with_their_identity(ask, photos, tmp_path):
    # A store takes a file whose labels do not agree for damaged.
    nested = ["augmented:inner=(remix:alpha=0.3)", "augmented:inner=(augmented:inner=mixup),rotation=0.1"]
    jobs = [*ask(datasets=[photos]).jobs, *ask(datasets=[photos], strategies=[*nested, "mixup:alpha=0.25"]).jobs]
    store = Store.open(tmp_path / "labelled", create=True)
    for job in jobs:
        store.fail(job, "an error", {"ir": 0.1})
    assert {"baseline", "remix", *nested} <= {job.strategy for job in jobs}
    assert set(store.frame()["key"]) == {job.key for job in jobs}
