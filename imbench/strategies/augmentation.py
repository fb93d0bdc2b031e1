"""Random rotation and shift of images: what the strategies that augment, and plugins, are made of."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from imbench.contract.batch import Batch
from imbench.contract.errors import UsageError
from imbench.contract.noise import Noise
from imbench.strategies.affine import FILLS, moved
from imbench.strategies.parameters import at_most, one_of

# NOTE: the paper has "20 percent rotations, width shift range of 0.2 and height shift range of 0.2", and its authors'
# published code, as far as it was read, has none. Read here as Keras' `RandomRotation(0.2)` and
# `RandomTranslation(0.2, 0.2)` are documented: "fraction of 2 Pi", from -20 % to 20 % of a full turn, which is 72
# degrees either way; 20 % of the height and of the width either way; their default fill "reflect" and interpolation
# "bilinear". The other reading, Keras' `ImageDataGenerator(rotation_range=20, ...)` in degrees with its default fill,
# is rotation=0.0556, fill="nearest". Turned and shifted at once, pixels are interpolated once and the border is filled
# once, and not twice.
ROTATION, SHIFT, FILL = 0.2, 0.2, "reflect"


def augment(batch: Batch, noise: Noise, rotation: float = ROTATION, shift: float = SHIFT, fill: str = FILL) -> Batch:
    """The batch with every image turned and shifted at random, each by its own angle and ways; labels stay.

    Parameters
    ----------
    batch : ``x`` is ``(*stack, batch, channels, height, width)``
    noise : of the same stack; three uniform numbers a row are drawn
    rotation : most of a full turn, either way, from 0 to 0.5: angles are uniform on ``[-rotation, rotation)`` turns
    shift : most of the height, and of the width, either way, from 0 to 1; not rounded to whole pixels
    fill : what lies outside an image: ``"reflect"`` (d c b a | a b c d | d c b a) or ``"nearest"`` (a a a a | a b c d)

    Returns
    -------
    The same shapes, labels and weights. Pixels are interpolated between their four neighbours. With ``rotation`` and
    ``shift`` 0 every image is what it was, to the bit.

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
            "augmentation needs images, x of (*stack, batch, channels, height, width), got "
            f"{tuple(batch.x.shape)}; for tables use remix or mixup, for images without channels give x[:, None]"
        )
    height, width = batch.x.shape[-2:]
    luck = noise.uniform(3, batch.size) * 2 - 1  # (*stack, 3, batch) in [-1, 1)
    angle, down, right = luck.unbind(dim=-2)
    moves = (2 * math.pi * rotation) * angle, (shift * height) * down, (shift * width) * right
    return replace(batch, x=moved(batch.x, *moves, fill))


def validated(owner: str, rotation: Any, shift: Any, fill: Any) -> tuple[float, float, str]:
    """The three parameters if they are in range; `owner` goes before their names in the `UsageError` otherwise."""
    return (
        at_most(0.5, f"{owner}rotation", rotation, "it is a share of a full turn: 20 degrees are 0.0556"),
        at_most(1.0, f"{owner}shift", shift, "it is a share of the height and width; the paper uses 0.2"),
        one_of(FILLS, f"{owner}fill", fill),
    )


def validate(strategy: Any) -> None:
    """Check the fields ``rotation``, ``shift`` and ``fill`` of a frozen strategy, and make the numbers floats."""
    values = validated(f"{type(strategy).__name__}.", strategy.rotation, strategy.shift, strategy.fill)
    for name, value in zip(("rotation", "shift", "fill"), values, strict=True):
        object.__setattr__(strategy, name, value)
