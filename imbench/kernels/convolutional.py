"""The compiled kernel of the paper's net for images: convolution with max-pooling and ReLU in one, and its gradients.

Channels lie last. Forward, a lane is an output channel: the four values that a pool chooses from are sums in registers
side by side, so that what is stored is the chosen value and which of the four it was. Backward, three of four values,
and those that ReLU cut off, have no gradient at all: what a chosen value passes back to its window, and what its window
adds to the gradient of the weights, are a few vectors in place of a product with a matrix that is mostly zeros.

    forward    pooled[place, out] = relu(max over 4 of (sum_k window[k] * W[k, out] + b[out]))
    gradient   dW[out, k] += delta[place, out] * window[k]        for the chosen window alone
    backward   dx of the chosen window [k] += delta[place, out] * W[out, k]

See docs/decisions/0004.
"""

# Numba's functions have no types that mypy could follow.
# mypy: disable-error-code="no-untyped-call, call-arg, call-overload, import-untyped"

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core.registry import cpu_target
from numba.extending import intrinsic

from imbench.kernels.compiled import compiled
from imbench.kernels.simd import INDEX, LANES, Lanes, address, counted, variables

# Height and width of a convolution's window, and of a pool's.
WINDOW, POOL = 3, 2
# 32 registers of 16 floats hold 24 sums; 16 of 8 floats, 8. Asked of Numba, which may be told to compile for another
# processor than this one, and keeps on disk the code for each apart.
_WIDE = "+avx512f" in cpu_target.target_context.codegen().magic_tuple()[2].split(",")
# Output channels of a tile are so many vectors, and its pooled places so many at most.
VECTORS, PLACES = (2, 3) if _WIDE else (1, 1)
PANEL = VECTORS * LANES
# Channels whose gradients of the first weights are summed at the same time.
TOGETHER = 8 if _WIDE else 2

# A convolution and its pool: channels, height and width of the input, channels and pooled height and width of the
# output, and the side of a window.
CONVOLUTION = np.dtype(
    [(name, np.int64) for name in ("inputs", "height", "width", "outputs", "down", "across", "side")], align=True
)
_PLAN = numba.from_dtype(CONVOLUTION)[::1]
_F, _CODES = types.float32, types.uint8


@intrinsic
def _tile(typingctx, x, x_at, side, row, pixel, w, w_at, b, b_at, places, h, h_at, codes, channels):  # type: ignore[no-untyped-def]
    """Convolve, pool and cut off ``places`` neighbours along a pooled row, for `PANEL` channels.

    ``x[x_at]`` is the first pixel of the first window, a row of pixels being ``row`` floats and a pixel ``pixel``;
    ``w`` holds ``(3 * 3 * inputs, PANEL)`` from ``w_at``. Of each place `PANEL` values go to ``h`` and, which of the
    four was the largest (the first of equals), to ``codes``, both from ``h_at``, places ``channels`` apart.

    A window's ``side`` is a number of the caller's: the compiler would unroll a loop of three known steps, and then
    move the sums between registers and memory.
    """
    n = types.intp
    sig = types.void(x, n, n, n, n, w, n, b, n, n, h, n, codes, n)

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:
        x_, x_at_, side_, row_, pixel_, w_, w_at_, b_, b_at_, places_, h_, h_at_, codes_, channels_ = args
        of = signature.args
        source, weights = address(context, builder, of[0], x_, x_at_), address(context, builder, of[5], w_, w_at_)
        bias = address(context, builder, of[7], b_, b_at_)
        values, chosen = address(context, builder, of[10], h_, h_at_), address(context, builder, of[12], codes_, h_at_)
        window = builder.mul(INDEX(WINDOW), pixel_)
        zero = Lanes.splat(builder, 0.0)
        end = builder.append_basic_block("tile.end")
        choice = builder.switch(places_, end)
        for size in range(1, PLACES + 1):
            block = builder.append_basic_block(f"tile.{size}")
            choice.add_case(INDEX(size), block)
            builder.position_at_end(block)
            begin = [Lanes.load(builder, bias, v * LANES) for v in range(VECTORS)]
            # (down, across) the pixels where windows begin
            windows = [(i, j) for i in range(POOL) for j in range(POOL * size)]
            sums = {at: variables(begin) for at in windows}
            with counted(builder, side_) as down:
                line = builder.gep(source, [builder.mul(down, row_)])
                offsets = [builder.add(builder.mul(INDEX(i), row_), builder.mul(INDEX(j), pixel_)) for i, j in windows]
                starts = {at: builder.gep(line, [offset]) for at, offset in zip(windows, offsets, strict=True)}
                panel = builder.gep(weights, [builder.mul(builder.mul(down, window), INDEX(PANEL))])
                with counted(builder, window) as k:
                    here = builder.gep(panel, [builder.mul(k, INDEX(PANEL))])
                    vectors = [Lanes.load(builder, here, v * LANES) for v in range(VECTORS)]
                    for at in windows:
                        factor = Lanes.splat(builder, builder.load(builder.gep(starts[at], [k])))
                        for vector, held in zip(vectors, sums[at], strict=True):
                            factor.times_plus(vector, Lanes.of(builder, held)).assign(held)
            for place in range(size):
                to = builder.mul(INDEX(place), channels_)
                corners = [(i, POOL * place + j) for i in range(POOL) for j in range(POOL)]
                for v in range(VECTORS):
                    first, *others = (Lanes.of(builder, sums[corner][v]) for corner in corners)
                    best, code = first.largest(*others)
                    zero.where(best < zero, best).store(builder.gep(values, [to]), v * LANES)  # keeps NaN
                    code.store(builder.gep(chosen, [to]), v * LANES)
            builder.branch(end)
        builder.position_at_end(end)
        return context.get_dummy_value()

    return sig, codegen


