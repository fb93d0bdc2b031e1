"""Table 1 against the cards, and against the real data where there is a mirror."""

import os

import pytest

from imbench import RunRequest
from imbench.reproduce.context import ReproductionContext
from imbench.reproduce.printed import TABLE1
from imbench.reproduce.table1 import table1
from imbench.runs.registry import Registry


def test_without_any_data_the_cards_tell_and_every_absence_is_said(tmp_path, monkeypatch):
    from imbench.contract.errors import DataError

    def unreachable(self, spec, sources):
        raise DataError(f"{spec} cannot be reached")

    monkeypatch.setattr(Registry, "dataset", unreachable)
    item = table1(ReproductionContext(RunRequest(store=tmp_path / "store")))
    datasets, variants = (numbers.frame for numbers in item.tables)
    assert len(datasets) == len(TABLE1) == 12
    assert set(datasets["ratios built here"]) == {"none"}
    assert variants.empty
    assert any("aps_failure_head9000" in said for said in item.basis)


def test_what_is_printed_and_differs_is_said_with_a_reason(tmp_path, monkeypatch):
    from imbench.contract.errors import DataError

    def unreachable(self, spec, sources):
        raise DataError("unreachable")

    monkeypatch.setattr(Registry, "dataset", unreachable)
    found = table1(ReproductionContext(RunRequest(store=tmp_path / "store"))).found
    for words in (
        "168 dimensions printed, 166 in the data",
        "9,000 rows printed, 9,822 in the data",
        "ratio 0.25 is impossible",
    ):
        assert any(words in said for said in found)
    assert found[0].startswith("In 6 of 12 rows of the table")
    assert not any("Segment" in said for said in found)


def test_every_difference_that_is_explained_is_one():
    for listed in TABLE1:
        card = Registry().card(listed.dataset)
        assert ("dimensions" in listed.reasons) == (listed.dimensions != card.features)
        assert ("rows" in listed.reasons) == (listed.rows != card.rows)


@pytest.mark.data
@pytest.mark.skipif("IMBENCH_DATA_MIRROR" not in os.environ, reason="needs a mirror")
def test_tabular_variants_have_the_ratio_that_is_printed(tmp_path, monkeypatch):
    monkeypatch.setattr("imbench.reproduce.table1.TABLE1", [one for one in TABLE1 if one.dataset != "cifar10"])
    variants = table1(ReproductionContext(RunRequest(store=tmp_path / "store"))).tables[1].frame
    assert len(variants) == 27
    # The paper's rule: int(majority * IR) rows are kept, so at most one row less than the ratio asks for.
    largest = variants["largest class"]
    assert (variants["smallest class"] == (largest * variants["ratio printed"] + 1e-9).astype(int)).mean() > 0.6
    assert ((variants["ratio built"] - variants["ratio printed"]).abs() * largest <= 1.01).all()
