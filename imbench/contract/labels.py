"""Labels of one batch, as class numbers or as soft labels."""

from __future__ import annotations

import torch
from torch import Tensor

# How far the sum of a row of soft labels may be from 1: half precision keeps three digits.
SUM_TOLERANCE = {torch.float16: 5e-3, torch.bfloat16: 2e-2}


def soft_labels(y: Tensor, classes: int | None = None, dtype: torch.dtype = torch.float32) -> Tensor:
    """One-hot labels ``(*stack, batch, classes)`` of class numbers ``(*stack, batch)``; soft labels are returned as is.

    Floating-point ``y`` with two or more axes is treated as soft labels. Raises ValueError for class numbers that are
    not integers in ``[0, classes)``.
    """
    if y.is_floating_point() and y.ndim >= 2:
        return y.to(dtype)
    numbers = y.long()
    if y.is_floating_point() and not torch.equal(numbers.to(y.dtype), y):
        raise ValueError("y must contain whole class numbers, or be (batch, classes) soft labels")
    count = int(numbers.max()) + 1 if classes is None else classes
    if numbers.numel() and (int(numbers.min()) < 0 or int(numbers.max()) >= count):
        raise ValueError(f"class numbers must be 0 to {count - 1}, got {int(numbers.min())} to {int(numbers.max())}")
    return torch.nn.functional.one_hot(numbers, count).to(dtype)


def batch_labels(y: Tensor, rows: int, classes: int | None = None, dtype: torch.dtype = torch.float32) -> Tensor:
    """Soft labels ``(batch, classes)`` of one batch from a training loop.

    Parameters
    ----------
    y : ``(batch,)`` whole class numbers, or ``(batch, classes)`` soft or one-hot labels of any type: non-negative, with
        sum 1 in each row
    rows : number of rows of the batch, at least 1
    classes : number of classes; default: the largest class number plus 1, or the columns of soft labels
    dtype : type of the result

    Raises
    ------
    ValueError for any other shape or value, naming it and the fix.
    """
    shape = tuple(y.shape)
    if not shape or shape[0] != rows:
        raise ValueError(f"y must have a label for each of the {rows} rows of x, got the shape {shape}")
    if rows == 0:
        raise ValueError("the batch has no rows: set drop_last, or skip empty batches")
    if y.ndim == 1:
        return soft_labels(y, classes, dtype)
    if y.ndim > 2:
        raise ValueError(f"y must be (batch,) class numbers or (batch, classes) soft labels, got the shape {shape}")
    if shape[1] == 1:
        raise ValueError(
            f"y has the shape {shape}: one column is neither class numbers nor soft labels; pass y.squeeze(1), class "
            "numbers of shape (batch,)"
        )
    if classes is not None and shape[1] != classes:
        raise ValueError(f"y has {shape[1]} columns, expected one for each of the {classes} classes")
    soft = y.to(torch.promote_types(y.dtype, torch.float32))
    if not bool((soft >= 0).all()):
        row = int((~(soft >= 0)).any(dim=1).nonzero()[0])
        raise ValueError(f"soft labels must be numbers from 0 to 1, got {_shown(soft[row])} in row {row} of y")
    off = (soft.sum(dim=1) - 1).abs() > SUM_TOLERANCE.get(y.dtype, 1e-4)
    if bool(off.any()):
        row = int(off.nonzero()[0])
        raise ValueError(
            f"each row of soft labels must sum to 1, got {_shown(soft[row])} with sum {float(soft[row].sum()):.6g} in "
            f"row {row} of y; class numbers have the shape (batch,), and labels of several tasks are not supported"
        )
    return soft.to(dtype)


def _shown(row: Tensor) -> str:
    values = [f"{float(value):.6g}" for value in row[:4]]
    return f"[{', '.join(values)}{', …' if len(row) > 4 else ''}]"
