"""``imbench fit`` and ``imbench predict`` as a stranger calls them."""

import numpy as np
import pandas as pd
import pytest

from imbench.cli import main
from tests.model.conftest import visits

QUICK = ["--protocol", "smoke", "--jobs", "1", "--nets", "1", "--set", "repeats=1"]


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    home = tmp_path_factory.mktemp("cli")
    visits().to_csv(home / "visits.csv", index=False)
    store = ["--store", str(home / "store")]
    assert main(["fit", str(home / "visits.csv"), "--target", "ill", "--out", str(home / "model"), *QUICK, *store]) == 0
    return home


@pytest.fixture
def home(fitted, monkeypatch):
    monkeypatch.chdir(fitted)
    return fitted


def asked(capsys, *arguments):
    capsys.readouterr()
    code = main([*arguments])
    return code, capsys.readouterr()


def test_every_row_is_scored_in_its_order(home, capsys, tmp_path):
    new = visits(3).drop(columns="ill")
    new.to_csv(tmp_path / "new.csv", index=False)
    code, printed = asked(capsys, "predict", "model", f"{tmp_path}/new.csv", "--keep", "patient")
    found = pd.read_csv(__import__("io").StringIO(printed.out))
    assert code == 0
    assert list(found) == ["patient", "probability_no", "probability_yes", "predicted"]
    assert found["patient"].tolist() == new["patient"].tolist()
    assert np.allclose(found["probability_no"] + found["probability_yes"], 1)


@pytest.mark.parametrize(("name", "read"), [("s.csv", pd.read_csv), ("s.parquet", pd.read_parquet)])
def test_the_suffix_decides_the_format(home, capsys, tmp_path, name, read):
    code, _ = asked(capsys, "predict", "model", "visits.csv", "-o", str(tmp_path / name))
    assert code == 0
    assert len(read(tmp_path / name)) == len(visits())


def test_a_semicolon_and_decimal_comma_change_no_probability(home, capsys, tmp_path):
    visits().to_csv(tmp_path / "new.csv", index=False, sep=";", decimal=",")
    _, plain = asked(capsys, "predict", "model", "visits.csv")
    code, other = asked(capsys, "predict", "model", f"{tmp_path}/new.csv")
    assert (code, other.out) == (0, plain.out)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["predict", "modle", "visits.csv"], "modle is no model"),
        (["predict", "model", "visit.csv"], "did you mean visits.csv?"),
        (["predict", "model", "visits.csv", "-o", "s.doc"], "must end in .csv"),
        (["predict", "model", "visits.csv", "-o", "no/s.csv"], "there is no folder no"),
        (["predict", "model", "visits.csv", "--keep", "patent"], "did you mean patient?"),
        (["predict", "model", "visits.csv", "--unknown-levels", "drop"], "refuse or pooled"),
        (["fit", "visits.csv", "--target", "ill", "--out", "model"], "--overwrite"),
        (["fit", "visits.csv", "--target", "il", "--out", "m"], "ill"),
        (["fit", "visits.csv", "--target", "ill", "--out", "no/m"], "there is no folder no"),
        (["fit", "visits.csv", "--target", "ill", "--out", "m", "--strategy", "remx"], "did you mean remix"),
        (["fit", "visits.csv", "--target", "ill", "--out", "m", "--rule", "tund"], "did you mean tuned?"),
        (["fit", "visits.csv", "--target", "ill", "--out", "m", "--cost-fn", "3"], "--cost-fn needs --cost-fp"),
        (["fit", "visits.csv", "--target", "ill", "--out", "m", "--nets", "0"], "1 to 100 nets, got 0"),
        (["fit", "segment", "--out", "m"], "is no file of one"),
    ],
)
def test_a_mistake_is_named_before_any_work(home, capsys, arguments, reason):
    code, printed = asked(capsys, *arguments)
    assert code == 2
    assert reason in printed.err
    assert not (home / "m").exists()


def test_an_unknown_level_is_refused_or_read_as_a_rare_one(home, capsys, tmp_path):
    visits().assign(town="Rom").to_csv(tmp_path / "new.csv", index=False)
    code, printed = asked(capsys, "predict", "model", f"{tmp_path}/new.csv")
    assert code == 2
    assert "'town' ('Rom'" in printed.err
    assert asked(capsys, "predict", "model", f"{tmp_path}/new.csv", "--unknown-levels", "pooled")[0] == 0


def test_an_interrupt_leaves_no_folder(home, capsys, monkeypatch):
    def interrupted(*arguments, **fields):
        raise KeyboardInterrupt

    monkeypatch.setattr("imbench.model.fit.train_nets", interrupted)
    code, printed = asked(capsys, "fit", "visits.csv", "--target", "ill", "--out", "m", *QUICK, "--store", "store")
    assert code == 130
    assert "imbench fit visits.csv" in printed.err
    assert not [path for path in home.iterdir() if path.name.lstrip(".").startswith("m-") or path.name == "m"]


def test_a_suffix_in_capitals_is_that_of_a_table(home, capsys, tmp_path):
    table = tmp_path / "VISITS.CSV"
    visits().to_csv(table, index=False)
    made = ["--target", "ill", "--out", str(tmp_path / "model"), "--store", str(tmp_path / "store")]
    assert asked(capsys, "fit", str(table), *made, *QUICK)[0] == 0
    code, printed = asked(capsys, "predict", str(tmp_path / "model"), str(table))
    assert code == 0
    assert len(printed.out.splitlines()) == len(visits()) + 1
