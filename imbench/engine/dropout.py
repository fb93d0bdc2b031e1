"""Which units dropout drops: a hash of each draw's number, so that every engine and device finds the same ones."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def block_keys(rng: np.random.Generator) -> np.ndarray:
    """``(2,)`` uint32 from a net's dropout stream; every block of steps takes new ones."""
    return rng.integers(0, 2**32, 2, np.uint32)


def threshold(rate: float) -> int:
    """A unit is dropped where its hash, a whole number below 2^32, is below this."""
    return round(rate * 2**32)


def kept_units(numbers: Tensor, keys: Tensor, rate: float) -> Tensor:
    """``(nets, draws)`` bool, True where a unit is kept.

    Parameters
    ----------
    numbers : ``(nets, draws)`` or broadcastable to it, int32, the number of each draw within its block: steps, layers,
        rows and units counted in this order, the last one fastest
    keys : ``(nets, 2)`` int32, the bits of `block_keys`
    """
    drawn = hashed(numbers, keys[:, :1], keys[:, 1:])
    # Flipping the sign bit makes a signed comparison of an unsigned one.
    return drawn.bitwise_xor_(_signed(0x80000000)) >= _signed(threshold(rate) ^ 0x80000000)


def hashed(counter: Tensor, key1: Tensor, key2: Tensor) -> Tensor:
    """32 random bits for each int32 number of ``counter``, which broadcasts against the two int32 keys.

    MurmurHash3's finalizer (Appleby 2011), keyed before, and after it by a second key and one more round; without the
    round's last shift, since only a comparison follows.
    """
    h = torch.bitwise_xor(counter, key1)
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        h = _fold_(h, shift).mul_(_signed(factor))
    return _fold_(_fold_(h, 16).add_(key2), 15).mul_(_signed(0x735A2D97))


def _fold_(h: Tensor, shift: int) -> Tensor:
    # int32's shift copies the sign; the mask makes it the shift of an unsigned number.
    return h.bitwise_xor_((h >> shift).bitwise_and_((1 << (32 - shift)) - 1))


def _signed(bits: int) -> int:
    return bits - 2**32 if bits >= 2**31 else bits
