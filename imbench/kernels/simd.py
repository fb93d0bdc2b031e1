"""What compiled kernels share: vectors of floats and integers, in the code that is being generated."""

# llvmlite and Numba's generator have no types that mypy could follow.
# mypy: disable-error-code="no-untyped-call, import-untyped"

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils
from numba.core.registry import cpu_target

LANES = 16
# Whether there are 32 registers of 16 floats, or 16 registers of 8. Numba's target decides, not this processor: Numba
# can compile for another one, and keeps the code for each apart on disk.
WIDE = "+avx512f" in cpu_target.target_context.codegen().magic_tuple()[2].split(",")
INDEX = ir.IntType(64)
_FLOAT_BYTES = 4
_POSITIONS, _BITS = ir.VectorType(INDEX, LANES), ir.VectorType(ir.IntType(1), LANES)
FLOATS, INTS, BYTES = (ir.VectorType(kind, LANES) for kind in (ir.FloatType(), ir.IntType(32), ir.IntType(8)))


def address(context: Any, builder: ir.IRBuilder, kind: Any, array: Any, index: Any) -> Any:
    """The address of an element of a flat array of Numba's type ``kind``."""
    return builder.gep(context.make_array(kind)(context, builder, array).data, [index])


def spaced(builder: ir.IRBuilder, start: Any, distance: Any, count: int) -> list[Any]:
    """Addresses that are ``distance`` elements apart, each found from the one before: the compiler multiplies else."""
    places = [start]
    for _ in range(count - 1):
        places.append(builder.gep(places[-1], [distance]))
    return places


def zeros(*shape: int, dtype: Any = np.float32) -> np.ndarray:
    """Zeros that begin where a line of the cache does, so that each vector is read from one line; NumPy's do not."""
    count, line = math.prod(shape), 64
    values = np.zeros(count + line, dtype)
    start = -values.ctypes.data % line // values.itemsize
    return values[start : start + count].reshape(shape)


@contextmanager
def counted(builder: ir.IRBuilder, count: Any) -> Iterator[Any]:
    """A generated loop; its body is generated inside, given the index from 0 to ``count - 1``."""
    with cgutils.for_range(builder, count) as loop:
        yield loop.index


def variables(values: Sequence[Lanes]) -> list[Any]:
    """Addresses of variables that begin with these values; the compiler keeps them in registers."""
    places = [cgutils.alloca_once(value.builder, value.value.type) for value in values]
    for value, place in zip(values, places, strict=True):
        value.builder.store(value.value, place)
    return places


