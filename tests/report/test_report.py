"""The report says the same in every form, what it says is so, and the bytes are the same for the same store."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from imbench.contract.errors import UsageError
from imbench.report import FILES, Options, model, write_report
from imbench.report.markdown import markdown
from imbench.report.model import gather
from imbench.report.tables import TABLES, _without_formulas, without_formula
from imbench.scoring.metrics import METRICS
from imbench.scoring.rules import EACH
from imbench.store.results import Results, load
from imbench.store.store import Store
from tests.report.made import MODALITY, RATIOS, STRATEGIES, filled, plain_means, plain_ranks
from tests.store.test_old_stores import FIRST


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return filled(Store.open(tmp_path_factory.mktemp("made") / "store", create=True))


@pytest.fixture(scope="module")
def written(results, tmp_path_factory):
    folder = tmp_path_factory.mktemp("report") / "deep" / "report"
    return write_report(results, folder, Options(modality=MODALITY))


@pytest.fixture(scope="module")
def folder(written):
    return written[0].parent


@pytest.fixture(scope="module")
def html(folder):
    return (folder / "index.html").read_text("utf-8")


def binary(results):
    rows = results.rows
    return rows[(rows["task"] == "binary") & (rows["error"] == "")]


def test_a_report_is_a_page_data_tables_and_figures(folder, written):
    names = {str(file.relative_to(folder)) for file in written}
    assert names >= {"index.html", "leaderboard.md", "leaderboard.json", "tables.tex"}
    assert names >= {f"{name}.{kind}" for name in TABLES for kind in ("csv", "parquet")}
    figures = {name for name in names if name.startswith("figures/")}
    assert {name.partition("-")[0] for name in figures} == {
        f"figures/{k}" for k in ("cd", "gain", "image", "cost", "reliability")
    }
    assert {name for name in names if name.endswith(".svg")} == {n[:-3] + "svg" for n in names if n.endswith(".pdf")}
    assert all(file.stat().st_size > 0 for file in written)


def test_what_an_earlier_report_left_over_goes_and_nothing_of_the_users(results, tmp_path):
    to, little = tmp_path / "report", Options(metrics=("gmean",), rules=("argmax",))
    first = write_report(results, to, little)
    stale = [file for file in first if "multiclass" in file.name]
    assert len(stale) > 4
    stale[0].write_bytes(b"the user drew something into it")
    (to / "figures" / "cd-mine.svg").write_text("<svg/>")
    binary_only = results.rows[results.rows["task"] == "binary"]
    second = write_report(Results(binary_only, results.store, results.notes), to, little)
    assert [file.exists() for file in stale] == [True] + [False] * (len(stale) - 1)
    assert {file for file in to.rglob("*") if file.is_file()} == {*second, stale[0], to / "figures" / "cd-mine.svg"}


def test_a_list_of_files_never_reaches_out_of_the_folder(results, tmp_path):
    outside = tmp_path / "outside.txt"
    outside.write_text("mine")
    (tmp_path / "report").mkdir()
    digest = hashlib.sha256(b"mine").hexdigest()
    (tmp_path / "report" / FILES).write_text(json.dumps({"../outside.txt": digest, str(outside): digest}))
    write_report(results, tmp_path / "report", Options(metrics=("gmean",), rules=("argmax",)))
    assert outside.read_text() == "mine"


def test_zero_recalls_are_counted_under_every_rule(results, folder, html):
    table = pd.read_csv(folder / "coverage.csv").set_index(["task", "strategy"])
    rows = results.rows[results.rows["error"] == ""]
    for column in ("zero_recall", "zero_recall@tuned", "zero_recall@prior-corrected", "zero_recall@recalibrated"):
        counts = (rows[column] > 0).groupby([rows["task"], rows["strategy"]]).sum()
        assert (table.loc[counts.index, column] == counts).all(), column
    assert "Nets that miss a class, tuned" in html


def test_what_lacks_a_rule_is_said_with_the_reason(tmp_path):
    old = shutil.copytree(FIRST, tmp_path / "old")
    write_report(load(old), tmp_path / "report", Options(metrics=("gmean",)))
    for name in ("index.html", "leaderboard.md", "leaderboard.json"):
        said = (tmp_path / "report" / name).read_text("utf-8").lower()
        assert "prior-corrected is missing for 6 of 6 jobs: it needs the trained class prior" in said, name
    with pytest.raises(UsageError, match="no decision rule 'prior-corrected', which needs the trained class prior"):
        write_report(load(old), tmp_path / "report", Options(rules=("prior-corrected",)))


def test_two_processes_with_other_hash_seeds_write_the_same_bytes(results, tmp_path):
    copy = shutil.copytree(results.store, tmp_path / "copy")
    script = "import sys; from imbench.report import write_report; from imbench.store.results import load; "
    script += "write_report(load(sys.argv[1]), sys.argv[2])"
    write_report(load(results.store), tmp_path / "here")
    # This process has a seed of its own, drawn unless the environment says it.
    seed = "1" if os.environ.get("PYTHONHASHSEED") != "1" else "2"
    surroundings = {**os.environ, "PYTHONHASHSEED": seed}
    subprocess.run([sys.executable, "-c", script, copy, tmp_path / "there"], check=True, env=surroundings)
    here, there = (
        {p.relative_to(top): p.read_bytes() for p in top.rglob("*.*")}
        for top in (tmp_path / "here", tmp_path / "there")
    )
    assert len(here) > 30
    assert here == there


@pytest.mark.parametrize("metric", ["gmean", "bbs", "log_loss"])
def test_average_ranks_are_those_of_pandas_and_the_test_that_of_scipy(results, folder, metric):
    higher = METRICS[metric].higher_is_better
    table = pd.read_csv(folder / "leaderboard.csv")
    table = table[(table["task"] == "binary") & (table["metric"] == metric) & (table["rule"] == "argmax")]
    wanted = plain_ranks(binary(results), metric, higher)
    assert table.set_index("strategy")["average_rank"].to_dict() == pytest.approx(wanted.to_dict())
    means = plain_means(binary(results), metric)
    test = stats.friedmanchisquare(*(means[name].round(12) for name in means))
    assert table["friedman"].iloc[0] == pytest.approx(test.statistic)
    assert table["p"].iloc[0] == pytest.approx(test.pvalue)
    assert list(table["average_rank"]) == sorted(table["average_rank"])


def test_gains_by_ratio_are_differences_from_the_baseline_positive_where_better(results, folder):
    gains = pd.read_csv(folder / "gains.csv")
    gains = gains[(gains["task"] == "binary") & (gains["rule"] == "argmax")]
    assert set(gains["ir"]) == set(RATIOS)
    for row in gains.to_dict("records"):
        rows = binary(results)
        means = plain_means(rows[rows["ir"] == row["ir"]], row["metric"])
        gap = means[row["strategy"]] - means["baseline"]
        assert row["gain"] == pytest.approx(gap.mean() * (1 if row["metric"] == "gmean" else -1))
        assert row["low"] <= row["gain"] <= row["high"]


def test_win_rates_count_a_tie_as_half(results, html):
    rates = tables(html, "wins")[0]
    means = plain_means(binary(results), "gmean")
    names = rates[0][1:]
    for name, *cells in rates[1:]:
        for other, cell in zip(names, cells, strict=True):
            if name != other:
                gap = (means[name] - means[other]).round(12)
                assert float(cell) == pytest.approx(100 * ((gap > 0).mean() + (gap == 0).mean() / 2), abs=0.51)


def test_scores_are_mean_and_standard_deviation_over_folds(results, folder):
    scores = pd.read_csv(folder / "scores.csv")
    frame = results.frame()
    for row in scores.to_dict("records"):
        same = (
            (frame["task"] == row["task"]) & (frame["dataset"] == row["dataset"]) & (frame["variant"] == row["variant"])
        )
        folds = frame[same & (frame["strategy"] == row["strategy"]) & (frame["error"] == "")]
        assert row["folds"] == len(folds)
        assert row["gmean_mean"] == pytest.approx(folds["gmean"].mean(), nan_ok=True)
        assert row["brier[1]_sd"] == pytest.approx(folds["brier[1]"].std(), nan_ok=True)
        assert row["modality"] == MODALITY[row["dataset"]]
    assert ("segment", "broken") in set(zip(scores["dataset"], scores["strategy"], strict=True))


def test_parquet_holds_what_csv_holds(folder):
    for name in TABLES:
        parquet, csv = pd.read_parquet(folder / f"{name}.parquet"), pd.read_csv(folder / f"{name}.csv")
        assert list(parquet) == list(csv)
        for column in parquet.select_dtypes("number"):
            np.testing.assert_array_equal(parquet[column].to_numpy(float), csv[column].to_numpy(float))


def test_json_is_strict_and_agrees_with_the_leaderboard(folder):
    text = (folder / "leaderboard.json").read_text("utf-8")
    told = json.loads(text, parse_constant=lambda constant: pytest.fail(constant))
    table = pd.read_csv(folder / "leaderboard.csv")
    rows = [row for board in told["leaderboards"] for row in board["rows"]]
    assert [row["strategy"] for row in rows] == list(table["strategy"])
    assert [row["mean"] for row in rows] == list(table["mean"])
    assert told["ranks"].startswith("1 is best")


def test_reliability_bins_hold_what_a_plain_loop_counts(results, folder):
    curve = pd.read_csv(folder / "reliability.csv").query("task == 'binary' and strategy == 'remix'")
    weights, hits, shares = np.zeros(10), np.zeros(10), []
    for key in binary(results).query("strategy == 'remix'")["key"].unique():
        p = np.concatenate([fold.test.proba[:, 1] for fold in Store(results.store).predictions(key)]).astype(float)
        y = np.concatenate([fold.test.y for fold in Store(results.store).predictions(key)])
        at = np.minimum((p * 10).astype(int), 9)
        weights += np.bincount(at, minlength=10) / len(p)
        hits += np.bincount(at, weights=y, minlength=10) / len(p)
        shares.append(len(p))
    assert curve["predictions"].sum() == sum(shares)
    np.testing.assert_allclose(curve["share"], weights / len(shares))
    shown = curve["observed"].notna().to_numpy()
    assert shown.sum() >= 3
    np.testing.assert_allclose(curve["observed"].to_numpy()[shown], (hits / weights)[shown])


class _Tables(HTMLParser):
    """The text of every table's cells, by the id of the section they are in."""

    def __init__(self):
        super().__init__()
        self.found, self.section, self.cell, self.headings, self.ids = {}, "", None, [], []

    def handle_starttag(self, tag, attributes):
        named = dict(attributes)
        self.ids += [named["id"]] if "id" in named else []
        if tag == "section":
            self.section = named["id"]
        if tag == "table":
            self.found.setdefault(self.section, []).append([])
        if tag == "tr":
            self.found[self.section][-1].append([])
        if tag in ("td", "th"):
            assert tag == "td" or named.get("scope") in ("col", "row", "rowgroup")
            self.cell = ""
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))

    def handle_data(self, data):
        if self.cell is not None:
            self.cell += data

    def handle_endtag(self, tag):
        if tag in ("td", "th"):
            self.found[self.section][-1][-1].append(self.cell.strip())
            self.cell = None


