"""What a sceptical reader asks: every number computed again from the rows and predictions, by plain loops."""

import dataclasses
import statistics
from itertools import pairwise

import numpy as np
import pytest
from scipy.stats import friedmanchisquare, rankdata

from imbench.reproduce.context import TABULAR
from imbench.reproduce.questions import constant_bbs, questions_of
from imbench.reproduce.second_baseline import seed_of, seeded
from imbench.scoring.metrics import METRICS
from imbench.stats.words import number, p_in_text
from tests.reproduce.conftest import results_of


@pytest.fixture(scope="session")
def draws(tmp_path_factory):
    """All strategies on one dataset with another draw of its minority."""
    configurations = [("set0", ir, "binary") for ir in (0.01, 0.025, 0.05)]
    return results_of(tmp_path_factory.mktemp("draws"), TABULAR, configurations, seed=1)


@pytest.fixture(scope="session")
def item(remix_leads, second, draws):
    return questions_of(remix_leads, second, draws)


def table(item, name):
    """The frame of this name."""
    (found,) = [numbers.frame for numbers in item.tables if numbers.name == name]
    return found


def sentence(item, question):
    """The answer to the question that begins like this."""
    (found,) = [text for text in item.found if text.startswith(question)]
    return found


@pytest.mark.parametrize("classes", range(2, 12))
def test_the_brier_score_of_constant_probabilities_is_that_of_the_metric(classes):
    y = np.resize(np.arange(classes), 50)
    assert METRICS["bbs"](y, np.full((50, classes), 1 / classes)) == pytest.approx(constant_bbs(classes))


def test_the_constant_is_compared_with_every_strategy(item, remix_leads):
    frame = table(item, "constant-probability")
    means = remix_leads.rows.groupby(["dataset", "variant", "strategy"])["bbs"].mean()
    assert len(frame) == 27
    for row in frame.to_dict("records"):
        own = means[row["dataset"], row["variant"]]
        assert row["constant"] == (0.25 if row["task"] == "binary" else pytest.approx(1 / 3))
        assert row["its BBS"] == pytest.approx(own.min())
        assert row["best strategy"] == own.idxmin()
        assert row["worse than the constant"] == sum(value > row["constant"] for value in own)


def test_the_configurations_on_which_the_constant_beats_all_are_counted(item, remix_leads):
    assert "On 0 of 18 binary configurations" in sentence(item, "Do the probabilities beat a constant? On 0 of 18")
    rows = remix_leads.rows.copy()
    worse = (rows["dataset"] == "set3") & (rows["variant"] == "ir=0.01")
    rows.loc[worse, "bbs"] = 0.3
    found = questions_of(dataclasses.replace(remix_leads, rows=rows))
    assert "On 1 of 18 binary configurations the constant probability .5 has a better BBS" in found.found[0]
    assert "(set3 ir=0.01)" in found.found[0]


@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_friedman_of_tuned_thresholds_is_scipys(item, remix_leads, task):
    rows = remix_leads.rows.query(f"task == '{task}'")
    texts = []
    for column in ("gmean@tuned", "gmean"):
        means = rows.pivot_table(column, ["dataset", "variant"], "strategy")
        ranks = rankdata(-means.to_numpy().round(6), axis=1)
        texts.append(p_in_text(friedmanchisquare(*ranks.T).pvalue))
    answer = sentence(item, "Is it the strategy or the threshold?")
    assert f"On {task} data it gives {texts[0]}, and" in answer
    assert f"(by argmax {texts[1]})" in answer
    shown = table(item, "tuned-thresholds").set_index(["task", "strategy"])
    tuned = rows[rows["strategy"] == "remix"].groupby(["dataset", "variant"])["gmean@tuned"].mean()
    assert shown.loc[(task, "remix"), "g-mean, tuned"] == pytest.approx(tuned.mean())


def test_configurations_and_datasets_are_counted(item):
    answer = sentence(item, "How much independent evidence is there?")
    assert "18 binary configurations come from 6 datasets" in answer
    assert "9 multiclass configurations come from 3 datasets" in answer


