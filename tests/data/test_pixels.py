"""Columns of a table as images."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imbench.contract.errors import DataError
from imbench.contract.records import Pixels
from imbench.data.canonical import Table
from imbench.data.pixels import channel_names, first_of_each, from_columns


def digits(values: np.ndarray) -> Table:
    names = tuple(f"f{j}" for j in range(values.shape[1]))
    return Table(values.astype(float), names, ((),) * len(names), np.zeros(len(values), dtype=np.int64), ("a",))


@given(seed=st.integers(0, 99), height=st.integers(1, 5), width=st.integers(1, 5), enlarge=st.integers(1, 4))
def test_an_enlarged_image_is_pillows_nearest_neighbour_and_can_be_undone(seed, height, width, enlarge):
    from PIL import Image

    values = np.random.default_rng(seed).integers(0, 256, (3, height * width))
    x = from_columns(digits(values), Pixels(height, width, enlarge=enlarge)).x
    assert x.shape == (3, *Pixels(height, width, enlarge=enlarge).shape)
    for ours, row in zip(x, values.astype(np.uint8), strict=True):
        picture = Image.fromarray(row.reshape(height, width))
        theirs = picture.resize((width * enlarge, height * enlarge), Image.Resampling.NEAREST)
        np.testing.assert_array_equal(ours[0], np.asarray(theirs))
    np.testing.assert_array_equal(x[:, 0, ::enlarge, ::enlarge].reshape(3, -1), values)


def test_each_of_17_shades_keeps_a_gray_of_its_own_and_the_brightest_is_white():
    x = from_columns(digits(np.arange(17)[:, None]), Pixels(1, 1, brightest=16)).x.ravel()
    assert x.dtype == np.uint8
    assert len(set(x.tolist())) == 17
    np.testing.assert_array_equal(x, np.round(np.arange(17) * 255 / 16))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([[0.0, 1, 2]], r"3 columns cannot form 4 pixels \(2 x 2\)"),
        ([[0.0, 1, 2, 17]], r"row 0, column 'f3': 17.0 is not a pixel in 0 … 16"),
        ([[0.0, 1, 2, 3], [0, -1, 2, 3]], "row 1, column 'f1': -1.0 is not a pixel"),
        ([[0.0, np.nan, 2, 3]], "column 'f1': nan is not a pixel"),
    ],
)
def test_columns_that_are_no_pixels_are_named(values, message):
    with pytest.raises(DataError, match=message):
        from_columns(digits(np.array(values)), Pixels(2, 2, brightest=16))


def test_pixels_of_no_size_are_refused():
    with pytest.raises(DataError, match="pixels: enlarge must be positive, got 0"):
        Pixels(8, 8, enlarge=0)


def test_images_are_gray_or_red_green_and_blue():
    assert channel_names(1) == ("gray",)
    with pytest.raises(DataError, match=r"1 channel .* or 3 .*, got 2"):
        channel_names(2)


def test_the_first_of_each_class_keep_the_order_of_the_whole():
    assert first_of_each(np.array([2, 0, 2, 2, 0, 1, 0]), 2).tolist() == [0, 1, 2, 4, 5]
