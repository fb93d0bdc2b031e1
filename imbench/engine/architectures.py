"""Which net a dataset is trained with."""

from __future__ import annotations

from collections.abc import Callable

from imbench.contract.errors import UsageError
from imbench.contract.modality import MODALITIES, modality_of_rows
from imbench.contract.protocol import Protocol
from imbench.engine.architecture import Architecture
from imbench.engine.cnn import Cnn
from imbench.engine.mlp import Mlp, mlp_widths
from imbench.engine.resnet import ResNet32

# The smallest image whose last pool is left with a pixel.
LEAST_SIDE = 10


def architecture_of(
    features: tuple[int, ...], classes: int, protocol: Protocol, modality: str | None = None
) -> Architecture:
    """The net of the protocol's field ``net`` for rows of this shape.

    Parameters
    ----------
    features : shape of a row, such as ``(features,)`` or ``(channels, height, width)``
    modality : of the data; default: the one whose rows have as many axes

    Raises
    ------
    UsageError for a net that cannot take such rows.
    """
    kind = MODALITIES[modality] if modality is not None else modality_of_rows(features)
    if protocol.net not in kind.nets:
        fits = " or ".join(name for name, other in MODALITIES.items() if protocol.net in other.nets)
        raise UsageError(f"net {protocol.net!r} takes {fits} data, not {kind.name}; use --net {' or '.join(kind.nets)}")
    return ARCHITECTURES[kind.nets[protocol.net]](features, classes, protocol)


def _mlp(features: tuple[int, ...], classes: int, protocol: Protocol) -> Architecture:
    (_, *hidden, _) = mlp_widths(features[0], classes, protocol)
    return Mlp(features, classes, tuple(hidden), protocol.dropout)


def _cnn(features: tuple[int, ...], classes: int, protocol: Protocol) -> Architecture:
    if min(features[1:]) < LEAST_SIDE:
        height, width = features[1:]
        raise UsageError(
            f"the paper's net takes images of at least {LEAST_SIDE} x {LEAST_SIDE} pixels, got {height} x {width}; "
            "enlarge them, or use --net resnet32"
        )
    return Cnn(features, classes)


def _resnet32(features: tuple[int, ...], classes: int, protocol: Protocol) -> Architecture:
    return ResNet32(features, classes)


# What the table of modalities names as ``nets``.
ARCHITECTURES: dict[str, Callable[[tuple[int, ...], int, Protocol], Architecture]] = {
    "mlp": _mlp,
    "cnn": _cnn,
    "resnet32": _resnet32,
}
