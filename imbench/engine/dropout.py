"""Dropout masks from a hash of each draw's number, so that all engines and devices drop the same units."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def block_keys(rng: np.random.Generator) -> np.ndarray:
    """Two uint32 keys for one block of steps, drawn from a net's dropout stream: ``(2,)``.

    They are those of ``rng.integers(0, 2**32, 2, np.uint32)``, which takes three times as long, where ``rng`` is a
    `numpy.random.default_rng` that nothing else is drawn from.
    """
    return np.array([rng.bit_generator.random_raw()], np.dtype("<u8")).view(np.dtype("<u4")).astype(np.uint32)


def threshold(rate: float) -> int:
    """The threshold for hashes in [0, 2^32): a unit is dropped if its hash is below ``rate * 2^32``."""
    return round(rate * 2**32)


def kept_units(numbers: Tensor, keys: Tensor, rate: float) -> Tensor:
    """``(nets, draws)`` bool, True where a unit is kept.

    Parameters
    ----------
    numbers : ``(nets, draws)`` or broadcastable to it, int32, the index of each draw within its block: steps, layers,
        rows and units in C order, the units varying fastest
    keys : ``(nets, 2)`` int32, the bits of `block_keys`
    rate : dropout rate in [0, 1)
    """
    drawn = hashed(numbers, keys[:, :1], keys[:, 1:])
    # With the sign bits flipped, comparing signed integers compares the unsigned ones.
    return drawn.bitwise_xor_(_signed(0x80000000)) >= _signed(threshold(rate) ^ 0x80000000)


def hashed(counter: Tensor, key1: Tensor, key2: Tensor) -> Tensor:
    """32 pseudo-random bits for each int32 of ``counter``, which broadcasts against the two int32 keys.

    The finalizer of MurmurHash3 (Appleby 2011) with ``key1`` applied before it, then ``key2`` and one more round. The
    last shift of that round is left out, since the result is only compared with a threshold.
    """
    h = torch.bitwise_xor(counter, key1)
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        h = _fold_(h, shift).mul_(_signed(factor))
    return _fold_(_fold_(h, 16).add_(key2), 15).mul_(_signed(0x735A2D97))


def _fold_(h: Tensor, shift: int) -> Tensor:
    # Shifting an int32 copies the sign bit; the mask clears the copies, as for an unsigned integer.
    return h.bitwise_xor_((h >> shift).bitwise_and_((1 << (32 - shift)) - 1))


def _signed(bits: int) -> int:
    return bits - 2**32 if bits >= 2**31 else bits
