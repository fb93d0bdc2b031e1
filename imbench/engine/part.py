"""A part of a stack: nets that take their blocks of batches together, beside others that take theirs."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from imbench.contract.batch import Batch
from imbench.contract.noise import Noise, on_device
from imbench.contract.strategy import BatchStrategy, TrainingInfo
from imbench.engine.backprop import mean_loss


class Stack(Protocol):
    """What a part uses of the stack that its nets are in: see `imbench.engine.stacked.StackedNets`."""

    strategy: BatchStrategy
    device: torch.device | str
    step_losses: Tensor

    @property
    def parameters(self) -> list[Tensor]:
        """Views of the arrays, each ``(nets, *shape)``."""

    def logits(self, net: int, x: Tensor) -> Tensor:
        """``(rows, classes)`` logits of one net, without dropout."""

    def put(self, columns: np.ndarray, at: slice | Tensor, batch: Batch, rates: np.ndarray) -> None:
        """The next block of these nets."""

    def end(self, nets: np.ndarray) -> None:
        """These nets have ended."""


class Part:
    """Nets of a stack that take their blocks together.

    Attributes
    ----------
    columns : ``(nets,)`` positions in the stack of those that have not ended
    left : steps of the current block still to take
    error : what a loss of the strategy's own raised, after which the part learns nothing; None if nothing
    """

    def __init__(self, stack: Stack, columns: np.ndarray) -> None:
        self._stack = stack
        self.left = 0
        self.error: Exception | None = None
        self._at: slice | Tensor = slice(0)
        self.place(columns)

    def place(self, columns: np.ndarray) -> None:
        """These are its nets' positions from now on."""
        self.columns = columns
        together = len(columns) and columns[-1] - columns[0] == len(columns) - 1
        self._at = slice(columns[0], columns[-1] + 1) if together else on_device(columns, self._stack.device)

    def load(self, batch: Batch, info: TrainingInfo, noise: Noise, rates: np.ndarray) -> None:
        """The next block, batches of stack ``(nets, steps)``, and the ``(nets,)`` rates to take it at.

        ``noise`` has the stack ``(nets,)``; a forward pass of the strategy's own draws from it.
        """
        self._batch, self._noise, self._step = batch, noise, 0
        self._info = replace(info, class_counts=info.class_counts[:, 0])  # (nets, classes)
        self._stack.put(self.columns, self._at, batch, rates)
        self.left = batch.stack[1]

    def losses(self) -> Tensor:
        """``(nets,)`` float64 on the device, the sum of the losses of the steps since this was last asked."""
        held = self._stack.step_losses
        losses = held[self._at].clone()
        held[self._at] = 0.0
        return losses

    @property
    def parameters(self) -> list[Tensor]:
        """As `Stack.parameters`, of this part's nets."""
        return [values[self._at] for values in self._stack.parameters]

    def logits(self, net: int, x: Tensor) -> Tensor:
        """As `Stack.logits`, ``net`` being a position among this part's nets."""
        return self._stack.logits(int(self.columns[net]), x)

    def keep(self, nets: np.ndarray) -> None:
        """Go on with these nets only (their positions among this part's nets)."""
        self._stack.end(np.setdiff1d(self.columns, self.columns[nets]))

    def batch_now(self) -> tuple[Batch, TrainingInfo, Noise]:
        """The current step's batches as the strategy made them, of stack ``(nets,)``, and what comes with them."""
        block, step = self._batch, self._step
        weight = None if block.weight is None else block.weight[:, step]
        return Batch(block.x[:, step], block.y[:, step], weight), self._info, self._noise

    def took(self, steps: int) -> None:
        """The stack took so many steps."""
        self._step += steps
        self.left -= steps

    def differentiate(self, logits: Tensor, delta: Tensor, step_losses: Tensor) -> None:
        """Put the gradient of the strategy's own loss on the stack's logits into ``delta``, and add up the losses."""
        batch, info, _ = self.batch_now()
        try:
            with torch.enable_grad():
                leaf = logits[self._at, : batch.size].detach().requires_grad_()
                losses = mean_loss(self._stack.strategy.loss(leaf, batch.y, info), batch.weight)
                (gradient,) = torch.autograd.grad(losses.sum(), leaf)
        except Exception as error:  # a plugin's; it must cost no other part of the stack anything
            self.error = error
            return
        delta[self._at, : batch.size] = gradient
        step_losses[self._at] += losses.detach()