def parsed(html):
    parser = _Tables()
    parser.feed(html)
    return parser


def tables(html, section):
    return parsed(html).found[section]


def test_the_page_asks_for_nothing_and_its_headings_are_in_order(html, written, folder):
    addresses = re.findall(r"""(?:src|href)\s*=\s*["']?(?!["'#]|data:)([^"'>]*)""", html.partition("<script>")[0])
    # Links lead to the files of the report, which are read when a reader follows them.
    assert set(addresses) <= {str(file.relative_to(folder)) for file in written}
    assert re.findall(r"<(?:link|img|script|iframe)[^>]+(?:src|href)=[\"'](?!data:)", html) == []
    assert "@import" not in html
    assert "url(" not in html
    found = parsed(html)
    assert found.headings[0] == 1
    assert all(after - before <= 1 for before, after in zip(found.headings, found.headings[1:], strict=False))
    assert len(found.ids) == len(set(found.ids))


def test_every_figure_on_the_page_is_told_in_words(html):
    figures = re.findall(r"<svg.*?</svg>", html.partition("<script>")[0], flags=re.DOTALL)
    assert len(figures) > 20
    for figure in figures:
        assert re.search(r"<title id=[^>]+>.{20,}?</title><desc id=[^>]+>.{40,}?</desc>", figure)


