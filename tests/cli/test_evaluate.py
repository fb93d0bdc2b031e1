"""``imbench evaluate``: tables of scores and stores, and what it says of those it cannot take."""

import json
import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from imbench.stats.evaluate import evaluate
from imbench.store.contents import Contents
from imbench.store.store import Store
from tests.made_results import fill

SCORES = pd.DataFrame(
    {
        "dataset": ["a", "a", "b", "b", "c", "d"],
        "ir": [0.01, 0.05, 0.01, 0.05, 0.05, 0.05],
        "baseline": [0.1, 0.2, 0.5, 0.6, 0.3, 0.2],
        "mixup": [0.15, 0.1, 0.5, 0.7, 0.4, 0.1],
        "remix": [0.3, 0.4, 0.7, math.nan, 0.5, 0.4],
    }
)
TABLE = SCORES.set_index(["dataset", "ir"])


@pytest.fixture
def scores(tmp_path):
    """The path of a table whose imbalance ratios are text, so that they are labels."""
    SCORES.assign(ir=[f"ir={ir}" for ir in SCORES["ir"]]).to_csv(tmp_path / "scores.csv", index=False)
    return str(tmp_path / "scores.csv")


@pytest.fixture
def filled(tmp_path):
    """A store with two variants of each of three datasets, three strategies, and a single multi-class one."""
    store = Store.open(tmp_path / "filled", create=True)
    for ir in (0.05, 0.1):
        fill(store, ["a", "b", "c"], ["baseline", "mixup", "remix"], ir=ir)
    fill(store, ["a"], ["baseline", "remix"], task="multiclass")
    return str(store.path)


def test_json_of_a_table_is_the_evaluation_itself(imbench, scores):
    told = json.loads(imbench("evaluate", scores, "--higher", "--json").out)
    assert told.pop("scores") == scores
    named = TABLE.set_axis(pd.MultiIndex.from_arrays([SCORES["dataset"], [f"ir={ir}" for ir in SCORES["ir"]]]))
    assert told == json.loads(json.dumps(evaluate(named, higher_is_better=True).to_dict()))
    assert told["dropped"] == [{"row": ["b", "ir=0.05"], "missing": ["remix"]}]


@pytest.mark.parametrize("direction", ["--higher", "--lower"])
def test_the_text_ranks_by_the_direction(imbench, scores, direction):
    answer = imbench("evaluate", scores, direction)
    assert answer.code == 0
    ranked = [line.split()[0] for line in answer.out.splitlines()[4:7]]
    ranks = evaluate(TABLE, higher_is_better=direction == "--higher").average_ranks
    assert [ranks[name] for name in ranked] == sorted(ranks)
    assert "Row b ir=0.05 is omitted because it has no score of remix." in answer.out


def test_blocks_average_the_rows_of_one_dataset(imbench, scores):
    told = json.loads(imbench("evaluate", scores, "--higher", "--blocks", "dataset", "--json").out)
    expected = evaluate(TABLE, higher_is_better=True, blocks="dataset")
    assert (told["n_blocks"], told["n_rows"]) == (4, 5)
    assert told["average_ranks"] == expected.average_ranks.to_dict()


def test_a_numeric_column_can_be_a_label(imbench, tmp_path):
    SCORES.to_csv(tmp_path / "numbers.csv", index=False)
    told = json.loads(imbench("evaluate", "numbers.csv", "--higher", "--label", "ir", "--json").out)
    assert list(told["average_ranks"]) == ["baseline", "mixup", "remix"]


def test_alpha_and_reference_change_what_they_name(imbench, scores):
    told = json.loads(imbench("evaluate", scores, "--higher", "--alpha", "0.2", "--reference", "remix", "--json").out)
    expected = evaluate(TABLE, higher_is_better=True, alpha=0.2, reference="remix")
    assert told["nemenyi_cd"] == expected.nemenyi_cd
    assert told["gains"]["baseline"]["mean"] == expected.gains.loc["baseline", "mean"] < 0
    assert "80 % interval" in imbench("evaluate", scores, "--higher", "--alpha", "0.2").out


@pytest.mark.parametrize(
    "written", [",a,b\n1,.5,.6\n2,.7,.8\n", "id;a;b\nx;.5;.6\ny;.7;.8\n", "\ufeffid\ta\tb\n\nx\t.5\t.6\ny\t.7\t.8\n\n"]
)
def test_pandas_own_files_semicolons_tabs_and_excels_marks_are_read(imbench, tmp_path, written):
    (tmp_path / "other.csv").write_text(written, "utf-8")
    told = json.loads(imbench("evaluate", "other.csv", "--lower", "--json").out)
    assert told["rank_sums"] == {"a": 2, "b": 4}


