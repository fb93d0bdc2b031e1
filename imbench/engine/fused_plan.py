"""Where the fused kernel finds everything of a net: its plan, its parameters, its working space."""

from __future__ import annotations

import numpy as np

from imbench.kernels.dense import DELTA, INPUT, MASK, MIXED, PADDED, PANEL, WEIGHTS, WIDTH


def plan_net(widths: tuple[int, ...], batch: int) -> tuple[np.ndarray, int, int]:
    """Where everything of a net lies: its plan, the number of its parameters (padded), and floats of working space.

    A plan is ``(layers + 1, 7)`` int64; row l is about the values that enter layer l (the last row: the logits), with
    the columns `WIDTH`; `PADDED` (the width up to whole panels); `INPUT`, where the values lie in the working space;
    `WEIGHTS`, where the layer's weights begin, ``(WIDTH + 1, PADDED of the next row)`` with the bias as the last row;
    `MASK`, how many units dropout draws for before these; `DELTA`, where their gradients lie (the first row: where they
    are turned round); `MIXED`, where rows are turned round to be mixed and, after that, lie mixed (the
    second row: their gradients).
    """
    panels = -(-batch // PANEL)
    plan = np.zeros((len(widths), 7), np.int64)
    plan[:, WIDTH] = widths
    plan[:, PADDED] = -(-plan[:, WIDTH] // PANEL) * PANEL
    plan[1:, WEIGHTS] = np.cumsum((plan[:-1, WIDTH] + 1) * plan[1:, PADDED])
    plan[:, MASK] = np.concatenate([[0, 0], np.cumsum(widths[1:-1])])[: len(widths)]
    # Dropout draws for every hidden layer but the last; the last row of the column is their sum.
    plan[-1, MASK] = sum(widths[1:-2])
    panel = panels * PANEL
    inputs = (plan[:, WIDTH] + 1) * panel
    plan[1:, INPUT] = np.cumsum(inputs)[:-1]
    widest = int(plan[1:, PADDED].max()) * panel
    plan[:, DELTA] = inputs.sum() + widest * (np.arange(len(widths)) % 2)
    plan[0, DELTA] = inputs.sum() + 2 * widest  # the last: the labels and weights of a panel may need a line more
    end, tile = int(plan[0, DELTA]) + widest + PANEL, PANEL * panel
    # Two tiles to turn rows round in; a third since a narrow layer is written as if it were `PANEL` wide.
    plan[:, MIXED] = end + 3 * tile + inputs.max()
    plan[0, MIXED] = end
    return plan, int(plan[-1, WEIGHTS]), int(plan[1, MIXED]) + widest


def working_space(plan: np.ndarray, floats: int, batch: int) -> np.ndarray:
    """Working space for batches of at most ``batch`` rows, with its rows of ones."""
    space = np.zeros(floats, np.float32)
    for width, start in plan[:-1, [WIDTH, INPUT]]:
        values = space[start : start + (width + 1) * -(-batch // PANEL) * PANEL]
        values.reshape(-1, width + 1, PANEL)[:, -1] = 1.0
    return space
