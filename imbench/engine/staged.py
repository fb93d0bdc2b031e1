"""One step's nets as the chain of stages that a strategy's own forward pass is given."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor


class StagedNet:
    """The `imbench.contract.strategy.Net` of a stack of dense nets.

    Parameters
    ----------
    parameters : ``[W0, b0, W1, b1, …]``, W ``(nets, inputs, outputs)``, b ``(nets, outputs)``
    kept : for each hidden layer with dropout, ``(nets, batch, hidden)``, True where a unit is kept
    dropout : its rate
    """

    def __init__(self, parameters: Sequence[Tensor], kept: Sequence[Tensor], dropout: float) -> None:
        last = len(parameters) // 2 - 1
        factors = [*(units / (1.0 - dropout) for units in kept), *[None] * (last + 1 - len(kept))]
        self.stages: Sequence[Callable[[Tensor], Tensor]] = [
            _stage(parameters[2 * i], parameters[2 * i + 1], i == last, factors[i]) for i in range(last + 1)
        ]

    def __call__(self, x: Tensor) -> Tensor:
        """Logits ``(nets, batch, classes)`` of x ``(nets, batch, features)``."""
        for stage in self.stages:
            x = stage(x)
        return x


def _stage(weight: Tensor, bias: Tensor, output: bool, factor: Tensor | None) -> Callable[[Tensor], Tensor]:
    def run(x: Tensor) -> Tensor:
        x = torch.baddbmm(bias[:, None], x, weight)
        x = x if output else x.relu()
        return x if factor is None else x * factor

    return run
