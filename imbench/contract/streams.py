"""Random streams keyed by names; no torch, so that every room can draw from them."""

from __future__ import annotations

import hashlib
import json

import numpy as np


def stream(*key: str | int | float) -> np.random.Generator:
    """The random stream of this key: the same key gives the same numbers everywhere; other keys, unrelated ones.

    The key's canonical JSON is hashed with SHA-256; the digest seeds NumPy's PCG64DXSM.
    """
    digest = hashlib.sha256(json.dumps(key, separators=(",", ":")).encode()).digest()
    return np.random.Generator(np.random.PCG64DXSM(int.from_bytes(digest, "little")))
