"""How functions are compiled for the CPU."""

# Numba's functions have no types that mypy could follow.
# mypy: disable-error-code="no-untyped-call, call-overload"

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba


def compiled(signature: str, *, fused: bool = False) -> Callable[[Callable[..., Any]], Any]:
    """Compile at import, kept on disk for the next process where a place for it can be written.

    ``fused`` lets a product and the sum it goes into be rounded once, where the processor can. Nothing else is
    relaxed: a compiler that may reorder sums also cancels what was added to round a number, on some processors and not
    on others (docs/decisions/0001).

    Numba's cache notices changes only in the file of the compiled function: the functions that it calls must be in that
    file too.
    """

    def decorate(function: Callable[..., Any]) -> Any:
        options = {"error_model": "numpy", "fastmath": {"contract"} if fused else False}
        try:
            return numba.njit(signature, cache=True, **options)(function)
        except RuntimeError:  # no folder for the cache: neither the package's nor the user's is writable
            return numba.njit(signature, **options)(function)

    return decorate
