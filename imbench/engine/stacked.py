"""The general engine: many dense nets side by side in torch, one batched operation a layer, on any device."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from imbench.contract.batch import Batch
from imbench.contract.noise import Noise, on_device
from imbench.contract.protocol import Protocol
from imbench.contract.strategy import BatchStrategy, TrainingInfo
from imbench.engine.adam import StackedAdam
from imbench.engine.dropout import block_keys
from imbench.engine.inputs import Inputs
from imbench.engine.loss import mean_loss
from imbench.engine.part import Part
from imbench.engine.runner import Runner, runner_for
from imbench.engine.staged import StagedNet


class StackedNets:
    """A stack of dense nets (ReLU, dropout after every hidden layer but the last) with their Adam states.

    All nets take each step together, whichever strategy their batches come from, and whatever step of its epoch each is
    at; the nets of one `Part` take their blocks together. With the default loss a step is one function of tensors that
    stay where they are, free of Python's numbers and of waiting for the device, so that a GPU can replay it as a graph.

    Parameters
    ----------
    widths : ``(features, hidden, …, classes)``
    weights : for each net, ``[W0, b0, W1, b1, …]`` as `imbench.engine.mlp.glorot_uniform` makes them
    dropout_streams : one generator for each net
    strategy : decides the loss and the forward pass; strategies that keep both defaults can share a stack
    protocol : what decides the optimizer
    room : steps of a block and rows of a batch, at most; `advance` makes more where it is too small
    runner : how steps are run; default: what suits the device
    """

    def __init__(
        self,
        widths: tuple[int, ...],
        weights: Sequence[Sequence[np.ndarray]],
        dropout_streams: Sequence[np.random.Generator],
        strategy: BatchStrategy,
        protocol: Protocol,
        device: torch.device | str = "cpu",
        *,
        room: tuple[int, int] = (1, 1),
        runner: Runner | None = None,
    ) -> None:
        self.widths, self.strategy, self.protocol, self.device = widths, strategy, protocol, device
        self.runner = runner or runner_for(device)
        self._streams = list(dropout_streams)
        arrays = [np.stack(layer) for layer in zip(*weights, strict=True)]  # (nets, inputs, outputs), (nets, outputs)
        self._adam = StackedAdam([torch.as_tensor(layer, device=device) for layer in arrays], protocol)
        # (nets,) sums of losses, until their part asks for them
        self.step_losses = torch.zeros(len(weights), dtype=torch.float64, device=device)
        self._live = np.ones(len(weights), bool)
        self._rates = np.zeros(len(weights))
        self._dropout_layers = max(0, len(widths) - 3) if protocol.dropout else 0
        self._parts: list[Part] = []
        self._layers: list[Tensor] = []  # of the current step: what enters each layer, then the logits
        self._make_room(*room)
        kind = type(strategy)
        self._own_loss = kind.loss is not BatchStrategy.loss
        self._own_forward = kind.forward is not BatchStrategy.forward

    @property
    def parameters(self) -> list[Tensor]:
        """Views ``[W0, b0, W1, b1, …]``, W ``(nets, inputs, outputs)``, b ``(nets, outputs)``."""
        return self._adam.parameters

    def part(self, first: int, nets: int) -> Part:
        """These neighbours in the stack as nets that take their blocks together; no net is in two parts."""
        self._parts.append(Part(self, np.arange(first, first + nets)))
        return self._parts[-1]

    def run(self, steps: int) -> None:
        """Take this many steps; the block of every part must hold as many still."""
        if self._own_forward:
            for _ in range(steps):
                self._step_by_autograd()
        elif self._own_loss:
            for _ in range(steps):
                self.runner.run(self._forward)
                self._own_losses()
                self.runner.run(self._finish_step)
                self._took(1)
        else:
            self.runner.run(self._step, steps)
            self._took(steps)

    def advance(self, batch: Batch, info: TrainingInfo, noise: Noise, rates: np.ndarray) -> np.ndarray:
        """Take one gradient step on every batch of the stack ``(nets, steps)``, in order: all nets as one part.

        ``rates`` is ``(nets,)``, ``noise`` has the stack ``(nets,)``. Returns ``(nets,)``, the sum of the steps' losses
        (each the mean over its batch).
        """
        (whole,) = self._parts or [self.part(0, len(self._live))]
        steps, size = batch.stack[1], batch.size
        if steps > self._inputs.steps or size > self._inputs.size:
            self.close()
            self._make_room(max(steps, self._inputs.steps), max(size, self._inputs.size))
        whole.load(batch, info, noise, rates)
        self.run(steps)
        if whole.error is not None:
            raise whole.error
        losses: np.ndarray = whole.losses().cpu().numpy()
        return losses

    def logits(self, net: int, x: Tensor) -> Tensor:
        """``(rows, classes)`` logits of one net without dropout, from ``(rows, features)``."""
        for layer in range(len(self.widths) - 1):
            x = torch.addmm(self.parameters[2 * layer + 1][net], x, self.parameters[2 * layer][net])
            x = x.relu_() if layer < len(self.widths) - 2 else x
        return x

    def keep(self, nets: np.ndarray) -> None:
        """Go on with these nets only (their positions in the stack)."""
        ended = np.ones(len(self._live), bool)
        ended[nets] = False
        self.end(np.flatnonzero(ended & self._live))

    def end(self, nets: np.ndarray) -> None:
        """These nets (their positions in the stack) have ended; the others go on, packed anew where that pays."""
        if not len(nets):
            return
        self._live[nets] = False
        for part in self._parts:
            part.place(part.columns[self._live[part.columns]])
        # A forward pass of the strategy's own is given all nets of the stack, and so none that has ended.
        idle = 0.0 if self._own_forward else self.runner.idle_share
        if 0 < self._live.sum() <= (1 - idle) * len(self._live):
            self._pack()
        else:
            self._inputs.stop(on_device(nets, self.device))

    def put(self, columns: np.ndarray, at: slice | Tensor, batch: Batch, rates: np.ndarray) -> None:
        """The next block of these nets, ``columns`` and ``at`` both being their positions, and its learning rates."""
        keys = np.zeros((len(columns), 2), np.uint32)
        if self._dropout_layers:  # nothing is drawn where nothing can be dropped
            keys = np.stack([block_keys(self._streams[i]) for i in columns])
        self._inputs.put(at, batch, keys)
        if (self._rates[columns] != rates).any():
            self._rates[columns] = rates
            self._adam.set_rates(at, rates)

    def wait(self) -> None:
        """Until the device has taken all steps."""
        self.step_losses[:1].cpu()

    def close(self) -> None:
        """Free what the runner holds for these nets."""
        self.runner.forget()
        self._layers = []

    def _make_room(self, steps: int, size: int) -> None:
        hidden = self._dropout_layers, self.widths[1]
        features, classes = self.widths[0], self.widths[-1]
        self._inputs = Inputs(len(self._live), steps, size, features, classes, hidden, self.device)
        self._delta = torch.zeros(len(self._live), size, classes, device=self.device)

    def _pack(self) -> None:
        """Move the nets that live together; what a runner recorded holds no longer."""
        self.close()
        self._adam.keep(chosen := on_device(np.flatnonzero(self._live), self.device))
        self._inputs.keep(chosen)
        self.step_losses, self._delta = self.step_losses[chosen], self._delta[chosen]
        self._rates = self._rates[self._live]
        self._streams = [rng for rng, live in zip(self._streams, self._live, strict=True) if live]
        place = np.cumsum(self._live) - 1
        for part in self._parts:
            part.place(place[part.columns])
        self._live = np.ones(len(chosen), bool)

    def _step(self) -> None:
        """A whole step with the default loss, cross-entropy on soft labels, in closed form."""
        _, y, share = self._forward_of(*self._inputs.now())
        log_p = torch.log_softmax(self._layers[-1], dim=-1)
        losses = (y * log_p).sum(dim=-1).mul_(share).sum(dim=-1)
        self.step_losses.sub_(losses)
        delta = log_p.exp_().mul_(y.sum(dim=-1, keepdim=True)).sub_(y).mul_(share[..., None])
        self._backward(delta)

    def _forward(self) -> None:
        self._forward_of(*self._inputs.now())

    def _forward_of(self, x: Tensor, y: Tensor, share: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Fill `_layers`, x ``(nets, batch, features)``; returns its arguments."""
        last = len(self.widths) - 2
        layers = [x]
        for layer in range(last + 1):
            # ReLU passes a positive factor on, so dropout's goes into the product.
            factor = self._scale(layer)
            bias, weight = self.parameters[2 * layer + 1][:, None], self.parameters[2 * layer]
            values = torch.baddbmm(bias, layers[-1], weight, beta=factor, alpha=factor)
            if layer < last:
                values.relu_()
            if layer < self._dropout_layers:
                values.mul_(self._inputs.kept(layer, self.protocol.dropout))
            layers.append(values)
        self._layers = layers
        return x, y, share

    def _backward(self, delta: Tensor) -> None:
        """From the losses' gradient on the logits ``(nets, batch, classes)`` to the end of the step."""
        for layer in range(len(self.widths) - 2, -1, -1):
            torch.bmm(self._layers[layer].transpose(1, 2), delta, out=self._adam.gradients[2 * layer])
            torch.sum(delta, dim=1, out=self._adam.gradients[2 * layer + 1])
            if layer:
                factor = self._scale(layer - 1)
                weight = self.parameters[2 * layer].transpose(1, 2)
                delta = torch.baddbmm(delta[:, :1, :1], delta, weight, beta=0, alpha=factor)
                # A unit that dropout or ReLU set to 0 passes nothing back.
                delta.mul_(self._layers[layer] > 0)
        self._end_step()

    def _finish_step(self) -> None:
        self._backward(self._delta)

    def _own_losses(self) -> None:
        """The strategy's loss, part after part, and its gradient on the logits.

        Never part of a graph: a loss may depend on the epoch, a number of Python's that a recording would freeze.
        """
        self._delta.zero_()
        for part in self._parts:
            if len(part.columns) and part.error is None:
                part.differentiate(self._layers[-1], self._delta, self.step_losses)

    def _step_by_autograd(self) -> None:
        """A step with a forward pass of the strategy's own; never part of a graph, since it draws from its noise."""
        (part,) = self._parts
        batch, info, noise = part.batch_now()
        kept = [self._inputs.kept(i, self.protocol.dropout)[:, : batch.size] for i in range(self._dropout_layers)]
        leaves = [p.detach().requires_grad_() for p in self.parameters]
        with torch.enable_grad():
            logits, y = self.strategy.forward(StagedNet(leaves, kept, self.protocol.dropout), batch, noise)
            losses = mean_loss(self.strategy.loss(logits, y, info), batch.weight)
            gradients = torch.autograd.grad(losses.sum(), leaves)
        for held, gradient in zip(self._adam.gradients, gradients, strict=True):
            held.copy_(gradient)
        self.step_losses.add_(losses.detach())
        self._end_step()
        self._took(1)

    def _end_step(self) -> None:
        self._adam.step()
        self._inputs.move()

    def _took(self, steps: int) -> None:
        for part in self._parts:
            if len(part.columns):
                part.took(steps)

    def _scale(self, layer: int) -> float:
        """What the values that leave this layer are multiplied by, so that dropout keeps their mean."""
        return 1.0 / (1.0 - self.protocol.dropout) if layer < self._dropout_layers else 1.0
