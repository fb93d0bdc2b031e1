"""Rotation and translation of images, compiled for the CPU.

`imbench.strategies.affine` defines the transformation and computes the same bits with PyTorch on any device.
"""

# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

import math
from typing import Any

import numpy as np

from imbench.kernels.compiled import compiled


@compiled("void(float32[:,:,:,::1], float32[:,::1], boolean, float32[:,:,:,::1])")
def moved(images: Any, moves: Any, reflect: Any, result: Any) -> None:
    """Rotate and shift each image, with bilinear interpolation.

    Parameters
    ----------
    images : ``(rows, channels, height, width)``
    moves : ``(rows, 4)``: cosine and sine of the angle, shift down and shift right in pixels
    reflect : pad by mirroring the image; otherwise by repeating its outermost pixels
    result : ``(rows, channels, height, width)``, written
    """
    rows, channels, height, width = images.shape
    middle_y, middle_x = np.float32(0.5) * np.float32(height - 1), np.float32(0.5) * np.float32(width - 1)
    for row in range(rows):
        cosine, sine = moves[row, 0], moves[row, 1]
        for i in range(height):
            below = (np.float32(i) - middle_y) - moves[row, 2]
            for j in range(width):
                right = (np.float32(j) - middle_x) - moves[row, 3]
                y = (cosine * below - sine * right) + middle_y
                x = (sine * below + cosine * right) + middle_x
                top, left = math.floor(y), math.floor(x)
                way_y, way_x = np.float32(y - np.float32(top)), np.float32(x - np.float32(left))
                bottom, beside = top + 1, left + 1
                if top < 0 or left < 0 or bottom >= height or beside >= width:
                    if reflect:
                        top, bottom = top % (2 * height), bottom % (2 * height)
                        left, beside = left % (2 * width), beside % (2 * width)
                        top, bottom = min(top, 2 * height - 1 - top), min(bottom, 2 * height - 1 - bottom)
                        left, beside = min(left, 2 * width - 1 - left), min(beside, 2 * width - 1 - beside)
                    else:
                        top, bottom = min(max(top, 0), height - 1), min(max(bottom, 0), height - 1)
                        left, beside = min(max(left, 0), width - 1), min(max(beside, 0), width - 1)
                for channel in range(channels):
                    a, b = images[row, channel, top, left], images[row, channel, top, beside]
                    c, d = images[row, channel, bottom, left], images[row, channel, bottom, beside]
                    upper, lower = a + way_x * (b - a), c + way_x * (d - c)
                    result[row, channel, i, j] = upper + way_y * (lower - upper)