class Lanes:
    """A vector of `LANES` floats or integers."""

    def __init__(self, builder: ir.IRBuilder, value: Any) -> None:
        self.builder, self.value = builder, value

    @classmethod
    def splat(cls, builder: ir.IRBuilder, scalar: Any) -> Lanes:
        """All lanes equal to a generated float or 32-bit integer, or to a Python float."""
        if isinstance(scalar, float):
            return cls(builder, ir.Constant(FLOATS, [scalar] * LANES))
        kind = ir.VectorType(scalar.type, LANES)
        one = builder.insert_element(ir.Constant(kind, ir.Undefined), scalar, ir.Constant(ir.IntType(32), 0))
        return cls(builder, builder.shuffle_vector(one, one, ir.Constant(INTS, [0] * LANES)))

    @classmethod
    def of(cls, builder: ir.IRBuilder, variable: Any) -> Lanes:
        """The value of one of `variables`."""
        return cls(builder, builder.load(variable))

    @classmethod
    def bits(cls, builder: ir.IRBuilder, values: list[int]) -> Lanes:
        """Constant 32-bit integers."""
        return cls(builder, ir.Constant(INTS, values))

    @classmethod
    def load(cls, builder: ir.IRBuilder, pointer: Any, offset: int = 0) -> Lanes:
        """`LANES` floats from ``offset`` floats after an address."""
        place = builder.gep(pointer, [INDEX(offset)])
        return cls(builder, builder.load(builder.bitcast(place, FLOATS.as_pointer()), align=4))

    @classmethod
    def load_first(cls, builder: ir.IRBuilder, pointer: Any, count: Any) -> Lanes:
        """The first ``count`` floats from an address, zeros after them; nothing beyond them is read."""
        place, kind = builder.bitcast(pointer, FLOATS.as_pointer()), FLOATS.as_pointer()
        number = cls.splat(builder, builder.trunc(count, ir.IntType(32)))
        wanted = builder.icmp_signed("<", cls.bits(builder, list(range(LANES))).value, number.value)
        signature = ir.FunctionType(FLOATS, [kind, ir.IntType(32), wanted.type, FLOATS])
        name = f"llvm.masked.load.v{LANES}f32.p0v{LANES}f32"
        function = cgutils.get_or_insert_function(builder.module, signature, name)
        return cls(builder, builder.call(function, [place, ir.IntType(32)(4), wanted, cls.splat(builder, 0.0).value]))

    def store(self, pointer: Any, offset: int = 0) -> None:
        """All lanes to ``offset`` elements after an address."""
        place, kind = self.builder.gep(pointer, [INDEX(offset)]), self.value.type
        align = 1 if kind == BYTES else 4
        self.builder.store(self.value, self.builder.bitcast(place, kind.as_pointer()), align=align)

    def assign(self, variable: Any) -> None:
        """Make this the value of one of `variables`."""
        self.builder.store(self.value, variable)

    def times_plus(self, factor: Lanes, term: Lanes) -> Lanes:
        """``self * factor + term``, fused where the processor can."""
        return self._call("llvm.fmuladd", factor, term)

    def sqrt(self) -> Lanes:
        """The square root of each lane."""
        return self._call("llvm.sqrt")

    def reciprocal_sqrt(self) -> Lanes:
        """``1 / sqrt(self)`` of normal positive floats, rounded to about 2^-14; `WIDE` processors only."""
        return self._estimate("rsqrt14")

    def reciprocal(self) -> Lanes:
        """``1 / self`` of normal floats, rounded to about 2^-14; `WIDE` processors only."""
        return self._estimate("rcp14")

    def where(self, condition: Any, other: Lanes) -> Lanes:
        """These lanes where the condition holds, else the other ones."""
        return Lanes(self.builder, self.builder.select(condition, self.value, other.value))

    def shifted_signed(self, count: int) -> Lanes:
        """Integers shifted right, their sign kept."""
        return Lanes(self.builder, self.builder.ashr(self.value, ir.Constant(INTS, [count] * LANES)))

    def to_floats(self) -> Lanes:
        """Integers as floats of the same value."""
        return Lanes(self.builder, self.builder.sitofp(self.value, FLOATS))

    def as_floats(self) -> Lanes:
        """The same bits read as floats."""
        return Lanes(self.builder, self.builder.bitcast(self.value, FLOATS))

    def as_bits(self) -> Lanes:
        """The same bits read as integers."""
        return Lanes(self.builder, self.builder.bitcast(self.value, INTS))

    def largest(self, *others: Lanes) -> tuple[Lanes, Lanes]:
        """In each lane the largest value and its number as a byte, the first of equals; NaN where there is one."""
        builder, best, code = self.builder, self.value, ir.Constant(BYTES, [0] * LANES)
        for number, other in enumerate(others, start=1):
            better = builder.or_(
                builder.fcmp_ordered(">", other.value, best), builder.fcmp_unordered("uno", other.value, other.value)
            )
            best = builder.select(better, other.value, best)
            code = builder.select(better, ir.Constant(BYTES, [number] * LANES), code)
        return Lanes(builder, best), Lanes(builder, code)

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
        kind = ir.FunctionType(FLOATS, [FLOATS] * (1 + len(others)))
        function = cgutils.get_or_insert_function(self.builder.module, kind, f"{name}.v{LANES}f32")
        return Lanes(self.builder, self.builder.call(function, [self.value, *(other.value for other in others)]))

    def _estimate(self, name: str) -> Lanes:
        mask = ir.IntType(16)
        kind = ir.FunctionType(FLOATS, [FLOATS, FLOATS, mask])
        function = cgutils.get_or_insert_function(self.builder.module, kind, f"llvm.x86.avx512.{name}.ps.512")
        return Lanes(self.builder, self.builder.call(function, [self.value, self.value, mask(0xFFFF)]))

    def _apply(self, of_floats: str, of_bits: str, other: Lanes) -> Lanes:
        name = of_floats if self.value.type == FLOATS else of_bits
        return Lanes(self.builder, getattr(self.builder, name)(self.value, other.value))


def gathered(pointer: Any, offsets: Lanes) -> Lanes:
    """The floats that are ``offsets`` floats after an address."""
    builder, places = offsets.builder, ir.VectorType(pointer.type, LANES)
    begin = Lanes.splat(builder, builder.ptrtoint(pointer, INDEX)).value
    size = _FLOAT_BYTES
    bytes_after = builder.mul(builder.sext(offsets.value, _POSITIONS), ir.Constant(_POSITIONS, [size] * LANES))
    where = builder.inttoptr(builder.add(begin, bytes_after), places)
    kind = ir.FunctionType(FLOATS, [places, ir.IntType(32), _BITS, FLOATS])
    name = f"llvm.masked.gather.v{LANES}f32.v{LANES}{pointer.type.intrinsic_name}"
    gather = cgutils.get_or_insert_function(builder.module, kind, name)
    every, nothing = ir.Constant(_BITS, [1] * LANES), ir.Constant(FLOATS, ir.Undefined)
    return Lanes(builder, builder.call(gather, [where, ir.IntType(32)(size), every, nothing]))


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
    exponent = (whole.as_bits() << Lanes.bits(x.builder, [23] * LANES)) + constant(1.0).as_bits()
    return y.times_plus(r * r, r), exponent.as_floats()


def logarithm(x: Lanes) -> Lanes:
    """The natural logarithm of normal positive floats (Cephes' logf: 2 units in the last place)."""

    def constant(value: float) -> Lanes:
        return Lanes.splat(x.builder, value)

    def bits(value: int) -> Lanes:
        return Lanes.bits(x.builder, [value] * LANES)

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
