"""A small table of one's own, a store, and packages that are only metadata and a module."""

import faulthandler
import sys
from pathlib import Path
from textwrap import dedent

import numpy as np
import pandas as pd
import pytest

from imbench.contract import entry_points


@pytest.fixture(autouse=True)
def watch():
    """A run that waits for ever ends its process with the stacks of all threads, and not the tests' time."""
    faulthandler.dump_traceback_later(600, exit=True)
    yield
    faulthandler.cancel_dump_traceback_later()


@pytest.fixture
def table(tmp_path):
    """The spec of a CSV with 240 rows, 5 features, one of them text, and 60 rows of the smaller class."""
    rng = np.random.default_rng(0)
    y = np.repeat(["no", "yes"], [180, 60])
    frame = pd.DataFrame(rng.normal(size=(240, 4)) + (y == "yes")[:, None], columns=list("abcd"))
    frame["colour"] = rng.choice(["red", "green", "blue"], 240)
    frame["churn"] = y
    path = tmp_path / "table.csv"
    frame.to_csv(path, index=False)
    return f"{path}:target=churn,ir=0.2"


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Install a package: its name, its entry points by group, and the source of its module."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    entry_points.forget()
    modules = []

    def make(package: str, points: dict[str, dict[str, str]], source: str = "") -> None:
        info = folder / f"{package.replace('-', '_')}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        groups = [f"[{g}]\n" + "\n".join(f"{k} = {v}" for k, v in names.items()) for g, names in points.items()]
        (info / "entry_points.txt").write_text("\n\n".join(groups) + "\n")
        module = package.replace("-", "_")
        entry_points.forget()
        (folder / f"{module}.py").write_text(dedent(source))
        modules.append(module)

    yield make
    entry_points.forget()
    for module in modules:
        sys.modules.pop(module, None)


STRATEGY = '''
from dataclasses import dataclass
from typing import ClassVar
from imbench import BatchStrategy

@dataclass(frozen=True)
class Mine(BatchStrategy):
    """Leaves every batch as it is."""

    name: ClassVar[str] = "mine"
    strength: float = 1.0

    def rebalance(self, batch, info, noise):
        return batch
'''


@pytest.fixture
def plugin(tmp_path) -> Path:
    """A plugin file with the strategy ``mine``."""
    path = tmp_path / "my_strategy.py"
    path.write_text(STRATEGY)
    return path
