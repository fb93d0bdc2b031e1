"""Which net a dataset is trained with."""

from __future__ import annotations

from imbench.contract.errors import UsageError
from imbench.contract.protocol import Protocol
from imbench.engine.architecture import Architecture
from imbench.engine.cnn import Cnn
from imbench.engine.mlp import Mlp, mlp_widths
from imbench.engine.resnet import ResNet32

# The smallest image whose last pool is left with a pixel.
LEAST_SIDE = 10


def architecture_of(features: tuple[int, ...], classes: int, protocol: Protocol) -> Architecture:
    """The net of the protocol's field ``net`` for rows of this shape.

    Parameters
    ----------
    features : ``(features,)``, or ``(channels, height, width)``

    Raises
    ------
    UsageError for a net that cannot take such rows.
    """
    if len(features) == 1:
        if protocol.net != "paper":
            raise UsageError(f"net {protocol.net!r} takes images, not tables; leave it out for a tabular dataset")
        (_, *hidden, _) = mlp_widths(features[0], classes, protocol)
        return Mlp(features, classes, tuple(hidden), protocol.dropout)
    if protocol.net == "resnet32":
        return ResNet32(features, classes)
    if min(features[1:]) < LEAST_SIDE:
        height, width = features[1:]
        raise UsageError(
            f"the paper's net takes images of at least {LEAST_SIDE} x {LEAST_SIDE} pixels, got {height} x {width}; "
            "enlarge them, or use --net resnet32"
        )
    return Cnn(features, classes)
