"""Packages that bring strategies, datasets, suites, metrics and sources take part in a run as imbench's own do."""

import json

import numpy as np
import pandas as pd
import pytest

import imbench
from imbench.cli import main
from imbench.contract.errors import UsageError
from imbench.runs.bench import plan, run
from imbench.runs.registry import GROUPS, Registry
from tests.runs.conftest import STRATEGY

# A package of every kind of thing; importing it leaves a mark.
EVERYTHING = (
    """
from pathlib import Path
Path(__file__).with_name("imported").touch()

from imbench.data.card_file import read_card
from imbench.data.sources.kinds import KINDS
from imbench.data.sources.source_kind import SourceKind
from imbench.data.suites import Suite, SuiteEntry
from imbench.scoring.metrics import Metric

def _worst_recall(outcome):
    return float(outcome.recalls[outcome.present].min())

def _shelf_path(options):
    return str(Path(options["shelf"]) / options["book"])

def _from_shelf(card, options, downloads):
    return KINDS["file"].read(card, {"path": _shelf_path(options), "header": True}, downloads)

shelf = SourceKind(
    "shelf", {"shelf": (str, True), "book": (str, True)}, _from_shelf, lambda options, downloads: _shelf_path(options)
)
rings = read_card(Path(__file__).with_name("rings.toml"), "rings")
small = Suite("small", "A small suite", (SuiteEntry("rings:ir=0.2"),))

class Coin:
    def fit(self, X, y):
        return self

    def predict_proba(self, X):
        return [[0.5, 0.5]] * len(X)

worst_recall = Metric("worst_recall", "Worst recall", _worst_recall, True, "Smallest recall.", of_decisions=True)
"""
    + STRATEGY
)
POINTS = {
    "imbench.strategies": {"mine": "everything:Mine"},
    "imbench.datasets": {"rings": "everything:rings"},
    "imbench.suites": {"small": "everything:small"},
    "imbench.metrics": {"worst_recall": "everything:worst_recall"},
    "imbench.sources": {"shelf": "everything:shelf"},
    "imbench.references": {"coin": "everything:Coin"},
}
CARD = """
title = "Rings"
target = "kind"
rows = 240
features = 3
class_counts = { no = 180, yes = 60 }
[[task]]
name = "binary"
minority = ["yes"]
[[source]]
kind = "file"
path = "rings.csv"
header = true
"""


