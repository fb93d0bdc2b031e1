"""A column with a large offset and a small spread keeps its information on the way to float32."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import StandardScaler

from imbench.contract.records import Variant
from imbench.contract.rows import scaled
from imbench.data import origin as module
from imbench.data.canonical import Table
from imbench.data.origin import constant_columns, origin_and_unit
from imbench.data.preprocess import apply, fit
from imbench.data.variants import build
from imbench.runs.registry import dataset
from tests.data import made

ROWS = 60


def table_of(x):
    """Float64 columns as a table of two classes in turn."""
    names = tuple(f"f{j}" for j in range(x.shape[1]))
    return Table(np.asfortranarray(x, dtype=np.float64), names, ((),) * len(names), np.arange(len(x)) % 2, ("a", "b"))


def built(x, **variant):
    """The dataset of these columns."""
    table = table_of(x)
    return build(table, made.table_card(table, ("b",)), Variant("made", **variant), "0" * 64)


def seen(x):
    """What a net sees of these columns in a fold whose training half is the first half of the rows."""
    found = built(x)
    return apply(found.x, fit(found, made.halves(len(x)), 5.0))


def expected(x):
    """The same by scikit-learn in float64."""
    half = x[: len(x) // 2]
    imputer = SimpleImputer(keep_empty_features=True).fit(half)
    scaler = StandardScaler().fit(imputer.transform(half))
    return np.clip(scaler.transform(imputer.transform(x)), -5, 5)


@given(
    exponent=st.floats(-3, 15), sign=st.sampled_from([-1, 1]), share=st.sampled_from([0, 0.2]), seed=st.integers(0, 999)
)
def test_an_offset_changes_nothing_that_a_net_sees(exponent, sign, share, seed):
    rng = np.random.default_rng(seed)
    # Eighths, so that an offset of eighths up to 1e15 adds up without rounding: then the oracle need not know it.
    spread = np.round(rng.normal(size=(ROWS, 3)) * 8) / 8
    spread[rng.random(spread.shape) < share] = np.nan
    offset = sign * np.round(10**exponent * 8) / 8
    np.testing.assert_allclose(seen(spread + offset), expected(spread), atol=1e-5)


@pytest.mark.parametrize("offset", [0.0, 45.0, 2005.0, 1.7e9, 1e12])
@pytest.mark.parametrize("outliers", [[0.0], [-1.0], [1e15], [0.0, 1e18, -1e18, 1e38]])
@pytest.mark.parametrize("where", ["train", "test"])
def test_outliers_cost_the_other_values_no_digits(offset, outliers, where):
    spread = np.round(np.random.default_rng(0).normal(size=(ROWS, 1)) * 64) / 64
    x = spread + offset
    rows = np.arange(len(outliers)) + (0 if where == "train" else ROWS - len(outliers))
    x[rows, 0] = outliers
    # Seen from the offset, as exactly as can be: there scikit-learn loses no digits either.
    np.testing.assert_allclose(seen(x), expected(x - offset), atol=1e-5)


@pytest.mark.parametrize("unit", [1e-300, 1e-60, 1e-40, 1e-20, 1.0, 1e20, 1e37])
@pytest.mark.parametrize("offset", [0, 1000])
def test_the_unit_of_a_column_changes_nothing_that_a_net_sees(unit, offset):
    spread = np.random.default_rng(0).normal(size=(ROWS, 2))
    np.testing.assert_allclose(seen((spread + offset / 40 * 1.0) * unit), expected(spread), atol=1e-5)


def test_a_wide_column_does_not_overflow_when_it_is_shifted():
    x = np.full((ROWS, 1), -3e38)
    x[::9] = 3e38
    np.testing.assert_allclose(seen(x), expected(x / 1e38), atol=1e-5)


def test_ordinary_columns_are_kept_as_they_are():
    x = np.random.default_rng(0).normal(45, 17, (ROWS, 2)).round()
    found = built(x)
    np.testing.assert_array_equal(found.x, x)
    assert (found.origin == 0).all()
    assert (found.unit == 1).all()


def test_values_come_back_from_the_arrays_and_whole_numbers_stay_whole():
    x = 1_700_000_000 + np.random.default_rng(0).integers(0, 4000, (ROWS, 2)).astype(np.float64)
    found = built(x)
    np.testing.assert_array_equal(found.x * found.unit + found.origin, x)
    assert (found.x == found.x.round()).all()
    assert found.x.dtype == np.float32


def test_all_variants_of_a_table_have_one_origin():
    x = 1e9 + np.random.default_rng(0).normal(size=(200, 2))
    whole, small = built(x), built(x, ir=0.1)
    np.testing.assert_array_equal(whole.origin, small.origin)
    np.testing.assert_array_equal(small.x, whole.x[small.rows])


def test_some_of_many_rows_are_enough_even_where_every_other_one_is_special(monkeypatch):
    monkeypatch.setattr(module, "_MAX_ROWS", 1000)
    x = 1e9 + np.random.default_rng(0).normal(size=(8000, 1))
    x[::8] = 0.0
    origin, _ = origin_and_unit(table_of(x))
    assert abs(origin[0] - 1e9) < 3


def test_a_column_constant_in_the_training_half_keeps_its_scale_in_any_unit():
    x = np.full((ROWS, 1), 1e9)
    x[ROWS // 2 :] += 0.5
    assert seen(x)[-1].tolist() == [0.5]
    tiny = np.full((ROWS, 1), 1e-50)
    tiny[ROWS // 2 :] *= 2
    np.testing.assert_allclose(seen(tiny), expected(tiny), atol=1e-5)


def test_times_in_seconds_of_a_file_reach_the_net(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    seconds = 1_700_000_000 + np.arange(ROWS) * 7 % 60
    pd.DataFrame({"t": seconds, "y": np.where(np.arange(ROWS) % 3, "n", "p")}).to_csv("t.csv", index=False)
    found = dataset("t.csv:target=y")
    half = made.halves(ROWS)
    ours = apply(found.x, fit(found, half, 5.0))[:, 0]
    assert len(np.unique(ours)) == 60
    np.testing.assert_allclose(ours, expected((seconds - 1.7e9)[:, None])[:, 0], atol=1e-5)


@pytest.mark.parametrize("offset", [0.0, 1.7e9, 1e12, 1e15])
def test_the_batches_of_the_engine_are_those_of_scikit_learn(offset):
    spread = np.round(np.random.default_rng(0).normal(size=(ROWS, 3)) * 8) / 8
    found = built(spread + offset)
    fitted = fit(found, made.halves(ROWS), 5.0)
    numbers = torch.arange(ROWS).reshape(1, 2, -1)
    center, scale = torch.tensor(fitted.center)[None], torch.tensor(fitted.scale)[None]
    batches = scaled(torch.tensor(found.x), numbers, center, scale, 5.0)
    np.testing.assert_allclose(batches.reshape(ROWS, 3), expected(spread), atol=1e-5)


def test_columns_of_one_value_are_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = "".join(f"{i},7,{'' if i % 2 else 3},x,{'pn'[i % 2]}\n" for i in range(20))
    Path("t.csv").write_text("a,same,holed,word,y\n" + rows)
    found = dataset("t.csv:target=y")
    assert found.card.constant == ("same", "word")
    assert found.feature_names == ("a", "holed=missing")
    close = table_of(1e15 + np.arange(4.0)[:, None] / 4)
    assert constant_columns(close) == ()
