"""Small datasets made up for tests, and the mirrors and cards that offer them."""

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd

from imbench.contract.records import Card, Dataset, Fold, Source, Task, Variant
from imbench.data.cache import Copy
from imbench.data.canonical import Table
from imbench.data.data_sources import DataSources
from imbench.data.survey import DatasetStatus
from imbench.data.survey import survey as survey_of
from imbench.data.variants import build


def frame(rows: int = 60, seed: int = 0) -> pd.DataFrame:
    """Three classes a, b, c (a the largest), two numeric columns with gaps, one of text."""
    rng = np.random.default_rng(seed)
    made = pd.DataFrame({"u": rng.normal(size=rows), "v": rng.integers(0, 5, rows).astype(float)})
    made["w"] = np.where(np.arange(rows) % 3 == 0, "red", "blue")
    made.loc[::7, "u"] = np.nan
    made["target"] = np.where(np.arange(rows) % 4 == 0, "b", np.where(np.arange(rows) % 6 == 1, "c", "a"))
    return made


def card(name: str = "made", sources: tuple[Source, ...] = (), content: str = "", **changes) -> Card:
    """The card of `frame`."""
    made = frame()
    fields = {
        "name": name,
        "title": "Made up",
        "modality": "tabular",
        "target": "target",
        "rows": len(made),
        "features": 3,
        "missing": int(made.isna().sum().sum()),
        "class_counts": made["target"].value_counts().sort_index().to_dict(),
        "tasks": (Task("binary", ("c",)), Task("multiclass", ("b", "c"))),
        "sources": sources,
        "categorical": ("w",),
        "content": content,
    }
    return Card(**{**fields, **changes})


def mirror(folder: Path, tables: dict[str, pd.DataFrame] | None = None) -> str:
    """A mirror that offers these tables (``made`` if none are given), in a new folder."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["schema = 1"]
    for name, table in (tables or {"made": frame()}).items():
        path = folder / f"{name}.parquet"
        table.to_parquet(path, index=False)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        lines += [f"[dataset.{name}]", f'file = "{path.name}"', f'sha256 = "{digest}"']
    (folder / "MANIFEST.toml").write_text("\n".join(lines))
    return str(folder)


def sources(mirror: str | None = None, cache: Path | None = None) -> DataSources:
    return DataSources.open(mirror, cache)


def fetch(of: Card, mirror: str | None = None, cache: Path | None = None) -> Copy:
    return sources(mirror, cache).fetch(of)


def hash_on_disk(of: Card, mirror: str | None = None, cache: Path | None = None) -> str | None:
    copy = sources(mirror, cache).present(of)
    return copy.data_hash if copy else None


def load(of: Card, variant: Variant, mirror: str | None = None, cache: Path | None = None, **how) -> Dataset:
    return sources(mirror, cache).load(of, variant, **how)


def survey(cards: list[Card], mirror: str | None = None) -> list[DatasetStatus]:
    return survey_of(cards, sources(mirror))


def table(counts: list[int], features: int = 2, seed: int = 0) -> Table:
    """A numeric table with these class counts, classes mixed over the rows."""
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.repeat(np.arange(len(counts)), counts))
    x = rng.normal(size=(len(y), features))
    names = tuple(f"f{j}" for j in range(features))
    return Table(x, names, ((),) * features, y, tuple(f"c{k}" for k in range(len(counts))))


def table_card(made: Table, minority: tuple[str, ...] = ("c0",), name: str = "made") -> Card:
    """The card of a made table: binary with the first minority, multi-class with all of them."""
    tasks = (Task("binary", minority[:1]), Task("multiclass", minority))
    return Card(
        name=name,
        title=name,
        modality="tabular",
        target="target",
        rows=len(made.x),
        features=made.x.shape[1],
        missing=made.missing,
        class_counts=made.class_counts,
        tasks=tasks,
    )


def dataset(counts: list[int], seed: int = 0, **variant) -> Dataset:
    """The dataset of a made table."""
    made = table(counts)
    return build(made, table_card(made), Variant("made", seed=seed, **variant), "0" * 64)


def numeric_dataset(x: np.ndarray, kinds: tuple[str, ...] | None = None) -> Dataset:
    """Float32 rows as a dataset of two classes in turn."""
    y = np.arange(len(x)) % 2
    names = tuple(f"f{j}" for j in range(x.shape[1]))
    return Dataset(
        variant=Variant("made"),
        card=card(),
        x=x.astype(np.float32),
        y=y,
        rows=np.arange(len(x)),
        feature_names=names,
        feature_kinds=kinds or ("numeric",) * x.shape[1],
        class_names=("a", "b"),
        minority=(1,),
        data_hash="0" * 64,
    )


def halves(rows: int) -> Fold:
    """The first half for training (its last third for validation), the second for the test."""
    half, validation = rows // 2, rows // 3
    return Fold(0, 0, np.arange(validation), np.arange(validation, half), np.arange(half, rows))
