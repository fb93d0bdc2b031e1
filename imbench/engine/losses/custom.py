"""Custom losses in the fused kernel: traced, compiled, and used if they pass a numerical test against PyTorch."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from imbench.contract.batch import flaw_of
from imbench.contract.strategy import BatchStrategy, TrainingInfo
from imbench.engine.losses.code import compile_loss
from imbench.engine.losses.program import Program
from imbench.engine.losses.trace import trace
from imbench.kernels.dense_tiles import PANEL

# Largest allowed error of a compiled gradient, relative to the largest gradient: twice the float32 rounding error of
# the steepest losses. The test detects wrong code, not rounding.
TOLERANCE = 0.02
# Batch sizes of the two traces. A loss that is computed row by row gives equal programs for both.
_ROWS, _OTHER_ROWS = 7, 5


@dataclass(frozen=True, eq=False)
class CompiledLoss:
    """A compiled loss, as the kernel calls it.

    Parameters
    ----------
    address : address of the machine code
    constants : ``(nets, columns)`` float32, the constants of each net
    counts : ``(nets, classes)`` class counts that the constants were computed from
    epoch : the only epoch in which the loss is valid; None if it is valid in all epochs
    """

    address: int
    constants: np.ndarray
    counts: Tensor
    epoch: int | None

    def is_valid_for(self, info: TrainingInfo) -> bool:
        """Whether epoch and class counts are still those that the loss was compiled for."""
        return self.epoch in (None, info.epoch) and torch.equal(self.counts, info.class_counts)


class OwnLoss:
    """The custom loss of a strategy, compiled when it is first needed.

    A loss that reads ``info.epoch`` is traced again in each epoch; it is compiled again only if its operations change,
    not if only its constants do.
    """

    def __init__(self, strategy: BatchStrategy) -> None:
        self._strategy = strategy
        self._current: CompiledLoss | None = None
        self._untraceable = False

    def now(self, info: TrainingInfo) -> CompiledLoss | None:
        """The compiled loss; None if PyTorch must compute it. ``info.class_counts`` must be ``(nets, classes)``."""
        if self._untraceable:
            return None
        if self._current is None or not self._current.is_valid_for(info):
            self._current = _compiled(self._strategy, info)
            self._untraceable = self._current is None
        return self._current

    def keep(self, nets: np.ndarray) -> None:
        """Keep only the nets at these positions."""
        if self._current is not None:
            chosen = np.ascontiguousarray(self._current.constants[nets])
            self._current = replace(self._current, constants=chosen, counts=self._current.counts[nets])


class _EpochWatcher(TrainingInfo):
    """A `TrainingInfo` that records whether its epoch was read."""

    epoch_read = False

    def __getattribute__(self, name: str) -> Any:
        if name == "epoch":
            object.__setattr__(self, "epoch_read", True)
        return object.__getattribute__(self, name)


def _compiled(strategy: BatchStrategy, info: TrainingInfo) -> CompiledLoss | None:
    watched = _EpochWatcher(**{f.name: getattr(info, f.name) for f in fields(info)})

    def loss(logits: Tensor, y: Tensor) -> Tensor:
        losses = strategy.loss(logits, y, watched)
        if flaw := flaw_of(losses, logits.device):  # PyTorch would compute with memory that is not theirs
            raise ValueError(f"losses {flaw}")
        return losses

    shape = tuple(info.class_counts.shape)
    logits, y = _sample_inputs(shape, _OTHER_ROWS, seed=1)
    try:
        program, constants = trace(loss, *_sample_inputs(shape, _ROWS, seed=0))
        again, same = trace(loss, logits, y)
        losses, gradient = loss(logits, y), _gradient(loss, logits, y)
    except (Exception, SystemExit):  # an error of the strategy is raised again when PyTorch computes the loss
        return None
    # Values that bypassed the recorder, for example through NumPy, or that depend on the batch size, change constants.
    if program != again or not np.array_equal(constants, same):
        return None
    address = compile_loss(program)
    if not _agrees(program, address, constants, losses, gradient, logits, y):
        return None
    return CompiledLoss(address, constants, info.class_counts, info.epoch if watched.epoch_read else None)


def _sample_inputs(shape: tuple[int, ...], rows: int, seed: int) -> tuple[Tensor, Tensor]:
    """Random logits and labels ``(nets, rows, classes)``; every second label is hard, the others are soft."""
    rng = np.random.default_rng(seed)
    nets, classes = shape
    logits = rng.normal(0.0, 2.0, (nets, rows, classes))
    y = rng.dirichlet(np.ones(classes), (nets, rows))
    y[:, ::2] = np.eye(classes)[rng.integers(classes, size=y[:, ::2].shape[:-1])]
    return torch.as_tensor(logits, dtype=torch.float32), torch.as_tensor(y, dtype=torch.float32)


def _gradient(loss: Any, logits: Tensor, y: Tensor) -> Tensor:
    with torch.enable_grad():
        leaf = logits.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(loss(leaf, y).sum(), leaf)
    return gradient


_POINTER = ctypes.POINTER(ctypes.c_float)
_FUNCTION = ctypes.CFUNCTYPE(ctypes.c_float, _POINTER, _POINTER, _POINTER, _POINTER, ctypes.c_int64, ctypes.c_float)


def _agrees(
    program: Program, address: int, constants: np.ndarray, losses: Tensor, gradient: Tensor, logits: Tensor, y: Tensor
) -> bool:
    """Whether the compiled code gives PyTorch's losses and gradients for each net, within `TOLERANCE`."""
    function = _FUNCTION(address)
    rows = logits.shape[1]
    allowed = TOLERANCE * max(1.0, float(gradient.abs().max()), float(losses.detach().abs().max()))
    for net in range(len(logits)):
        z, labels, delta = np.zeros((3, program.classes + 1, PANEL), np.float32)
        z[:-1, :rows], labels[:-1, :rows], labels[-1, :rows] = logits[net].T, y[net].T, 1.0
        total = function(*(a.ctypes.data_as(_POINTER) for a in (z, labels, delta, constants[net])), rows, 1.0)
        off = np.abs(delta[:-1, :rows].T - gradient[net].numpy()).max()
        if not (off <= allowed and abs(total - float(losses[net].sum())) <= allowed * rows):
            return False
    return True
