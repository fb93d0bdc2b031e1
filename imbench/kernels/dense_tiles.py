"""The dense kernel's small products in registers, and what follows them before the result is stored.

Each function here writes machine code for `imbench.kernels.dense`: it is called with flat arrays and where in them to
begin. Everything is laid out in panels of `PANEL` lanes.
"""

# Numba's functions have no types that mypy could follow.
# mypy: disable-error-code="no-untyped-call, import-untyped"

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from imbench.kernels.simd import INDEX, INTS, LANES, Lanes, address, counted, exponential, logarithm, variables

PANEL = LANES
# Rows of a product held in registers: 6 x 16 floats are 12 of AVX2's 16 registers, which keeps both multipliers busy.
TILE_ROWS = 6

# A compiled loss: (logits, labels with weights after them, delta, constants, rows, scale) -> sum of the rows' losses.
LOSS_FUNCTION = ir.FunctionType(ir.FloatType(), [ir.FloatType().as_pointer()] * 4 + [INDEX, ir.FloatType()])

Finish = Callable[[ir.IRBuilder, int, Lanes], None]


def _product(builder: ir.IRBuilder, rows: Any, a: Any, strides: Any, b: Any, counts: Any, finish: Finish) -> None:
    """Generate ``c[r, lane] = sum_t a[r, t] * b[t, lane]`` for up to `TILE_ROWS` rows, held in registers.

    Parameters
    ----------
    a, b : addresses; ``b`` is a panel, ``a[r, t]`` lies at ``r * strides[0] + (t // inner) * strides[2] +
        (t % inner) * strides[1]``
    counts : ``inner`` and ``outer``; t runs to their product
    finish : called with each row's number and lanes
    """
    inner, outer = counts
    end = builder.append_basic_block("tile.end")
    choice = builder.switch(rows, end)
    for size in range(1, TILE_ROWS + 1):
        block = builder.append_basic_block(f"tile.{size}")
        choice.add_case(INDEX(size), block)
        builder.position_at_end(block)
        sums = variables([Lanes.splat(builder, 0.0)] * size)
        starts = [builder.gep(a, [builder.mul(INDEX(r), strides[0])]) for r in range(size)]
        with counted(builder, outer) as far, counted(builder, inner) as near:
            at = builder.add(builder.mul(far, strides[2]), builder.mul(near, strides[1]))
            t = builder.add(builder.mul(far, inner), near)
            panel = Lanes.load(builder, builder.gep(b, [builder.mul(t, INDEX(PANEL))]))
            for start, held in zip(starts, sums, strict=True):
                factor = Lanes.splat(builder, builder.load(builder.gep(start, [at])))
                factor.times_plus(panel, Lanes.of(builder, held)).assign(held)
        for r, held in enumerate(sums):
            finish(builder, r, Lanes.of(builder, held))
        builder.branch(end)
    builder.position_at_end(end)


@intrinsic
def tile_forward(  # type: ignore[no-untyped-def]
    typingctx, parameters, weights, padded, space, src, dst, inner, units, floor, mask
):
    """``units`` of a layer for one panel of the batch: product, ReLU, dropout.

    ``weights`` is where in the parameters those of the first unit begin, features ``padded`` floats apart; ``src`` and
    ``dst`` are where in the space the ``inner`` values that enter, and those of the units, lie.

    ``floor`` is 0 for ReLU and -inf for none; ``mask`` is (keep scale, threshold, key 1, key 2, number of the first
    unit's first draw, draws a row), a threshold of 0 keeps every unit.
    """
    n = types.intp
    draws = types.Tuple((types.float32, types.uint32, types.uint32, types.uint32, types.uint32, types.uint32))
    sig = types.void(parameters, n, n, space, n, n, n, n, types.float32, draws)

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:
        parameters_, weights_, padded_, space_, src_, dst_, inner_, units_, floor_, mask_ = args
        out = address(context, builder, signature.args[3], space_, dst_)
        low = Lanes.splat(builder, floor_)
        scale, threshold, key1, key2, first, stride = (builder.extract_value(mask_, i) for i in range(6))
        lane = Lanes.bits(builder, list(range(PANEL))) * Lanes.splat(builder, stride)
        dropping = builder.icmp_unsigned(">", threshold, threshold.type(0))
        fill = Lanes.splat(builder, 0.0)

        def finish(builder: ir.IRBuilder, r: int, acc: Lanes) -> None:
            to = builder.gep(out, [INDEX(r * PANEL)])
            result = low.where(acc < low, acc)  # keeps NaN
            result.store(to)
            with builder.if_then(dropping):
                counter = lane + Lanes.splat(builder, builder.add(first, first.type(r)))
                drawn = _hash(builder, counter, Lanes.splat(builder, key1), Lanes.splat(builder, key2))
                dropped = builder.icmp_unsigned("<", drawn.value, Lanes.splat(builder, threshold).value)
                fill.where(dropped, result * Lanes.splat(builder, scale)).store(to)

        a = address(context, builder, signature.args[0], parameters_, weights_)
        b = address(context, builder, signature.args[3], space_, src_)
        _product(builder, units_, a, (INDEX(1), padded_, INDEX(0)), b, (inner_, INDEX(1)), finish)
        return context.get_dummy_value()

    return sig, codegen


