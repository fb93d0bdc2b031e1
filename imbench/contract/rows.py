"""Operations on the rows of a stack of batches: selecting, mixing, scaling and class-balanced drawing.

Each function consists of a few PyTorch operations and works on any device and in any precision. For float32 stacks on
a CPU, where memory traffic dominates, compiled code replaces them (`imbench.kernels.row_kernels`): it makes one pass
and gives the same bits.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from types import ModuleType

import numpy as np
import torch
from torch import Tensor

# Values computed at a time; with their two inputs about 3 MB in float32. Does not change results.
PIECE = 2**18

Pairs = tuple[Tensor | None, Tensor | None]


@dataclass(frozen=True, eq=False)
class TableRows:
    """The features of a stack of batches, not computed yet: rows of a table, scaled, and perhaps mixed in pairs.

    A kernel that computes them where it needs them spares writing and reading a block of batches.

    Parameters
    ----------
    table : ``(rows, features)`` float32
    numbers : ``(nets, steps, batch)`` int64 row numbers in ``[0, rows)``; or any number of axes for the steps
    center, scale : ``(nets, features)``
    clip : scaled values are clipped to ``[-clip, clip]``
    has_missing : whether the table contains NaN; missing values become 0
    partners : ``(nets, steps, batch)`` row numbers of the rows to mix with; None for no mixing
    share : ``(nets, steps, batch)`` in [0, 1]: the result is ``row + share * (partner - row)``
    """

    table: Tensor
    numbers: Tensor
    center: Tensor
    scale: Tensor
    clip: float
    has_missing: bool
    partners: Tensor | None = None
    share: Tensor | None = None

    @property
    def shape(self) -> torch.Size:
        """``(nets, steps, batch, features)``."""
        return torch.Size((*self.numbers.shape, self.table.shape[1]))

    def compute(self) -> Tensor:
        """``(nets, steps, batch, features)``."""
        if self.partners is None or self.share is None:
            return self._scaled(self.numbers)
        both = self._scaled(torch.cat([self.numbers, self.partners], dim=-1))
        first = torch.arange(self.numbers.shape[-1]).expand_as(self.numbers)
        return between(both, first, first + first.shape[-1], self.share)

    def take(self, rows: Tensor) -> TableRows:
        """Rows by their numbers ``(nets, steps, new batch)`` in ``[0, batch)``."""
        _check_range(self.numbers.shape[-1], rows)
        partners, share = self._of_pairs(lambda values: values.gather(-1, rows))
        return replace(self, numbers=self.numbers.gather(-1, rows), partners=partners, share=share)

    def between(self, first: Tensor, second: Tensor, share: Tensor) -> TableRows | None:
        """The rows that the function `between` would compute; None if these rows are mixed already."""
        _check_pairs(self.shape, first, second)
        share = share.to(self.table.dtype).expand(first.shape)
        if self.partners is not None:
            return None
        _check_range(self.numbers.shape[-1], first, second)
        numbers, partners = self.numbers.gather(-1, first), self.numbers.gather(-1, second)
        return replace(self, numbers=numbers, partners=partners, share=share)

    def keep(self, nets: Tensor | np.ndarray) -> TableRows:
        """The rows of these nets only."""
        return self._with(self.numbers[nets], self._of_pairs(lambda values: values[nets]), nets)

    def of_step(self, step: int) -> TableRows:
        """The rows of one step, ``(nets, batch)``."""
        return self._with(self.numbers[:, step], self._of_pairs(lambda values: values[:, step]), slice(None))

    def of_batches(self, batches: Tensor, rows: Tensor) -> Tensor:
        """See `imbench.contract.batch.Batch.features_of`."""

        def chosen(values: Tensor) -> Tensor:
            return values.reshape(-1, values.shape[-1])[batches, None]

        nets = torch.div(batches, self.numbers.shape[1:-1].numel(), rounding_mode="floor")
        return self._with(chosen(self.numbers), self._of_pairs(chosen), nets).take(rows[:, None]).compute()[:, 0]

    def _with(self, numbers: Tensor, pairs: Pairs, nets: Tensor | np.ndarray | slice) -> TableRows:
        center, scale = self.center[nets], self.scale[nets]
        return replace(self, numbers=numbers, partners=pairs[0], share=pairs[1], center=center, scale=scale)

    def _of_pairs(self, of: Callable[[Tensor], Tensor]) -> Pairs:
        partners, share = (None if values is None else of(values) for values in (self.partners, self.share))
        return partners, share

    def _scaled(self, numbers: Tensor) -> Tensor:
        return scaled(self.table, numbers, self.center, self.scale, self.clip, has_missing=self.has_missing)


def table_rows(
    table: Tensor, numbers: Tensor, center: Tensor, scale: Tensor, clip: float, *, has_missing: bool
) -> TableRows | Tensor:
    """What `scaled` computes, to be computed later if compiled code supports these tensors."""
    if table.ndim == 2 and numbers.ndim == 3 and compiled_for(table, center, scale) is not None:
        return TableRows(table, numbers, center, scale, clip, has_missing)
    return scaled(table, numbers, center, scale, clip, has_missing=has_missing)


def take_rows(values: Tensor, rows: Tensor) -> Tensor:
    """Select rows of ``(*stack, batch, *rest)`` by numbers ``(*stack, new batch)``: ``(*stack, new batch, *rest)``."""
    size, rest = values.shape[rows.ndim - 1], values.shape[rows.ndim :]
    return values.reshape(-1, *rest).index_select(0, row_numbers(size, rows)).reshape(*rows.shape, *rest)


def row_numbers(size: int, rows: Tensor) -> Tensor:
    """Row numbers of a table of all batches of the stack, one after another, from numbers within each batch.

    ``rows`` is ``(*stack, new batch)`` in ``[0, size)``, the result ``(stack * new batch,)``. Raises IndexError for
    numbers out of range.
    """
    _check_range(size, rows)
    first = torch.arange(rows.shape[:-1].numel(), device=rows.device) * size
    return (rows.reshape(-1, rows.shape[-1]) + first[:, None]).reshape(-1)


def mixed(values: Tensor, partners: Tensor, share: Tensor) -> Tensor:
    """``share * values + (1 - share) * partners``; exact where both are equal, and where ``share`` is 1.

    ``values`` and ``partners`` are ``(*axes, *rest)``; ``share`` is ``(*axes)`` in [0, 1], where axes of 1 broadcast.
    """
    return torch.lerp(partners, values, share.reshape(*share.shape, *[1] * (values.ndim - share.ndim)).to(values.dtype))


def between(values: Tensor, first: Tensor, second: Tensor, share: Tensor) -> Tensor:
    """Interpolate between pairs of rows: ``first + share * (second - first)``.

    Parameters
    ----------
    values : ``(*stack, batch, *features)``
    first, second : ``(*stack, new batch)`` row numbers in ``[0, batch)``
    share : ``(*stack, new batch)`` or broadcastable to it, in [0, 1]

    Returns
    -------
    ``(*stack, new batch, *features)``. Where both rows are equal, the result equals them to the bit.

    Raises
    ------
    ValueError for rows of another stack or not int64, IndexError for row numbers that the batch does not have.
    """
    _check_pairs(values.shape, first, second)
    size, features = values.shape[first.ndim - 1], values.shape[first.ndim :]
    batches = values.shape[: first.ndim - 1].numel()
    share = share.to(values.dtype).expand(first.shape)
    kernels = compiled_for(values, share) if first.ndim > 1 else None
    if kernels is not None:
        result = values.new_empty(batches, first.shape[-1], features.numel())
        numbers = (_array(rows.reshape(batches, -1)) for rows in (first, second))
        arrays = _array(values.reshape(batches, size, -1)), *numbers, _array(share.reshape(batches, -1))
        if not kernels.between(*arrays, result.numpy()):
            raise _out_of_range(size, first, second)
        return result.reshape(*first.shape, *features)
    _check_range(size, first, second)
    table = values.reshape(batches * size, -1)  # the batches of the stack, one after another
    start = torch.arange(0, batches * size, size, device=values.device).unsqueeze(-1)
    one, other = ((rows.reshape(batches, -1) + start).flatten() for rows in (first, second))
    way = share.flatten()
    result = table.new_empty(len(one), table.shape[-1])
    step = max(1, PIECE // max(1, table.shape[-1]))
    for piece in (slice(i, i + step) for i in range(0, len(one), step)):
        result[piece] = mixed(table.index_select(0, other[piece]), table.index_select(0, one[piece]), way[piece])
    return result.reshape(*first.shape, *features)


def scaled(
    table: Tensor, numbers: Tensor, center: Tensor, scale: Tensor, clip: float, *, has_missing: bool = True
) -> Tensor:
    """Select and scale rows of a table: ``clip((x - center) * scale)``, and 0 for missing values.

    Parameters
    ----------
    table : ``(rows, *features)`` of any dtype
    numbers : ``(nets, *any)`` row numbers in ``[0, rows)``
    center, scale : ``(nets, *features)`` or broadcastable to it
    clip : results are clipped to ``[-clip, clip]``
    has_missing : whether the table contains NaN

    Returns
    -------
    ``(nets, *any, *features)``
    """
    nets, features = len(numbers), table.shape[1:].numel()
    kernels = compiled_for(table, center, scale) if table.ndim == 2 else None
    if kernels is not None:
        result = table.new_empty(nets, numbers[0].numel(), features)
        center, scale = (values.expand(nets, features) for values in (center, scale))
        arrays = (_array(values) for values in (table, numbers.reshape(nets, -1), center, scale))
        if not kernels.scaled(*arrays, clip, has_missing, result.numpy()):
            raise _out_of_range(len(table), numbers)
        return result.reshape(*numbers.shape, features)
    if table.ndim == 4 and table.dtype == torch.uint8 and center.shape == scale.shape == (nets, table.shape[1], 1, 1):
        kernels = compiled_for(center, scale)
        if kernels is not None:
            x = center.new_empty(nets, numbers[0].numel(), *table.shape[1:])
            each = _array(table.flatten(2)), _array(numbers.reshape(nets, -1))
            if not kernels.scaled_pixels(
                *each, _array(center.flatten(1)), _array(scale.flatten(1)), clip, x.flatten(3).numpy()
            ):
                raise _out_of_range(len(table), numbers)
            return x.reshape(*numbers.shape, *table.shape[1:])
    per_net = (nets, *[1] * (numbers.ndim - 1), *center.shape[1:])
    x = table.index_select(0, numbers.reshape(-1)).reshape(*numbers.shape, *table.shape[1:]).to(center.dtype)
    x = x.sub_(center.reshape(per_net)).mul_(scale.reshape(per_net))
    if has_missing:
        x = x.nan_to_num_(nan=0.0, posinf=clip, neginf=-clip)
    return x.clamp_(-clip, clip)


def balanced(y: Tensor, class_draws: Tensor, row_draws: Tensor) -> Tensor:
    """Row numbers ``(*stack, batch)`` of a class-balanced draw, as `imbench.contract.noise.Noise.balanced` describes.

    Parameters
    ----------
    y : ``(*stack, batch, classes)`` labels
    class_draws : ``(*stack, classes)`` uniform in [0, 1), decides the order of the classes present, smallest first
    row_draws : ``(*stack, batch)`` uniform in [0, 1), decides which row of its class each drawn row is
    """
    size, classes = y.shape[-2:]
    kernels = compiled_for(y, class_draws, row_draws) if y.ndim > 2 else None
    if kernels is not None:
        rows = torch.empty(y.shape[:-1], dtype=torch.int64, device=y.device)
        flat = y.reshape(-1, size, classes), class_draws.reshape(-1, classes), row_draws.reshape(-1, size)
        kernels.balanced(*(_array(values) for values in flat), rows.reshape(-1, size).numpy())
        return rows
    labels, by_class = y.argmax(dim=-1).sort(dim=-1, stable=True)  # (*stack, batch)
    numbers = torch.arange(classes + 1, device=y.device).expand(*labels.shape[:-1], -1).contiguous()
    first = torch.searchsorted(labels, numbers)  # (*stack, classes + 1): start of each class in `labels`
    counts = first.diff(dim=-1)
    present = counts > 0
    # A random order of the classes, those present first; row s of the new batch has the class at s mod C in this order.
    turn = torch.where(present, class_draws, 2.0).argsort(dim=-1)
    slot = torch.arange(size, device=y.device) % present.sum(dim=-1, keepdim=True)  # (*stack, batch)
    drawn = turn.gather(-1, slot)  # (*stack, batch): the class of each slot
    available = counts.gather(-1, drawn)
    nth = (row_draws * available).long().minimum(available - 1)
    return by_class.gather(-1, first.gather(-1, drawn) + nth)


def _check_pairs(shape: Sequence[int], first: Tensor, second: Tensor) -> None:
    """Raise ValueError unless these are pairs of row numbers for values of this shape."""
    for name, rows in (("first", first), ("second", second)):
        if rows.shape[:-1] != shape[: rows.ndim - 1] or rows.shape != first.shape or rows.dtype != torch.int64:
            raise ValueError(
                f"between: {name} must be int64 row numbers (*stack, new batch), the same shape for both, for values "
                f"{tuple(shape)}; got {rows.dtype} {tuple(rows.shape)}"
            )


def _check_range(size: int, *rows: Tensor) -> None:
    """Raise IndexError for row numbers out of range, which would select rows of another batch of the stack.

    Not on a GPU, where this would wait for the device.
    """
    for numbers in rows:
        if numbers.device.type == "cpu" and numbers.numel():
            least, most = numbers.aminmax()
            if least < 0 or most >= size:
                raise _out_of_range(size, numbers)


def _out_of_range(size: int, *rows: Tensor) -> IndexError:
    least, most = min(int(numbers.min()) for numbers in rows), max(int(numbers.max()) for numbers in rows)
    return IndexError(f"row numbers must be from 0 to {size - 1} for {size} rows, got {least} to {most}")


def compiled_for(*values: Tensor) -> ModuleType | None:
    """The module of compiled functions if it supports these tensors, else None."""
    suits = all(v.device.type == "cpu" and v.dtype == torch.float32 and not v.requires_grad for v in values)
    return _row_kernels() if suits else None


@functools.cache
def _row_kernels() -> ModuleType | None:
    try:
        from imbench.kernels import row_kernels as kernels
    except ImportError:  # Numba is not installed; the engine warns about that
        return None
    return kernels


def _array(values: Tensor) -> object:
    return values.contiguous().numpy()
