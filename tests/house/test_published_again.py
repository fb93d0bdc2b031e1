"""A reader with a copy of a published page, and of the plugins that it asks for, makes its rows again as printed."""

import json
import shutil

import pandas as pd
import pytest

from imbench import load
from tests.cli.conftest import write_table
from tests.cli.test_again import NOT_AGAIN, PLUGIN, same
from tests.house.fresh import Fresh

pytest.importorskip("hatchling", reason="building the package needs hatchling (the extra 'test' has it)")
pytest.importorskip("pip", reason="installing the package needs pip")
RUN = (
    "imbench run --dataset table.csv:target=kind --strategy baseline --strategy half-way:strength=0.25 --strategy mine "
    "--no-references --plugin plugins/mine.py --protocol paper:epochs=3,repeats=1 --jobs 1 --store store"
)


@pytest.fixture(scope="module")
def author(tmp_path_factory) -> Fresh:
    """Who publishes a run of a plugin package of their own folder, a plugin file and a table."""
    made = Fresh(tmp_path_factory.mktemp("author"))
    write_table(made.folder / "table.csv", {"no": 160, "yes": 40})
    (made.folder / "plugins").mkdir()
    (made.folder / "plugins" / "mine.py").write_text(
        PLUGIN.replace("    strength: float = 1.0\n", "")
    )  # which is not validated
    made.sh("imbench plugin new half-way\ncp -r imbench-half-way given\npip install -q ./imbench-half-way")
    made.sh(f"{RUN}\nimbench publish store --to site --name page")
    return made


@pytest.fixture(scope="module")
def page(author, tmp_path_factory):
    """A copy of the page, and nothing else of the author's."""
    return shutil.copytree(author.folder / "site" / "page", tmp_path_factory.mktemp("copy") / "page")


@pytest.fixture
def commands(page) -> list[str]:
    return json.loads((page / "leaderboard.json").read_text())["commands"]


def test_the_page_says_which_plugins_to_get_from_whom(commands):
    assert commands[0].startswith("pip install imbench==")
    assert commands[0].endswith(" ./imbench-half-way")
    (package,) = [line for line in commands if line.startswith("# needs the folder imbench-half-way from its author")]
    assert "package imbench-half-way 0.1.0 was installed from a folder, not from an index" in package
    assert [line for line in commands if line.startswith("# needs the file mine.py (SHA-256 ")]


def test_the_printed_commands_make_the_rows_of_the_page_in_a_fresh_environment(author, page, commands, tmp_path):
    reader = Fresh(tmp_path)
    for name, source in (("table.csv", "table.csv"), ("mine.py", "plugins/mine.py")):
        shutil.copy(author.folder / source, reader.folder / name)
    shutil.copytree(author.folder / "given", reader.folder / "imbench-half-way")
    reader.sh("\n".join(commands))
    where = reader.sh("python -c 'import imbench_half_way; print(imbench_half_way.__file__)'").stdout
    assert where.startswith(str(reader.home))
    published = pd.read_parquet(page / "results.parquet")
    rows = load(reader.folder / "imbench-store").frame()
    facts = [name for name in published if name not in rows or name in NOT_AGAIN]
    same(published.drop(columns=facts).assign(**dict.fromkeys(NOT_AGAIN, 0)), rows[list(published)])
    assert set(rows["strategy"]) == {"baseline", "half-way:strength=0.25", "mine"}
