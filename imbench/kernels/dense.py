"""The compiled kernel of the fused engine: training steps of one dense net, its state resident in cache.

Everything is laid out in panels of `PANEL` lanes, so that each of the three matrix products of a layer is the same
small product in registers, and what follows it (ReLU and dropout, their derivative, Adam) takes place on the registers
before they are stored:

    forward    act[unit, row]   = W[feature, unit]ᵀ · act[feature, row]      a lane is a row of the batch
    backward   delta[feature, row] = W[feature, unit] · delta[unit, row]     a lane is a row of the batch
    gradient   dW[feature, unit] = act[feature, row] · delta[row, unit]      a lane is a unit

A layer's bias is the last row of its weights, and meets a row of ones in its input. See docs/decisions/0001.

One file, because Numba's cache on disk notices changes of the file that a compiled function is written in and of no
other.
"""

# Numba's functions have no types that mypy could follow.
# mypy: disable-error-code="no-untyped-call, call-arg, call-overload, import-untyped"

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from imbench.kernels.compiled import compiled

PANEL = 16
# Rows of a product held in registers: 6 x 16 floats are 12 of AVX2's 16 registers, which keeps both multipliers busy.
TILE_ROWS = 6

# Columns of the plan of a net (see `imbench.engine.fused_plan`).
WIDTH, PADDED, INPUT, WEIGHTS, MASK, DELTA, MIXED = range(7)
# Entries of the settings of a call.
RATE, DECAY1, DECAY2, EPSILON, KEEP_SCALE = range(5)

_FLOATS, _INTS = ir.VectorType(ir.FloatType(), PANEL), ir.VectorType(ir.IntType(32), PANEL)
_INDEX = ir.IntType(64)
# A compiled loss: (logits, labels with weights after them, delta, constants, rows, scale) -> sum of the rows' losses.
LOSS_FUNCTION = ir.FunctionType(ir.FloatType(), [ir.FloatType().as_pointer()] * 4 + [_INDEX, ir.FloatType()])


