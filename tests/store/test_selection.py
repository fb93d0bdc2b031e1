"""What of a store is read: specs of strategies and datasets mean the same wherever they are given."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imbench.contract.errors import UsageError
from imbench.store.results import load
from imbench.store.selection import DATASET_DEFAULTS, matching, select
from tests.made_results import fill

STRATEGIES = ["baseline", "remix", "remix:alpha=0.3", "remix:alpha=0.3,gamma=2", "package/mine"]
DATASETS = [
    "segment",
    "segment:ir=0.05",
    "segment:task=multiclass",
    "ecoli",
    "/data/one/churn.csv:target=left",
    "/data/two/churn.csv:target=left",
    "/data/one/photos/",
]


@pytest.mark.parametrize(
    ("wanted", "meant"),
    [
        ("remix", ["remix", "remix:alpha=0.3", "remix:alpha=0.3,gamma=2"]),
        ("remix:", ["remix"]),
        ("remix:alpha=0.3", ["remix:alpha=0.3"]),
        ("remix:alpha=0.30", ["remix:alpha=0.3"]),
        ("remix:gamma=2", ["remix:alpha=0.3,gamma=2"]),
        ("remix:gamma=2,alpha=0.3", ["remix:alpha=0.3,gamma=2"]),
        ("mine", ["package/mine"]),
        ("package/mine", ["package/mine"]),
        ("remix:alpha=0.9", []),
        ("mix", []),
    ],
)
def test_a_strategy_is_named_by_name_and_parameters(wanted, meant):
    assert matching(wanted, STRATEGIES) == meant


@pytest.mark.parametrize(
    ("wanted", "meant"),
    [
        ("segment", ["segment", "segment:ir=0.05", "segment:task=multiclass"]),
        ("segment:", ["segment"]),
        ("segment:ir=0.05", ["segment:ir=0.05"]),
        ("segment:ir=0.05,task=binary,seed=0", ["segment:ir=0.05"]),
        ("segment:ir=none", ["segment"]),
        ("churn.csv", ["/data/one/churn.csv:target=left", "/data/two/churn.csv:target=left"]),
        ("two/churn.csv", ["/data/two/churn.csv:target=left"]),
        ("/data/two/churn.csv", ["/data/two/churn.csv:target=left"]),
        ("/data/two/../one/churn.csv:target=left", ["/data/one/churn.csv:target=left"]),
        ("photos/", ["/data/one/photos/"]),
        ("urn.csv", []),
    ],
)
def test_a_dataset_is_named_by_name_and_parameters_a_file_also_by_its_base_name(wanted, meant):
    assert matching(wanted, DATASETS, DATASET_DEFAULTS) == meant


def test_a_parameter_at_its_default_may_be_stated_where_the_defaults_are_known():
    assert matching("remix:alpha=0.1", STRATEGIES) == []
    assert matching("remix:alpha=0.1", STRATEGIES, {"alpha": "0.1"}) == ["remix"]
    assert matching("remix:alpha=0.1", ["remix:gamma=2"], {"alpha": "0.1"}) == ["remix:gamma=2"]


@pytest.fixture
def results(store):
    fill(store, ["a", "b"], ["baseline", "remix", "remix:alpha=0.3"])
    fill(store, ["a"], ["baseline"], ir=0.1)
    fill(store, ["c"], ["mine"], version="2")
    fill(store, ["a"], ["mine"])
    return load(store.path)


def jobs(results):
    pairs = results.rows[["dataset", "variant", "strategy"]].drop_duplicates()
    return {f"{d}:{v} {s}" for d, v, s in pairs.itertuples(index=False)}


def test_strategies_and_datasets_choose_together(results):
    chosen = results.select(strategies=["remix:alpha=0.3", "baseline"], datasets=["a:ir=0.05"])
    assert jobs(chosen) == {"a:ir=0.05 baseline", "a:ir=0.05 remix:alpha=0.3"}
    assert jobs(results.select(datasets=["a:ir=0.1"])) == {"a:ir=0.1 baseline"}
    assert jobs(results.select()) == jobs(results)


def test_a_version_is_named_as_boards_label_it(results):
    assert jobs(results.select(strategies=["mine@2"])) == {"c:ir=0.05 mine"}
    assert jobs(results.select(strategies=["mine"])) == {"a:ir=0.05 mine", "c:ir=0.05 mine"}


def test_predictions_are_found_by_the_same_matcher(results):
    for spec in ("remix", "remix:alpha=0.30"):
        chosen = results.predictions("b", spec)
        (key,) = results.rows.query(f"dataset == 'b' and strategy == '{spec.removesuffix('0')}'")["key"].unique()
        assert [p.test.proba.tolist() for p in chosen] == [
            p.test.proba.tolist() for p in load_predictions(results, key)
        ]


def load_predictions(results, key):
    from imbench.store.store import Store

    return Store(results.store).predictions(key)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"strategies": ["remx"]}, r"no results of strategy 'remx'; did you mean remix.*\?"),
        ({"strategies": ["remix:alpha=0.9"]}, r"no results of strategy 'remix:alpha=0.9'; did you mean remix:alpha"),
        ({"datasets": ["zzz"]}, "no results of dataset 'zzz'; there are a:ir=0.05, a:ir=0.1, b:ir=0.05, c:ir=0.05"),
        ({"strategies": ["remix"], "datasets": ["c"]}, "no result matches all of them"),
    ],
)
def test_a_name_that_the_store_does_not_have_is_an_error_with_what_it_has(results, asked, message):
    with pytest.raises(UsageError, match=message):
        results.select(**asked)


def test_a_suite_chooses_what_the_store_has_of_it_and_is_added_to_datasets(results):
    suites = {"mine": ["a:ir=0.1", "z:ir=0.1"]}
    assert set(select(results.rows, suites=suites)["variant"]) == {"ir=0.1"}
    both = select(results.rows, datasets=["c"], suites=suites)
    assert set(both["dataset"]) == {"a", "c"}
    with pytest.raises(UsageError, match="no results on a dataset of suite 'none'"):
        select(results.rows, suites={"none": ["z"]})


def test_rows_whose_text_is_categories_are_chosen_alike(results, store):
    columns = ["dataset", "variant", "strategy", "gmean"]
    rows = store.frame(columns=columns)
    chosen = select(rows, ["remix"], ["a"])
    plain = select(results.rows, ["remix"], ["a"])[columns]
    assert set(chosen["strategy"].cat.categories) == {"remix", "remix:alpha=0.3"}
    pd.testing.assert_frame_equal(chosen.astype(plain.dtypes.to_dict()), plain, check_like=True)


PARAMETERS = st.dictionaries(st.sampled_from("abc"), st.integers(0, 2), max_size=3)


@given(PARAMETERS, st.lists(PARAMETERS, max_size=6))
def test_stated_parameters_agree_as_a_plain_loop_says(asked, stored):
    def spec(params):
        return "s:" + ",".join(f"{key}={value}" for key, value in sorted(params.items()))

    specs = sorted({spec(params).removesuffix(":") for params in stored})
    agree = [s for s in specs if all(f"{key}={value}" in s for key, value in asked.items())]
    equal = [s for s in specs if s == spec(asked).removesuffix(":")]
    expected = equal or (agree if asked else [])
    assert matching(spec(asked), specs) == expected
