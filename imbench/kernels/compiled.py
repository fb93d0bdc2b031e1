"""How functions are compiled for the CPU."""

# Numba's functions have no types that mypy could follow.
# mypy: disable-error-code="no-untyped-call, call-overload"

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from pathlib import Path
from types import CellType, FunctionType
from typing import Any

import numba


def compiled(signature: Any, *, fused: bool = False) -> Callable[[Callable[..., Any]], Any]:
    """Compile at import, kept on disk for the next process where a place for it can be written.

    ``fused`` lets a product and the sum it goes into be rounded once, where the processor can. Nothing else is
    relaxed: a compiler that may reorder sums also cancels what was added to round a number, on some processors and not
    on others (docs/decisions/0001).

    Numba's cache by itself notices changes only in the file of the compiled function. Here the sources of the whole
    room are part of its key, so a compiled function may call what another file of the room defines.
    """

    def decorate(function: Callable[..., Any]) -> Any:
        options = {"error_model": "numpy", "fastmath": {"contract"} if fused else False}
        try:
            return numba.njit(signature, cache=True, **options)(_keyed(function))
        except RuntimeError:  # no folder for the cache: neither the package's nor the user's is writable
            return numba.njit(signature, **options)(function)

    return decorate


def compiled_code_folder() -> Path | None:
    """Where `compiled` keeps code for the next process; None if no folder for it is writable."""
    try:
        return Path(str(numba.njit(cache=True)(_keyed(_nothing)).stats.cache_path))
    except RuntimeError:
        return None


def _nothing() -> None:
    """Never compiled."""


def _keyed(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same function, which seems to close over a hash of the room's sources: Numba's key has such values."""
    assert isinstance(function, FunctionType)
    code = function.__code__.replace(co_freevars=("sources",))
    keyed = FunctionType(code, function.__globals__, function.__name__, function.__defaults__, (CellType(_sources()),))
    return functools.update_wrapper(keyed, function)


@functools.cache
def _sources() -> str:
    """A hash of every file of `imbench.kernels`."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
