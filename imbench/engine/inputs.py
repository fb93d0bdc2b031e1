"""What the steps of a stack read: a block of batches for each net, at addresses that stay."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from imbench.contract.batch import Batch
from imbench.contract.noise import on_device
from imbench.engine.dropout import kept_units


class Inputs:
    """Room for a block of batches of every net, and the step of its block that each net is at.

    Nets need neither begin their blocks together nor have batches equally large: a net at its block's last step stands
    beside one at its first, and smaller batches are filled up with rows that count for nothing.

    Parameters
    ----------
    nets, steps, size : steps of a block and rows of a batch, at most
    features, classes : shape of a row, and number of classes
    hidden : ``(hidden layers with dropout, units of each)``
    """

    def __init__(
        self,
        nets: int,
        steps: int,
        size: int,
        features: tuple[int, ...],
        classes: int,
        hidden: tuple[int, int],
        device: torch.device | str,
    ) -> None:
        self.steps, self.size, self._hidden = steps, size, hidden
        self._x = torch.zeros(nets, steps, size, *features, device=device)
        self._y = torch.zeros(nets, steps, size, classes, device=device)
        self._share = torch.zeros(nets, steps, size, device=device)
        self._keys = torch.zeros(nets, 2, dtype=torch.int32, device=device)
        # At each net's step within its block; how far a step moves it, 0 for a net that has ended.
        self._step = torch.zeros(nets, dtype=torch.int32, device=device)
        self._moving = torch.zeros_like(self._step)
        # How many draws a dropout layer takes at a step: the rows of the net's own batches times the units.
        self._draws = torch.zeros_like(self._step)
        self._units = torch.arange(size * hidden[1], dtype=torch.int32, device=device)
        self._first = torch.arange(0, nets * steps, steps, dtype=torch.int32, device=device)

    def put(self, nets: slice | Tensor, batch: Batch, keys: np.ndarray) -> None:
        """These nets' next block, batches of stack ``(nets, steps)`` with the dropout ``keys`` ``(nets, 2)`` uint32.

        Raises RuntimeError for a batch of another shape than the data's.
        """
        steps, rows = batch.stack[1], batch.size
        self._x[nets, :steps, :rows] = batch.x.to(self._x.dtype)
        self._y[nets, :steps, :rows] = batch.y.to(self._y.dtype)
        # Each row's share of its batch's loss; none for the rows that fill up, which are those of a block before.
        self._share[nets, :steps] = 0.0
        self._share[nets, :steps, :rows] = 1.0 / rows if batch.weight is None else batch.weight.float() / rows
        self._keys[nets] = on_device(keys.view(np.int32), self._keys.device)
        self._step[nets], self._moving[nets] = 0, 1
        self._draws[nets] = rows * self._hidden[1]

    def now(self) -> tuple[Tensor, Tensor, Tensor]:
        """The batches of the current step: x ``(nets, batch, *features)``, y, and each row's share of the loss."""
        rows = self._first + self._step
        return self._at(self._x, rows), self._at(self._y, rows), self._at(self._share, rows)

    def kept(self, layer: int, rate: float) -> Tensor:
        """``(nets, batch, hidden)`` bool, True where dropout after this hidden layer keeps a unit."""
        # A block's draws are numbered by steps, layers, rows and units.
        before = (self._step * self._hidden[0] + layer).mul_(self._draws)
        numbers = before[:, None] + self._units
        return kept_units(numbers, self._keys, rate).view(-1, self.size, self._hidden[1])

    def move(self) -> None:
        """On to the next step."""
        self._step.add_(self._moving)

    def stop(self, nets: Tensor) -> None:
        """These nets have ended: they stay where they are, and their rows count for nothing."""
        self._moving[nets] = 0
        self._step[nets] = 0
        self._share[nets] = 0.0

    def keep(self, nets: Tensor) -> None:
        """Go on with these nets only (their positions in the stack, int64 on the device)."""
        for name in ("_x", "_y", "_share", "_keys", "_step", "_moving", "_draws"):
            setattr(self, name, getattr(self, name).index_select(0, nets))
        self._first = self._first[: len(nets)].clone()

    @staticmethod
    def _at(values: Tensor, rows: Tensor) -> Tensor:
        return values.flatten(0, 1).index_select(0, rows)
