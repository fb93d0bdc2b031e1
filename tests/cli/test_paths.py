"""A name that is, or looks like, the path of a file is answered as one."""

from pathlib import Path

import pytest

from imbench.cli import main


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("visits.csv").write_text("a,y\n" + "1,p\n2,q\n" * 8)
    for name in ("t.sav", "t.rds", "t.npz", "t.xyz", "plain"):
        Path(name).write_bytes(b"x")
    Path("t.dta.gz").write_bytes(__import__("gzip").compress(b"x"))
    Path("folder").mkdir()


VERBS = [["info"], ["run", "--dry-run", "--dataset"], ["run", "--dry-run", "--target", "y", "--data"], ["advise"]]


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("t.sav", ".sav is not a format of tables; convert it with pandas.read_spss('t.sav').to_parquet('t.parquet')"),
        ("t.rds", "convert it in R with arrow::write_parquet"),
        ("t.npz", "by giving its arrays in Python, imbench.table(X, y)"),
        ("t.xyz", ".xyz is not a format of tables; save it as CSV or Parquet. Formats are .csv, .tsv"),
        ("t.dta.gz", "convert it with pandas.read_stata"),
        ("plain", "it has no suffix that tells its format; save it as CSV or Parquet"),
        ("visit.csv", "the file 'visit.csv' does not exist; did you mean visits.csv?"),
        ("gone.dta", "the file 'gone.dta' does not exist"),
        ("sub/gone", "the file 'sub/gone' does not exist, and neither does its folder; correct the path"),
        ("folder/gone.csv", "the file 'folder/gone.csv' does not exist; there is no table in its folder"),
        ("folder", "folder is a folder; a folder of images is named with a slash at its end: folder/"),
    ],
)
def test_a_path_that_cannot_be_read_says_why_and_what_to_do(verb, name, reason, capsys):
    assert main([*verb, name]) == 2
    printed = capsys.readouterr().err.strip()
    assert reason in printed
    assert "\n" not in printed


@pytest.mark.parametrize(
    ("arguments", "times", "named"),
    [
        (["run", "--dataset", "segment:ir=0.05", "--strategy", "remix"], 1, "segment"),
        (["run", "--data", "visits.csv", "--target", "y", "--set", "folds=5", "--strategy", "remix"], 1, "visits.csv"),
    ],
)
def test_a_dataset_that_cannot_be_used_is_named_once(arguments, times, named, capsys, monkeypatch):
    monkeypatch.setattr("imbench.data.sources.network._probe_host", lambda url: "no network")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("IMBENCH_CACHE", "cache")
    assert main(arguments) == 2
    error = next(line for line in capsys.readouterr().err.splitlines() if line.startswith("error: "))
    assert error.removeprefix("error: ").startswith(named)
    assert error.partition("(")[0].count(named) == times


def test_a_single_name_is_in_the_singular(capsys):
    assert main(["info", "remix:zzzzzz=1"]) == 2
    assert "there is alpha" in capsys.readouterr().err
