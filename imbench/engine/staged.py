"""One step's nets as the chain of stages that a strategy's own forward pass is given."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from imbench.engine.architecture import Stage


class StagedNet:
    """The `imbench.contract.strategy.Net` of a stack of nets: its stages, one after another."""

    def __init__(self, stages: Sequence[Stage]) -> None:
        self.stages = stages

    def __call__(self, x: Tensor) -> Tensor:
        """Logits ``(nets, batch, classes)`` of x ``(nets, batch, *features)``."""
        for stage in self.stages:
            x = stage(x)
        return x
