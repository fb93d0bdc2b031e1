import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from imbench.data import preprocess
from imbench.data.preprocess import apply, fit
from tests.data import made


def gappy(rows: int, features: int, seed: int, share: float) -> np.ndarray:
    rng = np.random.default_rng(seed)
    x = rng.normal(rng.normal(scale=50, size=features), rng.uniform(0.1, 20, features), (rows, features))
    x[rng.random(x.shape) < share] = np.nan
    x[0] = 1.0  # so that no column is empty
    return x.astype(np.float32)


@given(rows=st.integers(12, 80), seed=st.integers(0, 999), share=st.floats(0, 0.6))
def test_it_is_scikit_learns_imputer_scaler_and_clip(rows, seed, share):
    x = gappy(rows, 4, seed, share)
    x[:, 3] = 7.0  # constant
    fold = made.halves(rows)
    half = np.concatenate([fold.train, fold.validation])
    theirs = make_pipeline(SimpleImputer(), StandardScaler()).fit(x[half].astype(float))
    ours = apply(x, fit(made.numeric_dataset(x), fold, 5.0))
    np.testing.assert_allclose(ours, np.clip(theirs.transform(x.astype(float)), -5, 5), atol=2e-4, rtol=1e-4)


@given(seed=st.integers(0, 999))
def test_nothing_fitted_ever_sees_a_test_row(seed):
    x, fold = gappy(60, 5, seed, 0.2), made.halves(60)
    wild = x.copy()
    wild[fold.test] = np.random.default_rng(seed).choice([np.nan, -1e30, 1e30, 0], (len(fold.test), 5))
    before, after = (fit(made.numeric_dataset(v), fold, 5.0) for v in (x, wild))
    np.testing.assert_array_equal(before.center, after.center)
    np.testing.assert_array_equal(before.scale, after.scale)


def test_results_lie_within_the_clip_and_missing_is_zero():
    x, fold = gappy(60, 3, 1, 0.3), made.halves(60)
    x[fold.test[0]] = [1e6, -1e6, np.nan]
    scaled = apply(x, fit(made.numeric_dataset(x), fold, 2.0))
    assert scaled[fold.test[0]].tolist() == [2.0, -2.0, 0.0]
    assert (scaled[np.isnan(x)] == 0).all()
    assert scaled.dtype == np.float32


def test_a_column_without_spread_keeps_its_scale_and_a_category_without_spread_reads_as_none():
    x, fold = np.ones((20, 2)), made.halves(20)
    x[fold.test] = 0
    dataset = made.numeric_dataset(x, ("numeric", "categorical"))
    preprocessing = fit(dataset, fold, 5.0)
    assert preprocessing.scale.tolist() == [1.0, 0.0]
    assert apply(dataset.x, preprocessing)[fold.test[0]].tolist() == [-1.0, 0.0]


@pytest.mark.parametrize("channels", [1, 3])
def test_images_are_their_pixels_over_255_whatever_the_fold(channels):
    x, fold = np.random.default_rng(0).integers(0, 256, (20, channels, 4, 6), dtype=np.uint8), made.halves(20)
    card = made.card(modality="image")
    dataset = dataclasses.replace(made.numeric_dataset(np.zeros((20, 1))), x=x, card=card)
    preprocessing = fit(dataset, fold, 5.0)
    assert preprocessing.center.shape == preprocessing.scale.shape == (channels, 1, 1)
    assert (preprocessing.center == 0).all()
    np.testing.assert_allclose(apply(x, preprocessing), x / 255, atol=1e-7)


def test_a_column_with_no_value_in_the_training_half_says_nothing():
    x, fold = np.full((20, 1), np.nan), made.halves(20)
    x[fold.test] = 3.0
    dataset = made.numeric_dataset(x)
    assert (apply(dataset.x, fit(dataset, fold, 5.0)) == 0).all()


@pytest.mark.parametrize("block", [1, 7, 1000])
def test_gathering_in_blocks_changes_nothing(monkeypatch, block):
    x, fold = gappy(90, 4, 3, 0.2), made.halves(90)
    whole = fit(made.numeric_dataset(x), fold, 5.0)
    monkeypatch.setattr(preprocess, "_BLOCK", block)
    parts = fit(made.numeric_dataset(x), fold, 5.0)
    np.testing.assert_allclose(parts.center, whole.center, rtol=1e-6)
    np.testing.assert_allclose(parts.scale, whole.scale, rtol=1e-6)