def test_a_strategy_that_failed_everywhere_is_named(imbench, tmp_path):
    (tmp_path / "failed.csv").write_text("id,a,b\nx,.5,\ny,.6,NA\n")
    answer = imbench("evaluate", "failed.csv", "--higher")
    assert answer.code == 2
    assert "missing scores: b (2); remove these strategies" in answer.err


def test_a_store_shows_both_levels(imbench, filled):
    answer = imbench("evaluate", filled, "--metric", "gmean")
    assert answer.code == 0
    for line in (
        "binary, G-mean, protocol quick, 6 configurations: configurations as blocks",
        "Average ranks over 6 blocks; 1 is best, higher scores are better",
        "Intervals are Student's over 3 datasets.",
        "binary, G-mean, protocol quick, 6 configurations: datasets as blocks",
        "Average ranks over 3 blocks (means of 6 rows); 1 is best, higher scores are better",
    ):
        assert line in answer.out.splitlines()
    assert "multiclass, protocol quick, configurations as blocks: an evaluation needs at least 2" in answer.out


def test_json_of_a_store_equals_evaluating_its_means(imbench, filled):
    told = json.loads(imbench("evaluate", filled, "--metric", "bbs", "--task", "binary", "--json").out)
    (one,) = told["evaluations"]
    rows = Store.open(filled).frame().query("task == 'binary'")
    means = rows.pivot_table(index=["dataset", "variant"], columns="strategy", values="bbs", aggfunc="mean")
    for level, options in (("configurations", {"clusters": "dataset"}), ("datasets", {"blocks": "dataset"})):
        expected = evaluate(means, higher_is_better=False, **options)
        assert one[level]["average_ranks"] == pytest.approx(expected.average_ranks.to_dict())
        assert one[level]["friedman"]["pvalue"] == pytest.approx(expected.friedman.pvalue)
        assert one[level]["n_datasets"] == 3


def test_comparisons_within_a_configuration_are_corrected_for_shared_rows(imbench, filled):
    told = json.loads(imbench("evaluate", filled, "--metric", "bbs", "--task", "binary", "--within", "--json").out)
    rows = Store.open(filled).frame().query("task == 'binary'")
    (one,) = told["evaluations"]
    assert len(one["within"]) == 3 * 2 * 2
    for row in one["within"]:
        folds = rows[(rows["dataset"] == row["dataset"]) & (rows["variant"] == row["variant"])]
        scores = folds.pivot_table(index=["repeat", "fold"], columns="strategy", values="bbs")
        gain = (scores["baseline"] - scores[row["strategy"]]).to_numpy()
        ratio = (folds["n_test"] / folds["n_train"]).iloc[0]
        t = gain.mean() / math.sqrt((1 / len(gain) + ratio) * gain.var(ddof=1))
        assert (row["folds"], row["gain"]) == (4, pytest.approx(gain.mean()))
        assert row["p"] == pytest.approx(2 * stats.t.sf(abs(t), 3), rel=1e-6)
        pair = [
            other["p"]
            for other in one["within"]
            if other["variant"] == row["variant"] and other["dataset"] == row["dataset"]
        ]
        assert row["p_holm"] in [pytest.approx(p) for p in multipletests(pair, method="holm")[1]]
    assert "binary, Balanced Brier score, protocol quick, 6 configurations: within each configuration" in (
        imbench("evaluate", filled, "--metric", "bbs", "--within").out.splitlines()
    )


@pytest.fixture
def single(tmp_path):
    """A store of one table: three strategies over 2 x 2 folds."""
    store = Store.open(tmp_path / "single", create=True)
    fill(store, ["a"], ["baseline", "mixup", "remix"])
    return str(store.path)


def test_a_store_of_one_configuration_is_compared_within_it(imbench, single):
    answer = imbench("evaluate", single, "--metric", "bbs", "--within", "--json")
    (one,) = json.loads(answer.out)["evaluations"]
    scores = Store.open(single).frame().pivot_table(index=["repeat", "fold"], columns="strategy", values="bbs")
    share = one["within"]
    assert (answer.code, one["configurations"], [row["strategy"] for row in share]) == (0, None, ["mixup", "remix"])
    facts = Store.open(single).frame()
    for row in share:
        gain = scores["baseline"] - scores[row["strategy"]]
        error = math.sqrt((1 / 4 + (facts["n_test"] / facts["n_train"]).mean()) * gain.var(ddof=1))
        assert row["p"] == pytest.approx(2 * stats.t.sf(abs(gain.mean() / error), 3))
    text = imbench("evaluate", single, "--metric", "bbs", "--within").out
    assert "within each configuration" in text
    assert "Friedman" not in text


