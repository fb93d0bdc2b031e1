"""HiddenMixStrategy: strategies that mix hidden representations before one layer of the net."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from imbench.contract.batch import FLOATS, Batch, flaw_of
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

    def validate_shape(self, owner: str, shape: tuple[int, ...], device: torch.device | None = None) -> None:
        """Raise ValueError, naming the ``owner``, unless this is for batches of this shape, ``(*stack, batch)``.

        All three must be dense tensors of their types, on this device if it is given.
        """
        whole = ("partners", "(*stack, batch)", shape)
        for name, axes, wanted in (whole, *((name, "(*stack,)", shape[:-1]) for name in ("stage", "share"))):
            value, what = getattr(self, name), f"HiddenMix.{name} of {owner}"
            if not isinstance(value, Tensor):
                raise ValueError(f"{what} must be a torch.Tensor, got {type(value).__name__}")
            if flaw := flaw_of(value, device):
                raise ValueError(f"{what} must be a dense tensor on the device of the batch, got one {flaw}")
            if tuple(value.shape) != wanted:
                raise ValueError(f"{what} must be {axes} = {wanted}, got {tuple(value.shape)}")
            if name != "share" and value.dtype != torch.int64:
                raise ValueError(f"{what} must be int64, got {value.dtype}; convert it by .long()")

    def validate_values(self, owner: str, stages: int) -> None:
        """Raise ValueError, naming the ``owner``, for a number out of its range in a net of so many stages.

        Waits for a GPU, where a row number out of range would end every job of the process.
        """
        for name, value, end in (("stage", self.stage, stages), ("partners", self.partners, self.partners.shape[-1])):
            if value.numel() and not (value.min() >= 0 and value.max() < end):
                raise ValueError(
                    f"HiddenMix.{name} of {owner} must be from 0 to {end - 1}, "
                    f"got {int(value.min())} to {int(value.max())}"
                )
        share = self.share
        if not (share.dtype in FLOATS and (not share.numel() or bool(share.min() >= 0 and share.max() <= 1))):
            raise ValueError(
                f"HiddenMix.share of {owner} must be floating point from 0 to 1, got {_range(share)}{share.dtype}"
            )

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
    def mix_of(self, stages: int, batch: Batch, noise: Noise) -> HiddenMix:
        """The result of `hidden_mix`, for batches of this stack and size; raises ValueError for anything else."""
        mix: object = self.hidden_mix(stages, batch, noise)
        if not isinstance(mix, HiddenMix):
            raise ValueError(f"{self.spec}: hidden_mix returned {type(mix).__name__}; return an imbench.HiddenMix")
        mix.validate_shape(self.spec, (*batch.stack, batch.size), batch.x.device)
        return mix

    @final
    def forward(self, net: Net, batch: Batch, noise: Noise) -> tuple[Tensor, Tensor]:
        """Logits and soft labels, both ``(*stack, batch, classes)``, with rows mixed according to `hidden_mix`.

        Batches of a stack may be mixed before different stages: `HiddenMix.of` is applied before each stage and leaves
        the batches that are mixed elsewhere unchanged.
        """
        mix = self.mix_of(len(net.stages), batch, noise)
        mix.validate_values(self.spec, len(net.stages))
        x = batch.x
        for number, stage in enumerate(net.stages):
            x = stage(mix.of(x, entering=number))
        return x, mix.of(batch.y)


def _range(values: Tensor) -> str:
    """The smallest and largest of the shares; "" for a type that is none of theirs."""
    return f"{float(values.min()):.6g} to {float(values.max()):.6g}, " if values.dtype in FLOATS else ""
