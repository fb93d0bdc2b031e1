"""Random streams keyed by names. Needs no torch, so that all packages can use it."""

from __future__ import annotations

import hashlib
import json

import numpy as np


def stream(*key: str | int | float) -> np.random.Generator:
    """The random generator for a key. Equal keys give equal numbers on every machine; other keys are independent.

    NumPy's PCG64DXSM is seeded with the SHA-256 digest of the key as JSON.
    """
    digest = hashlib.sha256(json.dumps(key, separators=(",", ":")).encode()).digest()
    return np.random.Generator(np.random.PCG64DXSM(int.from_bytes(digest, "little")))