def test_minority_rows_are_those_that_each_net_trains_on(item, remix_leads):
    frame = table(item, "training-rows").set_index(["dataset", "variant"])
    for spec in ("set2:ir=0.025", "many1:task=multiclass,ir=0.1"):
        counts = [p.train_counts for p in remix_leads.predictions(spec, "baseline")]
        row = frame.loc[tuple(spec.split(":"))]
        assert row["rarest class, fewest"] == min(min(c) for c in counts)
        assert row["rarest class, most"] == max(min(c) for c in counts)
        assert row["training rows"] == max(sum(c) for c in counts)


def test_the_share_of_the_largest_configuration_is_that_of_a_plain_loop(item, remix_leads):
    frame = table(item, "gains").set_index(["task", "metric", "strategy"])
    means = remix_leads.rows.query("task == 'binary'").groupby(["dataset", "variant", "strategy"])["gmean"].mean()
    gains = {}
    for dataset, variant in means.index.droplevel("strategy").unique():
        gains[f"{dataset}:{variant}"] = means[dataset, variant, "remix"] - means[dataset, variant, "baseline"]
    largest = max(gains, key=gains.get)
    row = frame.loc["binary", "gmean", "remix"]
    assert row["largest"] == largest
    assert row["mean"] == pytest.approx(statistics.mean(gains.values()))
    assert row["median"] == pytest.approx(statistics.median(gains.values()))
    assert row["share of the largest"] == pytest.approx(gains[largest] / sum(gains.values()))
    answer = sentence(item, "Does one configuration make the result?")
    assert f"{largest} alone makes {round(100 * row['share of the largest'])} % of it" in answer
    assert answer.endswith("a net trains there on 1 minority row.")


def test_means_of_other_draws_are_over_the_configurations_that_have_them(item, remix_leads, draws):
    frame = table(item, "draws").set_index(["draw", "strategy"])
    assert set(frame.index.get_level_values("draw")) == {0, 1}
    assert set(frame["configurations"]) == {3}
    published = remix_leads.rows.query("dataset == 'set0' and strategy == 'mixup'")
    assert frame.loc[(0, "mixup"), "gmean"] == pytest.approx(published.groupby("variant")["gmean"].mean().mean())
    other = draws.rows.query("strategy == 'mixup'")
    assert frame.loc[(1, "mixup"), "bbs"] == pytest.approx(other.groupby("variant")["bbs"].mean().mean())


def test_gaps_smaller_than_the_largest_move_are_counted(item):
    frame = table(item, "draws")
    answer = sentence(item, "Would other minority rows give the same? On 3 small binary configurations, 2 draws each:")
    for metric, title in (("gmean", "G-mean"), ("bbs", "Balanced Brier score")):
        by_name = {name: own.set_index("draw")[metric] for name, own in frame.groupby("strategy")}
        most = max(own.max() - own.min() for own in by_name.values())
        means = sorted(own.loc[0] for own in by_name.values())
        smaller = sum(b - a < most for a, b in pairwise(means))
        assert f"The mean {title} of a strategy moves by " in answer
        assert f"; {smaller} of 4 gaps between neighbours" in answer.split(f"The mean {title}")[1]


def test_the_second_baselines_mean_stands_beside_the_first(item, remix_leads, second):
    def mean(results):
        rows = results.rows.query("task == 'binary' and strategy == 'baseline'")
        return number(rows.groupby(["dataset", "variant"])["gmean"].mean().mean(), 3)

    answer = sentence(item, "And on all 18 configurations?")
    assert f"is {mean(remix_leads)} with the published draw and {mean(second)} with seed 1" in answer


def test_without_further_trainings_the_other_questions_are_answered(remix_leads):
    item = questions_of(remix_leads)
    assert not any(text.startswith(("Would other", "And on all")) for text in item.found)
    assert table(item, "draws").empty
    assert len(item.found) == 4


@pytest.mark.parametrize(
    ("variant", "seed"), [("natural", 1), ("ir=0.05", 2), ("task=multiclass,ir=0.1", 3), ("task=multiclass", 0)]
)
def test_a_seed_is_read_back_from_the_variant(variant, seed):
    spec = seeded("segment", variant, seed)
    assert seed_of(spec.removeprefix("segment:")) == (variant, seed)
