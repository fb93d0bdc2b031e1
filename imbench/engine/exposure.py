"""Measure the exposure of each class in the batches that nets train on."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from imbench.contract.batch import Batch
from imbench.contract.records import Exposure
from imbench.contract.strategy import BatchStrategy
from imbench.engine.validation import TrainingError

# Only the first epochs are measured, since a strategy without a schedule treats all epochs alike. The cost is then
# below 1 % of training on Musk for the paper's 500 epochs (docs/store.md). Features cost more than labels.
LABEL_EPOCHS, FEATURE_EPOCHS, FEATURES = 50, 10, 16

_SOFT, _SYNTHETIC, _LOSS, _FORWARD = "soft labels", "rows made up", "a loss of its own", "a forward pass of its own"


class ExposureMeter:
    """Accumulates the `Exposure` of several nets over their batches.

    Labels are measured in every batch of the first `LABEL_EPOCHS` epochs, or of all epochs if the strategy is
    scheduled. Features are measured in the first `FEATURE_EPOCHS` epochs: a row that was not in the batch before the
    strategy counts as synthetic. At most `FEATURES` features, evenly spaced, are compared.

    Parameters
    ----------
    counts : ``(nets, classes)`` training rows of each class
    strategy : a custom loss or forward pass makes the measured prior inexact
    device : device of the batches
    """

    def __init__(self, counts: np.ndarray, strategy: BatchStrategy, device: torch.device) -> None:
        nets, classes = counts.shape
        rarest = np.where(counts > 0, counts, counts.max(axis=1, keepdims=True) + 1).argmin(axis=1)
        self._rarest = torch.as_tensor(rarest, device=device)
        self._batches = torch.zeros(nets, dtype=torch.float64, device=device)
        self._empty, self._before, self._after, self._fallback = (self._batches.clone() for _ in range(4))
        self._records_fallback = False
        self._label_epochs = math.inf if strategy.scheduled else LABEL_EPOCHS
        self._mass = torch.zeros(nets, classes, dtype=torch.float64, device=device)
        self._soft, self._synthetic = (torch.zeros(nets, dtype=torch.bool, device=device) for _ in range(2))
        custom = {_LOSS: strategy.overrides("loss"), _FORWARD: strategy.overrides("forward")}
        self._spec = strategy.spec
        self._custom = [reason for reason, is_custom in custom.items() if is_custom]

    def update(self, raw: Batch, batch: Batch, nets: np.ndarray, epoch: int) -> None:
        """Add a block of batches of stack ``(nets, steps)``, before (``raw``) and after the strategy.

        ``nets`` are the positions of these nets among all; ``epoch`` counts from 0.
        """
        if epoch >= self._label_epochs:
            return
        at = torch.as_tensor(nets, device=self._rarest.device)
        before = raw.y.sum(dim=-2)  # (nets, steps, classes)
        after = before if batch.y is raw.y else batch.y.sum(dim=-2)
        mass = after if batch.weight is None else (batch.weight.unsqueeze(-2) @ batch.y).squeeze(-2)
        rarest = self._rarest[at][:, None, None].expand(*before.shape[:2], 1)
        rarest_before = before.gather(-1, rarest)
        self._batches[at] += before.shape[1]
        self._empty[at] += (rarest_before == 0).sum(dim=(1, 2))
        self._before[at] += rarest_before.sum(dim=(1, 2))
        self._after[at] += after.gather(-1, rarest).sum(dim=(1, 2))
        self._mass[at] += mass.sum(dim=1)
        if batch.fallback is not None:
            self._records_fallback = True
            self._fallback[at] += batch.fallback.sum(dim=1)
        if batch.y is not raw.y:
            self._soft[at] |= (batch.y.amax(dim=-1) < 1).flatten(1).any(dim=1)
        if batch.x is not raw.x and epoch < FEATURE_EPOCHS and not self._synthetic[at].all():
            self._synthetic[at] |= ~_copies(batch.x, raw.x).flatten(1).all(dim=1)

    def exposure(self, net: int) -> Exposure:
        """The exposure measured so far for the net at this position.

        Raises `TrainingError` if its batches have no weight, or one that is not finite.
        """
        batches, mass = float(self._batches[net]), self._mass[net].cpu().numpy()
        if not (np.isfinite(mass).all() and mass.min() >= 0 and mass.sum() > 0):
            raise TrainingError(
                f"{self._spec}: the labels and weights of its batches add up to {mass.tolist()} for the classes; each "
                "sum must be finite and from 0 up, and one above 0"
            )
        found = {_SOFT: bool(self._soft[net]), _SYNTHETIC: bool(self._synthetic[net])}
        return Exposure(
            empty=float(self._empty[net]) / batches,
            before=float(self._before[net]) / batches,
            after=float(self._after[net]) / batches,
            prior=mass / mass.sum(),
            inexact="; ".join([*(reason for reason, was_found in found.items() if was_found), *self._custom]),
            fallback=float(self._fallback[net]) / batches if self._records_fallback else None,
        )


def _copies(x: Tensor, of: Tensor) -> Tensor:
    """``(nets, steps, batch)`` bool: whether each row of ``x`` is a row of the same batch in ``of``.

    Rows are compared by a weighted integer sum of the bits of their features, which is exact in any order.
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
