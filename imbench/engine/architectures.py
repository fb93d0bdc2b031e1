"""Choose the net for a dataset."""

from __future__ import annotations

from collections.abc import Callable

from imbench.contract.errors import UsageError
from imbench.contract.modality import MODALITIES, modality_of_rows
from imbench.contract.protocol import Protocol
from imbench.engine.architecture import Architecture
from imbench.engine.cnn import Cnn
from imbench.engine.mlp import Mlp, mlp_widths
from imbench.engine.resnet import ResNet32

# Smallest height and width for which the last pooling layer of the paper's CNN outputs at least one pixel.
MIN_SIDE = 10


def architecture_of(
    features: tuple[int, ...], classes: int, protocol: Protocol, modality: str | None = None
) -> Architecture:
    """The architecture that the protocol's field ``net`` names, for rows of this shape.

    Parameters
    ----------
    features : shape of a row, such as ``(features,)`` or ``(channels, height, width)``
    classes : number of classes
    protocol : gives ``net`` and the sizes of the dense net
    modality : modality of the data; default: the one whose rows have this number of axes

    Raises
    ------
    UsageError for a net that does not support this modality or size of row.
    """
    kind = MODALITIES[modality] if modality is not None else modality_of_rows(features)
    if protocol.net not in kind.nets:
        fits = " or ".join(name for name, other in MODALITIES.items() if protocol.net in other.nets)
        raise UsageError(
            f"net {protocol.net!r} supports {fits} data only, not {kind.name}; use --net {' or '.join(kind.nets)}"
        )
    return ARCHITECTURES[kind.nets[protocol.net]](features, classes, protocol)


def _mlp(features: tuple[int, ...], classes: int, protocol: Protocol) -> Architecture:
    (_, *hidden, _) = mlp_widths(features[0], classes, protocol)
    return Mlp(features, classes, tuple(hidden), protocol.dropout)


def _cnn(features: tuple[int, ...], classes: int, protocol: Protocol) -> Architecture:
    if min(features[1:]) < MIN_SIDE:
        height, width = features[1:]
        raise UsageError(
            f"the paper's net needs images of at least {MIN_SIDE} x {MIN_SIDE} pixels, got {height} x {width}; "
            "enlarge them or use --net resnet32"
        )
    return Cnn(features, classes)


def _resnet32(features: tuple[int, ...], classes: int, protocol: Protocol) -> Architecture:
    return ResNet32(features, classes)


# The architectures that `Modality.nets` refers to.
ARCHITECTURES: dict[str, Callable[[tuple[int, ...], int, Protocol], Architecture]] = {
    "mlp": _mlp,
    "cnn": _cnn,
    "resnet32": _resnet32,
}
