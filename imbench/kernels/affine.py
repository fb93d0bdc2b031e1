"""Rotation and translation of images, compiled for the CPU: `LANES` pixels at a time.

`imbench.strategies.affine` defines the transformation and computes the same bits with PyTorch on any device.
"""

# Numba's functions have no types that mypy could follow.
# mypy: disable-error-code="no-untyped-call, untyped-decorator, import-untyped"

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from imbench.kernels.compiled import compiled
from imbench.kernels.simd import FLOATS, INDEX, INTS, LANES, Lanes, address, counted, gathered


def _reflected(at: Lanes, size: Lanes) -> Lanes:
    """Whole coordinates, as floats, where the image is mirrored at its borders; exact up to 2^21 pixels."""
    zero, half, one = (Lanes.splat(at.builder, value) for value in (0.0, 0.5, 1.0))
    period = size + size
    # A half keeps the quotient further from the next whole number than it is rounded by, so it need not be a division.
    forward = at - period * _floor((at + half) * (one / period))
    backward = period - one - forward
    nearer = forward.where(forward < backward, backward)
    # -1 is mirrored to 0. NaN becomes 0 too, so that nothing outside the image is read whatever the coordinates are.
    return nearer.where(zero < nearer, zero)


def _nearest(at: Lanes, size: Lanes) -> Lanes:
    """Whole coordinates, as floats, of the nearest pixel of the image; 0 for NaN."""
    zero, last = Lanes.splat(at.builder, 0.0), size - Lanes.splat(at.builder, 1.0)
    positive = at.where(zero < at, zero)
    return positive.where(positive < last, last)


