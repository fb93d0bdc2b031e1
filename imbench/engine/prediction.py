"""Probabilities of a trained dense net on rows that are no part of a job."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from imbench.contract.records import Preprocessing
from imbench.contract.rows import scaled
from imbench.engine.mlp import dense_logits
from imbench.engine.net_group import PREDICTION_NUMBERS, PREDICTION_ROWS


def probabilities(arrays: Sequence[np.ndarray], x: np.ndarray, preprocessing: Preprocessing) -> np.ndarray:
    """``(rows, classes)`` float32 probabilities of one net, as the fused engine predicts them.

    Parameters
    ----------
    arrays : ``[W0, b0, W1, b1, …]`` of the net, see `imbench.contract.records.Predictions.arrays`
    x : ``(rows, features)`` float32 before preprocessing, with NaN for missing values
    preprocessing : that of the training rows
    """
    weights = [torch.from_numpy(array) for array in arrays]
    table = torch.from_numpy(np.ascontiguousarray(x, np.float32))
    center, scale = (torch.from_numpy(values[None]) for values in (preprocessing.center, preprocessing.scale))
    widest = max(weight.shape[-1] for weight in weights)
    at_once = max(1, min(PREDICTION_ROWS, PREDICTION_NUMBERS // widest))
    flush = torch.set_flush_denormal(True)  # as in training
    try:
        with torch.no_grad():
            parts = [
                torch.softmax(dense_logits(weights, scaled(table, n[None], center, scale, preprocessing.clip)[0]), -1)
                for n in torch.split(torch.arange(len(table)), at_once)
            ]
    finally:
        if flush:
            torch.set_flush_denormal(False)
    return torch.cat(parts).numpy()