def test_the_page_shows_the_leaderboards_numbers(folder, html):
    table = pd.read_csv(folder / "leaderboard.csv")
    first = table[(table["task"] == "binary") & (table["metric"] == "gmean") & (table["rule"] == "argmax")]
    shown = tables(html, "leaderboards")[0]
    assert [row[1] for row in shown[1:]] == list(first["strategy"])
    assert [row[2] for row in shown[1:]] == [f"{value:.2f}" for value in first["average_rank"]]


def test_a_tuned_baseline_can_win(html, folder):
    table = pd.read_csv(folder / "leaderboard.csv").query("task == 'binary' and metric == 'gmean'")
    winners = table[table["place"] == 1].set_index("rule")["strategy"].to_dict()
    assert winners["tuned"] == "baseline"
    assert winners["each"] == "baseline+tuned"
    assert "binary, G-mean, each decision rule" in html


def test_neither_paths_nor_hosts_are_told(folder, results, written):
    secrets = (str(results.store), str(folder), "/home/someone", "/data/x", "my-own-machine")
    for file in written:
        if file.suffix in (".html", ".md", ".json", ".tex", ".csv", ".svg"):
            text = file.read_text("utf-8")
            assert [secret for secret in secrets if secret in text] == [], file.name
    assert "ValueError: cannot read y.bin | now" in (folder / "index.html").read_text("utf-8")


