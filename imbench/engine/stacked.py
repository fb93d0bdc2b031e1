"""The general engine: many nets side by side in torch, one batched operation a layer, on any device."""

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
from imbench.engine.architecture import Architecture, StagedNet
from imbench.engine.backprop import Autograd, Backprop, ManualBackprop, leaves_of, mean_loss, write_gradients
from imbench.engine.cnn import Cnn
from imbench.engine.compiled_engines import pooled_backprop
from imbench.engine.dropout import block_keys
from imbench.engine.inputs import Inputs
from imbench.engine.mlp import Mlp
from imbench.engine.part import Part
from imbench.engine.runner import Runner, runner_for


class StackedNets:
    """A stack of nets of one architecture with their Adam states.

    All nets take each step together, whichever strategy their batches come from, and whatever step of its epoch each is
    at; the nets of one `Part` take their blocks together. With the default loss a step is one function of tensors that
    stay where they are, free of Python's numbers and of waiting for the device, so that a GPU can replay it as a graph.

    Parameters
    ----------
    architecture : what the nets are
    weights : for each net, its arrays as `Architecture.weights` makes them
    dropout_streams : one generator for each net
    strategy : decides the loss and the forward pass; strategies that keep both defaults can share a stack
    protocol : what decides the optimizer
    room : steps of a block and rows of a batch, at most; `advance` makes more where it is too small
    runner : how steps are run; default: what suits the device
    """

    def __init__(
        self,
        architecture: Architecture,
        weights: Sequence[Sequence[np.ndarray]],
        dropout_streams: Sequence[np.random.Generator],
        strategy: BatchStrategy,
        protocol: Protocol,
        device: torch.device | str = "cpu",
        *,
        room: tuple[int, int] = (1, 1),
        runner: Runner | None = None,
    ) -> None:
        self.architecture, self.strategy, self.protocol, self.device = architecture, strategy, protocol, device
        self.runner = runner or runner_for(device)
        self._streams = list(dropout_streams)
        arrays = [np.stack(layer) for layer in zip(*weights, strict=True)]  # (nets, *shape)
        self._adam = StackedAdam([torch.as_tensor(layer, device=device) for layer in arrays], protocol)
        # (nets,) sums of losses, until their part asks for them
        self.step_losses = torch.zeros(len(weights), dtype=torch.float64, device=device)
        self._live = np.ones(len(weights), bool)
        self._rates = np.zeros(len(weights))
        self._backprop = backprop_for(architecture, device)
        self._parts: list[Part] = []
        self._logits = torch.empty(0)  # of the current step
        self._make_room(*room)
        self._own_loss = strategy.overrides("loss")
        self._own_forward = strategy.overrides("forward")

    @property
    def parameters(self) -> list[Tensor]:
        """Views of the arrays, each ``(nets, *shape)``, in the order of `Architecture.weights`."""
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
        """``(rows, classes)`` logits of one net as it predicts, from ``(rows, *features)``."""
        arrays = [values[net : net + 1] for values in self.parameters]
        return StagedNet(self.architecture.stages(arrays, (), training=False))(x[None])[0]

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
        if self.architecture.dropped[0]:  # nothing is drawn where nothing can be dropped
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
        self._backprop.forget()

    def _make_room(self, steps: int, size: int) -> None:
        nets, net = len(self._live), self.architecture
        self._inputs = Inputs(nets, steps, size, net.features, net.classes, net.dropped, self.device)
        self._delta = torch.zeros(nets, size, net.classes, device=self.device)

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
        x, y, share = self._inputs.now()
        log_p = torch.log_softmax(self._backprop.forward(self.parameters, x, self._kept), dim=-1)
        losses = (y * log_p).sum(dim=-1).mul_(share).sum(dim=-1)
        self.step_losses.sub_(losses)
        delta = log_p.exp_().mul_(y.sum(dim=-1, keepdim=True)).sub_(y).mul_(share[..., None])
        self._backward_and_step(delta)

    def _forward(self) -> None:
        x, _, _ = self._inputs.now()
        self._logits = self._backprop.forward(self.parameters, x, self._kept)

    def _kept(self, layer: int) -> Tensor:
        return self._inputs.kept(layer, self.protocol.dropout)

    def _backward_and_step(self, delta: Tensor) -> None:
        """From the losses' gradient on the logits ``(nets, batch, classes)`` to the end of the step."""
        self._backprop.backward(delta, self._adam.gradients)
        self._end_step()

    def _finish_step(self) -> None:
        self._backward_and_step(self._delta)

    def _own_losses(self) -> None:
        """The strategy's loss, part after part, and its gradient on the logits.

        Never part of a graph: a loss may depend on the epoch, a number of Python's that a recording would freeze.
        """
        self._delta.zero_()
        for part in self._parts:
            if len(part.columns) and part.error is None:
                part.differentiate(self._logits, self._delta, self.step_losses)

    def _step_by_autograd(self) -> None:
        """A step with a forward pass of the strategy's own; never part of a graph, since it draws from its noise."""
        (part,) = self._parts
        batch, info, noise = part.batch_now()
        net = self.architecture
        kept = [self._kept(layer)[:, : batch.size] for layer in range(net.dropped[0])]
        with torch.enable_grad():
            leaves = leaves_of(net, self.parameters)
            logits, y = self.strategy.forward(StagedNet(net.stages(leaves, kept, training=True)), batch, noise)
            losses = mean_loss(self.strategy.loss(logits, y, info), batch.weight)
            total = losses.sum()
        write_gradients(total, leaves, self._adam.gradients)
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


def backprop_for(architecture: Architecture, device: torch.device | str = "cpu") -> Backprop:
    """By hand for dense nets, compiled for the paper's net for images on a CPU, by autograd for all others."""
    if isinstance(architecture, Mlp):
        return ManualBackprop(architecture)
    if isinstance(architecture, Cnn) and torch.device(device).type == "cpu":
        kind = pooled_backprop()
        if kind is not None and kind.suits(architecture):
            return kind(architecture)
    return Autograd(architecture)
