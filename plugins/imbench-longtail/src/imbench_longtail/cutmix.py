"""CutMix: a box of every image comes from another one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from imbench import Batch, BatchStrategy, Noise, TrainingInfo, UsageError
from imbench.contract.rows import take_rows
from imbench_longtail.parameters import validated
from imbench_longtail.rows import mixed


@dataclass(frozen=True)
class CutMix(BatchStrategy):
    """Replace one box of every image by that of another image of the batch, and mix labels by the areas.

    S. Yun, D. Han, S. J. Oh, S. Chun, J. Choe and Y. Yoo, "CutMix: Regularization Strategy to Train Strong Classifiers
    with Localizable Features", ICCV 2019, Equations (1) and (2): with ``lam ~ Beta(alpha, alpha)`` and one box a batch
    of width ``W sqrt(1 - lam)`` and height ``H sqrt(1 - lam)`` around a point drawn uniformly,

        x' = M x_A + (1 - M) x_B,   y' = lam y_A + (1 - lam) y_B,   M = 0 inside the box

    As in the authors' code, sides are cut to whole pixels, the part of the box outside the image is lost, and lam in
    the labels is the share of pixels that remain of x_A.

    The class shares of a batch stay what they are: CutMix rebalances nothing.

    Shapes: ``x (*stack, batch, channels, height, width)`` and ``y (*stack, batch, classes)`` in and out.

    Parameters
    ----------
    alpha : positive; the paper uses 1

    Raises
    ------
    UsageError for an alpha that is not a positive finite number, and for batches that are not images.

    >>> import torch
    >>> x, y = torch.arange(3.0)[:, None, None, None].expand(3, 1, 4, 4), torch.tensor([0, 1, 1])
    >>> x2, y2 = CutMix()(x, y, seed=16)
    >>> x2[0, 0], y2[0]
    (tensor([[0., 2., 2., 0.],
            [0., 2., 2., 0.],
            [0., 0., 0., 0.],
            [0., 0., 0., 0.]]), tensor([0.7500, 0.2500]))
    """

    name: ClassVar[str] = "cutmix"
    modalities: ClassVar[tuple[str, ...]] = ("image",)

    alpha: float = 1.0

    def __post_init__(self) -> None:
        validated(self, "alpha", "positive", "the paper uses 1")

    def rebalance(self, batch: Batch, info: TrainingInfo, noise: Noise) -> Batch:
        """Equation (1)."""
        if batch.x.ndim != batch.y.ndim + 2:
            raise UsageError(
                f"cutmix needs images, x of (*stack, batch, channels, height, width), got {tuple(batch.x.shape)}; "
                "for tables use mixup or manifold-mixup"
            )
        partners = noise.permutation(batch.size)  # (*stack, batch)
        side = (1 - noise.beta(self.alpha, self.alpha)).sqrt()  # (*stack,), of the box, as a share of the image's
        rows, columns = (_span(size, side, noise) for size in batch.x.shape[-2:])
        box = (rows.unsqueeze(-1) & columns.unsqueeze(-2))[..., None, None, :, :]  # (*stack, 1, 1, height, width)
        kept = 1 - box.to(batch.y.dtype).mean(dim=(-4, -3, -2, -1))  # (*stack,)
        return Batch(
            torch.where(box, take_rows(batch.x, partners), batch.x),
            mixed(batch.y, partners, kept),
            None if batch.weight is None else mixed(batch.weight, partners, kept),
        )

    def class_share(self, batch: Batch, info: TrainingInfo) -> Tensor | None:
        """The batch's own: a permutation of labels has the same mean."""
        return batch.y.mean(dim=-2) if batch.weight is None else None


def _span(size: int, side: Tensor, noise: Noise) -> Tensor:
    """``(*stack, size)``: which pixels along one axis lie in the box. Equation (2)."""
    half = (size * side).long() // 2
    centre = noise.choice(size)
    pixel = torch.arange(size, device=side.device)
    return (pixel >= (centre - half).unsqueeze(-1)) & (pixel < (centre + half).unsqueeze(-1))
