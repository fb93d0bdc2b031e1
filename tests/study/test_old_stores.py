"""A store of the first schema opens, reports and takes part in what stores do, for ever."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from imbench.study.metrics import score
from imbench.study.report import write_report
from imbench.study.results import load
from imbench.study.store import Store

FIRST = Path(__file__).parent / "fixtures" / "store-schema-1"


@pytest.fixture
def old(tmp_path):
    """A copy that may be written to."""
    return shutil.copytree(FIRST, tmp_path / "old")


def test_every_job_of_the_first_schema_is_done_and_has_its_predictions(old):
    store = Store.open(old)
    files = sorted(file.stem for file in (old / "jobs").iterdir())
    assert store.keys() == files
    assert len(files) == 6
    for key in files:
        assert [(p.repeat, p.fold) for p in store.predictions(key)] == [(0, 0), (0, 1)]


def test_the_rows_of_the_first_schema_are_what_was_written(old):
    frame = Store.open(old).frame().sort_values(["key", "fold"], ignore_index=True)
    written = pd.concat([pq.read_table(file).to_pandas() for file in sorted((old / "jobs").iterdir())])
    written = written.sort_values(["key", "fold"], ignore_index=True)
    pd.testing.assert_frame_equal(frame[written.columns], written, check_dtype=False)


def test_the_scores_of_the_first_schema_follow_from_its_predictions(old):
    store = Store.open(old)
    for row in store.frame().to_dict("records"):
        (fold,) = [p for p in store.predictions(row["key"]) if p.fold == row["fold"]]
        again = score(fold.test.y, fold.test.proba)
        assert {m: row[m] for m in ("gmean", "bbs", "log_loss")} == {m: again[m] for m in ("gmean", "bbs", "log_loss")}


def test_a_report_of_the_first_schema_ranks_its_three_strategies(old, tmp_path):
    results = load(old)
    assert {tuple(sorted(board.table["strategy"])) for board in results.leaderboards()} == {
        ("baseline", "cost-adjusted", "remix")
    }
    assert all(path.stat().st_size for path in write_report(results, tmp_path / "report"))
