"""The global generators of torch, numpy and random: save, seed and restore."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

# By name of the generator: functions that read its state and that seed it.
_READ: dict[str, Callable[[], Any]] = {
    "torch": lambda: torch.get_rng_state().numpy().tobytes(),
    "numpy": lambda: repr([part.tobytes() if isinstance(part, np.ndarray) else part for part in _numpy_state()]),
    "random": random.getstate,
}
_SEED: dict[str, Callable[[int], Any]] = {
    "torch": lambda seed: torch.set_rng_state(torch.Generator().manual_seed(seed).get_state()),
    "numpy": lambda seed: np.random.seed(seed),  # noqa: NPY002
    "random": random.seed,
}
GENERATORS = tuple(_READ)


def _numpy_state() -> Any:
    return np.random.get_state()  # noqa: NPY002


def states() -> dict[str, Any]:
    """The state of each global generator, for comparison."""
    return {name: read() for name, read in _READ.items()}


@contextmanager
def same_globals(other: str | None = None) -> Iterator[None]:
    """Seed every global generator with 0 (``other`` with 1), and restore all states afterwards."""
    saved = torch.get_rng_state(), _numpy_state(), random.getstate()
    try:
        for name, seed in _SEED.items():
            seed(int(name == other))
        yield
    finally:
        torch.set_rng_state(saved[0])
        np.random.set_state(saved[1])  # noqa: NPY002
        random.setstate(saved[2])
