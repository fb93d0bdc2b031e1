"""A small table of one's own, the command line called in this process, and one finished run to look at."""

import contextlib
import io
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest

from imbench.cli import main


class Answer(NamedTuple):
    """What a command gave back."""

    code: int
    out: str
    err: str


def call(*arguments: str) -> Answer:
    """Run one command in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([str(argument) for argument in arguments])
    return Answer(code, out.getvalue(), err.getvalue())


def write_table(path: Path, classes: dict[str, int], seed: int = 0) -> str:
    """A CSV with three features that tell the classes apart; the spec of it."""
    rng = np.random.default_rng(seed)
    y = np.repeat(list(classes), list(classes.values()))
    centre = pd.Categorical(y, categories=list(classes)).codes[:, None]
    frame = pd.DataFrame(rng.normal(size=(len(y), 3)) + centre, columns=list("abc")).assign(kind=y)
    frame.to_csv(path, index=False)
    return f"{path}:target=kind"


@pytest.fixture(autouse=True)
def _own_surroundings(tmp_path, monkeypatch):
    """No test reads the user's mirror, cache, terminal width or working folder."""
    monkeypatch.delenv("IMBENCH_DATA_MIRROR", raising=False)
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.setenv("IMBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def imbench():
    """The command line, called in this process."""
    return call


@pytest.fixture
def table(tmp_path) -> str:
    """The spec of a table of 200 rows, 40 of them of the minority."""
    return write_table(tmp_path / "table.csv", {"no": 160, "yes": 40})


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> tuple[Path, list[str], Answer]:
    """A store with a binary and a multi-class run in it, the command that made it, and its answer."""
    folder = tmp_path_factory.mktemp("finished")
    return made(folder, "smoke")


@pytest.fixture(scope="session")
def ranked(tmp_path_factory) -> Path:
    """A store like `finished`, with as short a training, under a protocol whose results may be published."""
    folder = tmp_path_factory.mktemp("ranked")
    return made(folder, "paper:epochs=3,repeats=1")[0]


def made(folder: Path, protocol: str) -> tuple[Path, list[str], Answer]:
    """A run of two strategies on three tables: its store, its command and its answer."""
    specs = [
        write_table(folder / "two.csv", {"no": 160, "yes": 40}),
        write_table(folder / "more.csv", {"no": 160, "yes": 60}, seed=1),
        write_table(folder / "three.csv", {"red": 90, "green": 60, "blue": 30}),
    ]
    datasets = [part for spec in specs for part in ("--dataset", spec)]
    strategies = ["--strategy", "baseline", "--strategy", "remix"]
    store = folder / "store"
    command = ["run", *datasets, *strategies, "--protocol", protocol, "--jobs", "1", "--store", str(store)]
    with pytest.MonkeyPatch.context() as patch:
        # Parallel runs of pytest set a width; this fixture is made before a test's own surroundings are.
        patch.delenv("COLUMNS", raising=False)
        return store, command, call(*command)
