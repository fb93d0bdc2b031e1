"""The dense kernel's small products in registers, and what follows them before the result is stored.

Each function here writes machine code for `imbench.kernels.dense`: it is called with flat arrays and where in them to
begin. Everything is laid out in panels of `PANEL` lanes.
"""

# Numba's functions have no types that mypy could follow.
# mypy: disable-error-code="no-untyped-call, import-untyped"

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from imbench.kernels.simd import (
    INDEX,
    INTS,
    LANES,
    WIDE,
    Lanes,
    address,
    counted,
    exponential,
    gathered,
    logarithm,
    spaced,
    variables,
)

PANEL = LANES
# Rows and panels of a product held in registers. Of AVX-512's 32 registers of 16 floats 28 are sums; of AVX2's 16
# registers of 8 floats, 12.
TILE_ROWS, TILE_PANELS = (14, 2) if WIDE else (6, 1)

# A compiled loss: (logits, labels with weights after them, delta, constants, rows, scale) -> sum of the rows' losses.
LOSS_FUNCTION = ir.FunctionType(ir.FloatType(), [ir.FloatType().as_pointer()] * 4 + [INDEX, ir.FloatType()])

Finish = Callable[[ir.IRBuilder, int, Any, Lanes], None]


def _product(builder: ir.IRBuilder, shape: Any, a: Any, strides: Any, b: Any, counts: Any, finish: Finish) -> None:
    """Generate ``c[p, r, lane] = sum_t a[r, t] * b[p, t, lane]`` for a tile of rows and panels, held in registers.

    Parameters
    ----------
    shape : ``rows`` and ``panels``, at most `TILE_ROWS` and `TILE_PANELS`
    a, b : addresses; ``b`` is a panel, the next one ``strides[3]`` floats after it, ``a[r, t]`` lies at ``r *
        strides[0] + (t // inner) * strides[2] + (t % inner) * strides[1]``
    counts : ``inner`` and ``outer``; t runs to their product
    finish : called with each row's number, panel's number, and lanes
    """
    (rows, panels), (inner, outer) = shape, counts
    end = builder.append_basic_block("tile.end")
    choice = builder.switch(builder.add(rows, builder.mul(panels, INDEX(TILE_ROWS))), end)
    for size, wide in itertools.product(range(1, TILE_ROWS + 1), range(1, TILE_PANELS + 1)):
        block = builder.append_basic_block(f"tile.{size}.{wide}")
        choice.add_case(INDEX(size + wide * TILE_ROWS), block)
        builder.position_at_end(block)
        sums = variables([Lanes.splat(builder, 0.0)] * size * wide)
        starts, vectors = spaced(builder, a, strides[0], size), spaced(builder, b, strides[3], wide)
        with counted(builder, outer) as far, counted(builder, inner) as near:
            at = builder.add(builder.mul(far, strides[2]), builder.mul(near, strides[1]))
            t = builder.mul(builder.add(builder.mul(far, inner), near), INDEX(PANEL))
            loaded = [Lanes.load(builder, builder.gep(vector, [t])) for vector in vectors]
            for r, start in enumerate(starts):
                factor = Lanes.splat(builder, builder.load(builder.gep(start, [at])))
                for p, vector in enumerate(loaded):
                    held = sums[r * wide + p]
                    factor.times_plus(vector, Lanes.of(builder, held)).assign(held)
        for r, p in itertools.product(range(size), range(wide)):
            finish(builder, r, p, Lanes.of(builder, sums[r * wide + p]))
        builder.branch(end)
    builder.position_at_end(end)