@intrinsic
def _pass_back(typingctx, x, x_at, dx, dx_at, w, w_at, g, g_at, deltas, windows, count):  # type: ignore[no-untyped-def]
    """One row of the windows that one channel chose: ``dx += delta * w``, ``g += delta * x``, `WINDOW` * `PANEL` wide.

    ``windows`` holds where in the image each begins, ``deltas`` the gradient of each; there are ``count``.
    """
    n = types.intp
    sig = types.void(x, n, dx, n, w, n, g, n, deltas, windows, n)

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:
        x_, x_at_, dx_, dx_at_, w_, w_at_, g_, g_at_, deltas_, windows_, count_ = args
        of = signature.args
        offsets = range(0, WINDOW * PANEL, LANES)
        source, back = address(context, builder, of[0], x_, x_at_), address(context, builder, of[2], dx_, dx_at_)
        weights, gradient = address(context, builder, of[4], w_, w_at_), address(context, builder, of[6], g_, g_at_)
        first = INDEX(0)
        delta_at, window_at = (
            address(context, builder, of[8], deltas_, first),
            address(context, builder, of[9], windows_, first),
        )
        row = [Lanes.load(builder, weights, offset) for offset in offsets]
        sums = variables([Lanes.load(builder, gradient, offset) for offset in offsets])
        with counted(builder, count_) as i:
            delta = Lanes.splat(builder, builder.load(builder.gep(delta_at, [i])))
            window = builder.load(builder.gep(window_at, [i]))
            here, there = builder.gep(source, [window]), builder.gep(back, [window])
            for offset, weight, held in zip(offsets, row, sums, strict=True):
                delta.times_plus(Lanes.load(builder, here, offset), Lanes.of(builder, held)).assign(held)
                delta.times_plus(weight, Lanes.load(builder, there, offset)).store(there, offset)
        for offset, held in zip(offsets, sums, strict=True):
            Lanes.of(builder, held).store(gradient, offset)
        return context.get_dummy_value()

    return sig, codegen


