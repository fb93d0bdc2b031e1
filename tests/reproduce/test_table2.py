"""Table 2: the printed numbers, ours beside them, and verdicts that follow from the results."""

import numpy as np
import pandas as pd
import pytest

from imbench.reproduce.context import TABULAR
from imbench.reproduce.printed import CONFIGURATIONS, TABLE2
from imbench.reproduce.table2 import AUTHORS_BBS, table2_of


def table(item, name):
    """The frame of this name."""
    (found,) = [numbers.frame for numbers in item.tables if numbers.name == name]
    return found


@pytest.fixture(scope="module")
def leads(remix_leads):
    """Table 2 of results in which ReMix is the best."""
    return table2_of(remix_leads)


@pytest.fixture(scope="module")
def last(remix_is_last):
    """Table 2 of results in which ReMix is the worst."""
    return table2_of(remix_is_last)


@pytest.fixture(scope="module")
def last_with_second(remix_is_last, second):
    """The same with a second baseline."""
    return table2_of(remix_is_last, second)


def test_the_printed_columns_sum_to_what_ranks_must_but_for_the_one_that_the_paper_misprints():
    for (task, metric), printed in TABLE2.items():
        expected = 15 * CONFIGURATIONS[task]
        assert sum(printed.values()) == (268 if (task, metric) == ("binary", "bbs") else expected)


def test_tests_of_the_printed_sums_are_the_known_ones(leads):
    tests = table(leads, "tests").query("of == 'printed'").set_index("column")
    # Worked out by hand from the printed sums: Demšar 2006, equations (6) to (8).
    known = {
        "binary gmean": (50.089, 3.5e-10, 38.86, 1.4377),
        "binary bbs": (29.556, 6.0e-6, 11.84, 1.4377),
        "multiclass gmean": (18.667, 9.1e-4, 8.615, 2.0332),
        "multiclass bbs": (24.889, 5.3e-5, 17.92, 2.0332),
    }
    for column, (chi2, p, f, cd) in known.items():
        assert tests.loc[column, "chi2"] == pytest.approx(chi2, abs=5e-4)
        assert tests.loc[column, "p"] == pytest.approx(p, rel=0.02)
        assert tests.loc[column, "F"] == pytest.approx(f, rel=1e-3)
        assert tests.loc[column, "CD"] == pytest.approx(cd, abs=5e-5)
    pairs = table(leads, "pairs").set_index(["column", "against"])["Nemenyi p printed"]
    assert pairs["binary gmean", "batch-smote"] == pytest.approx(0.578, abs=5e-4)
    assert pairs["multiclass bbs", "mixup"] == pytest.approx(0.297, abs=5e-4)


def test_rank_sums_are_those_of_scipys_ranks(remix_is_last, last):
    from scipy.stats import rankdata

    sums = table(last, "rank-sums").set_index("strategy")
    rows = remix_is_last.rows.query("task == 'binary'")
    means = rows.pivot_table("gmean", ["dataset", "variant"], "strategy")
    expected = rankdata(-means.to_numpy().round(12), axis=1).sum(axis=0)
    assert sums.loc[means.columns, "binary gmean"].to_numpy() == pytest.approx(expected)
    assert list(sums["binary gmean printed"]) == [TABLE2["binary", "gmean"][name] for name in TABULAR]


def test_a_claim_is_supported_where_a_test_shows_that_remix_leads(leads):
    assert list(table(leads, "claims")["by configurations"].iloc[:2]) == ["supported", "supported"]
    assert "ReMix has the best G-mean on binary tabular data. Over configurations: supported" in leads.found[0]


def test_a_claim_is_contradicted_where_a_test_shows_that_another_leads(last):
    assert set(table(last, "claims")["by configurations"]) == {"contradicted"}
    assert "Over configurations: contradicted (average ranks: remix" in last.found[0]
    assert "worse than cost-adjusted (p < .0001)" in last.found[0]
    wins = table(last, "pairs").query("column == 'binary bbs' and against == 'cost-adjusted'")
    assert wins["losses"].item() > wins["wins"].item()
    assert wins["effect"].item() < 0


