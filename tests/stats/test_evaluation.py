"""Every statistic of an evaluation, against scipy, scikit-posthocs, statsmodels, published values or plain loops."""

from __future__ import annotations

import json
import math
from functools import cache
from itertools import permutations, product

import numpy as np
import pandas as pd
import pytest
import scikit_posthocs
from scipy import stats
from statsmodels.stats.multitest import multipletests

import imbench
from imbench.contract.errors import UsageError
from imbench.stats import friedman
from imbench.stats.evaluate import evaluate
from imbench.stats.friedman import friedman_small_sample
from imbench.stats.nemenyi import critical_difference
from imbench.stats.ranks import rank
from tests.stats.test_ranks import DEMSAR, VARIANTS


def made(blocks, strategies, *, levels=None, missing=0, seed=0):
    """Scores with strategies of unequal merit; few levels make ties, cells go missing at random."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(blocks, strategies)) + 0.4 * np.arange(strategies)
    if levels:
        values = np.floor(values * levels / 4)
    values.flat[rng.choice(values.size, missing, replace=False)] = np.nan
    return pd.DataFrame(values, [f"d{i}" for i in range(blocks)], [f"s{j}" for j in range(strategies)])


# Name: blocks, strategies, levels (ties), missing cells.
CASES = {
    "two strategies": made(12, 2),
    "two strategies, ties": made(15, 2, levels=4),
    "three strategies, few blocks": made(4, 3),
    "three strategies, few blocks, ties": made(5, 3, levels=3),
    "three strategies, many blocks": made(40, 3),
    "four strategies, ties": made(14, 4, levels=5),
    "five strategies": made(18, 5),
    "five strategies, ties, missing": made(20, 5, levels=6, missing=4),
    "five strategies, 25 blocks": made(25, 5),
    "five strategies, 26 blocks": made(26, 5),
    "six strategies, two blocks": made(2, 6),
    "seven strategies, missing": made(30, 7, missing=9),
    "eight strategies, many ties": made(11, 8, levels=2),
    "nine strategies": made(9, 9),
    "ten strategies, ties, missing": made(16, 10, levels=8, missing=5),
    "eleven strategies": made(60, 11),
    "twelve strategies, few blocks, ties": made(6, 12, levels=4),
    "twelve strategies, many blocks, missing": made(120, 12, missing=30),
    "Demsar's": pd.DataFrame(DEMSAR, columns=VARIANTS),
}
every_case = pytest.mark.parametrize("case", CASES)


@cache
def evaluated(case):
    """The evaluation of a case, higher is better, shared by the tests of it."""
    return evaluate(CASES[case], higher_is_better=True)


@every_case
def test_ranks_and_friedman_equal_scipys(case):
    found, whole = evaluated(case), CASES[case].dropna()
    ranks = stats.rankdata(-whole.to_numpy(), axis=1)
    np.testing.assert_allclose(found.rank_sums, ranks.sum(axis=0))
    np.testing.assert_allclose(found.average_ranks, ranks.mean(axis=0))
    assert found.n_blocks == len(whole)
    if CASES[case].shape[1] > 2:  # scipy's takes no fewer than three
        assert found.friedman == pytest.approx(tuple(stats.friedmanchisquare(*whole.to_numpy().T)), rel=1e-9)
    else:  # for two strategies Friedman's test is the sign test's normal approximation, untied blocks alone counting
        wins, losses = (whole["s0"] > whole["s1"]).sum(), (whole["s0"] < whole["s1"]).sum()
        assert found.friedman.statistic == pytest.approx((wins - losses) ** 2 / (wins + losses))


@every_case
def test_iman_davenport_equals_the_analysis_of_variance_of_ranks(case):
    # Conover 1999: F is the two-way analysis of variance computed on the ranks; here by its sums of squares.
    found, whole = evaluated(case), CASES[case].dropna()
    ranks = stats.rankdata(-whole.to_numpy(), axis=1)
    n, k = ranks.shape
    between = n * ((ranks.mean(axis=0) - ranks.mean()) ** 2).sum()
    residual = ((ranks - ranks.mean(axis=0)) ** 2).sum() - k * ((ranks.mean(axis=1) - ranks.mean()) ** 2).sum()
    expected = (between / (k - 1)) / (residual / ((n - 1) * (k - 1)))
    assert found.iman_davenport.statistic == pytest.approx(expected, rel=1e-9)
    assert found.iman_davenport.pvalue == pytest.approx(stats.f.sf(expected, k - 1, (n - 1) * (k - 1)), rel=1e-9)


@every_case
def test_nemenyi_equals_scikit_posthocs(case):
    whole = CASES[case].dropna()
    expected = scikit_posthocs.posthoc_nemenyi_friedman(whole.reset_index(drop=True))
    np.testing.assert_allclose(evaluated(case).nemenyi, expected, atol=1e-10)


@every_case
@pytest.mark.parametrize("alpha", [0.10, 0.05, 0.001])
def test_the_critical_difference_is_where_nemenyis_p_is_alpha(case, alpha):
    found = evaluated(case)
    k, n = CASES[case].shape[1], found.n_blocks
    cd = critical_difference(k, n, alpha)
    q = cd * np.sqrt(2) / np.sqrt(k * (k + 1) / (6 * n))
    assert stats.studentized_range.sf(q, k, np.inf) == pytest.approx(alpha, rel=1e-6)
    apart = {frozenset(pair) for pair in zip(*np.nonzero(found.nemenyi.to_numpy() < alpha), strict=True)}
    ranks = found.average_ranks.to_numpy()
    assert apart == {frozenset((i, j)) for i, j in product(range(k), repeat=2) if abs(ranks[i] - ranks[j]) >= cd}


@every_case
def test_wilcoxon_equals_scipys_with_its_method_said_outright(case):
    table, whole = evaluated(case).wilcoxon, CASES[case].dropna()
    for row in table.itertuples():
        difference = (whole[row.first] - whole[row.second]).to_numpy().round(9)
        nonzero = difference[difference != 0]
        assert row.method == ("exact" if len(nonzero) <= 50 else "asymptotic")
        assert (row.wins, row.losses) == ((difference > 0).sum(), (difference < 0).sum())
        assert row.wins + row.ties + row.losses == len(whole)
        if not len(nonzero):
            assert (row.p, row.effect) == (1, 0)
            continue
        ranks = stats.rankdata(abs(nonzero))
        assert row.effect == pytest.approx((np.sign(nonzero) * ranks).sum() / ranks.sum())
        if len(set(abs(nonzero))) == len(nonzero) or row.method == "asymptotic":  # scipy's exact one knows no ties
            expected = stats.wilcoxon(nonzero, zero_method="wilcox", correction=False, method=row.method)
            assert (row.statistic, row.p) == pytest.approx((expected.statistic, expected.pvalue), rel=1e-9)


@every_case
def test_holm_equals_statsmodels(case):
    found = evaluated(case)
    for table, p, corrected in (
        (found.wilcoxon, "p", "p_holm"),
        (found.control, "p", "p_holm"),
        (found.control, "p_z", "p_z_holm"),
    ):
        np.testing.assert_allclose(table[corrected], multipletests(table[p], method="holm")[1], rtol=1e-12)


@every_case
def test_the_control_is_the_best_against_each_other_one(case):
    found = evaluated(case)
    best = found.control["best"].iloc[0]
    assert found.average_ranks[best] == found.average_ranks.min()
    assert set(found.control["strategy"]) == set(CASES[case].columns) - {best}
    pairs = found.wilcoxon.set_index(found.wilcoxon[["first", "second"]].apply(frozenset, axis=1))["p"]
    for row in found.control.itertuples():
        assert row.p == pairs[frozenset((best, row.strategy))]
        k, n = CASES[case].shape[1], found.n_blocks
        z = (found.average_ranks[row.strategy] - found.average_ranks[best]) / np.sqrt(k * (k + 1) / (6 * n))
        assert row.p_z == pytest.approx(2 * stats.norm.sf(z))


@every_case
def test_the_reference_is_compared_with_each_other_one_and_corrected_over_these(case):
    found = evaluated(case)
    family, others = found.against_reference, set(CASES[case].columns) - {found.reference}
    assert set(family["strategy"]) == others
    assert set(family["reference"]) == {found.reference}
    np.testing.assert_allclose(family["p_holm"], multipletests(family["p"], method="holm")[1], rtol=1e-12)
    pairs = found.wilcoxon.set_index(found.wilcoxon[["first", "second"]].apply(frozenset, axis=1))
    for row in family.itertuples():
        pair = pairs.loc[[frozenset((row.strategy, row.reference))]].iloc[0]
        assert row.p == pair["p"]
        assert row.p_holm <= pair["p_holm"]
        assert row.effect == (pair["effect"] if pair["first"] == row.strategy else -pair["effect"])


def test_the_smallest_p_is_that_of_perfect_agreement():
    for blocks, k in product(range(2, 8), range(2, 5)):
        found = evaluate(pd.DataFrame(np.arange(blocks * k).reshape(blocks, k)), higher_is_better=True)
        assert found.friedman_small_sample.pvalue == pytest.approx(found.smallest_p.omnibus)
        assert found.wilcoxon["p_holm"].min() == found.smallest_p.pairs
        assert found.against_reference["p_holm"].min() == found.control["p_holm"].min() == found.smallest_p.control


@pytest.mark.parametrize(
    ("blocks", "k", "undecidable"),
    [
        (4, 3, {"pairs", "control"}),
        (5, 2, {"omnibus", "pairs", "control"}),
        (6, 2, set()),
        (9, 19, {"pairs", "control"}),
        (10, 19, {"pairs"}),
        (13, 19, set()),
        (60, 19, set()),
    ],
)
def test_what_so_few_blocks_cannot_decide_is_said(blocks, k, undecidable):
    found = evaluate(made(blocks, k), higher_is_better=True)
    families = found.smallest_p._asdict()
    assert {name for name, p in families.items() if p >= 0.05} == undecidable
    assert {name for name in families if found.undecidable(name)} == undecidable
    assert str(found).lower().count("cannot be decided with") == bool(undecidable)
    (said,) = [note for note in found.notes if f"cannot be decided with {blocks} blocks" in note] or [""]
    assert said.count("p is at least") == len(undecidable)
    assert "too few" not in str(found)


@every_case
def test_rows_with_a_missing_cell_are_dropped_and_listed(case):
    scores, dropped = CASES[case], evaluated(case).dropped
    assert list(dropped) == list(scores.index[scores.isna().any(axis=1)])
    assert all(list(names) == list(scores.columns[scores.loc[row].isna()]) for row, names in dropped.items())


@every_case
def test_groups_are_the_largest_runs_that_are_not_told_apart(case):
    found = evaluated(case)
    order = list(dict.fromkeys([found.control["best"].iloc[0], *found.control["strategy"]]))
    differs = {frozenset((r.first, r.second)): r.p_holm < 0.05 for r in found.wilcoxon.itertuples()}
    for groups, apart in (
        (found.groups, lambda a, b: abs(found.average_ranks[a] - found.average_ranks[b]) >= found.nemenyi_cd),
        (found.groups_wilcoxon, lambda a, b: differs[frozenset((a, b))]),
    ):
        runs = [order[i:j] for i in range(len(order)) for j in range(i + 2, len(order) + 1)]
        alike = [set(run) for run in runs if not any(apart(a, b) for a in run for b in run if a != b)]
        assert list(map(set, groups)) == [run for run in alike if not any(run < other for other in alike)]


def test_the_exact_p_with_ties_equals_counting_every_arrangement():
    ranks = rank([[1, 1, 2], [3, 1, 2], [1, 2, 2], [1, 2, 3]], higher_is_better=False)
    observed = (ranks.sum(axis=0) ** 2).sum()
    every = [
        (np.sum(rows, axis=0) ** 2).sum() >= observed for rows in product(*[list(permutations(row)) for row in ranks])
    ]
    assert friedman_small_sample(ranks).pvalue == pytest.approx(np.mean(every), rel=1e-12)


@pytest.mark.parametrize(("blocks", "k", "levels"), [(9, 8, 3), (30, 7, 9), (12, 25, 5), (3, 130, 4), (2, 5_000, 9)])
def test_the_permutation_p_equals_summing_drawn_orders_one_strategy_at_a_time(blocks, k, levels):
    ranks = rank(np.random.default_rng(k).integers(0, levels, (blocks, k)), higher_is_better=False)
    rng, at_least, of_chunk = np.random.default_rng(3), 1, max(2_000_000 // ranks.size, 1)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(friedman, "PERMUTATIONS", 301)
        found = friedman._drawn(np.rint(2 * ranks).astype(np.int64), seed=3)
    for start in range(0, 301, of_chunk):
        numbers = np.broadcast_to(np.arange(k), (min(of_chunk, 301 - start), blocks, k))
        for orders in rng.permuted(numbers, axis=2):
            sums = sum(row[order] for row, order in zip(ranks, orders, strict=True))
            at_least += (sums**2).sum() >= (ranks.sum(axis=0) ** 2).sum()
    assert found == at_least / 302


def test_the_permutation_p_is_near_the_asymptotic_one_where_that_holds():
    alike = pd.DataFrame(np.random.default_rng(5).normal(size=(30, 8)))
    found = evaluate(alike, higher_is_better=True)
    assert found.friedman_small_sample.method == "permutation"
    assert found.friedman_small_sample.pvalue == pytest.approx(found.friedman.pvalue, abs=0.02)


def test_many_blocks_have_the_asymptotic_p():
    found = evaluate(made(31, 3), higher_is_better=True)
    assert found.friedman_small_sample == (found.friedman.pvalue, "asymptotic")


def test_perfect_agreement_has_an_infinite_f_and_p_zero():
    found = evaluate(pd.DataFrame({"a": [1.0, 2, 3], "b": [2.0, 3, 4], "c": [3.0, 4, 5]}), higher_is_better=True)
    assert found.iman_davenport == (math.inf, 0)
    assert any("perfect agreement" in note for note in found.notes)
    assert found.to_dict()["iman_davenport"] == {"statistic": None, "pvalue": 0.0}
    tied = evaluate(pd.DataFrame({"a": [1.0, 2, 3], "b": [2.0, 3, 4], "c": [2.0, 3, 4]}), higher_is_better=True)
    assert tied.iman_davenport == (math.inf, 0)


def test_means_over_folds_that_differ_by_rounding_are_tied():
    rows = [(f"d{i}", a, b) for i in range(8) for a, b in ((100000.1, 100000.2), (100000.3, 100000.2))]
    scores = pd.DataFrame(rows, columns=["dataset", "a", "b"]).set_index("dataset")
    found = evaluate(scores, higher_is_better=True, blocks="dataset")
    assert found.average_ranks.tolist() == [1.5, 1.5]
    assert found.wilcoxon[["p", "wins", "ties", "losses"]].iloc[0].tolist() == [1, 0, 8, 0]


@pytest.mark.parametrize("shift", [0, 1, 10_000, 2**30])
def test_a_constant_added_to_all_scores_changes_no_p_value(shift):
    a, b = np.array([0.5, 0.825, 0.375, 0.5]), np.array([0.525, 0.775, 0.325, 0.55])
    found = evaluate(pd.DataFrame({"a": a + shift, "b": b + shift}), higher_is_better=True)
    # Differences −1, 2, 2, −2 fortieths: ranks 1, 3, 3, 3.
    assert found.wilcoxon["statistic"].iloc[0] == 4
    assert (
        found.wilcoxon["p"].iloc[0]
        == evaluate(pd.DataFrame({"a": [20, 33, 15, 20], "b": [21, 31, 13, 22]}), higher_is_better=True)
        .wilcoxon["p"]
        .iloc[0]
    )


def test_a_tolerance_of_ones_own_makes_ties_of_what_is_within_it():
    scores = pd.DataFrame({"a": [0.5, 0.6, 0.7], "b": [0.5 + 4e-8, 0.6, 0.8]})
    assert evaluate(scores, higher_is_better=True).wilcoxon["ties"].iloc[0] == 1
    assert evaluate(scores, higher_is_better=True, tolerance=1e-6).wilcoxon["ties"].iloc[0] == 2


def test_all_tied_is_undefined_and_says_so():
    found = evaluate(pd.DataFrame({"a": [1.0, 2, 3], "b": [1.0, 2, 3]}), higher_is_better=True)
    assert all(map(math.isnan, [*found.friedman, *found.iman_davenport, found.friedman_small_sample.pvalue]))
    assert found.friedman_small_sample.method == "undefined"
    assert any("all strategies are tied" in note for note in found.notes)
    assert found.wilcoxon["p"].tolist() == [1]
    assert found.nemenyi.to_numpy().tolist() == [[1, 1], [1, 1]]
    assert found.to_dict()["friedman"] == {"statistic": None, "pvalue": None}
    assert "undefined" in str(found)


def test_identical_columns_have_p_1_and_one_rank():
    scores = made(12, 3).assign(twin=lambda table: table["s1"])
    found = evaluate(scores, higher_is_better=True)
    pair = found.wilcoxon.query("first == 's1' and second == 'twin'").iloc[0]
    assert (pair["p"], pair["p_holm"], pair["effect"], pair["ties"]) == (1, 1, 0, 12)
    assert found.average_ranks["s1"] == found.average_ranks["twin"]


def test_rows_of_one_dataset_are_averaged_to_a_block():
    scores = made(9, 4)
    datasets = ["x", "x", "y", "z", "z", "z", "y", "w", "x"]
    found = evaluate(scores, higher_is_better=True, blocks=datasets)
    averaged = evaluate(scores.groupby(pd.Index(datasets), sort=False).mean(), higher_is_better=True)
    assert (found.n_blocks, found.n_rows, found.n_datasets) == (4, 9, 4)
    pd.testing.assert_series_equal(found.average_ranks, averaged.average_ranks)
    pd.testing.assert_frame_equal(found.wilcoxon, averaged.wilcoxon)
    pd.testing.assert_frame_equal(found.gains, averaged.gains)


def test_blocks_may_be_a_level_of_the_index():
    scores = made(4, 3)
    scores.index = pd.MultiIndex.from_product([["x", "y"], [0.01, 0.05]], names=["dataset", "ir"])
    by_name = evaluate(scores, higher_is_better=True, blocks="dataset")
    by_label = evaluate(scores, higher_is_better=True, blocks=["x", "x", "y", "y"])
    pd.testing.assert_series_equal(by_name.rank_sums, by_label.rank_sums)


def test_an_incomplete_variant_leaves_its_datasets_others():
    scores = made(6, 3)
    scores.iloc[1, 2] = np.nan
    found = evaluate(scores, higher_is_better=True, blocks=list("xxyyzz"))
    assert (found.n_blocks, found.n_rows, dict(found.dropped)) == (3, 5, {"d1": ("s2",)})


def test_to_dict_is_json_and_has_every_field():
    found = evaluate(CASES["five strategies, ties, missing"], higher_is_better=True)
    values = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert set(values) == {*found.__dataclass_fields__, "rope", "elo", "signed_rank", "hierarchical"} - {"supplement"}
    assert values["average_ranks"] == pytest.approx(found.average_ranks.to_dict())
    assert len(values["wilcoxon"]) == 10
    assert [row["row"] for row in values["dropped"]] == list(found.dropped)


def test_the_text_names_every_strategy_and_pair():
    found = evaluate(CASES["five strategies"], higher_is_better=True)
    text = str(found)
    assert all(f"{a} vs {b}" in text or f"{b} vs {a}" in text for a, b in found.wilcoxon[["first", "second"]].values)  # noqa: PD011
    assert f"{found.nemenyi_cd:.4f}" in text
    assert f"{found.friedman.statistic:.4f}" in text


def test_evaluate_is_public():
    assert isinstance(imbench.evaluate(CASES["nine strategies"], higher_is_better=False), imbench.Evaluation)


FOLDS = pd.DataFrame(
    {"baseline": [0.61, 0.64, 0.60, 0.66, 0.62, 0.63], "remix": [0.63, 0.66, 0.60, 0.70, 0.63, 0.66]},
    pd.MultiIndex.from_product([range(3), range(2)], names=["repeat", "fold"]),
)


def nadeau_bengio(differences, ratio):
    """The corrected resampled t-test as printed: Nadeau and Bengio 2003, section 3."""
    j = len(differences)
    t = np.mean(differences) / math.sqrt((1 / j + ratio) * np.var(differences, ddof=1))
    return 2 * stats.t.sf(abs(t), j - 1)


def test_folds_of_one_dataset_are_compared_by_the_corrected_test():
    found = evaluate(FOLDS, higher_is_better=True)
    expected = nadeau_bengio(FOLDS["remix"] - FOLDS["baseline"], ratio=1)
    for table in (found.wilcoxon, found.against_reference, found.control):
        assert table["p"].tolist() == [pytest.approx(expected)]
        assert table["method"].tolist() == ["corrected t"]
    assert (found.n_blocks, found.n_folds, found.average_ranks.to_dict()) == (1, 6, {"baseline": 2, "remix": 1})
    assert math.isnan(found.friedman.pvalue)
    assert "6 folds of one dataset" in str(found)
    assert "All pairs differ" not in str(found)
    json.dumps(found.to_dict(), allow_nan=False)


@pytest.mark.parametrize(
    ("scores", "options"),
    [
        (FOLDS.reset_index(drop=True), {"folds": [0, 1, 0, 1, 0, 1]}),
        (FOLDS.rename_axis(index=["Repeat", "Fold"]), {}),
        (FOLDS.reset_index("repeat", drop=True).rename_axis("part"), {"folds": "part"}),
        (FOLDS.assign(dataset="x").set_index("dataset", append=True), {}),
        (FOLDS.set_axis(pd.Index(["x"] * 6, name="dataset")), {"folds": [0, 1] * 3}),
        (FOLDS.set_axis(pd.Index(range(6), name="repeat")), {"test_share": 0.5}),
    ],
)
def test_folds_are_known_by_their_levels_or_as_told(scores, options):
    found = evaluate(scores, higher_is_better=True, **options)
    expected = nadeau_bengio(FOLDS["remix"] - FOLDS["baseline"], ratio=1)
    assert (found.n_folds, found.wilcoxon["p"].tolist()) == (6, [pytest.approx(expected)])


def test_the_share_of_tested_rows_can_be_given():
    found = evaluate(FOLDS, higher_is_better=True, test_share=0.5 / 0.85)
    expected = nadeau_bengio(FOLDS["remix"] - FOLDS["baseline"], ratio=0.5 / 0.35)
    assert found.wilcoxon["p"].tolist() == [pytest.approx(expected)]


def test_the_mean_over_folds_of_each_dataset_is_a_block():
    scores = pd.concat({name: FOLDS + shift for name, shift in (("x", 0), ("y", 0.1), ("z", 0.2))}, names=["dataset"])
    found = evaluate(scores, higher_is_better=True)
    means = evaluate(scores.groupby(level="dataset").mean(), higher_is_better=True)
    assert (found.n_blocks, found.n_rows, found.n_folds) == (3, 18, 0)
    pd.testing.assert_frame_equal(found.wilcoxon, means.wilcoxon)
    assert any("folds, which are not blocks" in note for note in found.notes)


def test_clusters_of_configurations_whose_folds_are_given():
    scores = pd.concat({name: FOLDS + i / 10 for i, name in enumerate("wxyz")}, names=["dataset"])
    found = evaluate(scores, higher_is_better=True, clusters=np.repeat(["a", "b"], 12).tolist())
    assert (found.n_blocks, found.n_datasets) == (4, 2)
    with pytest.raises(UsageError, match="the folds of a configuration have several labels"):
        evaluate(scores, higher_is_better=True, clusters=list("ab") * 12)


def test_so_few_folds_have_no_interval():
    found = evaluate(FOLDS.iloc[:2], higher_is_better=True)
    assert found.gains[["low", "high"]].isna().all(axis=None)
    assert any("2 folds are too few for an interval" in note for note in found.notes)


TABLE = made(3, 2)
MERGED = TABLE.set_axis(pd.MultiIndex.from_tuples([("x", 1), (None, 2), ("y", 1)], names=["dataset", "ir"]))


@pytest.mark.parametrize(
    ("scores", "options", "message"),
    [
        (made(1, 3), {}, "at least 2 complete rows, got 1 of 1"),
        (made(3, 1), {}, "at least 2 strategies"),
        (TABLE.assign(s9=np.nan), {}, r"got 0 of 3; missing scores: s9 \(3\); remove these strategies"),
        (TABLE.assign(name="x"), {}, "column 'name' contains .* not numbers; move label columns to the index"),
        (TABLE.replace(TABLE.iloc[1, 1], math.inf), {}, "row 'd1' of 's1' is infinite"),
        (pd.concat([TABLE, TABLE[["s1"]]], axis=1), {}, "strategy 's1' occurs twice"),
        (pd.concat([TABLE, TABLE]), {}, "row 'd0' occurs 2 times; give each row its own label, or use blocks"),
        (TABLE, {"blocks": ["x", "x", "x"]}, "at least 2 blocks; all complete rows belong to 'x'"),
        (TABLE, {"blocks": ["x"]}, "blocks must give one label for each of the 3 rows, got 1"),
        (TABLE, {"blocks": "dataset"}, "no index level 'dataset'"),
        (TABLE, {"blocks": ["x", None, "y"]}, "blocks: row 1 has no label; write its label"),
        (TABLE, {"blocks": ["x", " ", "y"]}, "blocks: row 1 has no label"),
        (TABLE, {"clusters": ["x", "\u00a0", "y"]}, "clusters: row 1 has no label"),
        (MERGED, {}, "row 1 of the scores has no label in 'dataset'; write its label, such as its dataset's name"),
        (MERGED, {"blocks": "dataset"}, "row 1 of the scores has no label in 'dataset'"),
        (MERGED, {"clusters": "dataset"}, "row 1 of the scores has no label in 'dataset'"),
        (MERGED.droplevel("ir"), {"blocks": "dataset"}, "row 1 of the scores has no label in 'dataset'"),
        (TABLE.set_axis(["x", "", "y"]), {}, "row 1 of the scores has no label;"),
        (TABLE.set_axis(["x", np.nan, "y"]), {}, "row 1 of the scores has no label;"),
        (TABLE.set_axis(["s0", " "], axis=1), {}, "column 2 of the scores has no name"),
        (FOLDS, {"blocks": "repeat"}, "blocks 'repeat': folds share rows and are not blocks"),
        (FOLDS, {"folds": [0, 1] * 3}, "give folds or an index level '(repeat|fold)', not both"),
        (FOLDS, {"test_share": 1.5}, "test_share must be between 0 and 1, got 1.5"),
        (TABLE, {"test_share": 0.5}, "test_share applies to scores of folds"),
        (
            FOLDS.droplevel("fold").set_axis(pd.Index(range(6), name="repeat")),
            {},
            "each repeat has a single fold; give test_share",
        ),
        (TABLE, {"blocks": list("xyz"), "clusters": list("xyz")}, "blocks or clusters, not both"),
        (TABLE, {"alpha": 1}, "alpha must be between 0 and 1, got 1"),
        (TABLE, {"higher_is_better": "yes"}, "higher_is_better must be True or False"),
        (TABLE, {"reference": "s7"}, "reference 's7' is not a strategy; did you mean s1 or s0"),
        (TABLE.to_numpy(), {}, "must be a pandas DataFrame"),
    ],
)
def test_what_cannot_be_evaluated_is_named(scores, options, message):
    with pytest.raises(UsageError, match=message):
        evaluate(scores, **{"higher_is_better": True, **options})
