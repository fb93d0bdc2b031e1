"""Turning and shifting against SciPy, PyTorch's grids and plain arithmetic; compiled against PyTorch, bit for bit."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from imbench.contract.rows import take_rows
from imbench.strategies import affine
from imbench.strategies.affine import moved

SIZES = [(8, 8), (28, 28), (33, 31), (1, 5)]
fills = pytest.mark.parametrize("fill", ["reflect", "nearest"])
settled = settings(deadline=None, derandomize=True, max_examples=40)


def make_images(*shape, seed=0):
    return torch.as_tensor(np.random.default_rng(seed).random(shape), dtype=torch.float32)


def make_moves(rows, height, width, turn=0.5, shift=1.0, seed=1):
    """Angles and shifts far beyond what strategies draw by default."""
    most = np.array([[2 * math.pi * turn], [shift * height], [shift * width]])
    luck = most * np.random.default_rng(seed).uniform(-1, 1, (3, rows))
    return torch.as_tensor(luck, dtype=torch.float32)


def in_torch(*arguments):
    """What PyTorch makes of it, compiled code put aside."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(affine, "_compiled", lambda: None)
        return moved(*arguments)


def of_scipy(image, angle, down, right, fill):
    """One channel by one, in double precision: SciPy wants the matrix and offset from result to image."""
    cosine, sine = math.cos(angle), math.sin(angle)
    matrix = np.array([[cosine, -sine], [sine, cosine]])
    middle = (np.array(image.shape[-2:]) - 1) / 2
    offset = middle - matrix @ np.add(middle, [down, right])
    return np.stack([ndimage.affine_transform(c, matrix, offset, order=1, mode=fill) for c in image.astype(float)])


@fills
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("way", [moved, in_torch])
def test_every_row_is_what_scipy_makes_of_it(way, size, channels, fill):
    images, moves = make_images(20, channels, *size), make_moves(20, *size)
    found = way(images, *moves, fill)
    for i, (angle, down, right) in enumerate(moves.T.tolist()):
        np.testing.assert_allclose(found[i], of_scipy(images[i].numpy(), angle, down, right, fill), atol=1e-4)


@pytest.mark.parametrize(("fill", "padding"), [("reflect", "reflection"), ("nearest", "border")])
@pytest.mark.parametrize("size", SIZES[:3], ids=str)
def test_every_row_is_what_torchs_grids_make_of_it(size, fill, padding):
    images, (angle, down, right) = make_images(20, 3, *size), make_moves(20, *size)
    height, width = size
    cosine, sine = angle.cos(), angle.sin()
    # From -1 to 1 along both axes, x before y, as `affine_grid` counts.
    x = torch.stack([cosine, sine * height / width, -2 * (sine * down + cosine * right) / width], dim=-1)
    y = torch.stack([-sine * width / height, cosine, -2 * (cosine * down - sine * right) / height], dim=-1)
    grid = torch.nn.functional.affine_grid(torch.stack([x, y], dim=1), images.shape, align_corners=False)
    expected = torch.nn.functional.grid_sample(images, grid, padding_mode=padding, align_corners=False)
    torch.testing.assert_close(moved(images, angle, down, right, fill), expected, rtol=0, atol=1e-4)


@settled
@given(
    rows=st.integers(1, 7),
    size=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    channels=st.integers(1, 4),
    fill=st.sampled_from(["reflect", "nearest"]),
    seed=st.integers(0, 2**32 - 1),
)
def test_compiled_and_torch_agree_to_the_bit(rows, size, channels, fill, seed):
    images, moves = make_images(rows, channels, *size, seed=seed), make_moves(rows, *size, 0.5, 3.0, seed)
    found, expected = moved(images, *moves, fill), in_torch(images, *moves, fill)
    assert torch.equal(found.view(torch.int32), expected.view(torch.int32))


@settled
@given(
    stack=st.lists(st.integers(1, 3), max_size=2).map(tuple),
    sizes=st.tuples(st.integers(1, 5), st.integers(1, 7)),
    shape=st.tuples(st.integers(1, 3), st.integers(1, 9), st.integers(1, 9)),
    fill=st.sampled_from(["reflect", "nearest"]),
    seed=st.integers(0, 2**32 - 1),
)
def test_drawn_rows_are_moved_as_after_they_are_taken(stack, sizes, shape, fill, seed):
    size, drawn = sizes
    images, count = make_images(*stack, size, *shape, seed=seed), int(np.prod(stack, dtype=int)) * drawn
    moves = [values.reshape(*stack, drawn) for values in make_moves(count, *shape[1:], seed=seed)]
    rows = torch.as_tensor(np.random.default_rng(seed).integers(size, size=(*stack, drawn)))
    expected = in_torch(take_rows(images, rows), *moves, fill)
    for way in (moved, in_torch):
        found = way(images, *moves, fill, rows)
        assert torch.equal(found.view(torch.int32), expected.view(torch.int32))


