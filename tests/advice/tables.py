"""Ten small tables, none of a suite: three real ones from scikit-learn, seven made so that the answer is known.

``python -m tests.advice.tables FOLDER`` writes them as files, with ``--answer`` also the page of `reports/advice`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tests.advice.simulations import ball


@dataclass(frozen=True)
class Example:
    """A table with the question asked about it.

    Parameters
    ----------
    make : the table
    target : column of the classes
    about : what the table is, for the page of examples
    answers : beginnings of the headline that are right
    options : further arguments of `imbench.advise`
    """

    make: Callable[[], pd.DataFrame]
    target: str
    about: str
    answers: tuple[str, ...]
    options: Mapping[str, str] = field(default_factory=dict)


NOT_LEARNED = "No model tried is shown to do better than guessing"
NO = "Rebalancing does not help here"
YES = "Rebalancing helps here"
OTHER = "Another model is better here"


def _numbered(x: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame(x, columns=[f"x{i}" for i in range(x.shape[1])])


def diabetes() -> pd.DataFrame:
    """The tenth of 442 patients whose disease progressed most (Efron and others 2004)."""
    from sklearn.datasets import load_diabetes

    frame = load_diabetes(as_frame=True, scaled=False).frame
    return frame.drop(columns="target").assign(fast=np.where(frame["target"] >= 265, "yes", "no"))


def breast_cancer() -> pd.DataFrame:
    """569 tumours (Wolberg and others 1995)."""
    from sklearn.datasets import load_breast_cancer

    loaded = load_breast_cancer(as_frame=True)
    return loaded.data.assign(tumour=np.where(loaded.target == 0, "malignant", "benign"))


def wine() -> pd.DataFrame:
    """178 wines of three cultivars (Aeberhard and Forina 1992)."""
    from sklearn.datasets import load_wine

    loaded = load_wine(as_frame=True)
    return loaded.data.assign(cultivar="c" + loaded.target.astype(str))


def coin_tosses() -> pd.DataFrame:
    """Labels that no column has to do with."""
    rng = np.random.default_rng(1)
    return _numbered(rng.normal(size=(400, 6))).assign(won=np.where(rng.permutation(400) < 60, "yes", "no"))


def patients() -> pd.DataFrame:
    """300 patients with five nearly equal rows each, and labels of patients by chance."""
    rng = np.random.default_rng(2)
    ill = np.repeat(rng.random(300) < 0.2, 5)
    frame = _numbered(np.repeat(rng.normal(size=(300, 8)), 5, axis=0) + 0.02 * rng.normal(size=(1500, 8)))
    return frame.assign(patient=[f"P{n:03d}" for n in np.repeat(np.arange(300), 5)], ill=np.where(ill, "yes", "no"))


def drift() -> pd.DataFrame:
    """900 days in which what tells the classes apart turns round: the past says nothing about the future."""
    rng = np.random.default_rng(3)
    rare = rng.random(900) < 0.2
    turns = np.cos(np.arange(900) * np.pi / 100)
    frame = _numbered(rng.normal(size=(900, 4)))
    frame["x0"] += 2 * rare * turns
    days = pd.Timestamp("2022-01-01") + pd.to_timedelta(np.arange(900), unit="D")
    return frame.assign(day=days.strftime("%Y-%m-%d"), fault=np.where(rare, "yes", "no"))


def missing_note() -> pd.DataFrame:
    """A note that is missing exactly where the answer is yes."""
    rng = np.random.default_rng(4)
    yes = np.arange(500) % 8 == 0
    note = np.where(yes, "", rng.choice(["seen", "called", "wrote"], 500))
    return _numbered(rng.normal(size=(500, 3))).assign(note=note, churned=np.where(yes, "yes", "no"))


def steps() -> pd.DataFrame:
    """A rule of thresholds on raw columns, which trees find and small nets on few rows do not."""
    rng = np.random.default_rng(5)
    x = rng.lognormal(0, 2.0, size=(1500, 12))
    odd = ((x[:, 0] > 1) ^ (x[:, 1] > 1)) & (x[:, 2] > 1.5)
    return _numbered(x).assign(refund=np.where(odd ^ (rng.random(1500) < 0.01), "yes", "no"))


def shop() -> pd.DataFrame:
    """Customers of a shop, with numbers, categories, dates, an id and missing values; all effects are linear."""
    rng = np.random.default_rng(6)
    rows = 900
    spent, visits = rng.gamma(2, 40, rows), rng.poisson(6, rows)
    plan = rng.choice(["basic", "family", "student"], rows, p=[0.6, 0.3, 0.1])
    score = -2.6 + 0.9 * (plan == "student") - 0.25 * (visits - 6) + 0.01 * (spent - 80)
    days = pd.Timestamp("2021-03-01") + pd.to_timedelta(rng.integers(0, 1000, rows), unit="D")
    frame = pd.DataFrame({"customer_id": rng.permutation(rows) + 10_000, "since": days.strftime("%d.%m.%Y")})
    frame["plan"], frame["visits"] = plan, visits
    frame["spent"] = np.where(rng.random(rows) < 0.05, "n.d.", np.char.mod("%.2f", spent))
    return frame.assign(churned=np.where(rng.random(rows) < 1 / (1 + np.exp(-score)), "yes", "no"))


def hidden_ball() -> pd.DataFrame:
    """80 rare rows of 4,000 inside the cloud of the others, in thirty dimensions."""
    return ball(0)


TABLES: Mapping[str, Example] = {
    "diabetes": Example(
        diabetes,
        "fast",
        "442 patients, of whom the tenth with the fastest progress is sought (scikit-learn)",
        (NO, OTHER),
    ),
    "breast_cancer": Example(breast_cancer, "tumour", "569 tumours, 212 of them malignant (scikit-learn)", (NO, OTHER)),
    "wine": Example(wine, "cultivar", "178 wines of three cultivars (scikit-learn)", (NO, OTHER)),
    "coin_tosses": Example(coin_tosses, "won", "made: labels by chance", (NOT_LEARNED, NO)),
    "patients": Example(
        patients,
        "ill",
        "made: 300 patients with five near-copies each, labels by chance",
        (NOT_LEARNED,),
        {"group": "patient"},
    ),
    "drift": Example(
        drift,
        "fault",
        "made: 900 days in which the difference of the classes turns round",
        (NOT_LEARNED, NO),
        {"time": "day"},
    ),
    "missing_note": Example(missing_note, "churned", "made: a note is missing exactly where the answer is yes", (NO,)),
    "steps": Example(steps, "refund", "made: a rule of thresholds on skewed columns", (OTHER, YES)),
    "shop": Example(shop, "churned", "made: customers with categories, dates, an id; all effects linear", (NO, OTHER)),
    "hidden_ball": Example(
        hidden_ball, "y", "made: 80 rare rows inside the cloud of 3,920", (YES, OTHER), {"goal": "ranking"}
    ),
}


def write(folder: Path) -> None:
    """Write all tables as CSV."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, example in TABLES.items():
        example.make().to_csv(folder / f"{name}.csv", index=False)


