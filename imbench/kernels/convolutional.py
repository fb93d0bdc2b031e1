"""The compiled kernel of the paper's image net: convolution, max-pooling and ReLU fused, and their gradients.

Images have their channels last. Forward, each lane is an output channel. The four convolution sums of a pool are in
registers at the same time, so only their maximum and its position are stored. Backward, three of four sums, and those
below zero, have no gradient. The gradient of a maximum on its window, and that of the weights, are therefore a few
vector operations instead of a product with a matrix that is mostly zeros.

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
from numba.extending import intrinsic

from imbench.kernels.compiled import compiled
from imbench.kernels.simd import INDEX, LANES, WIDE, Lanes, address, counted, variables

# Side of a convolution's window, and of a pool.
WINDOW, POOL = 3, 2
# Vectors of output channels in a tile, and its largest number of pooled places. 32 registers of 16 floats have room for
# 24 sums; 16 registers of 8 floats, for 8.
VECTORS, PLACES = (2, 3) if WIDE else (1, 1)
PANEL = VECTORS * LANES
# Channels for which the gradients of the first weights are summed at the same time.
TOGETHER = 8 if WIDE else 2

# A convolution and its pool: channels, height and width of the input, channels and pooled height and width of the
# output, and the side of a window.
CONVOLUTION = np.dtype(
    [(name, np.int64) for name in ("inputs", "height", "width", "outputs", "down", "across", "side")], align=True
)
_PLAN = numba.from_dtype(CONVOLUTION)[::1]
_F, _CODES = types.float32, types.uint8


@intrinsic
def _tile(typingctx, x, x_at, side, row, pixel, w, w_at, b, b_at, places, h, h_at, codes, channels):  # type: ignore[no-untyped-def]
    """Convolution, pool and ReLU of ``places`` neighbours along a pooled row, for `PANEL` channels.

    ``x[x_at]`` is the first pixel of the first window; a row of pixels is ``row`` floats, a pixel ``pixel`` floats.
    The weights, ``(3 * 3 * inputs, PANEL)``, begin at ``w[w_at]``. For each place the `PANEL` largest values are
    written to ``h``, and which of the four sums each was (the first of equals) to ``codes``. Both begin at ``h_at``;
    places are ``channels`` apart.

    The ``side`` of a window is an argument because the compiler would unroll a loop of three known steps, and then
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
    """Gradients from one row of ``count`` windows: ``dx += delta * w``, ``g += delta * x``, `WINDOW` * `PANEL` wide.

    The windows are those that one channel took its maxima from: ``windows`` has the position of each in the image,
    ``deltas`` the gradient on each maximum.
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
    """Gradients of the weights of `TOGETHER` channels, ``g += delta * x`` over all places, `LANES` wide.

    ``deltas`` and ``windows`` are ``(places, channels)``: the gradient on each maximum, and where in the image its
    window begins. ``first`` is the first of the channels. A channel has three rows in ``g``, each ``g_row`` floats.
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
    x : ``(batch, pixels * channels + LANES or more)``, written: the images with their channels last
    w1, w2 : weights in panels, ``(panels * 3 * 3 * inputs * PANEL,)``
    b1, b2 : ``(outputs,)``
    hidden, hidden_codes : ``(batch, places * outputs)``, written: the output of the first convolution, and which of
        its four windows each maximum was taken from
    pooled, codes : ``(batch, outputs, places)``, written: the same for the second convolution
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
    dw1, db1, dw2, db2 : written: the gradients, ``dw`` ``(outputs, 3, 3 * inputs or more)``; columns beyond
        ``3 * inputs`` have no meaning
    back : working space, one image of ``hidden``
    plan : ``(2,)`` of `CONVOLUTION`
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
