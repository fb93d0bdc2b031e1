"""Which engine trains what: the fused one where it can, the general one elsewhere."""

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
    """The kind of nets to train: for tables on a CPU the fused ones, unless the strategy has a forward of its own.

    A forward pass that only mixes rows as the strategy states is one that the fused nets know.
    """
    own_forward = strategy.overrides("forward") and not isinstance(strategy, HiddenMixStrategy)
    general = device.type != "cpu" or own_forward or MODALITIES[modality].kernel != "dense"
    return StackedNets if general else fused_nets() or StackedNets


def stands_alone(modality: str, device: torch.device | str) -> bool:
    """Whether each net is a stack by itself, as nets for images are on a CPU."""
    return torch.device(device).type == "cpu" and not MODALITIES[modality].stacked_on_cpu


def is_independent(strategy: BatchStrategy, device: torch.device | str = "cpu", modality: str = "tabular") -> bool:
    """Whether a net gets the same bits whatever trains beside it, so that folds may be trained in any groups.

    In the general engine a product of more or fewer nets may round otherwise.
    """
    return stands_alone(modality, device) or engine_for(strategy, torch.device(device), modality) is not StackedNets


@contextmanager
def one_thread() -> Iterator[None]:
    """Torch on one thread meanwhile: many small operations wait for a second one longer than it helps."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def compile_once(device: torch.device | str = "cpu", modalities: Collection[str] = ("tabular",)) -> float:
    """Compile what training on data of these kinds needs on this device, so that worker processes find it on disk.

    Returns the seconds that took; 0 where it was there already, or there is nothing to compile.
    """
    start = time.perf_counter()
    if torch.device(device).type != "cpu":
        return 0.0
    kernels = {MODALITIES[modality].kernel for modality in modalities}
    compiled = [KERNELS[kernel]() for kernel in sorted(kernels) if kernel]
    return time.perf_counter() - start if any(compiled) else 0.0


def _compile_dense() -> bool:
    """Whether anything was compiled."""
    if "imbench.kernels.dense" in sys.modules or fused_nets() is None:
        return False
    from imbench.kernels.dense import train_steps
    from imbench.kernels.row_kernels import between

    return bool(train_steps.stats.cache_misses or between.stats.cache_misses)


def _compile_convolutional() -> bool:
    """Whether anything was compiled."""
    if "imbench.kernels.convolutional" in sys.modules or pooled_backprop() is None:
        return False
    from imbench.kernels.convolutional import forward
    from imbench.kernels.row_kernels import between

    return bool(forward.stats.cache_misses or between.stats.cache_misses)


# What the table of modalities names as ``kernel`` -> compiles it.
KERNELS = {"dense": _compile_dense, "convolutional": _compile_convolutional}
