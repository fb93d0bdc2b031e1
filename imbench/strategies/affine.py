"""Rotate and shift images: one transform for each row, with bilinear interpolation and filled borders.

The computation consists of a few PyTorch operations and works on any device and in any precision. For float32 on a
CPU, where memory traffic costs more than the arithmetic, compiled code replaces them (`imbench.kernels.affine`): it
makes one pass, also over rows that are drawn, and gives the same bits. PyTorch's `grid_sample` rounds when it
normalises coordinates to [-1, 1], so that an image would change even without rotation and shift.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import ModuleType

import torch
from torch import Tensor

from imbench.contract.rows import row_numbers

# Pixels computed at a time; their coordinates and neighbours take about 40 MB. Does not change results.
PIECE = 2**18


def _reflect(index: Tensor, size: int) -> Tensor:
    index = index.remainder(2 * size)
    return index.minimum(2 * size - 1 - index)


def _nearest(index: Tensor, size: int) -> Tensor:
    return index.clamp(0, size - 1)


# How pixels outside an image are filled: ``d c b a | a b c d | d c b a`` and ``a a a a | a b c d | d d d d``.
FILLS: dict[str, Callable[[Tensor, int], Tensor]] = {"reflect": _reflect, "nearest": _nearest}


def moved(
    images: Tensor,
    angle: Tensor,
    down: Tensor,
    right: Tensor,
    fill: str = "reflect",
    rows: Tensor | None = None,
) -> Tensor:
    """Rotate each image clockwise about its center, then shift it.

    The pixel ``(i, j)`` of the result is the value of the image at ``(y, x)``:

        y = cos(angle) (i - m_y - down) - sin(angle) (j - m_x - right) + m_y,    m_y = (height - 1) / 2
        x = sin(angle) (i - m_y - down) + cos(angle) (j - m_x - right) + m_x,    m_x = (width - 1) / 2

    interpolated between its four neighbours. Without rotation, a shift by whole pixels does not change values.

    Parameters
    ----------
    images : ``(*stack, batch, channels, height, width)`` floating point
    angle : ``(*stack, new batch)`` in radians, clockwise
    down, right : ``(*stack, new batch)`` in pixels
    fill : how pixels outside the image are filled, a key of `FILLS`, as in `scipy.ndimage`
    rows : ``(*stack, new batch)`` the image of each result, int64 in ``[0, batch)``; None for all images in their order

    Returns
    -------
    ``(*stack, new batch, channels, height, width)`` of the same dtype. Values stay within the range of the image's
    values, up to rounding.

    Raises
    ------
    IndexError for row numbers that the batch does not have.
    """
    shape = (*angle.shape, *images.shape[-3:])
    flat = images.reshape(-1, *shape[-3:])
    numbers = (
        torch.arange(len(flat), device=flat.device) if rows is None else row_numbers(images.shape[rows.ndim - 1], rows)
    )
    # Contiguous, since the sines of strided tensors are computed by other code and may differ in the last bit.
    angle, down, right = (values.reshape(-1).contiguous() for values in (angle, down, right))
    moves = torch.stack([angle.cos(), angle.sin(), down, right], dim=-1).float()  # (rows, 4)
    compiled = _compiled_for(flat, moves)
    result = flat.new_empty(len(numbers), *shape[-3:])
    if compiled is not None:
        compiled.moved(flat.contiguous().numpy(), numbers.numpy(), moves.numpy(), fill == "reflect", result.numpy())
        return result.reshape(shape)
    step = max(1, PIECE // max(1, shape[-1] * shape[-2]))
    for piece in (slice(i, i + step) for i in range(0, len(numbers), step)):
        images = flat[piece] if rows is None else flat.index_select(0, numbers[piece])
        result[piece] = _interpolated(images, moves[piece], FILLS[fill])
    return result.reshape(shape)


def _interpolated(images: Tensor, moves: Tensor, fill: Callable[[Tensor, int], Tensor]) -> Tensor:
    rows, channels, height, width = images.shape
    cosine, sine, down, right = (values.reshape(-1, 1, 1) for values in moves.unbind(dim=-1))
    middle_y, middle_x = (height - 1) / 2, (width - 1) / 2
    below = (torch.arange(height, device=images.device).reshape(-1, 1) - middle_y) - down  # (rows, height, 1)
    beside = (torch.arange(width, device=images.device) - middle_x) - right  # (rows, 1, width)
    y = (cosine * below - sine * beside) + middle_y  # (rows, height, width)
    x = (sine * below + cosine * beside) + middle_x
    top, left = y.floor(), x.floor()
    way_y, way_x = ((a - b).reshape(rows, 1, -1).to(images.dtype) for a, b in ((y, top), (x, left)))
    lines = [fill(top.long() + i, height) * width for i in (0, 1)]
    columns = [fill(left.long() + j, width) for j in (0, 1)]
    flat = images.reshape(rows, channels, -1)

    def between(line: Tensor) -> Tensor:
        """Interpolate one line between two columns at `way_x`, ``(rows, channels, height * width)``."""
        a, b = (flat.gather(-1, (line + column).reshape(rows, 1, -1).expand(-1, channels, -1)) for column in columns)
        return a + way_x * (b - a)

    upper, lower = map(between, lines)
    return (upper + way_y * (lower - upper)).reshape(images.shape)


def _compiled_for(images: Tensor, moves: Tensor) -> ModuleType | None:
    """The module of the compiled function if it supports these tensors, else None."""
    suits = all(v.device.type == "cpu" and v.dtype == torch.float32 and not v.requires_grad for v in (images, moves))
    return _compiled() if suits else None


@functools.cache
def _compiled() -> ModuleType | None:
    try:
        from imbench.kernels import affine as affine_compiled
    except ImportError:  # Numba is not installed
        return None
    return affine_compiled
