"""Batch: a mini-batch or a stack of mini-batches, with named axes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from imbench.contract.old_names import OldName
from imbench.contract.rows import between, mixed, take_rows

# What PyTorch computes with; narrower types have no order and few operations.
FLOATS = (torch.float64, torch.float32, torch.float16, torch.bfloat16)


@dataclass(frozen=True, eq=False)
class Batch:
    """One mini-batch, or a stack of mini-batches of equal size.

    The axes are ``stack`` (any number of leading axes, none for a single batch), ``batch`` (rows), ``features`` (or
    ``channels, height, width``) and ``classes``.

    Parameters
    ----------
    x : ``(*stack, batch, *features)`` floating point
    y : ``(*stack, batch, classes)`` soft labels: non-negative, with sum 1 along ``classes``
    weight : ``(*stack, batch)``, weight of each row in the loss; None for 1
    fallback : ``(*stack,)`` bool, True for batches in which a strategy used its fallback, for example because they
        contain too few rows. The share of such batches is stored with the results. None if not recorded

    Raises
    ------
    ValueError for shapes that do not match.

    >>> batch = Batch(torch.zeros(20, 8, 3), torch.eye(2)[torch.zeros(20, 8, dtype=torch.long)])
    >>> batch.stack, batch.size, batch.classes
    ((20,), 8, 2)
    """

    x: Tensor
    y: Tensor
    weight: Tensor | None = None
    fallback: Tensor | None = None

    def __post_init__(self) -> None:
        if self.y.ndim < 2 or self.x.shape[: self.y.ndim - 1] != self.y.shape[:-1]:
            raise ValueError(
                f"Batch.x {tuple(self.x.shape)} and Batch.y {tuple(self.y.shape)} must share their leading axes: "
                "x is (*stack, batch, *features), y is (*stack, batch, classes)"
            )
        if self.weight is not None and self.weight.shape != self.y.shape[:-1]:
            raise ValueError(
                f"Batch.weight must be (*stack, batch) = {tuple(self.y.shape[:-1])}, got {tuple(self.weight.shape)}"
            )
        if self.fallback is not None and (
            self.fallback.shape != self.y.shape[:-2] or self.fallback.dtype != torch.bool
        ):
            raise ValueError(
                f"Batch.fallback must be (*stack,) = {self.stack} and bool, "
                f"got {tuple(self.fallback.shape)} and {self.fallback.dtype}"
            )

    @property
    def stack(self) -> tuple[int, ...]:
        """The leading axes; ``()`` for a single batch."""
        return tuple(self.y.shape[:-2])

    @property
    def size(self) -> int:
        """Number of rows in each batch."""
        return self.y.shape[-2]

    @property
    def classes(self) -> int:
        """Number of classes, including those without a row in the batch."""
        return self.y.shape[-1]

    @property
    def labels(self) -> Tensor:
        """``(*stack, batch)`` class of each row: the one with the largest soft label, the first in a tie."""
        return self.y.argmax(dim=-1)

    def take(self, rows: Tensor) -> Batch:
        """Select rows by their numbers ``(*stack, new batch)`` in ``[0, batch)``; repeats are allowed."""
        return Batch(
            x=take_rows(self.x, rows),
            y=take_rows(self.y, rows),
            weight=None if self.weight is None else self.weight.gather(-1, rows),
            fallback=self.fallback,
        )

    def mix(self, partner: Batch, share: Tensor) -> Batch:
        """Convex combination ``share * self + (1 - share) * partner`` of features, labels and weights.

        ``share`` is ``(*stack,)`` in [0, 1], one value for each batch.
        """
        return Batch(
            x=mixed(self.x, partner.x, share),
            y=mixed(self.y, partner.y, share),
            weight=None if self.weight is None or partner.weight is None else mixed(self.weight, partner.weight, share),
            fallback=_either(self.fallback, partner.fallback),
        )

    def take_mixed(self, rows: Tensor, partners: Tensor, share: Tensor) -> Batch:
        """Equal to ``take(rows).mix(take(partners), share)``, but faster: no intermediate batches are built.

        ``rows`` and ``partners`` are ``(*stack, new batch)`` row numbers in ``[0, batch)``; ``share`` is ``(*stack,)``.
        """
        share = share.unsqueeze(-1)
        return Batch(
            between(self.x, partners, rows, share),
            between(self.y, partners, rows, share),
            None if self.weight is None else between(self.weight, partners, rows, share),
            self.fallback,
        )

    def weighted(self, weight: Tensor) -> Batch:
        """The same rows with their weights in the loss multiplied by ``weight`` ``(*stack, batch)``."""
        return replace(self, weight=weight if self.weight is None else self.weight * weight)

    def mark_fallback(self, where: Tensor) -> Batch:
        """The same rows, with `fallback` also set for the batches in ``where`` ``(*stack,)`` bool."""
        return replace(self, fallback=_either(self.fallback, where))

    fallen_back = OldName("Batch.fallen_back", "mark_fallback")


def _either(a: Tensor | None, b: Tensor | None) -> Tensor | None:
    return a if b is None else b if a is None else a | b


def flaw_of(value: Tensor, device: torch.device | None = None) -> str:
    """Why compiled code cannot read this tensor on this device, for a sentence such as "returned features on meta".

    "" for a dense tensor with all of its memory.
    """
    if value.is_nested or value.is_quantized:
        return "in nested form" if value.is_nested else "in quantised form"
    if device is not None and value.device != device:
        return f"on {value.device}"
    if value.layout != torch.strided:
        return f"on {str(value.layout).removeprefix('torch.')}"
    last = value.storage_offset() + sum((n - 1) * step for n, step in zip(value.shape, value.stride(), strict=True))
    if value.numel() and value.untyped_storage().nbytes() < (last + 1) * value.element_size():
        return "whose memory was freed"
    return ""