def test_the_markdown_states_coverage_direction_failures_and_versions(folder):
    text = (folder / "leaderboard.md").read_text("utf-8")
    for statement in (
        "- 24 configurations",
        "- broken has no results",
        "97 jobs on 24 configurations, 1 failed",
        "1 is best",
        "## binary, G-mean, protocol quick (higher is better)",
        "## binary, Balanced Brier score, protocol quick (lower is better)",
        "- not ranked: broken has no results",
        "| segment | ir=0.01 | broken | quick | ValueError: cannot read y.bin \\| now |",
        "| imbench | 0.1.0 |",
        "imbench run --dataset iris:ir=0.01",
        "--strategy remix --no-references --protocol quick",
    ):
        assert statement in text


def test_latex_has_balanced_tables_with_rules_of_booktabs_and_no_bare_specials(folder):
    text = (folder / "tables.tex").read_text("utf-8")
    for mark in (r"\begin{table}", r"\end{table}", r"\toprule", r"\midrule", r"\bottomrule", r"\end{tabular}"):
        assert text.count(mark) == text.count(r"\begin{tabular}")
    assert text.count("{") == text.count("}")
    body = text.split("\n", 1)[1]
    assert re.findall(r"(?<!\\)[%#_]", re.sub(r"\\label\{[^}]*\}", "", body)) == []
    tables = re.findall(r"\\begin\{tabular\}\{(?:@\{\})?([lr]+)(?:@\{\})?\}(.*?)\\end", body, flags=re.DOTALL)
    assert len(tables) == text.count(r"\begin{tabular}")
    for table in tables:
        rows = [line for line in table[1].splitlines() if line.endswith(r"\\")]
        assert {len(re.findall(r"(?<!\\)&", row)) + 1 for row in rows} == {len(table[0])}


