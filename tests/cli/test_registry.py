"""A command builds one registry, which knows the files given by --plugin, whatever the command."""

from __future__ import annotations

import json

import click
import numpy as np
import pytest
from PIL import Image

from imbench.cli.app import cli
from imbench.model.files import save
from imbench.runs.registry import Registry
from imbench.store.store import Store
from tests.made_results import fill
from tests.model.made import made_model

PLUGIN = '''
from dataclasses import dataclass
from typing import ClassVar
from imbench import BatchStrategy, UsageError

@dataclass(frozen=True)
class Mine(BatchStrategy):
    """Leaves every batch as it is, after Nobody (2020)."""

    name: ClassVar[str] = "mine"
    strength: float = 0.5

    def __post_init__(self):
        if not (isinstance(self.strength, float) and 0 <= self.strength <= 1):
            raise UsageError(f"strength must be from 0 to 1, got {self.strength}")

    def rebalance(self, batch, info, noise):
        return batch
'''
# A spec that selects the strategy at its default, which only its class tells.
MINE = "mine:strength=0.5"
TRAINED = "--dataset {table} --protocol smoke --jobs 1 --no-checks --quiet --store new"
# How each command is called, with a strategy of the plugin file wherever the command takes --plugin.
CALLS = {
    "run": f"--plugin mine.py --strategy {MINE} {TRAINED}",
    "advise": f"{{table}} --plugin mine.py --strategy {MINE} --reference uniform --protocol smoke --jobs 1 --store new",
    "fit": f"{{table}} --plugin mine.py --strategy {MINE} --protocol smoke --jobs 1 --nets 1 --out fitted --store new",
    "predict": "model table.csv",
    "export": "model model.onnx",
    "sweep": f"--plugin mine.py --strategy mine --param strength=0.5,1.0 --no-baseline {TRAINED}",
    "list": "strategies --check --plugin mine.py",
    "info": f"{MINE} --plugin mine.py",
    "data": "",
    "data fetch": "{table}",
    "plan": f"--plugin mine.py --strategy {MINE} --dataset {{table}} --protocol smoke --store new",
    "doctor": "--plugin mine.py",
    "status": f"store --strategy {MINE} --plugin mine.py",
    "report": f"store --to report --strategy {MINE} --plugin mine.py",
    "evaluate": f"store --metric gmean --strategy {MINE} --strategy baseline --plugin mine.py",
    "compare": f"store other --strategy {MINE} --plugin mine.py",
    "merge": "store other --into joined",
    "publish": f"store --to site --unchecked --strategy {MINE} --plugin mine.py",
    "reproduce": "table1 --protocol smoke",
    "plugin check": "mine.py --plugin also.py",
    "plugin new": "another",
    "samples": f"--dataset photos/ --strategy {MINE} --to grid.png --columns 2 --plugin mine.py",
}


def verbs(group=cli, above=()):
    """Every command by its words, and the groups that do something themselves."""
    for name, command in group.commands.items():
        words = (*above, name)
        if isinstance(command, click.Group):
            yield from verbs(command, words)
        if not isinstance(command, click.Group) or command.invoke_without_command:
            yield " ".join(words), command


VERBS = dict(verbs())


def test_every_command_is_called_here():
    assert set(CALLS) == set(VERBS)


@pytest.fixture
def surroundings(tmp_path, table):
    """A plugin file, two stores with results of its strategy, and a folder of images."""
    (tmp_path / "mine.py").write_text(PLUGIN)
    (tmp_path / "also.py").write_text(PLUGIN.replace("mine", "also"))
    for name in ("store", "other"):
        fill(Store.open(tmp_path / name, create=True), ["ecoli", "us_crime", "wine_quality"], ["baseline", "mine"])
    save(made_model(), tmp_path / "model")
    for label, count in (("cat", 40), ("dog", 12)):
        (tmp_path / "photos" / label).mkdir(parents=True)
        for i in range(count):
            pixels = np.full((8, 8, 3), i * 5, np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / label / f"{i}.png")
    return table


@pytest.fixture
def built(monkeypatch):
    """The registries built so far."""
    found, init = [], Registry.__init__

    def counting(self, *arguments, **options):
        init(self, *arguments, **options)
        found.append(self)

    monkeypatch.setattr(Registry, "__init__", counting)
    return found


@pytest.mark.parametrize("verb", VERBS)
def test_a_command_builds_at_most_one_registry_and_it_knows_the_plugin_file(verb, surroundings, imbench, built):
    words = [word.format(table=surroundings) for word in CALLS[verb].split()]
    answer = imbench(*verb.split(), *words)
    assert answer.code in (0, 1), answer.err
    assert len(built) <= 1
    if any(option.name == "plugins" for option in VERBS[verb].params):
        assert "--plugin" in words
        assert answer.code == 0, answer.out + answer.err
        assert "mine" in [entry.name for entry in built[0].entries("strategy")]


@pytest.mark.parametrize("verb", ["status store", "report store --to report", "evaluate store --metric gmean",
                                  "compare store other", "publish store --to site --unchecked"])  # fmt: skip
def test_without_the_file_the_default_of_its_strategy_is_not_known(verb, surroundings, imbench):
    answer = imbench(*verb.split(), "--strategy", MINE)
    assert answer.code == 2
    assert f"no results of strategy {MINE!r}" in answer.err


def test_a_plugin_file_is_an_option_of_results_in_a_store_only(surroundings, imbench, tmp_path):
    (tmp_path / "scores.csv").write_text("dataset,a,b\nx,1,2\ny,2,3\nz,1,4\n")
    answer = imbench("evaluate", "scores.csv", "--higher", "--plugin", "mine.py")
    assert (answer.code, answer.err) == (2, "error: --plugin applies only to a store; remove it\n")


def test_all_files_of_a_repeated_option_are_known(surroundings, imbench):
    answer = imbench("list", "strategies", "--plugin", "mine.py", "--plugin", "also.py", "--json")
    assert {"mine", "also"} <= {row["name"] for row in json.loads(answer.out)}