def answer(name: str, folder: Path) -> dict[str, Any]:
    """The whole advice on one of the written tables, trained without a limit of time, as ``--json`` gives it."""
    import imbench

    example = TABLES[name]
    path, store = folder / f"{name}.csv", folder / f"{name}-store"
    found = imbench.advise(str(path), target=example.target, budget=None, store=store, **example.options)
    return {"sentences": found.sentences, **found.advice.to_dict()}


def page(answers: Mapping[str, Mapping[str, Any]]) -> str:
    """The page of examples, from the answers by name."""
    parts = [_HEAD]
    for name, example in TABLES.items():
        given = "".join(f" --{key} {value}" for key, value in example.options.items())
        command = f"imbench advise {name}.csv --target {example.target}{given} --budget none"
        said = "\n>\n".join(f"> {sentence}" for sentence in answers[name]["sentences"])
        parts.append(f"## {name}\n\n{example.about[0].upper()}{example.about[1:]}.\n\n    {command}\n\n{said}\n")
    return "\n".join(parts)


_HEAD = """# Ten tables, ten answers

What `imbench advise` says about ten small tables, none of which is in a suite: three real ones, which scikit-learn
contains, and seven made so that the right answer is known. All built-in strategies and references were trained on four
repeats of five folds. `python -m tests.advice.tables FOLDER` in a checkout writes the tables, and
`python -m tests.advice.tables FOLDER --answer` makes this page and its data file, [answers.json](answers.json), again.

On the made tables the answers are the right ones. Rebalancing is advised on none of the ten. On the last table ReMix is
shown to be better than a plain net, and so is MixUp, which mixes rows without rebalancing them: that rebalancing adds
anything to mixing is not shown.
"""


def main(folder: Path, answering: bool) -> None:
    """Write the tables, and with ``--answer`` the page."""
    write(folder)
    if answering:
        answers = {name: answer(name, folder) for name in TABLES}
        (folder / "answers.json").write_text(json.dumps(answers, indent=1, allow_nan=False) + "\n", "utf-8")
        (folder / "README.md").write_text(page(answers), "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), "--answer" in sys.argv[2:])
