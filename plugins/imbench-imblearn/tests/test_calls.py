"""What is left out of the calls of samplers changes none of their results."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from imbench_imblearn.calls import _unchecked
from imbench_imblearn.neighbours import ClearNeighbours, clear_order
from imbench_imblearn.samplers import samplers
from imbench_imblearn.strategy import Imblearn
from made_batches import make_batch, resampled
from sklearn.neighbors import NearestNeighbors

import imbench

UNCHECKED = [
    *("ADASYN", "BorderlineSMOTE", "RandomOverSampler", "SMOTE"),
    *("EditedNearestNeighbours", "RandomUnderSampler", "TomekLinks", "SMOTEENN", "SMOTETomek"),
]
seeds = st.integers(0, 2**31 - 2)


@given(
    name=st.sampled_from(UNCHECKED),
    counts=st.lists(st.integers(0, 24), min_size=2, max_size=4).filter(lambda c: sum(n > 0 for n in c) > 1),
    decimals=st.sampled_from([None, 1, 0]),
    features=st.integers(1, 20),
    dtype=st.sampled_from([torch.float32, torch.float64]),
    seed=seeds,
)
@settings(deadline=None, max_examples=150)
def test_any_batch_gives_what_imbalanced_learn_gives_also_with_equal_rows(
    name, counts, decimals, features, dtype, seed
):
    batch = make_batch(counts, features, seed, dtype)
    if decimals is not None:
        batch = imbench.Batch(batch.x.round(decimals=decimals), batch.y)
    x, y, result = batch.x.numpy(), batch.labels.numpy(), resampled(Imblearn(name), batch, seed)
    sampler = samplers()[name]()
    if "random_state" in sampler.get_params():
        sampler.set_params(random_state=seed)
    try:
        expected = sampler.fit_resample(x, y)
    except (ValueError, RuntimeError):
        expected = None
    if result is None:
        assert expected is None or not len(expected[1]) or 1 in counts, "a single row has no neighbours"
    elif not result[2]:  # otherwise imbalanced-learn was asked for less
        np.testing.assert_array_equal(result[0], expected[0])
        np.testing.assert_array_equal(result[1], expected[1])


@given(
    rows=st.integers(1, 40),
    queries=st.integers(1, 12),
    features=st.integers(1, 20),
    count=st.integers(1, 12),
    decimals=st.sampled_from([12, 1, 0]),
    scale=st.sampled_from([1.0, 1e-30, 1e30]),
    shift=st.sampled_from([0.0, 1e3]),
    dtype=st.sampled_from([np.float32, np.float64]),
    seed=seeds,
)
@settings(deadline=None, max_examples=300)
def test_neighbours_and_their_order_are_scikit_learns(
    rows, queries, features, count, decimals, scale, shift, dtype, seed
):
    rng = np.random.default_rng(seed)
    fitted = ((rng.normal(size=(rows, features)).round(decimals) + shift) * scale).astype(dtype)
    asked = np.concatenate([fitted, (rng.normal(size=(queries, features)).round(decimals) * scale).astype(dtype)])
    count = min(count, rows)
    expected = NearestNeighbors(n_neighbors=count).fit(fitted).kneighbors(asked, return_distance=False)
    found = ClearNeighbours(n_neighbors=count).fit(fitted).kneighbors(asked, return_distance=False)
    np.testing.assert_array_equal(found, expected)


def test_equal_distances_are_left_to_scikit_learn_and_others_are_not():
    clear = np.array([[0.0], [1.0], [3.0], [7.0]])
    assert clear_order(clear, clear, 2) is not None
    assert clear_order(clear[:1], np.array([[1.0], [-1.0], [5.0]]), 2) is None
    assert clear_order(clear[:1], np.array([[1.0], [3.0], [-3.0]]), 2) is None, "which of two is the last"
    assert clear_order(clear[:1], np.array([[1.0], [3.0], [5.0], [-5.0]]), 2) is not None, "neither is asked for"
    assert clear_order(clear, clear, 5) is None


def test_samplers_that_prepare_their_input_keep_what_prepares_it():
    kept = {name for name, cls in samplers().items() if _unchecked(cls) is cls}
    assert kept == {"SMOTEN", "SMOTENC"}


@pytest.mark.parametrize("name", UNCHECKED)
def test_a_batch_is_not_checked_as_imbalanced_learns_own_call_checks_it(name, monkeypatch):
    """Which takes most of the time of that call; the README has the times."""

    def checked(*args, **options):
        raise AssertionError("the arrays are checked")

    monkeypatch.setattr("imblearn.base.check_classification_targets", checked)
    batch = make_batch((40, 24))
    with pytest.raises(AssertionError, match="checked"):
        samplers()[name]().fit_resample(batch.x.numpy(), batch.labels.numpy())
    assert resampled(Imblearn(name), batch, 0) is not None
