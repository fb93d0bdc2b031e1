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
from imbench.engine.fused_plan import plan_net, working_spaces
from imbench.engine.losses.custom import OwnLoss
from imbench.engine.mlp import Mlp, dense_logits
from imbench.engine.validation import Validation, check_shapes
from imbench.kernels import dense as kernel
from imbench.kernels.dense_records import SETTINGS, Nets, Rows, Steps
from imbench.kernels.dense_tiles import PANEL
from imbench.kernels.simd import zeros

_NO_LOGITS = np.zeros((0, 0, 0), np.float32)
_NO_X = np.zeros((0, 0, 0, 0), np.float32)
_NO_ROWS = Rows(
    np.zeros((0, 0), np.float32),
    np.zeros((0, 0, 0), np.int64),
    np.zeros((0, 0, 0), np.int64),
    np.zeros((0, 0, 0), np.float32),
    np.zeros((0, 0), np.float32),
    np.zeros((0, 0), np.float32),
    np.float32(0.0),
    np.float32(0.0),
)


@dataclass(frozen=True, eq=False)
class _Workspace:
    """What the kernel needs for batches of one size: a plan, and ``(nets or 1, floats)`` of working space."""

    plan: np.ndarray
    spaces: np.ndarray


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
        self._values, self._means, self._squares = zeros(3, len(weights), parameters)
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
        batch = batch.replace(y=_ready(batch.y), weight=None if batch.weight is None else _ready(batch.weight))
        mixes, batch = self._mixed(batch, noise)
        nets = len(self._streams)
        info = replace(info, class_counts=info.class_counts[:, 0])  # (nets, classes)
        loss = None if self._own_loss is None else self._own_loss.now(info)
        address, constants = (0, np.zeros((nets, 1), np.float32)) if loss is None else (loss.address, loss.constants)
        weights = np.zeros((nets, 0, 0), np.float32) if batch.weight is None else batch.weight.numpy()
        x, rows = _features(batch)
        steps = Steps(x, rows, batch.y.numpy(), weights, self._settings(rates), *mixes, address, constants)
        if self._own_loss is None or loss is not None:
            losses = np.zeros(nets)
            self._run(kernel.WHOLE, self._nets(batch.size, 1), steps, 0, losses, _NO_LOGITS)
        else:
            losses = self._through_autograd(batch, info, steps)
        self._steps_done += batch.stack[1]
        return losses

    def logits(self, net: int, x: Tensor) -> Tensor:
        """``(rows, classes)`` logits of one net without dropout, from ``(rows, features)``."""
        return self.logits_of([values[net] for values in self.parameters], x)

    def copy(self, net: int) -> list[Tensor]:
        """A copy of the arrays of one net."""
        return [values[net].clone() for values in self.parameters]

    def logits_of(self, arrays: Sequence[Tensor], x: Tensor) -> Tensor:
        """As `logits`, of a net with these arrays."""
        return dense_logits(arrays, x)

    def keep(self, nets: np.ndarray) -> None:
        """Go on with these nets only (their positions in the stack)."""
        kept = torch.as_tensor(nets)
        self._values, self._means, self._squares = (
            torch.from_numpy(values)[kept].numpy() for values in (self._values, self._means, self._squares)
        )
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
        drawn = [self.strategy.mix_of(layers, batch.of_step(step), noise) for step in range(steps)]
        whole = HiddenMix(*(torch.stack([getattr(mix, f.name) for mix in drawn], dim=1) for f in fields(HiddenMix)))
        whole.validate_values(owner, layers)
        stage, partners = whole.stage.numpy(), whole.partners.numpy()
        rows = np.tile(np.arange(panels, dtype=np.int32), (nets, steps, 1))  # rows that fill up are their own partners
        rows[..., : batch.size] = partners
        share = np.ascontiguousarray(whole.share.numpy(), np.float32)
        return (np.ascontiguousarray(stage, np.int64), rows, share), batch.replace(y=whole.of(batch.y))

    def _through_autograd(self, batch: Batch, info: TrainingInfo, steps: Steps) -> np.ndarray:
        """The strategy's loss is differentiated on the logits, for all nets at once, between two halves of a step."""
        nets = self._nets(batch.size, len(self._streams))
        logits, total = (
            np.empty((len(self._streams), batch.size, batch.classes), np.float32),
            np.zeros(len(self._streams)),
        )
        for step in range(batch.stack[1]):
            self._run(kernel.FORWARD, nets, steps, step, total, logits)
            with torch.enable_grad():
                leaf = torch.from_numpy(logits).requires_grad_()
                weight = None if batch.weight is None else batch.weight[:, step]
                losses = mean_loss(self._validation.losses(leaf, batch.y[:, step], info), weight)
                with self._validation.differentiating("loss"):
                    delta = torch.autograd.grad(losses.sum(), leaf)[0].contiguous().numpy()
            self._run(kernel.BACKWARD, nets, steps, step, total, delta)
            total += losses.detach().numpy()
        return total

    def _run(self, part: int, nets: Nets, steps: Steps, first: int, losses: np.ndarray, logits: np.ndarray) -> None:
        if not kernel.advance(nets, steps, part, first, self._steps_done, losses, logits):
            raise IndexError("a batch has the number of a row that its table does not have")

    def _nets(self, size: int, spaces: int) -> Nets:
        workspace = self._workspace(size, spaces)
        return Nets(self._values, self._means, self._squares, workspace.spaces[:spaces], workspace.plan)

    def _workspace(self, size: int, spaces: int) -> _Workspace:
        workspace = self._workspaces.get(size)
        if workspace is None or len(workspace.spaces) < spaces:
            plan, _, floats = plan_net(self.widths, size)
            workspace = _Workspace(plan, working_spaces(plan, floats, size, spaces))
            self._workspaces[size] = workspace
        return workspace

    def _settings(self, rates: np.ndarray) -> np.ndarray:
        """`SETTINGS` of each net for a block; no keys are drawn where nothing can be dropped."""
        p, hidden = self.protocol, len(self.widths) - 2
        settings = np.zeros(len(rates), SETTINGS)
        settings["rate"], settings["scale"] = rates, 1.0 / (1.0 - p.dropout)
        settings["shrink"] = 1.0 - settings["rate"] * p.weight_decay
        settings["decay1"], settings["decay2"], settings["epsilon"] = p.beta1, p.beta2, p.epsilon
        if p.dropout and hidden > 1:
            settings["threshold"] = threshold(p.dropout)
            settings["key1"], settings["key2"] = np.stack([block_keys(rng) for rng in self._streams]).T
        return settings


def _features(batch: Batch) -> tuple[np.ndarray, Rows]:
    """The features of a batch for `Steps`, computed or as rows of a table."""
    rows = batch.uncomputed
    if rows is None:
        return _ready(batch.x).numpy(), _NO_ROWS
    partners, share = _NO_ROWS.partners, _NO_ROWS.share
    if rows.partners is not None and rows.share is not None:
        partners, share = _array(rows.partners), _array(rows.share)
    center, scale = (_array(values.expand(len(rows.numbers), -1)) for values in (rows.center, rows.scale))
    missing = np.float32(0.0 if rows.has_missing else np.nan)
    of_table = _array(rows.table), _array(rows.numbers), partners, share
    return _NO_X, Rows(*of_table, center, scale, np.float32(rows.clip), missing)


def _array(values: Tensor) -> np.ndarray:
    return values.contiguous().numpy()


def _ready(values: Tensor) -> Tensor:
    return values.float().contiguous()
