"""What a plugin may be called, and plugins whose import ends the process: both are named with their package."""

import json
from html.parser import HTMLParser

import pytest

from imbench.cli import main
from imbench.contract.errors import UsageError
from imbench.contract.spec import check_name
from imbench.runs.registry import GROUPS, Registry
from imbench.scoring.metrics import METRICS, Metric
from tests.runs.conftest import STRATEGY

BAD = ["a/b", "</script>", " mine", "mine ", "baseline+tuned", "a:b", "a,b", "a\nb", "", "1st", "each", "None", "naïve"]
BAD += ["a" * 101, "x.csv", "mine.py", "a\x1b[31m", "-a", "a b"]
EXITS = {
    "sys.exit": "import sys; sys.exit('I end it all')",
    "exit code": "raise SystemExit(7)",
    "generator exit": "raise GeneratorExit('gone')",
    "own kind": "class Mine(BaseException): pass\nraise Mine('of its own')",
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_name_is_refused_with_what_a_name_may_be(name):
    with pytest.raises(UsageError, match=r"strategy of mine has the name .*starts with a letter"):
        check_name(name, "strategy of mine")


@pytest.mark.parametrize("kind", GROUPS)
def test_every_installed_name_is_a_name(kind):
    for entry in Registry().entries(kind):
        check_name(entry.name, entry.package)


@pytest.mark.parametrize("name", ["a/b", "</script>", " mine", "baseline+tuned"])
def test_a_plugin_file_with_a_bad_name_is_refused_before_any_work(tmp_path, table, name, capsys):
    path = tmp_path / "own.py"
    path.write_text(STRATEGY.replace('"mine"', repr(name)))
    store = tmp_path / "store"
    assert main(["run", "--dataset", table, "--plugin", str(path), "--protocol", "smoke", "--store", str(store)]) == 2
    told = " ".join(capsys.readouterr().err.split())
    assert repr(name) in told
    assert "own.py" in told
    assert "starts with a letter" in told
    assert not store.exists()


def test_a_name_that_is_a_property_is_refused(tmp_path):
    path = tmp_path / "own.py"
    path.write_text(STRATEGY.replace('name: ClassVar[str] = "mine"', "name = property(lambda self: 'mine')"))
    with pytest.raises(UsageError, match=r"Mine of plugin .*own.py.* has the name property, which is not text"):
        Registry((str(path),)).entries("strategy")


def test_an_entry_point_with_a_bad_name_is_a_row_that_names_its_package(install, capsys):
    source = STRATEGY.replace('"mine"', '"a+b"')
    install("odd", {"imbench.strategies": {"a+b": "odd:Mine"}}, source)
    assert main(["list", "strategies", "--check"]) == 1
    assert "a strategy of package odd 1.0" in " ".join(capsys.readouterr().out.split())


def test_a_metric_with_a_bad_name_is_refused():
    with pytest.raises(UsageError, match="a metric has the name 'gmean@tuned'"):
        Metric("gmean@tuned", "G", lambda outcome: 0.0, True, "Nothing.")


@pytest.mark.parametrize("kind", GROUPS)
@pytest.mark.parametrize("code", EXITS.values(), ids=EXITS)
def test_a_package_that_exits_is_a_row_of_the_list_that_checks(install, kind, code, capsys):
    install("ender", {GROUPS[kind]: {"torn": "ender:torn"}}, code)
    plural = {"strategy": "strategies"}.get(kind, f"{kind}s")
    assert main(["list", plural, "--check", "--json"]) == 1
    (row,) = [row for row in json.loads(capsys.readouterr().out) if row["broken"]]
    assert (row["name"], row["package"]) == ("torn", "ender")
    assert "repair or uninstall ender" in row["broken"]


@pytest.mark.parametrize("code", EXITS.values(), ids=EXITS)
def test_a_plugin_file_that_exits_is_named(tmp_path, code, capsys):
    path = tmp_path / "ender.py"
    path.write_text(code)
    assert main(["list", "strategies", "--plugin", str(path)]) == 2
    assert "ender.py" in capsys.readouterr().err


def test_an_interrupt_while_a_plugin_loads_stays_the_users(tmp_path):
    path = tmp_path / "slow.py"
    path.write_text("raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        Registry((str(path),)).entries("strategy")


@pytest.mark.parametrize("error", ["SystemExit('no')", "ZeroDivisionError('by nothing')", "RuntimeError('torn')"])
def test_a_strategy_that_fails_while_it_is_made_is_named_with_its_package(install, error):
    source = STRATEGY + f"\n    def __post_init__(self):\n        raise {error}\n"
    install("ender", {"imbench.strategies": {"mine": "ender:Mine"}}, source)
    with pytest.raises(UsageError, match=r"package ender 1\.0 cannot be made .*uninstall ender"):
        Registry().strategy("mine")


def test_what_a_plugin_prints_does_not_stand_in_the_answer(install, capsys):
    install("loud", {"imbench.strategies": {"mine": "loud:Mine"}}, "print('hello')\n" + STRATEGY)
    assert main(["info", "mine", "--json"]) == 0
    told = capsys.readouterr()
    assert json.loads(told.out)["name"] == "mine"
    assert "hello" in told.err


def test_names_that_differ_by_case_alone_are_called_by_their_packages(install):
    install("first", {"imbench.strategies": {"mine": "first:Mine"}}, STRATEGY)
    install("second", {"imbench.strategies": {"MINE": "second:Mine"}}, STRATEGY.replace('"mine"', '"MINE"'))
    assert [Registry().select(name).spec for name in ("mine", "MINE")] == ["first/mine", "second/MINE"]
    shadow = STRATEGY.replace('"mine"', '"ReMix"')
    install("third", {"imbench.strategies": {"ReMix": "third:Mine"}}, shadow)
    assert [Registry().select(name).spec for name in ("remix", "ReMix")] == ["remix", "third/ReMix"]


def test_a_file_whose_name_would_be_part_of_a_name_is_checked_where_it_is(tmp_path, plugin):
    other = tmp_path / "my strategy (1).py"
    other.write_text(STRATEGY)
    assert Registry((str(other),)).select("mine").spec == "mine"
    with pytest.raises(UsageError, match=r"my strategy \(1\).*rename the file"):
        Registry((str(other), str(plugin))).select("my strategy (1)/mine")


@pytest.mark.parametrize(("value", "message"), [("a+tuned", "ends with \\+tuned"), ("a\x07", "cannot be printed")])
def test_a_value_that_would_be_taken_for_something_else_is_refused(tmp_path, value, message):
    path = tmp_path / "own.py"
    path.write_text(STRATEGY.replace("strength: float = 1.0", 'mode: str = "a"'))
    registry = Registry((str(path),))
    assert registry.select("mine:mode=b+c").spec == "mine:mode=b+c"
    with pytest.raises(UsageError, match=message):
        registry.select(f"mine:mode={value}")


def test_the_table_of_metrics_is_the_list_of_metrics(monkeypatch, capsys):
    monkeypatch.setenv("IMBENCH_DISABLE_PLUGINS", "1")
    extra = Metric("extra", "Extra", lambda outcome: 0.5, True, "One half.")
    monkeypatch.setitem(METRICS, "extra", extra)
    entries = Registry().entries("metric")
    assert {entry.name for entry in entries} == set(METRICS)
    assert {entry.package for entry in entries} == {"imbench"}
    assert Registry().metric("imbench/extra") is extra
    assert main(["info", "extra"]) == 0
    assert "One half." in capsys.readouterr().out


def test_a_plugins_metric_of_imbenchs_name_is_refused_until_renamed(install):
    source = "from imbench.scoring.metrics import Metric\ngmean = Metric('gmean', 'G', lambda o: 0.0, True, 'Nothing.')"
    install("shadow", {"imbench.metrics": {"gmean": "shadow:gmean"}}, source)
    with pytest.raises(UsageError, match="registered by imbench and shadow; write imbench/gmean or shadow/gmean"):
        Registry().metric("gmean")


class _Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags = []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)


def test_a_hostile_name_in_a_store_is_escaped_on_the_page(tmp_path):
    from imbench.report import write_report
    from imbench.store.results import load
    from imbench.store.store import Store
    from tests.made_results import fill

    store = Store.open(tmp_path / "store", create=True)
    fill(store, ["a", "</script><evil-tag>"], ["</script><evil-tag>", "remix"])
    write_report(load(store.path), tmp_path / "report")
    parser = _Tags()
    parser.feed((tmp_path / "report" / "index.html").read_text())
    assert "evil-tag" not in parser.tags
