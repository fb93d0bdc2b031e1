"""Random rotation and shift of images, for strategies and plugins that augment."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from torch import Tensor

from imbench.contract.batch import Batch
from imbench.contract.errors import UsageError
from imbench.contract.noise import Noise
from imbench.contract.rows import take_rows
from imbench.strategies.affine import FILLS, moved
from imbench.strategies.parameters import at_most, one_of

# NOTE: the paper states "20 percent rotations, width shift range of 0.2 and height shift range of 0.2"; the authors'
# published code, as far as it was read, contains no augmentation. This is interpreted like `RandomRotation(0.2)` and
# `RandomTranslation(0.2, 0.2)` in the documentation of Keras: "fraction of 2 Pi", from -20 % to 20 % of a full turn,
# which is 72 degrees in both directions; 20 % of height and width in both directions; their default fill "reflect" and
# interpolation "bilinear". The other interpretation, Keras' `ImageDataGenerator(rotation_range=20, ...)` in degrees
# with its default fill, is rotation=0.0556, fill="nearest". Rotation and shift are one transform, so pixels are
# interpolated and borders are filled only once.
ROTATION, SHIFT, FILL = 0.2, 0.2, "reflect"


def augment(
    batch: Batch,
    noise: Noise,
    rotation: float = ROTATION,
    shift: float = SHIFT,
    fill: str = FILL,
    *,
    rows: Tensor | None = None,
) -> Batch:
    """Rotate and shift each image of a batch at random and independently; labels do not change.

    Parameters
    ----------
    batch : ``x`` is ``(*stack, batch, channels, height, width)``
    noise : of the same stack; three uniform numbers are drawn for each row
    rotation : largest angle in both directions, as a share of a full turn, from 0 to 0.5; angles are uniform on
        ``[-rotation, rotation)`` turns
    shift : largest shift in all directions, as a share of height and width, from 0 to 1; not rounded to whole pixels
    fill : pixels outside the image: ``"reflect"`` (d c b a | a b c d | d c b a) or ``"nearest"`` (a a a a | a b c d)
    rows : ``(*stack, new batch)`` row numbers in ``[0, batch)`` to take first, as `Batch.take` does, but without
        building that batch; default: all rows

    Returns
    -------
    A batch of the same shape, with the same labels and weights. Pixels are interpolated between four neighbours. If
    ``rotation`` and ``shift`` are 0, images do not change, to the bit.

    Raises
    ------
    UsageError for values outside these ranges, and for batches that are not images.

    >>> import numpy as np, torch
    >>> batch = Batch(torch.rand(3, 1, 8, 8), torch.eye(3))
    >>> result = augment(batch, Noise([np.random.default_rng(0)]), rotation=0.1)
    >>> result.x.shape, result.y is batch.y
    (torch.Size([3, 1, 8, 8]), True)
    """
    rotation, shift, fill = validated("augment: ", rotation, shift, fill)
    if batch.x.ndim != batch.y.ndim + 2:
        raise UsageError(
            "augmentation needs images, x of shape (*stack, batch, channels, height, width), got "
            f"{tuple(batch.x.shape)}; use remix or mixup for tabular data, and x[:, None] for images without channels"
        )
    height, width = batch.x.shape[-2:]
    size = batch.size if rows is None else rows.shape[-1]
    draws = noise.uniform(3, size) * 2 - 1  # (*stack, 3, batch) in [-1, 1)
    angle, down, right = draws.unbind(dim=-2)
    moves = (2 * math.pi * rotation) * angle, (shift * height) * down, (shift * width) * right
    x = moved(batch.x, *moves, fill, rows)
    if rows is None:
        return replace(batch, x=x)
    weight = None if batch.weight is None else batch.weight.gather(-1, rows)
    return Batch(x, take_rows(batch.y, rows), weight, batch.fallback)


def validated(owner: str, rotation: Any, shift: Any, fill: Any) -> tuple[float, float, str]:
    """The three parameters, validated. Raises `UsageError`, with ``owner`` before the name, if one is out of range."""
    return (
        at_most(0.5, f"{owner}rotation", rotation, "it is a share of a full turn: 20 degrees are 0.0556"),
        at_most(1.0, f"{owner}shift", shift, "it is a share of the height and width; the paper uses 0.2"),
        one_of(FILLS, f"{owner}fill", fill),
    )


def validate(strategy: Any) -> None:
    """Validate the fields ``rotation``, ``shift`` and ``fill`` of a frozen strategy, and convert numbers to float."""
    values = validated(f"{type(strategy).__name__}.", strategy.rotation, strategy.shift, strategy.fill)
    for name, value in zip(("rotation", "shift", "fill"), values, strict=True):
        object.__setattr__(strategy, name, value)
