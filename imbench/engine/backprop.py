"""Forward and backward passes of a stack of nets: written out for dense nets, by autograd for all others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import torch
from torch import Tensor

from imbench.engine.architecture import Architecture, StagedNet
from imbench.engine.mlp import Mlp

# Maps the number of a layer to its dropout mask ``(nets, batch, units)``, True where a unit is kept.
Kept = Callable[[int], Tensor]


class Backprop(Protocol):
    """Computes the logits of a training step, and the gradients of the arrays.

    Attributes
    ----------
    recordable : whether both consist of PyTorch's operations alone, so that a recorded step can be replayed
    """

    recordable: bool

    def forward(self, arrays: Sequence[Tensor], x: Tensor, kept: Kept) -> Tensor:
        """Logits ``(nets, batch, classes)`` of training rows ``x``; keeps the values that `backward` needs."""

    def backward(self, delta: Tensor, gradients: Sequence[Tensor]) -> None:
        """Write the gradients of the loss with respect to the arrays into ``gradients``.

        ``delta`` ``(nets, batch, classes)`` is the gradient with respect to the logits; it may be overwritten.
        """

    def forget(self) -> None:
        """Release the values that `forward` kept."""


class ManualBackprop:
    """Backpropagation of dense nets, written out by hand; no autograd graph is recorded."""

    recordable = True

    def __init__(self, architecture: Mlp) -> None:
        self._layers = len(architecture.widths) - 1
        self._dropout_layers = architecture.dropout_shape[0]
        # Inverted dropout: outputs of a layer with dropout are multiplied by this factor, which keeps their mean.
        self._scale = 1.0 / (1.0 - architecture.dropout)
        self._arrays: Sequence[Tensor] = ()
        self._values: list[Tensor] = []  # the input of each layer, then the logits

    def forward(self, arrays: Sequence[Tensor], x: Tensor, kept: Kept) -> Tensor:
        """See `Backprop.forward`; x ``(nets, batch, features)``."""
        self._arrays, self._values = arrays, [x]
        for layer in range(self._layers):
            # relu(factor * z) = factor * relu(z) for a positive factor, so dropout's factor is part of the product.
            factor = self._factor(layer)
            bias, weight = arrays[2 * layer + 1][:, None], arrays[2 * layer]
            values = torch.baddbmm(bias, self._values[-1], weight, beta=factor, alpha=factor)
            if layer < self._layers - 1:
                values.relu_()
            if layer < self._dropout_layers:
                values.mul_(kept(layer))
            self._values.append(values)
        return self._values[-1]

    def backward(self, delta: Tensor, gradients: Sequence[Tensor]) -> None:
        """See `Backprop.backward`."""
        self.backward_to_first(delta, gradients)

    def backward_to_first(self, delta: Tensor, gradients: Sequence[Tensor]) -> Tensor:
        """As `backward`; returns the gradient with respect to the first layer's product, ``(nets, batch, units)``."""
        for layer in range(self._layers - 1, -1, -1):
            torch.bmm(self._values[layer].transpose(1, 2), delta, out=gradients[2 * layer])
            torch.sum(delta, dim=1, out=gradients[2 * layer + 1])
            if layer:
                weight = self._arrays[2 * layer].transpose(1, 2)
                delta = torch.baddbmm(delta[:, :1, :1], delta, weight, beta=0, alpha=self._factor(layer - 1))
                # A unit that dropout or ReLU set to 0 has no gradient.
                delta.mul_(self._values[layer] > 0)
        return delta

    def forget(self) -> None:
        """See `Backprop.forget`."""
        self._arrays, self._values = (), []

    def _factor(self, layer: int) -> float:
        return self._scale if layer < self._dropout_layers else 1.0


class Autograd:
    """Backpropagation of any net, by PyTorch's autograd through `Architecture.stages`."""

    recordable = True

    def __init__(self, architecture: Architecture) -> None:
        self._architecture = architecture
        self._leaves: list[Tensor] = []
        self._logits = torch.empty(0)

    def forward(self, arrays: Sequence[Tensor], x: Tensor, kept: Kept) -> Tensor:
        """See `Backprop.forward`."""
        architecture = self._architecture
        with torch.enable_grad():
            self._leaves = leaves_of(architecture, arrays)
            masks = [kept(layer) for layer in range(architecture.dropout_shape[0])]
            self._logits = StagedNet(architecture.stages(self._leaves, masks, training=True))(x)
        return self._logits.detach()

    def backward(self, delta: Tensor, gradients: Sequence[Tensor]) -> None:
        """See `Backprop.backward`."""
        write_gradients(self._logits, self._leaves, gradients, delta)
        self.forget()

    def forget(self) -> None:
        """See `Backprop.forget`."""
        self._leaves, self._logits = [], torch.empty(0)


def leaves_of(architecture: Architecture, arrays: Sequence[Tensor]) -> list[Tensor]:
    """The arrays as leaves of an autograd graph; only the trainable ones require gradients."""
    return [a.detach().requires_grad_(trainable) for a, trainable in zip(arrays, architecture.trainable, strict=True)]


def write_gradients(of: Tensor, leaves: Sequence[Tensor], into: Sequence[Tensor], delta: Tensor | None = None) -> None:
    """Write the gradients of ``of``, weighted by ``delta``, into ``into``; zero for leaves that require none."""
    wanted = [leaf for leaf in leaves if leaf.requires_grad]
    found = iter(torch.autograd.grad(of, wanted, delta))
    for leaf, place in zip(leaves, into, strict=True):
        if leaf.requires_grad:
            place.copy_(next(found))
        else:
            place.zero_()


def mean_loss(losses: Tensor, weight: Tensor | None) -> Tensor:
    """``(nets, batch)`` -> ``(nets,)``: the weighted sum divided by the batch size, as in Keras with class weights."""
    return (losses if weight is None else losses * weight).mean(dim=-1)
