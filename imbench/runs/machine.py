"""What this process may use of the machine: cores, memory, devices and the processor."""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from imbench.contract.errors import UsageError
from imbench.contract.names import counted

CGROUPS = Path("/sys/fs/cgroup")
CACHES = Path("/sys/devices/system/cpu/cpu0/cache")
# Vector instructions that change how fast, and with what rounding, numbers are computed; as LLVM names them.
VECTOR_FEATURES = ("fma", "avx", "avx2", "avx512f", "avx512bf16", "amx-bf16", "neon", "sve", "sve2")
# A limit above this is none: cgroups of version 1 write the largest number there is.
_NO_LIMIT = 2**60


def available_cores() -> int:
    """Cores that this process may use: its affinity, and the quotas of its containers rounded down, at least 1."""
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    quotas = [share for folder in _cgroups() if (share := _cores_of(folder)) is not None]
    return max(1, int(min([cores, *quotas])))


def available_memory() -> int | None:
    """Bytes that this process and its children may still allocate; None if the system does not say.

    The least of the machine's available memory, the limits of its containers less their use, and its own limit on
    address space.
    """
    found = [left for folder in _cgroups() if (left := _memory_of(folder)) is not None]
    found += [size for size in (_machine_memory(), _address_space()) if size is not None]
    return max(0, min(found)) if found else None


@lru_cache
def cpu_model() -> str:
    """The processor's name."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


@dataclass(frozen=True)
class CompilerTarget:
    """The processor that Numba compiles for.

    Parameters
    ----------
    cpu : its name in LLVM
    features : those of `VECTOR_FEATURES` that compiled code may use
    numba, llvm : versions
    """

    cpu: str
    features: tuple[str, ...]
    numba: str
    llvm: str


@lru_cache
def compiler_target() -> CompilerTarget:
    """What Numba compiles for in this process: this processor, unless NUMBA_CPU_NAME or NUMBA_CPU_FEATURES say else.

    Raises `ImportError` without Numba.
    """
    import llvmlite.binding
    import numba
    from numba.core.registry import cpu_target

    _, cpu, features = cpu_target.target_context.codegen().magic_tuple()
    enabled = {name.removeprefix("+") for name in features.split(",") if name.startswith("+")}
    return CompilerTarget(
        cpu or "a generic processor",
        tuple(name for name in VECTOR_FEATURES if name in enabled),
        numba.__version__,
        ".".join(map(str, llvmlite.binding.llvm_version_info)),
    )


def cache_sizes() -> dict[str, int]:
    """Bytes of each cache of data of the first core, such as ``{"L1": 49152, "L2": 2097152}``.

    Empty where the system does not say.
    """
    sizes = {}
    for folder in sorted(CACHES.glob("index*")):
        level, kind, size = (_text(folder / name) or "" for name in ("level", "type", "size"))
        if kind != "Instruction" and level and re.fullmatch(r"\d+K", size):
            sizes[f"L{level}"] = int(size.removesuffix("K")) * 1024
    return sizes


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


def _memory_of(folder: Path) -> int | None:
    for limit_file, use_file in (
        ("memory.max", "memory.current"),
        ("memory.limit_in_bytes", "memory.usage_in_bytes"),
    ):
        limit, use = _text(folder / limit_file) or "", _text(folder / use_file) or ""
        if limit.isdecimal() and int(limit) < _NO_LIMIT:
            return int(limit) - (int(use) if use.isdecimal() else 0)
    return None


def _machine_memory() -> int | None:
    for line in (_text(Path("/proc/meminfo")) or "").splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    try:
        # Systems other than Linux state what the machine has, not what is free.
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None


def _address_space() -> int | None:
    """The limit on this process's address space (``ulimit -v``), less what it uses."""
    try:
        import resource
    except ImportError:  # not on Windows
        return None
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    pages = (_text(Path("/proc/self/statm")) or "0").split()[0]
    return None if limit == resource.RLIM_INFINITY else limit - int(pages) * resource.getpagesize()


def _text(file: Path) -> str | None:
    try:
        return file.read_text().strip()
    except (OSError, UnicodeDecodeError):
        return None


def check_device(device: str) -> None:
    """Raise `UsageError` for a device that torch does not have."""
    if device == "cpu":
        return
    kind, colon, number = device.partition(":")
    if kind != "cuda" or (colon and not number.isdecimal()):
        raise UsageError(f"unknown device {device!r}; choose cpu, cuda or cuda:N")
    import torch

    found = torch.cuda.device_count()
    if int(number or 0) >= found:
        raise UsageError(f"device {device!r} does not exist, torch finds {counted(found, 'CUDA device')}; choose cpu")
