"""How often `imbench.advise` is wrong on tables without an effect, and how often it finds one, with nets that train.

``python -m tests.advice.simulations shuffled 200 shuffled.jsonl`` adds the tries that the file lacks, so it resumes.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import imbench

GOALS = ("decisions", "ranking", "probabilities")
# The gain of ReMix on the tables of `ball`, in AUROC, to which `found` refers.
GAIN = 0.05


@dataclass(frozen=True)
class Simulation:
    """Tries of one question.

    Parameters
    ----------
    table : the table of a seed
    options : what `imbench.advise` is asked, by seed
    """

    table: Callable[[int], pd.DataFrame]
    options: Callable[[int], dict[str, Any]]

    def one(self, seed: int) -> dict[str, Any]:
        """The advice on the table of this seed, as plain values."""
        with tempfile.TemporaryDirectory() as folder:
            found = imbench.advise(
                self.table(seed), target="y", store=Path(folder) / "store", jobs=1, **self.options(seed)
            )
        return {"seed": seed, "goal": found.goal.name, **found.advice.to_dict()}


def shuffled_table(seed: int) -> pd.DataFrame:
    """A table of drawn size and imbalance, with numbers, categories and missing values that labels do not depend on."""
    rng = np.random.default_rng(seed)
    rows, numbers = int(rng.integers(150, 500)), int(rng.integers(2, 9))
    frame = pd.DataFrame(
        rng.normal(size=(rows, numbers)) ** rng.choice([1, 3]), columns=[f"x{i}" for i in range(numbers)]
    )
    frame["kind"] = rng.choice(list("abcd"), rows, p=[0.6, 0.2, 0.15, 0.05])
    frame.loc[rng.random(rows) < 0.1, "x0"] = np.nan
    classes = 2 + (seed % 5 == 4)
    rare = max(12, int(rows * rng.uniform(0.05, 0.3)))
    labels = np.repeat(np.arange(classes), [rows - rare * (classes - 1), *[rare] * (classes - 1)])
    frame["y"] = np.array(["no", "yes", "perhaps"])[rng.permutation(labels)]
    return frame


def ball(seed: int, rows: int = 4000, share: float = 0.02, features: int = 30, scale: float = 0.65) -> pd.DataFrame:
    """A rare class inside the cloud of the other: a net that sees few of its rows overfits, and mixing them helps."""
    rng = np.random.default_rng(seed)
    rare = np.arange(rows) < rows * share
    x = rng.normal(size=(rows, features))
    x[rare] *= scale
    frame = pd.DataFrame(x, columns=[f"x{i}" for i in range(features)])
    frame["y"] = np.where(rare, "yes", "no")
    return frame


SIMULATIONS = {
    "shuffled": Simulation(
        shuffled_table, lambda seed: {"goal": GOALS[seed % 3], "budget": 60.0, "settings": {"repeats": "1"}}
    ),
    "ball": Simulation(
        ball, lambda seed: {"goal": "ranking", "budget": None, "strategies": ["remix"], "references": ()}
    ),
}


def tries(name: str, seeds: int) -> Iterator[dict[str, Any]]:
    """The advice of each seed from 0."""
    for seed in range(seeds):
        yield SIMULATIONS[name].one(seed)


def stated_power(advice: dict[str, Any], effect: float) -> float:
    """The power for this effect that follows from the stated one: that an effect of ``detectable`` is found in 0.8."""
    from scipy.stats import t

    degrees, tests = advice["folds"] - 1, len(advice["candidates"])
    critical = t.ppf(1 - advice["alpha"] / tests, degrees)
    error = advice["detectable"] / (critical + t.ppf(0.8, degrees))
    return float(t.cdf(effect / error - critical, degrees))


def main(name: str, seeds: int, path: Path) -> None:
    """Add the tries that the file lacks."""
    done = {json.loads(line)["seed"] for line in path.read_text().splitlines()} if path.exists() else set()
    for seed in range(seeds):
        if seed not in done:
            with path.open("a") as file:
                file.write(json.dumps(SIMULATIONS[name].one(seed)) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
