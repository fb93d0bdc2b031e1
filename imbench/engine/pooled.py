"""A training step of the paper's image net on a CPU: convolutions and pools in one compiled kernel."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from imbench.engine.backprop import Kept, ManualBackprop
from imbench.engine.cnn import POOL, WINDOW, Cnn
from imbench.engine.mlp import Mlp
from imbench.kernels import convolutional as kernel
from imbench.kernels.simd import LANES, zeros


class Pooled:
    """The `Backprop` of `Cnn` on a CPU: its convolutions by the compiled kernel, its dense layers by `ManualBackprop`.

    Equals autograd on `Cnn.stages`, to rounding. Each net is computed on one thread, independently of the others in
    the stack.

    Parameters
    ----------
    architecture : `suits` must be true for it
    """

    recordable = False

    def __init__(self, architecture: Cnn) -> None:
        self._inputs, *sides = architecture.features
        self._channels = architecture.channels
        channels = (self._inputs, *self._channels)
        plans = []
        for inputs, outputs in itertools.pairwise(channels):
            after = [(side - WINDOW + 1) // POOL for side in sides]
            plans.append((inputs, *sides, outputs, *after, WINDOW))
            sides = after
        self._plan = np.array(plans, kernel.CONVOLUTION)
        flat = channels[-1] * math.prod(sides)
        self._dense = ManualBackprop(Mlp((flat,), architecture.classes, (architecture.hidden,)))
        self._workspace = _Workspace(self._plan, 0, 0)
        self._arrays: Sequence[Tensor] = ()

    @staticmethod
    def suits(architecture: Cnn) -> bool:
        """Whether the kernel can compute this net: two convolutions whose channels fill its panels."""
        return len(architecture.channels) == 2 and not any(c % kernel.PANEL for c in architecture.channels)

    def forward(self, arrays: Sequence[Tensor], x: Tensor, kept: Kept) -> Tensor:
        """See `Backprop.forward`; x ``(nets, batch, channels, height, width)``."""
        nets, batch = x.shape[:2]
        if self._workspace.pooled.shape[:2] != (nets, batch):
            self._workspace = _Workspace(self._plan, nets, batch)
        space, images = self._workspace, x.flatten(3).contiguous().numpy()
        self._arrays = arrays
        weights = [_panels(arrays[0]).numpy(), _panels(arrays[2]).numpy()]
        for net in range(nets):
            kernel.forward(
                *(images[net], space.images[net], weights[0][net], arrays[1][net].numpy()),
                *(weights[1][net], arrays[3][net].numpy(), space.hidden[net], space.hidden_codes[net]),
                *(space.pooled[net], space.codes[net], self._plan),
            )
        return self._dense.forward(arrays[4:], torch.from_numpy(space.pooled).flatten(2), kept)

    def backward(self, delta: Tensor, gradients: Sequence[Tensor]) -> None:
        """See `Backprop.backward`."""
        space = self._workspace
        delta = self._dense.backward_to_first(delta, gradients[4:])
        delta = torch.bmm(delta, self._arrays[4].transpose(1, 2))  # (nets, batch, outputs * places)
        deltas = delta.view(space.pooled.shape).numpy()
        last = self._arrays[2].permute(0, 1, 3, 4, 2).flatten(3).contiguous().numpy()  # (nets, outputs, 3, 3 * inputs)
        for net in range(len(deltas)):
            kernel.backward(
                *(deltas[net], space.pooled[net], space.codes[net], space.hidden[net], space.hidden_codes[net]),
                *(space.images[net], last[net], space.first[net], gradients[1][net].numpy()),
                *(space.second[net], gradients[3][net].numpy(), space.back, self._plan),
            )
        for inputs, found, into in (
            (self._inputs, space.first, gradients[0]),
            (self._channels[0], space.second, gradients[2]),
        ):
            known = torch.from_numpy(found)[..., : WINDOW * inputs]
            into.copy_(known.reshape(*into.shape[:2], WINDOW, WINDOW, inputs).permute(0, 1, 4, 2, 3))

    def forget(self) -> None:
        """See `Backprop.forget`."""
        self._dense.forget()
        self._arrays, self._workspace = (), _Workspace(self._plan, 0, 0)


class _Workspace:
    """Arrays that the kernel writes for a number of nets and a batch size; their addresses stay the same."""

    def __init__(self, plan: np.ndarray, nets: int, batch: int) -> None:
        (inputs, height, width, channels, *places, _), (_, _, _, outputs, *last, _) = plan.tolist()
        pixels, hidden = height * width * inputs, math.prod(places) * channels
        # Whole vectors are read where a window's row begins, the last of which would end beyond the image.
        self.images = zeros(nets, batch, _padded(pixels) + LANES)
        self.hidden, self.hidden_codes = zeros(nets, batch, hidden), zeros(nets, batch, hidden, dtype=np.uint8)
        shape = nets, batch, outputs, math.prod(last)
        self.pooled, self.codes = zeros(*shape), zeros(*shape, dtype=np.uint8)
        self.first = zeros(nets, channels, WINDOW, _padded(WINDOW * inputs))
        self.second = zeros(nets, outputs, WINDOW, WINDOW * channels)
        self.back = zeros(hidden)


def _padded(count: int) -> int:
    return -(-count // LANES) * LANES


def _panels(weight: Tensor) -> Tensor:
    """``(nets, outputs, inputs, 3, 3)`` -> ``(nets, panels * 3 * 3 * inputs * PANEL)``, as the kernel reads them."""
    nets, outputs = weight.shape[:2]
    panels = weight.view(nets, outputs // kernel.PANEL, kernel.PANEL, *weight.shape[2:])
    return panels.permute(0, 1, 4, 5, 3, 2).reshape(nets, -1)