def test_three_datasets_are_too_few_to_support_a_claim_by_datasets(leads):
    claim = table(leads, "claims").iloc[2]
    assert claim["by datasets"] == "undecided"
    assert "3 datasets, smallest possible p = 1" in claim["numbers by datasets"]


def test_a_second_baseline_takes_the_place_of_cost_adjusted(remix_is_last, second, last, last_with_second):
    from scipy.stats import rankdata

    sums = table(last_with_second, "rank-sums").set_index("strategy")
    rows = remix_is_last.rows.query("task == 'binary'")
    means = rows.pivot_table("bbs", ["dataset", "variant"], "strategy")
    other = second.rows.query("task == 'binary'").groupby(["dataset", "variant"])["bbs"].mean()
    other.index = pd.MultiIndex.from_tuples([(d, v.removesuffix(",seed=1")) for d, v in other.index])
    means["cost-adjusted"] = other.reindex(means.index)
    expected = rankdata(means.to_numpy().round(6), axis=1).sum(axis=0)
    assert sums.loc[means.columns, "binary bbs second baseline"].to_numpy() == pytest.approx(expected)
    # The other columns are those without a second baseline.
    alone = table(last, "rank-sums").set_index("strategy")
    assert alone["binary bbs second baseline"].isna().all()
    assert (alone["binary bbs"] == sums["binary bbs"]).all()


def test_pairs_in_the_printed_order_are_counted_by_hand(last_with_second):
    sums = table(last_with_second, "rank-sums").set_index("strategy")
    for column, suffix in (("binary gmean", ""), ("binary gmean", " second baseline")):
        count = 0
        for i, one in enumerate(TABULAR):
            for other in TABULAR[i + 1 :]:
                ours = sums.loc[one, column + suffix] - sums.loc[other, column + suffix]
                printed = sums.loc[one, f"{column} printed"] - sums.loc[other, f"{column} printed"]
                count += (ours > 0 and printed > 0) or (ours < 0 and printed < 0)
        words = f"cost-adjusted, {count} are" if suffix else f"G-mean on binary data: {count} of the ten pairs"
        assert any(words in sentence and "G-mean on binary" in sentence for sentence in last_with_second.found)


def test_a_second_baseline_that_lacks_a_configuration_is_not_shown(remix_is_last, second):
    import dataclasses

    rows = second.rows.query("dataset != 'set0'")
    sums = table(table2_of(remix_is_last, dataclasses.replace(second, rows=rows)), "rank-sums")
    assert sums["binary bbs second baseline"].isna().all()
    assert sums["multiclass bbs second baseline"].notna().all()


def test_the_authors_line_gives_a_perfect_classifier_half_and_one_that_always_says_positive_nothing():
    y = [0, 0, 0, 1]
    perfect = np.eye(2)[y]
    assert AUTHORS_BBS(y, perfect) == 0.5
    assert AUTHORS_BBS(y, [[0.0, 1.0]] * 4) == 0.0
    assert np.isnan(AUTHORS_BBS([0, 1, 2], np.eye(3)))


def test_ranks_under_the_authors_line_are_those_of_a_plain_loop(remix_is_last, last):
    found = table(last, "authors-score").set_index("strategy")["authors' line"]
    sums = dict.fromkeys(TABULAR, 0.0)
    rows = remix_is_last.rows.query("task == 'binary'")
    for dataset, variant in rows[["dataset", "variant"]].drop_duplicates().itertuples(index=False):
        scores = {}
        for name in TABULAR:
            folds = []
            for p in remix_is_last.predictions(f"{dataset}:{variant}", name):
                positive, y = p.test.proba[:, 1].astype(np.float64), p.test.y
                folds.append(np.mean([((1 - positive[y == c]) ** 2).mean() for c in (0, 1)]))
            scores[name] = np.mean(folds)
        for place, name in enumerate(sorted(scores, key=scores.get), start=1):
            sums[name] += place
    assert found.to_dict() == sums


def test_a_store_without_multiclass_results_has_a_table_all_the_same(remix_leads):
    import dataclasses

    rows = remix_leads.rows.query("task == 'binary'")
    item = table2_of(dataclasses.replace(remix_leads, rows=rows))
    assert table(item, "rank-sums")["multiclass bbs"].isna().all()
    assert list(table(item, "claims")["by configurations"])[2:] == ["not tested"] * 2
