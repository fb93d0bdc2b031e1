"""A published file of rows says which versions of metrics and rules its numbers are of, and no other is read."""

from __future__ import annotations

import dataclasses
import shutil

import pandas as pd
import pyarrow.parquet as pq
import pytest

from imbench.contract.errors import UsageError
from imbench.report.publish import publish
from imbench.scoring.metrics import METRICS
from imbench.scoring.rules import RULES
from imbench.stats.score_table import SAME
from imbench.store.evaluation_files import read_rows
from imbench.store.store import Store
from tests.made_results import fill


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of a published store."""
    folder = tmp_path_factory.mktemp("published")
    store = Store.open(folder / "store", create=True)
    fill(store, ["a"], ["baseline", "remix"])
    publish(store.path, folder / "site")
    return folder / "site"


@pytest.fixture
def published(site, tmp_path):
    """The published rows of a store, in a copy of its folder."""
    return shutil.copytree(site, tmp_path / "site") / "store" / "results.parquet"


def test_what_this_imbench_published_it_reads(published):
    assert read_rows(published, ["key", "auprc", "auprc@recalibrated", "gmean@tuned"]).notna().all(axis=None)
    assert read_rows(published.parents[1] / "results.parquet", ["page", "auprc"]).notna().all(axis=None)


def test_a_file_without_versions_is_of_version_1(published):
    pq.write_table(pq.read_table(published).replace_schema_metadata(None), published)
    with pytest.raises(
        UsageError, match=r"results.parquet has 'auprc' of metric auprc in version 1; .* version 2. Give"
    ):
        read_rows(published, ["key", "auprc"])
    assert "gmean" in read_rows(published, ["key", "gmean"])


@pytest.mark.parametrize(
    ("table", "name", "column", "kind"),
    [
        (METRICS, "mcc", "mcc", "metric"),
        (METRICS, "mcc", "mcc@tuned", "metric"),
        (RULES, "tuned", "gmean@tuned", "decision rule"),
    ],
)
def test_a_column_of_another_version_is_refused(published, monkeypatch, table, name, column, kind):
    monkeypatch.setitem(table, name, dataclasses.replace(table[name], version=7))
    with pytest.raises(
        UsageError, match=rf"{column}' of {kind} {name} in version 1; .* version 7. .*publish that store"
    ):
        read_rows(published, ["key", column])
    assert "gmean" in read_rows(published, ["key", "gmean"])


def test_a_column_that_is_only_read_beside_others_is_left_out(published, monkeypatch):
    monkeypatch.setitem(METRICS, "brier", dataclasses.replace(METRICS["brier"], version=7))
    rows = read_rows(published, ["key", "gmean", *SAME], beside=SAME)
    assert "brier" not in rows
    assert "log_loss" in rows


def test_numbers_of_two_versions_do_not_meet_in_the_file_of_all_pages(published, tmp_path, monkeypatch):
    monkeypatch.setitem(METRICS, "mcc", dataclasses.replace(METRICS["mcc"], version=2))
    other = Store.open(tmp_path / "other", create=True)
    fill(other, ["b"], ["baseline", "remix"])
    publish(other.path, tmp_path / "site")
    rows = read_rows(tmp_path / "site" / "results.parquet", ["page", "mcc", "mcc@tuned", "gmean"])
    assert rows[rows["page"] == "store"][["mcc", "mcc@tuned"]].isna().all(axis=None)
    assert rows[rows["page"] == "other"][["mcc", "mcc@tuned"]].notna().all(axis=None)
    assert rows["gmean"].notna().all()
    assert pd.read_parquet(published)["mcc"].notna().all(), "the page itself stays as it is"