def test_figures_embed_their_fonts_and_differ_by_more_than_colour(folder):
    for pdf in (folder / "figures").glob("*.pdf"):
        content = pdf.read_bytes()
        assert b"/FontFile2" in content
        assert b"/Type3" not in content
    gain = next((folder / "figures").glob("gain-*-binary-gmean-argmax.svg")).read_text("utf-8")
    assert "<text" not in gain
    assert "font-family" not in gain
    ElementTree.fromstring(gain)
    page = (folder / "index.html").read_text("utf-8")
    drawn = re.search(r'<svg[^>]*aria-labelledby="gain-quick-binary-gmean-argmax-t.*?</svg>', page, flags=re.DOTALL)[0]
    outlines = set()
    for path in re.findall(r'class="f s\d" d="([^"]+)"', drawn):
        points = np.array([pair.split() for pair in path.strip("MZ").split("L")], dtype=float)
        outlines.add(tuple(np.round(points - points.mean(axis=0)).ravel()))
    assert len(outlines) == len(STRATEGIES) - 1


def test_only_what_is_asked_for_is_ranked(results, tmp_path):
    write_report(results, tmp_path, Options(metrics=("brier",), rules=("argmax",)))
    table = pd.read_csv(tmp_path / "leaderboard.csv")
    assert set(table["metric"]) == {"brier"}
    assert set(table["rule"]) == {"argmax"}


@pytest.mark.parametrize(("options", "said"), [
    ({"metrics": ("gmaen",)}, "no metric 'gmaen'; did you mean gmean"),
    ({"rules": ("tunde",)}, "no decision rule 'tunde'; did you mean tuned"),
    ({"alpha": 5.0}, "alpha must lie between 0 and 1, got 5.0"),
])  # fmt: skip
def test_a_mistake_is_named_before_anything_is_written(results, tmp_path, options, said):
    with pytest.raises(UsageError, match=re.escape(said)):
        write_report(results, tmp_path / "report", Options(**options))
    assert not (tmp_path / "report").exists()


def test_an_empty_store_makes_an_empty_report(store, tmp_path):
    write_report(load(store.path), tmp_path)
    assert "0 jobs on 0 configurations" in (tmp_path / "leaderboard.md").read_text()
    assert json.loads((tmp_path / "leaderboard.json").read_text())["leaderboards"] == []
    assert pd.read_csv(io.StringIO((tmp_path / "gains.csv").read_text())).empty
    assert "has no results yet" in (tmp_path / "index.html").read_text()


def test_a_folder_that_cannot_be_written_is_named(results, tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match=re.escape(f"--to {tmp_path / 'file'}: {tmp_path / 'file'} is a file")):
        write_report(results, tmp_path / "file")


def test_all_rules_together_are_ranked_on_request_only_if_there_are_too_many_competitors(results, monkeypatch):
    plain = gather(results, Options())
    assert EACH in {board.rule for board in plain.leading}
    monkeypatch.setattr(model, "MOST_PAIRS", 0)
    crowded, asked = gather(results, Options()), gather(results, Options(rules=(EACH,)))
    assert EACH not in {board.rule for board in crowded.leading}
    assert EACH in {board.rule for board in asked.leading}
    notes = [note for note in crowded.lacking if "--rule each" in note]
    assert notes
    assert all(note in markdown(crowded) for note in notes)
    assert not set(notes) & {*asked.lacking, *plain.lacking}


@given(st.lists(st.none() | st.sampled_from(["=1+1", "-0.5", "+a", "@x", "remix", ""]) | st.text(max_size=3)))
def test_csv_has_every_cell_as_a_spreadsheet_may_open_it(cells):
    found = _without_formulas(pd.Series(cells, dtype=object))
    assert found.tolist() == [without_formula(cell) for cell in cells]
