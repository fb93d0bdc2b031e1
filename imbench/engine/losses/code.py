"""Compile a traced loss to machine code that processes a panel of rows at a time, for the fused kernel."""

# llvmlite and Numba's code generator are untyped.
# mypy: disable-error-code="no-untyped-call, import-untyped"

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core.compiler_lock import global_compiler_lock
from numba.core.registry import cpu_target

from imbench.engine.losses.program import Program
from imbench.kernels.dense_tiles import LOSS_FUNCTION, PANEL
from imbench.kernels.simd import INDEX, Lanes, exponential, exponential_parts, logarithm


@functools.cache
def compile_loss(program: Program) -> int:
    """The address of a function of type `imbench.kernels.dense_tiles.LOSS_FUNCTION`, valid until the process ends."""
    name = f"own_loss_{next(_numbers)}"
    with global_compiler_lock:
        library = cpu_target.target_context.codegen().create_library(name)
        module = library.create_ir_module(name)
        _write(ir.Function(module, LOSS_FUNCTION, name=name), program)
        library.add_ir_module(module)
        library.finalize()
        _libraries.append(library)
        address: int = library.get_pointer_to_function(name)
    return address


_numbers = itertools.count()
_libraries: list[Any] = []  # keeps the compiled code alive


def _write(function: Any, program: Program) -> None:
    builder = ir.IRBuilder(function.append_basic_block())
    logits, labels, delta, constants, rows, scale = function.args

    def line(base: Any, c: int) -> Any:
        return builder.gep(base, [INDEX(c * PANEL)])

    def constant(column: int) -> Lanes:
        return Lanes.splat(builder, builder.load(builder.gep(constants, [INDEX(column)])))

    classes = range(program.classes)
    values: list[list[Any]] = []
    for name, operands, option in program.operations:
        given = [values[number] for number in operands]
        if name in ("logits", "labels"):
            base = logits if name == "logits" else labels
            values.append([Lanes.load(builder, line(base, c)) for c in classes])
        elif name == "constant":
            values.append([constant(option)])
        elif name == "constants":
            values.append([constant(option + c) for c in classes])
        elif name == "spread":
            values.append([given[0][0] for _ in classes])
        elif name in _OVER_CLASSES:
            values.append([functools.reduce(_OVER_CLASSES[name], given[0])])
        else:
            width = max(len(value) for value in given)
            given = given if name in _ON_MASKS else [[_as_number(x) for x in value] for value in given]
            each = ([value[c if len(value) > 1 else 0] for value in given] for c in range(width))
            values.append([_ELEMENTWISE[name](*numbers) for numbers in each])
    zero = Lanes.splat(builder, 0.0)
    # Lanes beyond the batch are set to 0, whatever their values are.
    lane = Lanes.bits(builder, list(range(PANEL)))
    count = Lanes.splat(builder, builder.trunc(rows, ir.IntType(32)))
    real = builder.icmp_signed("<", lane.value, count.value)
    weight = Lanes.load(builder, line(labels, program.classes))
    losses = (weight * values[program.loss][0]).where(real, zero)
    share = weight * Lanes.splat(builder, scale)
    gradient = values[program.gradient]
    for c in classes:
        (share * gradient[c if len(gradient) > 1 else 0]).where(real, zero).store(line(delta, c))
    total = ir.Constant(ir.FloatType(), 0.0)
    for i in range(PANEL):
        total = builder.fadd(total, builder.extract_element(losses.value, ir.Constant(ir.IntType(32), i)))
    builder.ret(total)


def _splat(x: Lanes, value: float) -> Lanes:
    return Lanes.splat(x.builder, float(value))


def _compared(how: str) -> Callable[[Lanes, Lanes], Lanes]:
    """A comparison that returns a mask; it is False for NaN, except for ``!=``."""

    def compare(a: Lanes, b: Lanes) -> Lanes:
        function = a.builder.fcmp_unordered if how == "!=" else a.builder.fcmp_ordered
        return Lanes(a.builder, function(how, a.value, b.value))

    return compare


_less, _at_most, _equal, _unequal = map(_compared, ("<", "<=", "==", "!="))


def _where(mask: Lanes, a: Lanes, b: Lanes) -> Lanes:
    return a.where(mask.value, b)


