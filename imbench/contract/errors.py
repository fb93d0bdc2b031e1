"""The errors a user can cause, each naming the thing, the value and the fix."""

from __future__ import annotations


class UsageError(ValueError):
    """A request that cannot be carried out as written; found before any work (exit code 2)."""


class DataError(UsageError):
    """A dataset that is unavailable or is not what its card says."""


class StoreError(UsageError):
    """A result store that cannot be read or written."""
