"""Mini-batches outside of training: how rows are drawn, and what a strategy makes of them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imbench.reproduce.mini_batches import draw, feed
from imbench.runs.registry import strategy


@given(rows=st.integers(1, 200), size=st.integers(1, 70), batches=st.integers(1, 12), seed=st.integers(0, 99))
def test_no_row_comes_twice_in_an_epoch(rows, size, batches, seed):
    numbers = draw(rows, size, batches, np.random.default_rng(seed))
    size = min(size, rows)
    assert numbers.shape == (batches, size)
    for first in range(0, batches, rows // size):
        epoch = numbers[first : first + rows // size].ravel()
        assert len(set(epoch.tolist())) == len(epoch)
        assert ((epoch >= 0) & (epoch < rows)).all()


def three_classes(rows=90, features=4):
    rng = np.random.default_rng(0)
    y = rng.choice(3, rows, p=[0.6, 0.3, 0.1])
    return rng.normal(size=(rows, features)).astype(np.float32), y


def test_the_baseline_is_fed_the_rows_themselves():
    x, y = three_classes()
    numbers = draw(len(y), 16, 5, np.random.default_rng(1))
    fed = feed(strategy("baseline"), x, y, numbers, 3, "test")
    np.testing.assert_array_equal(fed.x, x[numbers])
    np.testing.assert_array_equal(fed.y.argmax(axis=-1), y[numbers])
    assert np.isnan(fed.fallback)


def test_smote_says_with_how_many_batches_it_could_do_little():
    x, y = three_classes()
    lonely = np.arange(16)[None]  # one batch, whose classes are as follows
    y[:16] = [0] * 14 + [1, 1]
    assert feed(strategy("batch-smote"), x, y, lonely, 3, "test").fallback == 1.0
    y[:16] = [0] * 12 + [1] * 4
    assert feed(strategy("batch-smote"), x, y, lonely, 3, "test").fallback == 0.0


@pytest.mark.parametrize("name", ["remix", "mixup"])
@pytest.mark.parametrize("alpha", [0.1, 0.5, 1.0])
def test_halves_show_the_very_rows_that_are_mixed(name, alpha):
    _, y = three_classes()
    numbers = draw(len(y), 16, 40, np.random.default_rng(2))
    # Each row is known by a feature of its own.
    arguments = strategy(f"{name}:alpha={alpha}"), np.eye(len(y)), y, numbers, 3, "test"
    mixed, halves = feed(*arguments), feed(*arguments, halves=True)
    assert set(np.unique(halves.x)) <= {0.0, 0.5, 1.0}
    largest = mixed.x.max(axis=-1)
    open_ = (largest < 0.999) & (largest > 0)
    assert open_.sum() > 50
    np.testing.assert_array_equal(mixed.x[open_] > 1e-4, halves.x[open_] > 0)
    np.testing.assert_array_equal(mixed.y[open_] > 1e-4, halves.y[open_] > 0)


def test_other_keys_give_other_draws_and_equal_keys_the_same():
    x, y = three_classes()
    numbers = draw(len(y), 16, 5, np.random.default_rng(1))
    one, again, other = (feed(strategy("remix"), x, y, numbers, 3, "test", key).x for key in (0, 0, 1))
    np.testing.assert_array_equal(one, again)
    assert not np.array_equal(one, other)
