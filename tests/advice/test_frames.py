"""Advice on a data frame."""

import html

import numpy as np
import pandas as pd
import pytest

import imbench
from imbench import UsageError

QUICK = {"strategies": ["remix"], "references": (), "protocol": "smoke", "budget": None, "jobs": 1}


@pytest.fixture
def frame(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    y = np.arange(80) % 5 // 4
    columns = {"a": rng.normal(size=80) + y, "kind": rng.choice(["x", "y"], size=80), "ill": np.where(y, "yes", "no")}
    return pd.DataFrame(columns)


def test_a_data_frame_has_the_advice_of_its_file(frame):
    frame.to_parquet("visits.parquet", index=False)
    found = imbench.advise(frame, target="ill", **QUICK).advice
    assert found == imbench.advise("visits.parquet:target=ill", **QUICK).advice
    assert found == imbench.advise("visits.parquet", target="ill", **QUICK).advice


def test_groups_of_a_data_frame_are_kept_together(frame):
    found = imbench.advise(frame.assign(patient=np.arange(80) // 2), target="ill", group="patient", **QUICK)
    assert found.settings["split"] == "grouped"
    assert str(found).startswith(found.sentences[0])


def test_a_notebook_shows_the_answer_and_what_was_tried(frame):
    found = imbench.advise(frame.rename(columns={"kind": "<kind>"}), target="ill", **QUICK)
    shown = found._repr_html_()
    assert [html.escape(sentence) in shown for sentence in found.sentences] == [True] * len(found.sentences)
    assert "<th>remix (rebalances)</th>" in shown


@pytest.mark.parametrize(
    ("table", "keys", "reason"),
    [
        (3, {"target": "ill"}, "int is no table; give a path, a pandas.DataFrame"),
        ("visits.csv:target=ill", {"target": "ill"}, "target is given twice, as target=ill in visits.csv:target=ill"),
        (pd.DataFrame({"z": [1j, 2]}), {"target": "z"}, "column 'z' has complex numbers"),
    ],
)
def test_what_is_no_table_is_refused(table, keys, reason, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=reason):
        imbench.advise(table, **keys, **QUICK)
    assert not list(tmp_path.iterdir())
