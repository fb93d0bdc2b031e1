"""A mini-batch, or a stack of them, with named axes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from imbench.contract.old_names import OldName
from imbench.contract.rows import between, mixed, take_rows


@dataclass(frozen=True, eq=False)
class Batch:
    """One mini-batch or a stack of equally large ones.

    Axes, by name: ``stack`` (any number of leading axes, none for a single batch), ``batch`` (rows),
    ``features`` (or ``channels, height, width``), ``classes``.

    Parameters
    ----------
    x : Tensor, ``(*stack, batch, *features)``, floating point
    y : Tensor, ``(*stack, batch, classes)``, soft labels: non-negative, summing to one along ``classes``
    weight : Tensor, ``(*stack, batch)``, the factor of each row in the loss; None means 1 for every row
    fallback : Tensor, ``(*stack,)`` bool, set by a strategy: True for a batch in which it had too few rows for
        its method and did something simpler. The share of such batches is stored with the results. None: not recorded

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
        """Rows in each batch."""
        return self.y.shape[-2]

    @property
    def classes(self) -> int:
        """Number of classes, present or not."""
        return self.y.shape[-1]

    @property
    def labels(self) -> Tensor:
        """``(*stack, batch)`` class number of each row: the largest soft label, the first of equals."""
        return self.y.argmax(dim=-1)

    def take(self, rows: Tensor) -> Batch:
        """The batch made of these rows, ``(*stack, new batch)`` numbers in ``[0, batch)``; repeats are allowed."""
        return Batch(
            x=take_rows(self.x, rows),
            y=take_rows(self.y, rows),
            weight=None if self.weight is None else self.weight.gather(-1, rows),
            fallback=self.fallback,
        )

    def mix(self, partner: Batch, share: Tensor) -> Batch:
        """Convex combination ``share * self + (1 - share) * partner`` of features, labels and weights.

        ``share`` is ``(*stack,)``, one factor in [0, 1] a batch.
        """
        return Batch(
            x=mixed(self.x, partner.x, share),
            y=mixed(self.y, partner.y, share),
            weight=None if self.weight is None or partner.weight is None else mixed(self.weight, partner.weight, share),
            fallback=_either(self.fallback, partner.fallback),
        )

    def take_mixed(self, rows: Tensor, partners: Tensor, share: Tensor) -> Batch:
        """What ``take(rows).mix(take(partners), share)`` gives, without the batches in between.

        ``rows`` and ``partners`` are ``(*stack, new batch)`` numbers in ``[0, batch)``, ``share`` is ``(*stack,)``.
        """
        share = share.unsqueeze(-1)
        return Batch(
            between(self.x, partners, rows, share),
            between(self.y, partners, rows, share),
            None if self.weight is None else between(self.weight, partners, rows, share),
            self.fallback,
        )

    def weighted(self, weight: Tensor) -> Batch:
        """The same rows with this ``(*stack, batch)`` factor in the loss, times any they had."""
        return replace(self, weight=weight if self.weight is None else self.weight * weight)

    def mark_fallback(self, where: Tensor) -> Batch:
        """The same rows, with ``(*stack,)`` bool `fallback`, beside any that was marked before."""
        return replace(self, fallback=_either(self.fallback, where))

    fallen_back = OldName("Batch.fallen_back", "mark_fallback")


def _either(a: Tensor | None, b: Tensor | None) -> Tensor | None:
    return a if b is None else b if a is None else a | b