@intrinsic
def tile_forward(  # type: ignore[no-untyped-def]
    typingctx, parameters, weights, padded, space, src, src_jump, dst, dst_jump, inner, units, panels, floor, mask
):
    """``units`` of a layer for ``panels`` of the batch: product, ReLU, dropout.

    ``weights`` is where in the parameters those of the first unit begin, features ``padded`` floats apart; ``src`` and
    ``dst`` are where in the space the ``inner`` values that enter, and those of the units, lie.

    ``floor`` is 0 for ReLU and -inf for none; ``mask`` is (keep scale, threshold, key 1, key 2, number of the first
    unit's first draw, draws a row), a threshold of 0 keeps every unit.
    """
    n = types.intp
    draws = types.Tuple((types.float32, types.uint32, types.uint32, types.uint32, types.uint32, types.uint32))
    sig = types.void(parameters, n, n, space, n, n, n, n, n, n, n, types.float32, draws)

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:
        parameters_, weights_, padded_, space_, src_, src_jump_, dst_, dst_jump_, inner_, units_, panels_ = args[:11]
        floor_, mask_ = args[11:]
        out = address(context, builder, signature.args[3], space_, dst_)
        low = Lanes.splat(builder, floor_)
        scale, threshold, key1, key2, first, stride = (builder.extract_value(mask_, i) for i in range(6))
        lane = Lanes.bits(builder, list(range(PANEL))) * Lanes.splat(builder, stride)
        dropping = builder.icmp_unsigned(">", threshold, threshold.type(0))
        fill = Lanes.splat(builder, 0.0)

        def finish(builder: ir.IRBuilder, r: int, p: int, acc: Lanes) -> None:
            to = builder.gep(out, [builder.add(INDEX(r * PANEL), builder.mul(INDEX(p), dst_jump_))])
            result = low.where(acc < low, acc)  # keeps NaN
            result.store(to)
            with builder.if_then(dropping):
                number = builder.add(first, builder.mul(stride, stride.type(p * PANEL)))
                counter = lane + Lanes.splat(builder, builder.add(number, first.type(r)))
                drawn = _hash(builder, counter, Lanes.splat(builder, key1), Lanes.splat(builder, key2))
                dropped = builder.icmp_unsigned("<", drawn.value, Lanes.splat(builder, threshold).value)
                fill.where(dropped, result * Lanes.splat(builder, scale)).store(to)

        a = address(context, builder, signature.args[0], parameters_, weights_)
        b = address(context, builder, signature.args[3], space_, src_)
        strides = INDEX(1), padded_, INDEX(0), src_jump_
        _product(builder, (units_, panels_), a, strides, b, (inner_, INDEX(1)), finish)
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
    typingctx,
    parameters,
    weights,
    padded,
    space,
    values,
    jump,
    src,
    src_jump,
    dst,
    dst_jump,
    inner,
    features,
    panels,
    scale,
):
    """The gradient on ``features`` values of a layer for ``panels`` of the batch, 0 where the value was 0.

    ``weights`` is where in the parameters those of the first feature begin, features ``padded`` floats apart; ``src``
    is where in the space the gradient on the ``inner`` units of the next layer lies, ``dst`` where the result goes.
    """
    n = types.intp
    sig = types.void(parameters, n, n, space, n, n, n, n, n, n, n, n, n, types.float32)

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:
        parameters_, weights_, padded_, space_, values_, jump_, src_, src_jump_, dst_, dst_jump_ = args[:10]
        inner_, features_, panels_, scale_ = args[10:]
        active = address(context, builder, signature.args[3], space_, values_)
        out = address(context, builder, signature.args[3], space_, dst_)
        zero = Lanes.splat(builder, 0.0)
        factor = Lanes.splat(builder, scale_)

        def finish(builder: ir.IRBuilder, r: int, p: int, acc: Lanes) -> None:
            value, to = (
                builder.gep(start, [builder.add(INDEX(r * PANEL), builder.mul(INDEX(p), distance))])
                for start, distance in ((active, jump_), (out, dst_jump_))
            )
            passed = zero < Lanes.load(builder, value)
            (acc * factor).where(passed, zero).store(to)

        a = address(context, builder, signature.args[0], parameters_, weights_)
        b = address(context, builder, signature.args[3], space_, src_)
        strides = padded_, INDEX(1), INDEX(0), src_jump_
        _product(builder, (features_, panels_), a, strides, b, (inner_, INDEX(1)), finish)
        return context.get_dummy_value()

    return sig, codegen


