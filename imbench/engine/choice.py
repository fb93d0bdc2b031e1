"""Choose the engine: the fused one where it supports strategy, data and device, else the general one."""

from __future__ import annotations

import sys
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

from imbench.contract.hidden import HiddenMixStrategy
from imbench.contract.modality import MODALITIES
from imbench.contract.strategy import BatchStrategy
from imbench.engine.compiled_engines import fused_nets, pooled_backprop
from imbench.engine.stacked import StackedNets

if TYPE_CHECKING:
    from imbench.engine.fused import FusedNets

Engine = type["StackedNets"] | type["FusedNets"]


def engine_for(strategy: BatchStrategy, device: torch.device, modality: str = "tabular") -> Engine:
    """The engine for a strategy: `FusedNets` for tabular data on a CPU, else `StackedNets`.

    A strategy with a custom forward pass needs `StackedNets` too, except a `HiddenMixStrategy`, whose mixing the fused
    engine supports. Without Numba, all strategies train in `StackedNets`.
    """
    custom_forward = strategy.overrides("forward") and not isinstance(strategy, HiddenMixStrategy)
    general = device.type != "cpu" or custom_forward or MODALITIES[modality].kernel != "dense"
    return StackedNets if general else fused_nets() or StackedNets


def is_unstacked(modality: str, device: torch.device | str) -> bool:
    """Whether nets of this modality train one at a time on this device, as image nets do on a CPU."""
    return torch.device(device).type == "cpu" and not MODALITIES[modality].stacked_on_cpu


def is_independent(strategy: BatchStrategy, device: torch.device | str = "cpu", modality: str = "tabular") -> bool:
    """Whether a net's result is equal to the bit whichever nets train with it, so that folds can be grouped freely.

    In a stack of the general engine, rounding can depend on the number of nets.
    """
    return is_unstacked(modality, device) or engine_for(strategy, torch.device(device), modality) is not StackedNets


@contextmanager
def one_thread() -> Iterator[None]:
    """Run torch on one thread inside the context: for small operations, a second thread costs more than it saves."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def compile_once(device: torch.device | str = "cpu", modalities: Collection[str] = ("tabular",)) -> float:
    """Compile the kernels for these modalities and this device, so that worker processes load them from disk.

    Returns the seconds that compilation took; 0 if the kernels were compiled before or none are needed.
    """
    start = time.perf_counter()
    if torch.device(device).type != "cpu":
        return 0.0
    kernels = {MODALITIES[modality].kernel for modality in modalities}
    compiled = [KERNELS[kernel]() for kernel in sorted(kernels) if kernel]
    return time.perf_counter() - start if any(compiled) else 0.0


def _compile_dense() -> bool:
    """Load the dense kernel; True if it was compiled now."""
    if "imbench.kernels.dense" in sys.modules or fused_nets() is None:
        return False
    from imbench.kernels.dense import advance
    from imbench.kernels.row_kernels import between

    return bool(advance.stats.cache_misses or between.stats.cache_misses)


def _compile_convolutional() -> bool:
    """Load the convolutional kernel; True if it was compiled now."""
    if "imbench.kernels.convolutional" in sys.modules or pooled_backprop() is None:
        return False
    from imbench.kernels.adam import update_values
    from imbench.kernels.affine import moved
    from imbench.kernels.convolutional import forward
    from imbench.kernels.row_kernels import between

    return any(function.stats.cache_misses for function in (update_values, moved, forward, between))


# For each kernel that `Modality.kernel` can name, the function that compiles it.
KERNELS = {"dense": _compile_dense, "convolutional": _compile_convolutional}
