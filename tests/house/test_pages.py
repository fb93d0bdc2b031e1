"""What the pages say is so: code runs, commands parse, links lead somewhere."""

import re
import shlex
from pkgutil import resolve_name

import click
import pytest

import imbench as library
from imbench.cli import main
from imbench.cli.app import cli
from tests.house.conftest import ROOT, blocks, pages
from tests.house.installed import write_table
from tests.loops.vision import timm

LINES = [line.strip() for page in pages() for line in page.read_text("utf-8").splitlines()]
COMMANDS = sorted({line for line in LINES if line.startswith("imbench ") and not line.startswith("imbench is ")})
LINKS = [(page, link) for page in pages() for link in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text())]


def test_the_strategy_of_the_readme_runs_beside_the_built_in_ones(tmp_path, monkeypatch):
    (source,) = [block for block in blocks(ROOT / "README.md", "python") if "BatchStrategy" in block]
    assert len(source.splitlines()) <= 20
    (tmp_path / "my_strategy.py").write_text(source)
    write_table(tmp_path / "table.csv")
    monkeypatch.chdir(tmp_path)
    mine = re.search(r'name: ClassVar\[str\] = "(.+)"', source)[1]
    arguments = ["--plugin", "my_strategy.py", "--strategy", mine, "--strategy", "baseline", "--jobs", "1", "--quiet"]
    assert main(["run", "--dataset", "table.csv:target=kind", "--protocol", "smoke", *arguments]) == 0
    frame = library.load("imbench-store").frame()
    assert set(frame["strategy"]) == {mine, "baseline"}
    assert frame["gmean"].notna().all()


@pytest.mark.parametrize("page", [p for p in pages() if blocks(p, "python")], ids=lambda p: p.name)
def test_the_python_of_a_page_runs(page, tmp_path, monkeypatch):
    write_table(tmp_path / "table.csv")
    monkeypatch.chdir(tmp_path)
    for package in ("lightning", "transformers"):  # of the extra "loops"
        if any(f"from {package}" in source for source in blocks(page, "python")):
            pytest.importorskip(package)
    if page.name == "loops-timm.md":
        timm()
    names: dict[str, object] = {"__name__": "page"}
    for number, source in enumerate(blocks(page, "python")):
        exec(compile(source, f"{page.name}, block {number}", "exec"), names)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_on_a_page_is_one_that_imbench_takes(command):
    words = shlex.split(command, comments=True)[1:]
    group, context = cli, click.Context(cli, info_name="imbench")
    while words and isinstance(group, click.Group):
        _, verb, words = group.resolve_command(context, words)
        group, context = verb, click.Context(verb, parent=context, info_name=verb.name)
    # Parsing alone: a mistake raises, nothing runs.
    assert group.make_context(group.name, words, parent=context.parent) is not None


@pytest.mark.parametrize(("page", "link"), LINKS, ids=[f"{p.name}-{link}" for p, link in LINKS])
def test_a_link_leads_to_a_file(page, link):
    assert (page.parent / link).exists()


def test_a_page_on_gpus_says_that_nothing_was_measured_there():
    """Until something is: then the page has numbers instead, and this test goes."""
    on_gpus = [
        page for page in pages() if re.search(r"(?<![Ww]ithout a )(?<!needs a )\bGPUs?\b", page.read_text("utf-8"))
    ]
    assert on_gpus
    assert [page.name for page in on_gpus if "unmeasured" not in page.read_text("utf-8")] == []


def test_a_file_or_module_of_imbench_on_a_page_exists():
    places = {
        (page.name, name) for page in pages() for name in re.findall(r"`(imbench/[\w/.*-]+)`", page.read_text("utf-8"))
    }
    assert len(places) > 12
    missing = [place for place in places if not list(ROOT.glob(place[1].replace("NAME", "*")))]
    assert missing == []


def test_a_dotted_path_on_a_page_can_be_imported():
    text = "".join(page.read_text("utf-8") for page in pages())
    names = set(re.findall(r"`(imbench(?:\.\w+){2,})", text))
    assert len(names) > 4
    for name in names:
        assert resolve_name(name) is not None


def test_the_reference_names_every_verb_and_option():
    reference = (ROOT / "docs" / "command-line.md").read_text()
    for name, verb in cli.commands.items():
        assert f"## imbench {name}" in reference
        options = [option.opts[0] for option in verb.params if isinstance(option, click.Option)]
        assert [option for option in options if f"`{option}" not in reference] == []
