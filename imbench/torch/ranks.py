"""Which process of a distributed training this is."""

from __future__ import annotations

import os

import torch.distributed

from imbench.contract.errors import UsageError


def this_rank() -> int:
    """The rank of this process: that of `torch.distributed`, else the environment's ``RANK``, else 0."""
    return _from("get_rank", "RANK", 0)


def number_of_ranks() -> int:
    """The number of processes: that of `torch.distributed`, else the environment's ``WORLD_SIZE``, else 1."""
    return _from("get_world_size", "WORLD_SIZE", 1)


def whole(owner: str, name: str, value: object, least: int, advice: str) -> int:
    """The value, if it is a whole number from ``least`` up; raises `UsageError`, naming the ``owner``, if not."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise UsageError(f"{owner}.{name} must be a whole number from {least} up, got {value!r}; {advice}")
    return value


def _from(function: str, variable: str, alone: int) -> int:
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        found: int = getattr(torch.distributed, function)()
        return found
    written = os.environ.get(variable, "")
    return int(written) if written.isdecimal() else alone
