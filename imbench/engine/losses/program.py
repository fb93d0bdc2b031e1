"""Program and Recording: a loss as a list of operations on the values of one row."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

# Limit for compiled losses: longer programs take longer to compile than they save.
MAX_OPERATIONS = 400

Operation = tuple[str, tuple[int, ...], int]


class UntraceableError(Exception):
    """A loss is not computed row by row, or uses an operation that has no translation."""


@dataclass(frozen=True)
class Program:
    """The operations that compute the loss of a row and its gradient with respect to the logits.

    Parameters
    ----------
    operations : ``(name, numbers of the operands, option)``, where operands are results of earlier operations. The
        first two operations are the logits and the labels. A result is one value, or one for each class. ``("constant",
        (), c)`` is column c of the constants; ``("constants", (), c)`` is the columns from c on, one for each class.
    loss, gradient : numbers of the operations that give the loss and the gradient
    classes : number of classes
    """

    operations: tuple[Operation, ...]
    loss: int
    gradient: int
    classes: int


@dataclass
class Recording:
    """The operations recorded so far, and the arrays that are results of them.

    Parameters
    ----------
    nets, classes : number of nets and of classes
    operations : as in `Program`
    columns : the constants, one array ``(nets,)`` for each column
    known : the arrays that are results of operations, by their identity, with the number of the operation
    """

    nets: int
    classes: int
    operations: list[Operation] = field(default_factory=list)
    columns: list[np.ndarray] = field(default_factory=list)
    # Keyed by id(array); storing the arrays prevents Python from reusing an id.
    known: dict[int, tuple[Tensor, int]] = field(default_factory=dict)

    def add(self, name: str, *operands: int, option: int = 0) -> int:
        """Add an operation; returns its number."""
        self.operations.append((name, operands, option))
        return len(self.operations) - 1

    def bind(self, array: Tensor, number: int) -> None:
        """Register an array as the result of this operation, for all rows."""
        self.known[id(array)] = array, number

    def check_in_place(self, array: Tensor) -> None:
        """Raise `UntraceableError` unless this array is known and shares its memory with no other known array."""
        place = array.untyped_storage().data_ptr()
        others = [a for a, _ in self.known.values() if a is not array and a.untyped_storage().data_ptr() == place]
        if id(array) not in self.known or others:
            raise UntraceableError("an array is changed in place")

    def number(self, value: Any, like: Tensor) -> int:
        """The number of an operand of an operation whose result has the shape of ``like``.

        An array or number that is not known becomes a constant.
        """
        if isinstance(value, Tensor) and id(value) in self.known:
            if value.ndim != like.ndim:
                raise UntraceableError(f"an array of {value.ndim} axes is combined with one of {like.ndim}")
            return self.known[id(value)][1]
        return self._constant(torch.as_tensor(value), like)

    def _constant(self, value: Tensor, like: Tensor) -> int:
        """Add a constant, which must be equal for all rows of a net; returns its number."""
        wide = like.ndim == 3 and value.ndim > 0 and value.shape[-1] > 1
        each = value.detach().broadcast_to(like.shape).to(torch.float32)
        if like.ndim == 2:
            each = each[..., None]
        each = each if wide else each[..., :1]
        if not torch.equal(each, each[:, :1].expand_as(each)):
            raise UntraceableError("a constant differs between rows")
        first = len(self.columns)
        self.columns += list(each[:, 0].numpy().T)
        number = self.add("constants" if wide else "constant", option=first)
        if value.dtype is not torch.bool:
            return number
        return self.add("unequal", number, self._constant(torch.tensor(0.0), like))

    def program(self, *results: int) -> tuple[Program, np.ndarray]:
        """The operations that these two results need, and their constants ``(nets, columns)`` float32."""
        needed, todo = {0, 1}, list(results)
        while todo:
            number = todo.pop()
            if number not in needed:
                needed.add(number)
                todo += self.operations[number][1]
        if len(needed) > MAX_OPERATIONS:
            raise UntraceableError(f"{len(needed)} operations")
        place = {old: new for new, old in enumerate(sorted(needed))}
        columns: list[np.ndarray] = []
        kept: list[Operation] = []
        for old in place:
            name, operands, option = self.operations[old]
            if name in ("constant", "constants"):
                count = self.classes if name == "constants" else 1
                columns += self.columns[option : option + count]
                option = len(columns) - count
            kept.append((name, tuple(place[o] for o in operands), option))
        constants = np.ascontiguousarray(np.array(columns, np.float32).reshape(-1, self.nets).T)
        loss, gradient = (place[r] for r in results)
        return Program(tuple(kept), loss, gradient, self.classes), constants
