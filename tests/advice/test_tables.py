"""Advice on ten tables: the answer is one of those that are right, in words that need no statistics to read."""

import json
import re
from pathlib import Path

import pytest

import imbench
from tests.advice.tables import TABLES, page

ROOT = Path(__file__).parents[2]

# A part of what is tried by default, for the time of tests; `reports/advice` has all of it.
QUICK = {
    "strategies": ["remix"],
    "references": (),
    "settings": {"repeats": "1"},
    "jobs": 1,
}
TREES = ["hist-gradient-boosting", "balanced-hist-gradient-boosting"]
JARGON = re.compile(r"\bp\b|[Bb]onferroni|t-test|\bECE\b|slope|corrected|confidence|null|significan|posterior|Nadeau")


@pytest.mark.parametrize("name", TABLES)
def test_the_answer_is_right_and_plain(name, tmp_path):
    example = TABLES[name]
    quick = {**QUICK, "references": TREES} if name == "steps" else QUICK
    found = imbench.advise(example.make(), target=example.target, store=tmp_path / "store", **quick, **example.options)
    assert found.sentences[0].startswith(example.answers)
    assert not JARGON.findall(" ".join(found.sentences))
    assert found.advice.rebalance == found.sentences[0].startswith("Rebalancing helps")


def test_the_published_page_is_that_of_its_data():
    folder = ROOT / "reports" / "advice"
    answers = json.loads((folder / "answers.json").read_text("utf-8"))
    assert (folder / "README.md").read_text("utf-8") == page(answers)
    for name, example in TABLES.items():
        assert answers[name]["sentences"][0].startswith(example.answers)
        assert not JARGON.findall(" ".join(answers[name]["sentences"]))
    assert not any(answer["rebalance"] for answer in answers.values())
    ball = {one["name"]: one for one in answers["hidden_ball"]["candidates"]}
    assert answers["hidden_ball"]["recipe"] == "mixup"
    assert ball["remix"]["better"]