@intrinsic
def tile_adam(  # type: ignore[no-untyped-def]
    typingctx, parameters, means, squares, at, padded, space, src, jump, gradient, batch, rows, panels, adam
):
    """The gradient of ``rows`` x ``panels`` x `PANEL` weights and their step of Adam (Kingma & Ba 2015, Algorithm 1).

    ``at`` is where in the parameters and moments these weights begin, rows ``padded`` floats apart. In the space the
    values that enter begin at ``src``, panels of the batch ``jump`` floats apart, and the transposed gradient on the
    units at ``gradient``; there are ``panels`` of each.

    ``adam`` is (rate / (1 - beta1^t), 1 - beta1, 1 - beta2, 1 / sqrt(1 - beta2^t), epsilon).
    """
    n = types.intp
    sig = types.void(parameters, means, squares, n, n, space, n, n, n, n, n, n, types.UniTuple(types.float32, 5))

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:
        at_, padded_, space_, src_, jump_, gradient_, batch_, rows_, panels_, adam_ = args[3:]
        rate, share1, share2, correction, epsilon = (
            Lanes.splat(builder, builder.extract_value(adam_, i)) for i in range(5)
        )
        homes = [address(context, builder, signature.args[i], args[i], at_) for i in range(3)]

        def finish(builder: ir.IRBuilder, r: int, p: int, g: Lanes) -> None:
            here = builder.add(builder.mul(INDEX(r), padded_), INDEX(p * PANEL))
            weight, mean, square = (builder.gep(home, [here]) for home in homes)
            m = Lanes.load(builder, mean)
            m = share1.times_plus(g - m, m)
            v = Lanes.load(builder, square)
            v = share2.times_plus(g * g - v, v)
            m.store(mean)
            v.store(square)
            (Lanes.load(builder, weight) - _ratio(rate * m, v, correction, epsilon)).store(weight)

        a = address(context, builder, signature.args[5], space_, src_)
        b = address(context, builder, signature.args[5], space_, gradient_)
        strides = INDEX(PANEL), INDEX(1), jump_, builder.mul(batch_, INDEX(PANEL * PANEL))
        _product(builder, (rows_, panels_), a, strides, b, (INDEX(PANEL), batch_), finish)
        return context.get_dummy_value()

    return sig, codegen


def _ratio(m: Lanes, v: Lanes, correction: Lanes, epsilon: Lanes) -> Lanes:
    """``m / (sqrt(v) * correction + epsilon)``."""
    if not WIDE:
        return m / v.sqrt().times_plus(correction, epsilon)

    def constant(value: float) -> Lanes:
        return Lanes.splat(v.builder, value)

    # A root and a division keep the processor's only divider busy for 20 cycles or more. Estimates with one step of
    # Newton's method each are exact to a unit or two in the last place, and overlap with the products. The limits keep
    # 0 and infinity from them.
    low, high = constant(1.2e-38), constant(3.4e38)
    v = high.where(high < v, v)
    estimate = low.where(v < low, v).reciprocal_sqrt()
    root = v * estimate
    root = (v - root * root).times_plus(constant(0.5) * estimate, root)
    d = root.times_plus(correction, epsilon)
    q = d.reciprocal()
    return m * (constant(1.0) - d * q).times_plus(q, q)


