"""A strategy written from the page alone, outside the repository: registered, checked, on the leaderboard."""

import re

import pytest

from tests.house.conftest import ROOT
from tests.house.fresh import MIRROR, Fresh

pytest.importorskip("hatchling", reason="building the package needs hatchling (the extra 'test' has it)")

PAGE = (ROOT / "docs" / "write-a-strategy.md").read_text("utf-8")
# In the order of the page: a file that the text says to save, or commands.
BLOCK = re.compile(r"(?:save this as `(?P<name>[^`]+)`:\n\n)?^```(?P<kind>\w+)\n(?P<text>.*?)^```$", re.M | re.S | re.I)


def test_the_page_has_eight_steps():
    assert re.findall(r"^## (\d)\. ", PAGE, flags=re.MULTILINE) == list("12345678")


@pytest.mark.data
@pytest.mark.skipif(not MIRROR, reason="IMBENCH_DATA_MIRROR is unset: no real datasets here")
def test_what_the_page_says_is_what_happens(tmp_path):
    fresh = Fresh(tmp_path)
    said = []
    for block in BLOCK.finditer(PAGE):
        if block["kind"] == "sh":
            said += [(line, fresh.sh(line)) for line in block["text"].splitlines()]
        else:
            assert block["name"], f"a block of {block['kind']} without a file to save it as"
            (fresh.folder / block["name"]).write_text(block["text"])
    told = {line: answer.stdout for line, answer in said}
    progress = [answer.stderr for line, answer in said if line.startswith("imbench run --suite tabular")]

    assert "(64, 5) [0.5, 0.5]" in told["python rose.py"]
    assert " 0 failed" in told["imbench plugin check rose.py"]
    assert re.search(r"^rose +imbench-rose ", told["imbench list strategies"], flags=re.MULTILINE)
    assert " passed" in told["python -m pytest imbench-rose"]

    # The suite of the end trained rose and nothing else, and ranks it beside the built-in strategies.
    assert "complete: 27 configurations" in progress[1]
    assert re.search(r"^27 jobs to do .* done before", progress[1], flags=re.MULTILINE)
    assert "27 jobs done, 0 failed" in progress[1]
    ranked = re.findall(
        r"^(rose|baseline|remix) +\d", told["imbench run --suite tabular --protocol smoke"], re.MULTILINE
    )
    assert set(ranked) == {"rose", "baseline", "remix"}
