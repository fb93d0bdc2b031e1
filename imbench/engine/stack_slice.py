"""StackSlice: the nets of a stack that belong to one net group and receive blocks together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from imbench.contract.batch import Batch
from imbench.contract.errors import exit_error
from imbench.contract.noise import Noise, on_device
from imbench.contract.strategy import TrainingInfo
from imbench.engine.backprop import mean_loss
from imbench.engine.validation import Validation


class Stack(Protocol):
    """The interface of `imbench.engine.stacked.StackedNets` that a `StackSlice` uses."""

    validation: Validation
    device: torch.device | str
    step_losses: Tensor

    @property
    def parameters(self) -> list[Tensor]:
        """Views of the arrays of all nets, each ``(nets, *shape)``."""

    def logits(self, net: int, x: Tensor) -> Tensor:
        """Logits ``(rows, classes)`` of one net, without dropout."""

    def copy(self, net: int) -> list[Tensor]:
        """A copy of the arrays of one net."""

    def logits_of(self, arrays: Sequence[Tensor], x: Tensor) -> Tensor:
        """As `logits`, of a net with these arrays."""

    def load_block(self, positions: np.ndarray, at: slice | Tensor, batch: Batch, rates: np.ndarray) -> None:
        """Load the next block of these nets."""

    def stop(self, nets: np.ndarray) -> None:
        """Stop training these nets."""


class StackSlice:
    """Nets of a stack that receive blocks together.

    Attributes
    ----------
    positions : ``(nets,)`` positions in the stack of the nets that have not ended
    steps_left : remaining steps of the current block
    error : exception that the strategy's custom loss raised; these nets are not trained any further. None without error
    """

    def __init__(self, stack: Stack, positions: np.ndarray) -> None:
        self._stack = stack
        self.steps_left = 0
        self.error: Exception | None = None
        self._at: slice | Tensor = slice(0)
        self.move_to(positions)

    def move_to(self, positions: np.ndarray) -> None:
        """Set the positions of the nets in the stack."""
        self.positions = positions
        contiguous = len(positions) and positions[-1] - positions[0] == len(positions) - 1
        self._at = slice(positions[0], positions[-1] + 1) if contiguous else on_device(positions, self._stack.device)

    def load(self, batch: Batch, info: TrainingInfo, noise: Noise, rates: np.ndarray) -> None:
        """Load the next block: batches of stack ``(nets, steps)``, and learning rates ``(nets,)``.

        ``noise`` has the stack ``(nets,)``; a custom forward pass draws from it.
        """
        self._batch, self._noise, self._step = batch, noise, 0
        self._info = replace(info, class_counts=info.class_counts[:, 0])  # (nets, classes)
        self._stack.load_block(self.positions, self._at, batch, rates)
        self.steps_left = batch.stack[1]

    def pop_losses(self) -> Tensor:
        """Sum of each net's losses since the last call, ``(nets,)`` float64 on the device; resets the sums."""
        sums = self._stack.step_losses
        losses = sums[self._at].clone()
        sums[self._at] = 0.0
        return losses

    @property
    def parameters(self) -> list[Tensor]:
        """As `Stack.parameters`, for the nets of this slice."""
        return [values[self._at] for values in self._stack.parameters]

    def logits(self, net: int, x: Tensor) -> Tensor:
        """As `Stack.logits`; ``net`` is a position within this slice."""
        return self._stack.logits(int(self.positions[net]), x)

    def copy(self, net: int) -> list[Tensor]:
        """As `Stack.copy`; ``net`` is a position within this slice."""
        return self._stack.copy(int(self.positions[net]))

    def logits_of(self, arrays: Sequence[Tensor], x: Tensor) -> Tensor:
        """As `Stack.logits_of`."""
        return self._stack.logits_of(arrays, x)

    def keep(self, nets: np.ndarray) -> None:
        """Keep only these nets, given by their positions within this slice."""
        self._stack.stop(np.setdiff1d(self.positions, self.positions[nets]))

    def current_batch(self) -> tuple[Batch, TrainingInfo, Noise]:
        """The rebalanced batches of the current step, of stack ``(nets,)``, with their training info and noise."""
        block, step = self._batch, self._step
        weight = None if block.weight is None else block.weight[:, step]
        return Batch(block.x[:, step], block.y[:, step], weight), self._info, self._noise

    def count_steps(self, steps: int) -> None:
        """Record that the stack has taken this many steps."""
        self._step += steps
        self.steps_left -= steps

    def differentiate(self, logits: Tensor, delta: Tensor, step_losses: Tensor) -> None:
        """Write the gradient of the custom loss with respect to the logits into ``delta``, and add up the losses.

        ``logits`` and ``delta`` are ``(nets, batch, classes)``, ``step_losses`` is ``(nets,)``, all of the whole stack.
        """
        batch, info, _ = self.current_batch()
        try:
            with torch.enable_grad():
                leaf = logits[self._at, : batch.size].detach().requires_grad_()
                losses = mean_loss(self._stack.validation.losses(leaf, batch.y, info), batch.weight)
                with self._stack.validation.differentiating("loss"):
                    (gradient,) = torch.autograd.grad(losses.sum(), leaf)
        except Exception as error:  # raised by a plugin; the other slices of the stack continue
            self.error = error
            return
        except SystemExit as error:
            self.error = exit_error(error)
            return
        delta[self._at, : batch.size] = gradient
        step_losses[self._at] += losses.detach()