class Lanes:
    """A vector of `PANEL` floats or 32-bit integers, in the code that is being generated."""

    def __init__(self, builder: ir.IRBuilder, value: Any) -> None:
        self.builder, self.value = builder, value

    @classmethod
    def splat(cls, builder: ir.IRBuilder, scalar: Any) -> Lanes:
        """All lanes equal to a generated float or 32-bit integer, or to a Python float."""
        if isinstance(scalar, float):
            return cls(builder, ir.Constant(_FLOATS, [scalar] * PANEL))
        kind = ir.VectorType(scalar.type, PANEL)
        one = builder.insert_element(ir.Constant(kind, ir.Undefined), scalar, ir.Constant(ir.IntType(32), 0))
        return cls(builder, builder.shuffle_vector(one, one, ir.Constant(_INTS, [0] * PANEL)))

    @classmethod
    def bits(cls, builder: ir.IRBuilder, values: list[int]) -> Lanes:
        """Constant 32-bit integers."""
        return cls(builder, ir.Constant(_INTS, values))

    @classmethod
    def load(cls, builder: ir.IRBuilder, pointer: Any) -> Lanes:
        """`PANEL` floats from an address."""
        return cls(builder, builder.load(builder.bitcast(pointer, _FLOATS.as_pointer()), align=4))

    def store(self, pointer: Any) -> None:
        """`PANEL` floats to an address."""
        self.builder.store(self.value, self.builder.bitcast(pointer, self.value.type.as_pointer()), align=4)

    def times_plus(self, factor: Lanes, term: Lanes) -> Lanes:
        """``self * factor + term``, fused where the processor can."""
        return self._call("llvm.fmuladd", factor, term)

    def sqrt(self) -> Lanes:
        """The square root of each lane."""
        return self._call("llvm.sqrt")

    def where(self, condition: Any, other: Lanes) -> Lanes:
        """These lanes where the condition holds, else the other ones."""
        return Lanes(self.builder, self.builder.select(condition, self.value, other.value))

    def shifted_signed(self, count: int) -> Lanes:
        """Integers shifted right, their sign kept."""
        return Lanes(self.builder, self.builder.ashr(self.value, ir.Constant(_INTS, [count] * PANEL)))

    def to_floats(self) -> Lanes:
        """Integers as floats of the same value."""
        return Lanes(self.builder, self.builder.sitofp(self.value, _FLOATS))

    def as_floats(self) -> Lanes:
        """The same bits read as floats."""
        return Lanes(self.builder, self.builder.bitcast(self.value, _FLOATS))

    def as_bits(self) -> Lanes:
        """The same bits read as integers."""
        return Lanes(self.builder, self.builder.bitcast(self.value, _INTS))

    def __lt__(self, other: Lanes) -> Any:
        return self.builder.fcmp_ordered("<", self.value, other.value)

    def __add__(self, other: Lanes) -> Lanes:
        return self._apply("fadd", "add", other)

    def __sub__(self, other: Lanes) -> Lanes:
        return self._apply("fsub", "sub", other)

    def __mul__(self, other: Lanes) -> Lanes:
        return self._apply("fmul", "mul", other)

    def __truediv__(self, other: Lanes) -> Lanes:
        return self._apply("fdiv", "sdiv", other)

    def __and__(self, other: Lanes) -> Lanes:
        return self._apply("and_", "and_", other)

    def __xor__(self, other: Lanes) -> Lanes:
        return self._apply("xor", "xor", other)

    def __rshift__(self, other: Lanes) -> Lanes:
        return self._apply("lshr", "lshr", other)

    def __lshift__(self, other: Lanes) -> Lanes:
        return self._apply("shl", "shl", other)

    def _call(self, name: str, *others: Lanes) -> Lanes:
        kind = ir.FunctionType(_FLOATS, [_FLOATS] * (1 + len(others)))
        function = cgutils.get_or_insert_function(self.builder.module, kind, f"{name}.v{PANEL}f32")
        return Lanes(self.builder, self.builder.call(function, [self.value, *(other.value for other in others)]))

    def _apply(self, of_floats: str, of_bits: str, other: Lanes) -> Lanes:
        name = of_floats if self.value.type == _FLOATS else of_bits
        return Lanes(self.builder, getattr(self.builder, name)(self.value, other.value))


def _address(context: Any, builder: ir.IRBuilder, kind: Any, array: Any, index: Any) -> Any:
    return builder.gep(context.make_array(kind)(context, builder, array).data, [index])


@contextmanager
def _counted(builder: ir.IRBuilder, count: Any) -> Iterator[Any]:
    with cgutils.for_range(builder, count) as loop:
        yield loop.index


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
        choice.add_case(_INDEX(size), block)
        builder.position_at_end(block)
        sums = [cgutils.alloca_once(builder, _FLOATS) for _ in range(size)]
        for held in sums:
            builder.store(Lanes.splat(builder, 0.0).value, held)
        starts = [builder.gep(a, [builder.mul(_INDEX(r), strides[0])]) for r in range(size)]
        with _counted(builder, outer) as far, _counted(builder, inner) as near:
            at = builder.add(builder.mul(far, strides[2]), builder.mul(near, strides[1]))
            t = builder.add(builder.mul(far, inner), near)
            panel = Lanes.load(builder, builder.gep(b, [builder.mul(t, _INDEX(PANEL))]))
            for start, held in zip(starts, sums, strict=True):
                factor = Lanes.splat(builder, builder.load(builder.gep(start, [at])))
                builder.store(factor.times_plus(panel, Lanes(builder, builder.load(held))).value, held)
        for r, held in enumerate(sums):
            finish(builder, r, Lanes(builder, builder.load(held)))
        builder.branch(end)
    builder.position_at_end(end)


