"""The table of claims: eight rows, tested among the strategies that the claim is about."""

import numpy as np
import pytest

from imbench.reproduce.claim_tests import equivalent_or_better
from imbench.reproduce.claims import claims_of
from imbench.reproduce.table2 import evaluated

OLD = ["claim", "paper", "ours", "verdict", "statistic", "by datasets"]
WORDS = {"supported", "undecided", "contradicted", "not tested"}


@pytest.fixture(scope="module")
def claims(remix_leads, images):
    """The claims, of results in which ReMix is the best on tabular data."""
    return claims_of(remix_leads, images)


@pytest.fixture(scope="module")
def with_second(remix_leads, images, second):
    """The same with a second baseline."""
    return claims_of(remix_leads, images, second)


def test_each_net_task_and_metric_has_a_row(with_second):
    frame = with_second.tables[0].frame
    assert list(frame.columns[:6]) == OLD
    assert [claim.split(":")[0] for claim in frame["claim"]] == [
        f"{nets}, {task}" for nets in ("Dense nets", "CNNs") for task in ("binary",) * 2 + ("multiclass",) * 2
    ]
    assert list(frame["verdict"][:4]) == ["supported"] * 4


def test_every_verdict_is_one_of_three_words_or_says_that_nothing_was_tested(with_second):
    frame = with_second.tables[0].frame
    verdicts = [
        *("verdict", "by datasets", "over ReMix's pairs only", "equivalent or better", "without cost-adjusted"),
        *("second baseline", "second baseline, equivalent or better"),
    ]
    assert set(frame[verdicts].to_numpy().ravel()) <= WORDS
    # Nets for images have no second baseline.
    assert list(frame["second baseline"]) == ["supported"] * 4 + ["not tested"] * 4


def test_remix_is_compared_without_the_strategies_that_augment(claims):
    frame = claims.tables[0].frame
    # Of the images' results remix-aug is the best, yet the claim is about ReMix and what it is compared with.
    assert frame["ours"].iloc[4].startswith("rank sum 2.0, mixup")
    assert frame["verdict"].iloc[4] == "undecided"
    assert "2 blocks, smallest possible p = 1" in frame["statistic"].iloc[4]
    assert frame["by datasets"].iloc[4] == "not tested"


def test_each_claim_has_the_smallest_p_of_its_blocks(claims):
    frame = claims.tables[0].frame
    one = np.array([2 / 2**18] * 2 + [2 / 2**9] * 2 + [2 / 2**2] * 4)
    np.testing.assert_allclose(frame["smallest p of one pair"], one)
    np.testing.assert_allclose(frame["smallest p"], np.minimum(10 * one, 1))


def test_the_verdict_turns_with_the_results(remix_is_last, images):
    item = claims_of(remix_is_last, images)
    frame = item.tables[0].frame
    assert list(frame["verdict"][:4]) == ["contradicted"] * 4
    assert item.found[0].startswith("0 supported, 4 undecided, 4 contradicted")
    assert list(frame["equivalent or better"][:4]) == ["contradicted"] * 4
    # The rest is still better than ReMix.
    assert list(frame["without cost-adjusted"][:4]) == ["contradicted"] * 4


def test_the_page_shows_few_columns_and_the_files_have_all(with_second):
    numbers, tests = with_second.tables
    assert set(numbers.columns) < set(numbers.frame.columns)
    assert list(numbers.on_page.columns) == list(numbers.columns)
    # Every verdict has its numbers in the second table: six tests of dense nets, four of convolutional ones.
    assert len(tests.frame) == 4 * 6 + 4 * 4
    assert tests.frame["numbers"].str.startswith("average ranks: remix ").all()


def test_a_test_with_another_verdict_is_named_in_the_sentence(remix_leads, images):
    import dataclasses

    # ReMix is worse everywhere, by less than the margin.
    rows = remix_leads.rows.assign(gmean=0.5 + 0.001 * (remix_leads.rows["strategy"] != "remix"))
    item = claims_of(dataclasses.replace(remix_leads, rows=rows), images)
    assert "g-mean: contradicted (average ranks: remix 5.00" in item.found[3]
    assert "Other tests differ: equivalent or better, margin 0.02: supported." in item.found[3]


@pytest.mark.parametrize(("gap", "word"), [(0.005, "supported"), (0.019, "supported"), (0.06, "contradicted")])
def test_remix_is_equivalent_if_it_is_worse_by_less_than_the_margin(remix_leads, gap, word):
    import dataclasses

    board = evaluated(remix_leads)["binary", "gmean"]
    scores = np.full(board.scores.shape, 0.5)
    steps = np.linspace(0.9, 1.0, len(scores))  # different sizes, without ties
    scores[:, board.names.index("remix")] -= gap * steps
    found = equivalent_or_better(dataclasses.replace(board, scores=scores))
    assert found.word == word


def test_a_margin_makes_a_lower_brier_score_better(remix_leads):
    import dataclasses

    board = evaluated(remix_leads)["binary", "bbs"]
    scores = np.full(board.scores.shape, 0.2)
    scores[:, board.names.index("remix")] += 0.005 * np.linspace(0.9, 1.0, len(scores))
    assert equivalent_or_better(dataclasses.replace(board, scores=scores)).word == "supported"
