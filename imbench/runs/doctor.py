"""What could make runs fail here or numbers differ from another machine's, and how to mend it."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from imbench.contract.entry_points import CORE_PACKAGE, GROUPS
from imbench.contract.errors import UsageError
from imbench.contract.names import counted
from imbench.contract.quantities import memory_size
from imbench.data.cache import ENVIRONMENT as CACHE
from imbench.data.cache import cache_folder
from imbench.data.shared import shared_arrays
from imbench.data.sources.mirror import ENVIRONMENT as MIRROR
from imbench.data.sources.mirror import open_mirror
from imbench.runs.machine import available_cores, available_memory, check_device, cpu_model
from imbench.runs.registry import Registry
from imbench.runs.requirements import needed, version_of
from imbench.runs.worker import THREAD_VARIABLES
from imbench.store.files import marked
from imbench.store.store import Store

# What a check finds: all well; a difference in numbers or speed; something that makes runs fail.
OK, NOTE, FAILED = "ok", "note", "FAILED"

# Bytes that a worker with PyTorch, the compiled kernels and a small table takes, about.
WORKER_MEMORY = 2**29
LEAST_SPACE = 2**30
# The process of a run opens libraries, data and the store, and two pipes to each worker.
FILES, FILES_PER_WORKER = 64, 4

SHOWN_PACKAGES = ("torch", "numpy", "scipy", "scikit-learn", "numba", "pandas", "pyarrow")
# Environment variables that select other code in a library than the processor would.
CODE_VARIABLES = (
    "OPENBLAS_CORETYPE",
    "MKL_CBWR",
    "MKL_ENABLE_INSTRUCTIONS",
    "ATEN_CPU_CAPABILITY",
    "ONEDNN_MAX_CPU_ISA",
    "NUMBA_CPU_NAME",
    "NUMBA_CPU_FEATURES",
    "NPY_DISABLE_CPU_FEATURES",
)


@dataclass(frozen=True)
class Setup:
    """What a run would use: the options of `imbench run` of the same names, and the registry with its plugins."""

    store: Path = Path("imbench-store")
    data_mirror: str | None = None
    device: str = "cpu"
    registry: Registry = field(default_factory=Registry)


@dataclass(frozen=True)
class Finding:
    """The result of one check.

    Parameters
    ----------
    state : `OK`, `NOTE` or `FAILED`
    found : what was found
    fix : how to mend it; "" if all is well
    """

    state: str
    found: str
    fix: str = ""


def examine(setup: Setup, names: Iterable[str] = ()) -> dict[str, Finding]:
    """The findings of these checks of `CHECKS` by name; default: of all."""
    return {name: _finding(CHECKS[name], setup) for name in names or CHECKS}


def _finding(check: Callable[[Setup], Finding], setup: Setup) -> Finding:
    try:
        return check(setup)
    except UsageError as error:  # as the run itself would report it, with the fix
        return Finding(FAILED, str(error))
    except Exception as error:  # a broken installation may fail in any way
        return Finding(FAILED, f"{type(error).__name__}: {error}", "reinstall imbench and its dependencies")


def _python(_: Setup) -> Finding:
    from packaging.specifiers import SpecifierSet

    version = platform.python_version()
    wanted = importlib.metadata.metadata(CORE_PACKAGE)["Requires-Python"]
    found = f"Python {version} on {platform.system()} {platform.machine()}, imbench {version_of(CORE_PACKAGE)}"
    if not SpecifierSet(wanted).contains(version, prereleases=True):
        return Finding(FAILED, found, f"install imbench in an environment of Python {wanted}")
    return Finding(OK, found)


def _packages(_: Setup) -> Finding:
    unmet = {one.name: (one.version or "none", one.unmet) for one in needed() if one.unmet}
    if not unmet:
        return Finding(OK, ", ".join(f"{name} {version_of(name)}" for name in SHOWN_PACKAGES))
    found = [
        f"{name} {version} ({by} needs {name}{wanted})"
        for name, (version, dependents) in unmet.items()
        for by, wanted in dependents.items()
    ]
    wanted = [f'"{name}{",".join(filter(None, by.values()))}"' for name, (_, by) in unmet.items()]
    return Finding(FAILED, "; ".join(found), f"pip install {' '.join(wanted)}")


def _numba(_: Setup) -> Finding:
    try:
        import numba
    except ImportError as error:
        return Finding(
            NOTE,
            f"Numba cannot be imported ({error}): nets train several times slower, and scores differ slightly",
            "pip install --force-reinstall numba",
        )
    if vars(numba.config)["DISABLE_JIT"]:
        return Finding(FAILED, "NUMBA_DISABLE_JIT is set, so nothing is compiled", "unset NUMBA_DISABLE_JIT")
    from imbench.kernels.compiled import compiled_code_folder

    folder = compiled_code_folder()
    if folder is None:
        fix = "set NUMBA_CACHE_DIR to a writable folder"
        return Finding(NOTE, "no folder for compiled code is writable: every process compiles anew", fix)
    return Finding(OK, f"compiled code in {folder}")


def _blas(_: Setup) -> Finding:
    import numpy as np
    import scipy.linalg  # noqa: F401  # loads the BLAS that it brings
    import torch
    from threadpoolctl import threadpool_info

    np.ones((2, 2)) @ np.ones((2, 2))
    libraries = [
        f"{pool['internal_api']} {pool['version']} ({pool.get('architecture', 'unknown kernel')})"
        for pool in threadpool_info()
        if pool["user_api"] == "blas"
    ]
    found = (
        f"{', '.join(dict.fromkeys(libraries)) or 'unknown'}; PyTorch with {torch.backends.cpu.get_cpu_capability()}"
    )
    chosen = [f"{name}={os.environ[name]}" for name in CODE_VARIABLES if name in os.environ]
    if chosen:
        fix = f"unset {' '.join(entry.partition('=')[0] for entry in chosen)}, unless another machine is to be imitated"
        return Finding(NOTE, f"{found}; {', '.join(chosen)} can change the last digits of scores", fix)
    return Finding(OK, found)


def _threads(_: Setup) -> Finding:
    import torch

    given = {name: os.environ[name] for name in THREAD_VARIABLES if name in os.environ}
    wrong = [name for name, value in given.items() if not (value.isdecimal() and int(value))]
    if wrong:
        listed = ", ".join(f"{name}={given[name]}" for name in wrong)
        return Finding(FAILED, f"not a number of threads: {listed}", f"unset {' '.join(wrong)}")
    listed = ", ".join(f"{name}={value}" for name, value in given.items()) or "no variable set"
    return Finding(OK, f"1 in each worker; {torch.get_num_threads()} in this process for PyTorch ({listed})")


def _cores(_: Setup) -> Finding:
    usable, of = available_cores(), os.cpu_count() or 1
    limited = "" if usable == of else f" of {of}, by affinity or a container's limit"
    return Finding(OK, f"{usable}{limited}: {cpu_model() or 'unknown processor'}")


def _memory(_: Setup) -> Finding:
    free, cores = available_memory(), available_cores()
    if free is None:
        return Finding(OK, "unknown")
    found = f"{memory_size(free)} available, {memory_size(free // cores)} for each of {counted(cores, 'worker')}"
    if free < WORKER_MEMORY:
        return Finding(FAILED, found, f"free memory: a worker needs about {memory_size(WORKER_MEMORY)}")
    if free < WORKER_MEMORY * cores:
        return Finding(NOTE, found, f"start fewer workers: --jobs {free // WORKER_MEMORY}")
    return Finding(OK, found)


def _open_files(_: Setup) -> Finding:
    try:
        import resource
    except ImportError:  # not on Windows
        return Finding(OK, "no limit")
    limit, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES + FILES_PER_WORKER * available_cores()
    if limit != resource.RLIM_INFINITY and limit < wanted:
        raisable = hard == resource.RLIM_INFINITY or hard >= wanted
        fix = f"ulimit -n {wanted}" if raisable else "ask an administrator for more, or start fewer workers: --jobs 1"
        return Finding(FAILED, f"{limit} open files at most; a run needs {wanted}", fix)
    return Finding(OK, "no limit" if limit == resource.RLIM_INFINITY else f"{limit} at most")


def _device(setup: Setup) -> Finding:
    import torch

    check_device(setup.device)
    present = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    listed = ", ".join(f"cuda:{i} {name}" for i, name in enumerate(present)) or "no CUDA device"
    if torch.backends.mps.is_available():
        listed += ", Apple MPS, which imbench does not use"
    unused = "; --device cuda uses it" if present and setup.device == "cpu" else ""
    return Finding(OK, f"{setup.device} is used; {listed}{unused}")


def _cache(_: Setup) -> Finding:
    return _room(cache_folder(), f"set {CACHE} to a writable folder with space")


def _temporary(_: Setup) -> Finding:
    with shared_arrays() as arrays:
        return _room(arrays.folder.parent, "set TMPDIR to a writable folder with space")


def _store(setup: Setup) -> Finding:
    if setup.store.exists():
        Store.open(setup.store)
    return _room(setup.store, "choose another folder: --store DIR")


def _mirror(setup: Setup) -> Finding:
    mirror = open_mirror(setup.data_mirror)
    if mirror is None:
        return Finding(OK, f"none: {MIRROR} is not set")
    faults = mirror.faults()
    if faults:
        return Finding(
            FAILED, f"{mirror.place}: {'; '.join(faults)}", "copy these files again, or correct MANIFEST.toml"
        )
    return Finding(OK, f"{mirror.place}: {counted(len(mirror.entries), 'dataset')}")


def _plugins(setup: Setup) -> Finding:
    entries = [entry for kind in GROUPS for entry in setup.registry.entries(kind)]
    broken = [reason for entry in entries if (reason := setup.registry.state(entry))]
    if broken:
        return Finding(FAILED, "; ".join(broken))
    packages = sorted({f"{e.package} {e.version}".strip() for e in entries if e.package != CORE_PACKAGE})
    hidden = "; IMBENCH_DISABLE_PLUGINS hides those of other packages" if _hides_plugins() else ""
    return Finding(OK, f"{counted(len(entries), 'name')} load; {', '.join(packages) or 'no other packages'}{hidden}")


def _hides_plugins() -> bool:
    return os.environ.get("IMBENCH_DISABLE_PLUGINS", "0") not in ("", "0")


def _room(folder: Path, fix: str) -> Finding:
    """Whether files can be made in a folder, or in the one that it would be made in, and how much space is left."""
    existing = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
    try:
        with marked(existing):
            pass
    except UsageError as error:
        return Finding(FAILED, str(error), fix)
    free = shutil.disk_usage(existing).free
    found = f"{folder}: {memory_size(free)} free"
    return Finding(OK, found) if free >= LEAST_SPACE else Finding(NOTE, found, fix)


# In the order in which they are printed. A new check is one function and one entry.
CHECKS: Mapping[str, Callable[[Setup], Finding]] = {
    "Python": _python,
    "packages": _packages,
    "Numba": _numba,
    "BLAS": _blas,
    "threads": _threads,
    "cores": _cores,
    "memory": _memory,
    "open files": _open_files,
    "device": _device,
    "cache": _cache,
    "temporary files": _temporary,
    "store": _store,
    "mirror": _mirror,
    "plugins": _plugins,
}
