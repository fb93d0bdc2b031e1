"""A strategy's own loss in the fused kernel: traced and compiled where that can be, which a test on numbers decides."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from imbench.contract.strategy import BatchStrategy, TrainingInfo
from imbench.engine.losses.code import compile_loss
from imbench.engine.losses.program import Program
from imbench.engine.losses.trace import trace
from imbench.kernels.dense_tiles import PANEL

# How far a compiled gradient may be off, as a share of the largest one: twice what float32 leaves of the steepest
# losses. It is there to find code that is wrong, not code that rounds.
TOLERANCE = 0.02
# Rows that a loss is traced on, and then again: a loss that is one row's business does not notice.
_ROWS, _OTHER_ROWS = 7, 5


@dataclass(frozen=True, eq=False)
class CompiledLoss:
    """What the kernel calls.

    Parameters
    ----------
    address : of its code
    constants : ``(nets, columns)`` float32
    counts : ``(nets, classes)`` training rows that the constants are made of
    epoch : the only one that it holds in; None if it holds in all
    """

    address: int
    constants: np.ndarray
    counts: Tensor
    epoch: int | None

    def holds_for(self, info: TrainingInfo) -> bool:
        """Whether nothing has changed that it depends on."""
        return self.epoch in (None, info.epoch) and torch.equal(self.counts, info.class_counts)


class OwnLoss:
    """The losses of a strategy in the epochs of some nets, compiled as they are asked for.

    A loss that asks for the epoch is traced anew in each; its code is compiled anew only where more than its numbers
    has changed.
    """

    def __init__(self, strategy: BatchStrategy) -> None:
        self._strategy = strategy
        self._current: CompiledLoss | None = None
        self._given_up = False

    def now(self, info: TrainingInfo) -> CompiledLoss | None:
        """The compiled loss, ``info.class_counts`` being ``(nets, classes)``; None if PyTorch must compute it."""
        if self._given_up:
            return None
        if self._current is None or not self._current.holds_for(info):
            self._current = _compiled(self._strategy, info)
            self._given_up = self._current is None
        return self._current

    def keep(self, nets: np.ndarray) -> None:
        """Go on with these nets only (their positions)."""
        if self._current is not None:
            chosen = np.ascontiguousarray(self._current.constants[nets])
            self._current = replace(self._current, constants=chosen, counts=self._current.counts[nets])


class _Watched(TrainingInfo):
    """What is known before training, with a note of whether the epoch has been asked for."""

    asked = False

    def __getattribute__(self, name: str) -> Any:
        if name == "epoch":
            object.__setattr__(self, "asked", True)
        return object.__getattribute__(self, name)


def _compiled(strategy: BatchStrategy, info: TrainingInfo) -> CompiledLoss | None:
    watched = _Watched(**{f.name: getattr(info, f.name) for f in fields(info)})

    def loss(logits: Tensor, y: Tensor) -> Tensor:
        return strategy.loss(logits, y, watched)

    shape = tuple(info.class_counts.shape)
    logits, y = _made(shape, _OTHER_ROWS, seed=1)
    try:
        program, constants = trace(loss, *_made(shape, _ROWS, seed=0))
        again, same = trace(loss, logits, y)
        losses, gradient = loss(logits, y), _gradient(loss, logits, y)
    except Exception:  # if it is one of the strategy's, the real batches will raise it again, or do without it
        return None
    # Numbers that came round the recorder, by way of NumPy perhaps, or that count rows, show in the constants.
    if program != again or not np.array_equal(constants, same):
        return None
    address = compile_loss(program)
    if not _agrees(program, address, constants, losses, gradient, logits, y):
        return None
    return CompiledLoss(address, constants, info.class_counts, info.epoch if watched.asked else None)


def _made(shape: tuple[int, ...], rows: int, seed: int) -> tuple[Tensor, Tensor]:
    """Logits and labels ``(nets, rows, classes)``, hard ones and soft ones."""
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
    """Whether the code finds the losses and gradients that PyTorch does, net by net."""
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
