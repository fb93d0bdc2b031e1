"""The kinds of data: for each, what its rows look like, how they are kept and scaled, and which nets train on it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np


@dataclass(frozen=True)
class Modality:
    """One kind of data. Nets and kernels are named, not imported, so that every room can read the table.

    Parameters
    ----------
    name : what cards, strategies and protocols call it
    axes : names of the axes of a row, such as ``("channels", "height", "width")``
    shape : gives the shape of a row that has so many values, where a card does not state it
    source_dtype : of the arrays that sources give
    dtype : of the arrays that nets are given
    storage : ``columns`` (a column for each feature, numeric or categorical, possibly missing) or ``rows`` (each row as
        its bytes, never missing)
    scaling : how values become the nets' input (see `imbench.data.preprocess.SCALINGS`)
    nets : a protocol's ``net`` -> the architecture (see `imbench.engine.architectures.ARCHITECTURES`); ``paper`` is the
        default
    kernel : compiled code that trains its nets on a CPU (see `imbench.engine.choice.KERNELS`); "" for none
    stacked_on_cpu : whether nets train in stacks on a CPU too, or one at a time there
    example : shape of the rows that strategies are checked on
    """

    name: str
    axes: tuple[str, ...]
    shape: Callable[[int], tuple[int, ...]]
    source_dtype: str
    dtype: str
    storage: str
    scaling: str
    nets: Mapping[str, str]
    kernel: str
    stacked_on_cpu: bool
    example: tuple[int, ...]


def _flat(values: int) -> tuple[int, ...]:
    return (values,)


def _square_image(values: int) -> tuple[int, ...]:
    """Of an image with equal sides, in three colours if that is possible, else in one."""
    channels = 3 if math.isqrt(values // 3) ** 2 * 3 == values else 1
    side = math.isqrt(values // channels)
    return (channels, side, side)


TABULAR = Modality(
    name="tabular",
    axes=("features",),
    shape=_flat,
    source_dtype="float64",
    dtype="float32",
    storage="columns",
    scaling="fitted",
    nets=MappingProxyType({"paper": "mlp"}),
    kernel="dense",
    stacked_on_cpu=True,
    example=(5,),
)
IMAGE = Modality(
    name="image",
    axes=("channels", "height", "width"),
    shape=_square_image,
    source_dtype="uint8",
    dtype="uint8",
    storage="rows",
    scaling="pixels",
    nets=MappingProxyType({"paper": "cnn", "resnet32": "resnet32"}),
    kernel="convolutional",
    stacked_on_cpu=False,  # one at a time its convolution is the fastest (docs/decisions/0004)
    example=(3, 8, 8),
)
MODALITIES = {modality.name: modality for modality in (TABULAR, IMAGE)}


def modality_of_rows(shape: tuple[int, ...]) -> Modality:
    """The first modality whose rows have so many axes or more, for arrays that come without a card."""
    return next((m for m in MODALITIES.values() if len(m.axes) >= len(shape)), IMAGE)


def modality_of_source(x: np.ndarray) -> Modality:
    """The modality whose sources give arrays of this type and number of axes."""
    for modality in MODALITIES.values():
        if x.dtype == modality.source_dtype and x.ndim == 1 + len(modality.axes):
            return modality
    raise ValueError(f"no modality has {x.dtype} arrays of {x.ndim} axes; there are {', '.join(MODALITIES)}")


def net_names() -> tuple[str, ...]:
    """What the field ``net`` of a protocol can be, for any modality."""
    return tuple(dict.fromkeys(name for modality in MODALITIES.values() for name in modality.nets))
