"""Images turned about their middle and shifted: one transform a row, bilinear, the border filled from the image.

A few operations of PyTorch, on any device and in any precision. In float32 on a CPU, where their many passes over
memory cost nine times the arithmetic, compiled code takes their place (`imbench.kernels.affine`): one pass,
and the same bits. PyTorch's `grid_sample` takes as long as that, but rounds through coordinates from -1 to 1, so that
an image neither turned nor shifted does not come back as it was.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import ModuleType

import torch
from torch import Tensor

# Pixels made at a time: their coordinates and neighbours take about 40 MB. Changes no result.
PIECE = 2**18


def _reflect(index: Tensor, size: int) -> Tensor:
    index = index.remainder(2 * size)
    return index.minimum(2 * size - 1 - index)


def _nearest(index: Tensor, size: int) -> Tensor:
    return index.clamp(0, size - 1)


# What lies outside an image, by name: ``d c b a | a b c d | d c b a`` and ``a a a a | a b c d | d d d d``.
FILLS: dict[str, Callable[[Tensor, int], Tensor]] = {"reflect": _reflect, "nearest": _nearest}


def moved(images: Tensor, angle: Tensor, down: Tensor, right: Tensor, fill: str = "reflect") -> Tensor:
    """Turn every image clockwise about its middle, then shift it.

    The pixel at ``(i, j)`` of a result is the image at

        y = cos(angle) (i - m_y - down) - sin(angle) (j - m_x - right) + m_y,    m_y = (height - 1) / 2
        x = sin(angle) (i - m_y - down) + cos(angle) (j - m_x - right) + m_x,    m_x = (width - 1) / 2

    interpolated between its four neighbours. A turn by nothing and a shift by whole pixels move values unchanged.

    Parameters
    ----------
    images : ``(*rows, channels, height, width)``, floating point
    angle : ``(*rows)`` radians
    down, right : ``(*rows)`` pixels
    fill : what lies outside an image, one of `FILLS`, which are SciPy's modes of these names

    Returns
    -------
    The same shape and type. Values stay within the range of those of the image, up to rounding.
    """
    shape = images.shape
    flat = images.reshape(-1, *shape[-3:])
    # Contiguous, since sines of strided numbers are computed by other code, and may differ in their last bit.
    angle, down, right = (values.reshape(-1).contiguous() for values in (angle, down, right))
    moves = torch.stack([angle.cos(), angle.sin(), down, right], dim=-1).float()  # (rows, 4)
    compiled = _compiled_for(flat, moves)
    result = torch.empty_like(flat, memory_format=torch.contiguous_format)
    if compiled is not None:
        compiled.moved(flat.contiguous().numpy(), moves.numpy(), fill == "reflect", result.numpy())
        return result.reshape(shape)
    step = max(1, PIECE // max(1, shape[-1] * shape[-2]))
    for piece in (slice(i, i + step) for i in range(0, len(flat), step)):
        result[piece] = _interpolated(flat[piece], moves[piece], FILLS[fill])
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
        """The pixels of one line at `way_x` from one column to the next, ``(rows, channels, height * width)``."""
        a, b = (flat.gather(-1, (line + column).reshape(rows, 1, -1).expand(-1, channels, -1)) for column in columns)
        return a + way_x * (b - a)

    upper, lower = map(between, lines)
    return (upper + way_y * (lower - upper)).reshape(images.shape)


def _compiled_for(images: Tensor, moves: Tensor) -> ModuleType | None:
    """The compiled function's module, if it can take these."""
    suits = all(v.device.type == "cpu" and v.dtype == torch.float32 and not v.requires_grad for v in (images, moves))
    return _compiled() if suits else None


@functools.cache
def _compiled() -> ModuleType | None:
    try:
        from imbench.kernels import affine as affine_compiled
    except ImportError:  # without Numba
        return None
    return affine_compiled
