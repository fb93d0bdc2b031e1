"""The general engine: many dense nets side by side in torch, one batched operation a layer, on any device."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from imbench.contract.batch import Batch
from imbench.contract.noise import Noise
from imbench.contract.protocol import Protocol
from imbench.contract.strategy import BatchStrategy, TrainingInfo
from imbench.engine.dropout import block_keys, kept_units


class StackedNets:
    """A stack of dense nets (ReLU, dropout after every hidden layer but the last) with their Adam states.

    Parameters
    ----------
    widths : ``(features, hidden, …, classes)``
    weights : for each net, ``[W0, b0, W1, b1, …]`` as `imbench.engine.mlp.glorot_uniform` makes them
    dropout_streams : one generator for each net
    strategy, protocol : what decides the loss and the optimizer
    """

    def __init__(
        self,
        widths: tuple[int, ...],
        weights: Sequence[Sequence[np.ndarray]],
        dropout_streams: Sequence[np.random.Generator],
        strategy: BatchStrategy,
        protocol: Protocol,
        device: torch.device | str = "cpu",
    ) -> None:
        self.widths, self.strategy, self.protocol, self.device = widths, strategy, protocol, device
        self._streams = list(dropout_streams)
        self._steps_done = 0
        layers = [np.stack(arrays) for arrays in zip(*weights, strict=True)]  # (nets, inputs, outputs), (nets, outputs)
        self._lay_out([torch.as_tensor(layer, device=device) for layer in layers])
        kind = type(strategy)
        self._own_loss = kind.loss is not BatchStrategy.loss
        self._own_forward = kind.forward is not BatchStrategy.forward

    def _lay_out(self, layers: Sequence[Tensor]) -> None:
        """Put all parameters into one flat tensor, layer after layer, so that Adam is a few operations on it."""
        self._flat = torch.cat([layer.reshape(-1) for layer in layers])
        self._gradient = torch.zeros_like(self._flat)
        self._mean, self._square = torch.zeros_like(self._flat), torch.zeros_like(self._flat)
        self._rate = torch.empty_like(self._flat)
        shapes = [layer.shape for layer in layers]
        self.parameters = _views(self._flat, shapes)
        self._gradients = _views(self._gradient, shapes)
        self._rates = _views(self._rate, shapes)

    def advance(self, batch: Batch, info: TrainingInfo, noise: Noise, rates: np.ndarray) -> np.ndarray:
        """Take one gradient step on every batch of the stack ``(nets, steps)``, in order.

        ``rates`` is ``(nets,)``, ``noise`` has the stack ``(nets,)``. Returns ``(nets,)``, the sum of the steps' losses
        (each the mean over its batch).
        """
        for view in self._rates:
            view.copy_(torch.as_tensor(rates, dtype=view.dtype).reshape(-1, *[1] * (view.ndim - 1)))
        kept = self._dropout_masks(batch.stack[1], batch.size)
        step_info = TrainingInfo(
            info.class_counts[:, 0], info.modality, info.feature_kinds, info.epoch, info.epochs
        )  # (nets, classes)
        total = torch.zeros(batch.stack[0], dtype=torch.float64, device=self.device)
        for step in range(batch.stack[1]):
            one = Batch(batch.x[:, step], batch.y[:, step], None if batch.weight is None else batch.weight[:, step])
            masks = None if kept is None else kept[:, step]
            if self._own_forward:
                total += self._gradient_by_autograd(one, masks, step_info, noise)
            else:
                total += self._gradient_in_closed_form(one, masks, step_info)
            self._adam()
        return total.cpu().numpy()

    def logits(self, net: int, x: Tensor) -> Tensor:
        """``(rows, classes)`` logits of one net without dropout, from ``(rows, features)``."""
        for layer in range(len(self.widths) - 1):
            x = torch.addmm(self.parameters[2 * layer + 1][net], x, self.parameters[2 * layer][net])
            x = x.relu_() if layer < len(self.widths) - 2 else x
        return x

    def keep(self, nets: np.ndarray) -> None:
        """Go on with these nets only (their positions in the stack)."""
        chosen = torch.as_tensor(nets, device=self.device)
        shapes = [p.shape for p in self.parameters]
        states = [[v[chosen] for v in _views(flat, shapes)] for flat in (self._flat, self._mean, self._square)]
        self._streams = [self._streams[i] for i in nets]
        self._lay_out(states[0])
        self._mean = torch.cat([s.reshape(-1) for s in states[1]])
        self._square = torch.cat([s.reshape(-1) for s in states[2]])

    def _dropout_masks(self, steps: int, size: int) -> Tensor | None:
        """``(nets, steps, hidden layers - 1, batch, hidden)``, True where a unit is kept; None without dropout."""
        layers, hidden = len(self.widths) - 3, self.widths[1]
        if self.protocol.dropout == 0 or layers < 1:
            return None
        keys = np.stack([block_keys(rng) for rng in self._streams])
        return kept_units(keys, (steps, layers, size, hidden), self.protocol.dropout, self.device)

    def _gradient_in_closed_form(self, batch: Batch, masks: Tensor | None, info: TrainingInfo) -> Tensor:
        """Fill the gradients by hand; returns the ``(nets,)`` losses."""
        last = len(self.widths) - 2
        inverse = 1.0 / (1.0 - self.protocol.dropout)
        inputs = [batch.x]  # of each layer: (nets, batch, width)
        for layer in range(last):
            hidden = torch.baddbmm(self.parameters[2 * layer + 1][:, None], inputs[-1], self.parameters[2 * layer])
            hidden.relu_()
            if masks is not None and layer < last - 1:
                hidden.mul_(masks[:, layer]).mul_(inverse)
            inputs.append(hidden)
        logits = torch.baddbmm(self.parameters[2 * last + 1][:, None], inputs[-1], self.parameters[2 * last])
        losses, delta = self._loss_and_delta(logits, batch, info)
        for layer in range(last, -1, -1):
            torch.bmm(inputs[layer].transpose(1, 2), delta, out=self._gradients[2 * layer])
            torch.sum(delta, dim=1, out=self._gradients[2 * layer + 1])
            if layer:
                delta = torch.bmm(delta, self.parameters[2 * layer].transpose(1, 2))
                # A unit that dropout or ReLU set to 0 passes nothing back; one that dropout kept was scaled.
                delta.mul_(inputs[layer] > 0)
                if masks is not None and layer < last:
                    delta.mul_(inverse)
        return losses

    def _loss_and_delta(self, logits: Tensor, batch: Batch, info: TrainingInfo) -> tuple[Tensor, Tensor]:
        """``(nets,)`` mean losses and their gradient on the logits, ``(nets, batch, classes)``."""
        if self._own_loss:
            with torch.enable_grad():
                logits.requires_grad_()
                losses = mean_loss(self.strategy.loss(logits, batch.y, info), batch.weight)
                return losses.detach(), torch.autograd.grad(losses.sum(), logits)[0]
        log_p = torch.log_softmax(logits, dim=-1)
        losses = mean_loss(-(batch.y * log_p).sum(dim=-1), batch.weight)
        delta = log_p.exp_().mul_(batch.y.sum(dim=-1, keepdim=True)).sub_(batch.y).div_(batch.size)
        return losses, delta if batch.weight is None else delta.mul_(batch.weight[..., None])

    def _gradient_by_autograd(self, batch: Batch, masks: Tensor | None, info: TrainingInfo, noise: Noise) -> Tensor:
        leaves = [p.detach().requires_grad_() for p in self.parameters]
        with torch.enable_grad():
            logits, y = self.strategy.forward(_StagedNet(leaves, masks, self.protocol.dropout), batch, noise)
            losses = mean_loss(self.strategy.loss(logits, y, info), batch.weight)
            gradients = torch.autograd.grad(losses.sum(), leaves)
        for held, gradient in zip(self._gradients, gradients, strict=True):
            held.copy_(gradient)
        return losses.detach()

    def _adam(self) -> None:
        """One step of Adam (Kingma & Ba 2015, Algorithm 1) on all parameters.

        NOTE: Keras adds epsilon before the bias correction of the second moment, this after it, as the paper of Adam
        and torch do; with epsilon 1e-7 the two differ by less than rounding wherever a gradient is not tiny.
        """
        protocol = self.protocol
        self._steps_done += 1
        self._mean.lerp_(self._gradient, 1 - protocol.beta1)
        self._square.mul_(protocol.beta2).addcmul_(self._gradient, self._gradient, value=1 - protocol.beta2)
        first = 1 - protocol.beta1**self._steps_done
        second = math.sqrt(1 - protocol.beta2**self._steps_done)
        change = torch.sqrt(self._square, out=self._gradient).div_(second).add_(protocol.epsilon)
        torch.div(self._mean, change, out=change).mul_(self._rate)
        self._flat.sub_(change, alpha=1 / first)


class _StagedNet:
    """One step's nets as the chain of stages that `BatchStrategy.forward` is given."""

    def __init__(self, parameters: Sequence[Tensor], masks: Tensor | None, dropout: float) -> None:
        last = len(parameters) // 2 - 1
        self.stages: Sequence[Callable[[Tensor], Tensor]] = [
            _stage(parameters[2 * i], parameters[2 * i + 1], i == last, _scaled(masks, i, last, dropout))
            for i in range(last + 1)
        ]

    def __call__(self, x: Tensor) -> Tensor:
        for stage in self.stages:
            x = stage(x)
        return x


def _stage(weight: Tensor, bias: Tensor, output: bool, factor: Tensor | None) -> Callable[[Tensor], Tensor]:
    def run(x: Tensor) -> Tensor:
        x = torch.baddbmm(bias[:, None], x, weight)
        x = x if output else x.relu()
        return x if factor is None else x * factor

    return run


def _scaled(masks: Tensor | None, layer: int, last: int, dropout: float) -> Tensor | None:
    return None if masks is None or layer >= last - 1 else masks[:, layer] / (1.0 - dropout)


def mean_loss(losses: Tensor, weight: Tensor | None) -> Tensor:
    """``(nets, batch)`` -> ``(nets,)``: the weighted sum over the batch size, as Keras reduces class weights."""
    return (losses if weight is None else losses * weight).mean(dim=-1)


def _views(flat: Tensor, shapes: Sequence[torch.Size]) -> list[Tensor]:
    sizes = [shape.numel() for shape in shapes]
    return [part.view(shape) for part, shape in zip(torch.split(flat, sizes), shapes, strict=True)]
