"""What each class has of the batches that nets train on, measured while they train."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from imbench.contract.batch import Batch
from imbench.contract.records import Exposure
from imbench.contract.strategy import BatchStrategy

# A recipe without a schedule does early what it does late, so the first epochs stand for all; that keeps the cost below
# 1 % of training Musk's nets under the paper's 500 epochs (docs/store.md). Features cost more to look at than labels.
LABEL_EPOCHS, FEATURE_EPOCHS, FEATURES = 50, 10, 16

_SOFT, _MADE, _LOSS, _FORWARD = "soft labels", "rows made up", "a loss of its own", "a forward pass of its own"


class ExposureMeter:
    """Sums over the batches of some nets, from which `Exposure` follows.

    Labels are looked at in every batch of the first `LABEL_EPOCHS` epochs, or of all where the strategy is scheduled,
    features in those of the first `FEATURE_EPOCHS`: a row that the batch did not hold before the strategy was made up.
    At most `FEATURES` features are looked at, spread evenly over all.

    Parameters
    ----------
    counts : ``(nets, classes)`` training rows of each class
    strategy : whose own loss or forward pass, if any, makes the prior tell less than all
    """

    def __init__(self, counts: np.ndarray, strategy: BatchStrategy, device: torch.device) -> None:
        nets, classes = counts.shape
        rarest = np.where(counts > 0, counts, counts.max(axis=1, keepdims=True) + 1).argmin(axis=1)
        self._rarest = torch.as_tensor(rarest, device=device)
        self._batches = torch.zeros(nets, dtype=torch.float64, device=device)
        self._empty, self._before, self._after, self._fallback = (self._batches.clone() for _ in range(4))
        self._says_fallback = False
        self._label_epochs = math.inf if strategy.scheduled else LABEL_EPOCHS
        self._mass = torch.zeros(nets, classes, dtype=torch.float64, device=device)
        self._soft, self._made = (torch.zeros(nets, dtype=torch.bool, device=device) for _ in range(2))
        own = {_LOSS: strategy.overrides("loss"), _FORWARD: strategy.overrides("forward")}
        self._own = [reason for reason, is_own in own.items() if is_own]

    def see(self, raw: Batch, batch: Batch, nets: np.ndarray, epoch: int) -> None:
        """Add one block of batches, before (``raw``) and after the strategy: ``(nets, steps, batch, classes)`` labels.

        ``nets`` are the positions of these nets among all; epochs count from 0.
        """
        if epoch >= self._label_epochs:
            return
        at = torch.as_tensor(nets, device=self._rarest.device)
        before = raw.y.sum(dim=-2)  # (nets, steps, classes)
        after = before if batch.y is raw.y else batch.y.sum(dim=-2)
        mass = after if batch.weight is None else (batch.weight.unsqueeze(-2) @ batch.y).squeeze(-2)
        rarest = self._rarest[at][:, None, None].expand(*before.shape[:2], 1)
        own_before = before.gather(-1, rarest)
        self._batches[at] += before.shape[1]
        self._empty[at] += (own_before == 0).sum(dim=(1, 2))
        self._before[at] += own_before.sum(dim=(1, 2))
        self._after[at] += after.gather(-1, rarest).sum(dim=(1, 2))
        self._mass[at] += mass.sum(dim=1)
        if batch.fallback is not None:
            self._says_fallback = True
            self._fallback[at] += batch.fallback.sum(dim=1)
        if batch.y is not raw.y:
            self._soft[at] |= (batch.y.amax(dim=-1) < 1).flatten(1).any(dim=1)
        if batch.x is not raw.x and epoch < FEATURE_EPOCHS and not self._made[at].all():
            self._made[at] |= ~_copies(batch.x, raw.x).flatten(1).all(dim=1)

    def of(self, net: int) -> Exposure:
        """The exposure of the net at this position among all."""
        batches, mass = float(self._batches[net]), self._mass[net].cpu().numpy()
        found = {_SOFT: bool(self._soft[net]), _MADE: bool(self._made[net])}
        return Exposure(
            empty=float(self._empty[net]) / batches,
            before=float(self._before[net]) / batches,
            after=float(self._after[net]) / batches,
            prior=mass / mass.sum(),
            inexact="; ".join([*(reason for reason, was in found.items() if was), *self._own]),
            fallback=float(self._fallback[net]) / batches if self._says_fallback else None,
        )


def _copies(x: Tensor, of: Tensor) -> Tensor:
    """``(nets, steps, batch)`` whether each row is one of the same batch's rows in ``of``.

    Rows are told apart by a sum over the bits of their features, which wraps around and so is exact in any order.
    """
    a, b = _fingerprints(x), _fingerprints(of).sort(dim=-1).values
    at = torch.searchsorted(b, a).clamp_(max=b.shape[-1] - 1)
    return b.gather(-1, at) == a


def _fingerprints(x: Tensor) -> Tensor:
    flat = x.flatten(3)  # (nets, steps, batch, features)
    few = flat[..., :: -(-flat.shape[-1] // FEATURES)].contiguous()
    bits = few.view({2: torch.int16, 4: torch.int32, 8: torch.int64}[few.element_size()])
    odd = torch.arange(1, 2 * bits.shape[-1], 2, dtype=torch.int64, device=x.device) * 0x9E3779B1
    return (bits * odd).sum(dim=-1)