def _hash(builder: ir.IRBuilder, counter: Lanes, key1: Lanes, key2: Lanes) -> Lanes:
    """`imbench.engine.dropout.hashed`, lane by lane."""

    def constant(value: int) -> Lanes:
        return Lanes.bits(builder, [value] * PANEL)

    h = counter ^ key1
    h = (h ^ (h >> constant(16))) * constant(0x85EBCA6B)
    h = (h ^ (h >> constant(13))) * constant(0xC2B2AE35)
    h = (h ^ (h >> constant(16))) + key2
    return (h ^ (h >> constant(15))) * constant(0x735A2D97)


@intrinsic
def tile_backward(  # type: ignore[no-untyped-def]
    typingctx, parameters, weights, padded, space, values, src, dst, inner, features, scale
):
    """The gradient on ``features`` values of a layer for one panel of the batch, 0 where the value was 0.

    ``weights`` is where in the parameters those of the first feature begin, features ``padded`` floats apart; ``src``
    is where in the space the gradient on the ``inner`` units of the next layer lies, ``dst`` where the result goes.
    """
    n = types.intp
    sig = types.void(parameters, n, n, space, n, n, n, n, n, types.float32)

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:
        parameters_, weights_, padded_, space_, values_, src_, dst_, inner_, features_, scale_ = args
        active = address(context, builder, signature.args[3], space_, values_)
        out = address(context, builder, signature.args[3], space_, dst_)
        zero = Lanes.splat(builder, 0.0)
        factor = Lanes.splat(builder, scale_)

        def finish(builder: ir.IRBuilder, r: int, acc: Lanes) -> None:
            passed = zero < Lanes.load(builder, builder.gep(active, [INDEX(r * PANEL)]))
            (acc * factor).where(passed, zero).store(builder.gep(out, [INDEX(r * PANEL)]))

        a = address(context, builder, signature.args[0], parameters_, weights_)
        b = address(context, builder, signature.args[3], space_, src_)
        _product(builder, features_, a, (padded_, INDEX(1), INDEX(0)), b, (inner_, INDEX(1)), finish)
        return context.get_dummy_value()

    return sig, codegen


@intrinsic
def tile_adam(  # type: ignore[no-untyped-def]
    typingctx, parameters, means, squares, at, padded, space, src, jump, gradient, panels, rows, adam
):
    """The gradient of ``rows`` x `PANEL` weights and their step of Adam (Kingma & Ba 2015, Algorithm 1).

    ``at`` is where in the parameters and moments these weights begin, rows ``padded`` floats apart. In the space the
    values that enter begin at ``src``, panels of the batch ``jump`` floats apart, and the transposed gradient on the
    units at ``gradient``; there are ``panels`` of each.

    ``adam`` is (rate / (1 - beta1^t), 1 - beta1, 1 - beta2, 1 / sqrt(1 - beta2^t), epsilon).
    """
    n = types.intp
    sig = types.void(parameters, means, squares, n, n, space, n, n, n, n, n, types.UniTuple(types.float32, 5))

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:
        at_, padded_, space_, src_, jump_, gradient_, panels_, rows_, adam_ = args[3:]
        rate, share1, share2, correction, epsilon = (
            Lanes.splat(builder, builder.extract_value(adam_, i)) for i in range(5)
        )
        homes = [address(context, builder, signature.args[i], args[i], at_) for i in range(3)]

        def finish(builder: ir.IRBuilder, r: int, g: Lanes) -> None:
            weight, mean, square = (builder.gep(home, [builder.mul(INDEX(r), padded_)]) for home in homes)
            m = Lanes.load(builder, mean)
            m = share1.times_plus(g - m, m)
            v = Lanes.load(builder, square)
            v = share2.times_plus(g * g - v, v)
            m.store(mean)
            v.store(square)
            step = (rate * m) / v.sqrt().times_plus(correction, epsilon)
            (Lanes.load(builder, weight) - step).store(weight)

        a = address(context, builder, signature.args[5], space_, src_)
        b = address(context, builder, signature.args[5], space_, gradient_)
        _product(builder, rows_, a, (INDEX(PANEL), INDEX(1), jump_), b, (INDEX(PANEL), panels_), finish)
        return context.get_dummy_value()

    return sig, codegen


