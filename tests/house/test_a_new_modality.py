"""A kind of data that imbench does not know is added by three entries: of a modality, of a net, of a source.

So a new one touches `contract/modality.py`, `engine/architectures.py` and `data/sources/kinds.py`, and a protocol file
if it wants another batch size; all else is its own room: its net and its reader, here `Bag` and `read`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
import torch

from imbench.checks import check_property
from imbench.contract.errors import UsageError
from imbench.contract.modality import MODALITIES, Modality
from imbench.data.canonical import Table
from imbench.data.data_sources import DataSources, card_of
from imbench.data.sources.kinds import KINDS
from imbench.data.sources.source_kind import SourceKind
from imbench.data.variants import parse_variant
from imbench.engine.architecture import Architecture, glorot
from imbench.engine.architectures import ARCHITECTURES
from imbench.runs.bench import run
from imbench.strategies.baseline import Baseline

WORDS, LENGTH, WIDTH = 1000, 7, 4
CARD = """
title = "Sentences"
modality = "text"
target = "topic"
rows = 300
features = 7
class_counts = { sport = 220, law = 80 }

[[task]]
name = "binary"
minority = ["law"]

[[source]]
kind = "sentences"
"""


@dataclass(frozen=True)
class Bag(Architecture):
    """The mean of the words' vectors, then an output layer."""

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        return [(WORDS, WIDTH), (WIDTH, self.classes)]

    def weights(self, rng: np.random.Generator) -> list[np.ndarray]:
        return [glorot(rng, shape) for shape in self.shapes]

    def stages(self, arrays: Sequence[torch.Tensor], kept, *, training: bool):
        words, last = arrays
        nets = torch.arange(len(words))[:, None, None]
        # (nets, batch, words) -> (nets, batch, width) -> (nets, batch, classes)
        return [lambda x: words[nets, x.long()].mean(dim=2), lambda x: torch.bmm(x, last)]

    @property
    def outputs(self) -> list[int]:
        return [WIDTH, self.classes]

    @property
    def multiplications(self) -> int:
        return WIDTH * self.classes


def read(card, options, downloads) -> Table:
    """Sentences of law have words of the upper half of the dictionary more often."""
    rng = np.random.default_rng(0)
    y = rng.permutation(np.repeat([0, 1], [220, 80]))
    upper = rng.random((300, LENGTH)) < 0.1 + 0.8 * y[:, None]
    words = rng.integers(0, WORDS // 2, (300, LENGTH)) + WORDS // 2 * upper
    return Table(words.astype(np.int32), tuple(f"w{j}" for j in range(LENGTH)), ((),) * LENGTH, y, ("sport", "law"))


@dataclass(frozen=True)
class Words(Baseline):
    """The baseline, for sentences as well."""

    name: ClassVar[str] = "words"
    modalities: ClassVar[tuple[str, ...]] = ("tabular", "text")


@pytest.fixture
def card(monkeypatch, tmp_path) -> str:
    """The three entries; the path of a card of such data."""
    text = Modality(
        name="text",
        axes=("words",),
        shape=lambda values: (values,),
        source_dtype="int32",
        dtype="int32",
        storage="rows",
        scaling="none",
        nets={"paper": "bag"},
        kernel="",
        stacked_on_cpu=True,
        example=(LENGTH,),
    )
    monkeypatch.setitem(MODALITIES, "text", text)
    monkeypatch.setitem(ARCHITECTURES, "bag", lambda features, classes, protocol: Bag(features, classes))
    monkeypatch.setitem(KINDS, "sentences", SourceKind("sentences", {}, read, lambda options, downloads: ""))
    monkeypatch.setenv("IMBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("IMBENCH_DATA_MIRROR", raising=False)
    path = tmp_path / "sentences.toml"
    path.write_text(CARD)
    return str(path)


def test_its_rows_come_out_of_the_cache_as_they_went_in(card):
    known, sources = card_of(card), DataSources.open()
    variant = parse_variant(card, known)
    first, again = sources.load(known, variant), sources.load(known, variant)
    assert len(sources.copies(known)) == 1
    for dataset in (first, again):
        np.testing.assert_array_equal(dataset.x, read(known, {}, None).x)
        assert dataset.x.dtype == np.int32
    assert first.data_hash == again.data_hash


def test_its_nets_are_trained_in_a_run_and_learn(card, tmp_path):
    results = run(
        datasets=[card, f"{card}:ir=0.2"],
        strategies=[Words()],
        settings={"epochs": "60", "repeats": "1", "batch_size": "32"},
        store=tmp_path / "store",
        jobs=1,
    )
    frame = results.frame()
    assert len(frame) == 4
    assert (frame["gmean"] > 0.6).all()


def test_strategies_that_do_not_serve_it_are_refused_and_those_that_do_are_checked(card, tmp_path):
    with pytest.raises(UsageError, match=r"remix supports tabular and image data, and .*sentences\.toml is text"):
        run(datasets=[card], strategies=["remix"], store=tmp_path / "store", jobs=1)
    served = check_property(Words(), "modalities_served")
    assert "text" in served.detail