def _interpolation(fill: Callable[[Lanes, Lanes], Lanes]) -> Any:
    """A function that transforms pixels of an image and fills those outside it in this way."""

    @intrinsic
    def interpolate(typingctx, images, at, channels, pixels, size, grid, first, count, moves, move, result, to, step):  # type: ignore[no-untyped-def]
        """``count`` vectors of pixels of an image, from the pixel ``first``, in all channels.

        ``images[at]`` is the first pixel of the first channel; a channel has ``pixels`` pixels. ``result[to]`` is where
        the pixel ``first`` is written; that of the next channel is ``step`` floats further. ``size`` is height and
        width; ``grid`` is ``(2 * padded pixels,)``, the coordinates of each pixel from the middle of the image, down
        and right. ``moves[move]`` is the first of the image's four numbers.
        """
        n = types.intp
        sig = types.void(images, n, n, n, size, grid, n, n, moves, n, result, n, n)

        def codegen(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:
            images_, at_, channels_, pixels_, size_, grid_, first_, count_, moves_, move_, result_, to_, step_ = args
            of = signature.args
            half, one = Lanes.splat(builder, 0.5), Lanes.splat(builder, 1.0)

            def splats(begin: Any, number: int) -> list[Lanes]:
                return [Lanes.splat(builder, builder.load(builder.gep(begin, [INDEX(i)]))) for i in range(number)]

            height, width = splats(address(context, builder, of[4], size_, INDEX(0)), 2)
            cosine, sine, down, right = splats(address(context, builder, of[8], moves_, move_), 4)
            middle_y, middle_x = half * (height - one), half * (width - one)
            source = address(context, builder, of[0], images_, at_)
            into = address(context, builder, of[10], result_, to_)
            lines_at = address(context, builder, of[5], grid_, first_)
            padded = builder.mul(INDEX(LANES), _vectors(builder, pixels_))
            columns_at = builder.gep(lines_at, [padded])
            with counted(builder, count_) as i:
                pixel = builder.mul(i, INDEX(LANES))
                below = Lanes.load(builder, builder.gep(lines_at, [pixel])) - down
                beside = Lanes.load(builder, builder.gep(columns_at, [pixel])) - right
                y = (cosine * below - sine * beside) + middle_y
                x = (sine * below + cosine * beside) + middle_x
                top, left = _floor(y), _floor(x)
                way_y, way_x = y - top, x - left
                lines = [_whole(fill(line, height)) * _whole(width) for line in (top, top + one)]
                columns = [_whole(fill(column, width)) for column in (left, left + one)]
                offsets = [line + column for line in lines for column in columns]
                with counted(builder, channels_) as channel:
                    begin = builder.gep(source, [builder.mul(channel, pixels_)])
                    a, b, c, d = (gathered(begin, offset) for offset in offsets)
                    upper, lower = a + way_x * (b - a), c + way_x * (d - c)
                    place = builder.gep(into, [builder.add(builder.mul(channel, step_), pixel)])
                    (upper + way_y * (lower - upper)).store(place)
            return context.get_dummy_value()

        return sig, codegen

    return interpolate


def _vectors(builder: ir.IRBuilder, pixels: Any) -> Any:
    return builder.udiv(builder.add(pixels, INDEX(LANES - 1)), INDEX(LANES))


def _floor(x: Lanes) -> Lanes:
    kind = ir.FunctionType(FLOATS, [FLOATS])
    function = cgutils.get_or_insert_function(x.builder.module, kind, f"llvm.floor.v{LANES}f32")
    return Lanes(x.builder, x.builder.call(function, [x.value]))


def _whole(x: Lanes) -> Lanes:
    return Lanes(x.builder, x.builder.fptosi(x.value, INTS))


_mirror, _extend = _interpolation(_reflected), _interpolation(_nearest)


@numba.njit(inline="never")
def _move(images, at, channels, pixels, size, grid, first, count, moves, move, reflect, result, to, step):  # type: ignore[no-untyped-def]
    """See `_interpolation`."""
    if reflect:
        _mirror(images, at, channels, pixels, size, grid, first, count, moves, move, result, to, step)
    else:
        _extend(images, at, channels, pixels, size, grid, first, count, moves, move, result, to, step)


@compiled("boolean(float32[:,:,:,::1], int64[::1], float32[:,::1], boolean, float32[:,:,:,::1])")
def moved(images: Any, numbers: Any, moves: Any, reflect: Any, result: Any) -> bool:
    """Rotate and shift images, with bilinear interpolation.

    Parameters
    ----------
    images : ``(images, channels, height, width)``
    numbers : ``(rows,)`` the image of each row of the result
    moves : ``(rows, 4)``: cosine and sine of the angle, shift down and shift right in pixels
    reflect : pad by mirroring the image; otherwise by repeating its outermost pixels
    result : ``(rows, channels, height, width)``, written

    Returns whether every number is that of an image; if not, the result is incomplete.
    """
    total, channels, height, width = images.shape
    pixels = height * width
    vectors, whole = -(-pixels // LANES), pixels // LANES
    size = np.array([height, width], np.float32)
    grid = np.zeros((2, vectors * LANES), np.float32)
    middle_y, middle_x = np.float32(0.5) * np.float32(height - 1), np.float32(0.5) * np.float32(width - 1)
    for pixel in range(pixels):
        grid[0, pixel] = np.float32(pixel // width) - middle_y
        grid[1, pixel] = np.float32(pixel % width) - middle_x
    rest = np.empty(channels * LANES, np.float32)  # the last pixels of an image, which fill no vector
    end, left = whole * LANES, pixels - whole * LANES
    flat, flat_grid, flat_moves, flat_result = (
        images.reshape(-1),
        grid.reshape(-1),
        moves.reshape(-1),
        result.reshape(-1),
    )
    for row in range(len(numbers)):
        if not 0 <= numbers[row] < total:
            return False
        at, to = numbers[row] * channels * pixels, row * channels * pixels
        common = flat, at, channels, pixels, size, flat_grid
        _move(*common, 0, whole, flat_moves, row * 4, reflect, flat_result, to, pixels)
        if left:
            _move(*common, end, 1, flat_moves, row * 4, reflect, rest, 0, LANES)
            for channel in range(channels):
                for pixel in range(left):
                    flat_result[to + channel * pixels + end + pixel] = rest[channel * LANES + pixel]
    return True
