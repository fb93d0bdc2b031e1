"""A dense layer whose sums have one order, input after input, so that no row's result depends on other rows.

Libraries of linear algebra sum in an order that depends on the number of rows and threads. No product is fused with
its sum, so NumPy's plain operations give the same bits (`imbench.model.nets`).
"""

# Numba's functions have no types that mypy could follow.
# mypy: disable-error-code="no-untyped-call, untyped-decorator, import-untyped, call-arg"

from __future__ import annotations

from typing import Any

from imbench.kernels.compiled import compiled


@compiled("void(float64[:, ::1], float64[:, ::1], float64[::1], float64[:, ::1])")
def layer(x: Any, weight: Any, bias: Any, out: Any) -> None:
    """``out = x @ weight + bias``: x ``(rows, inputs)``, weight ``(inputs, outputs)``, out ``(rows, outputs)``."""
    for row in range(x.shape[0]):
        for unit in range(weight.shape[1]):
            out[row, unit] = bias[unit]
        for given in range(weight.shape[0]):
            value = x[row, given]
            for unit in range(weight.shape[1]):
                out[row, unit] += value * weight[given, unit]
