"""The general engine: many nets in torch with one batched operation for each layer, on any device."""

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
from imbench.engine.compiled_engines import adam_kernels, pooled_backprop
from imbench.engine.dropout import block_keys
from imbench.engine.inputs import Inputs
from imbench.engine.mlp import Mlp
from imbench.engine.runner import Runner, runner_for
from imbench.engine.stack_slice import StackSlice
from imbench.engine.validation import Validation, check_shapes


class StackedNets:
    """A stack of nets of equal architecture, with their Adam states.

    All nets take each step together, although their strategies and their steps within an epoch may differ; the nets of
    a `StackSlice` receive their blocks together. With the default loss, a step is one function of tensors at fixed
    addresses that reads no Python numbers and does not wait for the device, so that a GPU can replay it as a graph.

    Parameters
    ----------
    architecture : architecture of the nets
    weights : for each net, its arrays from `Architecture.weights`
    dropout_streams : one generator for each net
    strategy : gives loss and forward pass; strategies that override neither can share a stack
    protocol : gives the settings of the optimizer and the dropout rate
    device : where to train
    capacity : largest number of steps in a block, and of rows in a batch; `advance` enlarges it if needed
    runner : runs the steps; default: `imbench.engine.runner.runner_for` the device
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
        capacity: tuple[int, int] = (1, 1),
        runner: Runner | None = None,
    ) -> None:
        self.architecture, self.strategy, self.protocol, self.device = architecture, strategy, protocol, device
        self.validation = Validation(strategy, device)
        self.runner = runner or runner_for(device)
        self._streams = list(dropout_streams)
        arrays = [np.stack(layer) for layer in zip(*weights, strict=True)]  # (nets, *shape)
        self._backprop = backprop_for(architecture, device)
        kernels = None if self._backprop.recordable else adam_kernels()
        self._adam = StackedAdam([torch.as_tensor(layer, device=device) for layer in arrays], protocol, kernels)
        # (nets,) sums of losses, reset by `StackSlice.pop_losses`
        self.step_losses = torch.zeros(len(weights), dtype=torch.float64, device=device)
        self._active = np.ones(len(weights), bool)
        self._rates = np.zeros(len(weights))
        self._slices: list[StackSlice] = []
        self._logits = torch.empty(0)  # of the current step
        self._allocate(*capacity)
        self._custom_loss = strategy.overrides("loss")
        self._custom_forward = strategy.overrides("forward")

    @property
    def parameters(self) -> list[Tensor]:
        """Views of the arrays, each ``(nets, *shape)``, in the order of `Architecture.weights`."""
        return self._adam.parameters

    def add_slice(self, first: int, nets: int) -> StackSlice:
        """Add a slice of nets that receive their blocks together, from position ``first``; slices must be disjoint."""
        self._slices.append(StackSlice(self, np.arange(first, first + nets)))
        return self._slices[-1]

    def run(self, steps: int) -> None:
        """Take this many steps; each slice must have at least as many steps left in its block."""
        if self._custom_forward:
            for _ in range(steps):
                self._step_by_autograd()
            self.validation.settle()
        elif self._custom_loss:
            for _ in range(steps):
                self.runner.run(self._forward)
                self._custom_losses()
                self.runner.run(self._finish_step)
                self._count_steps(1)
        else:
            self.runner.run(self._step, steps)
            self._count_steps(steps)

    def advance(self, batch: Batch, info: TrainingInfo, noise: Noise, rates: np.ndarray) -> np.ndarray:
        """Take one gradient step on each batch of the stack ``(nets, steps)``, in order, with all nets in one slice.

        Parameters
        ----------
        batch : rebalanced batches of stack ``(nets, steps)``
        info : training info of the batches
        noise : of stack ``(nets,)``, for a custom forward pass
        rates : ``(nets,)`` learning rates

        Returns
        -------
        ``(nets,)`` sums of the losses of all steps, each the mean over its batch.
        """
        (whole,) = self._slices or [self.add_slice(0, len(self._active))]
        steps, size = batch.stack[1], batch.size
        if steps > self._inputs.steps or size > self._inputs.size:
            self.close()
            self._allocate(max(steps, self._inputs.steps), max(size, self._inputs.size))
        whole.load(batch, info, noise, rates)
        self.run(steps)
        if whole.error is not None:
            raise whole.error
        losses: np.ndarray = whole.pop_losses().cpu().numpy()
        return losses

    def logits(self, net: int, x: Tensor) -> Tensor:
        """Logits ``(rows, classes)`` of one net in prediction mode, for rows ``(rows, *features)``."""
        return self.logits_of([values[net : net + 1] for values in self.parameters], x)

    def copy(self, net: int) -> list[Tensor]:
        """A copy of the arrays of one net, each ``(1, *shape)``."""
        return [values[net : net + 1].clone() for values in self.parameters]

    def logits_of(self, arrays: Sequence[Tensor], x: Tensor) -> Tensor:
        """As `logits`, of a net with these arrays."""
        return StagedNet(self.architecture.stages(arrays, (), training=False))(x[None])[0]

    def keep(self, nets: np.ndarray) -> None:
        """Keep only the nets at these positions in the stack."""
        ended = np.ones(len(self._active), bool)
        ended[nets] = False
        self.stop(np.flatnonzero(ended & self._active))

    def stop(self, nets: np.ndarray) -> None:
        """Stop the nets at these positions; the others continue and are packed if enough nets have ended."""
        if not len(nets):
            return
        self._active[nets] = False
        for stack_slice in self._slices:
            stack_slice.move_to(stack_slice.positions[self._active[stack_slice.positions]])
        # A custom forward pass receives all nets of the stack, so ended nets must be removed at once.
        idle = 0.0 if self._custom_forward else self.runner.idle_share
        if 0 < self._active.sum() <= (1 - idle) * len(self._active):
            self._pack()
        else:
            self._inputs.stop(on_device(nets, self.device))

    def load_block(self, positions: np.ndarray, at: slice | Tensor, batch: Batch, rates: np.ndarray) -> None:
        """Load the next block of these nets and its learning rates.

        ``positions`` and ``at`` are both the nets' positions, as an array and as an index of device tensors. Raises
        ValueError for a batch that does not fit these nets.
        """
        check_shapes(batch, len(positions), self.architecture.features, self.architecture.classes)
        keys = np.zeros((len(positions), 2), np.uint32)
        if self.architecture.dropout_shape[0]:  # without dropout, the streams are not advanced
            keys = np.stack([block_keys(self._streams[i]) for i in positions])
        self._inputs.load(at, batch, keys)
        if (self._rates[positions] != rates).any():
            self._rates[positions] = rates
            self._adam.set_rates(at, rates)

    def wait(self) -> None:
        """Wait until the device has finished all steps."""
        self.step_losses[:1].cpu()

    def close(self) -> None:
        """Discard recordings and intermediate values."""
        self.runner.forget()
        self._backprop.forget()

    def _allocate(self, steps: int, size: int) -> None:
        nets, net = len(self._active), self.architecture
        shape = nets, steps, size, net.features, net.classes, net.dropout_shape
        self._inputs = Inputs(*shape, self.device, recordable=self._backprop.recordable)
        self._delta = torch.zeros(nets, size, net.classes, device=self.device)

    def _pack(self) -> None:
        """Remove ended nets from all tensors; this invalidates the runner's recordings."""
        self.close()
        self._adam.keep(chosen := on_device(np.flatnonzero(self._active), self.device))
        self._inputs.keep(chosen)
        self.step_losses, self._delta = self.step_losses[chosen], self._delta[chosen]
        self._rates = self._rates[self._active]
        self._streams = [rng for rng, active in zip(self._streams, self._active, strict=True) if active]
        new_positions = np.cumsum(self._active) - 1
        for stack_slice in self._slices:
            stack_slice.move_to(new_positions[stack_slice.positions])
        self._active = np.ones(len(chosen), bool)

    def _step(self) -> None:
        """One step with the default loss: cross-entropy with soft labels and its closed-form gradient."""
        x, y, share = self._inputs.current()
        log_p = torch.log_softmax(self._backprop.forward(self.parameters, x, self._kept), dim=-1)
        losses = (y * log_p).sum(dim=-1).mul_(share).sum(dim=-1)
        self.step_losses.sub_(losses)
        delta = log_p.exp_().mul_(y.sum(dim=-1, keepdim=True)).sub_(y).mul_(share[..., None])
        self._backward_and_step(delta)

    def _forward(self) -> None:
        x, _, _ = self._inputs.current()
        self._logits = self._backprop.forward(self.parameters, x, self._kept)

    def _kept(self, layer: int) -> Tensor:
        return self._inputs.kept(layer, self.protocol.dropout)

    def _backward_and_step(self, delta: Tensor) -> None:
        """Backward pass and update, from the gradient with respect to the logits ``(nets, batch, classes)``."""
        self._backprop.backward(delta, self._adam.gradients)
        self._end_step()

    def _finish_step(self) -> None:
        self._backward_and_step(self._delta)

    def _custom_losses(self) -> None:
        """The custom loss of each slice, and its gradient with respect to the logits.

        Never recorded, since a loss may depend on the epoch, a Python number that a recording would freeze.
        """
        self._delta.zero_()
        for stack_slice in self._slices:
            if len(stack_slice.positions) and stack_slice.error is None:
                stack_slice.differentiate(self._logits, self._delta, self.step_losses)

    def _step_by_autograd(self) -> None:
        """One step with a custom forward pass; never recorded, since the forward pass draws random numbers."""
        (stack_slice,) = self._slices
        batch, info, noise = stack_slice.current_batch()
        net = self.architecture
        kept = [self._kept(layer)[:, : batch.size] for layer in range(net.dropout_shape[0])]
        with torch.enable_grad():
            leaves = leaves_of(net, self.parameters)
            forward = self.strategy.forward(StagedNet(net.stages(leaves, kept, training=True)), batch, noise)
            logits, y = self.validation.forwarded(forward, batch.y)
            losses = mean_loss(self.validation.losses(logits, y, info), batch.weight)
            total = losses.sum()
        with self.validation.differentiating("forward"):
            write_gradients(total, leaves, self._adam.gradients)
        self.step_losses.add_(losses.detach())
        self._end_step()
        self._count_steps(1)

    def _end_step(self) -> None:
        self._adam.step()
        self._inputs.advance()

    def _count_steps(self, steps: int) -> None:
        for stack_slice in self._slices:
            if len(stack_slice.positions):
                stack_slice.count_steps(steps)


def backprop_for(architecture: Architecture, device: torch.device | str = "cpu") -> Backprop:
    """`ManualBackprop` for dense nets, the compiled `Pooled` for the paper's CNN on a CPU, else `Autograd`."""
    if isinstance(architecture, Mlp):
        return ManualBackprop(architecture)
    if isinstance(architecture, Cnn) and torch.device(device).type == "cpu":
        kind = pooled_backprop()
        if kind is not None and kind.suits(architecture):
            return kind(architecture)
    return Autograd(architecture)