def _transposed(builder: ir.IRBuilder, rows: list[Lanes]) -> list[Lanes]:
    """`PANEL` vectors as the rows of a square matrix -> its columns."""
    # Four perfect shuffles of 16 rows of 16 are their transposition.
    half, values = PANEL // 2, [row.value for row in rows]
    masks = [ir.Constant(INTS, [h + i // 2 + PANEL * (i % 2) for i in range(PANEL)]) for h in (0, half)]
    for _ in range(PANEL.bit_length() - 1):
        values = [builder.shuffle_vector(values[i], values[i + half], mask) for i in range(half) for mask in masks]
    return [Lanes(builder, value) for value in values]


def _block(narrow: bool) -> Any:
    """The function `transpose`; or, for rows of fewer than `PANEL` floats, `transpose_narrow`."""

    @intrinsic
    def transpose_block(typingctx, src, src_at, src_row, dst, dst_at):  # type: ignore[no-untyped-def]
        """`PANEL` x `PANEL` floats, rows ``src_row`` apart, written transposed to a panel.

        Of narrow rows, which lie one after the other, ``src_row`` floats each; as many lines are written.
        """
        n = types.intp
        sig = types.void(src, n, n, dst, n)

        def codegen(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:
            src_, src_at_, src_row_, dst_, dst_at_ = args
            places = spaced(builder, address(context, builder, signature.args[0], src_, src_at_), src_row_, PANEL)
            rows = [_load(builder, place, src_row_ if narrow else None) for place in places]
            out = address(context, builder, signature.args[3], dst_, dst_at_)
            _store_lines(builder, _transposed(builder, rows), out, src_row_ if narrow else None)
            return context.get_dummy_value()

        return sig, codegen

    return transpose_block


transpose, transpose_narrow = _block(narrow=False), _block(narrow=True)


def _load(builder: ir.IRBuilder, place: Any, count: Any = None) -> Lanes:
    """`PANEL` floats from an address; the first ``count`` alone, if there is one."""
    return Lanes.load(builder, place) if count is None else Lanes.load_first(builder, place, count)


def _store_lines(builder: ir.IRBuilder, lines: list[Lanes], out: Any, count: Any = None) -> None:
    """Lines to an address, one after the other; the first ``count`` alone, if there is one."""
    for r, line in enumerate(lines):
        place = builder.gep(out, [INDEX(r * PANEL)])
        if count is None:
            line.store(place)
        else:
            with builder.if_then(builder.icmp_signed("<", INDEX(r), count)):
                line.store(place)


def _table_block(narrow: bool) -> Any:
    """The function `transpose_scaled`; or, for tables with fewer than `PANEL` columns, `transpose_scaled_narrow`."""

    @intrinsic
    def transpose_rows(  # type: ignore[no-untyped-def]
        typingctx, table, features, numbers, partners, share, at, center, scale, offset, column, limits, dst, dst_at
    ):
        """`PANEL` rows of a table by `PANEL` of its columns, scaled and mixed, written transposed to a panel.

        Of a narrow table all columns; as many lines are written. The results are those of
        `imbench.kernels.row_kernels.scaled` and `between`, to the bit.

        Parameters
        ----------
        table : rows of ``features`` floats; the columns begin at ``column``
        numbers, partners, share : from ``at`` on, the rows' numbers, those of the rows to mix with, and the share of
            these; arrays without elements for no mixing
        center, scale : those of the first column are at ``offset + column``
        limits : (clip, what missing values become)
        """
        n = types.intp
        sig = types.void(
            table, n, numbers, partners, share, n, center, scale, n, n, types.UniTuple(types.float32, 2), dst, n
        )

        def codegen(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:
            table_, features_, numbers_, partners_, share_, at_ = args[:6]
            offset_, column_, limits_, dst_, dst_at_ = args[8:]

            count = features_ if narrow else None
            first = address(context, builder, signature.args[0], table_, column_)
            own = address(context, builder, signature.args[2], numbers_, at_)
            others = address(context, builder, signature.args[3], partners_, at_)
            shares = address(context, builder, signature.args[4], share_, at_)
            of_column = builder.add(offset_, column_)
            homes = (address(context, builder, signature.args[i], args[i], of_column) for i in (6, 7))
            middle, factor = (_load(builder, home, count) for home in homes)
            clip, fill = (Lanes.splat(builder, builder.extract_value(limits_, i)) for i in range(2))
            least, half, one = Lanes.splat(builder, 0.0) - clip, Lanes.splat(builder, 0.5), Lanes.splat(builder, 1.0)

            def scaled(numbers: Any, r: int) -> Lanes:
                number = builder.load(builder.gep(numbers, [INDEX(r)]))
                row = builder.gep(first, [builder.mul(number, features_)])
                value = (_load(builder, row, count) - middle) * factor
                value = fill.where(builder.fcmp_unordered("uno", value.value, value.value), value)
                value = clip.where(clip < value, value)
                return least.where(value < least, value)

            out = address(context, builder, signature.args[11], dst_, dst_at_)
            mixing = context.make_array(signature.args[3])(context, builder, partners_).nitems
            with builder.if_else(builder.icmp_signed(">", mixing, INDEX(0))) as (mixed, plain):
                with mixed:
                    rows = []
                    for r in range(PANEL):
                        a, b = scaled(own, r), scaled(others, r)
                        way = Lanes.splat(builder, builder.load(builder.gep(shares, [INDEX(r)])))
                        # As torch.lerp: from the nearer end.
                        near = way < half
                        rows.append((way.where(near, way - one)).times_plus(b - a, a.where(near, b)))
                    _store_lines(builder, _transposed(builder, rows), out, count)
                with plain:
                    _store_lines(builder, _transposed(builder, [scaled(own, r) for r in range(PANEL)]), out, count)
            return context.get_dummy_value()

        return sig, codegen

    return transpose_rows


transpose_scaled, transpose_scaled_narrow = _table_block(narrow=False), _table_block(narrow=True)


@intrinsic
def fetch_row(typingctx, table, at, count):  # type: ignore[no-untyped-def]
    """Ask for the ``count`` floats from ``table[at]`` on, which will be read later; they come to the second cache."""
    sig = types.void(table, types.intp, types.intp)

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:
        table_, at_, count_ = args
        start = address(context, builder, signature.args[0], table_, at_)
        number = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [start.type, number, number, number])
        function = cgutils.get_or_insert_function(builder.module, kind, f"llvm.prefetch.{start.type.intrinsic_name}")
        lines = builder.sdiv(builder.add(count_, INDEX(PANEL - 1)), INDEX(PANEL))
        with counted(builder, lines) as line:
            place = builder.gep(start, [builder.mul(line, INDEX(PANEL))])
            builder.call(function, [place, number(0), number(2), number(1)])  # read, second cache, data
        return context.get_dummy_value()

    return sig, codegen


@intrinsic
def gather_line(typingctx, values, at, jump, space, to):  # type: ignore[no-untyped-def]
    """`PANEL` floats that are ``jump`` apart, from ``values[at]`` on, written as a line to ``space[to]``.

    One vector is stored, so that it can be loaded at once; after `PANEL` stores of one float a load waits for all.
    """
    n = types.intp
    sig = types.void(values, n, n, space, n)

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:
        values_, at_, jump_, space_, to_ = args
        jumps = Lanes.splat(builder, builder.trunc(jump_, ir.IntType(32)))
        offsets = Lanes.bits(builder, list(range(PANEL))) * jumps
        line = gathered(address(context, builder, signature.args[0], values_, at_), offsets)
        line.store(address(context, builder, signature.args[3], space_, to_))
        return context.get_dummy_value()

    return sig, codegen


@intrinsic
def ones_line(typingctx, space, to):  # type: ignore[no-untyped-def]
    """A line of ones at ``space[to]``."""
    sig = types.void(space, types.intp)

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:
        Lanes.splat(builder, 1.0).store(address(context, builder, signature.args[0], *args))
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