@intrinsic
def transpose(typingctx, src, src_at, src_row, dst, dst_at):  # type: ignore[no-untyped-def]
    """`PANEL` x `PANEL` floats, rows ``src_row`` apart, written transposed to a panel."""
    n = types.intp
    sig = types.void(src, n, n, dst, n)

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:
        src_, src_at_, src_row_, dst_, dst_at_ = args
        start = address(context, builder, signature.args[0], src_, src_at_)
        rows = [Lanes.load(builder, builder.gep(start, [builder.mul(INDEX(r), src_row_)])).value for r in range(PANEL)]
        # Four perfect shuffles of 16 rows of 16 are their transposition.
        half = PANEL // 2
        masks = [ir.Constant(INTS, [h + i // 2 + PANEL * (i % 2) for i in range(PANEL)]) for h in (0, half)]
        for _ in range(PANEL.bit_length() - 1):
            rows = [builder.shuffle_vector(rows[i], rows[i + half], mask) for i in range(half) for mask in masks]
        out = address(context, builder, signature.args[3], dst_, dst_at_)
        for r, row in enumerate(rows):
            Lanes(builder, row).store(builder.gep(out, [INDEX(r * PANEL)]))
        return context.get_dummy_value()

    return sig, codegen


@intrinsic
def panel_loss(typingctx, space, z, y, delta, classes, scale):  # type: ignore[no-untyped-def]
    """The sum of the losses of a panel's rows; ``scale`` times their gradient on the logits to ``delta``.

    ``z`` holds the logits, ``y`` the soft labels and after them the rows' weights. With m the sum of a row's labels,
    its loss is ``w * (m * log(sum_c exp z_c) - sum_c y_c z_c)`` and its gradient ``w * (m * softmax(z)_c - y_c)``.
    """
    n = types.intp
    sig = types.float32(space, n, n, n, n, types.float32)

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:
        space_, z_, y_, delta_, classes_, scale_ = args
        bases = [address(context, builder, signature.args[0], space_, at) for at in (z_, y_, delta_)]

        def sums(*start: float) -> list[Any]:
            return variables([Lanes.splat(builder, value) for value in start])

        def value(variable: Any) -> Lanes:
            return Lanes.of(builder, variable)

        def add(variable: Any, term: Lanes) -> None:
            (value(variable) + term).assign(variable)

        @contextmanager
        def each_class() -> Iterator[list[Any]]:
            with counted(builder, classes_) as c:
                yield [builder.gep(base, [builder.mul(c, INDEX(PANEL))]) for base in bases]

        (highest,) = sums(-3e38)
        with each_class() as (at_z, _, _):
            z = Lanes.load(builder, at_z)
            z.where(value(highest) < z, value(highest)).assign(highest)
        top = value(highest)
        total, mass, agreement = sums(0.0, 0.0, 0.0)
        with each_class() as (at_z, at_y, at_delta):
            z, y = Lanes.load(builder, at_z), Lanes.load(builder, at_y)
            e = exponential(z - top)
            e.store(at_delta)
            add(total, e)
            add(mass, y)
            add(agreement, y * z)
        weight = Lanes.load(builder, builder.gep(bases[1], [builder.mul(classes_, INDEX(PANEL))]))
        losses = weight * (value(mass) * (logarithm(value(total)) + top) - value(agreement))
        factor = value(mass) / value(total)
        share = weight * Lanes.splat(builder, scale_)
        with each_class() as (_, at_y, at_delta):
            (share * (Lanes.load(builder, at_delta) * factor - Lanes.load(builder, at_y))).store(at_delta)
        result = ir.Constant(ir.FloatType(), 0.0)
        for lane in range(PANEL):
            result = builder.fadd(result, builder.extract_element(losses.value, ir.Constant(ir.IntType(32), lane)))
        return result

    return sig, codegen


@intrinsic
def row_losses(typingctx, function, space, z, y, delta, constants, rows, scale):  # type: ignore[no-untyped-def]
    """As `panel_loss`, by the function at the address ``function``: see `imbench.engine.losses.code.compile_loss`."""
    n = types.intp
    sig = types.float32(types.int64, space, n, n, n, constants, n, types.float32)

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:
        function_, space_, z_, y_, delta_, constants_, rows_, scale_ = args
        floats = [address(context, builder, signature.args[1], space_, at) for at in (z_, y_, delta_)]
        floats.append(address(context, builder, signature.args[5], constants_, INDEX(0)))
        function = builder.inttoptr(function_, LOSS_FUNCTION.as_pointer())
        return builder.call(function, [*floats, rows_, scale_])

    return sig, codegen
