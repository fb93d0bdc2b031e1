"""What the compiled kernel of dense nets is called with: records, and their types for Numba."""

# Numba has no types that mypy could follow.
# mypy: disable-error-code="no-untyped-call, import-untyped"

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
from numba import types

# The plan of a net: a record for the values that enter each layer, and one for the logits. All but widths and counts
# are positions in the flat arrays of a `Net`; `imbench.engine.fused_plan` makes plans.
PLAN = np.dtype(
    [
        ("width", np.int64),
        ("padded", np.int64),  # the width in whole panels
        ("values", np.int64),  # in the space: the values, a row of ones after them
        ("weights", np.int64),  # in the parameters: (width + 1, padded of the next record), the bias last
        ("drawn", np.int64),  # units for which dropout draws before these; of the logits: all
        ("delta", np.int64),  # in the space: the gradient on the values; of the inputs: a gradient transposed
        ("mixed", np.int64),  # in the space, two records only. First: tiles to mix rows in; second: their gradient
    ],
    align=True,
)

# The settings of a call: Adam's (Kingma & Ba 2015, Algorithm 1) and dropout's. A unit is dropped where its hash by the
# two keys is below the threshold, else multiplied by the scale. Before a step, weights are multiplied by ``shrink``.
SETTINGS = np.dtype(
    [
        *((name, np.float64) for name in ("rate", "decay1", "decay2", "epsilon", "scale", "shrink")),
        *((name, np.uint32) for name in ("threshold", "key1", "key2")),
    ],
    align=True,
)


class Nets(NamedTuple):
    """The state of several nets; each array is changed in place.

    Parameters
    ----------
    parameters, means, squares : ``(nets, parameters)`` float32: weights and biases, and Adam's two moments of them
    space : ``(nets, floats)`` float32: values and gradients of a step; or ``(1, floats)``, used by one net at a time
    plan : ``(layers + 1,)`` of `PLAN`: where in these arrays everything is
    """

    parameters: np.ndarray
    means: np.ndarray
    squares: np.ndarray
    space: np.ndarray
    plan: np.ndarray


class Rows(NamedTuple):
    """Features that the kernel takes from a table: `imbench.contract.rows.TableRows`.

    Parameters
    ----------
    table : ``(rows, features)`` float32; ``(0, 0)`` for none
    numbers : ``(nets, steps, batch)`` int64
    partners, share : ``(nets, steps, batch)`` int64 and float32; ``(0, 0, 0)`` for no mixing
    center, scale : ``(nets, features)`` float32
    clip : float32
    missing : float32, what missing values become
    """

    table: np.ndarray
    numbers: np.ndarray
    partners: np.ndarray
    share: np.ndarray
    center: np.ndarray
    scale: np.ndarray
    clip: np.float32
    missing: np.float32


class Net(NamedTuple):
    """One of several `Nets`: arrays without their first axis."""

    parameters: np.ndarray
    means: np.ndarray
    squares: np.ndarray
    space: np.ndarray
    plan: np.ndarray


class Mix(NamedTuple):
    """Rows mixed before a layer in one step: ``share`` of each row and ``1 - share`` of its partner.

    Parameters
    ----------
    layer : -1 for none
    partners : ``(batch in whole panels,)`` int32
    share : float32, from 0 to 1
    """

    layer: int
    partners: np.ndarray
    share: np.float32


class Steps(NamedTuple):
    """What a call trains its nets on, and how.

    Parameters
    ----------
    x : ``(nets, steps, batch, features)`` float32; ``(0, 0, 0, 0)`` for features from a table
    rows : features from a table
    y : ``(nets, steps, batch, classes)`` float32
    weight : ``(nets, steps, batch)`` float32, or ``(nets, 0, 0)`` for none
    settings : ``(nets,)`` of `SETTINGS`
    layers, partners, shares : the `Mix` of each step, ``(nets, steps)``, ``(nets, steps, batch in whole panels)`` and
        ``(nets, steps)``; or with one step for all of them
    loss : address of a compiled loss (`imbench.kernels.dense_tiles.LOSS_FUNCTION`), 0 for cross-entropy
    constants : ``(nets, any)`` float32, of the loss
    """

    x: np.ndarray
    rows: Rows
    y: np.ndarray
    weight: np.ndarray
    settings: np.ndarray
    layers: np.ndarray
    partners: np.ndarray
    shares: np.ndarray
    loss: int
    constants: np.ndarray


_F = types.float32
_SETTINGS = numba.from_dtype(SETTINGS)[::1]
_N = types.int64
_PLAN = numba.from_dtype(PLAN)[::1]
NETS_TYPE = types.NamedTuple([_F[:, ::1], _F[:, ::1], _F[:, ::1], _F[:, ::1], _PLAN], Nets)
_ROWS = types.NamedTuple(
    [_F[:, ::1], _N[:, :, ::1], _N[:, :, ::1], _F[:, :, ::1], _F[:, ::1], _F[:, ::1], _F, _F], Rows
)
STEPS_TYPE = types.NamedTuple(
    [
        *(_F[:, :, :, ::1], _ROWS, _F[:, :, :, ::1], _F[:, :, ::1], _SETTINGS),
        *(_N[:, ::1], types.int32[:, :, ::1], _F[:, ::1], _N, _F[:, ::1]),
    ],
    Steps,
)