def test_a_store_of_one_configuration_says_how_to_compare_within_it(imbench, single):
    answer = imbench("evaluate", single, "--metric", "bbs")
    assert (answer.code, answer.out) == (2, "")
    assert "an evaluation needs at least 2 complete rows, got 1 of 1" in answer.err
    assert "to compare strategies over the folds of each configuration, add --within" in " ".join(answer.err.split())


def test_a_metric_with_a_target_is_evaluated_by_the_distance_from_it(imbench, filled):
    told = json.loads(imbench("evaluate", filled, "--metric", "calibration_slope", "--task", "binary", "--json").out)
    rows = Store.open(filled).frame().query("task == 'binary'")
    means = rows.pivot_table(index=["dataset", "variant"], columns="strategy", values="calibration_slope")
    expected = (means.dropna() - 1).abs().rank(axis=1).mean()
    (one,) = told["evaluations"]
    assert one["configurations"]["average_ranks"] == pytest.approx(expected.to_dict())


@pytest.mark.parametrize("within", [[], ["--within"]])
def test_published_rows_are_evaluated_as_their_store_is(imbench, filled, tmp_path, within):
    options = ["--metric", "bbs", *within, "--json"]
    Store.open(filled).frame().to_parquet(tmp_path / "results.parquet", index=False)
    told = json.loads(imbench("evaluate", str(tmp_path / "results.parquet"), *options).out)
    assert told["evaluations"] == json.loads(imbench("evaluate", filled, *options).out)["evaluations"]


def test_a_store_is_read_no_further_than_it_is_needed(imbench, filled, monkeypatch):
    asked = []
    whole = Contents.frame
    monkeypatch.setattr(
        Contents, "frame", lambda self, keys=None, columns=None: asked.append(columns) or whole(self, keys, columns)
    )
    imbench("evaluate", filled, "--metric", "bbs")
    (columns,) = asked
    assert "bbs" in columns
    assert not {"gmean", "seconds"} & set(columns)


@pytest.mark.parametrize(("content", "said"), [
    (None, "no such file or store"),
    (b"dataset,gmean", "is not a readable Parquet file"),
    (pd.DataFrame({"dataset": ["a"], "gmean": [0.5]}).to_parquet(), "has no column 'task'"),
])  # fmt: skip
def test_a_file_without_rows_of_results_is_refused(imbench, tmp_path, content, said):
    if content:
        (tmp_path / "rows.parquet").write_bytes(content)
    answer = imbench("evaluate", str(tmp_path / "rows.parquet"), "--metric", "gmean")
    assert (answer.code, answer.out) == (2, "")
    assert said in answer.err


def test_a_finished_run_can_be_evaluated(imbench, finished):
    store, _, _ = finished
    answer = imbench("evaluate", store, "--metric", "gmean", "--task", "binary", "--protocol", "smoke")
    assert answer.code == 0
    assert "baseline" in answer.out


