"""Giving freed memory back to the system."""

from __future__ import annotations

import ctypes
import sys
from contextlib import suppress


def give_back_memory() -> None:
    """Return memory that this process has freed to the system.

    The C library and Arrow keep it for their next allocation: for as long as the process lives, as much as it ever
    needed at once. C libraries without ``malloc_trim``, glibc's function for this, keep theirs.
    """
    if sys.platform == "linux":
        with suppress(AttributeError, OSError):
            ctypes.CDLL(None).malloc_trim(0)
    if (arrow := sys.modules.get("pyarrow")) is not None:
        arrow.default_memory_pool().release_unused()
