"""HiddenMixStrategy: strategies that mix hidden representations before one layer of the net."""

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
    """Where and how the rows of each batch are mixed.

    The input of stage ``stage`` of the net becomes ``share * row + (1 - share) * partner``, and labels likewise.

    Parameters
    ----------
    stage : ``(*stack,)`` int64 in [0, stages); 0 mixes the input of the net
    partners : ``(*stack, batch)`` int64 row numbers in [0, batch)
    share : ``(*stack,)`` floating point in [0, 1], weight of the row itself

    Raises
    ------
    ValueError for shapes that do not match.
    """

    stage: Tensor
    partners: Tensor
    share: Tensor

    def __post_init__(self) -> None:
        stack = self.partners.shape[:-1]
        for name, value in (("stage", self.stage), ("share", self.share)):
            if value.shape != stack:
                raise ValueError(
                    f"HiddenMix.{name} must be (*stack,) = {tuple(stack)} for partners of "
                    f"{tuple(self.partners.shape)}, got {tuple(value.shape)}"
                )

    def validate_shape(self, owner: str, shape: tuple[int, ...]) -> None:
        """Raise ValueError, naming the ``owner``, unless this is for batches of this shape, ``(*stack, batch)``."""
        if tuple(self.partners.shape) != shape:
            raise ValueError(
                f"HiddenMix.partners of {owner} must be (*stack, batch) = {shape}, got {tuple(self.partners.shape)}"
            )

    def validate_values(self, owner: str, stages: int) -> None:
        """Raise ValueError, naming the ``owner``, for a number out of its range in a net of so many stages.

        Waits for a GPU, where a row number out of range would end every job of the process.
        """
        for name, value, end in (("stage", self.stage, stages), ("partners", self.partners, self.partners.shape[-1])):
            if value.dtype != torch.int64:
                raise ValueError(f"HiddenMix.{name} of {owner} must be int64, got {value.dtype}; convert it by .long()")
            if value.numel() and not (value.min() >= 0 and value.max() < end):
                raise ValueError(
                    f"HiddenMix.{name} of {owner} must be from 0 to {end - 1}, "
                    f"got {int(value.min())} to {int(value.max())}"
                )
        share = self.share
        if not (share.is_floating_point() and (not share.numel() or bool(share.min() >= 0 and share.max() <= 1))):
            found = f"{float(share.min()):.6g} to {float(share.max()):.6g}, {share.dtype}"
            raise ValueError(f"HiddenMix.share of {owner} must be floating point from 0 to 1, got {found}")

    def of(self, values: Tensor, *, entering: int | None = None) -> Tensor:
        """Mix values ``(*stack, batch, *rest)``: ``share * row + (1 - share) * partner``.

        With ``entering``, only batches that are mixed before this stage change. Rows that equal their partner, and all
        rows with share 1, are returned unchanged, to the bit.
        """
        share = self.share if entering is None else torch.where(self.stage == entering, self.share, 1.0)
        return mixed(values, take_rows(values, self.partners), share)


class HiddenMixStrategy(BatchStrategy):
    """A strategy that mixes rows before one stage of the net.

    A subclass implements `hidden_mix`, which describes the mixing; `forward` is derived from it. The fused engine can
    therefore train these strategies, which is several times faster on a CPU than a custom forward pass.
    """

    @abstractmethod
    def hidden_mix(self, stages: int, batch: Batch, noise: Noise) -> HiddenMix:
        """Describe the mixing of a rebalanced batch in a net of ``stages`` stages.

        Called at every step, for a batch of stack ``(nets,)``; ``noise`` has the same stack. Row weights are not mixed.
        """

    @final
    def forward(self, net: Net, batch: Batch, noise: Noise) -> tuple[Tensor, Tensor]:
        """Logits and soft labels, both ``(*stack, batch, classes)``, with rows mixed according to `hidden_mix`.

        Batches of a stack may be mixed before different stages: `HiddenMix.of` is applied before each stage and leaves
        the batches that are mixed elsewhere unchanged.
        """
        mix = self.hidden_mix(len(net.stages), batch, noise)
        mix.validate_shape(self.spec, (*batch.stack, batch.size))
        mix.validate_values(self.spec, len(net.stages))
        x = batch.x
        for number, stage in enumerate(net.stages):
            x = stage(mix.of(x, entering=number))
        return x, mix.of(batch.y)
