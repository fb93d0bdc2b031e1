"""`imbench reproduce`: what it refuses, and one real run in the smoke protocol."""

import contextlib
import io
import json
import os

import pytest

from imbench.cli import main
from imbench.reproduce.catalogue import ITEMS, chosen


def call(*arguments):
    """Exit code, stdout and stderr of a command."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([str(argument) for argument in arguments])
    return code, out.getvalue(), err.getvalue()


def test_all_are_the_items_in_the_papers_order():
    assert chosen(["all"]) == list(ITEMS)
    assert chosen(["figure8", "table1", "figure8"]) == ["table1", "figure8"]


def test_every_item_has_a_function():
    import importlib

    for path in ITEMS.values():
        module, _, function = path.partition(":")
        assert callable(getattr(importlib.import_module(module), function))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["table3"], "unknown item 'table3'; did you mean table2 or table1"),
        (["table2", "--protocol", "papr"], "papr"),
        (["table2", "--set", "epoch=1"], "no field 'epoch'"),
        (["table2", "--set", "epochs"], "is not FIELD=VALUE"),
        (["table2", "--device", "tpu"], "unknown device 'tpu'"),
        ([], "NAME"),
    ],
)
def test_a_mistake_is_told_before_any_work(arguments, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = call("reproduce", *arguments)
    assert (code, out) == (2, "")
    assert words in err
    assert not list(tmp_path.iterdir())


def test_a_page_of_somebody_elses_in_the_way_is_told_before_any_work(tmp_path):
    (tmp_path / "index.html").write_text("mine")
    code, _, err = call("reproduce", "table2", "--to", tmp_path, "--store", tmp_path / "store")
    assert code == 2
    assert "was not written by imbench" in err
    assert not (tmp_path / "store").exists()


@pytest.mark.data
@pytest.mark.skipif("IMBENCH_DATA_MIRROR" not in os.environ, reason="needs a mirror")
def test_a_real_table_2_and_figure_5_of_one_training(tmp_path):
    tail = ["--protocol", "smoke", "--set", "epochs=1", "--store", tmp_path / "store", "--to", tmp_path / "to"]
    code, out, err = call("reproduce", "table2", *tail, "-q")
    assert (code, err) == (0, "")
    assert (tmp_path / "to" / "table2" / "index.html").is_file()
    jobs = sorted((tmp_path / "store" / "jobs").iterdir())
    assert len(jobs) == 27 * 5 + 27  # with a second baseline
    code, out, err = call("reproduce", "figure5", *tail, "--json")
    assert code == 0
    answer = json.loads(out)
    assert [item["name"] for item in answer["exhibits"]] == ["figure5"]
    assert len(answer["exhibits"][0]["figures"]) == 4
    assert sorted((tmp_path / "store" / "jobs").iterdir()) == jobs
    code, out, err = call("reproduce", "questions", *tail, "-q")
    assert (code, err) == (0, "")
    assert "Would other minority rows give the same? On 3 small binary configurations, 2 draws each" in " ".join(
        out.split()
    )
    leading = (tmp_path / "to" / "index.html").read_text("utf-8")
    assert "table2/index.html" in leading
    assert "questions/index.html" in leading
    assert "figure5/index.html" in leading
