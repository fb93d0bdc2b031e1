"""What names and errors contain reaches no terminal, spreadsheet or page; a full disk in mid-run is no wrong usage."""

from __future__ import annotations

import pandas as pd
import pytest

from imbench.cli.output import paragraph, table
from imbench.contract.text import visible
from imbench.data.data_sources import _note_unusable
from imbench.report.markdown import _without_tags
from imbench.report.tables import csv, without_formula
from imbench.store.source_marks import source_notes

HOSTILE = {
    "a colour": "\x1b[31mred",
    "a title": "\x1b]0;owned\x07",
    "one byte": "\x9b31m",
    "a return": "good\rbad",
    "a direction": "a\u202eb",
    "no UTF-8": "a\udc80",
}


@pytest.mark.parametrize("case", HOSTILE)
def test_control_characters_are_shown_as_escapes(case):
    for text in (visible(HOSTILE[case]), paragraph(HOSTILE[case]), table([HOSTILE[case]], [[HOSTILE[case]]])):
        assert text.isprintable() or "\n" in text
        assert "\\" in text
        assert not set(text) & set("\x1b\x07\x9b\r\u202e\udc80")


def test_a_message_as_long_as_a_file_is_shown_by_its_beginning_and_end(imbench):
    answer = imbench("info", "x" * 100_000)
    assert answer.code == 2
    assert answer.err.startswith("error: ")
    assert len(answer.err) < 10_000
    assert "characters" in answer.err


def test_a_warning_about_a_mirror_has_no_control_characters(caplog):
    _note_unusable("made\x1b[31m", "no file \x83")
    assert "made\\x1b[31m: the data mirror's copy is unusable (no file \\x83)" in caplog.text


@pytest.mark.parametrize("name", ["=1+1", "+cmd", "-x", "@sum", "\tx", "=HYPERLINK(1)"])
def test_a_formula_in_a_name_is_text_in_csv(name):
    text = csv(pd.DataFrame({"strategy": [name, "remix"], "mean": [-0.5, 1.0]})).decode()
    first = text.splitlines()[1]
    assert first.lstrip('"').startswith("'")
    assert first.endswith(",-0.5"), "numbers stay numbers"
    assert text.splitlines()[2] == "remix,1"


def test_numbers_in_text_stay_as_they_are():
    assert [without_formula(cell) for cell in ("-0.5", "+1e-3", "remix", 3, None)] == [
        "-0.5",
        "+1e-3",
        "remix",
        3,
        None,
    ]


def test_no_tag_reaches_markdown():
    text = _without_tags("p < 0.05, <script>alert(1)</script> <!-- x --> a<b")
    assert text == "p < 0.05, &lt;script>alert(1)&lt;/script> &lt;!-- x --> a&lt;b"


def test_a_table_that_changed_is_named():
    rows = pd.DataFrame({"dataset": ["x/t.csv", "x/t.csv", "segment"], "data_hash": ["a" * 64, "b" * 64, "c" * 64]})
    rows = rows.assign(strategy="remix", strategy_version="1", key=["1", "2", "3"])
    assert source_notes(rows) == [
        "t.csv has results of 2 versions of its data (aaaaaa, bbbbbb), which are ranked as different datasets; "
        "use a new store for the new version"
    ]


@pytest.mark.parametrize(("working", "code"), [(False, 2), (True, 1)])
def test_a_disk_that_fills_half_way_is_no_usage_error(monkeypatch, capsys, working, code):
    from imbench.cli import app, main
    from imbench.contract.errors import StoreError

    def fail(*_, obj, **__):
        obj.working = working
        raise StoreError("no space left in store; free some space and run again; finished jobs are kept")

    monkeypatch.setattr(app.cli, "main", fail)
    assert main(["run"]) == code
    assert "no space left" in capsys.readouterr().err


def test_a_name_of_more_than_255_characters_is_a_usage_error(capsys):
    from imbench.cli import main

    assert main(["report", "x" * 300]) == 2
    assert "error: " in capsys.readouterr().err
    assert main(["evaluate", "x" * 300 + ".csv", "--higher"]) == 2