@intrinsic
def _tile_forward(typingctx, p, w_at, ld, s, src, dst, inner, rows, floor, mask):  # type: ignore[no-untyped-def]
    """``rows`` units of a layer for one panel of the batch: product, ReLU, dropout.

    ``floor`` is 0 for ReLU and -inf for none; ``mask`` is (keep scale, threshold, key 1, key 2, number of the first
    unit's first draw, draws a row), a threshold of 0 keeps every unit.
    """
    n = types.intp
    draws = types.Tuple((types.float32, types.uint32, types.uint32, types.uint32, types.uint32, types.uint32))
    sig = types.void(p, n, n, s, n, n, n, n, types.float32, draws)

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:
        p_, w_at_, ld_, s_, src_, dst_, inner_, rows_, floor_, mask_ = args
        out = _address(context, builder, signature.args[3], s_, dst_)
        low = Lanes.splat(builder, floor_)
        scale, threshold, key1, key2, first, stride = (builder.extract_value(mask_, i) for i in range(6))
        lane = Lanes.bits(builder, list(range(PANEL))) * Lanes.splat(builder, stride)
        dropping = builder.icmp_unsigned(">", threshold, threshold.type(0))
        fill = Lanes.splat(builder, 0.0)

        def finish(builder: ir.IRBuilder, r: int, acc: Lanes) -> None:
            to = builder.gep(out, [_INDEX(r * PANEL)])
            result = low.where(acc < low, acc)  # keeps NaN
            result.store(to)
            with builder.if_then(dropping):
                counter = lane + Lanes.splat(builder, builder.add(first, first.type(r)))
                drawn = _hash(builder, counter, Lanes.splat(builder, key1), Lanes.splat(builder, key2))
                dropped = builder.icmp_unsigned("<", drawn.value, Lanes.splat(builder, threshold).value)
                fill.where(dropped, result * Lanes.splat(builder, scale)).store(to)

        a = _address(context, builder, signature.args[0], p_, w_at_)
        b = _address(context, builder, signature.args[3], s_, src_)
        _product(builder, rows_, a, (_INDEX(1), ld_, _INDEX(0)), b, (inner_, _INDEX(1)), finish)
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
def _tile_backward(typingctx, p, w_at, ld, s, act, src, dst, inner, rows, scale):  # type: ignore[no-untyped-def]
    """``rows`` features' part of a layer's delta for one panel of the batch, passed where their unit was not 0."""
    n = types.intp
    sig = types.void(p, n, n, s, n, n, n, n, n, types.float32)

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:
        p_, w_at_, ld_, s_, act_, src_, dst_, inner_, rows_, scale_ = args
        active = _address(context, builder, signature.args[3], s_, act_)
        out = _address(context, builder, signature.args[3], s_, dst_)
        zero = Lanes.splat(builder, 0.0)
        factor = Lanes.splat(builder, scale_)

        def finish(builder: ir.IRBuilder, r: int, acc: Lanes) -> None:
            passed = zero < Lanes.load(builder, builder.gep(active, [_INDEX(r * PANEL)]))
            (acc * factor).where(passed, zero).store(builder.gep(out, [_INDEX(r * PANEL)]))

        a = _address(context, builder, signature.args[0], p_, w_at_)
        b = _address(context, builder, signature.args[3], s_, src_)
        _product(builder, rows_, a, (ld_, _INDEX(1), _INDEX(0)), b, (inner_, _INDEX(1)), finish)
        return context.get_dummy_value()

    return sig, codegen


@intrinsic
def _tile_adam(typingctx, p, m, v, at, ld, s, src, jump, grad, panels, rows, adam):  # type: ignore[no-untyped-def]
    """The gradient of ``rows`` x `PANEL` weights and their step of Adam (Kingma & Ba 2015, Algorithm 1).

    ``adam`` is (rate / (1 - beta1^t), 1 - beta1, 1 - beta2, 1 / sqrt(1 - beta2^t), epsilon).
    """
    n = types.intp
    sig = types.void(p, m, v, n, n, s, n, n, n, n, n, types.UniTuple(types.float32, 5))

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:
        at_, ld_, s_, src_, jump_, grad_, panels_, rows_, adam_ = args[3:]
        rate, share1, share2, correction, epsilon = (
            Lanes.splat(builder, builder.extract_value(adam_, i)) for i in range(5)
        )
        homes = [_address(context, builder, signature.args[i], args[i], at_) for i in range(3)]

        def finish(builder: ir.IRBuilder, r: int, g: Lanes) -> None:
            weight, mean, square = (builder.gep(home, [builder.mul(_INDEX(r), ld_)]) for home in homes)
            m1 = Lanes.load(builder, mean)
            m1 = share1.times_plus(g - m1, m1)
            v1 = Lanes.load(builder, square)
            v1 = share2.times_plus(g * g - v1, v1)
            m1.store(mean)
            v1.store(square)
            step = (rate * m1) / v1.sqrt().times_plus(correction, epsilon)
            (Lanes.load(builder, weight) - step).store(weight)

        a = _address(context, builder, signature.args[5], s_, src_)
        b = _address(context, builder, signature.args[5], s_, grad_)
        _product(builder, rows_, a, (_INDEX(PANEL), _INDEX(1), jump_), b, (_INDEX(PANEL), panels_), finish)
        return context.get_dummy_value()

    return sig, codegen


