"""Where the fused kernel finds everything of a net: its plan, its parameters, its working space."""

from __future__ import annotations

import numpy as np

from imbench.kernels.dense_records import PLAN
from imbench.kernels.dense_tiles import PANEL
from imbench.kernels.simd import zeros


def plan_net(widths: tuple[int, ...], batch: int) -> tuple[np.ndarray, int, int]:
    """Where everything of a net lies: its plan, the number of its parameters (padded), and floats of working space.

    A plan is ``(layers + 1,)`` of `PLAN`; record l is about the values that enter layer l, the last about the logits.
    """
    panels = -(-batch // PANEL)
    plan = np.zeros(len(widths), PLAN)
    plan["width"] = widths
    plan["padded"] = -(-plan["width"] // PANEL) * PANEL
    plan["weights"][1:] = np.cumsum((plan["width"][:-1] + 1) * plan["padded"][1:])
    plan["drawn"] = np.concatenate([[0, 0], np.cumsum(widths[1:-1])])[: len(widths)]
    # Dropout draws for every hidden layer but the last.
    plan["drawn"][-1] = sum(widths[1:-2])
    panel = panels * PANEL
    inputs = (plan["width"] + 1) * panel
    plan["values"][1:] = np.cumsum(inputs)[:-1]
    widest, end = int(plan["padded"][1:].max()) * panel, int(inputs.sum())
    for layer in range(1, len(widths)):
        # The lines of padded units stay 0 from the beginning, so only layers of one width write to the same place.
        before = layer - 2
        if before > 0 and widths[before] == widths[layer]:
            plan["delta"][layer] = plan["delta"][before]
        else:
            plan["delta"][layer], end = end, end + int(plan["padded"][layer]) * panel
    plan["delta"][0] = end  # the last: the labels and weights of a panel may need a line more
    end, tile = end + widest + PANEL, PANEL * panel
    # Two tiles to transpose rows in; a third since a narrow layer is written as if it were `PANEL` wide.
    plan["mixed"] = end + 3 * tile + inputs.max()
    plan["mixed"][0] = end
    return plan, int(plan["weights"][-1]), int(plan["mixed"][1]) + widest


def working_spaces(plan: np.ndarray, floats: int, batch: int, nets: int) -> np.ndarray:
    """``(nets, floats)`` of working space for batches of at most ``batch`` rows, with its rows of ones."""
    spaces = zeros(nets, floats)
    for record in plan[:-1]:
        start, width = record["values"], record["width"]
        values = spaces[:, start : start + (width + 1) * -(-batch // PANEL) * PANEL]
        values.reshape(nets, -1, width + 1, PANEL)[:, :, -1] = 1.0
    return spaces
