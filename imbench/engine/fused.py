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
from imbench.engine.losses.custom import CompiledLoss, OwnLoss
from imbench.engine.mlp import Mlp
from imbench.kernels import dense as kernel


@dataclass(frozen=True, eq=False)
class _Room:
    """What the kernel needs for batches of one size: its plan, and working space for each net or one for all."""

    plan: np.ndarray
    spaces: list[np.ndarray]


@dataclass(frozen=True, eq=False)
class _Mixes:
    """The `HiddenMix` of each step as the kernel takes it, ``(nets, steps)``; one for all steps where nothing is mixed.

    ``stage`` is -1 for no mixing; ``partners`` has rows up to whole panels.
    """

    stage: np.ndarray
    partners: np.ndarray
    share: np.ndarray

    def at(self, net: int, step: int) -> tuple[int, np.ndarray, np.float32]:
        at = net, min(step, self.stage.shape[1] - 1)
        return self.stage[at], self.partners[at], self.share[at]


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
        self._steps_done = 0
        self._rooms: dict[int, _Room] = {}
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
            start, end = self._layout[layer : layer + 2, kernel.WEIGHTS]
            both = self._values[:, start:end].reshape(len(self._values), width + 1, -1)
            views += [torch.from_numpy(both[:, :width, :out]), torch.from_numpy(both[:, width, :out])]
        return views

    def advance(self, batch: Batch, info: TrainingInfo, noise: Noise, rates: np.ndarray) -> np.ndarray:
        """Take one gradient step on every batch of the stack ``(nets, steps)``, in order.

        ``rates`` is ``(nets,)``. Returns ``(nets,)``, the sum of the steps' losses (each the mean over its batch).
        """
        batch = Batch(_ready(batch.x), _ready(batch.y), None if batch.weight is None else _ready(batch.weight))
        draws = [self._draws(rng) for rng in self._streams]
        settings = [self._settings(rate) for rate in rates]
        mixes, batch = self._mixed(batch, noise)
        info = replace(info, class_counts=info.class_counts[:, 0])  # (nets, classes)
        loss = None if self._own_loss is None else self._own_loss.now(info)
        if self._own_loss is None or loss is not None:
            losses = self._in_the_kernel(batch, settings, draws, mixes, loss)
        else:
            losses = self._through_autograd(batch, info, settings, draws, mixes)
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

    def _mixed(self, batch: Batch, noise: Noise) -> tuple[_Mixes, Batch]:
        """Which rows are mixed before which layer, and the batch with its labels mixed so."""
        nets, steps = batch.stack
        panels = -(-batch.size // kernel.PANEL) * kernel.PANEL
        if not isinstance(self.strategy, HiddenMixStrategy):
            nothing = np.full((nets, 1), -1), np.zeros((nets, 1, panels), np.int32), np.ones((nets, 1), np.float32)
            return _Mixes(*nothing), batch
        layers = len(self.widths) - 1
        drawn = []
        for step in range(steps):
            weight = None if batch.weight is None else batch.weight[:, step]
            drawn.append(self.strategy.hidden_mix(layers, Batch(batch.x[:, step], batch.y[:, step], weight), noise))
        whole = HiddenMix(*(torch.stack([getattr(mix, f.name) for mix in drawn], dim=1) for f in fields(HiddenMix)))
        stage, partners = whole.stage.numpy(), whole.partners.numpy()
        for name, numbers, end in (("stage", stage, layers), ("partners", partners, batch.size)):
            if numbers.size and not (numbers.min() >= 0 and numbers.max() < end):
                raise ValueError(
                    f"HiddenMix.{name} of {self.strategy.spec} must be from 0 to {end - 1}, "
                    f"got {numbers.min()} to {numbers.max()}"
                )
        rows = np.tile(np.arange(panels, dtype=np.int32), (nets, steps, 1))  # rows that fill up are their own partners
        rows[..., : batch.size] = partners
        share = np.ascontiguousarray(whole.share.numpy(), np.float32)
        return _Mixes(np.ascontiguousarray(stage, np.int64), rows, share), replace(batch, y=whole.of(batch.y))

    def _in_the_kernel(
        self,
        batch: Batch,
        settings: list[np.ndarray],
        draws: list[np.ndarray],
        mixes: _Mixes,
        loss: CompiledLoss | None,
    ) -> np.ndarray:
        """All steps of a net in one call: with cross-entropy, or with a compiled loss."""
        room = self._room(batch.size, 1)
        x, y = batch.x.numpy(), batch.y.numpy()
        weights = np.zeros((len(x), 0, 0), np.float32) if batch.weight is None else batch.weight.numpy()
        address, constants = (0, np.zeros((len(x), 1), np.float32)) if loss is None else (loss.address, loss.constants)
        return np.array(
            [
                kernel.train_steps(
                    x[i],
                    y[i],
                    weights[i],
                    *self._state(i),
                    room.spaces[0],
                    room.plan,
                    settings[i],
                    draws[i],
                    self._steps_done,
                    mixes.stage[i],
                    mixes.partners[i],
                    mixes.share[i],
                    address,
                    constants[i],
                )
                for i in range(len(x))
            ]
        )

    def _through_autograd(
        self,
        batch: Batch,
        info: TrainingInfo,
        settings: list[np.ndarray],
        draws: list[np.ndarray],
        mixes: _Mixes,
    ) -> np.ndarray:
        """The strategy's loss is differentiated on the logits, for all nets at once, between two halves of a step."""
        nets, steps = batch.stack
        room = self._room(batch.size, nets)
        x, logits = batch.x.numpy(), np.empty((nets, batch.size, batch.classes), np.float32)
        total = np.zeros(nets)
        for step in range(steps):
            mix = [mixes.at(i, step) for i in range(nets)]
            for i in range(nets):
                state = self._values[i], room.spaces[i], room.plan, settings[i], draws[i], step
                kernel.forward_step(x[i, step], *state, *mix[i], logits[i])
            with torch.enable_grad():
                leaf = torch.from_numpy(logits).requires_grad_()
                weight = None if batch.weight is None else batch.weight[:, step]
                losses = mean_loss(self.strategy.loss(leaf, batch.y[:, step], info), weight)
                delta = torch.autograd.grad(losses.sum(), leaf)[0].contiguous().numpy()
            for i in range(nets):
                moments = *self._state(i), room.spaces[i], room.plan, settings[i], self._steps_done + step
                kernel.backward_step(delta[i], *moments, *mix[i])
            total += losses.detach().numpy()
        return total

    def _state(self, net: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return self._values[net], self._means[net], self._squares[net]

    def _room(self, size: int, spaces: int) -> _Room:
        room = self._rooms.get(size)
        if room is None or len(room.spaces) < spaces:
            plan, _, floats = plan_net(self.widths, size)
            room = _Room(plan, [working_space(plan, floats, size) for _ in range(spaces)])
            self._rooms[size] = room
        return room

    def _settings(self, rate: float) -> np.ndarray:
        protocol = self.protocol
        scale = 1.0 / (1.0 - protocol.dropout)
        return np.array([rate, protocol.beta1, protocol.beta2, protocol.epsilon, scale])

    def _draws(self, rng: np.random.Generator) -> np.ndarray:
        """Dropout's threshold and this block's two keys; nothing is drawn where nothing can be dropped."""
        if self.protocol.dropout == 0 or len(self.widths) < 4:
            return np.zeros(3, np.uint32)
        return np.concatenate([np.array([threshold(self.protocol.dropout)], np.uint32), block_keys(rng)])


def _ready(values: Tensor) -> Tensor:
    return values.float().contiguous()