@intrinsic
def _transpose(typingctx, src, src_at, src_row, dst, dst_at):  # type: ignore[no-untyped-def]
    """`PANEL` x `PANEL` floats, rows ``src_row`` apart, written transposed to a panel."""
    n = types.intp
    sig = types.void(src, n, n, dst, n)

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:
        src_, src_at_, src_row_, dst_, dst_at_ = args
        start = _address(context, builder, signature.args[0], src_, src_at_)
        rows = [Lanes.load(builder, builder.gep(start, [builder.mul(_INDEX(r), src_row_)])).value for r in range(PANEL)]
        # Four perfect shuffles of 16 rows of 16 are their transposition.
        half = PANEL // 2
        masks = [ir.Constant(_INTS, [h + i // 2 + PANEL * (i % 2) for i in range(PANEL)]) for h in (0, half)]
        for _ in range(PANEL.bit_length() - 1):
            rows = [builder.shuffle_vector(rows[i], rows[i + half], mask) for i in range(half) for mask in masks]
        out = _address(context, builder, signature.args[3], dst_, dst_at_)
        for r, row in enumerate(rows):
            Lanes(builder, row).store(builder.gep(out, [_INDEX(r * PANEL)]))
        return context.get_dummy_value()

    return sig, codegen


def exponential(x: Lanes) -> Lanes:
    """The exponential of floats not above 89 (Cephes' expf: 2 units in the last place)."""
    less, power = exponential_parts(x)
    return (less + Lanes.splat(x.builder, 1.0)) * power


def exponential_parts(x: Lanes) -> tuple[Lanes, Lanes]:
    """``(e^r - 1, 2^n)`` with ``x = r + n log 2``, |r| at most half of log 2, of floats not above 89."""

    def constant(value: float) -> Lanes:
        return Lanes.splat(x.builder, value)

    x = constant(-87.0).where(x < constant(-87.0), x)
    # Adding 1.5 * 2^23 rounds to a whole number, which is then in the low bits.
    shifter = constant(12582912.0)
    whole = x.times_plus(constant(1.44269504), shifter)
    n = whole - shifter
    r = n.times_plus(constant(-0.693359375), x)
    r = n.times_plus(constant(2.12194440e-4), r)
    y = constant(1.9875691500e-4)
    for c in (1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1):
        y = y.times_plus(r, constant(c))
    exponent = (whole.as_bits() << Lanes.bits(x.builder, [23] * PANEL)) + constant(1.0).as_bits()
    return y.times_plus(r * r, r), exponent.as_floats()


def logarithm(x: Lanes) -> Lanes:
    """The natural logarithm of normal positive floats (Cephes' logf: 2 units in the last place)."""

    def constant(value: float) -> Lanes:
        return Lanes.splat(x.builder, value)

    def bits(value: int) -> Lanes:
        return Lanes.bits(x.builder, [value] * PANEL)

    # x = m * 2^e with m in [sqrt(1/2), sqrt(2)): the offset moves the border between exponents there.
    moved = x.as_bits() - bits(0x3F3504F3)
    e = (moved.shifted_signed(23)).to_floats()
    m = ((moved & bits(0x7FFFFF)) + bits(0x3F3504F3)).as_floats() - constant(1.0)
    y = constant(7.0376836292e-2)
    for c in (
        *(-1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1),
        *(-1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1),
    ):
        y = y.times_plus(m, constant(c))
    y = y * m * m * m
    y = e.times_plus(constant(-2.12194440e-4), y)
    y = (m * m).times_plus(constant(-0.5), y)
    return e.times_plus(constant(0.693359375), m + y)


@intrinsic
def _panel_loss(typingctx, s, z, y, d, classes, scale):  # type: ignore[no-untyped-def]
    """The sum of the losses of a panel's rows; ``scale`` times their gradient on the logits to ``d``.

    ``z`` holds the logits, ``y`` the soft labels and after them the rows' weights. With m the sum of a row's labels,
    its loss is ``w * (m * log(sum_c exp z_c) - sum_c y_c z_c)`` and its gradient ``w * (m * softmax(z)_c - y_c)``.
    """
    n = types.intp
    sig = types.float32(s, n, n, n, n, types.float32)

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:
        s_, z_, y_, d_, classes_, scale_ = args
        bases = [_address(context, builder, signature.args[0], s_, at) for at in (z_, y_, d_)]

        def sums(*start: float) -> list[Any]:
            held = [cgutils.alloca_once(builder, _FLOATS) for _ in start]
            for place, value in zip(held, start, strict=True):
                builder.store(Lanes.splat(builder, value).value, place)
            return held

        def value(place: Any) -> Lanes:
            return Lanes(builder, builder.load(place))

        def add(place: Any, term: Lanes) -> None:
            builder.store((value(place) + term).value, place)

        @contextmanager
        def each_class() -> Iterator[list[Any]]:
            with _counted(builder, classes_) as c:
                yield [builder.gep(base, [builder.mul(c, _INDEX(PANEL))]) for base in bases]

        (highest,) = sums(-3e38)
        with each_class() as (at_z, _, _):
            z = Lanes.load(builder, at_z)
            builder.store(z.where(value(highest) < z, value(highest)).value, highest)
        top = value(highest)
        total, mass, agreement = sums(0.0, 0.0, 0.0)
        with each_class() as (at_z, at_y, at_d):
            z, y = Lanes.load(builder, at_z), Lanes.load(builder, at_y)
            e = exponential(z - top)
            e.store(at_d)
            add(total, e)
            add(mass, y)
            add(agreement, y * z)
        weight = Lanes.load(builder, builder.gep(bases[1], [builder.mul(classes_, _INDEX(PANEL))]))
        losses = weight * (value(mass) * (logarithm(value(total)) + top) - value(agreement))
        factor = value(mass) / value(total)
        share = weight * Lanes.splat(builder, scale_)
        with each_class() as (_, at_y, at_d):
            (share * (Lanes.load(builder, at_d) * factor - Lanes.load(builder, at_y))).store(at_d)
        result = ir.Constant(ir.FloatType(), 0.0)
        for lane in range(PANEL):
            result = builder.fadd(result, builder.extract_element(losses.value, ir.Constant(ir.IntType(32), lane)))
        return result

    return sig, codegen


@intrinsic
def _row_losses(typingctx, address, s, z, y, d, constants, rows, scale):  # type: ignore[no-untyped-def]
    """As `_panel_loss`, by the function at an address: see `imbench.engine.losses.code.compile_loss`."""
    n = types.intp
    sig = types.float32(types.int64, s, n, n, n, constants, n, types.float32)

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:
        address_, s_, z_, y_, d_, constants_, rows_, scale_ = args
        floats = [_address(context, builder, signature.args[1], s_, at) for at in (z_, y_, d_)]
        floats.append(_address(context, builder, signature.args[5], constants_, _INDEX(0)))
        function = builder.inttoptr(address_, LOSS_FUNCTION.as_pointer())
        return builder.call(function, [*floats, rows_, scale_])

    return sig, codegen


@numba.njit(inline="never")
def _load(x, s, at):  # type: ignore[no-untyped-def]
    """``(batch, features)`` -> panels, rows beyond the batch 0."""
    size, width = x.shape
    stride = (width + 1) * PANEL
    flat = x.reshape(-1)
    for q in range((size + PANEL - 1) // PANEL):
        first = q * PANEL
        if first + PANEL <= size and width >= PANEL:
            for c in range(0, width, PANEL):
                c0 = min(c, width - PANEL)  # the last block overlaps the one before
                _transpose(flat, first * width + c0, width, s, at + q * stride + c0 * PANEL)
        else:
            for lane in range(PANEL):
                for c in range(width):
                    s[at + q * stride + c * PANEL + lane] = x[first + lane, c] if first + lane < size else 0.0
    return


@numba.njit(inline="never")
def _mix(s, src, tile, width, panels, partners, share):  # type: ignore[no-untyped-def]
    """``share`` of each row of ``width`` values and 1 - ``share`` of its partner's; where in ``s`` the panels are.

    `PANEL` values of all rows at a time are turned round to ``tile``, where a row's are neighbours, and after it mixed;
    the panels are what follows.
    """
    stride, mixed = (width + 1) * PANEL, tile + panels * PANEL * PANEL
    dst = mixed + panels * PANEL * PANEL
    for c in range(0, width, PANEL):
        # The last block overlaps the one before; a narrow layer's reaches into what is written after it.
        c0 = max(0, min(c, width - PANEL))
        for q in range(panels):
            _transpose(s, src + q * stride + c0 * PANEL, PANEL, s, tile + q * PANEL * PANEL)
        for row in range(panels * PANEL):
            own, other = tile + row * PANEL, tile + partners[row] * PANEL
            to = mixed + row * PANEL
            for i in range(PANEL):
                s[to + i] = s[other + i] + share * (s[own + i] - s[other + i])
        for q in range(panels):
            _transpose(s, mixed + q * PANEL * PANEL, PANEL, s, dst + q * stride + c0 * PANEL)
    for q in range(panels):
        for lane in range(PANEL):
            s[dst + q * stride + width * PANEL + lane] = 1.0  # what a bias meets
    return dst


@numba.njit(inline="never")
def _unmix(s, turned, dst, tile, padded, panels, partners, share):  # type: ignore[no-untyped-def]
    """The transpose of `_mix`: the part of each row's gradient that is its own, and that of its partner.

    ``turned`` is the gradient as `_backward` turns it round; the result is in panels of ``padded`` lines.
    """
    rest = np.float32(1.0) - share
    for c in range(padded // PANEL):
        src = turned + c * panels * PANEL * PANEL
        for i in range(panels * PANEL * PANEL):
            s[tile + i] = share * s[src + i]
        for row in range(panels * PANEL):
            own, other = src + row * PANEL, tile + partners[row] * PANEL
            for i in range(PANEL):
                s[other + i] += rest * s[own + i]
        for q in range(panels):
            _transpose(s, tile + q * PANEL * PANEL, PANEL, s, dst + (q * padded + c * PANEL) * PANEL)


@numba.njit(inline="never")
def _forward(x, p, s, plan, settings, draws, step, mix_at, partners, share):  # type: ignore[no-untyped-def]
    """Activations of every layer into ``s``; those of the last are the logits.

    What enters layer number ``mix_at``, if there is one, is mixed: see `_mix`.
    """
    size = x.shape[0]
    panels = (size + PANEL - 1) // PANEL
    layers = plan.shape[0] - 1
    _load(x, s, plan[0, INPUT])
    for layer in range(layers):
        width, out = plan[layer, WIDTH], plan[layer + 1, WIDTH]
        ld, w_at = plan[layer + 1, PADDED], plan[layer, WEIGHTS]
        src, dst = plan[layer, INPUT], plan[layer + 1, INPUT]
        if layer == mix_at:
            src = _mix(s, src, plan[0, MIXED], width, panels, partners, share)
        blocks = (out + TILE_ROWS - 1) // TILE_ROWS
        floor = np.float32(0.0) if layer < layers - 1 else np.float32(-np.inf)
        threshold = draws[0] if layer < layers - 2 else np.uint32(0)
        drawn = (step * plan[layers, MASK] + plan[layer + 1, MASK]) * size
        for q in range(panels):
            first = 0
            for block in range(blocks):
                rows = out // blocks + (1 if block < out % blocks else 0)
                number = np.uint32(drawn + q * PANEL * out + first)
                mask = (settings[KEEP_SCALE], threshold, draws[1], draws[2], number, np.uint32(out))
                to = dst + (q * (out + 1) + first) * PANEL
                _tile_forward(p, w_at + first, ld, s, src + q * (width + 1) * PANEL, to, width + 1, rows, floor, mask)
                first += rows


@numba.njit(inline="never")
def _backward(size, p, m, v, s, plan, settings, done, mix_at, partners, share):  # type: ignore[no-untyped-def]
    """From the delta of the logits to new parameters, the last layer first. ``done`` steps came before."""
    panels = (size + PANEL - 1) // PANEL
    layers = plan.shape[0] - 1
    turned = plan[0, DELTA]
    first_share = 1.0 - settings[DECAY1] ** (done + 1)
    adam = (
        np.float32(settings[RATE] / first_share),
        np.float32(1.0 - settings[DECAY1]),
        np.float32(1.0 - settings[DECAY2]),
        np.float32(1.0 / math.sqrt(1.0 - settings[DECAY2] ** (done + 1))),
        np.float32(settings[EPSILON]),
    )
    for layer in range(layers - 1, -1, -1):
        width, out = plan[layer, WIDTH], plan[layer + 1, WIDTH]
        ld, w_at = plan[layer + 1, PADDED], plan[layer, WEIGHTS]
        src, delta = plan[layer, INPUT], plan[layer + 1, DELTA]
        for q in range(panels):
            for i in range(delta + (q * ld + out) * PANEL, delta + (q + 1) * ld * PANEL):
                s[i] = 0.0  # padded units have no gradient
            for c in range(ld // PANEL):
                _transpose(s, delta + (q * ld + c * PANEL) * PANEL, PANEL, s, turned + (c * panels + q) * PANEL * PANEL)
        if layer > 0:
            passed = delta
            if layer == mix_at:
                # Mixing rows and multiplying by weights may be taken in either order.
                passed = plan[1, MIXED]
                _unmix(s, turned, passed, plan[0, MIXED], ld, panels, partners, share)
            scale = np.float32(settings[KEEP_SCALE] if layer < layers - 1 else 1.0)
            into, padded = plan[layer, DELTA], plan[layer, PADDED]
            blocks = (width + TILE_ROWS - 1) // TILE_ROWS
            for q in range(panels):
                first = 0
                for block in range(blocks):
                    rows = width // blocks + (1 if block < width % blocks else 0)
                    act, to = src + (q * (width + 1) + first) * PANEL, into + (q * padded + first) * PANEL
                    _tile_backward(p, w_at + first * ld, ld, s, act, passed + q * ld * PANEL, to, out, rows, scale)
                    first += rows
        if layer == mix_at:
            src = plan[0, MIXED] + 2 * panels * PANEL * PANEL
        blocks = (width + 1 + TILE_ROWS - 1) // TILE_ROWS
        for c in range(ld // PANEL):
            first, grad = 0, turned + c * panels * PANEL * PANEL
            for block in range(blocks):
                rows = (width + 1) // blocks + (1 if block < (width + 1) % blocks else 0)
                at, act = w_at + first * ld + c * PANEL, src + first * PANEL
                _tile_adam(p, m, v, at, ld, s, act, (width + 1) * PANEL, grad, panels, rows, adam)
                first += rows


@numba.njit(inline="never")
def _losses(y, weight, s, plan, loss, constants):  # type: ignore[no-untyped-def]
    """The mean loss of a step (soft labels, weighted); the delta of the logits into its place.

    That is cross-entropy, unless ``loss`` is the address of another one.
    """
    size, classes = y.shape
    last = plan.shape[0] - 1
    labels = plan[0, DELTA]  # free at this time
    total = 0.0
    for q in range((size + PANEL - 1) // PANEL):
        for lane in range(PANEL):
            row = q * PANEL + lane
            here = row < size  # lanes beyond the batch weigh nothing
            for c in range(classes):
                s[labels + c * PANEL + lane] = y[row, c] if here else 0.0
            s[labels + classes * PANEL + lane] = (weight[row] if weight.shape[0] > 0 else 1.0) if here else 0.0
        z = plan[last, INPUT] + q * (classes + 1) * PANEL
        d = plan[last, DELTA] + q * plan[last, PADDED] * PANEL
        if loss == 0:
            total += _panel_loss(s, z, labels, d, classes, np.float32(1.0 / size))
        else:
            rows = min(PANEL, size - q * PANEL)
            total += _row_losses(loss, s, z, labels, d, constants, rows, np.float32(1.0 / size))
    return total / size


_STATE = (
    "float32[::1], float32[::1], float32[::1], float32[::1], int64[:,::1], float64[::1]"  # p, m, v, s, plan, settings
)


_MIX = "int64[::1], int32[:,::1], float32[::1]"  # mix_at, partners, share


@compiled(
    f"float64(float32[:,:,::1], float32[:,:,::1], float32[:,::1], {_STATE}, uint32[::1], int64, {_MIX}, int64, "
    "float32[::1])",
    fused=True,
)
def train_steps(  # type: ignore[no-untyped-def]
    x, y, weight, p, m, v, s, plan, settings, draws, done, mix_at, partners, share, loss, constants
):
    """Take one step on each batch of ``x`` (steps, batch, features); the sum of their losses.

    Parameters
    ----------
    y : ``(steps, batch, classes)``; ``weight`` ``(steps, batch)``, or ``(0, 0)`` for none
    p, m, v : parameters and Adam's moments of the net, ``s`` its working space, ``plan`` their layout
    settings : see `RATE` and its neighbours; ``draws``: dropout's threshold and two keys
    done : steps taken before
    mix_at : ``(steps,)`` the layer before which rows are mixed, -1 for none; or one for all steps, as of what follows
    partners : ``(steps, batch up to whole panels)`` the row that each is mixed with
    share : ``(steps,)`` what a row keeps of itself
    loss : address of the loss, with its ``constants``; 0 for cross-entropy
    """
    total = 0.0
    for step in range(x.shape[0]):
        mix = min(step, mix_at.shape[0] - 1)
        at, mates, part = mix_at[mix], partners[mix], share[mix]
        _forward(x[step], p, s, plan, settings, draws, step, at, mates, part)
        weights = weight[min(step, weight.shape[0] - 1)] if weight.shape[0] else weight[:, 0]
        total += _losses(y[step], weights, s, plan, loss, constants)
        _backward(x.shape[1], p, m, v, s, plan, settings, done + step, at, mates, part)
    return total


@compiled(
    "void(float32[:,::1], float32[::1], float32[::1], int64[:,::1], float64[::1], uint32[::1], int64, int64, "
    "int32[::1], float32, float32[:,::1])",
    fused=True,
)
def forward_step(x, p, s, plan, settings, draws, step, mix_at, partners, share, logits):  # type: ignore[no-untyped-def]
    """``logits`` (batch, classes) of step number ``step`` of a block, dropout applied, rows mixed before a layer."""
    _forward(x, p, s, plan, settings, draws, step, mix_at, partners, share)
    size, classes = logits.shape
    for row in range(size):
        q, lane = row // PANEL, row % PANEL
        for c in range(classes):
            logits[row, c] = s[plan[-1, INPUT] + (q * (classes + 1) + c) * PANEL + lane]


@compiled(f"void(float32[:,::1], {_STATE}, int64, int64, int32[::1], float32)", fused=True)
def backward_step(delta, p, m, v, s, plan, settings, done, mix_at, partners, share):  # type: ignore[no-untyped-def]
    """Finish the step that `forward_step` began, from the loss's gradient on the logits, ``(batch, classes)``."""
    size, classes = delta.shape
    for row in range((size + PANEL - 1) // PANEL * PANEL):
        q, lane = row // PANEL, row % PANEL
        for c in range(classes):
            at = plan[-1, DELTA] + (q * plan[-1, PADDED] + c) * PANEL + lane
            s[at] = delta[row, c] if row < size else 0.0
    _backward(size, p, m, v, s, plan, settings, done, mix_at, partners, share)
