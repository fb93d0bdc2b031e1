"""What this process may use of the machine: its cores, and the processor."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")


def available_cores() -> int:
    """Cores that this process may use: its affinity, and the quotas of its containers rounded down, at least 1."""
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    quotas = [share for folder in _cgroups() if (share := _cores_of(folder)) is not None]
    return max(1, int(min([cores, *quotas])))


@lru_cache
def cpu_model() -> str:
    """The processor's name."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _cgroups() -> Iterator[Path]:
    """The folders that limit this process: its control groups and those around them, of version 2 and of version 1."""
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        lines = []
    # number:controllers:path; version 2 names no controllers. A container sees its own group as the root.
    for _, controllers, path in (line.split(":", 2) for line in lines if line.count(":") >= 2):
        top = CGROUPS / controllers if controllers else CGROUPS
        folder = top / path.strip("/")
        yield from (one for one in (folder, *folder.parents) if one.is_relative_to(top) and one != top)
        yield top
    yield CGROUPS


def _cores_of(folder: Path) -> float | None:
    quota, _, period = (_text(folder / "cpu.max") or "max").partition(" ")
    if quota == "max":
        quota, period = (_text(folder / f"cpu.cfs_{name}_us") or "" for name in ("quota", "period"))
    # Version 1 writes -1 for no quota.
    return int(quota) / int(period) if quota.isdecimal() and period.isdecimal() and int(period) else None


def _text(file: Path) -> str | None:
    try:
        return file.read_text().strip()
    except (OSError, UnicodeDecodeError):
        return None
