"""The parts of the engine that need Numba, imported only where they are wanted; None where Numba is not installed."""

from __future__ import annotations

import functools
import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imbench.engine.fused import FusedNets
    from imbench.engine.pooled import Pooled


@functools.cache
def fused_nets() -> type[FusedNets] | None:
    """The fused engine, which compiles on its first import on a machine; without Numba None, after one warning."""
    try:
        from imbench.engine.fused import FusedNets
    except ImportError as error:
        warnings.warn(
            f"the fused engine needs Numba ({error}); nets train several times slower in torch: pip install numba",
            stacklevel=2,
        )
        return None
    return FusedNets


@functools.cache
def pooled_backprop() -> type[Pooled] | None:
    """`Pooled`, which compiles on its first import on a machine; without Numba None, after one warning."""
    try:
        from imbench.engine.pooled import Pooled
    except ImportError as error:
        warnings.warn(
            f"nets for images train several times faster with Numba ({error}): pip install numba", stacklevel=2
        )
        return None
    return Pooled
