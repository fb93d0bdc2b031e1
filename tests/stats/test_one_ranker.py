"""Every surface shows the same ranks: a run's JSON, the report's CSV, the evaluation and the leaderboards."""

from __future__ import annotations

import io

import pandas as pd
import pytest

from imbench.cli.boards import boards_json
from imbench.report.model import Options, gather
from imbench.report.tables import TABLES, csv
from imbench.scoring.metrics import ADDED, METRICS, Metric, known_metrics
from imbench.stats.block_analyses import evaluate_rows
from imbench.store.added import with_metrics
from imbench.store.results import Results, load
from imbench.store.store import Store
from tests.made_results import fill

DATASETS = ("ecoli", "musk", "ozone", "segment")
STRATEGIES = ("baseline", "mixup", "remix")


def _share(outcome):
    """The share of minority rows that are predicted, which should be theirs in the data."""
    return float((outcome.predicted == 1).mean())


SHARE = Metric("share_predicted", "Share predicted", _share, False, "Share of rows given to class 1", True, 0.5)


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Results:
    """A small store with a metric of a plugin that has a target."""
    store = Store.open(tmp_path_factory.mktemp("ranker") / "store", create=True)
    fill(store, DATASETS, STRATEGIES)
    yield with_metrics(load(store.path), [SHARE])
    ADDED.pop(SHARE.name, None)


def plain_ranks(rows: pd.DataFrame, metric: Metric) -> dict[str, float]:
    """Average ranks by pandas alone."""
    means = rows.pivot_table(index="dataset", columns="strategy", values=metric.name, aggfunc="mean").dropna()
    cost = (means - metric.target).abs() if metric.target is not None else means
    rising = metric.target is not None or not metric.higher_is_better
    return dict(cost.round(6).rank(axis=1, ascending=rising).mean())


def surfaces(results: Results, name: str) -> dict[str, dict[str, float]]:
    """Strategy -> average rank, as each surface shows it."""
    listed = boards_json(results, [name])["leaderboards"][0]["rows"]
    table = results.leaderboards([name])[0].table
    report = pd.read_csv(io.BytesIO(csv(TABLES["leaderboard"](gather(results, Options(metrics=(name,)))))))
    report = report[report["rule"] == "argmax"]
    tests = evaluate_rows(results.rows, name, within=False)[0].configurations
    return {
        "run": {row["strategy"]: row["average_rank"] for row in listed},
        "leaderboards": dict(zip(table["strategy"], table["average_rank"], strict=True)),
        "report": dict(zip(report["strategy"], report["average_rank"], strict=True)),
        "evaluate": dict(tests.average_ranks),
    }


@pytest.mark.parametrize("name", [*METRICS, SHARE.name])
def test_every_surface_ranks_a_metric_alike(results, name):
    expected = plain_ranks(results.rows, known_metrics()[name])
    for surface, ranks in surfaces(results, name).items():
        assert ranks == pytest.approx(expected), surface


def test_a_report_takes_each_for_every_rule(results):
    asked, plain = (gather(results, Options(metrics=("gmean",), rules=rules)) for rules in (("each",), ()))
    assert [board.slug for board in asked.boards] == ["quick-binary-gmean-each"]
    assert asked.boards[0].names == next(b for b in plain.boards if b.rule == "each").names
    assert "each" in {board.rule for board in asked.boards}


def test_an_evaluation_lets_rules_compete(results):
    ranks = evaluate_rows(results.rows, "gmean", rule="each", within=False)[0].configurations.average_ranks
    assert {"baseline", "baseline+tuned"} <= set(ranks.index)