@pytest.mark.parametrize("width", [60, 120])
def test_lines_fit_the_terminal(imbench, filled, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    assert max(map(len, imbench("evaluate", filled, "--metric", "gmean").out.splitlines())) <= width


def test_many_pairs_are_counted_and_the_clearest_shown(imbench, tmp_path):
    wide = pd.DataFrame(np.random.default_rng(0).normal(size=(14, 12)), columns=[f"s{i}" for i in range(12)])
    wide.rename_axis("id").to_csv(tmp_path / "wide.csv")
    out = imbench("evaluate", "wide.csv", "--higher", "--label", "id").out
    assert out.count(" vs ") == 30
    assert "of 66 pairs differ at 0.05 after correction; 36 with larger p-values are not shown." in out


def test_where_no_pair_can_differ_it_says_that_blocks_are_too_few(imbench, tmp_path):
    wide = pd.DataFrame(np.random.default_rng(0).normal(size=(9, 19)), columns=[f"s{i}" for i in range(19)])
    wide.rename_axis("id").to_csv(tmp_path / "wide.csv")
    out = imbench("evaluate", "wide.csv", "--higher", "--label", "id").out
    words = " ".join(out.split())
    assert words.count("annot be decided with 9 blocks") == 1
    assert "which pairs differ (p is at least 0.67 after Holm's correction over 171 pairs)" in words
    assert "or from the best (p is at least 0.07 after Holm's correction over 18 pairs)." in words
    assert "171 pairs differ" not in out


def test_every_p_value_says_what_kind_it_is(imbench, scores):
    out = imbench("evaluate", scores, "--higher").out
    (omnibus,) = [line for line in out.splitlines() if line.startswith("Friedman")]
    assert "asymptotic p = " in omnibus
    assert "exact p = " in omnibus


def test_folds_in_a_file_are_compared_by_the_corrected_test(imbench, tmp_path):
    lines = [
        "repeat,fold,a,b",
        "0,0,.61,.63",
        "0,1,.64,.66",
        "1,0,.60,.60",
        "1,1,.66,.70",
        "2,0,.62,.63",
        "2,1,.63,.66",
    ]
    (tmp_path / "folds.csv").write_text("\n".join(lines))
    answer = imbench("evaluate", "folds.csv", "--higher")
    gains = np.array([0.02, 0.02, 0, 0.04, 0.01, 0.03])
    p = 2 * stats.t.sf(gains.mean() / math.sqrt((1 / 6 + 1) * gains.var(ddof=1)), 5)
    assert answer.code == 0
    assert json.loads(imbench("evaluate", "folds.csv", "--higher", "--json").out)["wilcoxon"][0]["p"] == pytest.approx(
        p
    )
    assert "6 folds of one dataset, which share rows and are not blocks" in " ".join(answer.out.split())


FILES = {
    "merged.csv": "dataset,ir,a,b\nx,r1,1,2\n,r2,2,3\n\ny,r1,1,3\n ,r2,4,3\nz,r1,1,2\n",
    "spaces.csv": "dataset,a,b\nx,1,2\n  ,2,3\ny,1,3\n",
    "good.csv": "id,a,b\nx,1,2\ny,2,3\n",
    "word.csv": "id,a,b\nx,1,2\ny,two,3\nz,1,3\n",
    "text.csv": "id,e\na,b\nb,c\n",
    "twice.csv": "id,a,a\nx,1,2\ny,2,3\n",
    "rows.csv": "id,a,b\nx,1,2\nx,2,3\ny,1,3\n",
    "ragged.csv": "id,a,b\nx,1,2\ny,2\n",
    "empty.csv": "",
    "header.csv": "id,a,b\n",
    "one.csv": "id,a,b\nx,1,2\n",
}


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("nowhere.csv --higher", "no such file or store: nowhere.csv"),
        ("good.csv", "--higher or --lower"),
        (
            "merged.csv --higher --blocks dataset",
            "merged.csv, line 3, has no label in column 'dataset'; write it in every",
        ),
        ("merged.csv --higher", "merged.csv, line 3, has no label in column 'dataset'"),
        ("spaces.csv --higher", "spaces.csv, line 3, has no label in column 'dataset'"),
        ("good.csv --higher --alpha 1.5", "alpha must be between 0 and 1, got 1.5"),
        ("good.csv --higher --blocks where", "good.csv has no column 'where'; there are id, a, b"),
        ("good.csv --higher --reference c", "reference 'c' is not a strategy; there are a, b"),
        ("good.csv --higher --metric gmean", "--metric applies only to a store"),
        ("good.csv --higher --within", "--within applies only to a store"),
        ("good.csv --higher --task binary", "--task applies only to a store"),
        ("word.csv --higher", "word.csv, row 'y', column 'a': 'two' is not a number"),
        ("text.csv --higher", "text.csv has no numeric column"),
        ("twice.csv --higher", "twice.csv has 2 columns called 'a'"),
        ("rows.csv --higher", "rows.csv has row 'x' 2 times (number 1, 2 below the header)"),
        ("ragged.csv --higher", "ragged.csv, line 3, has 2 cells, the header 3"),
        ("empty.csv --higher", "empty.csv has no rows"),
        ("header.csv --higher", "header.csv has no rows"),
        ("one.csv --higher", "at least 2 complete rows, got 1 of 1"),
        ("filled", "--metric NAME is required to evaluate a store; use one of gmean, bbs"),
        ("filled --metric accuracy", "unknown metric 'accuracy'; did you mean balanced_accuracy"),
        ("filled --metric bbs --lower", "--higher or --lower applies only to a table of scores"),
        ("filled --metric bbs --task regression", "no results of task 'regression'; there are binary, multiclass"),
        ("filled --metric bbs --protocol paper", "no results of protocol 'paper'; there is quick"),
        (
            "filled --metric bbs --task multiclass",
            "multiclass, protocol quick, configurations as blocks: an evaluation",
        ),
    ],
)
def test_a_users_mistake_is_told_on_stderr(imbench, filled, tmp_path, command, message):
    for name, content in FILES.items():
        (tmp_path / name).write_text(content)
    answer = imbench("evaluate", *command.split())
    assert answer.code == 2
    assert message in answer.err
    assert answer.out == ""
