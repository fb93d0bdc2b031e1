"""Lists of metrics and decision rules in documents and help name what the tables have, and nothing else."""

import re
from pathlib import Path

import pytest

from imbench.cli import main
from imbench.scoring.metrics import METRICS
from imbench.scoring.rules import EACH, RULES

DOCS = Path(__file__).parents[2] / "docs"
NAME = re.compile(r"--(metric|rule) ([a-z_0-9-]+)")


def test_the_table_of_rules_describes_rules_that_there_are():
    section = (DOCS / "store.md").read_text("utf-8").split("## Decision rules")[1].split("##")[0]
    assert set(re.findall(r"^\| `([a-z-]+)` \|", section, re.MULTILINE)) <= set(RULES)


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=lambda page: page.name)
def test_commands_in_documents_name_metrics_and_rules_that_there_are(page):
    for option, name in NAME.findall(page.read_text("utf-8")):
        assert name in ({*METRICS, "worst_recall"} if option == "metric" else {*RULES, EACH})


def test_the_list_of_rules_and_what_is_told_of_each_come_from_the_table(capsys):
    assert main(["list", "rules"]) == 0
    listed = capsys.readouterr().out
    for rule in RULES.values():
        assert rule.name in listed
        assert main(["info", rule.name]) == 0
        assert " ".join(rule.definition.split()[:3]) in " ".join(capsys.readouterr().out.split())


def test_a_metric_with_a_target_says_so(capsys):
    assert main(["info", "calibration_slope"]) == 0
    assert "nearer to 1" in capsys.readouterr().out
