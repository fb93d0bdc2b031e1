"""Modalities, such as tabular and image: shape, storage and scaling of rows, and the nets that support them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Modality:
    """One kind of data. Nets and kernels are given by name, so that this table needs no imports.

    Parameters
    ----------
    name : name in cards, strategies and protocols
    axes : names of the axes of a row, such as ``("channels", "height", "width")``
    shape : returns the shape of a row from its number of values, for cards that do not state it
    source_dtype : dtype of the arrays that sources return
    dtype : dtype of the arrays of a `Dataset`
    storage : ``columns`` (one column for each feature, numeric or categorical, with NaN for missing values) or ``rows``
        (the bytes of each row, never missing)
    scaling : how values are scaled for the net, a key of `imbench.data.preprocess.SCALINGS`
    nets : maps a protocol's ``net`` to a key of `imbench.engine.architectures.ARCHITECTURES`; ``paper`` is the default
    kernel : compiled code that trains the nets on a CPU, a key of `imbench.engine.choice.KERNELS`; "" for none
    stacked_on_cpu : whether nets train in stacks on a CPU; if not, they train one at a time there
    example : shape of the rows that the conformance checks use
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
    """The shape of a square image with this number of values: RGB if possible, else gray."""
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
    stacked_on_cpu=False,  # convolutions are fastest for one net at a time (docs/decisions/0004)
    example=(3, 8, 8),
)
MODALITIES = {modality.name: modality for modality in (TABULAR, IMAGE)}


def modality_of_rows(shape: tuple[int, ...]) -> Modality:
    """The first modality whose rows have at least as many axes as ``shape``, for arrays without a card."""
    return next((m for m in MODALITIES.values() if len(m.axes) >= len(shape)), IMAGE)


def modality_of_source(x: np.ndarray) -> Modality:
    """The modality whose `source_dtype` and number of axes match the array; ValueError if there is none."""
    for modality in MODALITIES.values():
        if x.dtype == modality.source_dtype and x.ndim == 1 + len(modality.axes):
            return modality
    raise ValueError(f"no modality has {x.dtype} arrays of {x.ndim} axes; the modalities are {', '.join(MODALITIES)}")


def net_names() -> tuple[str, ...]:
    """All valid values of a protocol's field ``net``, over all modalities."""
    return tuple(dict.fromkeys(name for modality in MODALITIES.values() for name in modality.nets))
