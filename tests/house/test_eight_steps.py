"""A strategy written from the page alone, outside the repository: registered, checked, on the leaderboard."""

import re

import pytest

from tests.house.conftest import ROOT
from tests.house.fresh import MIRROR, Fresh

pytest.importorskip("hatchling", reason="building the package needs hatchling (the extra 'test' has it)")

PAGE = (ROOT / "docs" / "write-a-strategy.md").read_text("utf-8")
# In the order of the page: a file that the text says to save, or commands.
BLOCK = re.compile(r"(?:save this as `(?P<name>[^`]+)`:\n\n)?^```(?P<kind>\w+)\n(?P<text>.*?)^```$", re.M | re.S | re.I)

# The suite is run whole, but with these built-in strategies instead of all that happen to be installed: half the time,
# and no more with every plugin that somebody tries out here.
SUITE = "imbench run --suite tabular --protocol smoke"
RESTRICTED = " --no-references --jobs 1 --strategy baseline --strategy batch-smote --strategy remix"


def test_the_page_has_eight_steps():
    assert re.findall(r"^## (\d)\. ", PAGE, flags=re.MULTILINE) == list("12345678")


@pytest.mark.data
@pytest.mark.skipif(not MIRROR, reason="IMBENCH_DATA_MIRROR is unset: no real datasets here")
def test_what_the_page_says_is_what_happens(tmp_path):
    fresh = Fresh(tmp_path)
    said = []
    named = RESTRICTED
    for block in BLOCK.finditer(PAGE):
        if block["kind"] == "sh":
            for line in block["text"].splitlines():
                said.append((line, fresh.sh(f"{line}{named}" if line == SUITE else line)))
                named += " --strategy rose" * line.startswith("pip install")
        else:
            assert block["name"], f"a block of {block['kind']} without a file to save it as"
            (fresh.folder / block["name"]).write_text(block["text"])
    told = {line: answer.stdout for line, answer in said}
    first, last = (answer for line, answer in said if line == SUITE)

    assert "(64, 5) [0.5, 0.5]" in told["python rose.py"]
    assert " 0 failed" in told["imbench plugin check rose.py"]
    assert re.search(r"^rose +imbench-rose ", told["imbench list strategies"], flags=re.MULTILINE)
    assert " passed" in told["python -m pytest imbench-rose"]

    # The suite of the end trained rose and nothing else, and ranks it beside the built-in strategies.
    assert "81 jobs done, 0 failed" in first.stderr
    assert re.search(r"^Data ready: 27 configurations of \d datasets$", last.stderr, flags=re.MULTILINE)
    assert re.search(r"^27 jobs to do .*; 81 already stored", last.stderr, flags=re.MULTILINE)
    assert "27 jobs done, 0 failed" in last.stderr
    ranked = re.findall(r"^(rose|baseline|batch-smote|remix) +\d", last.stdout, flags=re.MULTILINE)
    assert len(ranked) == 4 * 4  # two tasks, two metrics
    assert set(ranked) == {"rose", "baseline", "batch-smote", "remix"}
