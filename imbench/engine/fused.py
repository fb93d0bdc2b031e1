"""The fused engine: dense nets on a CPU, one after another, many steps in one call of a compiled kernel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from torch import Tensor

from imbench.contract.batch import Batch
from imbench.contract.hidden import HiddenMix, HiddenMixStrategy
from imbench.contract.noise import Noise
from imbench.contract.protocol import Protocol
from imbench.contract.strategy import BatchStrategy, TrainingInfo
from imbench.engine.backprop import mean_loss
from imbench.engine.dropout import block_keys, threshold
from imbench.engine.fused_plan import plan_net, working_space
from imbench.engine.losses.custom import OwnLoss
from imbench.engine.mlp import Mlp
from imbench.engine.validation import Validation, check_shapes
from imbench.kernels import dense as kernel
from imbench.kernels.dense_tiles import PANEL


@dataclass(frozen=True, eq=False)
class _Workspace:
    """What the kernel needs for batches of one size: a plan, and working space for each net or one for all."""

    plan: np.ndarray
    spaces: list[np.ndarray]


class FusedNets:
    """`imbench.engine.stacked.StackedNets` on a CPU: the same nets, steps and dropout, to rounding.

    Each net takes all steps of a block before the next one does, so that its parameters and Adam moments stay in the
    cache. Takes strategies with a loss of their own, but of those with a `BatchStrategy.forward` of their own only the
    ones that mix rows before a layer, `HiddenMixStrategy`.

    Parameters
    ----------
    architecture : what the nets are
    weights : for each net, its arrays as `Mlp.weights` makes them
    dropout_streams : one generator for each net
    strategy, protocol : what decides the loss and the optimizer
    """

    def __init__(
        self,
        architecture: Mlp,
        weights: Sequence[Sequence[np.ndarray]],
        dropout_streams: Sequence[np.random.Generator],
        strategy: BatchStrategy,
        protocol: Protocol,
        device: torch.device | str = "cpu",
    ) -> None:
        if torch.device(device).type != "cpu":
            raise ValueError(f"FusedNets trains on the cpu, got device {device}; StackedNets trains on any device")
        self.widths, self.strategy, self.protocol = architecture.widths, strategy, protocol
        self._streams = list(dropout_streams)
        self._own_loss = OwnLoss(strategy) if strategy.overrides("loss") else None
        self._validation = Validation(strategy, device)
        self._steps_done = 0
        self._workspaces: dict[int, _Workspace] = {}
        self._layout, parameters, _ = plan_net(self.widths, 1)
        # (nets, parameters): each net's own are contiguous
        self._values, self._means, self._squares = np.zeros((3, len(weights), parameters), np.float32)
        for i, arrays in enumerate(weights):
            for view, array in zip(self.parameters, arrays, strict=True):
                view[i] = torch.as_tensor(array)

    @property
    def parameters(self) -> list[Tensor]:
        """Views ``[W0, b0, W1, b1, …]``, W ``(nets, inputs, outputs)``, b ``(nets, outputs)``."""
        views = []
        for layer in range(len(self.widths) - 1):
            width, out = self.widths[layer : layer + 2]
            start, end = self._layout["weights"][layer : layer + 2]
            both = self._values[:, start:end].reshape(len(self._values), width + 1, -1)
            views += [torch.from_numpy(both[:, :width, :out]), torch.from_numpy(both[:, width, :out])]
        return views

    def advance(self, batch: Batch, info: TrainingInfo, noise: Noise, rates: np.ndarray) -> np.ndarray:
        """Take one gradient step on every batch of the stack ``(nets, steps)``, in order.

        ``rates`` is ``(nets,)``. Returns ``(nets,)``, the sum of the steps' losses (each the mean over its batch).
        Raises ValueError for batches that are not for these nets: the kernel reads and writes where they say.
        """
        check_shapes(batch, len(self._streams), self.widths[:1], self.widths[-1])
        batch = Batch(_ready(batch.x), _ready(batch.y), None if batch.weight is None else _ready(batch.weight))
        (layers, partners, shares), batch = self._mixed(batch, noise)
        nets = len(self._streams)
        info = replace(info, class_counts=info.class_counts[:, 0])  # (nets, classes)
        loss = None if self._own_loss is None else self._own_loss.now(info)
        address, constants = (0, np.zeros((nets, 1), np.float32)) if loss is None else (loss.address, loss.constants)
        weights = np.zeros((nets, 0, 0), np.float32) if batch.weight is None else batch.weight.numpy()
        settings = map(self._settings, rates, self._streams)
        arrays = batch.x.numpy(), batch.y.numpy(), weights, settings, layers, partners, shares
        steps = list(map(kernel.Steps, *arrays, [address] * nets, constants))
        if self._own_loss is None or loss is not None:
            losses = self._in_the_kernel(batch.size, steps)
        else:
            losses = self._through_autograd(batch, info, steps)
        self._steps_done += batch.stack[1]
        return losses

    def logits(self, net: int, x: Tensor) -> Tensor:
        """``(rows, classes)`` logits of one net without dropout, from ``(rows, features)``."""
        parameters = self.parameters
        for layer in range(len(self.widths) - 1):
            x = torch.addmm(parameters[2 * layer + 1][net], x, parameters[2 * layer][net])
            x = x.relu_() if layer < len(self.widths) - 2 else x
        return x

    def keep(self, nets: np.ndarray) -> None:
        """Go on with these nets only (their positions in the stack)."""
        self._values, self._means, self._squares = (a[nets] for a in (self._values, self._means, self._squares))
        self._streams = [self._streams[i] for i in nets]
        if self._own_loss is not None:
            self._own_loss.keep(nets)

    def _mixed(self, batch: Batch, noise: Noise) -> tuple[tuple[np.ndarray, np.ndarray, np.ndarray], Batch]:
        """The `Mix` of each net's steps as `Steps` takes them, and the batch with its labels mixed so."""
        nets, steps = batch.stack
        panels = -(-batch.size // PANEL) * PANEL
        if not isinstance(self.strategy, HiddenMixStrategy):
            none = np.full((nets, 1), -1), np.zeros((nets, 1, panels), np.int32), np.ones((nets, 1), np.float32)
            return none, batch
        layers, owner = len(self.widths) - 1, self.strategy.spec
        drawn = []
        for step in range(steps):
            weight = None if batch.weight is None else batch.weight[:, step]
            drawn.append(self.strategy.mix_of(layers, Batch(batch.x[:, step], batch.y[:, step], weight), noise))
        whole = HiddenMix(*(torch.stack([getattr(mix, f.name) for mix in drawn], dim=1) for f in fields(HiddenMix)))
        whole.validate_values(owner, layers)
        stage, partners = whole.stage.numpy(), whole.partners.numpy()
        rows = np.tile(np.arange(panels, dtype=np.int32), (nets, steps, 1))  # rows that fill up are their own partners
        rows[..., : batch.size] = partners
        share = np.ascontiguousarray(whole.share.numpy(), np.float32)
        return (np.ascontiguousarray(stage, np.int64), rows, share), replace(batch, y=whole.of(batch.y))

    def _in_the_kernel(self, size: int, steps: list[kernel.Steps]) -> np.ndarray:
        """All steps of a net in one call: with cross-entropy, or with a compiled loss."""
        workspace = self._workspace(size, 1)
        nets = (self._net(i, workspace.spaces[0], workspace.plan) for i in range(len(steps)))
        return np.array(
            [kernel.train_steps(net, of_net, self._steps_done) for net, of_net in zip(nets, steps, strict=True)]
        )

    def _through_autograd(self, batch: Batch, info: TrainingInfo, steps: list[kernel.Steps]) -> np.ndarray:
        """The strategy's loss is differentiated on the logits, for all nets at once, between two halves of a step."""
        workspace = self._workspace(batch.size, len(steps))
        nets = [self._net(i, workspace.spaces[i], workspace.plan) for i in range(len(steps))]
        logits, total = np.empty((len(steps), batch.size, batch.classes), np.float32), np.zeros(len(steps))
        for step in range(batch.stack[1]):
            mixes = [of_net.mix(step) for of_net in steps]
            for i, (net, of_net) in enumerate(zip(nets, steps, strict=True)):
                kernel.forward_step(net, of_net.x[step], of_net.settings, step, mixes[i], logits[i])
            with torch.enable_grad():
                leaf = torch.from_numpy(logits).requires_grad_()
                weight = None if batch.weight is None else batch.weight[:, step]
                losses = mean_loss(self._validation.losses(leaf, batch.y[:, step], info), weight)
                with self._validation.differentiating("loss"):
                    delta = torch.autograd.grad(losses.sum(), leaf)[0].contiguous().numpy()
            for i, (net, of_net) in enumerate(zip(nets, steps, strict=True)):
                kernel.backward_step(net, delta[i], of_net.settings, self._steps_done + step, mixes[i])
            total += losses.detach().numpy()
        return total

    def _net(self, number: int, space: np.ndarray, plan: np.ndarray) -> kernel.Net:
        return kernel.Net(self._values[number], self._means[number], self._squares[number], space, plan)

    def _workspace(self, size: int, spaces: int) -> _Workspace:
        workspace = self._workspaces.get(size)
        if workspace is None or len(workspace.spaces) < spaces:
            plan, _, floats = plan_net(self.widths, size)
            workspace = _Workspace(plan, [working_space(plan, floats, size) for _ in range(spaces)])
            self._workspaces[size] = workspace
        return workspace

    def _settings(self, rate: float, rng: np.random.Generator) -> np.ndarray:
        """`SETTINGS` of one net and block; no keys are drawn where nothing can be dropped."""
        p, hidden = self.protocol, len(self.widths) - 2
        dropped = (threshold(p.dropout), *block_keys(rng)) if p.dropout and hidden > 1 else (0, 0, 0)
        scale = 1.0 / (1.0 - p.dropout)
        return np.array([(rate, p.beta1, p.beta2, p.epsilon, scale, *dropped)], kernel.SETTINGS)


def _ready(values: Tensor) -> Tensor:
    return values.float().contiguous()