def _both(a: Lanes, b: Lanes) -> Lanes:
    return Lanes(a.builder, a.builder.and_(a.value, b.value))


def _either(a: Lanes, b: Lanes) -> Lanes:
    return Lanes(a.builder, a.builder.or_(a.value, b.value))


def _as_number(x: Lanes) -> Lanes:
    """Masks become 1 and 0; numbers are unchanged."""
    is_mask = x.value.type.element == ir.IntType(1)
    return _splat(x, 1.0).where(x.value, _splat(x, 0.0)) if is_mask else x


def _exp(x: Lanes) -> Lanes:
    # exp(x) overflows float32 above 88.7; here the result is infinite from 88.4 on.
    return exponential(_splat(x, 89.0).where(_splat(x, 89.0) < x, x))


def _expm1(x: Lanes) -> Lanes:
    top = _splat(x, 88.0)
    less, power = exponential_parts(top.where(top < x, x))
    return _splat(x, math.inf).where(top < x, less.times_plus(power, power - _splat(x, 1.0)))


def _log(x: Lanes) -> Lanes:
    infinite, zero = _splat(x, math.inf), _splat(x, 0.0)
    result = logarithm(x) + (x - x)  # NaN where x is NaN
    result = infinite.where(_equal(x, infinite).value, result)
    result = _splat(x, -math.inf).where(_equal(x, zero).value, result)
    return _splat(x, math.nan).where(x < zero, result)


def _log1p(x: Lanes) -> Lanes:
    """``log(1 + x)``, corrected for the rounding of ``1 + x`` (W. Kahan, in Goldberg 1991, Theorem 4)."""
    above = _splat(x, 1.0) + x
    part = above - _splat(x, 1.0)
    result = _log(above) * (x / part)
    result = x.where(_equal(part, _splat(x, 0.0)).value, result)
    return x.where(_equal(x, _splat(x, math.inf)).value, result)


def _maximum(a: Lanes, b: Lanes) -> Lanes:
    larger = b.where(a < b, a)
    return b.where(_unequal(b, b).value, larger)  # NaN if a or b is NaN


def _minimum(a: Lanes, b: Lanes) -> Lanes:
    smaller = b.where(b < a, a)
    return b.where(_unequal(b, b).value, smaller)


def _abs(x: Lanes) -> Lanes:
    return (_splat(x, 0.0) - x).where(x < _splat(x, 0.0), x)


def _sigmoid(x: Lanes) -> Lanes:
    return _splat(x, 1.0) / (_splat(x, 1.0) + _exp(_splat(x, 0.0) - x))


def _tanh(x: Lanes) -> Lanes:
    less = _expm1(_splat(x, -2.0) * _abs(x))
    size = (_splat(x, 0.0) - less) / (less + _splat(x, 2.0))
    return (_splat(x, 0.0) - size).where(x < _splat(x, 0.0), size)


def _power(x: Lanes, exponent: Lanes) -> Lanes:
    """``exp(exponent * log(x))``: NaN for negative x except minus infinity, as C's pow for fractional exponents."""
    one, infinite = _splat(x, 1.0), _splat(x, math.inf)
    x = infinite.where(_equal(x, _splat(x, -math.inf)).value, x)
    return one.where(_equal(exponent, _splat(x, 0.0)).value, _exp(exponent * _log(x)))


_OVER_CLASSES: dict[str, Callable[[Lanes, Lanes], Lanes]] = {"sum": lambda a, b: a + b, "max": _maximum}
_ON_MASKS = {"where", "and", "or"}
_ELEMENTWISE: dict[str, Callable[..., Lanes]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "maximum": _maximum,
    "minimum": _minimum,
    "less": _less,
    "at_most": _at_most,
    "equal": _equal,
    "unequal": _unequal,
    "and": _both,
    "or": _either,
    "where": _where,
    "as_floats": lambda x: x,
    "exp": _exp,
    "expm1": _expm1,
    "log": _log,
    "log1p": _log1p,
    "sqrt": Lanes.sqrt,
    "abs": _abs,
    "sigmoid": _sigmoid,
    "tanh": _tanh,
    "power": _power,
}
