"""Operations on each row of each batch, compiled for the CPU: one pass over memory each.

A chain of PyTorch operations reads and writes all rows once per operation, which costs more than the arithmetic. These
functions give the same bits in one pass (tests/contract/test_rows.py). `imbench.contract.rows` calls them for float32
rows on a CPU; otherwise PyTorch computes the same.

Row numbers are checked here, where that costs nothing: whatever they are, nothing beyond an array is read or written.
Shapes are the caller's to check.
"""

# Numba's functions have no types that mypy could follow.
# mypy: disable-error-code="untyped-decorator, no-untyped-call, call-arg, var-annotated, import-untyped"

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from imbench.kernels.compiled import compiled
from imbench.kernels.simd import INDEX, LANES, Lanes, address, counted


@compiled("boolean(float32[:,:,::1], int64[:,::1], int64[:,::1], float32[:,::1], float32[:,:,::1])", fused=True)
def between(values: Any, first: Any, second: Any, share: Any, result: Any) -> bool:
    """Interpolate between rows of a batch: ``first + share * (second - first)``, rounded as in `torch.lerp`.

    Parameters
    ----------
    values : ``(batches, batch, features)``
    first, second : ``(batches, new batch)`` row numbers
    share : ``(batches, new batch)`` in [0, 1]
    result : ``(batches, new batch, features)``, written

    Returns whether every row number is one of the batch; if not, the result is incomplete.
    """
    size = values.shape[1]
    for i in range(first.shape[0]):
        for row in range(first.shape[1]):
            a, b, way = first[i, row], second[i, row], share[i, row]
            if not (0 <= a < size and 0 <= b < size):
                return False
            if way < np.float32(0.5):
                for j in range(values.shape[2]):
                    result[i, row, j] = values[i, a, j] + way * (values[i, b, j] - values[i, a, j])
            else:
                way -= np.float32(1.0)
                for j in range(values.shape[2]):
                    result[i, row, j] = values[i, b, j] + way * (values[i, b, j] - values[i, a, j])
    return True


@compiled("boolean(float32[:,::1], int64[:,::1], float32[:,::1], float32[:,::1], float32, boolean, float32[:,:,::1])")
def scaled(table: Any, numbers: Any, center: Any, scale: Any, clip: Any, has_missing: Any, result: Any) -> bool:
    """Standardise rows of a table: ``(x - center) * scale``, clipped to ±``clip``; missing values become 0.

    Parameters
    ----------
    table : ``(rows, features)``
    numbers : ``(nets, batch)`` row numbers of the table
    center, scale : ``(nets, features)``
    result : ``(nets, batch, features)``, written

    Returns whether every number is one of a row; if not, the result is incomplete.
    """
    for i in range(numbers.shape[0]):
        for row in range(numbers.shape[1]):
            k = numbers[i, row]
            if not 0 <= k < table.shape[0]:
                return False
            for j in range(table.shape[1]):
                value = (table[k, j] - center[i, j]) * scale[i, j]
                if has_missing and value != value:
                    value = np.float32(0.0)
                value = clip if value > clip else value
                result[i, row, j] = -clip if value < -clip else value
    return True


@compiled("boolean(uint8[:,:,::1], int64[:,::1], float32[:,::1], float32[:,::1], float32, float32[:,:,:,::1])")
def scaled_pixels(table: Any, numbers: Any, center: Any, scale: Any, clip: Any, result: Any) -> bool:
    """As `scaled`, for images of bytes: none of their values are missing.

    Parameters
    ----------
    table : ``(rows, channels, pixels)``
    numbers : ``(nets, batch)`` row numbers of the table
    center, scale : ``(nets, channels)``
    result : ``(nets, batch, channels, pixels)``, written
    """
    for i in range(numbers.shape[0]):
        for row in range(numbers.shape[1]):
            k = numbers[i, row]
            if not 0 <= k < table.shape[0]:
                return False
            for c in range(table.shape[1]):
                middle, factor = center[i, c], scale[i, c]
                for j in range(table.shape[2]):
                    value = (np.float32(table[k, c, j]) - middle) * factor
                    value = clip if value > clip else value
                    result[i, row, c, j] = -clip if value < -clip else value
    return True


