"""The compiled kernel of the fused engine: training steps of one dense net, its state resident in cache.

Everything is laid out in panels of `PANEL` lanes, so that each of the three matrix products of a layer is the same
small product in registers, and what follows it (ReLU and dropout, their derivative, Adam) takes place on the registers
before they are stored (`imbench.kernels.dense_tiles`):

    forward    act[unit, row]   = W[feature, unit]ᵀ · act[feature, row]      a lane is a row of the batch
    backward   delta[feature, row] = W[feature, unit] · delta[unit, row]     a lane is a row of the batch
    gradient   dW[feature, unit] = act[feature, row] · delta[row, unit]      a lane is a unit

A layer's bias is the last row of its weights, and meets a row of ones in its input. See docs/decisions/0001.
"""

# Numba's functions have no types that mypy could follow.
# mypy: disable-error-code="no-untyped-call, call-arg, call-overload, import-untyped"

from __future__ import annotations

import math

import numba
import numpy as np
from numba import types

from imbench.kernels.compiled import compiled
from imbench.kernels.dense_records import NETS_TYPE, STEPS_TYPE, Mix, Net
from imbench.kernels.dense_tiles import (
    PANEL,
    TILE_PANELS,
    TILE_ROWS,
    fetch_row,
    gather_line,
    ones_line,
    panel_loss,
    row_losses,
    tile_adam,
    tile_backward,
    tile_forward,
    transpose,
    transpose_narrow,
    transpose_scaled,
    transpose_scaled_narrow,
)

# Floats of the largest table that is read from the second cache.
_NEAR = 2**18