@pytest.fixture
def everything(install, tmp_path, monkeypatch):
    """The package, installed; the folder it is in."""
    rng = np.random.default_rng(0)
    kind = np.repeat(["no", "yes"], [180, 60])
    frame = pd.DataFrame(rng.normal(size=(240, 3)) + 2 * (kind == "yes")[:, None], columns=list("abc"))
    install("everything", POINTS, EVERYTHING)
    for folder in (tmp_path, tmp_path / "site"):
        frame.assign(kind=kind).to_csv(folder / "rings.csv", index=False)
    (tmp_path / "site" / "rings.toml").write_text(CARD)
    monkeypatch.setenv("IMBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("IMBENCH_DATA_MIRROR", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "site"


@pytest.mark.parametrize("kind", GROUPS)
def test_everything_is_listed_without_being_imported(everything, kind, capsys):
    (name,) = POINTS[GROUPS[kind]]
    assert name in [entry.name for entry in Registry().entries(kind)]
    plural = {"strategy": "strategies"}.get(kind, f"{kind}s")
    assert main(["list", plural]) == 0
    assert name in capsys.readouterr().out
    assert not (everything / "imported").exists()


def test_a_plugins_kind_of_source_is_in_a_card_in_the_table_of_data_and_in_a_run(everything, capsys):
    """The card is a file of the user's, which names the kind."""
    shelved = CARD.partition("[[source]]")[0] + '[[source]]\nkind = "shelf"\nshelf = "."\nbook = "rings.csv"\n'
    (everything.parent / "mine.toml").write_text(shelved)
    (everything / "rings.toml").write_text(shelved)
    assert main(["data", "--json"]) == 0
    (status,) = [row for row in json.loads(capsys.readouterr().out) if row["name"] == "rings"]
    assert (status["state"], status["detail"]) == ("reachable", "shelf")
    results = run(datasets=["mine.toml:ir=0.2"], strategies=["baseline"], protocol="smoke", jobs=1)
    assert len(results.frame()) == 2
    (everything.parent / "rings.csv").rename(everything.parent / "away.csv")
    assert main(["data", "--json"]) == 0
    (status,) = [row for row in json.loads(capsys.readouterr().out) if row["name"] == "rings"]
    assert (status["state"], status["detail"]) == ("unreachable", "shelf: rings.csv does not exist")
    assert main(["list", "sources"]) == 0
    assert "everything" in capsys.readouterr().out
    assert main(["info", "shelf", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["fields"] == {"shelf": "str, required", "book": "str, required"}


def test_a_run_of_a_plugins_suite_strategy_and_metric_ranks_them(everything, capsys):
    options = ["--protocol", "smoke", "--jobs", "2", "--quiet", "--metric", "worst_recall"]
    assert main(["run", "--suite", "small", "--strategy", "mine", "--strategy", "baseline", *options]) == 0
    told = capsys.readouterr().out
    assert "binary, Worst recall (higher is better)" in told
    assert "mine" in told
    frame = imbench.load("imbench-store", metrics=["everything/worst_recall"]).frame()
    assert set(frame["dataset"]) == {"rings"}
    smallest = frame[["recall[0]", "recall[1]"]].min(axis=1)
    pd.testing.assert_series_equal(frame["worst_recall"], smallest, check_names=False)
    assert "worst_recall@tuned" in frame


def test_a_plugins_metric_stands_in_reports_and_tests_of_a_store_made_without_it(everything, table, capsys):
    imbench.run(datasets=[table, f"{table},seed=1"], strategies=["baseline", "remix"], protocol="smoke", jobs=1)
    assert main(["report", "--metric", "worst_recall", "--metric", "gmean"]) == 0
    capsys.readouterr()
    assert "Worst recall" in (everything.parent / "imbench-report" / "index.html").read_text()
    assert main(["evaluate", "imbench-store", "--metric", "worst_recall"]) == 0
    assert "Worst recall" in capsys.readouterr().out
    assert "worst_recall" not in imbench.load("imbench-store").frame()


@pytest.mark.parametrize(
    ("change", "option", "code", "message"),
    [
        # Found when it is computed, after training.
        (("return float(outcome", "return float(no_such"), ["--metric", "worst_recall"], 1, "NameError"),
        (('Metric("worst_recall"', 'Metric("other"'), ["--metric", "worst_recall"], 2, "has the name 'other'"),
        (("worst_recall = Metric", "wors = Metric"), ["--metric", "worst_recall"], 2, "package everything 1.0"),
        (("small = Suite(", "small = dict(name="), ["--suite", "small"], 2, "package everything 1.0"),
        (("small = Suite(", "small = str; Suite("), ["--suite", "small"], 2, "is a type, not a Suite"),
    ],
)
def test_what_is_broken_is_named_with_its_package_and_stops_only_who_asked(
    everything, table, change, option, code, message, capsys
):
    module = everything / "everything.py"
    module.write_text(module.read_text().replace(*change))
    asked = ["run", "--dataset", table, "--strategy", "baseline", "--protocol", "smoke", "--jobs", "1", "--quiet"]
    assert main([*asked, *option]) == code
    assert message in capsys.readouterr().err
    assert main(asked) == 0


def test_a_broken_package_is_told_by_the_list_that_checks(install, capsys):
    install("broken", {"imbench.strategies": {"torn": "broken:Torn"}}, "import no_such_library")
    assert main(["list", "strategies"]) == 0
    assert "torn" in capsys.readouterr().out
    assert main(["list", "strategies", "--check"]) == 1
    told = " ".join(capsys.readouterr().out.split())
    assert "broken: strategy 'torn' of package broken 1.0 cannot be loaded" in told
    assert "No module named 'no_such_library'; repair or uninstall broken" in told


@pytest.mark.parametrize("kind", ["strategies", "datasets", "suites", "metrics", "sources"])
def test_all_that_imbench_brings_passes_the_check(kind, capsys, monkeypatch):
    monkeypatch.setenv("IMBENCH_DISABLE_PLUGINS", "1")
    assert main(["list", kind, "--check"]) == 0
    assert "all entries load" in capsys.readouterr().out


def test_a_broken_strategy_is_left_out_of_a_run_of_all_and_said(install, table, tmp_path):
    install("broken", {"imbench.strategies": {"torn": "broken:Torn"}}, "raise RuntimeError('torn apart')")
    made = plan(datasets=[table], protocol="smoke", store=tmp_path / "store")
    assert "torn" not in {job.strategy for job in made.jobs}
    assert any("broken/torn" in note and "torn apart" in note for note in made.notes)


@pytest.fixture
def two(install):
    """Two packages with strategies of one name that differ."""
    for package, strength in (("first", "1.0"), ("second", "2.0")):
        source = STRATEGY.replace("strength: float = 1.0", f"strength: float = {strength}")
        install(package, {"imbench.strategies": {"mine": f"{package}:Mine"}}, source)


def test_strategies_of_one_name_run_side_by_side_under_their_qualified_names(two, table, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    chosen = ["--strategy", "first/mine", "--strategy", "second/mine:strength=3"]
    asked = ["run", "--dataset", table, *chosen, "--protocol", "smoke", "--jobs", "2", "--quiet"]
    assert main(asked) == 0
    told = capsys.readouterr().out
    assert "first/mine" in told
    assert "second/mine:strength=3" in told
    frame = imbench.load("imbench-store").frame()
    assert set(frame["strategy"]) == {"first/mine", "second/mine:strength=3.0"}
    assert frame["key"].nunique() == 2
    assert main(["list", "strategies"]) == 0
    assert "second/mine" in capsys.readouterr().out


def test_a_qualified_name_that_is_not_needed_is_dropped(install, table, tmp_path):
    install("first", {"imbench.strategies": {"mine": "first:Mine"}}, STRATEGY)
    made = plan(datasets=[table], strategies=["first/mine", "mine"], protocol="smoke", store=tmp_path / "store")
    assert [job.strategy for job in made.jobs] == ["mine"]


def test_a_name_that_imbench_has_too_is_refused_and_imbenchs_results_stay_its_own(install, table, tmp_path):
    def asked(*strategies):
        return plan(datasets=[table], strategies=strategies, protocol="smoke", store=tmp_path / "store").jobs

    (before,) = asked("remix")
    shadow = STRATEGY.replace('"mine"', '"remix"')
    install("shadow", {"imbench.strategies": {"remix": "shadow:Mine"}}, shadow)
    with pytest.raises(UsageError, match="registered by imbench and shadow; write imbench/remix or shadow/remix"):
        asked("remix")
    own, other = asked("imbench/remix", "shadow/remix")
    assert (own.key, own.strategy) == (before.key, "remix")
    assert other.strategy == "shadow/remix"
    assert Registry().planned_strategy("remix").spec == "remix"
    assert type(Registry().planned_strategy("shadow/remix")).__module__ == "shadow"


def test_a_dataset_that_two_packages_have_is_called_by_its_package(everything, install, tmp_path):
    install("others", {"imbench.datasets": {"rings": "everything:rings"}})
    with pytest.raises(UsageError, match="registered by everything and others"):
        plan(datasets=["rings"], protocol="smoke", store=tmp_path / "store")
    results = imbench.run(datasets=["others/rings:ir=0.2"], strategies=["baseline"], protocol="smoke", jobs=1)
    assert set(results.frame()["dataset"]) == {"others/rings"}
    assert not len(results.failures())


def test_plugin_files_take_part_in_lists_info_and_runs_with_worker_processes(plugin, table, tmp_path, capsys):
    other = tmp_path / "other.py"
    other.write_text(STRATEGY.replace('"mine"', '"yours"'))
    files = ["--plugin", str(plugin), "--plugin", str(other)]
    assert main(["list", "strategies", *files]) == 0
    listed = capsys.readouterr().out
    assert "mine" in listed
    assert "yours" in listed
    assert main(["info", "yours:strength=2", *files]) == 0
    assert "yours:strength=2.0" in capsys.readouterr().out
    chosen = ["--strategy", "mine", "--strategy", "yours", "--store", str(tmp_path / "store")]
    assert main(["run", "--dataset", table, *files, *chosen, "--protocol", "smoke", "--jobs", "2", "--quiet"]) == 0


def test_a_plugin_file_given_twice_is_one_file(plugin, monkeypatch):
    monkeypatch.chdir(plugin.parent)
    registry = Registry((str(plugin), plugin.name))
    assert registry.strategy("mine").name == "mine"


def test_two_files_with_one_strategy_are_told_apart_by_their_names(plugin, table, tmp_path):
    other = tmp_path / "other.py"
    other.write_text(STRATEGY)
    files = (str(plugin), str(other))
    with pytest.raises(UsageError, match="write my_strategy/mine or other/mine"):
        Registry(files).strategy("mine")
    chosen = ["my_strategy/mine", "other/mine"]
    store = tmp_path / "store"
    results = imbench.run(datasets=[table], strategies=chosen, plugins=files, protocol="smoke", store=store, jobs=2)
    assert set(results.frame()["strategy"]) == set(chosen)
    assert not len(results.failures())


def test_two_files_of_one_name_with_one_strategy_cannot_be_told_apart(plugin, tmp_path):
    (tmp_path / "sub").mkdir()
    twin = tmp_path / "sub" / plugin.name
    twin.write_text(STRATEGY)
    with pytest.raises(UsageError, match="rename one of the files"):
        Registry((str(plugin), str(twin))).strategy("mine")


def test_a_file_with_a_name_of_imbenchs_is_refused_until_qualified(tmp_path):
    path = tmp_path / "own.py"
    path.write_text(STRATEGY.replace('"mine"', '"remix"'))
    registry = Registry((str(path),))
    with pytest.raises(UsageError, match="write imbench/remix or own/remix"):
        registry.strategy("remix")
    assert registry.select("own/remix:strength=2").spec == "own/remix:strength=2.0"
    assert registry.select("imbench/remix").spec == "remix"


def test_a_plugin_file_is_read_again_once_it_changed_or_another_has_its_name(tmp_path, monkeypatch):
    text = """
from dataclasses import dataclass
from imbench import BatchStrategy

@dataclass(frozen=True)
class Own(BatchStrategy):
    name = "{name}"

    def rebalance(self, batch, info, noise):
        return batch
"""
    for folder, name in (("one", "first"), ("two", "second"), ("two", "third")):
        (tmp_path / folder).mkdir(exist_ok=True)
        monkeypatch.chdir(tmp_path / folder)
        (tmp_path / folder / "own.py").write_text(text.format(name=name))
        own = [entry.name for entry in Registry(("own.py",)).entries("strategy") if entry.package == "own.py"]
        assert own == [name]
