"""The first screen shows the means, ranks and facts of the rows, and references apart."""

from __future__ import annotations

import dataclasses
import re
from html import escape

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imbench.report import Options
from imbench.report.evidence import basis
from imbench.report.figures.kinds import Figures
from imbench.report.markdown import markdown
from imbench.report.model import gather
from imbench.report.overview import Row, overviews
from imbench.report.page import page
from imbench.report.tables import TABLES, overview
from tests.report.made import FIRST_SCREEN, as_references, plain_means, plain_ranks, scored_rows

OPTIONS = Options(metrics=("gmean", "bbs"), rules=("argmax",))
REFERENCES = ("strategy-002", "strategy-004")


def rows_of(seed=0, strategies=5, configurations=10, **more):
    return scored_rows(
        strategies, configurations, 2, metrics=FIRST_SCREEN, seed=seed, tasks=("binary", "binary"), **more
    )


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 6), st.integers(2, 12))
def test_means_and_ranks_are_those_of_pandas(seed, strategies, configurations):
    results = rows_of(seed, strategies, configurations)
    (one,) = overviews(gather(results, OPTIONS))
    assert [column.name for column in one.columns] == ["gmean", "gmean@tuned", "bbs", "brier", "auprc"]
    for j, name in enumerate(FIRST_SCREEN):
        wanted = plain_means(results.rows, name).mean()
        found = {row.name: row.means[j] for row in one.rows}
        assert found == pytest.approx(wanted.to_dict())
        best = [row.name for row in one.rows if row.best[j]]
        assert wanted[best[0]] == (wanted.min() if name in ("bbs", "brier") else wanted.max())
    for k, (metric, higher) in enumerate((("gmean", True), ("bbs", False))):
        ranks = plain_ranks(results.rows, metric, higher).to_dict()
        assert {row.name: row.standings[k].rank for row in one.rows} == pytest.approx(ranks)


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10**6))
def test_references_are_apart_and_counted_where_they_beat_every_strategy(seed):
    results = rows_of(seed)
    (one,) = overviews(gather(as_references(results, REFERENCES), OPTIONS))
    assert {row.name for row in one.rows}.isdisjoint(REFERENCES)
    assert tuple(row.name for row in one.references) == REFERENCES
    for k, (metric, sign) in enumerate((("gmean", 1), ("bbs", -1))):
        worth = sign * plain_means(results.rows, metric)
        best = worth.drop(columns=list(REFERENCES)).max(axis=1)
        for row in one.references:
            assert row.ahead[k] == (worth[row.name] > best + 1e-6).sum()
            assert row.standings == ()


def test_every_form_of_the_report_shows_references_apart():
    model = gather(as_references(rows_of(), REFERENCES), OPTIONS)
    html = page(model, Figures(model))
    table = re.search(r'<article class="board overview".*?</article>', html, flags=re.DOTALL)[0]
    own, apart = table.split('<tbody class="references', 1)
    assert not [name for name in REFERENCES if name in own]
    assert [name in apart for name in REFERENCES] == [True, True]
    assert html.count("Ranked together with the references") == len(model.leading)
    assert "| strategy-002 (reference) | – |" in markdown(model)
    found = overview(model)
    assert set(found["strategy"][found["reference"]]) == set(REFERENCES)
    assert found["gmean_average_rank"].isna().tolist() == found["reference"].tolist()


def test_without_references_nothing_speaks_of_them():
    model = gather(rows_of(), OPTIONS)
    text = page(model, Figures(model)).partition("<script")[0].partition("</style>")[2]
    assert "eferences" not in text.replace("--no-references", "")


@pytest.mark.parametrize(("checks", "mark"), [
    ("passed", "✓"), ("failed: shape kept", "✗"), ("not checked", "–"), ("unknown", "?"), ("", ""),
])  # fmt: skip
def test_checks_have_a_mark(checks, mark):
    assert Row("x", (), (), checks=checks).mark == mark


def test_what_results_lack_is_left_out():
    results = scored_rows(3, 4, 2, metrics=("gmean", "bbs"), tasks=("binary", "binary"))
    rows = results.rows.assign(seconds=float("nan"))
    model = gather(dataclasses.replace(results, rows=rows), Options())
    (one,) = overviews(model)
    assert [column.name for column in one.columns] == ["gmean", "bbs"]
    assert not one.knows("seconds")
    assert not one.knows("fallback")
    assert "s/net" not in page(model, Figures(model))


def evidence_of(model):
    """The section beside the boards; "" if the page has none."""
    found = re.search(r'<section id="evidence".*?</section>', page(model, Figures(model)), flags=re.DOTALL)
    return found[0] if found else ""


def test_further_columns_and_evidence_have_a_place_below_where_results_have_them(monkeypatch):
    model, plain = gather(rows_of(), OPTIONS), TABLES["leaderboard"]
    section = evidence_of(model)
    assert section.count("<article") == len(model.leading) == 2
    for board in model.leading:
        for sentence in basis(board, model.evidence):
            assert escape(sentence, quote=False) in section
    assert section.count("10 configurations of 2 datasets.") == 2
    assert section.count("The most one-sided mean gain is that of") == 2
    assert "Rows of the rarest class, median" not in section  # these rows have no predictions
    assert evidence_of(gather(scored_rows(0, 0, 0), Options())) == ""
    extra = {"elo": 1000.4, "elo_low": 990.0, "elo_high": 1010.0, "largest_share": 0.37, "largest": "segment ir=0.01"}
    monkeypatch.setitem(TABLES, "leaderboard", lambda model: plain(model).assign(**extra))
    monkeypatch.setitem(TABLES, "evidence", lambda model: pd.DataFrame({"dataset": ["segment"], "train_low": [6.0]}))
    section = evidence_of(model)
    assert section.count("1000 (990 to 1010)") == 2 * 5
    assert '<td class="n">37 %</td><td class="n">segment ir=0.01</td>' in section
    assert '<th scope="row">segment</th><td class="n">6</td>' in section