@numba.njit(inline="never")
def _load(x, space, at):  # type: ignore[no-untyped-def]
    """``(batch, features)`` -> panels, rows beyond the batch 0."""
    size, width = x.shape
    stride = (width + 1) * PANEL
    flat = x.reshape(-1)
    for q in range((size + PANEL - 1) // PANEL):
        first = q * PANEL
        if first + PANEL <= size and width >= PANEL:
            for c in range(0, width, PANEL):
                c0 = min(c, width - PANEL)  # the last block overlaps the one before
                transpose(flat, first * width + c0, width, space, at + q * stride + c0 * PANEL)
        elif first + PANEL <= size:
            transpose_narrow(flat, first * width, width, space, at + q * stride)
        else:
            for lane in range(PANEL):
                for c in range(width):
                    space[at + q * stride + c * PANEL + lane] = x[first + lane, c] if first + lane < size else 0.0
    return


@numba.njit(inline="never")
def _load_rows(rows, net, step, space, at):  # type: ignore[no-untyped-def]
    """As `_load`, from a table. The caller has checked the rows' numbers."""
    width, size, mixing = rows.table.shape[1], rows.numbers.shape[2], rows.partners.shape[2] > 0
    stride, row0, offset = (width + 1) * PANEL, (net * rows.numbers.shape[1] + step) * size, net * width
    table, numbers, partners, share = (
        rows.table.reshape(-1),
        rows.numbers.reshape(-1),
        rows.partners.reshape(-1),
        rows.share.reshape(-1),
    )
    is_far = rows.table.size > _NEAR
    center, scale, limits = rows.center.reshape(-1), rows.scale.reshape(-1), (rows.clip, rows.missing)
    for q in range((size + PANEL - 1) // PANEL):
        first = q * PANEL
        if first + PANEL <= size and width >= PANEL:
            if is_far:  # rows of the next panel come from memory while those of this one are transposed
                for later in range(row0 + first + PANEL, row0 + min(first + 2 * PANEL, size)):
                    fetch_row(table, numbers[later] * width, width)
                    if mixing:
                        fetch_row(table, partners[later] * width, width)
            for c in range(0, width, PANEL):
                c0 = min(c, width - PANEL)  # the last block overlaps the one before
                transpose_scaled(
                    *(table, width, numbers, partners, share, row0 + first, center, scale, offset, c0, limits),
                    *(space, at + q * stride + c0 * PANEL),
                )
        elif first + PANEL <= size:
            transpose_scaled_narrow(
                *(table, width, numbers, partners, share, row0 + first, center, scale, offset, 0, limits),
                *(space, at + q * stride),
            )
        else:
            for lane in range(PANEL):
                row = row0 + first + lane
                for c in range(width):
                    value = np.float32(0.0)
                    if first + lane < size:
                        value = _scaled(rows, net, numbers[row], c)
                        if mixing:
                            value = _between(value, _scaled(rows, net, partners[row], c), share[row])
                    space[at + q * stride + c * PANEL + lane] = value


@numba.njit
def _scaled(rows, net, row, column):  # type: ignore[no-untyped-def]
    """`imbench.kernels.row_kernels.scaled` of one number."""
    value = (rows.table[row, column] - rows.center[net, column]) * rows.scale[net, column]
    if value != value:
        value = rows.missing
    value = rows.clip if value > rows.clip else value
    return -rows.clip if value < -rows.clip else value


@numba.njit
def _between(first, second, share):  # type: ignore[no-untyped-def]
    """`imbench.kernels.row_kernels.between` of two numbers."""
    if share < np.float32(0.5):
        return first + share * (second - first)
    return second + (share - np.float32(1.0)) * (second - first)


@numba.njit(inline="never")
def _valid(rows):  # type: ignore[no-untyped-def]
    """Whether every number is one of a row of the table."""
    wrong, count = False, rows.table.shape[0]
    for numbers in (rows.numbers.reshape(-1), rows.partners.reshape(-1)):
        for number in numbers:  # without an end before the last, so that many are compared at once
            wrong |= (number < 0) | (number >= count)
    return not wrong


@numba.njit(inline="never")
def _mix(space, src, tile, width, panels, mix):  # type: ignore[no-untyped-def]
    """Mix the rows of ``width`` values; where in ``space`` the mixed panels begin.

    `PANEL` values of all rows at a time are transposed to ``tile``, where a row's are neighbours, and mixed after it;
    the panels follow.
    """
    stride, mixed = (width + 1) * PANEL, tile + panels * PANEL * PANEL
    partners, share = mix.partners, mix.share
    dst = mixed + panels * PANEL * PANEL
    for c in range(0, width, PANEL):
        # The last block overlaps the one before; a narrow layer's reaches into what is written after it.
        c0 = max(0, min(c, width - PANEL))
        for q in range(panels):
            transpose(space, src + q * stride + c0 * PANEL, PANEL, space, tile + q * PANEL * PANEL)
        for row in range(panels * PANEL):
            own, other = tile + row * PANEL, tile + partners[row] * PANEL
            to = mixed + row * PANEL
            for i in range(PANEL):
                space[to + i] = space[other + i] + share * (space[own + i] - space[other + i])
        for q in range(panels):
            transpose(space, mixed + q * PANEL * PANEL, PANEL, space, dst + q * stride + c0 * PANEL)
    for q in range(panels):
        for lane in range(PANEL):
            space[dst + q * stride + width * PANEL + lane] = 1.0  # multiplies the bias
    return dst


@numba.njit(inline="never")
def _unmix(space, transposed, dst, tile, padded, panels, mix):  # type: ignore[no-untyped-def]
    """The transpose of `_mix`: a row's gradient from its own mixture and from those that it is the partner in.

    ``transposed`` is the gradient as `_backward` transposes it; the result is in panels of ``padded`` lines.
    """
    partners, share = mix.partners, mix.share
    rest = np.float32(1.0) - share
    for c in range(padded // PANEL):
        src = transposed + c * panels * PANEL * PANEL
        for i in range(panels * PANEL * PANEL):
            space[tile + i] = share * space[src + i]
        for row in range(panels * PANEL):
            own, other = src + row * PANEL, tile + partners[row] * PANEL
            for i in range(PANEL):
                space[other + i] += rest * space[own + i]
        for q in range(panels):
            transpose(space, tile + q * PANEL * PANEL, PANEL, space, dst + (q * padded + c * PANEL) * PANEL)


@numba.njit(inline="never")
def _forward(size, net, settings, step, mix):  # type: ignore[no-untyped-def]
    """Values of every layer into the space, after those of the first; those of the last are the logits."""
    panels = (size + PANEL - 1) // PANEL
    parameters, space, plan = net.parameters, net.space, net.plan
    layers = plan.shape[0] - 1
    for layer in range(layers):
        width, out = plan[layer].width, plan[layer + 1].width
        padded, weights = plan[layer + 1].padded, plan[layer].weights
        src, dst = plan[layer].values, plan[layer + 1].values
        if layer == mix.layer:
            src = _mix(space, src, plan[0].mixed, width, panels, mix)
        blocks = (out + TILE_ROWS - 1) // TILE_ROWS
        floor = np.float32(0.0) if layer < layers - 1 else np.float32(-np.inf)
        threshold = settings.threshold if layer < layers - 2 else np.uint32(0)
        drawn = (step * plan[layers].drawn + plan[layer + 1].drawn) * size
        first = 0
        for block in range(blocks):
            units = out // blocks + (1 if block < out % blocks else 0)
            for q in range(0, panels, TILE_PANELS):
                together = min(TILE_PANELS, panels - q)
                number = np.uint32(drawn + q * PANEL * out + first)
                mask = (np.float32(settings.scale), threshold, settings.key1, settings.key2, number, np.uint32(out))
                panel, to = src + q * (width + 1) * PANEL, dst + (q * (out + 1) + first) * PANEL
                tile_forward(
                    *(parameters, weights + first, padded, space, panel, (width + 1) * PANEL, to, (out + 1) * PANEL),
                    *(width + 1, units, together, floor, mask),
                )
            first += units


@numba.njit(inline="never")
def _backward(size, net, settings, done, mix):  # type: ignore[no-untyped-def]
    """From the delta of the logits to new parameters, the last layer first. ``done`` steps came before."""
    panels = (size + PANEL - 1) // PANEL
    parameters, means, squares, space, plan = net
    layers = plan.shape[0] - 1
    transposed = plan[0].delta
    adam = (
        np.float32(settings.rate / (1.0 - settings.decay1 ** (done + 1))),
        np.float32(1.0 - settings.decay1),
        np.float32(1.0 - settings.decay2),
        np.float32(1.0 / math.sqrt(1.0 - settings.decay2 ** (done + 1))),
        np.float32(settings.epsilon),
    )
    for layer in range(layers - 1, -1, -1):
        width, out = plan[layer].width, plan[layer + 1].width
        padded, weights = plan[layer + 1].padded, plan[layer].weights
        src, delta = plan[layer].values, plan[layer + 1].delta
        for q in range(panels):
            for c in range(padded // PANEL):
                panel = delta + (q * padded + c * PANEL) * PANEL
                transpose(space, panel, PANEL, space, transposed + (c * panels + q) * PANEL * PANEL)
        if layer > 0:
            passed = delta
            if layer == mix.layer:
                # Mixing rows and multiplying by weights may be taken in either order.
                passed = plan[1].mixed
                _unmix(space, transposed, passed, plan[0].mixed, padded, panels, mix)
            scale = np.float32(settings.scale if layer < layers - 1 else 1.0)
            blocks = (width + TILE_ROWS - 1) // TILE_ROWS
            first = 0
            for block in range(blocks):
                features = width // blocks + (1 if block < width % blocks else 0)
                for q in range(0, panels, TILE_PANELS):
                    together = min(TILE_PANELS, panels - q)
                    at, panel = weights + first * padded, passed + q * padded * PANEL
                    values = src + (q * (width + 1) + first) * PANEL
                    to = plan[layer].delta + (q * plan[layer].padded + first) * PANEL
                    tile_backward(
                        *(parameters, at, padded, space, values, (width + 1) * PANEL, panel, padded * PANEL),
                        *(to, plan[layer].padded * PANEL, out, features, together, scale),
                    )
                first += features
        if layer == mix.layer:
            src = plan[0].mixed + 2 * panels * PANEL * PANEL
        if settings.shrink != 1.0:
            for i in range(weights, weights + width * padded):  # without the bias
                parameters[i] *= np.float32(settings.shrink)
        blocks = (width + 1 + TILE_ROWS - 1) // TILE_ROWS
        columns = padded // PANEL
        first = 0
        for block in range(blocks):
            rows = (width + 1) // blocks + (1 if block < (width + 1) % blocks else 0)
            for c in range(0, columns, TILE_PANELS):
                gradient, together = transposed + c * panels * PANEL * PANEL, min(TILE_PANELS, columns - c)
                at, values = weights + first * padded + c * PANEL, src + first * PANEL
                tile_adam(
                    *(parameters, means, squares, at, padded),
                    *(space, values, (width + 1) * PANEL, gradient, panels, rows, together, adam),
                )
            first += rows


@numba.njit(inline="never")
def _losses(y, weight, net, loss, constants):  # type: ignore[no-untyped-def]
    """The mean loss of a step (soft labels, weighted); the gradient on the logits into its place."""
    size, classes = y.shape
    space, plan = net.space, net.plan
    last = plan.shape[0] - 1
    labels = plan[0].delta  # free at this time
    scale = np.float32(1.0 / size)
    total = 0.0
    flat, weighted = y.reshape(-1), weight.shape[0] > 0
    for q in range((size + PANEL - 1) // PANEL):
        first, of_weight = q * PANEL, labels + classes * PANEL
        rows = min(PANEL, size - first)
        if rows == PANEL:
            for c in range(classes):
                gather_line(flat, first * classes + c, classes, space, labels + c * PANEL)
            if weighted:
                gather_line(weight, first, 1, space, of_weight)
            else:
                ones_line(space, of_weight)
        else:
            for lane in range(PANEL):
                here = lane < rows  # lanes beyond the batch weigh nothing
                for c in range(classes):
                    space[labels + c * PANEL + lane] = flat[(first + lane) * classes + c] if here else 0.0
                space[of_weight + lane] = (weight[first + lane] if weighted else np.float32(1.0)) if here else 0.0
        z = plan[last].values + q * (classes + 1) * PANEL
        delta = plan[last].delta + q * plan[last].padded * PANEL
        if loss == 0:
            total += panel_loss(space, z, labels, delta, classes, scale)
        else:
            total += row_losses(loss, space, z, labels, delta, constants, rows, scale)
    return total / size


@numba.njit
def _net(nets, i):  # type: ignore[no-untyped-def]
    return Net(
        *(nets.parameters[i], nets.means[i], nets.squares[i]),
        *(nets.space[min(i, nets.space.shape[0] - 1)], nets.plan),
    )


@numba.njit
def _mix_of(steps, i, step):  # type: ignore[no-untyped-def]
    at = min(step, steps.layers.shape[1] - 1)
    return Mix(steps.layers[i, at], steps.partners[i, at], steps.shares[i, at])


@numba.njit
def _begin(net, steps, i, step, mix):  # type: ignore[no-untyped-def]
    """The forward pass of a step."""
    if steps.x.shape[0]:
        _load(steps.x[i, step], net.space, net.plan[0].values)
    else:
        _load_rows(steps.rows, i, step, net.space, net.plan[0].values)
    _forward(steps.y.shape[2], net, steps.settings[i], step, mix)


@numba.njit(inline="never")
def _logits_out(net, logits):  # type: ignore[no-untyped-def]
    """The logits of a step to an array ``(batch, classes)``."""
    size, classes = logits.shape
    for row in range(size):
        q, lane = row // PANEL, row % PANEL
        for c in range(classes):
            logits[row, c] = net.space[net.plan[-1].values + (q * (classes + 1) + c) * PANEL + lane]


@numba.njit(inline="never")
def _delta_in(net, delta):  # type: ignore[no-untyped-def]
    """The gradient on the logits of a step from an array ``(batch, classes)``."""
    size, classes = delta.shape
    for row in range((size + PANEL - 1) // PANEL * PANEL):
        q, lane = row // PANEL, row % PANEL
        for c in range(classes):
            at = net.plan[-1].delta + (q * net.plan[-1].padded + c) * PANEL + lane
            net.space[at] = delta[row, c] if row < size else 0.0


# What `advance` does: whole steps, or half of one.
WHOLE, FORWARD, BACKWARD = 0, 1, 2


@compiled(
    types.boolean(NETS_TYPE, STEPS_TYPE, *[types.int64] * 3, types.float64[::1], types.float32[:, :, ::1]), fused=True
)
def advance(nets, steps, part, first, done, losses, logits):  # type: ignore[no-untyped-def]
    """Train each of the `Nets` on batches of the `Steps`; all in one function, since LLVM takes seconds for each.

    Parameters
    ----------
    part : `WHOLE` steps, all of them; or, of one step alone, `FORWARD` or `BACKWARD`
    first : the number of the first step
    done : steps taken before those of ``steps``
    losses : ``(nets,)``, where `WHOLE` adds the steps' losses
    logits : ``(nets, batch, classes)``; where `FORWARD` writes logits, and `BACKWARD` finds the gradient on them

    Returns
    -------
    Whether every number of a row is one of the table; if not, nothing was trained. `BACKWARD` trusts `FORWARD`.
    """
    if part != BACKWARD and first == 0 and not _valid(steps.rows):
        return False
    weight, size = steps.weight, steps.y.shape[2]
    last = steps.y.shape[1] if part == WHOLE else first + 1
    for i in range(nets.parameters.shape[0]):
        net = _net(nets, i)
        for step in range(first, last):
            mix = _mix_of(steps, i, step)
            if part != BACKWARD:
                _begin(net, steps, i, step, mix)
            if part == WHOLE:
                weights = weight[i, min(step, weight.shape[1] - 1)] if weight.shape[1] else weight[i, :, 0]
                losses[i] += _losses(steps.y[i, step], weights, net, steps.loss, steps.constants[i])
            elif part == FORWARD:
                _logits_out(net, logits[i])
            else:
                _delta_in(net, logits[i])
            if part != FORWARD:
                _backward(size, net, steps.settings[i], done + step, mix)
    return True