@intrinsic
def _add_windows(typingctx, x, x_at, row, g, g_at, g_row, deltas, windows, first, places, channels):  # type: ignore[no-untyped-def]
    """Of `TOGETHER` channels ``g += delta * x`` over all places, in each of a window's rows `LANES` wide.

    ``deltas`` and ``windows`` (where in the image the chosen one begins) hold ``places`` times ``channels``, of which
    ``first`` is the first channel; a row of ``g`` is ``g_row`` floats, a channel three.
    """
    n = types.intp
    sig = types.void(x, n, n, g, n, n, deltas, windows, n, n, n)

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:
        x_, x_at_, row_, g_, g_at_, g_row_, deltas_, windows_, first_, places_, channels_ = args
        of = signature.args
        source, gradient = address(context, builder, of[0], x_, x_at_), address(context, builder, of[3], g_, g_at_)
        delta_at, window_at = (
            address(context, builder, of[6], deltas_, first_),
            address(context, builder, of[7], windows_, first_),
        )
        homes = [builder.gep(gradient, [builder.mul(INDEX(i), g_row_)]) for i in range(TOGETHER * WINDOW)]
        sums = variables([Lanes.load(builder, home) for home in homes])
        rows = [builder.mul(INDEX(down), row_) for down in range(WINDOW)]
        with counted(builder, places_) as place:
            at = builder.mul(place, channels_)
            for c in range(TOGETHER):
                one = builder.add(at, INDEX(c))
                delta = Lanes.splat(builder, builder.load(builder.gep(delta_at, [one])))
                window = builder.sext(builder.load(builder.gep(window_at, [one])), INDEX)
                here = builder.gep(source, [window])
                for down, held in zip(rows, sums[WINDOW * c : WINDOW * (c + 1)], strict=True):
                    value = Lanes.load(builder, builder.gep(here, [down]))
                    delta.times_plus(value, Lanes.of(builder, held)).assign(held)
        for home, held in zip(homes, sums, strict=True):
            Lanes.of(builder, held).store(home)
        return context.get_dummy_value()

    return sig, codegen


