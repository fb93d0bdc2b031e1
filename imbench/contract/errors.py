"""Errors that a user can fix. Each message names the cause, the value and the fix."""

from __future__ import annotations


class UsageError(ValueError):
    """A request is invalid; raised before any work is done (exit code 2)."""


class DataError(UsageError):
    """A dataset is unavailable, or differs from its card."""


class StoreError(UsageError):
    """A result store cannot be read or written."""


def exit_error(error: SystemExit) -> RuntimeError:
    """The error of code that called ``sys.exit``, where other jobs continue."""
    return RuntimeError(f"SystemExit: {error}")
