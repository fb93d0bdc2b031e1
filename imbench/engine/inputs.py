"""Input buffers of a stack: a block of batches for each net, at fixed addresses."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from imbench.contract.batch import Batch
from imbench.contract.noise import on_device
from imbench.engine.dropout import kept_units


class Inputs:
    """Buffers for one block of batches of each net, and the current step of each net within its block.

    Nets can start their blocks at different times and have batches of different sizes: each net has its own step, and
    smaller batches are padded with rows of weight 0.

    Parameters
    ----------
    nets : number of nets
    steps, size : largest number of steps in a block, and of rows in a batch
    features, classes : shape of a row, and number of classes
    hidden : ``(hidden layers with dropout, units of each)``
    device : device of the buffers
    recordable : whether steps can be recorded and replayed; otherwise a single net's batches are not copied
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
        *,
        recordable: bool = True,
    ) -> None:
        self.steps, self.size, self._hidden, self._recordable = steps, size, hidden, recordable
        self._x = torch.zeros(nets, steps, size, *features, device=device)
        self._y = torch.zeros(nets, steps, size, classes, device=device)
        self._share = torch.zeros(nets, steps, size, device=device)
        self._keys = torch.zeros(nets, 2, dtype=torch.int32, device=device)
        # Current step of each net within its block, and its increment: 1, or 0 for a net that has ended.
        self._step = torch.zeros(nets, dtype=torch.int32, device=device)
        self._increment = torch.zeros_like(self._step)
        # Draws of a dropout layer at one step: rows of the net's batches times units.
        self._draws = torch.zeros_like(self._step)
        self._units = torch.arange(size * hidden[1], dtype=torch.int32, device=device)
        self._first = torch.arange(0, nets * steps, steps, dtype=torch.int32, device=device)

    def load(self, nets: slice | Tensor, batch: Batch, keys: np.ndarray) -> None:
        """Copy the next block of these nets into the buffers.

        Parameters
        ----------
        nets : positions in the stack
        batch : batches of stack ``(nets, steps)``
        keys : ``(nets, 2)`` uint32, dropout keys from `imbench.engine.dropout.block_keys`

        Raises
        ------
        RuntimeError for batches whose rows do not have the shape of the data.
        """
        steps, rows = batch.stack[1], batch.size
        self._x[nets, :steps, :rows] = batch.x.to(self._x.dtype)
        self._y[nets, :steps, :rows] = batch.y.to(self._y.dtype)
        # Weight of each row in the loss of its batch; 0 for padding rows, which are left over from earlier blocks.
        self._share[nets, :steps] = 0.0
        self._share[nets, :steps, :rows] = 1.0 / rows if batch.weight is None else batch.weight.float() / rows
        self._keys[nets] = on_device(keys.view(np.int32), self._keys.device)
        self._step[nets], self._increment[nets] = 0, 1
        self._draws[nets] = rows * self._hidden[1]

    def current(self) -> tuple[Tensor, Tensor, Tensor]:
        """The batches of the current step.

        Returns
        -------
        x ``(nets, batch, *features)``, y ``(nets, batch, classes)``, and the weight of each row in its batch's loss,
        ``(nets, batch)``.
        """
        if not self._recordable and len(self._step) == 1:
            step = int(self._step)
            return self._x[:, step], self._y[:, step], self._share[:, step]
        rows = self._first + self._step
        return self._gather(self._x, rows), self._gather(self._y, rows), self._gather(self._share, rows)

    def kept(self, layer: int, rate: float) -> Tensor:
        """``(nets, batch, hidden)`` bool, True where dropout after this hidden layer keeps a unit."""
        # Draws within a block are numbered by steps, layers, rows and units.
        before = (self._step * self._hidden[0] + layer).mul_(self._draws)
        numbers = before[:, None] + self._units
        return kept_units(numbers, self._keys, rate).view(-1, self.size, self._hidden[1])

    def advance(self) -> None:
        """Move all active nets to their next step."""
        self._step.add_(self._increment)

    def stop(self, nets: Tensor) -> None:
        """Stop these nets: their step no longer advances, and their rows have weight 0."""
        self._increment[nets] = 0
        self._step[nets] = 0
        self._share[nets] = 0.0

    def keep(self, nets: Tensor) -> None:
        """Keep only the nets at these positions (int64, on the device)."""
        for name in ("_x", "_y", "_share", "_keys", "_step", "_increment", "_draws"):
            setattr(self, name, getattr(self, name).index_select(0, nets))
        self._first = self._first[: len(nets)].clone()

    @staticmethod
    def _gather(values: Tensor, rows: Tensor) -> Tensor:
        return values.flatten(0, 1).index_select(0, rows)
