"""A table of one's own is named by options, which are its spec."""

import click
import pandas as pd
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from imbench.cli import main
from imbench.cli.table_options import TableOptions, params_of, table_options
from imbench.contract.errors import UsageError
from imbench.contract.spec import parse_spec
from imbench.data.asked import asked_of
from imbench.data.data_sources import card_of
from imbench.data.variants import parse_variant

ROWS = 40
FRAME = pd.DataFrame(
    {
        "age (y), x=1": [20.5 + i for i in range(ROWS)],
        "a+b": [i % 3 for i in range(ROWS)],
        'the "size"/m:n': [("small", "large")[i % 2] for i in range(ROWS)],
        "smoker": [("J", "N")[i // 2 % 2] for i in range(ROWS)],
        "code": [f"C{i % 4}" for i in range(ROWS)],
        "class, or so": ["yes" if i % 4 == 0 else "no" for i in range(ROWS)],
    }
)


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    FRAME.to_csv("t.csv", index=False)


def asked(capsys, *arguments):
    code = main(list(arguments))
    return code, capsys.readouterr()


OPTIONS = ["--target", "class, or so", "--categorical", "a+b", "--ordinal", 'the "size"/m:n:small/large',
           "--boolean", "smoker:J", "--id", "code", "--numeric", "age (y), x=1"]  # fmt: skip


@pytest.mark.parametrize("verb", [["run", "--dry-run"], ["plan"], ["info"], ["sweep", "--strategy", "remix", "--param",
                                                                            "alpha=0.1,0.3", "--dry-run"]])  # fmt: skip
def test_every_verb_that_takes_a_table_takes_its_options(verb, capsys):
    code, printed = asked(capsys, *verb, "--data", "t.csv", *OPTIONS)
    assert code == 0, printed.err
    assert r"categorical=a\+b" in printed.out + printed.err or "t.csv" in printed.out


def test_the_options_give_the_columns_their_kinds():
    params = params_of({"target": "class, or so", "categorical": ("a+b",), "ordinal": ('the "size"/m:n:small/large',),
                        "boolean": ("smoker:J",), "id": ("code",), "numeric": ("age (y), x=1",)})  # fmt: skip
    spec = TableOptions(params).spec("t.csv")
    card = card_of(spec)
    assert [c.kind for c in card.columns] == ["numeric", "categorical", "ordinal", "boolean", "id", "target"]
    variant = parse_variant(spec, card)
    assert parse_variant(variant.spec, card_of(variant.spec)) == variant


NAMES = st.text(st.sampled_from("ab+,:=/\\()' \"é"), min_size=1, max_size=7).filter(lambda n: n == n.strip())
PLAIN = NAMES.filter(lambda name: ":" not in name and "\\" not in name)


@given(st.data())
def test_columns_of_any_name_get_the_kind_of_their_option(data):
    names = data.draw(st.lists(PLAIN, min_size=4, max_size=8, unique=True))
    kinds = [data.draw(st.sampled_from(["numeric", "categorical", "id", "text", "ordinal", "date"])) for _ in names]
    given_ = {kind: tuple(n for n, k in zip(names, kinds, strict=True) if k == kind) for kind in kinds}
    given_["date"] = tuple(f"{name}:%d/%m/%Y" for name in given_.get("date", ()))
    _, params = parse_spec(TableOptions(params_of(given_)).spec("folder/t.csv"))
    found = asked_of(params, names, "")
    assert found.kinds == dict(zip(names, kinds, strict=True))
    assert set(found.notations.values()) <= {"%d/%m/%Y"}


@given(NAMES, st.lists(NAMES, min_size=1, max_size=3, unique=True))
def test_a_target_and_minority_of_any_name_survive(target, minority):
    spec = TableOptions(params_of({"target": target, "minority": tuple(minority)})).spec("t.csv")
    from imbench.contract.joined import name_in, names_in

    params = parse_spec(spec)[1]
    assert name_in(params["target"], [target]) == target
    assert names_in(params["minority"], minority) == minority


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["run", "--data", "t.csv"], "which column contains the class? Name it with --target COLUMN, or t.csv:target="),
        (["info", "t.csv"], "likely are 'class, or so', 'smoker'"),
        (["run", "--target", "y"], "--target y says how a table is read, and there is none; give it with --data FILE"),
        (["plan", "--numeric", "a"], "--numeric a says how a table is read, and there is none"),
        (["info", "--target", "y"], "--target y says how a table is read"),
        (["info"], "the name is missing; write for example imbench info remix"),
        (["info", "remix", "--data", "t.csv"], "remix and --data t.csv are two names"),
        (["info", "t.csv:target=y", "--target", "y"], "target is given twice, as target=y in t.csv:target=y"),
        (["run", "--data", "t.csv:id=a", "--target", "y", "--id", "b"], "id is given twice, as id=a"),
        (["info", "t.csv", "--target", ""], "--target is empty; name a column, or remove it"),
        (["info", "t.csv", "--target", "clas"], "there is no column 'clas'; did you mean class, or so"),
        (["info", "t.parquet", "--target", "smoker", "--sep", "tab"], "sep and encoding are for delimited text"),
        (["info", "t.csv", "--target", "smoker", "--decimal", "x"], "decimal=x is not a decimal mark"),
        (["info", "t.csv", "--target", "smoker", "--id", "smoker"], "'smoker' cannot be both target and id"),
    ],
)
def test_wrong_options_are_named_with_the_fix_before_any_work(arguments, reason, capsys):
    FRAME.to_parquet("t.parquet")
    code, printed = asked(capsys, *arguments)
    assert code == 2
    assert reason in printed.err
    assert "\n" not in printed.err.strip()


def test_the_decorator_serves_a_command_with_an_argument_for_the_table():
    @click.command()
    @click.argument("table")
    @table_options(data=False)
    def scored(table, reading):
        click.echo(reading.spec(table))

    found = CliRunner().invoke(scored, ["t.csv", "--target", "a+b", "--drop", "x", "--drop", "y+z"])
    assert found.output == "t.csv:target=a\\+b,drop=x+y\\+z\n"


def test_an_option_and_the_spec_beside_it_are_joined():
    assert TableOptions({"drop": "b"}).spec("t.csv:target=y") == "t.csv:target=y,drop=b"
    with pytest.raises(UsageError, match="drop is given twice, as drop=a in"):
        TableOptions({"drop": "b"}).spec("t.csv:target=y,drop=a")


@pytest.mark.parametrize(
    ("arguments", "split"),
    [
        ([], "split=grouped"),
        (["--set", "split=stratified"], "the stratified split does not use group=code; --set split=grouped does"),
        (["--dataset", "u.csv:target=class"], "the stratified split does not use group=code"),
    ],
)
def test_groups_are_kept_together_unless_a_split_is_set_or_there_is_other_data(arguments, split, capsys):
    FRAME.rename(columns={"class, or so": "class"}).to_csv("u.csv", index=False)
    FRAME.assign(code=[f"C{i // 4}" for i in range(ROWS)]).to_csv("t.csv", index=False)
    chosen = ["--data", "t.csv", "--target", "class, or so", "--group", "code", "--strategy", "baseline"]
    code, printed = asked(capsys, "plan", *chosen, *arguments)
    assert code == 0, printed.err
    assert split in printed.out + printed.err
