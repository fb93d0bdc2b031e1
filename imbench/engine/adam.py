"""Adam for a stack of nets: a few operations on one flat tensor, with a learning rate for each net."""

from __future__ import annotations

import math
from collections.abc import Sequence
from types import ModuleType

import numpy as np
import torch
from torch import Tensor

from imbench.contract.protocol import Protocol


class StackedAdam:
    """Parameters, gradients and Adam moments of a stack of nets.

    All values are stored in flat tensors, layer after layer, so that an update takes eight operations for any number
    of layers and nets. `step` reads no number from the host, so that a recorded step can be replayed, unless compiled
    code replaces most of these operations (docs/decisions/0004); the results are equal to the bit.

    Parameters
    ----------
    layers : initial values, one tensor ``(nets, *shape)`` float32 for each array of the nets
    protocol : gives ``beta1``, ``beta2``, ``epsilon`` and ``weight_decay``, which biases and other vectors do not have
    compiled : `imbench.kernels.adam`, for values on a CPU and steps that are not recorded; None for PyTorch alone

    Attributes
    ----------
    parameters, gradients : views into the flat tensors, with the shapes of ``layers``
    """

    def __init__(self, layers: Sequence[Tensor], protocol: Protocol, compiled: ModuleType | None = None) -> None:
        self._compiled = compiled
        self._epsilon = protocol.epsilon
        self._beta1, self._beta2 = protocol.beta1, protocol.beta2
        self._decay = protocol.weight_decay
        # In float64, since 1 - beta2 would lose four of its seven digits in float32 at the first step.
        self._betas = torch.tensor([protocol.beta1, protocol.beta2], dtype=torch.float64, device=layers[0].device)
        self._powers = torch.ones_like(self._betas)
        self._lay_out(layers)
        self._mean, self._square = torch.zeros_like(self._flat), torch.zeros_like(self._flat)

    def set_rates(self, nets: slice | Tensor, rates: np.ndarray) -> None:
        """Set the learning rates ``(nets,)`` of these nets."""
        values = torch.as_tensor(rates, dtype=self._flat.dtype, device=self._flat.device)
        for view in self._rates:
            view[nets] = values.reshape(-1, *[1] * (view.ndim - 1))
        if self._decay:
            kept = torch.as_tensor(1.0 - self._decay * rates, dtype=self._flat.dtype, device=self._flat.device)
            for view in self._shrinks:
                if view.ndim > 2:
                    view[nets] = kept.reshape(-1, *[1] * (view.ndim - 1))

    def step(self) -> None:
        """Take one step of Adam (Kingma & Ba 2015, Algorithm 1) on all parameters; all nets share the step count.

        NOTE: epsilon is added after the bias correction of the second moment, as in the Adam paper and in torch; Keras
        adds it before. With epsilon = 1e-7 the two differ by less than rounding unless a gradient is tiny.
        """
        self._powers.mul_(self._betas)  # beta1^t, beta2^t
        if self._decay:
            self._flat.mul_(self._shrink)
        if self._compiled is not None:
            self._compiled_step(self._compiled)
            return
        first, second = (1 - self._powers).unbind()
        self._mean.lerp_(self._gradient, 1 - self._beta1)
        self._square.mul_(self._beta2).addcmul_(self._gradient, self._gradient, value=1 - self._beta2)
        # rate * (mean / first) / (sqrt(square / second) + epsilon); numerator and denominator are multiplied by `first`
        denominator = torch.sqrt(self._square, out=self._gradient)
        denominator.mul_(first / second.sqrt()).add_(first * self._epsilon)
        self._flat.addcmul_(torch.div(self._mean, denominator, out=denominator), self._rate, value=-1)

    def _compiled_step(self, kernels: ModuleType) -> None:
        first, second = (1 - self._powers).tolist()
        flat, gradient, rate, mean, square = (
            values.numpy() for values in (self._flat, self._gradient, self._rate, self._mean, self._square)
        )
        kernels.update_moments(mean, square, gradient, 1 - self._beta1, self._beta2, 1 - self._beta2)
        torch.sqrt(self._gradient, out=self._gradient)
        factor = first / math.sqrt(second)
        kernels.update_values(flat, mean, square, gradient, rate, factor, first * self._epsilon)

    def keep(self, nets: Tensor) -> None:
        """Keep only these nets, given by their positions in the stack (int64, on the device)."""
        shapes = [view.shape for view in self.parameters]
        chosen = [
            [view.index_select(0, nets) for view in _views(flat, shapes)]
            for flat in (self._flat, self._mean, self._square, self._rate, *([self._shrink] if self._decay else []))
        ]
        self._lay_out(chosen[0])
        self._mean, self._square = _joined(chosen[1]), _joined(chosen[2])
        self._rate.copy_(_joined(chosen[3]))
        if self._decay:
            self._shrink.copy_(_joined(chosen[4]))

    def _lay_out(self, layers: Sequence[Tensor]) -> None:
        self._flat = _joined(layers)
        self._gradient, self._rate = torch.zeros_like(self._flat), torch.zeros_like(self._flat)
        shapes = [layer.shape for layer in layers]
        self.parameters = _views(self._flat, shapes)
        self.gradients = _views(self._gradient, shapes)
        self._rates = _views(self._rate, shapes)
        # What an update leaves of a value before the step itself; nothing is stored without weight decay.
        self._shrink = torch.ones_like(self._flat) if self._decay else self._flat.new_empty(0)
        self._shrinks = _views(self._shrink, shapes) if self._decay else []


def _joined(layers: Sequence[Tensor]) -> Tensor:
    return torch.cat([layer.reshape(-1) for layer in layers])


def _views(flat: Tensor, shapes: Sequence[torch.Size]) -> list[Tensor]:
    sizes = [shape.numel() for shape in shapes]
    return [part.view(shape) for part, shape in zip(torch.split(flat, sizes), shapes, strict=True)]
