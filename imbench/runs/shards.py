"""Shards: fixed shares of a plan's jobs, for batch systems without a scheduler process."""

from __future__ import annotations

import hashlib
import heapq
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from imbench.contract.errors import UsageError

# Digits of a plan's id: enough to notice another plan, and short enough to read.
_DIGITS = 8


@dataclass(frozen=True)
class Shard:
    """One of several shares of a plan.

    Parameters
    ----------
    number : from 1 to ``of``
    of : number of shards
    plan : id of the plan that is shared out, as `plan_id` gives it; "" for whatever is planned

    Raises
    ------
    UsageError
        For a number out of range.
    """

    number: int
    of: int
    plan: str = ""

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.of:
            raise UsageError(
                f"shard {self.number}/{self.of} does not exist; the first is 1/{self.of or 4} and the last "
                f"{self.of or 4}/{self.of or 4}"
            )

    def __str__(self) -> str:
        return f"{self.number}/{self.of}" + (f"@{self.plan}" if self.plan else "")

    @classmethod
    def read(cls, text: str) -> Shard:
        """The shard of a text ``I/N`` or ``I/N@PLAN``; `UsageError` for any other text.

        >>> Shard.read("2/4")
        Shard(number=2, of=4, plan='')
        """
        found = re.fullmatch(r"(\d{1,6})/(\d{1,6})(?:@([0-9a-f]+))?", text.strip(), re.ASCII)
        if not found:
            raise UsageError(f"shard {text!r} is not I/N; write for example 1/4 for the first of four")
        return cls(int(found[1]), int(found[2]), found[3] or "")

    def keys(self, costs: Mapping[str, float]) -> frozenset[str]:
        """The keys of the jobs of this shard, of all jobs of a plan with their expected costs.

        Raises `UsageError` if these are not the jobs of the plan that the shard is of.
        """
        known = plan_id(costs)
        if self.plan and self.plan != known:
            raise UsageError(
                f"shard {self} is of another plan than {known}, which this command has here: the data, the strategies "
                "installed or the options differ; make them the same, or export the plan again"
            )
        return frozenset(shares(costs, self.of)[self.number - 1])


def plan_id(keys: Mapping[str, float] | Sequence[str]) -> str:
    """A short id of the jobs of a plan, the same in whatever order they are listed."""
    return hashlib.sha256("\n".join(sorted(keys)).encode()).hexdigest()[:_DIGITS]


def shares(costs: Mapping[str, float], count: int) -> list[list[str]]:
    """The keys of all jobs in ``count`` shares of about equal cost, the same whenever the jobs are the same.

    Each job, the costliest first, goes to the share with the lowest cost so far. The costliest share then costs at most
    4/3 of the optimum (Graham 1969, Bounds on multiprocessing timing anomalies).
    """
    found: list[list[str]] = [[] for _ in range(count)]
    loads = [(0.0, 0, i) for i in range(count)]
    for key in sorted(costs, key=lambda key: (-costs[key], key)):
        load, jobs, i = heapq.heappop(loads)
        found[i].append(key)
        heapq.heappush(loads, (load + costs[key], jobs + 1, i))
    return found