@compiled("void(float32[:,:,::1], float32[:,::1], float32[:,::1], int64[:,::1])")
def balanced(y: Any, class_luck: Any, row_luck: Any, rows: Any) -> None:
    """Draw rows so that classes take turns: see `imbench.contract.noise.Noise.balanced`.

    Parameters
    ----------
    y : ``(batches, batch, classes)`` labels
    class_luck : ``(batches, classes)`` in [0, 1); the class with the smallest number has the first turn
    row_luck : ``(batches, batch)`` in [0, 1); which row of its class a turn takes
    rows : ``(batches, batch)``, written
    """
    batches, size, classes = y.shape
    labels, by_class = np.empty(size, np.int64), np.empty(size, np.int64)
    first, turn = np.empty(classes + 1, np.int64), np.empty(classes, np.int64)
    for i in range(batches):
        first[:] = 0
        for row in range(size):
            label = 0
            for c in range(1, classes):
                if y[i, row, c] > y[i, row, label]:
                    label = c
            labels[row] = label
            first[label + 1] += 1
        present = 0
        for c in range(classes):
            if first[c + 1] > 0:  # insert it among the classes present before it
                place = present
                while place > 0 and class_luck[i, turn[place - 1]] > class_luck[i, c]:
                    turn[place] = turn[place - 1]
                    place -= 1
                turn[place] = c
                present += 1
        for c in range(classes):
            first[c + 1] += first[c]
        for row in range(size):
            by_class[first[labels[row]]] = row
            first[labels[row]] += 1
        for c in range(classes, 0, -1):
            first[c] = first[c - 1]
        first[0] = 0
        for slot in range(size):
            c = turn[slot % present]
            available = first[c + 1] - first[c]
            nth = max(min(np.int64(row_luck[i, slot] * np.float32(available)), available - 1), 0)
            rows[i, slot] = by_class[first[c] + nth]


@intrinsic
def _squares(typingctx, values, first, second, vectors):  # type: ignore[no-untyped-def]
    """The sum of squared differences of ``vectors`` * `LANES` floats from two places, in double precision."""
    sig = types.float64(values, types.intp, types.intp, types.intp)

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:
        values_, first_, second_, vectors_ = args
        wide = ir.VectorType(ir.DoubleType(), LANES)
        starts = [address(context, builder, signature.args[0], values_, at) for at in (first_, second_)]
        total = cgutils.alloca_once_value(builder, ir.Constant(wide, [0.0] * LANES))
        with counted(builder, vectors_) as v:
            a, b = (
                builder.fpext(Lanes.load(builder, builder.gep(start, [builder.mul(v, INDEX(LANES))])).value, wide)
                for start in starts
            )
            difference = builder.fsub(a, b)
            builder.store(builder.fadd(builder.load(total), builder.fmul(difference, difference)), total)
        result, lanes = ir.Constant(ir.DoubleType(), 0.0), builder.load(total)
        for lane in range(LANES):
            result = builder.fadd(result, builder.extract_element(lanes, ir.IntType(32)(lane)))
        return result

    return sig, codegen


@compiled("boolean(float32[:,:,::1], int64[::1], int64[:,:,::1])")
def nearest(x: Any, sizes: Any, found: Any) -> bool:
    """The nearest members of each member of a group: see `imbench.strategies.nearest.nearest`.

    Parameters
    ----------
    x : ``(groups, members, features)``
    sizes : ``(groups,)``, members of each group
    found : ``(groups, members, k)``, written; 0 beyond the members there are

    Returns whether all distances are finite; if not, the result is incomplete.
    """
    groups, members, features = x.shape
    distance, values = np.empty((members, members), np.float64), x.reshape(-1)
    whole = features - features % LANES
    for g in range(groups):
        count = min(sizes[g], members)
        for i in range(count):
            distance[i, i] = np.inf
            for j in range(i + 1, count):
                first, second = (g * members + i) * features, (g * members + j) * features
                total = _squares(values, first, second, whole // LANES)
                for f in range(whole, features):
                    difference = np.float64(values[first + f]) - np.float64(values[second + f])
                    total += difference * difference
                if not np.isfinite(total):
                    return False
                distance[i, j] = distance[j, i] = total
        for i in range(members):
            for nth in range(found.shape[2]):
                best = 0
                if i < count:
                    for j in range(1, count):
                        if distance[i, j] < distance[i, best]:
                            best = j
                    distance[i, best] = np.inf
                found[g, i, nth] = best
    return True
