"""Adam for a whole stack of nets: a few operations on one flat tensor, with a learning rate for each net."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from imbench.contract.protocol import Protocol


class StackedAdam:
    """The parameters of a stack of nets, their gradients, and Adam's state of each.

    Everything lies in flat tensors, layer after layer, so that an update is eight operations whatever the number of
    layers and nets. Nothing in `step` depends on a number of the host's, so that a recorded step can be played again.

    Parameters
    ----------
    layers : for each array of the nets, ``(nets, *shape)`` float32
    protocol : its ``beta1``, ``beta2`` and ``epsilon``

    Attributes
    ----------
    parameters, gradients : views of the flat tensors, as ``layers``
    """

    def __init__(self, layers: Sequence[Tensor], protocol: Protocol) -> None:
        self._epsilon = protocol.epsilon
        self._beta1, self._beta2 = protocol.beta1, protocol.beta2
        # In double precision: 1 - beta2 of the first step would lose four of its seven digits.
        self._betas = torch.tensor([protocol.beta1, protocol.beta2], dtype=torch.float64, device=layers[0].device)
        self._powers = torch.ones_like(self._betas)
        self._lay_out(layers)
        self._mean, self._square = torch.zeros_like(self._flat), torch.zeros_like(self._flat)

    def set_rates(self, nets: slice | Tensor, rates: np.ndarray) -> None:
        """The learning rates ``(nets,)`` of these nets from now on."""
        values = torch.as_tensor(rates, dtype=self._flat.dtype, device=self._flat.device)
        for view in self._rates:
            view[nets] = values.reshape(-1, *[1] * (view.ndim - 1))

    def step(self) -> None:
        """One step of Adam (Kingma & Ba 2015, Algorithm 1) on all parameters; all nets have taken equally many.

        NOTE: Keras adds epsilon before the bias correction of the second moment, this after it, as the paper of Adam
        and torch do; with epsilon 1e-7 the two differ by less than rounding wherever a gradient is not tiny.
        """
        self._powers.mul_(self._betas)  # beta1^t, beta2^t
        first, second = (1 - self._powers).unbind()
        self._mean.lerp_(self._gradient, 1 - self._beta1)
        self._square.mul_(self._beta2).addcmul_(self._gradient, self._gradient, value=1 - self._beta2)
        # rate * (mean / first) / (sqrt(square / second) + epsilon), both sides of the division times `first`
        below = torch.sqrt(self._square, out=self._gradient).mul_(first / second.sqrt()).add_(first * self._epsilon)
        self._flat.addcmul_(torch.div(self._mean, below, out=below), self._rate, value=-1)

    def keep(self, nets: Tensor) -> None:
        """Go on with these nets only (their positions in the stack, int64 on the device)."""
        shapes = [view.shape for view in self.parameters]
        chosen = [
            [view.index_select(0, nets) for view in _views(flat, shapes)]
            for flat in (self._flat, self._mean, self._square, self._rate)
        ]
        self._lay_out(chosen[0])
        self._mean, self._square = _joined(chosen[1]), _joined(chosen[2])
        self._rate.copy_(_joined(chosen[3]))

    def _lay_out(self, layers: Sequence[Tensor]) -> None:
        self._flat = _joined(layers)
        self._gradient, self._rate = torch.zeros_like(self._flat), torch.zeros_like(self._flat)
        shapes = [layer.shape for layer in layers]
        self.parameters = _views(self._flat, shapes)
        self.gradients = _views(self._gradient, shapes)
        self._rates = _views(self._rate, shapes)


def _joined(layers: Sequence[Tensor]) -> Tensor:
    return torch.cat([layer.reshape(-1) for layer in layers])


def _views(flat: Tensor, shapes: Sequence[torch.Size]) -> list[Tensor]:
    sizes = [shape.numel() for shape in shapes]
    return [part.view(shape) for part, shape in zip(torch.split(flat, sizes), shapes, strict=True)]
