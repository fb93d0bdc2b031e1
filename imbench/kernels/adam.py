"""The passes of Adam over the values of a net, compiled for the CPU.

PyTorch makes one pass over memory for each operation. Here there are two, before and after the square roots, which are
left to PyTorch, since it rounds them in its own way. `imbench.engine.adam` computes the same with PyTorch's operations
on any device. Products and sums are fused where PyTorch fuses them, so both give the same bits
(tests/engine/test_stacked.py).
"""

# Numba's functions have no types that mypy could follow.
# mypy: disable-error-code="no-untyped-call, untyped-decorator, import-untyped, call-arg"

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from imbench.kernels.compiled import compiled

# The smallest normal float. PyTorch's square root takes ten times as long where it finds smaller ones, such as the 0 of
# a weight that has never had a gradient.
_SMALLEST = np.finfo(np.float32).tiny


@intrinsic
def _times_plus(typingctx, a, b, c):  # type: ignore[no-untyped-def]
    """``a * b + c``, rounded once where the processor can."""
    number = types.float32

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:
        kind = ir.FunctionType(ir.FloatType(), [ir.FloatType()] * 3)
        return builder.call(cgutils.get_or_insert_function(builder.module, kind, "llvm.fmuladd.f32"), args)

    return number(number, number, number), codegen


@compiled("void(float32[::1], float32[::1], float32[::1], float32, float32, float32)")
def update_moments(mean: Any, square: Any, gradient: Any, way: Any, kept: Any, added: Any) -> None:
    """``mean += way * (gradient - mean)`` and ``square = kept * square + added * gradient ** 2``.

    ``gradient`` then contains the squares whose roots `update_values` needs.
    """
    for i in range(mean.size):
        value = gradient[i]
        mean[i] = _times_plus(way, value - mean[i], mean[i])
        found = _times_plus(added * value, value, kept * square[i])
        square[i] = found
        gradient[i] = np.float32(1.0) if found < _SMALLEST else found


@compiled("void(float32[::1], float32[::1], float32[::1], float32[::1], float32[::1], float32, float32)")
def update_values(values: Any, mean: Any, square: Any, root: Any, rate: Any, factor: Any, epsilon: Any) -> None:
    """``values -= mean / (factor * sqrt(square) + epsilon) * rate``; ``root`` has the roots of normal squares."""
    for i in range(values.size):
        found = np.sqrt(square[i]) if square[i] < _SMALLEST else root[i]
        values[i] = _times_plus(-(mean[i] / (found * factor + epsilon)), rate[i], values[i])
