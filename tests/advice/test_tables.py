"""Advice on ten tables: the answer is one of those that are right, in words that need no statistics to read."""

import re

import pytest

import imbench
from tests.advice.tables import TABLES

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
