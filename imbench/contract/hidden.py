"""HiddenMixStrategy: rows mixed where they enter one layer of the net, described so that an engine can mix them."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from imbench.contract.batch import Batch
from imbench.contract.noise import Noise
from imbench.contract.rows import mixed, take_rows
from imbench.contract.strategy import BatchStrategy, Net


@dataclass(frozen=True, eq=False)
class HiddenMix:
    """Which rows of each batch of a stack are mixed, where, and in which shares.

    What enters stage ``stage`` of the net becomes ``share * row + (1 - share) * partner``, and labels likewise.

    Parameters
    ----------
    stage : ``(*stack,)`` int64, from 0, which is the input, to below the number of stages
    partners : ``(*stack, batch)`` int64, the number of each row's partner, from 0 to below the batch size
    share : ``(*stack,)`` floating point, in [0, 1], what a row keeps of itself
    """

    stage: Tensor
    partners: Tensor
    share: Tensor

    def __post_init__(self) -> None:
        stack = self.partners.shape[:-1]
        for name, value in (("stage", self.stage), ("share", self.share)):
            if value.shape != stack:
                raise ValueError(
                    f"HiddenMix.{name} must be (*stack,) = {tuple(stack)} beside partners "
                    f"{tuple(self.partners.shape)}, got {tuple(value.shape)}"
                )

    def of(self, values: Tensor, *, entering: int | None = None) -> Tensor:
        """``(*stack, batch, *rest)`` values mixed; only in batches mixed where they enter this stage, if one is given.

        Equal rows give themselves, and a share of 1 the row, to the digit.
        """
        share = self.share if entering is None else torch.where(self.stage == entering, self.share, 1.0)
        return mixed(values, take_rows(values, self.partners), share)


class HiddenMixStrategy(BatchStrategy):
    """A strategy that mixes rows where they enter one stage of the net.

    It returns what to mix, and `forward` follows from that. Engines without stages can therefore train it, which takes
    a fraction of the time on a CPU.
    """

    @abstractmethod
    def hidden_mix(self, stages: int, batch: Batch, noise: Noise) -> HiddenMix:
        """What is mixed in this rebalanced batch by a net of so many stages; ``noise`` has the batch's stack.

        Called at every step, for a batch of stack ``(nets,)``. A weight that rows have is not mixed.
        """

    @final
    def forward(self, net: Net, batch: Batch, noise: Noise) -> tuple[Tensor, Tensor]:
        """Logits and soft labels, both ``(*stack, batch, classes)``, of rows mixed as `hidden_mix` says.

        Batches of a stack may be mixed before different stages: before each stage all are, with a share of 1 those that
        are mixed elsewhere.
        """
        mix = self.hidden_mix(len(net.stages), batch, noise)
        x = batch.x
        for number, stage in enumerate(net.stages):
            x = stage(mix.of(x, entering=number))
        return x, mix.of(batch.y)
