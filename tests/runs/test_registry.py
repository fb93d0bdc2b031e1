"""Names come from metadata; objects are loaded on selection; whatever is wrong is said with its owner."""

import pickle
import subprocess
import sys

import pytest

import imbench
from imbench.contract.errors import UsageError
from imbench.runs.registry import Registry
from tests.runs.conftest import STRATEGY

BUILT_IN = ["baseline", "batch-smote", "cost-adjusted", "mixup", "remix"]


def test_the_built_in_strategies_come_from_entry_points():
    entries = {e.name: e for e in Registry().entries("strategy")}
    assert set(BUILT_IN) <= set(entries)
    assert entries["remix"].package == "imbench"
    assert entries["remix"].value == "imbench.strategies.remix:ReMix"


def test_the_backport_of_importlib_metadata_changes_nothing():
    # It replaces the finder of Python's own module in the whole process, so it needs one of its own.
    pytest.importorskip("importlib_metadata")
    code = "import importlib_metadata, imbench; print(imbench.strategy('remix').spec)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("remix\n", "")


def test_a_strategy_is_made_from_its_spec():
    strategy = imbench.strategy("remix:alpha=0.3")
    assert (strategy.name, strategy.alpha) == ("remix", 0.3)


@pytest.mark.parametrize("name", BUILT_IN)
def test_specs_of_one_meaning_are_one_strategy(name):
    plain = imbench.strategy(name)
    full = imbench.strategy(f"imbench/{name}:" + ",".join(f"{k}={v}" for k, v in plain.params.items()))
    assert plain == full
    assert hash(plain) == hash(full)
    assert plain.spec == full.spec == name
    assert pickle.loads(pickle.dumps(plain)) == plain


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("remixx", "unknown strategy 'remixx'; did you mean remix"),
        ("zzz", "there are .*baseline"),
        ("remix:beta=1", "remix:beta=1 has no parameter 'beta'; there is alpha"),
        ("remix:alpha=much", "alpha must be a number, got 'much'"),
        ("remix:alpha=nan", "alpha must be a finite number, got 'nan'"),
        ("remix:alpha=-0.1", "ReMix.alpha must be positive, got -0.1"),
        ("remix:alpha=0", "ReMix.alpha must be positive, got 0"),
        ("remix:alpha", "'alpha' in 'remix:alpha' is not key=value"),
        ("mixup:alpha=1,alpha=2", "'alpha' is given twice"),
        ("", "has no name"),
    ],
)
def test_a_bad_spec_names_the_thing_the_value_and_the_fix(spec, message):
    with pytest.raises(UsageError, match=message.replace("(", r"\(")):
        imbench.strategy(spec)


def test_a_plugin_is_listed_without_being_imported(install):
    install("imbench-mine", {"imbench.strategies": {"mine": "imbench_mine:Mine"}}, "raise SystemError('imported')")
    assert "mine" in [e.name for e in Registry().entries("strategy")]


def test_an_installed_plugin_is_a_strategy_like_any_other(install):
    install("imbench-mine", {"imbench.strategies": {"mine": "imbench_mine:Mine"}}, STRATEGY)
    assert imbench.strategy("mine:strength=2").spec == "mine:strength=2.0"


def test_a_broken_plugin_is_named_with_its_package_and_reason(install):
    install("imbench-mine", {"imbench.strategies": {"mine": "imbench_mine:Mine"}}, "import no_such_library")
    with pytest.raises(UsageError, match=r"package imbench-mine 1\.0 .*no_such_library.*uninstall imbench-mine"):
        imbench.strategy("mine")


def test_two_packages_with_one_name_are_both_named_and_can_be_told_apart(install):
    for package in ("first", "second"):
        install(package, {"imbench.strategies": {"mine": f"{package}:Mine"}}, STRATEGY)
    with pytest.raises(UsageError, match="registered by first and second; write first/mine or second/mine"):
        imbench.strategy("mine")
    assert imbench.strategy("second/mine").name == "mine"


def test_plugins_can_be_switched_off(install, monkeypatch):
    install("imbench-mine", {"imbench.strategies": {"mine": "imbench_mine:Mine"}}, STRATEGY)
    monkeypatch.setenv("IMBENCH_DISABLE_PLUGINS", "1")
    assert {e.package for e in Registry().entries("strategy")} == {"imbench"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("(BatchStrategy)", "()"), "is not a subclass of imbench.BatchStrategy"),
        (("frozen=True", "frozen=False"), "must be a frozen dataclass"),
        (("def rebalance", "def rebalanced"), "is abstract; define rebalance"),
        (('"mine"', '"yours"'), "calls itself 'yours'; set name = 'mine'"),
    ],
)
def test_a_class_that_is_no_strategy_is_refused_with_what_to_change(install, change, message):
    install("imbench-mine", {"imbench.strategies": {"mine": "imbench_mine:Mine"}}, STRATEGY.replace(*change))
    with pytest.raises(UsageError, match=message):
        imbench.strategy("mine")


def test_a_plugin_file_registers_its_strategies(plugin):
    registry = Registry((str(plugin),))
    assert registry.strategy("mine:strength=3").strength == 3.0
    assert registry.find("strategy", "mine").package == str(plugin)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "is not a Python file"),
        ("x = 1", "defines no strategy"),
        ("def", "cannot be loaded: SyntaxError"),
        ("import no_such_library", "cannot be loaded: ModuleNotFoundError"),
    ],
)
def test_a_bad_plugin_file_says_what_is_wrong(tmp_path, content, message):
    path = tmp_path / "bad_plugin.py"
    if content is not None:
        path.write_text(content)
    with pytest.raises(UsageError, match=message):
        Registry((str(path),)).entries("strategy")