@numba.njit(inline="never")
def _convolve(x, x_at, w, b, h, codes, h_at, plan):  # type: ignore[no-untyped-def]
    """One image's convolution, pool and ReLU."""
    inputs, outputs, down, across = plan.inputs, plan.outputs, plan.down, plan.across
    row = plan.width * inputs
    panel = WINDOW * WINDOW * inputs * PANEL
    for p in range(outputs // PANEL):
        for i in range(down):
            j = 0
            while j < across:
                places = min(PLACES, across - j)
                at = x_at + POOL * (i * row + j * inputs)
                to = h_at + (i * across + j) * outputs + p * PANEL
                _tile(x, at, plan.side, row, inputs, w, p * panel, b, p * PANEL, places, h, to, codes, outputs)
                j += places


@compiled(
    types.void(
        *(_F[:, :, ::1], _F[:, ::1], _F[::1], _F[::1], _F[::1], _F[::1], _F[:, ::1]),
        *(_CODES[:, ::1], _F[:, :, ::1], _CODES[:, :, ::1], _PLAN),
    ),
    fused=True,
)
def forward(images, x, w1, b1, w2, b2, hidden, hidden_codes, pooled, codes, plan):  # type: ignore[no-untyped-def]
    """Both convolutions of a batch, with their pools and ReLUs.

    Parameters
    ----------
    images : ``(batch, channels, pixels)``
    x : ``(batch, pixels * channels + LANES or more)`` is given the images with their channels last
    w1, w2 : weights as `panels` lays them out; ``b1``, ``b2``: ``(outputs,)``
    hidden, hidden_codes : ``(batch, places * outputs)`` are given what the first convolution makes, and which of the
        four windows of a place that is
    pooled, codes : ``(batch, outputs, places)`` are given the same of the second
    plan : ``(2,)`` of `CONVOLUTION`
    """
    channels, pixels = images.shape[1:]
    outputs, places = pooled.shape[1:]
    first, second = plan[0], plan[1]
    last = np.empty(outputs * places, np.float32)
    last_codes = np.empty(outputs * places, np.uint8)
    flat, flat_hidden, flat_codes = x.reshape(-1), hidden.reshape(-1), hidden_codes.reshape(-1)
    for i in range(len(images)):
        for c in range(channels):
            for p in range(pixels):
                x[i, p * channels + c] = images[i, c, p]
        _convolve(flat, i * x.shape[1], w1, b1, flat_hidden, flat_codes, i * hidden.shape[1], first)
        _convolve(flat_hidden, i * hidden.shape[1], w2, b2, last, last_codes, 0, second)
        for p in range(places):
            for c in range(outputs):
                pooled[i, c, p] = last[p * outputs + c]
                codes[i, c, p] = last_codes[p * outputs + c]


@compiled(
    types.void(
        *(_F[:, :, ::1], _F[:, :, ::1], _CODES[:, :, ::1], _F[:, ::1], _CODES[:, ::1], _F[:, ::1]),
        *(_F[:, :, ::1], _F[:, :, ::1], _F[::1], _F[:, :, ::1], _F[::1], _F[::1], _PLAN),
    ),
    fused=True,
)
def backward(delta, pooled, codes, hidden, hidden_codes, x, w2, dw1, db1, dw2, db2, back, plan):  # type: ignore[no-untyped-def]
    """The gradients of both convolutions of a batch.

    Parameters
    ----------
    delta : ``(batch, outputs, places)``, the gradient on ``pooled``
    pooled, codes, hidden, hidden_codes, x : as `forward` left them
    w2 : ``(outputs, 3, 3 * inputs)``, the second convolution's weights, channels last
    dw1, db1, dw2, db2 : are given the gradients; ``dw`` ``(outputs, 3, 3 * inputs or more)``, of which what is more
        means nothing
    back : room for an image of ``hidden``
    """
    dw1[:], db1[:], dw2[:], db2[:] = 0.0, 0.0, 0.0, 0.0
    outputs, places = delta.shape[1:]
    first, second = plan[0], plan[1]
    channels = first.outputs
    pixel1, row1 = first.inputs, first.inputs * first.width
    pixel2, row2 = second.inputs, second.inputs * second.width
    shifts = np.array([0, pixel2, row2, row2 + pixel2])
    begins = np.empty(places, np.int64)
    for p in range(places):
        begins[p] = POOL * (p // second.across * row2 + p % second.across * pixel2)
    values, windows = np.empty(places, np.float32), np.empty(places, np.int64)
    begun = np.empty(hidden.shape[1], np.int32)  # where each chosen window of the first convolution begins
    flat, flat_hidden, flat_w2 = x.reshape(-1), hidden.reshape(-1), w2.reshape(-1)
    flat_dw1, flat_dw2 = dw1.reshape(-1), dw2.reshape(-1)
    for i in range(len(delta)):
        back[:] = 0.0
        for c in range(outputs):
            count, total = 0, np.float32(0.0)
            for p in range(places):
                values[count] = delta[i, c, p]
                windows[count] = begins[p] + shifts[codes[i, c, p]]
                alive = pooled[i, c, p] > 0
                total += delta[i, c, p] if alive else np.float32(0.0)
                count += alive
            db2[c] += total
            for down in range(WINDOW):
                for k in range(0, WINDOW * pixel2, WINDOW * PANEL):
                    at = (c * WINDOW + down) * WINDOW * pixel2 + k
                    here = down * row2 + k
                    _pass_back(
                        *(flat_hidden, i * hidden.shape[1] + here, back, here),
                        *(flat_w2, at, flat_dw2, at, values, windows, count),
                    )
        for p in range(first.down * first.across):
            begin = POOL * (p // first.across * row1 + p % first.across * pixel1)
            for c in range(channels):
                at = p * channels + c
                code = np.int32(hidden_codes[i, at])
                begun[at] = np.int32(begin) + (code >> 1) * np.int32(row1) + (code & 1) * np.int32(pixel1)
                back[at] = back[at] if hidden[i, at] > 0 else np.float32(0.0)
                db1[c] += back[at]
        for c in range(0, channels, TOGETHER):
            for k in range(0, dw1.shape[2], LANES):
                _add_windows(
                    *(flat, i * x.shape[1] + k, row1, flat_dw1, c * WINDOW * dw1.shape[2] + k, dw1.shape[2]),
                    *(back, begun, c, first.down * first.across, channels),
                )
