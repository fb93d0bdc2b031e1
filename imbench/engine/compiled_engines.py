"""The engines that need Numba, imported on first use; None if Numba is not installed."""

from __future__ import annotations

import functools
import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType

    from imbench.engine.fused import FusedNets
    from imbench.engine.pooled import Pooled


@functools.cache
def fused_nets() -> type[FusedNets] | None:
    """`FusedNets`, which is compiled on its first import on a machine; None, after one warning, without Numba."""
    try:
        from imbench.engine.fused import FusedNets
    except ImportError as error:
        warnings.warn(
            f"Numba is not available ({error}); without it nets train several times slower: pip install numba",
            stacklevel=2,
        )
        return None
    return FusedNets


@functools.cache
def pooled_backprop() -> type[Pooled] | None:
    """`Pooled`, which is compiled on its first import on a machine; None, after one warning, without Numba."""
    try:
        from imbench.engine.pooled import Pooled
    except ImportError as error:
        warnings.warn(
            f"Numba is not available ({error}); without it image nets train several times slower: pip install numba",
            stacklevel=2,
        )
        return None
    return Pooled


@functools.cache
def adam_kernels() -> ModuleType | None:
    """The compiled passes of Adam; None, without a warning, without Numba: few steps gain much by them."""
    try:
        from imbench.kernels import adam
    except ImportError:
        return None
    return adam