@pytest.mark.parametrize("way", [moved, in_torch])
@pytest.mark.parametrize("wrong", [-1, 2])
def test_a_row_that_the_batch_does_not_have_is_refused(way, wrong):
    """In a stack of two batches, where it could be a row of the other one."""
    rows = torch.zeros(2, 3, dtype=torch.int64)
    rows[1, 2] = wrong
    with pytest.raises(IndexError, match="row numbers must be from 0 to 1"):
        way(make_images(2, 2, 1, 4, 4), *(torch.zeros(2, 3) for _ in range(3)), "reflect", rows)


@fills
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e9, -3e38])
def test_no_coordinate_reads_beyond_the_image(value, fill):
    """Whatever it is: the value read is one of the image, or NaN where the way between two of them is."""
    images, zero = make_images(2, 1, 5, 7), torch.zeros(2)
    found = moved(images, zero, torch.tensor([value, 0.0]), zero, fill)
    assert torch.equal(found[1], images[1])
    assert bool((found[0].isnan() | ((found[0] >= 0) & (found[0] <= 1))).all())


@fills
@pytest.mark.parametrize("way", [moved, in_torch])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_no_turn_and_no_shift_is_the_same_image_to_the_bit(way, size, fill):
    images, nothing = make_images(5, 3, *size), torch.zeros(5)
    assert torch.equal(way(images, nothing, nothing, nothing, fill), images)


@pytest.mark.parametrize("way", [moved, in_torch])
def test_a_shift_by_whole_pixels_moves_values_unchanged(way):
    images = make_images(1, 2, 9, 7)
    found = way(images, torch.zeros(1), torch.tensor([2.0]), torch.tensor([-3.0]))
    assert torch.equal(found[..., 2:, :-3], images[..., :-2, 3:])
    # The border mirrors the image: ... c b a | a b c.
    assert torch.equal(found[..., :2, :-3], images[..., [1, 0], 3:])
    assert torch.equal(found[..., 2:, -3:], images[..., :-2, [6, 5, 4]])


def test_the_outermost_pixels_go_on_where_the_fill_is_nearest():
    images = make_images(1, 1, 6, 6)
    found = moved(images, torch.zeros(1), torch.tensor([2.0]), torch.zeros(1), "nearest")
    assert torch.equal(found[..., :3, :], images[..., [0, 0, 0], :])


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_quarter_turns_are_numpys_clockwise(quarters):
    images, nothing = make_images(2, 3, 12, 12), torch.zeros(2)
    found = moved(images, torch.full((2,), quarters * math.pi / 2), nothing, nothing)
    np.testing.assert_allclose(found, np.rot90(images.numpy(), -quarters, axes=(-2, -1)), atol=1e-5)


def test_a_turn_comes_before_the_shift():
    """A bright pixel right of the middle goes below it by a quarter turn, and then one to the left."""
    image = torch.zeros(1, 1, 5, 5)
    image[..., 2, 3] = 1
    found = moved(image, torch.tensor([math.pi / 2]), torch.zeros(1), torch.tensor([-1.0]))
    assert divmod(int(found.argmax()), 5) == (3, 1)


@pytest.mark.parametrize("piece", [1, 200, 10**6])
def test_pieces_change_nothing(monkeypatch, piece):
    images, moves = make_images(9, 3, 8, 8), make_moves(9, 8, 8)
    expected = in_torch(images, *moves)
    monkeypatch.setattr(affine, "PIECE", piece)
    assert torch.equal(in_torch(images, *moves), expected)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_other_number_types_are_kept(dtype):
    images, moves = make_images(4, 1, 8, 8), make_moves(4, 8, 8)
    found = moved(images.to(dtype), *moves)
    assert found.dtype == dtype
    torch.testing.assert_close(found.float(), moved(images, *moves), rtol=0, atol=0.02)


def test_gradients_reach_the_pixels_they_come_from():
    images = make_images(3, 2, 8, 8).requires_grad_()
    moved(images, *make_moves(3, 8, 8)).sum().backward()
    torch.testing.assert_close(images.grad.sum(), torch.tensor(float(images.numel())), rtol=1e-4, atol=0)


def test_memory_layout_does_not_matter():
    images, moves = make_images(4, 3, 8, 6), make_moves(4, 8, 6)
    channels_last = images.contiguous(memory_format=torch.channels_last)
    assert torch.equal(moved(channels_last, *moves), moved(images, *moves))
